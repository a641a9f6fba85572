//! The service answers searches despite slow, abandoned and too many requests, and when its model hangs.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::blocking::Response;
use serde_json::{Value, json};

use super::harness::{Service, assert_problem, embedding_body, json as read, photo_request, png, shop};
use super::photos::resident;

/// Enough for a busy machine, too short to wait for the other requests.
const PROMPT: Duration = Duration::from_secs(10);

/// A file that controls the model of a service; see `gated_model`.
struct Gate(PathBuf);

impl Gate {
    fn new(name: &str) -> Self {
        let gate = Self(shop().path(name));
        gate.set("open");
        gate
    }

    /// Replaces the word in the file.
    fn set(&self, word: &str) {
        let part = self.0.with_extension("part");
        fs::write(&part, word)
            .and_then(|()| fs::rename(&part, &self.0))
            .expect("the file is written");
    }

    /// Waits until the shut gate holds the model. From then on, the search it computes has its permit.
    fn wait_for_model(&self) {
        let deadline = Instant::now() + PROMPT;
        while !self.0.with_extension("held").exists() {
            assert!(Instant::now() < deadline, "no search reaches the model");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts a service with this model and the changes of `instructions`.
    fn service(&self, mut instructions: Value, log: Option<&PathBuf>) -> Service {
        instructions["gate"] = json!(self.0);
        Service::start_in(instructions, log.map(PathBuf::as_path), None)
    }
}

/// Repeats a request until its answer is `wanted`.
#[track_caller]
fn until(what: &str, ask: impl Fn() -> Response, wanted: impl Fn(&Response) -> bool) -> Response {
    let deadline = Instant::now() + 2 * PROMPT;
    loop {
        let answer = ask();
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} does not happen: {}", answer.status());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn slow_bodies_do_not_block_searches_and_time_out() {
    let service = Service::start_as(json!({ "body_grace_ms": 3000, "photos": 4, "embeddings": 4 }));
    let slow: Vec<_> = (0..96)
        .map(|at| {
            let mut stream = service.connect();
            let kind = if at % 2 == 0 {
                "application/json"
            } else {
                "multipart/form-data; boundary=b"
            };
            let head = format!(
                "POST /api/v1/search HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: 999\r\n\r\n{{"
            );
            stream.write_all(head.as_bytes()).expect("the request is sent");
            stream
        })
        .collect();
    let begun = Instant::now();
    for _ in 0..4 {
        assert_eq!(service.search(&png(0), &[]).status(), 200);
        assert_eq!(service.search_json(&embedding_body()).status(), 200);
    }
    assert!(begun.elapsed() < PROMPT, "{:?}", begun.elapsed());
    for mut stream in slow {
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("the service answers");
        assert_eq!(&answer, b"HTTP/1.1 408");
    }
    assert!(
        begun.elapsed() < 2 * PROMPT,
        "slow bodies were held for {:?}",
        begun.elapsed()
    );
}

#[test]
fn the_memory_of_bodies_is_limited() {
    let service = Service::start_as(json!({ "body_bytes": 1 << 20 }));
    let begin = |bytes: usize| {
        let mut stream = service.connect();
        let head = format!(
            "POST /api/v1/search HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: multipart/form-data; boundary=b\r\ncontent-length: {}\r\n\r\n",
            bytes + 1
        );
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(&vec![b' '; bytes]))
            .expect("the request is sent");
        stream
    };
    let held = begin(900 << 10);
    std::thread::sleep(Duration::from_millis(300));
    let mut refused = begin(600 << 10);
    let mut answer = [0; 12];
    refused.read_exact(&mut answer).expect("the service answers");
    assert_eq!(&answer, b"HTTP/1.1 429");
    // A small body fits, and another large one after the first has ended.
    assert_eq!(service.search(&png(0), &[]).status(), 200);
    drop(held);
    let large = [png(0), vec![0; 600 << 10]].concat();
    until(
        "room for a large body",
        || service.search(&large, &[]),
        |answer| answer.status() == 200,
    );
}

#[test]
fn photos_and_embeddings_have_separate_limits() {
    let gate = Gate::new("gate-places");
    let service = gate.service(json!({ "photos": 1 }), None);
    gate.set("shut");
    let mut busy = service.connect();
    busy.write_all(&photo_request("connection: close\r\n"))
        .expect("the request is sent");
    gate.wait_for_model();
    let refused = service.search(&png(0), &[]);
    assert!(refused.headers().contains_key("retry-after"));
    assert_problem("one photo too many", refused, 429, "overloaded");
    for _ in 0..20 {
        assert_eq!(service.search_json(&embedding_body()).status(), 200);
    }
    gate.set("open");
    let mut answer = String::new();
    busy.read_to_string(&mut answer).expect("the service answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let service = Service::start_as(json!({ "embeddings": 0 }));
    assert_problem(
        "no embeddings",
        service.search_json(&embedding_body()),
        429,
        "overloaded",
    );
    assert_eq!(service.search(&png(0), &[]).status(), 200);
}

#[test]
fn abandoned_searches_are_logged_and_give_back_their_permits() {
    let (gate, log) = (Gate::new("gate-abandoned"), shop().path("abandoned.log"));
    let service = gate.service(json!({ "photos": 2, "max_batch": 1 }), Some(&log));
    gate.set("shut");
    // The first search runs, the second one waits. Each client has also sent a byte of its next request.
    let ask = |id: &str| {
        let mut stream = service.connect();
        stream
            .write_all(&photo_request(&format!("x-request-id: {id}\r\n")))
            .expect("the request is sent");
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(b"G").expect("the request is sent");
        stream
    };
    let logged = |id: &str| {
        let deadline = Instant::now() + PROMPT;
        let is_it = |line: &&str| line.contains(&format!("\"{id}\"")) && line.contains("499");
        while !fs::read_to_string(&log)
            .expect("the log is readable")
            .lines()
            .any(|line| is_it(&line))
        {
            assert!(Instant::now() < deadline, "the log has no line about {id}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let runs = ask("runs");
    gate.wait_for_model();
    let waits = ask("waits");
    assert_eq!(service.search(&png(0), &[]).status(), 429, "both permits are taken");
    drop(runs);
    logged("runs");
    assert_eq!(
        service.search(&png(0), &[]).status(),
        429,
        "the first search is still computed"
    );
    drop(waits);
    logged("waits");
    // The search that waited returns its permit; the next search takes it and waits for the model.
    let next = ask("next");
    assert_eq!(service.search(&png(0), &[]).status(), 429, "the permit is taken again");
    drop(next);
    gate.set("open");
    until(
        "a free permit",
        || service.search(&png(0), &[]),
        |answer| answer.status() == 200,
    );
    let log = fs::read_to_string(&log).expect("the log is readable");
    assert!(
        log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{log}"
    );
}

#[test]
fn a_hung_model_makes_the_service_unready_until_it_answers() {
    let gate = Gate::new("gate-hung");
    let service = gate.service(json!({ "deadline_ms": 1000, "stall_ms": 2000 }), None);
    gate.set("shut");
    let begun = Instant::now();
    assert_problem("too late", service.search(&png(0), &[]), 504, "deadline_exceeded");
    assert!(begun.elapsed() < PROMPT);
    let sick = until(
        "unreadiness",
        || service.get("/readyz"),
        |answer| answer.status() == 503,
    );
    let problem = assert_problem("hung", sick, 503, "shutting_down");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|why| why.contains("computing one batch")),
        "{problem}"
    );
    assert_problem("not waited for", service.search(&png(0), &[]), 503, "shutting_down");
    assert_eq!(service.get("/livez").status(), 200);
    assert_eq!(service.search_json(&embedding_body()).status(), 200);
    gate.set("open");
    until("readiness", || service.get("/readyz"), |answer| answer.status() == 200);
    assert_eq!(service.search(&png(0), &[]).status(), 200);
}

#[test]
fn a_model_that_cannot_be_loaded_again_makes_the_service_not_live() {
    let (gate, log) = (Gate::new("gate-broken"), shop().path("broken.log"));
    let service = gate.service(json!({}), Some(&log));
    gate.set("panic");
    assert_problem("a panic", service.search(&png(0), &[]), 500, "internal");
    let sick = until(
        "a failure of /livez",
        || service.get("/livez"),
        |answer| answer.status() == 503,
    );
    let problem = read(sick);
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|why| why.contains("could not be loaded again")),
        "{problem}"
    );
    assert_eq!(service.get("/readyz").status(), 503);
    gate.set("open");
    until("recovery", || service.get("/livez"), |answer| answer.status() == 200);
    until("readiness", || service.get("/readyz"), |answer| answer.status() == 200);
    // The panic is a line of the log.
    let lines = fs::read_to_string(&log).expect("the log is readable");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("the text is JSON"))
        .collect();
    let panicked = lines
        .iter()
        .find(|line| line["message"] == "panicked")
        .expect("the log has the panic");
    assert_eq!(
        (&panicked["thread"], &panicked["level"]),
        (&json!("embed"), &json!("ERROR")),
        "{panicked}"
    );
    assert!(
        panicked["panic"]
            .as_str()
            .is_some_and(|text| text.contains("told to panic")),
        "{panicked}"
    );
}

#[test]
fn the_time_of_a_search_excludes_the_upload() {
    let service = Service::shared();
    let request = photo_request("connection: close\r\n");
    let mut stream = service.connect();
    stream
        .write_all(&request[..request.len() - 9])
        .expect("the request is sent");
    std::thread::sleep(Duration::from_secs(3));
    stream
        .write_all(&request[request.len() - 9..])
        .expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the service answers");
    let (_, body) = answer.split_once("\r\n\r\n").expect("the answer has a body");
    let took = serde_json::from_str::<Value>(body).expect("the text is JSON")["took_ms"]
        .as_f64()
        .expect("the value is a number");
    assert!(took < 2500.0, "{took} ms");
}

#[test]
fn a_hung_model_does_not_keep_the_process_alive() {
    // If a client waits, the second signal ends the process; otherwise the first does.
    for waiting in [true, false] {
        let gate = Gate::new(&format!("gate-end-{waiting}"));
        let mut service = gate.service(json!({ "drain_ms": 0, "grace_ms": 60_000 }), None);
        gate.set("shut");
        let mut stream = service.connect();
        stream.write_all(&photo_request("")).expect("the request is sent");
        gate.wait_for_model();
        let stream = waiting.then_some(stream);
        service.process.terminate().expect("the signal is sent");
        if waiting {
            std::thread::sleep(Duration::from_secs(1));
            assert!(
                service.process.ended().expect("the system tells").is_none(),
                "the client still waits"
            );
            service.process.terminate().expect("the signal is sent");
        }
        assert!(service.ended_within(PROMPT).success());
        drop(stream);
    }
}

#[test]
fn the_memory_of_large_photos_is_returned() {
    const AT_ONCE: usize = 8;
    // 18 MB of pixels. Noise, because a uniform image would be refused as a bomb.
    let noise = image::RgbImage::from_fn(3000, 2000, |x, y| {
        image::Rgb([x, y, x ^ y].map(|seed| (seed.wrapping_mul(2_654_435_761) >> 24) as u8))
    });
    let mut jpeg = std::io::Cursor::new(Vec::new());
    noise
        .write_to(&mut jpeg, image::ImageFormat::Jpeg)
        .expect("the image is encoded");
    let jpeg = jpeg.into_inner();

    let service = Service::start();
    assert_eq!(service.search(&png(0), &[]).status(), 200);
    let before = resident(service.process.id());
    for _ in 0..2 {
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| assert_eq!(service.search(&jpeg, &[]).status(), 200));
            }
        });
    }
    let deadline = Instant::now() + PROMPT;
    while let Some((before, now)) = before.zip(resident(service.process.id())) {
        let more = now.saturating_sub(before) >> 20;
        if more < 40 {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{more} MB more than before {} photos of 6 megapixels",
            2 * AT_ONCE
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}
