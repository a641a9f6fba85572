//! A running service on a small shop, and ways to talk to it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use clap::ValueEnum;
use dataset::MaxErrors;
use reqwest::blocking::{Client, RequestBuilder, Response, multipart};
use search::rerank::Rerank;
use search::storage::Storage;
use serde_json::Value;
use service::catalog::{IndexOptions, index};
use service::embed::{EmbedFn, QueueOptions, RetrievalModel};
use service::http::{Limits, ServeConfig, serve, serve_with};
use shared::taxonomy::Category;
use tests::fixture;
use tests::process::{Process, instructions};

/// Products of the small shop.
pub(crate) const PRODUCTS: u32 = 12;

/// A style sheet of the page.
pub(crate) const BUILT: &str = "body { margin: 0; }";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder
        .write_all(content)
        .and_then(|()| encoder.finish())
        .expect("compresses")
}

/// Products whose user photos visitors may try, the first ones.
pub(crate) const SAMPLES: u32 = 8;

/// The folders a service needs.
pub(crate) struct Shop {
    dir: PathBuf,
}

impl Shop {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn make() -> Self {
        // Statics are never dropped, so the folder is one that the next run clears.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("api");
        let _ = fs::remove_dir_all(&dir);
        let shop = Self { dir };
        fixture::write_dataset(&shop.path("shop"), PRODUCTS, 0).expect("a dataset");
        let samples: String = (0..SAMPLES)
            .map(|product| format!("user/P{product:04}_2.png\n"))
            .collect();
        fs::write(shop.path("shop/samples.txt"), samples).expect("a file");
        fixture::write_retrieval_bundle(&shop.path("retrieval")).expect("a bundle");
        fixture::write_style_bundle(&shop.path("tagger")).expect("a bundle");
        let space = RetrievalModel::read_manifest(&shop.path("retrieval"))
            .expect("a manifest")
            .model_id();
        fixture::write_query_bundle(&shop.path("query"), &space, fixture::DIM).expect("a bundle");
        fixture::write_category_bundle(&shop.path("category"), Category::Shoes).expect("a bundle");
        fixture::write_category_bundle(&shop.path("category-other"), Category::Other).expect("a bundle");
        let site = shop.path("site");
        fs::create_dir_all(site.join("i18n")).expect("a folder");
        let page = "<!doctype html><title>Selvedge</title><script type=\"module\">start()</script>";
        fs::write(site.join("index.html"), page).expect("a file");
        fs::write(site.join("web-0123456789abcdef_bg.wasm"), [0u8; 4096]).expect("a file");
        // A file with the forms that a build makes (the brotli form is made up), and one whose forms are of another file.
        for (name, of) in [
            ("built-0123456789abcdef.css", BUILT),
            ("changed-0123456789abcdef.css", "a {}"),
        ] {
            fs::write(site.join(name), BUILT).expect("a file");
            fs::write(site.join(format!("{name}.gz")), gzip(of.as_bytes())).expect("a file");
            fs::write(site.join(format!("{name}.br")), "brotli").expect("a file");
        }
        fs::create_dir_all(site.join("assets/0123456789ab/app")).expect("a folder");
        fs::write(site.join("assets/0123456789ab/app/main.js"), "go();").expect("a file");
        fs::write(site.join("worker.js"), "go(); ".repeat(100)).expect("a file");
        fs::write(site.join("i18n/zh.json"), "{}").expect("a file");
        // What must never be served.
        fs::write(shop.path("secret.jpg"), "secret").expect("a file");
        fs::write(shop.path("shop/notes.txt"), "secret").expect("a file");
        #[cfg(unix)]
        std::os::unix::fs::symlink(shop.path("secret.jpg"), shop.path("shop/link.jpg")).expect("a link");
        let options = IndexOptions {
            dataset: shop.path("shop"),
            bundle: shop.path("retrieval"),
            out: shop.path("catalog"),
            storage: Storage::F32,
            batch: 8,
            max_errors: MaxErrors::default(),
        };
        let summary = index(&options, &Device::flex(), |_| ()).expect("indexes");
        assert_eq!(
            (summary.products, summary.photos),
            (PRODUCTS as usize, 2 * PRODUCTS as usize)
        );
        shop
    }
}

/// The shop that all tests share.
pub(crate) fn shop() -> &'static Shop {
    static SHOP: OnceLock<Shop> = OnceLock::new();
    SHOP.get_or_init(Shop::make)
}

/// How a service runs on the folders in `dir`, with the query encoder in the folder `query` if that is named.
pub(crate) fn config(dir: &Path, query: Option<&str>) -> ServeConfig {
    ServeConfig {
        addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        site_dir: Some(dir.join("site")),
        tagger_dir: dir.join("tagger"),
        query_dir: query.map(|folder| dir.join(folder)),
        retrieval_dir: dir.join("retrieval"),
        category_dir: None,
        catalog_dir: dir.join("catalog"),
        images_dir: None,
        rerank: Rerank::None,
        decode_memory: 1 << 30,
        queue: QueueOptions::default(),
        limits: Limits::default(),
        drain_delay: Duration::from_secs(4),
        grace: Duration::from_secs(30),
    }
}

/// The part that a second process plays; without instructions it tests nothing.
#[test]
fn service_process() {
    let Some(instructions) = instructions() else {
        return;
    };
    let instructions: Value = serde_json::from_str(&instructions).expect("instructions");
    let dir = Path::new(instructions["dir"].as_str().expect("a path"));
    let told = Path::new(instructions["told"].as_str().expect("a path"));
    let query = match &instructions["query"] {
        Value::Bool(false) => None,
        Value::String(folder) => Some(folder.as_str()),
        _ => Some("query"),
    };
    let folder = |name: &str| instructions[name].as_str().map(|folder| dir.join(folder));
    let usual = config(dir, query);
    let number = |name: &str| instructions[name].as_u64();
    let count = |name: &str, usual: usize| number(name).map_or(usual, |number| number as usize);
    let time = |name: &str, usual: Duration| number(name).map_or(usual, Duration::from_millis);
    if instructions["log"].as_bool().unwrap_or(false) {
        service::telemetry::init(service::telemetry::LogFormat::Json, "info").expect("logs");
    }
    let config = ServeConfig {
        queue: QueueOptions {
            max_batch: count("max_batch", usual.queue.max_batch),
            capacity: count("queue", usual.queue.capacity),
            stall: time("stall_ms", usual.queue.stall),
            ..usual.queue
        },
        limits: Limits {
            connections: count("connections", usual.limits.connections),
            head: time("head_ms", usual.limits.head),
            idle: time("idle_ms", usual.limits.idle),
            write: time("write_ms", usual.limits.write),
            body_grace: time("body_grace_ms", usual.limits.body_grace),
            body_bytes: count("body_bytes", usual.limits.body_bytes),
            deadline: time("deadline_ms", usual.limits.deadline),
            photos: count("photos", usual.limits.photos),
            embeddings: count("embeddings", usual.limits.embeddings),
            ..usual.limits
        },
        drain_delay: time("drain_ms", usual.drain_delay),
        grace: time("grace_ms", usual.grace),
        category_dir: folder("category"),
        retrieval_dir: folder("retrieval").unwrap_or(usual.retrieval_dir),
        catalog_dir: folder("catalog").unwrap_or(usual.catalog_dir),
        decode_memory: instructions["decode_memory"].as_u64().unwrap_or(usual.decode_memory),
        images_dir: folder("images"),
        rerank: instructions["rerank"].as_str().map_or(usual.rerank, |name| {
            Rerank::from_str(name, false).expect("a re-ranking")
        }),
        ..usual
    };
    let on_ready = |addr: SocketAddr| {
        let part = told.with_extension("part");
        fs::write(&part, addr.to_string())
            .and_then(|()| fs::rename(&part, told))
            .expect("writes the address");
    };
    let served = match folder("gate") {
        Some(gate) => serve_with(&config, move || gated_model(gate.clone()), on_ready),
        None => serve(&config, &Device::flex(), on_ready),
    };
    served.expect("serves");
}

/// A model that hangs while the file `gate` holds `shut`, panics on what it gets while it holds `panic`, and then cannot be
/// loaded again while it does.
fn gated_model(gate: PathBuf) -> anyhow::Result<EmbedFn> {
    let holds = move |word: &str| fs::read_to_string(&gate).is_ok_and(|text| text == word);
    anyhow::ensure!(!holds("panic"), "no model today");
    Ok(Box::new(move |inputs| {
        assert!(!holds("panic"), "the model was told to panic");
        while holds("shut") {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(inputs
            .into_iter()
            .map(|input| input[..fixture::DIM].iter().map(|value| value + 3.0).collect())
            .collect())
    }))
}

/// A service in a process of its own, which ends with it.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) addr: SocketAddr,
    client: Client,
}

impl Service {
    pub(crate) fn start() -> Self {
        Self::start_with(true, None)
    }

    /// A service that offers a query encoder, or none, and narrows searches with the bundle in the folder `category`.
    pub(crate) fn start_with(query: bool, category: Option<&str>) -> Self {
        Self::start_as(serde_json::json!({ "query": query, "category": category }))
    }

    /// A service whose configuration differs from [`config`]'s in what `instructions` name.
    pub(crate) fn start_as(instructions: Value) -> Self {
        Self::start_in(instructions, None, None)
    }

    /// [`start_as`](Self::start_as) with the log in the file `log`, in a process that may only open so many `files`.
    pub(crate) fn start_in(mut instructions: Value, log: Option<&Path>, files: Option<u32>) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let told = shop().path(&format!("addr-{number}.txt"));
        instructions["dir"] = serde_json::json!(shop().dir);
        instructions["told"] = serde_json::json!(told);
        instructions["log"] = serde_json::json!(log.is_some());
        let stderr = log.map_or_else(Stdio::inherit, |log| fs::File::create(log).expect("a log").into());
        let test = "harness::service_process";
        let mut process = Process::start_with(test, &instructions.to_string(), stderr, files).expect("starts");
        let deadline = Instant::now() + Duration::from_secs(120);
        let addr = loop {
            if let Ok(addr) = fs::read_to_string(&told) {
                break addr.parse().expect("an address");
            }
            assert!(
                process.ended().expect("waits").is_none(),
                "the service ended while it started"
            );
            assert!(Instant::now() < deadline, "the service does not become ready");
            std::thread::sleep(Duration::from_millis(20));
        };
        let client = Client::builder()
            .timeout(Duration::from_secs(60))
            .build()
            .expect("a client");
        Self { process, addr, client }
    }

    /// Waits until its process ends.
    pub(crate) fn ended_within(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.process.ended().expect("waits") {
                return status;
            }
            assert!(Instant::now() < deadline, "the service does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The service that all tests share which do not end it.
    pub(crate) fn shared() -> &'static Self {
        static SERVICE: OnceLock<Service> = OnceLock::new();
        SERVICE.get_or_init(Self::start)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().expect("a method"), self.url(path))
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path).send().expect("answers")
    }

    /// A search by photo; `fields` are the other fields of the form.
    pub(crate) fn search(&self, photo: &[u8], fields: &[(&'static str, &str)]) -> Response {
        let file = multipart::Part::bytes(photo.to_vec()).file_name("photo");
        let form = fields
            .iter()
            .fold(multipart::Form::new().part("image", file), |form, (name, text)| {
                form.text(*name, (*text).to_owned())
            });
        self.request("POST", "/api/v1/search")
            .multipart(form)
            .send()
            .expect("answers")
    }

    pub(crate) fn search_json(&self, body: &str) -> Response {
        let request = self
            .request("POST", "/api/v1/search")
            .header("content-type", "application/json");
        request.body(body.to_owned()).send().expect("answers")
    }

    /// Sends `request` as it is and reads all that comes back until the server closes.
    pub(crate) fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).expect("sends");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).expect("connects");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("sets a timeout");
        stream
    }
}

/// A whole search by photo as it goes over the wire, with more lines for its head.
pub(crate) fn photo_request(head: &str) -> Vec<u8> {
    let mut body = b"--b\r\ncontent-disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\n".to_vec();
    body.extend(png(0));
    body.extend(b"\r\n--b--\r\n");
    let head = format!(
        "POST /api/v1/search HTTP/1.1\r\nhost: x\r\n{head}content-type: multipart/form-data; boundary=b\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

/// A search by an embedding of the catalog's model.
pub(crate) fn embedding_body() -> String {
    let manifest = RetrievalModel::read_manifest(&shop().path("retrieval")).expect("a manifest");
    let embedding = serde_json::json!({ "model_id": manifest.model_id(), "values": vec![0.5; fixture::DIM] });
    serde_json::json!({ "embedding": embedding }).to_string()
}

/// A drawn photo as a PNG file.
pub(crate) fn png(number: u32) -> Vec<u8> {
    encode(number, image::ImageFormat::Png)
}

pub(crate) fn encode(number: u32, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    fixture::photo(number).write_to(&mut bytes, format).expect("encodes");
    bytes.into_inner()
}

pub(crate) fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().expect("a body")).expect("JSON")
}

pub(crate) fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

/// Checks that `response` is a whole problem document with this status and code.
#[track_caller]
pub(crate) fn assert_problem(name: &str, response: Response, status: u16, code: &str) -> Value {
    let id = header(&response, "x-request-id").to_owned();
    assert_eq!(header(&response, "content-type"), "application/problem+json", "{name}");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{name}");
    let (found, problem) = (response.status().as_u16(), json(response));
    assert_eq!(
        (found, problem["code"].as_str()),
        (status, Some(code)),
        "{name}: {problem}"
    );
    assert_eq!(problem["status"], status, "{name}");
    assert_eq!(problem["type"], format!("urn:selvedge:problem:{code}"), "{name}");
    assert_eq!(problem["request_id"], id, "{name}");
    assert!(
        !id.is_empty() && !problem["title"].as_str().unwrap_or_default().is_empty(),
        "{name}"
    );
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.len() > 10),
        "{name}: {problem}"
    );
    problem
}
