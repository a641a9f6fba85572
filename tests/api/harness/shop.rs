//! The small shop that all services serve.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::tensor::Device;
use dataset::MaxErrors;
use service::catalog::{IndexOptions, index};
use service::embed::{PhotoViews, RetrievalModel};
use shared::taxonomy::Category;
use store::Element;
use tests::fixture;

/// Number of products of the small shop.
pub(crate) const PRODUCTS: u32 = 12;

/// Style sheet of the page.
pub(crate) const BUILT: &str = "body { margin: 0; }";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder
        .write_all(content)
        .and_then(|()| encoder.finish())
        .expect("memory takes all bytes")
}

/// Number of samples: the user photos of the first products.
pub(crate) const SAMPLES: u32 = 8;

/// The folders of a service.
pub(crate) struct Shop {
    dir: PathBuf,
}

impl Shop {
    /// Path of one of the folders.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn make() -> Self {
        // Statics are never dropped, so the next run clears this folder.
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("api");
        let _ = fs::remove_dir_all(&dir);
        let shop = Self { dir };
        fixture::write_dataset(&shop.path("shop"), PRODUCTS, 0).expect("the dataset is written");
        let samples: String = (0..SAMPLES)
            .map(|product| format!("user/P{product:04}_2.png\n"))
            .collect();
        fs::write(shop.path("shop/samples.txt"), samples).expect("the file is written");
        fixture::write_retrieval_bundle(&shop.path("retrieval")).expect("the bundle is written");
        fixture::write_style_bundle(&shop.path("tagger")).expect("the bundle is written");
        let space = RetrievalModel::read_manifest(&shop.path("retrieval"))
            .expect("the bundle has a manifest")
            .model_id();
        fixture::write_query_bundle(&shop.path("query"), &space, fixture::DIM).expect("the bundle is written");
        fixture::write_segment_bundle(&shop.path("pieces")).expect("the bundle is written");
        fixture::write_category_bundle(&shop.path("category"), Category::Shoes).expect("the bundle is written");
        fixture::write_category_bundle(&shop.path("category-other"), Category::Other).expect("the bundle is written");
        write_site(&shop.path("site"));
        // Files that must not be served.
        fs::write(shop.path("secret.jpg"), "secret").expect("the file is written");
        fs::write(shop.path("shop/notes.txt"), "secret").expect("the file is written");
        #[cfg(unix)]
        std::os::unix::fs::symlink(shop.path("secret.jpg"), shop.path("shop/link.jpg")).expect("the link is made");
        let options = IndexOptions {
            dataset: shop.path("shop"),
            bundle: shop.path("retrieval"),
            out: shop.path("catalog"),
            storage: Element::F32,
            views: PhotoViews::None,
            batch: 8,
            max_errors: MaxErrors::default(),
        };
        let summary = index(&options, &Device::flex(), |_| ()).expect("the shop is indexed");
        assert_eq!(
            (summary.products, summary.photos),
            (PRODUCTS as usize, 2 * PRODUCTS as usize)
        );
        shop
    }
}

/// Writes a built page.
fn write_site(site: &Path) {
    fs::create_dir_all(site.join("i18n")).expect("the folder is created");
    let page = "<!doctype html><title>Selvedge</title><script type=\"module\">start()</script>";
    fs::write(site.join("index.html"), page).expect("the file is written");
    fs::write(site.join("web-0123456789abcdef_bg.wasm"), [0u8; 4096]).expect("the file is written");
    // A file with the compressed forms of a build (the brotli form is a dummy), and a file with forms of another file.
    for (name, content) in [
        ("built-0123456789abcdef.css", BUILT),
        ("changed-0123456789abcdef.css", "a {}"),
    ] {
        fs::write(site.join(name), BUILT).expect("the file is written");
        fs::write(site.join(format!("{name}.gz")), gzip(content.as_bytes())).expect("the file is written");
        fs::write(site.join(format!("{name}.br")), "brotli").expect("the file is written");
    }
    fs::create_dir_all(site.join("assets/0123456789ab/app")).expect("the folder is created");
    fs::write(site.join("assets/0123456789ab/app/main.js"), "go();").expect("the file is written");
    fs::write(site.join("worker.js"), "go(); ".repeat(100)).expect("the file is written");
    fs::write(site.join("i18n/zh.json"), "{}").expect("the file is written");
}

/// The shop of all tests.
pub(crate) fn shop() -> &'static Shop {
    static SHOP: OnceLock<Shop> = OnceLock::new();
    SHOP.get_or_init(Shop::make)
}
