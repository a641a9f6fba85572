//! The service while it reads its files: the port answers, and signals are obeyed.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use serde_json::{Value, json};
use tests::process::Process;

use super::harness::{assert_problem, shop};

#[test]
fn the_port_answers_while_the_catalog_is_read_and_signals_end_it() {
    // Opening a pipe that nobody writes to takes for ever.
    let dir = shop().path("endless-catalog");
    fs::create_dir_all(&dir).expect("a folder");
    let pipe = dir.join("catalog.json");
    let _ = fs::remove_file(&pipe);
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let (told, log) = (shop().path("never"), shop().path("starting.log"));
    let instructions = json!({ "dir": shop().path(""), "told": told, "catalog": "endless-catalog", "log": true });
    let stderr = fs::File::create(&log).expect("a log").into();
    let test = "harness::service_process";
    let mut process = Process::start_with(test, &instructions.to_string(), stderr, None).expect("starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    let addr: SocketAddr = loop {
        let lines = fs::read_to_string(&log).expect("a log");
        let lines: Vec<Value> = lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let line = |message: &str| lines.iter().find(|line| line["message"] == message);
        if let (Some(listening), Some(_)) = (line("listening"), line("reading the catalog")) {
            break listening["addr"].as_str().expect("text").parse().expect("an address");
        }
        assert!(
            Instant::now() < deadline,
            "the service does not come to read its catalog"
        );
        std::thread::sleep(Duration::from_millis(20));
    };

    let client = Client::builder()
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client");
    let get = |path: &str| client.get(format!("http://{addr}{path}")).send();
    assert_eq!(get("/livez").expect("answers").status(), 200);
    for path in ["/readyz", "/", "/api/v1/samples"] {
        let answer = get(path).expect("answers");
        assert!(answer.headers().contains_key("retry-after"), "{path}");
        let problem = assert_problem(path, answer, 503, "shutting_down");
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|doing| doing.contains("reading the catalog")),
            "{problem}"
        );
    }

    process.signal("HUP").expect("sent");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(get("/livez").expect("answers").status(), 200);
    process.terminate().expect("sent");
    let begun = Instant::now();
    while process.ended().expect("waits").is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the signal is not obeyed");
        std::thread::sleep(Duration::from_millis(20));
    }
}
