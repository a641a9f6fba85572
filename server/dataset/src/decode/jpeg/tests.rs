//! Decoding of hand-made files with four flat quarters, in every supported coding.

mod encoder;

use crate::decode::{Photo, PhotoError};
use encoder::{Parts, Scans, jpeg, segment};

/// Colours of the four quarters in RGB.
const COLOURS: [[u8; 3]; 4] = [[200, 40, 60], [30, 160, 70], [40, 60, 190], [210, 200, 180]];

/// Converts RGB to YCbCr by JFIF.
fn ycbcr([r, g, b]: [u8; 3]) -> [u8; 4] {
    let [r, g, b] = [r, g, b].map(f64::from);
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    [y, 128.0 + (b - y) * 0.564_334, 128.0 + (r - y) * 0.713_267, 0.0].map(|value| value.round() as u8)
}

#[track_caller]
fn assert_colours(name: &str, file: &[u8], size: (usize, usize), expected: [[u8; 3]; 4]) {
    let photo = Photo::decode(file)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .to_rgb();
    assert_eq!(photo.dimensions(), (size.0 as u32, size.1 as u32), "{name}");
    for (quarter, colour) in expected.iter().enumerate() {
        let at = |side: usize, second: bool| (side * if second { 7 } else { 1 } / 8) as u32;
        let found = photo.get_pixel(at(size.0, quarter % 2 == 1), at(size.1, quarter > 1)).0;
        let near = found.iter().zip(colour).all(|(a, b)| a.abs_diff(*b) <= 4);
        assert!(near, "{name}: {found:?} is not {colour:?}");
    }
}

#[test]
fn every_sampling_is_decoded_correctly_or_refused_by_name() {
    let quarters = COLOURS.map(ycbcr);
    let all = [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (1, 4), (3, 1), (1, 3), (4, 2)];
    let (mut read, mut refused) = (0, 0);
    for luma in all {
        for cb in all {
            for cr in [(1, 1), cb] {
                for scans in [Scans::Together, Scans::Apart, Scans::Progressive] {
                    let parts = [luma, cb, cr].map(|(h, v)| (h, v));
                    let parts = [
                        (1, parts[0].0, parts[0].1),
                        (2, parts[1].0, parts[1].1),
                        (3, parts[2].0, parts[2].1),
                    ];
                    // An interleaved scan holds at most ten blocks per unit.
                    let blocks: usize = parts.iter().map(|(_, h, v)| h * v).sum();
                    if scans != Scans::Apart && blocks > 10 {
                        continue;
                    }
                    for size in [(192, 192), (168, 200)] {
                        let name = format!("{luma:?} {cb:?} {cr:?} {scans:?} {size:?}");
                        let file = jpeg(size, &parts, &quarters, scans, &[]);
                        match Photo::decode(&file) {
                            Err(PhotoError::Unsupported { what, .. }) => {
                                assert!(what.contains("sampling"), "{name}: {what}");
                                refused += 1;
                            }
                            _ => {
                                assert_colours(&name, &file, size, COLOURS);
                                read += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(read > 2 * refused && refused > 0, "{read} were read, {refused} refused");
}

#[test]
fn the_colour_model_is_that_of_libjpeg() {
    let adobe = |transform: u8| segment(0xEE, &[b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat());
    let jfif = segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    let plain = |ids: [u8; 3]| ids.map(|id| (id, 1, 1));
    let (stored_rgb, stored_ycc) = (COLOURS.map(|[r, g, b]| [r, g, b, 0]), COLOURS.map(ycbcr));
    let cases: Vec<(&str, Vec<u8>, [u8; 3], bool)> = vec![
        ("no marker", vec![], [1, 2, 3], false),
        ("no marker, ids R G B", vec![], *b"RGB", true),
        ("JFIF, ids R G B", jfif.clone(), *b"RGB", false),
        ("JFIF and Adobe 0", [jfif.clone(), adobe(0)].concat(), [1, 2, 3], false),
        (
            "Adobe 0 and JFIF, ids R G B",
            [adobe(0), jfif.clone()].concat(),
            *b"RGB",
            false,
        ),
        ("Adobe 0", adobe(0), [1, 2, 3], true),
        ("Adobe 0, ids R G B", adobe(0), *b"RGB", true),
        ("Adobe 1", adobe(1), [1, 2, 3], false),
        ("Adobe 1, ids R G B", adobe(1), *b"RGB", false),
        ("Adobe 2 of three components", adobe(2), [1, 2, 3], false),
        ("Adobe 9", adobe(9), [1, 2, 3], false),
        ("other ids", vec![], [0, 1, 2], false),
    ];
    for (name, extra, ids, rgb) in cases {
        for scans in [Scans::Together, Scans::Apart, Scans::Progressive] {
            let quarters = if rgb { &stored_rgb } else { &stored_ycc };
            let file = jpeg((64, 64), &plain(ids), quarters, scans, &extra);
            assert_colours(&format!("{name} {scans:?}"), &file, (64, 64), COLOURS);
        }
    }
    // CMYK files store reflected light, so 255 means no ink.
    let inks = COLOURS.map(|[r, g, b]| [r, g, b, 255]);
    let ycck = COLOURS.map(|[r, g, b]| {
        let [y, cb, cr, _] = ycbcr([255 - r, 255 - g, 255 - b]);
        [y, cb, cr, 255]
    });
    let four: &Parts = &[(1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 1, 1)];
    let finer: &Parts = &[(1, 2, 2), (2, 1, 1), (3, 1, 1), (4, 2, 2)];
    for (name, extra, quarters) in [
        ("CMYK", vec![], &inks),
        ("CMYK, Adobe 0", adobe(0), &inks),
        ("CMYK, JFIF and Adobe 0", [jfif, adobe(0)].concat(), &inks),
        ("YCCK, Adobe 2", adobe(2), &ycck),
    ] {
        for parts in [four, finer] {
            let file = jpeg((64, 64), parts, quarters, Scans::Together, &extra);
            assert_colours(&format!("{name} {parts:?}"), &file, (64, 64), COLOURS);
        }
    }
    let grey = [30, 90, 150, 220].map(|value| [value, 0, 0, 0]);
    for factors in [(1, 1), (2, 2), (3, 1)] {
        let file = jpeg(
            (64, 64),
            &[(1, factors.0, factors.1)],
            &grey,
            Scans::Together,
            &adobe(0),
        );
        assert_colours(
            &format!("grey {factors:?}"),
            &file,
            (64, 64),
            grey.map(|[value, ..]| [value; 3]),
        );
    }
}

#[test]
fn unsupported_codings_are_refused_by_name() {
    let whole = jpeg(
        (32, 32),
        &[(1, 1, 1), (2, 1, 1), (3, 1, 1)],
        &COLOURS.map(ycbcr),
        Scans::Together,
        &[],
    );
    let frame = whole
        .windows(2)
        .position(|two| two == [0xFF, 0xC0])
        .expect("there is a frame header");
    let with = |at: usize, byte: u8| {
        let mut file = whole.clone();
        file[frame + at] = byte;
        file
    };
    let mut two = jpeg(
        (32, 32),
        &[(1, 1, 1), (2, 1, 1)],
        &COLOURS.map(ycbcr),
        Scans::Together,
        &[],
    );
    let hierarchical = [
        &whole[..2],
        &segment(0xDE, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0]),
        &whole[2..],
    ]
    .concat();
    let cases = [
        ("arithmetic", with(1, 0xC9)),
        ("arithmetic", with(1, 0xCA)),
        ("lossless", with(1, 0xC3)),
        ("hierarchical", with(1, 0xC5)),
        ("hierarchical", hierarchical),
        ("JPEG-LS", with(1, 0xF7)),
        ("12 bits", with(4, 12)),
        ("2 colour components", std::mem::take(&mut two)),
    ];
    for (name, file) in cases {
        match Photo::decode(&file) {
            Err(PhotoError::Unsupported { what, .. }) => assert!(what.contains(name), "{name}: {what}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let mut no_height = whole.clone();
    no_height[frame + 5..frame + 7].fill(0);
    assert!(matches!(Photo::decode(&no_height), Err(PhotoError::Unsupported { .. })));
}

#[test]
fn a_header_that_declares_more_pixels_than_the_data_is_refused() {
    for scans in [Scans::Together, Scans::Progressive] {
        let parts: &Parts = &[(1, 1, 1), (2, 1, 1), (3, 1, 1)];
        let mut file = jpeg((256, 256), parts, &COLOURS.map(ycbcr), scans, &[]);
        assert!(Photo::decode(&file).is_ok(), "{scans:?}");
        let frame = file
            .windows(2)
            .position(|two| matches!(two, [0xFF, 0xC0 | 0xC2]))
            .expect("there is a frame header");
        file[frame + 5..frame + 9].copy_from_slice(&[0x08, 0, 0x07, 0]);
        assert!(matches!(Photo::decode(&file), Err(PhotoError::Damaged(_))), "{scans:?}");
    }
}

#[test]
fn the_first_exif_segment_decides_the_orientation() {
    let tiff = |order: &[u8; 2], value: u8| {
        let two = |number: u16| {
            if order == b"II" {
                number.to_le_bytes()
            } else {
                number.to_be_bytes()
            }
        };
        let four = |number: u32| {
            if order == b"II" {
                number.to_le_bytes()
            } else {
                number.to_be_bytes()
            }
        };
        let head = [&order[..], &two(42), &four(8), &two(1)].concat();
        [
            head,
            [&two(0x112)[..], &two(3), &four(1), &two(u16::from(value)), &[0; 6]].concat(),
        ]
        .concat()
    };
    let exif = |order, value| segment(0xE1, &[&b"Exif\0\0"[..], &tiff(order, value)].concat());
    let xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='6'/>");
    let quarters = COLOURS.map(ycbcr);
    let [a, b, c, d] = COLOURS;
    let cases = [
        ("one", exif(b"II", 1), [a, b, c, d], false),
        ("two, mirrored", exif(b"MM", 2), [b, a, d, c], false),
        ("three, rotated by 180°", exif(b"II", 3), [d, c, b, a], false),
        ("four, upside down", exif(b"MM", 4), [c, d, a, b], false),
        ("five, along the diagonal", exif(b"II", 5), [a, c, b, d], true),
        ("six, big-endian", exif(b"MM", 6), [c, a, d, b], true),
        ("six, little-endian", exif(b"II", 6), [c, a, d, b], true),
        ("seven", exif(b"II", 7), [d, b, c, a], true),
        ("eight", exif(b"MM", 8), [b, d, a, c], true),
        ("zero is ignored", exif(b"II", 0), [a, b, c, d], false),
        ("nine is ignored", exif(b"II", 9), [a, b, c, d], false),
        (
            "after other segments",
            [segment(0xFE, b"note"), xmp.clone(), exif(b"II", 6)].concat(),
            [c, a, d, b],
            true,
        ),
        (
            "the first counts",
            [exif(b"II", 6), exif(b"II", 3)].concat(),
            [c, a, d, b],
            true,
        ),
        ("XMP alone is ignored", xmp, [a, b, c, d], false),
        ("cut off", segment(0xE1, b"Exif\0\0II*\0"), [a, b, c, d], false),
    ];
    for (name, extra, expected, rotated) in cases {
        let file = jpeg(
            (64, 48),
            &[(1, 1, 1), (2, 1, 1), (3, 1, 1)],
            &quarters,
            Scans::Together,
            &extra,
        );
        assert_colours(name, &file, if rotated { (48, 64) } else { (64, 48) }, expected);
    }
}
