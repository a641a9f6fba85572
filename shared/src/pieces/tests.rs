//! Pieces of drawn class maps.

use super::*;
use crate::input::Fit;

const CLASSES: [OutfitClass; 5] = [
    OutfitClass::Background,
    OutfitClass::Skin,
    OutfitClass::Top,
    OutfitClass::Shoes,
    OutfitClass::Bag,
];

/// Draws a map: `.` background, `s` skin, `t` top, `h` shoes, `b` bag. The class of a cell has the logit 2, all others 0.
fn drawn(rows: &[&str]) -> ClassMap {
    let (height, width) = (rows.len(), rows[0].len());
    let letters: Vec<char> = rows.iter().flat_map(|row| row.chars()).collect();
    let logits: Vec<f32> = ['.', 's', 't', 'h', 'b']
        .iter()
        .flat_map(|class| {
            letters
                .iter()
                .map(move |letter| if letter == class { 2.0 } else { 0.0 })
        })
        .collect();
    ClassMap::new(&logits, &CLASSES, (height, width)).expect("valid")
}

fn boxes(outfit: &Outfit) -> Vec<(OutfitClass, [u32; 4])> {
    let corners = |piece: &Piece| {
        let CropBox { x, y, width, height } = piece.bounds;
        (piece.class, [x, y, width, height])
    };
    outfit.pieces.iter().map(corners).collect()
}

const PERSON: [&str; 10] = [
    "....ss....",
    "....ss....",
    "..tttttt..",
    "..tttttt..",
    "..tttttt.b",
    "....ss...b",
    "....ss....",
    "....ss....",
    "...h..h...",
    "...h..h...",
];

#[test]
fn pieces_have_boxes_in_pixels_of_the_photo_and_pairs_are_one_piece() {
    let spec = InputSpec::new(20, 20, Fit::Stretch);
    let outfit = drawn(&PERSON).outfit(&spec, (100, 200));
    let apart = boxes(&outfit);
    assert_eq!(apart[0], (OutfitClass::Top, [20, 40, 60, 60]));
    assert!(apart.contains(&(OutfitClass::Bag, [90, 80, 10, 40])));
    assert_eq!(
        apart.len(),
        4,
        "shoes that are two cells of ten apart are two pieces: {apart:?}"
    );
    let piece = outfit.pieces[0];
    assert!((piece.share - 0.18).abs() < 1e-6, "18 of 100 cells");
    let certain = 2f32.exp() / (2f32.exp() + 4.0);
    assert!((piece.score - certain).abs() < 1e-6);
    let whole = CropBox {
        x: 20,
        y: 0,
        width: 80,
        height: 200,
    };
    assert_eq!(outfit.person, Some(whole));

    let close = drawn(&["h.h", "h.h", "..."]).outfit(&spec, (30, 30));
    assert_eq!(boxes(&close).len(), 2);
    let fine: Vec<String> = (0..20).map(|_| "....h.h.............".to_owned()).collect();
    let fine: Vec<&str> = fine.iter().map(String::as_str).collect();
    assert_eq!(
        boxes(&drawn(&fine).outfit(&spec, (20, 20))),
        [(OutfitClass::Shoes, [4, 0, 3, 20])]
    );
}

#[test]
fn padding_is_not_part_of_the_photo() {
    let spec = InputSpec::new(10, 10, Fit::Pad);
    // A photo of half the width lies in the columns 2 to 6. The classes beside it mean nothing.
    let map = drawn(&["tt..tt..tt"; 10]);
    let outfit = map.outfit(&spec, (50, 100));
    let [(class, [x, y, width, height])] = boxes(&outfit)[..] else {
        panic!("{outfit:?}")
    };
    assert_eq!((class, y, height), (OutfitClass::Top, 0, 100));
    assert!(x >= 15 && x + width <= 45, "{x} {width}");
    assert!(
        outfit.pieces[0].share > 0.3 && outfit.pieces[0].share < 0.5,
        "a share of the photo"
    );
}

#[test]
fn specks_and_photos_without_a_person_give_nothing() {
    let spec = InputSpec::new(20, 20, Fit::Stretch);
    let mut rows = vec![".".repeat(20); 20];
    rows[3].replace_range(4..5, "b");
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(
        drawn(&rows).outfit(&spec, (200, 200)),
        Outfit::default(),
        "one cell of 400"
    );
    let flat = drawn(&["....", ".tt.", ".tt.", "...."]).outfit(&spec, (200, 200));
    assert_eq!(
        (flat.pieces.len(), flat.person),
        (1, None),
        "a garment without a person"
    );
}

#[test]
fn logits_of_another_size_and_labels_of_other_networks_are_refused() {
    let error = ClassMap::new(&[0.0; 9], &CLASSES, (2, 1)).expect_err("too few");
    assert_eq!(error, PiecesError::Logits { expected: 10 });
    assert!(ClassMap::new(&[f32::NAN; 10], &CLASSES, (2, 1)).is_err());
    assert_eq!(
        classes(&["background", "top"]),
        Ok(vec![OutfitClass::Background, OutfitClass::Top])
    );
    assert_eq!(classes(&["person"]), Err(PiecesError::Class("person".to_owned())));
}
