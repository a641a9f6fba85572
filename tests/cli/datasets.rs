//! Datasets with files as they come: endings that say something else, pictures to be turned, damaged ones, lists that
//! contradict themselves.

use super::selvedge;
use dataset::Dataset;
use image::codecs::jpeg::JpegEncoder;
use image::{ImageEncoder, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use std::fs;
use std::path::Path;

/// What the program printed, and what it said; `Err` with what it said where it failed.
fn run(dir: &Path, args: &[&str]) -> Result<(String, String), String> {
    let output = selvedge()
        .args(args)
        .current_dir(dir)
        .output()
        .expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    if output.status.success() {
        Ok((text(output.stdout), text(output.stderr)))
    } else {
        Err(text(output.stderr))
    }
}

/// A JPEG, stored 40 × 20 with its left half red and its right half blue, that asks to be turned clockwise by a quarter:
/// upright it is 20 × 40, red above blue.
fn lying() -> Vec<u8> {
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let picture = RgbImage::from_fn(40, 20, |x, _| if x < 20 { Rgb([250, 0, 0]) } else { Rgb([0, 0, 250]) });
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.set_exif_metadata(exif).expect("supported");
    encoder
        .write_image(&picture, 40, 20, image::ExtendedColorType::Rgb8)
        .expect("encodes");
    bytes
}

/// Writes pictures of each kind into `dir`: `turned.png` is the lying JPEG, `clear.jpg` a transparent PNG, `plain` a PNG
/// without an ending, `bad.jpg` a web page and `cut.jpg` half of a JPEG.
fn write_odd(dir: &Path) {
    fs::create_dir_all(dir).expect("creates");
    fs::write(dir.join("turned.png"), lying()).expect("writes");
    let clear = RgbaImage::from_pixel(20, 20, Rgba([0, 0, 0, 0]));
    clear
        .save_with_format(dir.join("clear.jpg"), ImageFormat::Png)
        .expect("writes");
    RgbImage::from_pixel(20, 20, Rgb([0, 200, 0]))
        .save_with_format(dir.join("plain"), ImageFormat::Png)
        .expect("writes");
    fs::write(dir.join("bad.jpg"), "<html>not found</html>").expect("writes");
    fs::write(dir.join("cut.jpg"), &lying()[..200]).expect("writes");
}

#[test]
fn a_sheet_shows_what_the_models_see_and_passes_over_the_rest() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    write_odd(&dir.join("set"));
    let manifest = "path,split,box\nbad.jpg,train,\nturned.png,train,\ncut.jpg,train,\nclear.jpg,train,\nplain,train,\n\
                    turned.png,train,0 0 20 20\ngone.jpg,train,\n";
    fs::write(dir.join("set/manifest.csv"), manifest).expect("writes");
    let sheet = [
        "dataset",
        "sheet",
        "set",
        "--cell",
        "40",
        "--columns",
        "5",
        "--limit",
        "4",
        "--out",
        "sheet.png",
    ];
    let (printed, said) = run(dir, &sheet).expect("lays out");
    assert_eq!(printed, "sheet.png\n");
    assert!(
        said.contains("left out bad.jpg (line 2)") && said.contains("left out cut.jpg (line 4)"),
        "{said}"
    );
    assert!(!said.contains("gone.jpg"), "the page was full before: {said}");
    let page = image::open(dir.join("sheet.png")).expect("a page").to_rgb8();
    // Places of 40 pixels with gaps of 4; the upright one is 20 wide.
    let near = |x: u32, y: u32, expected: [u8; 3]| {
        let found = page.get_pixel(x, y).0;
        let close = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) < 40);
        assert!(close, "{found:?} at {x}, {y} instead of {expected:?}");
    };
    near(24, 10, [250, 0, 0]);
    near(24, 38, [0, 0, 250]);
    near(8, 24, [255; 3]);
    near(68, 24, [255; 3]);
    near(112, 24, [0, 200, 0]);
    near(156, 30, [250, 0, 0]);

    fs::write(dir.join("set/manifest.csv"), "path,split\nbad.jpg,train\n").expect("writes");
    let none = run(dir, &sheet).expect_err("nothing to show");
    assert!(none.contains("none of 1 photos of set can be read"), "{none}");
}

#[test]
fn importers_go_past_bad_files_and_tell_pictures_by_their_bytes() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    write_odd(&dir.join("images"));
    fs::write(dir.join("images/clear.txt"), "a note beside the picture").expect("writes");
    let cells = ",0".repeat(12) + ",1";
    let ids = ["turned", "clear", "plain", "bad", "cut"];
    let labels: String = ids.iter().map(|id| format!("{id},u{cells}\n")).collect();
    fs::write(dir.join("labels.csv"), labels).expect("writes");
    let style = |more: &[&str]| {
        run(
            dir,
            &[
                &[
                    "dataset",
                    "import-style",
                    "labels.csv",
                    "--images",
                    "images",
                    "--out",
                    "style",
                ],
                more,
            ]
            .concat(),
        )
    };
    let many = style(&[]).expect_err("two of five");
    for part in [
        "2 of 5 images cannot be used",
        "bad.jpg",
        "cut.jpg",
        "at most 1% of them",
        "--max-errors",
    ] {
        assert!(many.contains(part), "{many}");
    }
    assert!(!dir.join("style").exists(), "something was written");
    let (_, said) = style(&["--max-errors", "40%"]).expect("imports the others");
    assert!(
        said.contains("left out 2 images") && said.contains("train: 3 images"),
        "{said}"
    );
    assert!(
        style(&["--max-errors", "two"])
            .expect_err("neither a count nor a share")
            .contains("such as 1%")
    );
    let style = Dataset::open(&dir.join("style")).expect("a dataset");
    let names: Vec<&str> = style
        .rows
        .iter()
        .filter_map(|row| row.path.rsplit('/').next())
        .collect();
    assert_eq!(names, ["turned.png", "clear.jpg", "plain"]);

    // Boxes are of the upright picture: this one begins below what the stored one would have, and one lies outside.
    let pairs = "http://a/turned.png 0 15 20 60 http://a/plain 0 0 20 20 0\n\
                 http://a/turned.png 25 0 39 19 http://a/plain 0 0 20 20 0\n\
                 http://a/cut.jpg 0 0 9 9 http://a/plain 0 0 20 20 0\n";
    fs::write(dir.join("pairs.txt"), pairs).expect("writes");
    let retrieval = [
        "dataset",
        "import-retrieval",
        "pairs.txt",
        "--format",
        "challenge",
        "--images",
        "images",
        "--out",
        "pairs",
    ];
    let many = run(dir, &retrieval).expect_err("two of four");
    for part in [
        "2 of 4 images cannot be used",
        "[25, 0, 39, 19] lies outside its 20 × 40 pixels",
        "cut.jpg",
    ] {
        assert!(many.contains(part), "{many}");
    }
    run(dir, &[&retrieval[..], &["--max-errors", "50%"]].concat()).expect("imports the others");
    let pairs = Dataset::open(&dir.join("pairs")).expect("a dataset");
    let corners = pairs.rows[0].bounds.map(|b| [b.x, b.y, b.width, b.height]);
    assert_eq!((pairs.rows.len(), corners), (2, Some([0, 15, 20, 25])));
}

#[test]
fn one_box_of_a_user_joins_the_shop_photos_that_it_is_paired_with() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    for name in ["u", "v", "a", "b", "c"] {
        RgbImage::from_pixel(20, 20, Rgb([90; 3]))
            .save(dir.join(format!("{name}.png")))
            .expect("writes");
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
    fs::write(dir.join("pairs.txt"), pairs).expect("writes");
    run(
        dir,
        &[
            "dataset",
            "import-retrieval",
            "pairs.txt",
            "--format",
            "challenge",
            "--out",
            "out",
        ],
    )
    .expect("imports");
    let dataset = Dataset::open(&dir.join("out")).expect("a dataset");
    let items: Vec<(&str, &str)> = dataset
        .rows
        .iter()
        .map(|row| (row.path.rsplit('/').next().expect("a name"), row.item_id.as_str()))
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

#[test]
fn describe_and_a_dry_run_name_what_is_wrong_with_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    fs::create_dir(dir.join("images")).expect("creates");
    for n in 0..4u8 {
        let picture = RgbImage::from_pixel(20, 20, Rgb([n * 60; 3]));
        picture.save(dir.join(format!("images/{n}.png"))).expect("writes");
    }
    fs::copy(dir.join("images/0.png"), dir.join("images/copy.png")).expect("copies");
    fs::write(
        dir.join("manifest.csv"),
        "path,split,labels,item_id\nimages/0.png,train,a,p\nimages/1.png,train,b,\nImages/2.PNG,train,b,\n\
         images/3.png,val,c,\nimages/copy.png,test,a,\n",
    )
    .expect("writes");
    let (printed, said) = run(dir, &["dataset", "describe", "."]).expect("describes");
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
        assert!(said.contains(part), "{part}: {said}");
    }

    fs::write(
        dir.join("recipe.toml"),
        "name = 'tiny'\nseed = 1\nepochs = 1\n[data]\ndir = '.'\nlabels = 'dataset'\n[input]\nwidth = 24\nheight = 24\n\
         [optimiser]\nbatch = 2\nrate = 0.01\n[task]\nkind = 'style'\nbackbone = 'resnet10_w16'\nhidden = 8\n",
    )
    .expect("writes");
    let plan = |manifest: &str| {
        fs::write(dir.join("manifest.csv"), manifest).expect("writes");
        run(dir, &["train", "recipe.toml", "--dry-run"])
    };
    let bad = plan("path,split,labels\nimages/8.png,train,a\nImages/2.PNG,train,b\nimages/3.png,val,a\n")
        .expect_err("none left");
    for part in [
        "images/8.png (line 2): cannot read",
        "Images/2.PNG (line 3): no such photo: there is images/2.png",
        "no readable image in split 'train'",
        "the pictures of 2 rows there cannot be read",
    ] {
        assert!(bad.contains(part), "{part}: {bad}");
    }
    let leak = plan("path,split,labels,item_id\nimages/0.png,train,a,p\nimages/1.png,val,a,p\n").expect_err("a leak");
    assert!(
        leak.contains("line 3: the item 'p' is in 'val' and, on line 2, in 'train'"),
        "{leak}"
    );
}

/// Real datasets open without a word.
#[test]
fn real_datasets_are_described_without_complaint() {
    for set in ["ccp", "viton", "clothing-small", "clothing"] {
        let Some(folder) = tests::real_data(set) else { continue };
        let (printed, said) =
            run(&folder, &["dataset", "describe", "."]).unwrap_or_else(|error| panic!("{set}: {error}"));
        assert!(printed.contains("train: ") && said.is_empty(), "{set}: {printed}{said}");
    }
}
