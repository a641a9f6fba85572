//! Tests of the queue with models without weights.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use super::*;

type Sizes = Arc<Mutex<Vec<usize>>>;

/// A model that doubles its inputs, records the batch sizes, panics on 13 and fails on 14.
fn doubling(sizes: &Sizes) -> EmbedFn {
    let sizes = Arc::clone(sizes);
    Box::new(move |inputs| {
        sizes.lock().expect("no thread panicked").push(inputs.len());
        for input in &inputs {
            assert!(input.values[0] != 13.0, "unlucky");
            anyhow::ensure!(input.values[0] != 14.0, "refused");
        }
        Ok(inputs
            .into_iter()
            .map(|input| input.values.into_iter().map(|value| value * 2.0).collect())
            .collect())
    })
}

fn options(max_batch: usize, capacity: usize) -> QueueOptions {
    QueueOptions {
        max_batch,
        capacity,
        max_wait: Duration::from_millis(50),
        ..QueueOptions::default()
    }
}

#[tokio::test]
async fn every_input_is_answered_and_batches_are_limited() {
    let sizes = Sizes::default();
    let model = Arc::clone(&sizes);
    let (queue, first) = EmbedQueue::start(options(8, 64), move || Ok(doubling(&model))).expect("the worker starts");
    first.await.expect("the worker reports").expect("the model is loaded");
    assert!(queue.health() == QueueHealth::Ready);
    let answers =
        futures::future::join_all((0..12u8).map(|at| queue.embed(EmbedInput::query(vec![f32::from(at)]), ()))).await;
    for (at, answer) in (0u8..).zip(answers) {
        assert_eq!(answer.expect("the input is embedded"), [f32::from(at) * 2.0]);
    }
    let sizes = sizes.lock().expect("no thread panicked");
    assert!(sizes.iter().all(|size| *size <= 8) && sizes.len() < 12, "{sizes:?}");
}

#[tokio::test]
async fn the_model_is_loaded_again_after_a_panic_or_an_error() {
    let (made, count) = channel();
    let make = move || {
        made.send(())?;
        Ok(doubling(&Sizes::default()))
    };
    let (queue, first) = EmbedQueue::start(options(1, 8), make).expect("the worker starts");
    first.await.expect("the worker reports").expect("the model is loaded");
    for (input, says) in [(13.0, "unlucky"), (14.0, "refused")] {
        let error = queue
            .embed(EmbedInput::query(vec![input]), ())
            .await
            .expect_err("the model fails");
        assert!(
            matches!(&error, EmbedError::Model(reason) if reason.contains(says)),
            "{error}"
        );
        assert_eq!(
            queue
                .embed(EmbedInput::query(vec![1.0]), ())
                .await
                .expect("the model was loaded again"),
            [2.0]
        );
    }
    assert!(queue.health() == QueueHealth::Ready);
    assert_eq!(
        count.try_iter().count(),
        3,
        "the model is made once, and once after each failure"
    );
}

#[tokio::test]
async fn a_full_queue_refuses_and_withdrawn_inputs_are_not_computed() {
    let (release, gate) = channel::<()>();
    let (running, runs) = channel();
    let gate = Mutex::new(gate);
    let mut gate = Some(gate);
    let make = move || -> anyhow::Result<EmbedFn> {
        let (gate, running) = (gate.take().expect("the model is made once"), running.clone());
        Ok(Box::new(move |inputs| {
            running.send(inputs.clone())?;
            gate.lock().expect("no thread panicked").recv()?;
            Ok(inputs.into_iter().map(|input| input.values).collect())
        }))
    };
    let (queue, first) = EmbedQueue::start(options(1, 2), make).expect("the worker starts");
    first.await.expect("the worker reports").expect("the model is loaded");
    let queue = Arc::new(queue);
    let ask = |value: f32| {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.embed(EmbedInput::query(vec![value]), ()).await })
    };

    let busy = ask(1.0);
    // The worker holds the first input and waits; two more fill the queue.
    let began = tokio::task::spawn_blocking(move || runs.recv().map(|_| runs))
        .await
        .expect("the task ends");
    let runs = began.expect("the model has begun");
    let (leaves, stays) = (ask(2.0), ask(3.0));
    while queue.waiting() < 2 {
        tokio::task::yield_now().await;
    }
    let refused = queue.embed(EmbedInput::query(vec![4.0]), ()).await;
    let refused = refused.expect_err("the queue is full");
    let is_overloaded = matches!(
        refused,
        EmbedError::Overloaded {
            waiting: 2,
            retry_after_s: 1..
        }
    );
    assert!(is_overloaded, "{refused}");

    leaves.abort();
    assert!(leaves.await.is_err());
    release.send(()).expect("the model waits");
    release.send(()).expect("the model waits");
    assert_eq!(
        busy.await.expect("the task ends").expect("the input is embedded"),
        [1.0]
    );
    assert_eq!(
        stays.await.expect("the task ends").expect("the input is embedded"),
        [3.0]
    );
    assert_eq!(
        runs.try_iter().collect::<Vec<_>>(),
        [vec![EmbedInput::query(vec![3.0])]],
        "the withdrawn input was not computed"
    );
}

#[tokio::test]
async fn the_reason_why_a_model_cannot_be_loaded_is_reported() {
    for panics in [true, false] {
        let make = move || -> anyhow::Result<EmbedFn> {
            assert!(!panics, "no weights");
            anyhow::bail!("no weights")
        };
        let (queue, first) = EmbedQueue::start(options(1, 1), make).expect("the worker starts");
        let error = first
            .await
            .expect("the worker reports")
            .expect_err("the model cannot be loaded");
        assert!(error.to_string().contains("no weights"), "{error}");
        assert_eq!(queue.health(), QueueHealth::Ended);
        assert!(matches!(
            queue.embed(EmbedInput::query(vec![1.0]), ()).await,
            Err(EmbedError::Closed)
        ));
    }
}

#[tokio::test]
async fn a_hung_model_is_reported_and_does_not_delay_the_end() {
    let (release, gate) = channel::<()>();
    let mut gate = Some(gate);
    let make = move || -> anyhow::Result<EmbedFn> {
        let gate = gate.take().expect("the model is made once");
        Ok(Box::new(move |inputs| {
            gate.recv()?;
            Ok(inputs.into_iter().map(|input| input.values).collect())
        }))
    };
    let options = QueueOptions {
        stall: Duration::from_millis(100),
        ..options(1, 2)
    };
    let (queue, first) = EmbedQueue::start(options, make).expect("the worker starts");
    first.await.expect("the worker reports").expect("the model is loaded");
    let queue = Arc::new(queue);
    let ask = || {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.embed(EmbedInput::query(vec![1.0]), ()).await })
    };
    let until = async |wanted: fn(QueueHealth) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !wanted(queue.health()) {
            assert!(Instant::now() < deadline, "{:?}", queue.health());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let stalled = |health| {
        matches!(
            health,
            QueueHealth::Stalled {
                needs_restart: false,
                ..
            }
        )
    };
    let asked = ask();
    until(stalled).await;
    release.send(()).expect("the model waits");
    assert_eq!(
        asked.await.expect("the task ends").expect("the input is embedded"),
        [1.0]
    );
    until(|health| health == QueueHealth::Ready).await;

    let _asked = ask();
    until(|health| health.needs_restart()).await;
    let begun = Instant::now();
    assert!(!queue.end(Duration::from_millis(50)).await, "the model still hangs");
    drop(queue);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "the end does not wait for the model"
    );
}

#[tokio::test]
async fn failed_attempts_to_load_a_model_are_counted() {
    let mut made = 0;
    let make = move || {
        made += 1;
        anyhow::ensure!(made == 1, "no memory");
        Ok(doubling(&Sizes::default()))
    };
    let (queue, first) = EmbedQueue::start(options(1, 8), make).expect("the worker starts");
    first.await.expect("the worker reports").expect("the model is loaded");
    assert!(queue.embed(EmbedInput::query(vec![13.0]), ()).await.is_err());
    let deadline = Instant::now() + Duration::from_secs(20);
    while !queue.health().needs_restart() {
        assert!(Instant::now() < deadline, "{:?}", queue.health());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(queue.health(), QueueHealth::Broken { attempts: 3 });
    let error = queue
        .embed(EmbedInput::query(vec![1.0]), ())
        .await
        .expect_err("the model cannot be loaded");
    assert!(error.to_string().contains("no memory"), "{error}");
}
