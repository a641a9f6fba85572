//! A second process of the same test program, to send signals to and to kill.
//!
//! A test that is started with [`ROLE`] set plays that part instead of testing. It ends when the program that started it
//! does, so nothing is ever left running.

use std::io::Read;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::{env, process, thread};

use anyhow::{Context, Result, ensure};

/// The environment variable that carries a part's instructions.
pub const ROLE: &str = "SELVEDGE_TEST_ROLE";

/// A process that plays a part; killed when dropped.
pub struct Process {
    child: Child,
    /// Kept open, since the process ends when this closes; waiting on the child alone would close it.
    _leash: Option<ChildStdin>,
}

impl Process {
    /// Starts this test program again to run only the test named `test`, with `instructions`.
    ///
    /// # Errors
    /// When the system does not start it.
    pub fn start(test: &str, instructions: &str) -> Result<Self> {
        Self::start_with(test, instructions, Stdio::inherit(), None)
    }

    /// [`start`](Self::start) with its standard error elsewhere, and allowed to open fewer `files` than usual.
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

    /// The system's number of it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn terminate(&self) -> Result<()> {
        self.signal("TERM")
    }

    /// Sends it a signal, such as `HUP`.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status()?;
        ensure!(sent.success(), "the process {} is gone", self.child.id());
        Ok(())
    }

    /// Ends it at once, wherever it is, and says how it ended; a process that has ended already is left as it is.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        self.wait()
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// When the system does not say how it ended.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}

/// The instructions, in a process that plays a part; nothing in one that tests.
pub fn instructions() -> Option<String> {
    let instructions = env::var(ROLE).ok()?;
    // The parent holds the other end; when it goes, however it goes, so does this process.
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        process::exit(3);
    });
    Some(instructions)
}
