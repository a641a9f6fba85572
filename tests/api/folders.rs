//! What a service says when the folders that it serves from are moved or replaced under it.

use std::fs;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use dataset::MaxErrors;
use search::storage::Storage;
use service::catalog::{IndexOptions, index};
use tests::fixture;

use super::harness::{Service, json, shop};

/// Waits until `/readyz` answers with `status`, and gives what it says.
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

#[test]
fn readyz_tells_of_folders_that_are_gone() {
    let path = |name: &str| shop().path(name);
    let make = |dataset: &str, products: u32| {
        let _ = fs::remove_dir_all(path(dataset));
        fixture::write_dataset(&path(dataset), products, 0).expect("a dataset");
    };
    let index_into = |dataset: &str, bundle: &str, out: &str| {
        let options = IndexOptions {
            dataset: path(dataset),
            bundle: path(bundle),
            out: path(out),
            storage: Storage::F32,
            batch: 8,
            max_errors: MaxErrors::default(),
        };
        index(&options, &Device::flex(), |_| ()).expect("indexes");
    };
    make("moving-shop", 4);
    index_into("moving-shop", "retrieval", "moving-catalog");
    let service = Service::start_as(serde_json::json!({ "catalog": "moving-catalog" }));
    assert!(readyz(&service, 200).contains("ok"));
    for (folder, says) in [
        ("moving-catalog", "holds no catalog"),
        ("moving-shop", "the catalog's photos is gone"),
    ] {
        fs::rename(path(folder), path("elsewhere")).expect("renames");
        let told = readyz(&service, 503);
        assert!(told.contains(says), "{folder}: {told}");
        fs::rename(path("elsewhere"), path(folder)).expect("renames");
        readyz(&service, 200);
    }
    // Another folder of the same name.
    fs::rename(path("moving-shop"), path("elsewhere")).expect("renames");
    fs::create_dir_all(path("moving-shop/shop")).expect("creates");
    let told = readyz(&service, 503);
    assert!(told.contains("no longer holds any of the catalog's photos"), "{told}");
    fs::remove_dir_all(path("moving-shop")).expect("removes");
    fs::rename(path("elsewhere"), path("moving-shop")).expect("renames");
    readyz(&service, 200);

    // A file of the index alone.
    let entries = fs::read_dir(path("moving-catalog"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    let rows = entries
        .into_iter()
        .find(|path| path.to_string_lossy().contains("rows-"))
        .expect("the file");
    fs::rename(&rows, path("elsewhere")).expect("renames");
    assert!(readyz(&service, 503).contains("lacks its file rows-"));
    fs::rename(path("elsewhere"), &rows).expect("renames");
    readyz(&service, 200);

    // A newer catalog of the same bundle waits for a restart; one of another bundle could not be served.
    make("moving-more", 5);
    index_into("moving-more", "retrieval", "moving-catalog");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(service.get("/readyz").status(), 200);
    let header = path("moving-catalog/catalog.json");
    let text = fs::read_to_string(&header).expect("reads");
    fs::write(&header, text.replace("tiny.retrieval@", "other@")).expect("writes");
    assert!(readyz(&service, 503).contains("was replaced by one of other@"));
}
