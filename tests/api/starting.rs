//! The service while it reads its files: it answers requests and handles signals.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use serde_json::{Value, json};
use tests::process::Process;

use super::harness::{SERVICE_PROCESS, assert_problem, shop};

/// Waits until the log says that the service reads its bundles, and returns its address from the log.
fn address_of_reading_service(log: &Path) -> SocketAddr {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let lines = fs::read_to_string(log).expect("the log is readable");
        let lines: Vec<Value> = lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let line = |message: &str| lines.iter().find(|line| line["message"] == message);
        if let (Some(listening), Some(_)) = (line("listening"), line("reading the bundles and the page")) {
            let addr = listening["addr"].as_str().expect("the log has the address");
            return addr.parse().expect("the address is valid");
        }
        assert!(Instant::now() < deadline, "the service begins to read its bundles");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_service_answers_and_can_be_ended_while_it_reads_its_bundles() {
    // Opening a pipe without a writer blocks.
    let dir = shop().path("endless-tagger");
    fs::create_dir_all(&dir).expect("the folder exists");
    let pipe = dir.join("bundle.json");
    let _ = fs::remove_file(&pipe);
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("mkfifo runs")
            .success()
    );
    let (told, log) = (shop().path("never"), shop().path("starting.log"));
    let instructions = json!({ "dir": shop().path(""), "told": told, "tagger": "endless-tagger", "log": true });
    let stderr = fs::File::create(&log).expect("the log is readable").into();
    let mut process =
        Process::start_with(SERVICE_PROCESS, &instructions.to_string(), stderr, None).expect("the process starts");
    let addr = address_of_reading_service(&log);
    let client = Client::builder()
        .timeout(Duration::from_secs(30))
        .build()
        .expect("there is a client");
    let get = |path: &str| client.get(format!("http://{addr}{path}")).send();
    assert_eq!(get("/livez").expect("the service answers").status(), 200);
    for path in ["/readyz", "/", "/api/v1/samples"] {
        let answer = get(path).expect("the service answers");
        assert!(answer.headers().contains_key("retry-after"), "{path}");
        let problem = assert_problem(path, answer, 503, "starting");
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|doing| doing.contains("reading the bundles and the page")),
            "{problem}"
        );
    }

    process.signal("HUP").expect("the signal is sent");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(get("/livez").expect("the service answers").status(), 200);
    process.terminate().expect("the signal is sent");
    let begun = Instant::now();
    while process.ended().expect("the system tells").is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the signal ends the process");
        std::thread::sleep(Duration::from_millis(20));
    }
}
