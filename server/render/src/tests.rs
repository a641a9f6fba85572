//! Rendered folders, item specifications, and label sets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

use super::random::Dice;
use super::spec::draw_specs;
use super::styles::{StyleTable, id};
use super::{RenderError, RenderOptions, StyleMix, render_dataset};

fn options(out: PathBuf, items: usize) -> RenderOptions {
    RenderOptions {
        items,
        seed: 3,
        size: 48,
        shop_photos: 1,
        user_photos: 1,
        style_mix: StyleMix::Tempered(0.4),
        out,
    }
}

/// SHA-256 of every file in a rendered folder by relative path.
fn digests(root: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for folder in ["", "shop", "user", "mask"] {
        for entry in fs::read_dir(root.join(folder)).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_file() {
                let name = path
                    .strip_prefix(root)
                    .expect("the file is in the folder")
                    .to_string_lossy()
                    .replace('\\', "/");
                let hash = Sha256::digest(fs::read(&path).expect("the images can be read"));
                out.insert(name, hash.iter().map(|b| format!("{b:02x}")).collect());
            }
        }
    }
    out
}

#[test]
fn one_and_four_threads_render_equal_bytes() {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
    let render = |threads: usize| {
        let out = dir.path().join(format!("t{threads}"));
        let done = AtomicUsize::new(0);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("the threads can be started");
        let summary = pool
            .install(|| {
                render_dataset(&options(out.clone(), 14), &|n| {
                    done.fetch_add(n, Ordering::Relaxed);
                })
            })
            .expect("the shop can be rendered");
        assert_eq!((summary.items, summary.images, done.into_inner()), (14, 28, 14));
        digests(&out)
    };
    let (one, four) = (render(1), render(4));
    assert_eq!(one.len(), 14 * 4 + 3);
    assert_eq!(one, four);
}

/// The digest was recorded when the renderer was last changed on purpose.
#[test]
fn rendered_files_are_the_recorded_ones() {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
    let out = dir.path().join("shop");
    let options = RenderOptions {
        items: 120,
        seed: 11,
        size: 48,
        shop_photos: 1,
        user_photos: 1,
        style_mix: StyleMix::Tempered(0.2),
        out: out.clone(),
    };
    render_dataset(&options, &|_| {}).expect("the shop can be rendered");
    let all: String = digests(&out)
        .into_iter()
        .map(|(name, digest)| format!("{name} {digest}\n"))
        .collect();
    let digest: String = Sha256::digest(all).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        digest,
        "ca4d2d234f10498a0f01e54205e59a19d41d0ed80b7080b5788cbb8996e19253"
    );
}

#[test]
fn manifest_lists_all_images_and_masks() {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
    let out = dir.path().join("shop");
    render_dataset(&options(out.clone(), 12), &|_| {}).expect("the shop can be rendered");
    let mut listed = BTreeSet::from(["manifest.csv", "products.jsonl", "samples.txt"].map(str::to_owned));
    let mut rows = csv::Reader::from_path(out.join("manifest.csv")).expect("the manifest can be read");
    let header = rows
        .headers()
        .expect("the manifest has a header")
        .iter()
        .collect::<Vec<_>>()
        .join(",");
    assert_eq!(header, "path,split,labels,item_id,category,domain,mask");
    for row in rows.records() {
        let row = row.expect("the row can be read");
        let photo = image::open(out.join(&row[0])).expect("the photo can be read").to_rgb8();
        let mask = image::open(out.join(&row[6])).expect("the mask can be read").to_luma8();
        assert_eq!(photo.dimensions(), (48, 48));
        assert_eq!(mask.dimensions(), (48, 48));
        assert!(mask.pixels().all(|p| p.0[0] <= 2), "{}", &row[6]);
        let garment = mask.pixels().filter(|p| p.0[0] == 1).count();
        assert!(
            garment > 48 * 48 / 50,
            "{} shows {garment} pixels of its garment",
            &row[0]
        );
        listed.extend([row[0].to_owned(), row[6].to_owned()]);
    }
    let samples = fs::read_to_string(out.join("samples.txt")).expect("samples.txt can be read");
    assert_eq!(samples.lines().count(), 8);
    assert!(
        samples
            .lines()
            .all(|sample| sample.starts_with("user/") && listed.contains(sample)),
        "{samples}"
    );
    assert_eq!(listed, digests(&out).into_keys().collect());
    let again = render_dataset(&options(out.clone(), 12), &|_| {});
    assert!(matches!(again, Err(RenderError::NotEmpty { .. })));
}

#[test]
fn label_sets_have_the_frequencies_of_the_table() {
    let table = StyleTable::new(StyleMix::Real);
    let shares = table.shares();
    assert_eq!(shares.len(), 192);
    let mut dice = Dice::new(1, 2);
    let mut seen: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    for _ in 0..5000 {
        *seen.entry(table.draw(&mut dice).0).or_default() += 1;
    }
    for (set, share) in shares {
        let got = *seen.get(&set.0).unwrap_or(&0) as f64;
        let expected = 5000.0 * share;
        // Five standard deviations of a binomial count, plus 1 for rare sets.
        assert!(
            (got - expected).abs() <= 5.0 * (expected * (1.0 - share)).sqrt() + 1.0,
            "{:?}: {got} of {expected}",
            set.ids()
        );
    }
}

#[test]
fn twins_differ_in_one_attribute_and_share_a_split() {
    let specs = draw_specs(2000, 5, StyleMix::Real);
    let by_id: BTreeMap<_, _> = specs.iter().map(|s| (s.id.clone(), s)).collect();
    let mut grouped = BTreeSet::new();
    for spec in &specs {
        let Some(base) = &spec.twin_of else { continue };
        let base = by_id[base];
        let (mut a, b) = (spec.attributes(), base.attributes());
        a.remove("twin_of");
        let different: Vec<_> = b
            .iter()
            .filter(|&(k, v)| a.get(k) != Some(v))
            .map(|(k, _)| *k)
            .collect();
        assert_eq!(
            (different.len(), a.len()),
            (1, b.len()),
            "{} and {}: {different:?}",
            spec.id,
            base.id
        );
        assert_eq!((spec.split, &spec.styles), (base.split, &base.styles));
        grouped.extend([spec.id.clone(), base.id.clone()]);
    }
    let share = grouped.len() as f64 / specs.len() as f64;
    assert!((0.24..0.36).contains(&share), "{share} of the items have a twin");
}

#[test]
fn styles_change_the_frequencies_of_attributes() {
    // The values must be much more frequent with the label than without.
    let specs = draw_specs(4000, 9, StyleMix::Tempered(0.3));
    let cases: [(usize, &str, &[&str]); 6] = [
        (id::SPORT, "trim", &["side_stripe"]),
        (id::BRITISH, "pattern", &["tartan", "houndstooth"]),
        (id::ETHNIC, "trim", &["embroidered_band", "tassel"]),
        (id::NATURAL, "hardware", &["wood"]),
        (id::KOREAN, "fit", &["oversize"]),
        (id::PUNK, "trim", &["studs"]),
    ];
    for (style, key, values) in cases {
        let rate = |with: bool| {
            let all: Vec<_> = specs
                .iter()
                .filter(|s| s.styles.has(style) == with)
                .map(|s| s.attributes())
                .filter_map(|a| a.get(key).cloned())
                .collect();
            all.iter().filter(|v| values.contains(&v.as_str())).count() as f64 / all.len() as f64
        };
        let (with, without) = (rate(true), rate(false));
        assert!(
            with > 0.3 && with > 2.5 * without,
            "style {style}: {key} {with:.2} with, {without:.2} without"
        );
    }
}

#[test]
fn the_differing_attribute_of_twins_is_visible() {
    let specs = draw_specs(600, 8, StyleMix::Tempered(0.6));
    let by_id: BTreeMap<_, _> = specs.iter().map(|s| (s.id.clone(), s)).collect();
    for spec in &specs {
        let Some(base) = &spec.twin_of else { continue };
        let mut twin = spec.clone();
        twin.photos = by_id[base].photos;
        let (a, b) = (
            super::photo::shop(by_id[base], 0, 160),
            super::photo::shop(&twin, 0, 160),
        );
        let changed = a
            .bytes()
            .iter()
            .zip(b.bytes())
            .filter(|&(x, y)| x.abs_diff(y) > 12)
            .count();
        let (one, two) = (by_id[base].attributes(), spec.attributes());
        let differ: Vec<_> = one
            .iter()
            .filter(|&(k, v)| two.get(k) != Some(v))
            .map(|(k, v)| format!("{k}: {v} or {}", two[k]))
            .collect();
        assert!(
            changed >= 12,
            "{} and {base} ({}) look the same: {differ:?}, {changed}",
            spec.id,
            one["garment"]
        );
    }
}

#[test]
fn further_shop_photos_differ_and_leave_the_first_unchanged() {
    let dir = tempfile::tempdir().expect("a temporary folder can be created");
    let render = |shop_photos: usize| {
        let out = dir.path().join(format!("s{shop_photos}"));
        let options = RenderOptions {
            shop_photos,
            ..options(out.clone(), 6)
        };
        let summary = render_dataset(&options, &|_| {}).expect("the shop can be rendered");
        assert_eq!(summary.images, 6 * (shop_photos + 1));
        digests(&out)
    };
    let (one, three) = (render(1), render(3));
    let photos = |digests: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let is_photo = |name: &str| !["manifest.csv", "products.jsonl", "samples.txt"].contains(&name);
        digests.clone().into_iter().filter(|(name, _)| is_photo(name)).collect()
    };
    let (one, three) = (photos(&one), photos(&three));
    assert_eq!(
        three.len(),
        one.len() + 6 * 2 * 2,
        "two further photos and masks per product"
    );
    assert!(one.iter().all(|(name, digest)| three[name] == *digest));
    let shop: BTreeSet<&String> = three
        .iter()
        .filter(|(name, _)| name.starts_with("shop/"))
        .map(|(_, digest)| digest)
        .collect();
    assert_eq!(shop.len(), 18, "no two shop photos are equal");
}
