//! Kills of a process that changes a store.
//!
//! The test runs itself as a child process. The child notes in a journal which operation it begins and which one is done.
//! The parent kills it, opens the store, and compares the store with the journal. `./dev crash` kills it 200 times.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use store::{
    CompactOptions, Element, Expected, Format, GenerationState, GivenHashes, ImportOptions, Outcome, Store, StoreError,
    restore,
};

use crate::{embed, product, vector};

const CHILD: &str = "STORE_CRASH_CHILD";
const FAULTY: &str = "STORE_CRASH_FAULTY";
const PRODUCTS: usize = 60;

/// Files of a test run.
struct Place {
    dir: PathBuf,
}

impl Place {
    fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// Notes a line. A killed process leaves it to the system, which keeps it.
    fn note(&self, line: &str) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("journal"))
            .unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn journal(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.join("journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Last number after `word` in the journal.
    fn last(&self, word: &str) -> Option<u64> {
        let lines = self.journal();
        lines
            .iter()
            .rev()
            .find_map(|line| line.strip_prefix(word)?.trim().parse().ok())
    }
}

/// Round `round` of the file that is imported: every price is the round, and every tenth product has a new image.
fn file_of(place: &Place, round: u64) -> PathBuf {
    let path = place.dir.join(format!("round-{round}.jsonl"));
    let lines: Vec<String> = (0..PRODUCTS)
        .map(|at| {
            let image = if at % 10 == 0 {
                format!("{at} in {round}")
            } else {
                format!("{at}")
            };
            serde_json::to_string(&product(&format!("P{at:03}"), round, &image)).unwrap()
        })
        .collect();
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

/// Opens the store of the child and begins its first generation.
fn open(place: &Place) -> Result<Store, StoreError> {
    let store = Store::open(&place.store())?;
    if store.generations()?.is_empty() {
        store.begin_generation("first", 16, Element::Int8)?;
    }
    Ok(store)
}

/// One round of the child: an import, embeddings, a new generation or the switch to it, compaction, a snapshot.
fn round(place: &Place, store: &Store, round: u64) -> Result<(), StoreError> {
    place.note(&format!("import {round}"));
    let options = ImportOptions {
        batch: 20,
        ..ImportOptions::new(&file_of(place, round), Format::Ndjson)
    };
    let report = store.import(&options, &GivenHashes, &mut |_| ControlFlow::Continue(()))?;
    assert_eq!(report.outcome, Outcome::Applied, "{report:?}");
    place.note(&format!("imported {round}"));
    for generation in store.generations()? {
        if generation.state != GenerationState::Retired {
            embed(store, &generation, 9)?;
        }
    }
    place.note(&format!("embedded {round}"));
    let generations = store.generations()?;
    if let Some(building) = generations
        .iter()
        .find(|found| found.state == GenerationState::Building)
    {
        store.switch_generation(building.number)?;
        place.note(&format!("switched {}", building.number));
    } else {
        let element = if round.is_multiple_of(2) {
            Element::F32
        } else {
            Element::Int8
        };
        store.begin_generation(&format!("model {round}"), 16, element)?;
    }
    let options = CompactOptions {
        small: 40,
        ..CompactOptions::default()
    };
    store.compact(&options)?;
    place.note(&format!("upsert {round}"));
    store.upsert(&product("extra", round, "extra"), Expected::Any)?;
    place.note(&format!("upserted {round}"));
    place.note(&format!("delete {round}"));
    store.delete("extra", Expected::Any)?;
    place.note(&format!("deleted {round}"));
    let snapshot = place.dir.join(format!("snapshot-{round}"));
    let _ = fs::remove_dir_all(&snapshot);
    store.snapshot(&snapshot)?;
    place.note(&format!("snapshot {round}"));
    Ok(())
}

/// The work of the child. It never ends by itself, unless an operation fails. Then it checks that reading goes on.
#[test]
#[ignore = "the parent runs it as a child process"]
fn child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let place = Place { dir: dir.into() };
    let is_faulty = std::env::var(FAULTY).is_ok();
    let store = match open(&place) {
        Err(error) if is_faulty => return assert!(!error.to_string().is_empty()),
        opened => opened.unwrap(),
    };
    // A round that was killed is repeated, so its import continues.
    let first = place.last("imported").unwrap_or_default() + 1;
    for number in first.. {
        let result = round(&place, &store, number);
        if is_faulty && (result.is_err() || number == first + 1) {
            store.products("", 10).unwrap();
            place.note(&format!("end {result:?}"));
            return;
        }
        result.unwrap();
    }
}

/// Compares the store with the journal.
fn check(place: &Place, path: &Path, is_snapshot: bool) {
    let store = Store::open(path).unwrap();
    assert!(store.repair_report().damaged.is_empty(), "{:?}", store.repair_report());
    let report = store.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
    for generation in store.generations().unwrap() {
        let view = store.view(generation.number).unwrap();
        for row in &view.rows {
            let segment = &view.segments[row.segment as usize];
            let product = store
                .product(&view.products[row.product as usize].id)
                .unwrap()
                .unwrap()
                .product;
            let stored = segment.vector(row.slot as usize);
            let is_of_product = product.images.iter().any(|image| {
                let expected = vector(image.key().as_str(), 16);
                stored
                    .iter()
                    .zip(expected)
                    .all(|(stored, expected)| (stored - expected).abs() < 0.01)
            });
            assert!(is_of_product, "an embedding is of another image");
        }
    }
    if is_snapshot {
        return;
    }
    let (begun, imported) = (
        place.last("import").unwrap_or_default(),
        place.last("imported").unwrap_or_default(),
    );
    let products = store.products("", 1000).unwrap();
    if imported > 0 {
        let count = products
            .iter()
            .filter(|stored| stored.product.id.starts_with('P'))
            .count();
        assert_eq!(count, PRODUCTS, "a product is lost");
    }
    for stored in &products {
        let round = stored.product.price.as_ref().unwrap().amount;
        let is_known = stored.product.id == "extra" || (imported..=begun).contains(&round);
        assert!(
            is_known,
            "{} has the price of round {round}, not {imported} to {begun}",
            stored.product.id
        );
    }
    let has_extra = products.iter().any(|stored| stored.product.id == "extra");
    let words = ["upsert ", "upserted ", "delete ", "deleted "];
    let last = place
        .journal()
        .into_iter()
        .rev()
        .find(|line| words.iter().any(|word| line.starts_with(word)));
    match last.as_deref().and_then(|line| line.split(' ').next()) {
        Some("upserted") => assert!(has_extra, "an acknowledged product is lost"),
        Some("deleted") => assert!(!has_extra, "a deleted product is back"),
        _ => {}
    }
    if let Some(switched) = place.last("switched") {
        let live = store.live_generation().unwrap().unwrap();
        assert!(live.number.unsigned_abs() >= switched, "a switch is lost");
        if place.last("embedded") == Some(begun) {
            let progress = store.progress(live.number).unwrap();
            assert!(
                progress.pending() <= 1,
                "acknowledged embeddings are lost: {progress:?}"
            );
        }
    }
}

/// Waits until the child has noted `lines` lines, at most a minute.
fn wait_for_work(place: &Place, lines: usize) {
    let (before, start) = (place.journal().len(), Instant::now());
    while place.journal().len() < before + lines && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_process_loses_nothing_and_leaves_nothing() {
    let kills: u64 = if is_long() { 200 } else { 20 };
    let dir = tempfile::tempdir().unwrap();
    let place = Place {
        dir: dir.path().to_owned(),
    };
    let mut random = kills;
    let mut slowest = Duration::ZERO;
    let mut moments: BTreeMap<String, u32> = BTreeMap::new();
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--ignored", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Some kills hit the start and its repair, most hit the work.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let wait = Duration::from_millis((random >> 40) % 1500);
        if kill % 5 == 4 {
            std::thread::sleep(wait / 20);
        } else {
            // A round notes about nine lines, so every part of it is hit.
            wait_for_work(&place, 1 + (random >> 33) as usize % 9);
            std::thread::sleep(wait / 5);
        }
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(ended.is_none(), "the child failed: {errors}\n{:?}", place.journal());
        let moment = place.journal().pop().unwrap_or_default();
        *moments
            .entry(moment.split(' ').next().unwrap_or_default().to_owned())
            .or_default() += 1;
        let start = Instant::now();
        check(&place, &place.store(), false);
        slowest = slowest.max(start.elapsed());
        if let Some(round) = place.last("snapshot")
            && kill % 4 == 3
        {
            let target = place.dir.join(format!("restored-{kill}"));
            restore(&place.dir.join(format!("snapshot-{round}")), &target).unwrap();
            check(&place, &target, true);
            fs::remove_dir_all(target).unwrap();
        }
    }
    let rounds = place.last("imported").unwrap_or_default();
    eprintln!("{kills} kills in {rounds} rounds after {moments:?}; the slowest check took {slowest:?}");
    assert!(rounds > 0, "no round was finished, so nothing was tested");
}

/// True in the long mode of `./dev crash`.
fn is_long() -> bool {
    std::env::var_os("SELVEDGE_LONG").is_some()
}

/// Runs the child under `strace`, which makes the `number`-th call of the kind `call` fail. Returns its journal.
fn run_with_fault(place: &Place, call: &str, error: &str, number: u32) -> Vec<String> {
    // The journal and the output of the test are written with `write`, too. So only writes of embeddings fail.
    let segments = place.store().join("segments");
    let files = (1..=4).flat_map(|generation| (1..=40).map(move |file| format!("g{generation}-{file:08}.seg")));
    let files = files.filter(|_| call == "write").map(|file| segments.join(file));
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:error={error}:when={number}")])
        .args(files.flat_map(|file| ["-P".into(), file.into_os_string()]))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--nocapture"])
        .env(CHILD, &place.dir)
        .env(FAULTY, "1")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{call} {number}: {errors}\n{:?}",
        place.journal()
    );
    place.journal()
}

#[test]
fn faults_of_the_disk_are_reported_and_damage_nothing() {
    // Some containers forbid one process to trace another.
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !traced.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: strace is not installed or may not trace");
        return;
    }
    let step = if is_long() { 1 } else { 29 };
    let mut all = 0;
    for (call, error, last) in [
        ("fsync", "EIO", 60),
        ("fdatasync", "EIO", 60),
        ("pwrite64", "ENOSPC", 200),
        ("write", "ENOSPC", 40),
        ("write", "EIO", 40),
        ("rename", "EIO", 3),
        ("ftruncate", "EIO", 4),
    ] {
        let mut reported = 0;
        for number in (1..=last).step_by(step) {
            let dir = tempfile::tempdir().unwrap();
            let place = Place {
                dir: dir.path().to_owned(),
            };
            let journal = run_with_fault(&place, call, error, number);
            reported += usize::from(journal.last().is_some_and(|line| line.starts_with("end Err")));
            check(&place, &place.store(), false);
        }
        eprintln!("{call} {error}: {reported} faults were reported");
        all += reported;
    }
    eprintln!("{all} faults were reported");
    assert!(all > 0, "no fault was reported, so nothing was tested");
}
