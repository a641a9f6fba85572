//! Shops with unusual files, and the catalogs that result.

use super::{Place, contents};
use std::fs;

#[test]
fn without_product_descriptions_items_and_single_photos_are_products() {
    let place = Place::new();
    fs::remove_file(place.dir.join("shop/products.jsonl")).expect("the file is removed");
    place.edit("manifest.csv", |text| {
        let text = text
            .replace(",P0000,tops,shop", ",,tops,shop")
            .replace(",P0001,shoes,", ",,Blouse,");
        text.replace(",P0002,bags,", ",P0002,dress,").trim_end().to_owned()
    });
    let products = place.assert_accepted(
        &[],
        &[
            "line 5 and 1 more: `category`: `Blouse` is taken for `other`",
            "line 8 and 1 more: `category`: `dress` is taken for `tops`",
            "line 31: the file does not end with a line break",
            "indexed 12 products, 20 photos",
        ],
    );
    let product = |id: &str| products.iter().find(|product| product.id == id).expect(id);
    assert!(products.iter().all(|product| !product.id.trim().is_empty()));
    assert_eq!(product("shop/P0000_1.png").images[0].source, "shop/P0000_1.png");
    assert_eq!(product("shop/P0001_0.png").category.as_deref(), Some("other"));
    assert_eq!(product("P0002").category.as_deref(), Some("tops"));
}

#[test]
fn byte_order_marks_blank_lines_and_unknown_keys_are_accepted() {
    let place = Place::new();
    place.edit("products.jsonl", |text| {
        let text = text
            .replace("\n", "\r\n\r\n")
            .replace(r#""attributes""#, r#""brand":"x","attributes""#);
        format!("\u{feff}{text}").replacen(r#"["casual"]"#, r#"["baroque"]"#, 1)
    });
    let products = place.assert_accepted(
        &[],
        &[
            "products.jsonl, line 1 and 9 more: the key `brand` is unknown",
            "line 1: `styles`: `baroque`",
        ],
    );
    assert_eq!(products[0].names["zh"], "商品0");
    place.edit("products.jsonl", |text| text.replacen("9903", "\"9903\"", 1));
    place.assert_refused(&[], &["products.jsonl, line 7", "`price.amount` is \"9903\""]);
}

/// A line of `samples.txt` with a product's user photo.
fn user_photo(number: u32) -> String {
    format!("user/P{number:04}_2.png\n")
}

#[test]
fn only_listed_photos_become_samples() {
    let place = Place::new();
    place.assert_accepted(&[], &[]);
    let samples = || contents(&place.dir.join("catalog")).samples;
    assert!(samples().is_empty(), "without a list there are no samples");
    place.edit("samples.txt", |_| {
        format!("\u{feff}{}\r\n\r\n{}", user_photo(4).trim(), user_photo(1))
    });
    place.assert_accepted(&[], &[]);
    let found = samples();
    let found: Vec<_> = found
        .iter()
        .map(|sample| (sample.source.as_str(), sample.product.as_deref()))
        .collect();
    let expected = [("user/P0004_2.png", Some("P0004")), ("user/P0001_2.png", Some("P0001"))];
    assert_eq!(found, expected);
}

#[test]
fn faults_of_samples_are_refused_by_line() {
    let place = Place::new();
    let users = place.dir.join("shop/user");
    fs::write(users.join("P0003_2.png"), "nothing").expect("the file is written");
    fs::write(users.join("unlisted.png"), "nothing").expect("the file is written");
    for (text, says) in [
        (
            "user/unlisted.png\n".to_owned(),
            "line 1: `user/unlisted.png` is not a path of manifest.csv",
        ),
        (
            format!("{}../outside.png\n", user_photo(0)),
            "line 2: `../outside.png` is not a path inside",
        ),
        ("/etc/hostname\n".to_owned(), "absolute"),
        (user_photo(3), "`user/P0003_2.png` cannot be shown"),
        (
            user_photo(0) + &user_photo(0),
            "line 2: `user/P0000_2.png` is listed twice",
        ),
        (
            (0..10).filter(|number| *number != 3).map(user_photo).collect(),
            "line 9: `user/P0009_2.png` is one too many",
        ),
    ] {
        place.edit("samples.txt", |_| text);
        place.assert_refused(&[], &["samples.txt", says]);
    }
}
