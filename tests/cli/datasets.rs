//! Datasets with unusual files: wrong extensions, EXIF rotations, damaged images, and contradictory lists.

use super::{run_line, run_with_messages};
use dataset::Dataset;
use image::codecs::jpeg::JpegEncoder;
use image::{ImageEncoder, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use std::fs;
use std::path::Path;

/// A JPEG of 40 × 20 pixels, with a red left half and a blue right half, and an EXIF rotation of 90° clockwise. Upright it
/// has 20 × 40 pixels, red above blue.
fn rotated_jpeg() -> Vec<u8> {
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let image = RgbImage::from_fn(40, 20, |x, _| if x < 20 { Rgb([250, 0, 0]) } else { Rgb([0, 0, 250]) });
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.set_exif_metadata(exif).expect("JPEG has EXIF metadata");
    encoder
        .write_image(&image, 40, 20, image::ExtendedColorType::Rgb8)
        .expect("the image is encoded");
    bytes
}

/// Writes unusual files into `dir`. `turned.png` is the rotated JPEG, `clear.jpg` a transparent PNG, and `plain` a PNG
/// without an extension. `bad.jpg` is a web page and `cut.jpg` the first part of a JPEG.
fn write_unusual(dir: &Path) {
    fs::create_dir_all(dir).expect("the folder is created");
    fs::write(dir.join("turned.png"), rotated_jpeg()).expect("the file is written");
    let clear = RgbaImage::from_pixel(20, 20, Rgba([0, 0, 0, 0]));
    clear
        .save_with_format(dir.join("clear.jpg"), ImageFormat::Png)
        .expect("the file is written");
    RgbImage::from_pixel(20, 20, Rgb([0, 200, 0]))
        .save_with_format(dir.join("plain"), ImageFormat::Png)
        .expect("the file is written");
    fs::write(dir.join("bad.jpg"), "<html>not found</html>").expect("the file is written");
    fs::write(dir.join("cut.jpg"), &rotated_jpeg()[..200]).expect("the file is written");
}

#[test]
fn a_sheet_has_upright_cropped_photos_and_leaves_out_unreadable_ones() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_unusual(&dir.join("set"));
    let manifest = "path,split,box\nbad.jpg,train,\nturned.png,train,\ncut.jpg,train,\nclear.jpg,train,\nplain,train,\n\
                    turned.png,train,0 0 20 20\ngone.jpg,train,\n";
    fs::write(dir.join("set/manifest.csv"), manifest).expect("the file is written");
    let sheet = "dataset sheet set --cell 40 --columns 5 --limit 4 --out sheet.png";
    let args: Vec<&str> = sheet.split(' ').collect();
    let (printed, messages) = run_with_messages(dir, &args).expect("the sheet is written");
    assert_eq!(printed, "sheet.png\n");
    assert!(
        messages.contains("left out bad.jpg (line 2)") && messages.contains("left out cut.jpg (line 4)"),
        "{messages}"
    );
    assert!(!messages.contains("gone.jpg"), "the sheet is full before: {messages}");
    let sheet_image = image::open(dir.join("sheet.png"))
        .expect("the sheet is readable")
        .to_rgb8();
    // Cells have 40 pixels and gaps 4; the rotated photo is 20 pixels wide.
    let assert_near = |x: u32, y: u32, expected: [u8; 3]| {
        let found = sheet_image.get_pixel(x, y).0;
        let close = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) < 40);
        assert!(close, "{found:?} at {x}, {y} instead of {expected:?}");
    };
    assert_near(24, 10, [250, 0, 0]);
    assert_near(24, 38, [0, 0, 250]);
    assert_near(8, 24, [255; 3]);
    assert_near(68, 24, [255; 3]);
    assert_near(112, 24, [0, 200, 0]);
    assert_near(156, 30, [250, 0, 0]);

    fs::write(dir.join("set/manifest.csv"), "path,split\nbad.jpg,train\n").expect("the file is written");
    let error = run_line(dir, sheet).expect_err("no photo is readable");
    assert!(error.contains("none of 1 photos of set can be read"), "{error}");
}

#[test]
fn a_style_import_leaves_out_unreadable_images_within_the_limit() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_unusual(&dir.join("images"));
    fs::write(dir.join("images/clear.txt"), "a note").expect("the file is written");
    let cells = ",0".repeat(12) + ",1";
    let ids = ["turned", "clear", "plain", "bad", "cut"];
    let labels: String = ids.iter().map(|id| format!("{id},u{cells}\n")).collect();
    fs::write(dir.join("labels.csv"), labels).expect("the file is written");
    let import = "dataset import-style labels.csv --images images --out style";
    let error = run_line(dir, import).expect_err("two of five images are unreadable");
    for part in [
        "2 of 5 images cannot be used",
        "bad.jpg",
        "cut.jpg",
        "at most 1% of them",
        "--max-errors",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!dir.join("style").exists(), "nothing is written");
    let error = run_line(dir, &format!("{import} --max-errors two")).expect_err("the limit is neither count nor share");
    assert!(error.contains("such as 1%"), "{error}");
    let line = format!("{import} --max-errors 40%");
    let args: Vec<&str> = line.split(' ').collect();
    let (_, messages) = run_with_messages(dir, &args).expect("three images are imported");
    assert!(
        messages.contains("left out 2 images") && messages.contains("train: 3 images"),
        "{messages}"
    );
    let style = Dataset::open(&dir.join("style")).expect("the dataset is valid");
    let names: Vec<&str> = style
        .rows
        .iter()
        .filter_map(|row| row.path.rsplit('/').next())
        .collect();
    assert_eq!(names, ["turned.png", "clear.jpg", "plain"]);
}

#[test]
fn a_retrieval_import_checks_boxes_in_upright_photos() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_unusual(&dir.join("images"));
    // The first box begins below the stored photo but inside the upright one. The second one lies outside.
    let pairs = "http://a/turned.png 0 15 20 60 http://a/plain 0 0 20 20 0\n\
                 http://a/turned.png 25 0 39 19 http://a/plain 0 0 20 20 0\n\
                 http://a/cut.jpg 0 0 9 9 http://a/plain 0 0 20 20 0\n";
    fs::write(dir.join("pairs.txt"), pairs).expect("the file is written");
    let import = "dataset import-retrieval pairs.txt --format challenge --images images --out pairs";
    let error = run_line(dir, import).expect_err("two of four images cannot be used");
    for part in [
        "2 of 4 images cannot be used",
        "[25, 0, 39, 19] lies outside",
        "cut.jpg",
    ] {
        assert!(error.contains(part), "{error}");
    }
    run_line(dir, &format!("{import} --max-errors 50%")).expect("the other images are imported");
    let pairs = Dataset::open(&dir.join("pairs")).expect("the dataset is valid");
    let corners = pairs.rows[0].bounds.map(|b| [b.x, b.y, b.width, b.height]);
    assert_eq!((pairs.rows.len(), corners), (2, Some([0, 15, 20, 25])));
}

#[test]
fn shop_photos_that_are_paired_with_one_box_of_a_user_have_one_item() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    for name in ["u", "v", "a", "b", "c"] {
        RgbImage::from_pixel(20, 20, Rgb([90; 3]))
            .save(dir.join(format!("{name}.png")))
            .expect("the file is written");
    }
    let line =
        |user: &str, x: u32, shop: &str| format!("http://x/{user}.png {x} 0 20 20 http://x/{shop}.png 0 0 20 20 0\n");
    let pairs = [
        line("u", 0, "a"),
        line("v", 0, "b"),
        line("u", 0, "b"),
        line("u", 5, "c"),
    ]
    .concat();
    fs::write(dir.join("pairs.txt"), pairs).expect("the file is written");
    run_line(dir, "dataset import-retrieval pairs.txt --format challenge --out out").expect("the pairs are imported");
    let dataset = Dataset::open(&dir.join("out")).expect("the dataset is valid");
    let items: Vec<(&str, &str)> = dataset
        .rows
        .iter()
        .map(|row| {
            (
                row.path.rsplit('/').next().expect("a path has a name"),
                row.item_id.as_str(),
            )
        })
        .collect();
    let expected = [
        ("u.png", "pair1"),
        ("a.png", "pair1"),
        ("v.png", "pair1"),
        ("b.png", "pair1"),
        ("u.png", "pair4"),
        ("c.png", "pair4"),
    ];
    assert_eq!(items, expected);
}

/// Writes the images 0 to 3 and a copy of the first one.
fn write_images(dir: &Path) {
    fs::create_dir(dir.join("images")).expect("the folder is created");
    for n in 0..4u8 {
        let image = RgbImage::from_pixel(20, 20, Rgb([n * 60; 3]));
        image
            .save(dir.join(format!("images/{n}.png")))
            .expect("the image is written");
    }
    fs::copy(dir.join("images/0.png"), dir.join("images/copy.png")).expect("the file is copied");
}

#[test]
fn describe_counts_images_and_lists_faulty_files() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_images(dir);
    let manifest = "path,split,labels,item_id\nimages/0.png,train,a,p\nimages/1.png,train,b,\nImages/2.PNG,train,b,\n\
                    images/3.png,val,c,\nimages/copy.png,test,a,\n";
    fs::write(dir.join("manifest.csv"), manifest).expect("the file is written");
    let (printed, messages) = run_with_messages(dir, &["dataset", "describe", "."]).expect("the dataset is valid");
    assert!(
        printed.starts_with(
            "test: 1 images of 0 items, 1 without item_id\ntrain: 3 images of 1 items, 2 without item_id\n"
        ),
        "{printed}"
    );
    for part in [
        "1 labels have no photo in 'train', so no network can learn them; add photos, or remove the labels\n  c\n",
        "1 files are missing",
        "Images/2.PNG (line 4, train): there is images/2.png",
        "1 files are also in another split",
        "images/copy.png (line 6, test) is images/0.png (line 2, train)",
    ] {
        assert!(messages.contains(part), "{part}: {messages}");
    }
}

#[test]
fn a_dry_run_refuses_unreadable_images_and_leaks() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_images(dir);
    fs::write(
        dir.join("recipe.toml"),
        "name = 'tiny'\nseed = 1\nepochs = 1\n[data]\ndir = '.'\nlabels = 'dataset'\n[input]\nwidth = 24\nheight = 24\n\
         [optimiser]\nbatch = 2\nrate = 0.01\n[task]\nkind = 'style'\nbackbone = 'resnet10_w16'\nhidden = 8\n",
    )
    .expect("the file is written");
    let plan = |manifest: &str| {
        fs::write(dir.join("manifest.csv"), manifest).expect("the file is written");
        run_line(dir, "train recipe.toml --dry-run")
    };
    let error = plan("path,split,labels\nimages/8.png,train,a\nImages/2.PNG,train,b\nimages/3.png,val,a\n")
        .expect_err("no training image is readable");
    for part in [
        "images/8.png (line 2): cannot read",
        "Images/2.PNG (line 3): no such image: there is images/2.png",
        "no readable image in split 'train'",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = plan("path,split,labels,item_id\nimages/0.png,train,a,p\nimages/1.png,val,a,p\n")
        .expect_err("an item is in two splits");
    assert!(
        error.contains("line 3: the item 'p' is in 'val' and, on line 2, in 'train'"),
        "{error}"
    );
}

#[test]
fn real_datasets_are_described_without_messages() {
    for set in ["ccp", "viton", "clothing-small", "clothing"] {
        let Some(folder) = tests::real_data(set) else { continue };
        let described = run_with_messages(&folder, &["dataset", "describe", "."]);
        let (printed, messages) = described.unwrap_or_else(|error| panic!("{set}: {error}"));
        assert!(
            printed.contains("train: ") && messages.is_empty(),
            "{set}: {printed}{messages}"
        );
    }
}
