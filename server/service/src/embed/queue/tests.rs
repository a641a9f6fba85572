//! The queue with models that need no weights.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use super::*;

type Sizes = Arc<Mutex<Vec<usize>>>;

/// A model that doubles its inputs, notes its batch sizes, panics on 13 and fails on 14.
fn doubling(sizes: &Sizes) -> EmbedFn {
    let sizes = Arc::clone(sizes);
    Box::new(move |inputs| {
        sizes.lock().expect("not poisoned").push(inputs.len());
        for input in &inputs {
            assert!(input[0] != 13.0, "unlucky");
            anyhow::ensure!(input[0] != 14.0, "refused");
        }
        Ok(inputs
            .into_iter()
            .map(|input| input.into_iter().map(|value| value * 2.0).collect())
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
async fn answers_everyone_in_batches() {
    let sizes = Sizes::default();
    let model = Arc::clone(&sizes);
    let (queue, first) = EmbedQueue::start(options(8, 64), move || Ok(doubling(&model))).expect("starts");
    first.await.expect("started").expect("loaded");
    assert!(queue.health() == QueueHealth::Ready);
    let answers = futures::future::join_all((0..12u8).map(|at| queue.embed(vec![f32::from(at)], ()))).await;
    for (at, answer) in (0u8..).zip(answers) {
        assert_eq!(answer.expect("embedded"), [f32::from(at) * 2.0]);
    }
    let sizes = sizes.lock().expect("not poisoned");
    assert!(sizes.iter().all(|size| *size <= 8) && sizes.len() < 12, "{sizes:?}");
}

#[tokio::test]
async fn survives_panics_and_errors() {
    let (made, count) = channel();
    let make = move || {
        made.send(())?;
        Ok(doubling(&Sizes::default()))
    };
    let (queue, first) = EmbedQueue::start(options(1, 8), make).expect("starts");
    first.await.expect("started").expect("loaded");
    for (input, says) in [(13.0, "unlucky"), (14.0, "refused")] {
        let error = queue.embed(vec![input], ()).await.expect_err("fails");
        assert!(
            matches!(&error, EmbedError::Model(why) if why.contains(says)),
            "{error}"
        );
        assert_eq!(queue.embed(vec![1.0], ()).await.expect("works again"), [2.0]);
    }
    assert!(queue.health() == QueueHealth::Ready);
    assert_eq!(count.try_iter().count(), 3, "made once, and once after each failure");
}

#[tokio::test]
async fn refuses_when_full_and_skips_those_who_left() {
    let (release, gate) = channel::<()>();
    let (running, runs) = channel();
    let gate = Mutex::new(gate);
    let mut gate = Some(gate);
    let make = move || -> anyhow::Result<EmbedFn> {
        let (gate, running) = (gate.take().expect("made once"), running.clone());
        Ok(Box::new(move |inputs| {
            running.send(inputs.clone())?;
            gate.lock().expect("not poisoned").recv()?;
            Ok(inputs)
        }))
    };
    let (queue, first) = EmbedQueue::start(options(1, 2), make).expect("starts");
    first.await.expect("started").expect("loaded");
    let queue = Arc::new(queue);
    let ask = |value: f32| {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.embed(vec![value], ()).await })
    };

    let busy = ask(1.0);
    // The worker holds the first input and waits at the gate; two more fill the queue.
    let began = tokio::task::spawn_blocking(move || runs.recv().map(|_| runs))
        .await
        .expect("joined");
    let runs = began.expect("running");
    let (leaves, stays) = (ask(2.0), ask(3.0));
    while queue.waiting() < 2 {
        tokio::task::yield_now().await;
    }
    let refused = queue.embed(vec![4.0], ()).await.expect_err("full");
    assert!(
        matches!(
            refused,
            EmbedError::Overloaded {
                waiting: 2,
                retry_after_s: 1..
            }
        ),
        "{refused}"
    );

    leaves.abort();
    assert!(leaves.await.is_err());
    release.send(()).expect("waiting");
    release.send(()).expect("waiting");
    assert_eq!(busy.await.expect("joined").expect("embedded"), [1.0]);
    assert_eq!(stays.await.expect("joined").expect("embedded"), [3.0]);
    assert_eq!(
        runs.try_iter().collect::<Vec<_>>(),
        [vec![vec![3.0]]],
        "the input of the one who left was not computed"
    );
}

#[tokio::test]
async fn says_why_there_is_no_model() {
    for panics in [true, false] {
        let make = move || -> anyhow::Result<EmbedFn> {
            assert!(!panics, "no weights");
            anyhow::bail!("no weights")
        };
        let (queue, first) = EmbedQueue::start(options(1, 1), make).expect("starts");
        let error = first.await.expect("told").expect_err("no model");
        assert!(error.to_string().contains("no weights"), "{error}");
        assert_eq!(queue.health(), QueueHealth::Ended);
        assert!(matches!(queue.embed(vec![1.0], ()).await, Err(EmbedError::Closed)));
    }
}

#[tokio::test]
async fn a_model_that_hangs_is_noticed_and_never_waited_for() {
    let (release, gate) = channel::<()>();
    let mut gate = Some(gate);
    let make = move || -> anyhow::Result<EmbedFn> {
        let gate = gate.take().expect("made once");
        Ok(Box::new(move |inputs| {
            gate.recv()?;
            Ok(inputs)
        }))
    };
    let options = QueueOptions {
        stall: Duration::from_millis(100),
        ..options(1, 2)
    };
    let (queue, first) = EmbedQueue::start(options, make).expect("starts");
    first.await.expect("started").expect("loaded");
    let queue = Arc::new(queue);
    let ask = || {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.embed(vec![1.0], ()).await })
    };
    let until = async |wanted: fn(QueueHealth) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !wanted(queue.health()) {
            assert!(Instant::now() < deadline, "{:?}", queue.health());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let stalled = |health| matches!(health, QueueHealth::Stalled { hopeless: false, .. });
    let asked = ask();
    until(stalled).await;
    release.send(()).expect("waiting");
    assert_eq!(asked.await.expect("joined").expect("embedded"), [1.0]);
    until(|health| health == QueueHealth::Ready).await;

    let _asked = ask();
    until(|health| health.needs_restart()).await;
    let begun = Instant::now();
    assert!(!queue.end(Duration::from_millis(50)).await, "the model hangs still");
    drop(queue);
    assert!(begun.elapsed() < Duration::from_secs(5), "the end waits for the model");
}

#[tokio::test]
async fn counts_the_attempts_to_load_a_model_again() {
    let mut made = 0;
    let make = move || {
        made += 1;
        anyhow::ensure!(made == 1, "no memory");
        Ok(doubling(&Sizes::default()))
    };
    let (queue, first) = EmbedQueue::start(options(1, 8), make).expect("starts");
    first.await.expect("started").expect("loaded");
    assert!(queue.embed(vec![13.0], ()).await.is_err());
    let deadline = Instant::now() + Duration::from_secs(20);
    while !queue.health().needs_restart() {
        assert!(Instant::now() < deadline, "{:?}", queue.health());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(queue.health(), QueueHealth::Broken { attempts: 3 });
    let error = queue.embed(vec![1.0], ()).await.expect_err("no model");
    assert!(error.to_string().contains("no memory"), "{error}");
}
