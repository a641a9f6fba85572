//! `/readyz` of a service whose folders are moved or replaced.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use dataset::MaxErrors;
use search::storage::Storage;
use service::catalog::{IndexOptions, index};
use service::embed::PhotoViews;
use tests::fixture;

use super::harness::{Service, json, shop};

/// Waits until `/readyz` answers with `status`, and returns the body.
#[track_caller]
fn readyz(service: &Service, status: u16) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = service.get("/readyz");
        if answer.status().as_u16() == status {
            return json(answer).to_string();
        }
        assert!(Instant::now() < deadline, "/readyz does not become {status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Path of a folder of the shop.
fn path(name: &str) -> PathBuf {
    shop().path(name)
}

/// Writes a dataset of `products` products, and indexes it into the folder `catalog`.
fn index_new(dataset: &str, products: u32, catalog: &str) {
    let _ = fs::remove_dir_all(path(dataset));
    fixture::write_dataset(&path(dataset), products, 0).expect("the dataset is written");
    let options = IndexOptions {
        dataset: path(dataset),
        bundle: path("retrieval"),
        out: path(catalog),
        storage: Storage::F32,
        views: PhotoViews::None,
        batch: 8,
        max_errors: MaxErrors::default(),
    };
    index(&options, &Device::flex(), |_| ()).expect("the dataset is indexed");
}

fn start(catalog: &str) -> Service {
    let service = Service::start_as(serde_json::json!({ "catalog": catalog }));
    assert!(readyz(&service, 200).contains("ok"));
    service
}

#[test]
fn readyz_reports_missing_folders_until_they_are_put_back() {
    index_new("moving-shop", 4, "moving-catalog");
    let service = start("moving-catalog");
    let elsewhere = path("moved-folder");
    for (folder, says) in [
        ("moving-catalog", "holds no catalog"),
        ("moving-shop", "the catalog's photos is gone"),
    ] {
        fs::rename(path(folder), &elsewhere).expect("the folder is moved");
        let reason = readyz(&service, 503);
        assert!(reason.contains(says), "{folder}: {reason}");
        fs::rename(&elsewhere, path(folder)).expect("the folder is moved");
        readyz(&service, 200);
    }
    // Another folder with the same name.
    fs::rename(path("moving-shop"), &elsewhere).expect("the folder is moved");
    fs::create_dir_all(path("moving-shop/shop")).expect("the folder is created");
    let reason = readyz(&service, 503);
    assert!(
        reason.contains("no longer holds any of the catalog's photos"),
        "{reason}"
    );
    fs::remove_dir_all(path("moving-shop")).expect("the folder is removed");
    fs::rename(&elsewhere, path("moving-shop")).expect("the folder is moved");
    readyz(&service, 200);
}

#[test]
fn readyz_reports_a_missing_file_of_the_catalog() {
    index_new("losing-shop", 4, "losing-catalog");
    let service = start("losing-catalog");
    let rows = fs::read_dir(path("losing-catalog"))
        .expect("the folder exists")
        .map(|entry| entry.expect("the folder is readable").path())
        .find(|path| path.to_string_lossy().contains("rows-"))
        .expect("the catalog has rows");
    let elsewhere = path("moved-rows");
    fs::rename(&rows, &elsewhere).expect("the file is moved");
    assert!(readyz(&service, 503).contains("lacks its file rows-"));
    fs::rename(&elsewhere, &rows).expect("the file is moved");
    readyz(&service, 200);
}

#[test]
fn readyz_reports_a_catalog_of_another_bundle_but_not_a_newer_one() {
    index_new("newer-shop", 4, "newer-catalog");
    let service = start("newer-catalog");
    index_new("newer-shop-2", 5, "newer-catalog");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(service.get("/readyz").status(), 200);
    let header = path("newer-catalog/catalog.json");
    let text = fs::read_to_string(&header).expect("the header is readable");
    fs::write(&header, text.replace("tiny.retrieval@", "other@")).expect("the header is written");
    assert!(readyz(&service, 503).contains("was replaced by one of other@"));
}
