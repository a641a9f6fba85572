//! Tests of the engine with a real Milvus server.
//!
//! They need a Python with the package `milvus`, which contains the server. They print `skipped` and pass if there is none.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

#[path = "../../server/engine/tests/engine/feeding.rs"]
mod feeding;
mod server;
mod serving;
mod sizes;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use engine::{Engine, EngineError, EngineQuery, conformance};
use milvus::{MilvusEngine, MilvusOptions};
use server::{Server, in_namespace};

/// A case of the feeder: its name and the test.
type Case = (&'static str, fn(&Arc<dyn Engine>));

/// Cases of the feeder, for every engine.
const FEEDING: &[Case] = &[
    ("follows", feeding::follows),
    ("continues", feeding::continues),
    ("trimmed", feeding::trimmed),
    ("restores", feeding::restores),
    ("repairs", feeding::repairs),
    ("fills_again", feeding::fills_again),
    ("rolls_out", feeding::rolls_out),
];

#[test]
fn a_milvus_server_serves_as_the_exact_engine_does() {
    in_namespace("a_milvus_server_serves_as_the_exact_engine_does", |python| {
        let mut server = Server::start(python);
        fulfils_the_contract();
        for (name, case) in FEEDING {
            eprintln!("feeder: {name}");
            let engine = Arc::new(server::engine(name));
            case(&(engine.clone() as Arc<dyn Engine>));
            engine.clear().unwrap();
        }
        survives_a_crash(&mut server);
    });
}

#[test]
fn a_service_searches_in_a_milvus_server() {
    in_namespace("a_service_searches_in_a_milvus_server", |python| {
        let mut server = Server::start(python);
        serving::answers_as_the_memory_does(&mut server);
        server::engine(serving::PREFIX).clear().unwrap();
    });
}

#[test]
#[ignore = "a measurement"]
fn sizes_and_times_are_measured() {
    in_namespace("sizes_and_times_are_measured", |python| {
        let _server = Server::start(python);
        let rows = std::env::var("ROWS").map_or(20_000, |rows| rows.parse().unwrap());
        sizes::print(&server::engine("sizes"), rows);
    });
}

fn fulfils_the_contract() {
    let mut start = Instant::now();
    // Every case begins with a server without collections.
    let make = || {
        let engine = server::engine("contract");
        engine.clear().unwrap();
        assert_eq!((engine.live(), engine.generations()), (Ok(None), Ok(vec![])));
        Box::new(engine) as Box<dyn Engine>
    };
    conformance::run(make, |case| {
        eprintln!("{:5.1} s; next: {case}", start.elapsed().as_secs_f32());
        start = Instant::now();
    });
    server::engine("contract").clear().unwrap();
}

/// Kills the server, goes on writing, and starts it again.
fn survives_a_crash(server: &mut Server) {
    let options = MilvusOptions {
        timeout: Duration::from_secs(2),
        tries: 3,
        ..server::options("crash")
    };
    let (_dir, store) = feeding::new_store();
    feeding::add(&store, 0..10);
    let generation = feeding::roll_out(&store, "a");
    let engine: Arc<dyn Engine> = Arc::new(MilvusEngine::new(server::options("crash")).unwrap());
    let mut feeder = feeding::new_feeder(&store, &engine, 4);
    feeder.catch_up().unwrap();

    server.kill();
    let impatient = MilvusEngine::new(options.clone()).unwrap();
    let vector = feeding::vector("a", "any");
    for _ in 0..options.failures {
        let start = Instant::now();
        let result = impatient.search(&[EngineQuery::new(&vector, 3)]);
        assert!(matches!(result, Err(EngineError::Away { .. })), "{result:?}");
        assert!(start.elapsed() < options.timeout + Duration::from_secs(1));
    }
    let start = Instant::now();
    let retry_after = impatient.live().unwrap_err().retry_after().unwrap();
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "the breaker answers at once"
    );
    assert!(retry_after <= options.pause);
    assert!(feeder.step().is_err());

    // Writes go on while the server is away.
    feeding::add(&store, 10..15);
    store.delete("P003", store::Expected::Any).unwrap();
    feeding::put(&store, &feeding::product("P004", 900, &["image 4", "shared"]));
    feeding::embed(&store, &generation);

    server.restart();
    let start = Instant::now();
    let fed = loop {
        match feeder.catch_up() {
            Ok(fed) => break fed,
            Err(error) => {
                assert!(start.elapsed() < Duration::from_secs(180), "{error}");
                thread::sleep(Duration::from_millis(500));
            }
        }
    };
    eprintln!("caught up {:.1} s after the restart", start.elapsed().as_secs_f32());
    assert_eq!(fed.reconciled.products, 0, "the changes are enough");
    feeding::check(&store, &*engine);
    feeding::check_equal(&mut feeder, 14);
}
