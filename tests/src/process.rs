//! A second process of the test program, which tests signal and kill.
//!
//! A test that is started with [`ROLE`] set runs these instructions instead of testing. Its process ends with the process
//! that started it.

use std::io::Read;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::{env, process, thread};

use anyhow::{Context, Result, ensure};

/// Environment variable with the instructions of a second process.
pub const ROLE: &str = "SELVEDGE_TEST_ROLE";

/// A second process. It is killed when this is dropped.
pub struct Process {
    child: Child,
    /// Kept open, because the process ends when this is closed. Waiting for the child would close it.
    _leash: Option<ChildStdin>,
}

impl Process {
    /// Starts the test program with only the test `test`, which runs `instructions`.
    ///
    /// # Errors
    /// If the system does not start it.
    pub fn start(test: &str, instructions: &str) -> Result<Self> {
        Self::start_with(test, instructions, Stdio::inherit(), None)
    }

    /// [`start`](Self::start) with another stderr, and a maximum number of open files.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(test: &str, instructions: &str, stderr: Stdio, files: Option<u32>) -> Result<Self> {
        let program = env::current_exe().context("the test program has no path")?;
        let limit = files.map_or_else(String::new, |files| format!("ulimit -n {files} && "));
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit}exec \"$0\" \"$@\"")])
            .arg(program)
            .args(["--exact", test, "--nocapture"])
            .env(ROLE, instructions)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .context("cannot start the test program again")?;
        let leash = child.stdin.take();
        Ok(Self { child, _leash: leash })
    }

    /// Id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn terminate(&self) -> Result<()> {
        self.signal("TERM")
    }

    /// Sends a signal, such as `HUP`.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status()?;
        ensure!(sent.success(), "the process {} has ended", self.child.id());
        Ok(())
    }

    /// Kills the process and returns its status. A process that has already ended stays as it is.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        self.wait()
    }

    /// Waits until the process ends, and returns its status.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// Status of the process, if it has ended.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // This fails if the process has already ended.
        let _ = self.kill();
    }
}

/// Instructions of a second process; `None` in the test run itself.
pub fn instructions() -> Option<String> {
    let instructions = env::var(ROLE).ok()?;
    // The parent holds the other end. When the parent ends in any way, this process ends, too.
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        process::exit(3);
    });
    Some(instructions)
}
