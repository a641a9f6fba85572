//! Snapshots, and stores that are restored from them.

use std::fs;
use std::process::Command;

use store::{Element, Expected, Store, StoreError, restore};

use crate::{new_store, product, roll_out, write};

#[test]
fn a_restored_snapshot_is_the_store_at_its_time() {
    let (dir, store) = new_store();
    for at in 0..20 {
        store
            .upsert(&product(&format!("P{at}"), 100, &format!("{at}")), Expected::Any)
            .unwrap();
    }
    let generation = roll_out(&store, "m", Element::Int8).number;
    let photos = ["uploads/1f", "photos/a/b.jpg", "photos/a\\b\n.jpg"];
    for name in photos {
        write(&dir, &format!("store/{name}"), name);
    }
    write(&dir, "store/uploads/2f.part", "being written");
    let (snapshot, target) = (dir.path().join("snapshot"), dir.path().join("restored"));
    let summary = store.snapshot(&snapshot).unwrap();
    let checked = Command::new("sha256sum")
        .args(["-c", "SHA256SUMS"])
        .current_dir(&snapshot)
        .output()
        .unwrap();
    let checked = String::from_utf8(checked.stdout).unwrap();
    assert!(
        checked.contains("photos/a/b.jpg: OK") && !checked.contains("FAILED"),
        "{checked}"
    );
    let mut exported = Vec::new();
    store.export(&mut exported).unwrap();
    store.delete("P3", Expected::Any).unwrap();
    let lost = store.upsert(&product("lost", 1, "lost"), Expected::Absent).unwrap();
    assert_eq!(restore(&snapshot, &target).unwrap(), summary);
    let restored = Store::open(&target).unwrap();
    let mut found = Vec::new();
    restored.export(&mut found).unwrap();
    assert_eq!(found, exported);
    assert_eq!(restored.view(generation).unwrap().rows.len(), 20);
    assert!(restored.verify().unwrap().findings.is_empty());
    for name in photos {
        assert_eq!(fs::read_to_string(target.join(name)).unwrap(), name);
    }
    assert!(!target.join("uploads/2f.part").exists());
    let next = restored.upsert(&product("new", 1, "new"), Expected::Absent).unwrap();
    assert!(
        next.0 > lost.0,
        "a version stands for one state, also of changes after the snapshot"
    );
}

#[test]
fn occupied_targets_and_damaged_snapshots_are_refused() {
    let (dir, store) = new_store();
    store.upsert(&product("P1", 100, "a"), Expected::Any).unwrap();
    roll_out(&store, "m", Element::F32);
    write(&dir, "store/uploads/1f", "photo");
    let (snapshot, target) = (dir.path().join("snapshot"), dir.path().join("target"));
    store.snapshot(&snapshot).unwrap();
    assert!(matches!(store.snapshot(&snapshot), Err(StoreError::NotEmpty { .. })));
    assert!(matches!(
        restore(&snapshot, store.dir()),
        Err(StoreError::NotEmpty { .. })
    ));
    let segment = fs::read_dir(snapshot.join("segments"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let (sums, bytes) = (snapshot.join("SHA256SUMS"), fs::read(&segment).unwrap());
    let list = fs::read_to_string(&sums).unwrap();
    let photo = snapshot.join("uploads/1f");
    let damages: [(&str, &dyn Fn()); 7] = [
        ("a changed photo", &|| {
            fs::remove_file(&photo).unwrap();
            fs::write(&photo, "other").unwrap();
        }),
        ("a missing photo", &|| fs::remove_file(&photo).unwrap()),
        ("an unlisted photo", &|| {
            fs::write(&photo, "photo").unwrap();
            fs::write(snapshot.join("uploads/2f"), "photo").unwrap();
        }),
        ("a changed file", &|| {
            fs::remove_file(snapshot.join("uploads/2f")).unwrap();
            // The link shares the file with the store, so it is replaced and not changed.
            fs::remove_file(&segment).unwrap();
            fs::write(&segment, "other").unwrap();
        }),
        ("a missing file", &|| fs::remove_file(&segment).unwrap()),
        ("a file outside", &|| {
            fs::write(&segment, &bytes).unwrap();
            fs::write(&sums, format!("{list}{}  ../x\n", "0".repeat(64))).unwrap();
        }),
        ("an unlisted segment", &|| {
            let kept: Vec<&str> = list.lines().filter(|line| !line.contains("segments")).collect();
            fs::write(&sums, kept.join("\n")).unwrap();
        }),
    ];
    for (name, damage) in damages {
        damage();
        assert!(restore(&snapshot, &target).is_err(), "{name}");
        assert!(!target.exists(), "{name}");
    }
    fs::remove_file(&sums).unwrap();
    let error = restore(&snapshot, &target)
        .expect_err("it has no checksums")
        .to_string();
    assert!(error.contains("not a snapshot"), "{error}");
}

#[test]
fn an_unfinished_restore_is_not_opened() {
    let (dir, store) = new_store();
    let (snapshot, target) = (dir.path().join("snapshot"), dir.path().join("target"));
    store.snapshot(&snapshot).unwrap();
    restore(&snapshot, &target).unwrap();
    fs::write(target.join("restoring"), "").unwrap();
    assert!(matches!(Store::open(&target), Err(StoreError::Unfinished { .. })));
    assert!(matches!(
        restore(&snapshot, &target),
        Err(StoreError::Unfinished { .. })
    ));
}
