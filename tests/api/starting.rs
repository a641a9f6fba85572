//! The service while it reads its files: the port answers, and signals are obeyed.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use serde_json::json;
use tests::process::Process;

use super::harness::{assert_problem, shop};

#[test]
fn the_port_answers_while_the_catalogue_is_read_and_signals_end_it() {
    // Opening a pipe that nobody writes to takes for ever.
    let dir = shop().path("endless-catalog");
    fs::create_dir_all(&dir).expect("a folder");
    let pipe = dir.join("catalog.json");
    let _ = fs::remove_file(&pipe);
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr: SocketAddr = free.local_addr().expect("an address");
    drop(free);
    let instructions = json!({
        "dir": shop().path(""), "told": shop().path("never"), "catalog": "endless-catalog", "addr": addr.to_string(),
    });
    let mut process = Process::start("harness::service_process", &instructions.to_string()).expect("starts");

    let client = Client::builder().timeout(Duration::from_secs(10)).build().expect("a client");
    let get = |path: &str| client.get(format!("http://{addr}{path}")).send();
    let deadline = Instant::now() + Duration::from_secs(30);
    let alive = loop {
        match get("/livez") {
            Ok(answer) => break answer,
            Err(error) => assert!(Instant::now() < deadline, "the port does not answer: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(alive.status(), 200);
    for path in ["/readyz", "/", "/api/v1/samples"] {
        let answer = get(path).expect("answers");
        assert!(answer.headers().contains_key("retry-after"), "{path}");
        let problem = assert_problem(path, answer, 503, "shutting_down");
        assert!(problem["detail"].as_str().is_some_and(|doing| doing.contains("reading the catalogue")), "{problem}");
    }

    process.signal("HUP").expect("sent");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(get("/livez").expect("answers").status(), 200);
    process.terminate().expect("sent");
    let begun = Instant::now();
    while process.ended().expect("waits").is_none() {
        assert!(begun.elapsed() < Duration::from_secs(5), "the signal is not obeyed");
        std::thread::sleep(Duration::from_millis(20));
    }
}
