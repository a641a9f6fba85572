//! Draining and ending of a service.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::harness::{self, Service, assert_problem, photo_request, png};

/// Sends a search without its last bytes. Returns the connection and these bytes.
fn begin_search(service: &Service) -> (TcpStream, Vec<u8>) {
    let mut request = photo_request("connection: close\r\n");
    let rest = request.split_off(request.len() - 100);
    let mut stream = service.connect();
    stream.write_all(&request).expect("the request is sent");
    (stream, rest)
}

/// Sends the rest of a search and returns the answer.
fn finish(mut stream: TcpStream, rest: &[u8]) -> String {
    stream.write_all(rest).expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the service answers");
    answer
}

#[test]
fn sigterm_drains_the_service_and_ends_it() {
    let mut service = Service::start_as(json!({ "body_grace_ms": 60_000 }));
    assert_eq!(harness::json(service.get("/livez"))["status"], "ok");
    assert_eq!(service.get("/readyz").status(), 200);
    let (stream, rest) = begin_search(&service);

    service.process.terminate().expect("the signal is sent");
    let deadline = Instant::now() + Duration::from_secs(10);
    let refused = loop {
        let answer = service.get("/readyz");
        if answer.status() != 200 {
            break answer;
        }
        assert!(Instant::now() < deadline, "the service does not notice the signal");
    };
    assert!(refused.headers().contains_key("retry-after"));
    assert_problem("draining", refused, 503, "shutting_down");
    // Clients are told to close the connection.
    assert_eq!(harness::header(&service.get("/livez"), "connection"), "close");

    // After the delay new connections are refused, but the search in flight is answered.
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(service.addr).is_ok() {
        assert!(Instant::now() < deadline, "new connections are refused");
        std::thread::sleep(Duration::from_millis(100));
    }
    let answer = finish(stream, &rest);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(service.ended_within(Duration::from_secs(30)).success());
}

#[test]
fn silent_clients_do_not_delay_the_end() {
    let mut service = Service::start_as(json!({ "drain_ms": 0, "grace_ms": 60_000, "body_grace_ms": 3000 }));
    let sent: [&[u8]; 4] = [
        b"",
        b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost",
        b"POST /api/v1/search HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    ];
    let silent = sent.map(|sent| {
        let mut stream = service.connect();
        stream.write_all(sent).expect("the request is sent");
        stream
    });
    assert_eq!(service.get("/livez").status(), 200);
    service.process.terminate().expect("the signal is sent");
    assert!(service.ended_within(Duration::from_secs(15)).success());
    drop(silent);
}

#[test]
fn sighup_does_not_end_the_service() {
    let service = Service::start();
    service.process.signal("HUP").expect("the signal is sent");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(service.search(&png(0), &[]).status(), 200);
}

#[test]
fn searches_of_clients_that_left_do_not_block_later_ones() {
    let service = Service::shared();
    for _ in 0..100 {
        let (mut stream, rest) = begin_search(service);
        stream.write_all(&rest).expect("the request is sent");
        drop(stream);
        drop(begin_search(service));
    }
    assert_eq!(service.search(&png(0), &[]).status(), 200);
}
