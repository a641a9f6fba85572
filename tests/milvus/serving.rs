//! `selvedge serve --milvus` over HTTP, next to the same service without it.

use std::env;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::fixture;

use crate::server::{PORT, Server};

/// Prefix of the service's collections.
pub const PREFIX: &str = "served";

/// Number of products of the shop.
const PRODUCTS: u32 = 40;

/// Checks answers of the service, then kills the server under it, changes a price, and starts the server again.
pub fn answers_as_the_memory_does(server: &mut Server) {
    let Some(program) = program() else {
        eprintln!("skipped: there is no program `selvedge`; `cargo build --bin selvedge` makes it");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    write_shop(&program, dir.path());
    let memory = Service::start(&program, dir.path(), "memory", 8101, &[]);
    let url = format!("http://127.0.0.1:{PORT}");
    let engine = Service::start(
        &program,
        dir.path(),
        "engine",
        8102,
        &["--milvus", &url, "--milvus-prefix", PREFIX],
    );
    let begun = Instant::now();
    engine.wait("the catalog is copied", |state| {
        state["complete"] == true && state["copied"] == json!([1])
    });
    eprintln!(
        "{PRODUCTS} products copied after {:.1} s",
        begun.elapsed().as_secs_f32()
    );

    for request in requests() {
        let [expected, found] = [&memory, &engine].map(|service| service.search(&request));
        assert_eq!(found.0, 200, "{request}: {}", found.1);
        assert_eq!(hits(&found.1), hits(&expected.1), "{request}");
        assert_eq!(found.1["facets"], expected.1["facets"], "{request}");
    }

    server.kill();
    let query = json!({ "product": "P0003", "limit": 3 });
    engine.wait("the service notices", |state| state["fault"].is_string());
    let begun = Instant::now();
    let (status, problem) = engine.search(&query);
    assert_eq!(
        (status, problem["code"].as_str()),
        (503, Some("search_unavailable")),
        "{problem}"
    );
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let price = json!({ "price": { "amount": 123, "currency": "CNY" } });
    let (status, answer) = engine.send("PATCH", "/api/v1/admin/products/P0003", &price);
    assert_eq!(status, 200, "writes go on: {answer}");
    assert_eq!(engine.send("GET", "/readyz", &Value::Null).0, 200);

    server.restart();
    engine.wait("the copy has the change", |state| state["complete"] == true);
    let cheap =
        json!({ "product": "P0004", "filter": { "field": "price", "currency": "CNY", "range": { "lte": 123 } } });
    let found = engine.until("searches are answered again", || {
        let (status, answer) = engine.search(&cheap);
        (status == 200).then_some(answer)
    });
    assert_eq!(hits(&found)[0].0, "P0003");
}

/// Searches that both services answer.
fn requests() -> Vec<Value> {
    let shoes = json!({ "field": "category", "is": "shoes" });
    let cheap = json!({ "field": "price", "currency": "CNY", "range": { "lt": 9920 } });
    let mut requests = vec![
        json!({ "product": "P0001", "category": "shoes" }),
        json!({ "product": "P0002", "filter": cheap }),
        json!({ "product": "P0003", "filter": { "not": shoes }, "facets": ["category"] }),
        json!({ "product": "P0004", "min_score": 0.5 }),
        json!({ "examples": [{ "product": "P0001" }, { "product": "P0005", "weight": -0.5 }] }),
    ];
    requests.extend(
        (0..PRODUCTS)
            .step_by(7)
            .map(|at| json!({ "product": format!("P{at:04}"), "limit": 50 })),
    );
    requests
}

/// Ids and scores of an answer.
fn hits(answer: &Value) -> Vec<(String, f64)> {
    let hit = |hit: &Value| {
        (
            hit["product_id"].as_str().unwrap().to_owned(),
            hit["score"].as_f64().unwrap(),
        )
    };
    answer["hits"].as_array().unwrap().iter().map(hit).collect()
}

/// The program: `SELVEDGE`, or the one next to this test.
fn program() -> Option<PathBuf> {
    let built = || Some(env::current_exe().ok()?.parent()?.parent()?.join("selvedge"));
    let path = env::var_os("SELVEDGE").map(PathBuf::from).or_else(built)?;
    path.exists().then_some(path)
}

/// Writes a dataset and bundles, and indexes the dataset.
fn write_shop(program: &Path, dir: &Path) {
    fixture::write_dataset(&dir.join("shop"), PRODUCTS, 0).unwrap();
    fixture::write_retrieval_bundle(&dir.join("retrieval")).unwrap();
    fixture::write_style_bundle(&dir.join("tagger")).unwrap();
    for name in ["memory", "engine"] {
        let status = Command::new(program)
            .args(["--device", "cpu", "index", "--dataset"])
            .arg(dir.join("shop"))
            .arg("--bundle")
            .arg(dir.join("retrieval"))
            .arg("--out")
            .arg(dir.join(name))
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "the shop is indexed");
    }
}

/// A service on a catalog. It ends when this is dropped.
struct Service {
    child: Child,
    addr: SocketAddr,
}

impl Service {
    fn start(program: &Path, dir: &Path, catalog: &str, port: u16, more: &[&str]) -> Self {
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let child = Command::new(program)
            .args([
                "--device",
                "cpu",
                "serve",
                "--log",
                "warn",
                "--admin-key",
                "key",
                "--listen",
            ])
            .arg(addr.to_string())
            .arg("--index")
            .arg(dir.join(catalog))
            .arg("--bundle")
            .arg(dir.join("retrieval"))
            .arg("--tagger")
            .arg(dir.join("tagger"))
            .args(more)
            .spawn();
        let service = Self {
            child: child.unwrap(),
            addr,
        };
        service.until("the service is ready", || {
            (service.try_send("GET", "/readyz", &Value::Null)?.0 == 200).then_some(())
        });
        service
    }

    fn search(&self, request: &Value) -> (u16, Value) {
        self.send("POST", "/api/v1/search", request)
    }

    /// Waits until the state of the vector engine fulfils a condition.
    fn wait(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        self.until(what, || {
            let (_, stats) = self.send("GET", "/api/v1/admin/stats", &Value::Null);
            holds(&stats["engine"]).then_some(())
        });
    }

    /// Repeats `try_it` until it gives a value.
    fn until<T>(&self, what: &str, try_it: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            if let Some(value) = try_it() {
                return value;
            }
            assert!(Instant::now() < deadline, "{what}");
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.try_send(method, path, body).unwrap()
    }

    /// Sends a request and returns the status and the JSON of the answer.
    fn try_send(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = TcpStream::connect(self.addr).ok()?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nauthorization: Bearer key\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.addr,
            body.len()
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, content) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(content).unwrap_or_default()))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
