//! `selvedge index` of a small shop: refusals with their words, limits on failures, and the catalogs that result.

mod limits;
mod refusals;
mod shops;

use super::selvedge;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use store::{Product, Sample, Store};
use tests::fixture;

/// Number of products of the small shop, with two shop photos each.
const PRODUCTS: u32 = 10;

/// Products, samples and the number of embeddings of a catalog.
#[derive(Debug, PartialEq)]
struct Contents {
    products: Vec<Product>,
    samples: Vec<Sample>,
    embeddings: u64,
}

/// Contents of the catalog in the folder `dir`.
fn contents(dir: &Path) -> Contents {
    let store = Store::open(dir).expect("the folder holds a catalog");
    let products = store.products("", 1000).expect("the catalog is readable");
    Contents {
        products: products.into_iter().map(|stored| stored.product).collect(),
        samples: store.samples().expect("the catalog is readable"),
        embeddings: store.stats().expect("the catalog is readable").embeddings,
    }
}

/// A folder with a retrieval bundle, a shop, and the catalog of another shop.
struct Place {
    _temporary: tempfile::TempDir,
    dir: PathBuf,
}

impl Place {
    fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a temporary folder is created");
        let place = Self {
            dir: temporary.path().to_owned(),
            _temporary: temporary,
        };
        fixture::write_retrieval_bundle(&place.dir.join("bundle")).expect("the bundle is written");
        fixture::write_dataset(&place.dir.join("before"), 3, 500).expect("the dataset is written");
        fixture::write_dataset(&place.dir.join("shop"), PRODUCTS, 0).expect("the dataset is written");
        assert!(place.index("before", &[]).status.success());
        place
    }

    fn args<'a>(dataset: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let args = [
            "--device",
            "cpu",
            "index",
            "--dataset",
            dataset,
            "--bundle",
            "bundle",
            "--out",
            "catalog",
        ];
        [&args[..], more].concat()
    }

    fn index(&self, dataset: &str, more: &[&str]) -> Output {
        selvedge()
            .args(Self::args(dataset, more))
            .current_dir(&self.dir)
            .output()
            .expect("the program starts")
    }

    /// Indexes the shop. The run must be refused with all of `says`, and the old catalog must stay.
    #[track_caller]
    fn assert_refused(&self, more: &[&str], says: &[&str]) {
        let before = contents(&self.dir.join("catalog"));
        let output = self.index("shop", more);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{says:?}: {error}");
        for part in says {
            assert!(error.contains(part), "`{error}` does not say `{part}`");
        }
        assert_eq!(
            contents(&self.dir.join("catalog")),
            before,
            "{says:?}: the old catalog stays"
        );
    }

    /// Indexes the shop. The run must succeed with all of `says`. Returns the products of the catalog.
    #[track_caller]
    fn assert_accepted(&self, more: &[&str], says: &[&str]) -> Vec<Product> {
        let output = self.index("shop", more);
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{says:?}: {messages}");
        for part in says {
            assert!(messages.contains(part), "`{messages}` does not say `{part}`");
        }
        contents(&self.dir.join("catalog")).products
    }

    /// Replaces the text of a file of the shop by `change` of it.
    fn edit(&self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.dir.join("shop").join(file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, change(text)).expect("the file is written");
    }

    /// Replaces `good` by `bad` in a file of the shop, expects a refusal with all of `says`, and restores the file.
    #[track_caller]
    fn assert_fault(&self, file: &str, good: &str, bad: &str, says: &[&str]) {
        let path = self.dir.join("shop").join(file);
        let whole = fs::read_to_string(&path).expect("the file is readable");
        assert!(whole.contains(good), "{good}");
        self.edit(file, |text| text.replacen(good, bad, 1));
        self.assert_refused(&[], says);
        self.edit(file, |_| whole);
    }
}
