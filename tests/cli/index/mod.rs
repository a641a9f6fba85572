//! `selvedge index` of a small shop: refusals with their words, limits on failures, and the catalogs that result.

mod limits;
mod refusals;
mod shops;

use super::selvedge;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tests::fixture;

/// Number of products of the small shop, with two shop photos each.
const PRODUCTS: u32 = 10;

/// Contents of all files of a folder, by name.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir)
        .expect("the folder exists")
        .map(|entry| entry.expect("the folder is readable").path());
    let name = |path: &Path| {
        let name = path.file_name().expect("the file has a name");
        name.to_string_lossy().into_owned()
    };
    entries
        .map(|path| (name(&path), fs::read(&path).expect("the file is readable")))
        .collect()
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
    fn assert_accepted(&self, more: &[&str], says: &[&str]) -> Vec<serde_json::Value> {
        let output = self.index("shop", more);
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{says:?}: {messages}");
        for part in says {
            assert!(messages.contains(part), "`{messages}` does not say `{part}`");
        }
        self.lines("products-")
    }

    /// Lines of the catalog's file whose name begins with `stem`.
    fn lines(&self, stem: &str) -> Vec<serde_json::Value> {
        let files = contents(&self.dir.join("catalog"));
        let (_, bytes) = files
            .iter()
            .find(|(name, _)| name.starts_with(stem))
            .expect("the catalog has the file");
        let text = String::from_utf8(bytes.clone()).expect("the file is text");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("every line is JSON"))
            .collect()
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
