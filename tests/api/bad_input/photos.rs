//! Faulty photos of a search.

use std::time::Instant;

use image::ImageFormat;

use super::super::harness::{Service, assert_problem, encode, png};
use super::PROMPT;

/// A PNG whose header declares another size.
fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(1);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// A JPEG whose frame header declares another size.
fn jpeg_bomb(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = encode(1, ImageFormat::Jpeg);
    let frame = bytes
        .windows(2)
        .position(|two| two == [0xFF, 0xC0])
        .expect("the JPEG has a baseline frame");
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// A complete JPEG whose frame header declares another coding.
fn recoded_jpeg(marker: u8) -> Vec<u8> {
    let mut bytes = encode(1, ImageFormat::Jpeg);
    let frame = bytes
        .windows(2)
        .position(|two| two == [0xFF, 0xC0])
        .expect("the JPEG has a baseline frame");
    bytes[frame + 1] = marker;
    bytes
}

/// CRC-32 of PNG chunks.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)))
    })
}

/// The first half of a file.
fn half(bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    bytes[..middle].to_vec()
}

/// Searches with a photo, which must be refused quickly with this status and code. Returns the detail.
#[track_caller]
fn assert_refused(name: &str, photo: &[u8], status: u16, code: &str) -> String {
    let begun = Instant::now();
    let problem = assert_problem(name, Service::shared().search(photo, &[]), status, code);
    assert!(begun.elapsed() < PROMPT, "{name} took {:?}", begun.elapsed());
    problem["detail"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn files_that_are_not_images_are_refused() {
    assert_refused("an empty file", &[], 400, "empty_body");
    let cases: [(&str, Vec<u8>); 6] = [
        ("text", b"hello".to_vec()),
        ("a web page", b"<!doctype html><script>alert(1)</script>".to_vec()),
        (
            "a vector graphic",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
        ),
        ("a PDF", b"%PDF-1.7 ...".to_vec()),
        ("zeros", vec![0; 100_000]),
        (
            "a pointer",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec(),
        ),
    ];
    for (name, photo) in cases {
        let detail = assert_refused(name, &photo, 422, "not_an_image");
        assert!(!detail.contains("damaged"), "{name}: {detail}");
    }
}

#[test]
fn truncated_images_are_refused_as_damaged() {
    let cases = [
        ("only a JPEG's first bytes", vec![0xFF, 0xD8, 0xFF, 0xE0]),
        ("only a PNG's first bytes", b"\x89PNG\r\n\x1a\n".to_vec()),
        ("half a JPEG", half(encode(1, ImageFormat::Jpeg))),
        ("half a PNG", half(png(1))),
        ("half a WebP", half(encode(1, ImageFormat::WebP))),
        ("half a BMP", half(encode(1, ImageFormat::Bmp))),
    ];
    for (name, photo) in cases {
        let detail = assert_refused(name, &photo, 422, "image_truncated");
        assert!(detail.contains("damaged"), "{name}: {detail}");
    }
}

#[test]
fn images_with_too_many_pixels_are_refused_before_they_are_decoded() {
    let cases = [
        ("a PNG bomb", png_bomb(65_000, 65_000)),
        ("a wide PNG", png_bomb(12_001, 1)),
        ("a PNG of 64 megapixels", png_bomb(8_000, 8_000)),
        ("a JPEG bomb", jpeg_bomb(65_000, 65_000)),
        (
            "the largest PNG header",
            png_bomb(0x7FFF_FFFF, 0x7FFF_FFFF)[..57].to_vec(),
        ),
    ];
    for (name, photo) in cases {
        assert_refused(name, &photo, 422, "image_too_large");
    }
}

#[test]
fn unsupported_image_formats_are_refused() {
    let cases = [
        ("a HEIC photo", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec()),
        ("a JPEG 2000 image", b"\0\0\0\x0CjP  \r\n\x87\n".to_vec()),
        ("an arithmetic-coded JPEG", recoded_jpeg(0xC9)),
        ("a lossless JPEG", recoded_jpeg(0xC3)),
    ];
    for (name, photo) in cases {
        assert_refused(name, &photo, 422, "unsupported_image");
    }
}

#[test]
fn photos_wait_for_the_memory_of_others() {
    let service = Service::start_as(serde_json::json!({ "decode_memory": 16 << 20 }));
    let photo = |side: u32| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let pixels = image::RgbImage::from_fn(side, side, |x, y| image::Rgb([x as u8, y as u8, 90]));
        pixels
            .write_to(&mut bytes, ImageFormat::Png)
            .expect("the image is encoded");
        bytes.into_inner()
    };
    let problem = assert_problem("too much", service.search(&photo(2000), &[]), 422, "image_too_large");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("16 MB")),
        "{problem}"
    );
    // Each takes more than half of the budget.
    let large = photo(1000);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(service.search(&large, &[]).status(), 200));
        }
    });
}
