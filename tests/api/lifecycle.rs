//! How a service starts, sheds load and ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::harness::{Service, assert_problem, json, png};

/// A search whose body stops after its first bytes.
fn begin_search(service: &Service) -> (TcpStream, Vec<u8>) {
    let mut body = b"--b\r\ncontent-disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\n".to_vec();
    body.extend(png(0));
    body.extend(b"\r\n--b--\r\n");
    let head = format!(
        "POST /api/v1/search HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: multipart/form-data; boundary=b\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = service.connect();
    stream.write_all(head.as_bytes()).expect("sends");
    stream.write_all(&body[..50]).expect("sends");
    (stream, body.split_off(50))
}

fn finish(mut stream: TcpStream, rest: &[u8]) -> String {
    stream.write_all(rest).expect("sends");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answers");
    answer
}

fn wait(service: &mut Service, limit: Duration) -> ExitStatus {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = service.process.ended().expect("waits") {
            return status;
        }
        assert!(Instant::now() < deadline, "the service does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn sigterm_drains_and_ends_cleanly() {
    let mut service = Service::start();
    assert_eq!(json(service.get("/livez"))["status"], "ok");
    assert_eq!(service.get("/readyz").status(), 200);
    let (stream, rest) = begin_search(&service);

    service.process.terminate().expect("sent");
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

    // Past the delay no one new is let in, but the search in flight still gets its answer.
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(service.addr).is_ok() {
        assert!(Instant::now() < deadline, "the door stays open");
        std::thread::sleep(Duration::from_millis(100));
    }
    let answer = finish(stream, &rest);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(wait(&mut service, Duration::from_secs(30)).success());
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    let mut service = Service::start();
    let _silent = service.connect();
    assert_eq!(service.get("/livez").status(), 200);
    service.process.terminate().expect("sent");
    assert!(wait(&mut service, Duration::from_secs(20)).success());
}

#[test]
fn too_many_searches_are_turned_away_at_once() {
    let service = Service::start();
    // More than there are places, since the requests below may take one from a latecomer for a moment.
    let mut waiting: Vec<_> = (0..96).map(|_| begin_search(&service)).collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    let refused = loop {
        let answer = service.search(&png(0), &[]);
        if answer.status() == 429 {
            break answer;
        }
        assert!(Instant::now() < deadline, "nothing is ever refused");
        // This search may have held the last place while the latecomers were turned away: another takes it now.
        waiting.push(begin_search(&service));
    };
    assert!(refused.headers().contains_key("retry-after"));
    assert_problem("one too many", refused, 429, "overloaded");
    assert_eq!(service.get("/livez").status(), 200);
    assert_eq!(service.get("/api/v1/samples").status(), 200);

    // All at once, since a body that takes too long is refused as well; who was refused already may be gone.
    for (stream, rest) in &mut waiting {
        let _ = stream.write_all(rest);
    }
    let served = waiting.into_iter().filter_map(|(mut stream, _)| {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok().map(|_| answer)
    });
    let served = served.filter(|answer| answer.starts_with("HTTP/1.1 200")).count();
    assert!((48..=64).contains(&served), "{served} were let in");
    assert_eq!(service.search(&png(0), &[]).status(), 200);
}

/// A client that leaves in the middle of a search costs nothing lasting.
#[test]
fn clients_may_leave() {
    let service = Service::shared();
    for _ in 0..100 {
        let (mut stream, rest) = begin_search(service);
        stream.write_all(&rest).expect("sends");
        drop(stream);
        drop(begin_search(service));
    }
    assert_eq!(service.search(&png(0), &[]).status(), 200);
}
