//! A Milvus server for tests, in a network namespace of its own.
//!
//! The server listens on all addresses for its internal ports, and its configuration cannot change that. So the test program
//! runs itself again in a network namespace that has a loopback interface only. Nothing outside reaches the server.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use engine::Engine;
use milvus::{MilvusEngine, MilvusOptions};
use tempfile::TempDir;

/// Set in the test program that runs in the namespace.
const INSIDE: &str = "SELVEDGE_MILVUS_INSIDE";
/// Port of the server.
pub const PORT: u16 = 19530;
/// Maximum time to start.
const START: Duration = Duration::from_secs(600);

/// A Python with the package `milvus`: `SELVEDGE_MILVUS`, or the one in the folder of tools.
fn python() -> Option<PathBuf> {
    if let Some(path) = env::var_os("SELVEDGE_MILVUS") {
        return Some(PathBuf::from(path));
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("selvedge/tools/milvus/bin/python")).filter(|path| path.exists())
}

/// Runs the test `name` of this program in a namespace, and there calls `test` with a Python that has the server.
///
/// Prints a line and returns if there is no server, or no namespace can be made.
///
/// # Panics
/// If the test fails.
pub fn in_namespace(name: &str, test: impl FnOnce(&Path)) {
    let Some(python) = python() else {
        eprintln!("skipped: no Milvus server is installed; server/docs/milvus.md describes the installation");
        return;
    };
    if env::var_os(INSIDE).is_some() {
        return test(&python);
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "--"]);
        command
    };
    let made = unshare().arg("true").stderr(Stdio::null()).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no network namespace can be made, and a Milvus server listens on all addresses");
        return;
    }
    let status = unshare()
        .arg(&python)
        .args(["-c", include_str!("enter.py")])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed in the namespace");
}

/// A server. It ends when this value is dropped.
pub struct Server {
    python: PathBuf,
    child: Option<Child>,
    dir: TempDir,
}

impl Server {
    /// Starts a server with a temporary folder.
    pub fn start(python: &Path) -> Self {
        let mut server = Self {
            python: python.to_owned(),
            child: None,
            dir: tempfile::tempdir().unwrap(),
        };
        server.restart();
        server
    }

    /// Starts the server again with its data, and waits until it answers.
    pub fn restart(&mut self) {
        self.kill();
        let log = File::create(self.dir.path().join("log.txt")).unwrap();
        let child = Command::new(&self.python)
            .args(["-c", include_str!("start.py")])
            .arg(self.dir.path())
            .arg(PORT.to_string())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let child = self.child.insert(child);
        let (engine, start) = (engine("waiting"), Instant::now());
        while let Err(error) = engine.generations() {
            if let Some(status) = child.try_wait().unwrap() {
                let log = std::fs::read_to_string(self.dir.path().join("log.txt")).unwrap_or_default();
                panic!("the server ended with {status}: {log}");
            }
            assert!(start.elapsed() < START, "{error}");
            thread::sleep(Duration::from_millis(200));
        }
        eprintln!("the server answered after {:.1} s", start.elapsed().as_secs_f32());
    }

    /// Ends the server at once, without a farewell.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Options for the server, with collections of their own. They are patient, because tests run on busy machines.
pub fn options(prefix: &str) -> MilvusOptions {
    MilvusOptions {
        prefix: prefix.into(),
        timeout: Duration::from_secs(120),
        setup_timeout: Duration::from_secs(300),
        tries: 30,
        pause: Duration::from_secs(1),
        ..MilvusOptions::new(format!("http://127.0.0.1:{PORT}"))
    }
}

/// An engine with collections of its own.
pub fn engine(prefix: &str) -> MilvusEngine {
    MilvusEngine::new(options(prefix)).unwrap()
}
