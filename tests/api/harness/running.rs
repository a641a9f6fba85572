//! A running service, and requests to it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder, Response, multipart};
use serde_json::Value;
use tests::process::Process;

use super::process::SERVICE_PROCESS;
use super::shop::shop;

/// A service in its own process, which ends when this is dropped.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) addr: SocketAddr,
    client: Client,
}

impl Service {
    /// Starts a service with the default configuration.
    pub(crate) fn start() -> Self {
        Self::start_with(true, None)
    }

    /// Starts a service with or without a query encoder, and with the category classifier in the folder `category`.
    pub(crate) fn start_with(query: bool, category: Option<&str>) -> Self {
        Self::start_as(serde_json::json!({ "query": query, "category": category }))
    }

    /// Starts a service with the default configuration, changed by `instructions`.
    pub(crate) fn start_as(instructions: Value) -> Self {
        Self::start_in(instructions, None, None)
    }

    /// [`start_as`](Self::start_as) with the log in the file `log`, in a process that may open at most `files` files.
    pub(crate) fn start_in(mut instructions: Value, log: Option<&Path>, files: Option<u32>) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let told = shop().path(&format!("addr-{number}.txt"));
        instructions["dir"] = serde_json::json!(shop().path(""));
        instructions["told"] = serde_json::json!(told);
        instructions["log"] = serde_json::json!(log.is_some());
        let stderr = log.map_or_else(Stdio::inherit, |log| {
            fs::File::create(log).expect("the log is created").into()
        });
        let mut process =
            Process::start_with(SERVICE_PROCESS, &instructions.to_string(), stderr, files).expect("the process starts");
        let deadline = Instant::now() + Duration::from_secs(120);
        let addr = loop {
            if let Ok(addr) = fs::read_to_string(&told) {
                break addr.parse().expect("the file has an address");
            }
            assert!(
                process.ended().expect("the system tells").is_none(),
                "the service ended while it started"
            );
            assert!(Instant::now() < deadline, "the service does not become ready");
            std::thread::sleep(Duration::from_millis(20));
        };
        let client = Client::builder()
            .timeout(Duration::from_secs(60))
            .build()
            .expect("the client is made");
        Self { process, addr, client }
    }

    /// Waits until the process ends.
    pub(crate) fn ended_within(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.process.ended().expect("the system tells") {
                return status;
            }
            assert!(Instant::now() < deadline, "the service does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The service that tests share unless they change or end it.
    pub(crate) fn shared() -> &'static Self {
        static SERVICE: OnceLock<Service> = OnceLock::new();
        SERVICE.get_or_init(Self::start)
    }

    /// URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// A request that is still to be sent.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client
            .request(method.parse().expect("the method is valid"), self.url(path))
    }

    /// Sends a GET request.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path).send().expect("the service answers")
    }

    /// Sends a search by photo with more `fields` of the form.
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
            .expect("the service answers")
    }

    /// Sends a search by embedding.
    pub(crate) fn search_json(&self, body: &str) -> Response {
        let request = self
            .request("POST", "/api/v1/search")
            .header("content-type", "application/json");
        request.body(body.to_owned()).send().expect("the service answers")
    }

    /// Sends `request` unchanged, and reads the answer until the server closes the connection.
    pub(crate) fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).expect("the request is sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Opens a connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).expect("the service accepts");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("the timeout is set");
        stream
    }
}
