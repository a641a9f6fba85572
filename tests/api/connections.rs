//! Idle and slow connections are limited and closed, and do not block other clients.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::harness::{Service, json as read};

const HALF_A_HEAD: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\n";
const WHOLE: &[u8] = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

/// Time until the server closes the connection, at most `limit`.
fn closed_after(stream: &mut TcpStream, limit: Duration) -> Duration {
    let begun = Instant::now();
    stream.set_read_timeout(Some(limit)).expect("the timeout is set");
    loop {
        match stream.read(&mut [0; 4096]) {
            Ok(0) => return begun.elapsed(),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return begun.elapsed(),
            Err(error) => panic!("the connection stays open: {error}"),
        }
    }
}

#[test]
fn idle_connections_are_closed() {
    let service = Service::start_as(json!({ "head_ms": 1000, "idle_ms": 3000 }));
    for (name, sent, least, most) in [
        ("nothing", b"".as_slice(), 0.9, 8.0),
        ("half a head", HALF_A_HEAD, 0.9, 8.0),
        ("a request", WHOLE, 2.9, 10.0),
        ("a request and half a head", &[WHOLE, HALF_A_HEAD].concat(), 0.9, 10.0),
    ] {
        let mut stream = service.connect();
        stream.write_all(sent).expect("the request is sent");
        let seconds = closed_after(&mut stream, Duration::from_secs(30)).as_secs_f64();
        assert!((least..most).contains(&seconds), "{name}: closed after {seconds} s");
    }
}

#[test]
fn connections_whose_client_does_not_read_are_closed() {
    let service = Service::start_as(json!({ "write_ms": 1000 }));
    let manifest = read(service.get("/api/v1/tagger"));
    let sha = manifest["weights"]["sha256"]
        .as_str()
        .expect("the weights have a checksum");
    let path = format!("/api/v1/tagger/weights/{sha}");
    let size = service.get(&path).bytes().expect("the weights are sent").len();
    // More than the system buffers for a client that does not read.
    let requests = (64 << 20) / size + 1;
    let mut stream = service.connect();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream
        .write_all(request.repeat(requests).as_bytes())
        .expect("the request is sent");
    std::thread::sleep(Duration::from_secs(5));
    let (mut read, mut buffer) = (0, vec![0; 1 << 20]);
    while let Ok(count) = stream.read(&mut buffer) {
        read += count;
        if count == 0 {
            break;
        }
    }
    assert!(
        read < size * requests,
        "not all of {requests} answers are sent to a client that does not read"
    );
}

#[test]
fn many_silent_connections_do_not_block_other_clients() {
    let slow_body =
        b"POST /api/v1/search HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    // The limit is set by the option, or by the number of files that the process may open.
    for (connections, files, sent) in [
        (16, None, HALF_A_HEAD),
        (1024, Some(160), HALF_A_HEAD),
        (16, None, slow_body),
        (16, None, WHOLE),
    ] {
        let instructions = json!({ "connections": connections, "body_grace_ms": 60_000 });
        let service = Service::start_in(instructions, None, files);
        let mut silent = Vec::new();
        for _ in 0..300 {
            let mut stream = service.connect();
            // Connections that were closed to make room cannot be written to.
            let _ = stream.write_all(sent);
            silent.push(stream);
        }
        for _ in 0..5 {
            let begun = Instant::now();
            assert_eq!(service.get("/livez").status(), 200);
            assert_eq!(service.get("/readyz").status(), 200);
            assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        }
    }
}
