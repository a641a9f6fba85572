//! Embeddings of images by generation: storing, sharing, compaction and verification.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use store::{
    CompactOptions, Element, Expected, FindingKind, GenerationState, ImageKey, Store, StoreError, TaskState,
    VerifyReport,
};

use crate::{embed_all, new_store, product, roll_out, segment_files, vector};

/// Damages a file.
type Damage = fn(&std::path::Path);

/// Adds products `0..count` with images of their own.
fn fill(store: &Store, count: usize) {
    for at in 0..count {
        store
            .upsert(&product(&format!("P{at}"), 100, &format!("image {at}")), Expected::Any)
            .unwrap();
    }
}

/// Compares every row of a generation with the vector that follows from its product's image.
fn check_vectors(store: &Store, generation: i64, expected: usize) {
    let view = store.view(generation).unwrap();
    assert_eq!(view.rows.len(), expected);
    for row in &view.rows {
        let id = &view.products[row.product as usize].id;
        let key = store.product(id).unwrap().unwrap().product.images[0].key();
        let stored = view.segments[row.segment as usize].vector(row.slot as usize);
        let tolerance = view.generation.element.tolerance();
        for (stored, expected) in stored.iter().zip(vector(key.as_str(), stored.len())) {
            assert!((stored - expected).abs() < tolerance, "{id}: {stored} {expected}");
        }
    }
}

fn kinds(report: &VerifyReport) -> Vec<FindingKind> {
    let mut kinds: Vec<FindingKind> = report.findings.iter().map(|finding| finding.kind).collect();
    kinds.dedup();
    kinds
}

#[test]
fn stored_vectors_are_read_back_after_a_restart() {
    for element in [Element::F32, Element::Int8] {
        let (dir, store) = new_store();
        fill(&store, 30);
        let generation = roll_out(&store, "m", element);
        drop(store);
        let store = Store::open(&dir.path().join("store")).unwrap();
        check_vectors(&store, generation.number, 30);
        let report = store.verify().unwrap();
        assert_eq!((report.embeddings, report.findings.len()), (30, 0));
    }
}

#[test]
fn only_unit_vectors_of_the_dimension_are_stored() {
    let (_dir, store) = new_store();
    fill(&store, 1);
    let generation = store.begin_generation("m", 4, Element::F32).unwrap().number;
    let key = ImageKey::of_bytes(b"image 0");
    for wrong in [
        vec![0.0; 4],
        vec![1.0, 0.0, 0.0],
        vec![1.0; 4],
        vec![f32::NAN, 0.0, 0.0, 1.0],
        vec![f32::INFINITY, 0.0, 0.0, 0.0],
    ] {
        let result = store.append(generation, &[(key.clone(), wrong)]);
        assert!(matches!(result, Err(StoreError::Embedding { .. })), "{result:?}");
    }
    let unknown = ImageKey::of_bytes(b"of no product");
    let appended = store
        .append(generation, &[(unknown, vec![1.0, 0.0, 0.0, 0.0])])
        .unwrap();
    assert_eq!((appended.stored, appended.obsolete), (0, 1));
}

#[test]
fn a_generation_is_switched_to_when_it_is_whole_and_can_be_rolled_back() {
    let (_dir, store) = new_store();
    fill(&store, 5);
    let first = roll_out(&store, "one", Element::F32).number;
    let second = store.begin_generation("two", 16, Element::Int8).unwrap();
    assert!(
        store.begin_generation("three", 16, Element::F32).is_err(),
        "one is being built"
    );
    assert!(store.switch_generation(second.number).is_err(), "nothing is embedded");
    store
        .fail_embedding(second.number, &ImageKey::of_bytes(b"image 3"), "cannot be decoded")
        .unwrap();
    embed_all(&store, &second, 3);
    let progress = store.progress(second.number).unwrap();
    assert_eq!((progress.images, progress.embedded, progress.failed), (5, 4, 1));
    store.switch_generation(second.number).unwrap();
    assert_eq!(store.live_generation().unwrap().unwrap().number, second.number);
    assert_eq!(store.roll_back().unwrap().number, first);
    assert_eq!(store.roll_back().unwrap().number, second.number);
    assert!(store.drop_generation(second.number).is_err(), "searches use it");
    let third = roll_out(&store, "three", Element::F32).number;
    let states: Vec<_> = store
        .generations()
        .unwrap()
        .iter()
        .map(|generation| generation.state)
        .collect();
    assert_eq!(
        states,
        [GenerationState::Retired, GenerationState::Kept, GenerationState::Live]
    );
    check_vectors(&store, third, 5);
    assert!(store.view(first).unwrap().rows.is_empty());
    assert!(store.verify().unwrap().findings.is_empty());
}

#[test]
fn compaction_removes_unused_rows_and_keeps_the_others() {
    for element in [Element::F32, Element::Int8] {
        let (dir, store) = new_store();
        fill(&store, 40);
        let generation = roll_out(&store, "m", element).number;
        let old = store.view(generation).unwrap();
        for at in (0..40).step_by(2) {
            store.delete(&format!("P{at}"), Expected::Any).unwrap();
        }
        let compacted = store.compact(&CompactOptions::default()).unwrap();
        assert_eq!((compacted.rows, compacted.written), (20, 1));
        assert_eq!(segment_files(&dir.path().join("store")).len(), 1);
        check_vectors(&store, generation, 20);
        assert!(!old.segments[0].vector(0).is_empty(), "an old view stays readable");
        assert_eq!(
            store.compact(&CompactOptions::default()).unwrap().written,
            0,
            "nothing is left to do"
        );
        let report = store.verify().unwrap();
        assert_eq!((report.unused_rows, report.findings.len()), (0, 0));
    }
}

#[test]
fn damaged_files_are_found_and_their_images_wait_again() {
    let cases: [(&str, Damage); 4] = [
        ("missing", |path| fs::remove_file(path).unwrap()),
        ("short", |path| {
            fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(100)
                .unwrap()
        }),
        ("flipped", |path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[80] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("zeroed", |path| {
            fs::write(path, vec![0; fs::read(path).unwrap().len()]).unwrap()
        }),
    ];
    for (name, damage) in cases {
        let (dir, store) = new_store();
        let path = dir.path().join("store");
        fill(&store, 10);
        let generation = roll_out(&store, "m", Element::F32);
        drop(store);
        damage(&segment_files(&path)[0]);
        fs::write(path.join("segments/left-over.seg"), "x").unwrap();
        let store = Store::open(&path).unwrap();
        assert_eq!(store.repair_report().removed_files, ["left-over.seg"], "{name}");
        assert_eq!(store.repair_report().damaged.len(), 1, "{name}");
        assert_eq!(
            store.view(generation.number).unwrap().rows.len(),
            3,
            "{name}: the other segment is searched"
        );
        assert_eq!(kinds(&store.verify().unwrap()), [FindingKind::Damaged], "{name}");
        assert_eq!(store.discard_damaged().unwrap().len(), 1);
        assert_eq!(store.progress(generation.number).unwrap().pending(), 7, "{name}");
        embed_all(&store, &generation, 10);
        check_vectors(&store, generation.number, 10);
        assert!(store.verify().unwrap().findings.is_empty(), "{name}");
    }
}

#[test]
fn verification_names_each_kind_of_fault() {
    let (dir, store) = new_store();
    let path = dir.path().join("store");
    fill(&store, 9);
    roll_out(&store, "m", Element::F32);
    drop(store);
    let db = rusqlite::Connection::open(path.join("store.sqlite")).unwrap();
    db.execute_batch(
        "PRAGMA foreign_keys = off;
         DELETE FROM embeddings WHERE iid = 1;
         UPDATE embeddings SET slot = 99 WHERE iid = 2;
         UPDATE embeddings SET slot = 0 WHERE iid = 3;
         INSERT INTO images(key) VALUES ('unused');",
    )
    .unwrap();
    drop(db);
    let store = Store::open(&path).unwrap();
    fs::write(path.join("segments/phantom.seg"), "x").unwrap();
    let report = store.verify().unwrap();
    for kind in [FindingKind::Missing, FindingKind::Phantom, FindingKind::Stale] {
        assert!(kinds(&report).contains(&kind), "{kind:?}: {report:?}");
    }
    assert!(!report.is_sound());
}

#[test]
fn tasks_that_waited_or_ran_are_ended_by_the_end_of_the_process() {
    let (dir, store) = new_store();
    let detail = serde_json::json!({"file": "a.csv"});
    let queued = store.create_task("verify", &detail).unwrap();
    let mut running = store.create_task("import", &detail).unwrap();
    running.state = TaskState::Running;
    (running.done, running.total) = (5, Some(10));
    store.update_task(&running).unwrap();
    drop(store);
    let store = Store::open(&dir.path().join("store")).unwrap();
    assert_eq!(store.repair_report().interrupted_tasks, 2);
    for (task, done) in [(queued, 0), (running, 5)] {
        let found = store.task(task.number).unwrap().unwrap();
        assert_eq!((found.state, found.done), (TaskState::Interrupted, done));
        assert!(found.finished_at.is_some(), "{found:?}");
    }
    assert_eq!(store.prune_tasks(i64::MAX).unwrap(), 2);
}

#[test]
fn readers_see_every_embedding_while_segments_are_compacted() {
    let (_dir, store) = new_store();
    fill(&store, 20);
    let generation = roll_out(&store, "m", Element::F32);
    let every = CompactOptions {
        small: usize::MAX,
        ..CompactOptions::default()
    };
    let is_done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for _ in 0..50 {
                // The embedding of one image moves to a new segment, so there are two to merge.
                let key = ImageKey::of_bytes(b"image 0");
                let embedding = vector(key.as_str(), generation.dim);
                store.append(generation.number, &[(key, embedding)]).unwrap();
                store.compact(&every).unwrap();
            }
            is_done.store(true, Ordering::Relaxed);
        });
        while !is_done.load(Ordering::Relaxed) {
            assert_eq!(store.view(generation.number).unwrap().rows.len(), 20);
            assert_eq!(store.product_rows(generation.number, "P1").unwrap().len(), 1);
        }
    });
}
