//! Pairs for retrieval, made from photos without pairs.

use super::run_line;
use dataset::{Dataset, Photo, Row};
use image::{GrayImage, Luma, Rgb, RgbImage};
use std::fs;
use std::path::Path;

const RED: Rgb<u8> = Rgb([220, 20, 20]);
const GREEN: Rgb<u8> = Rgb([20, 160, 20]);

/// A photo of 100 × 100 pixels with a red shirt of 30 × 20 pixels at (40, 50) before a green wall, and its mask. The mask also
/// has a belt that is too small for a pair.
fn write_photo(dir: &Path) {
    fs::create_dir_all(dir).expect("the folder is created");
    let is_shirt = |x: u32, y: u32| (40..70).contains(&x) && (50..70).contains(&y);
    RgbImage::from_fn(100, 100, |x, y| if is_shirt(x, y) { RED } else { GREEN })
        .save(dir.join("a.png"))
        .expect("the photo is written");
    GrayImage::from_fn(100, 100, |x, y| match (is_shirt(x, y), y) {
        (true, _) => Luma([7]),
        (false, 71) => Luma([9]),
        _ => Luma([0]),
    })
    .save(dir.join("a-mask.png"))
    .expect("the mask is written");
    fs::write(dir.join("label_list.csv"), "id,name\n0,null\n7,shirt\n9,belt\n").expect("the list is written");
    fs::write(dir.join("manifest.csv"), "path,split,mask\na.png,train,a-mask.png\n").expect("the manifest is written");
}

#[test]
fn pieces_and_photos_become_pairs_of_a_shop_image_and_a_user_image() {
    let dir = tempfile::tempdir().expect("a temporary folder is created");
    let dir = dir.path();
    write_photo(&dir.join("street"));
    run_line(dir, "dataset render --items 3 --seed 3 --size 64 --out shop").expect("the shop is drawn");
    let made = run_line(
        dir,
        "dataset pairs --cutouts street --instances street --with shop --out pairs",
    );
    made.expect("the pairs are made");

    let pairs = Dataset::open(&dir.join("pairs")).expect("the new dataset is valid");
    let corners = |row: &Row| row.bounds.map(|b| [b.x, b.y, b.x + b.width, b.y + b.height]);
    let [cutout, street, salient, whole] = &pairs.rows[..4] else {
        panic!("two pairs come first")
    };
    assert!(cutout.is_same_item(street) && salient.is_same_item(whole) && !cutout.is_same_item(whole));
    assert_eq!(
        [cutout, street, salient, whole].map(Row::is_shop),
        [true, false, true, false]
    );
    assert_eq!(cutout.category, "tops");
    assert_eq!(
        corners(street),
        Some([29, 39, 81, 81]),
        "the user image shows the surroundings of the shirt"
    );
    assert_eq!(corners(whole), None);
    let photo = Photo::read(&dir.join("pairs").join(&cutout.path))
        .expect("the cut-out is readable")
        .to_rgb();
    assert_eq!(
        photo.dimensions(),
        (34, 24),
        "a margin of two pixels surrounds the shirt"
    );
    let near = |x, y, colour: [u8; 3]| {
        photo
            .get_pixel(x, y)
            .0
            .iter()
            .zip(colour)
            .all(|(a, b)| a.abs_diff(b) < 40)
    };
    assert!(near(17, 12, RED.0) && near(0, 0, [255; 3]), "the shirt is on white");
    assert_eq!(
        pairs.rows.len(),
        4 + 3 * 3,
        "the drawn shop has three photos per product"
    );
    assert!(pairs.rows.iter().all(|row| row.labels.is_empty()));

    for (args, expected) in [
        ("dataset pairs --out other", "name at least one dataset"),
        ("dataset pairs --cutouts street --out pairs", "exists already"),
        ("dataset pairs --cutouts shop --out other", "label_list.csv"),
    ] {
        let error = run_line(dir, args).expect_err(args);
        assert!(error.contains(expected), "{args}: {error}");
    }
}
