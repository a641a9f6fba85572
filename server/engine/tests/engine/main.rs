//! Tests of the exact engine, and of the feeder with it.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod feeding;

use std::sync::Arc;

use engine::{Engine, EngineError, ExactEngine, Feeder, FeederOptions, IdRange, conformance};

fn new_engine() -> Arc<dyn Engine> {
    Arc::new(ExactEngine::new())
}

#[test]
fn the_exact_engine_fulfils_the_contract() {
    conformance::run(|| Box::new(ExactEngine::new()), |case| eprintln!("{case}"));
}

#[test]
fn many_changes_of_one_product_do_not_fill_the_memory() {
    let engine = ExactEngine::new();
    engine.create(1, 4).unwrap();
    engine.switch(1).unwrap();
    for version in 0..5000 {
        let product = feeding::plain("A", version, &[1.0, 0.0, 0.0, 0.0]);
        engine.apply(1, &[product]).unwrap();
    }
    let query = [1.0, 0.0, 0.0, 0.0];
    let hits = engine.search(&[engine::EngineQuery::new(&query, 3)]).unwrap();
    assert_eq!((hits[0].len(), hits[0][0].version), (1, 4999));
    // Unused rows are dropped, so the debug form stays small.
    assert!(format!("{engine:?}").len() < 100_000);
}

#[test]
fn a_feeder_copies_a_store_and_follows_it() {
    feeding::follows(&new_engine());
}

#[test]
fn a_new_feeder_continues_after_the_last_change() {
    feeding::continues(&new_engine());
}

#[test]
fn changes_that_the_outbox_no_longer_has_are_found_by_comparison() {
    feeding::trimmed(&new_engine());
}

#[test]
fn an_engine_follows_a_store_that_was_restored() {
    feeding::restores(&new_engine());
}

#[test]
fn a_comparison_repairs_every_difference() {
    feeding::repairs(&new_engine());
}

#[test]
fn an_engine_that_lost_its_data_is_filled_again() {
    feeding::fills_again(&new_engine());
}

#[test]
fn searches_switch_to_a_generation_that_is_complete() {
    feeding::rolls_out(&new_engine());
}

#[test]
fn a_feeder_runs_until_it_is_stopped() {
    let (_dir, store) = feeding::new_store();
    let (engine, stop) = (new_engine(), std::sync::atomic::AtomicBool::new(false));
    let mut feeder = Feeder::new(store.clone(), engine.clone(), FeederOptions::default());
    std::thread::scope(|scope| {
        scope.spawn(|| feeder.run(&stop, |_, fed| assert!(fed.is_ok(), "{fed:?}")));
        feeding::add(&store, 0..5);
        feeding::roll_out(&store, "a");
        feeding::add(&store, 5..6);
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let is_done = |engine: &dyn Engine| matches!(engine.live(), Ok(Some(generation)) if engine.applied(generation) == Ok(Some(store.last_change().unwrap())));
        while !is_done(&*engine) {
            assert!(std::time::Instant::now() < end, "the feeder applies the changes");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let generation = engine.live().unwrap().unwrap();
    // The sixth product has the vector of the shared image, and waits for the other one.
    let stamps = engine.stamps(generation, IdRange::default()).unwrap();
    assert_eq!(
        stamps.iter().map(|stamp| stamp.rows).collect::<Vec<_>>(),
        [2, 2, 2, 2, 2, 1]
    );
}

#[test]
fn an_error_names_the_time_of_the_next_try() {
    let error = EngineError::Away {
        retry_after: std::time::Duration::from_millis(1500),
        message: "connection refused".into(),
    };
    assert_eq!(
        error.to_string(),
        "the vector engine does not answer: connection refused; try again in 2 s"
    );
}
