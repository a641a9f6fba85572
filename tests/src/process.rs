//! A second process of the same test program, to send signals to and to kill.
//!
//! A test that is started with [`ROLE`] set plays that part instead of testing. It ends when the program that started it
//! does, so nothing is ever left running.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::{env, process, thread};

use anyhow::{Context, Result, ensure};

/// The environment variable that carries a part's instructions.
pub const ROLE: &str = "SELVEDGE_TEST_ROLE";

/// Starts this test program again to run only the test named `test`, with `instructions`.
///
/// # Errors
/// When the system does not start it.
pub fn start(test: &str, instructions: &str) -> Result<Child> {
    let program = env::current_exe().context("the test program has no path")?;
    Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, instructions)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start the test program again")
}

/// The instructions, in a process that [`start`] started; nothing in one that tests.
pub fn instructions() -> Option<String> {
    let instructions = env::var(ROLE).ok()?;
    // The parent holds the other end; when it goes, however it goes, so does this process.
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        process::exit(3);
    });
    Some(instructions)
}

/// Asks `child` to end.
///
/// # Errors
/// When it is gone already.
pub fn terminate(child: &Child) -> Result<()> {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -TERM {}", child.id())])
        .status()?;
    ensure!(sent.success(), "the process {} is gone", child.id());
    Ok(())
}
