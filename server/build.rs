//! Records the commit that the program is built from, as `git describe` names it, in `SELVEDGE_COMMIT`.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&root).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let described = git(&["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]);
    println!(
        "cargo::rustc-env=SELVEDGE_COMMIT={}",
        described.as_deref().unwrap_or("unknown")
    );

    // The log of HEAD changes with every commit. The sources decide whether the commit is dirty.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]).map(|path| root.join(path));
    let sources = ["server", "shared", "Cargo.lock"].map(|path| root.join(path));
    let watched: Vec<PathBuf> = log.into_iter().chain(sources).filter(|path| path.exists()).collect();
    for path in watched {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}
