//! Decoding of hand-made files in every format, with orientations, colour profiles, truncations and false sizes.

use super::*;
use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, ImageEncoder, ImageFormat};
use std::io::Cursor;

/// Image of 32 × 16 pixels whose left half is red and whose right half is blue.
fn red_and_blue() -> RgbImage {
    RgbImage::from_fn(32, 16, |x, _| if x < 16 { Rgb([250, 0, 0]) } else { Rgb([0, 0, 250]) })
}

fn encode(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    red_and_blue()
        .write_to(&mut bytes, format)
        .expect("the image can be encoded");
    bytes.into_inner()
}

/// JPEG whose EXIF orientation asks for a clockwise rotation by 90°.
fn rotated_jpeg() -> Vec<u8> {
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.set_exif_metadata(exif).expect("the encoder supports it");
    encoder.encode_image(&red_and_blue()).expect("the image can be encoded");
    bytes
}

#[test]
fn every_format_is_decoded_upright() {
    let formats = [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::WebP,
        ImageFormat::Gif,
        ImageFormat::Bmp,
    ]
    .map(encode);
    for bytes in formats {
        let photo = Photo::decode(&bytes).expect("the image can be decoded");
        assert_eq!((photo.width(), photo.height()), (32, 16));
    }
    let photo = Photo::decode(&rotated_jpeg()).expect("the image can be decoded");
    assert_eq!((photo.width(), photo.height()), (16, 32));
    let (pixels, _) = photo.parts();
    let (top, bottom) = (&pixels[..3], &pixels[pixels.len() - 3..]);
    assert!(top[0] > 200 && bottom[2] > 200, "red is on top: {top:?} {bottom:?}");
}

#[test]
fn truncated_files_are_refused() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp] {
        let bytes = encode(format);
        for cut in 0..bytes.len() - 12 {
            assert!(
                Photo::decode(&bytes[..cut]).is_err(),
                "{format:?} cut after {cut} of {} bytes",
                bytes.len()
            );
        }
    }
}

#[test]
fn images_beyond_the_limits_are_refused_by_their_declared_size() {
    // A BMP file stores its size as plain integers.
    for (width, height) in [(65_000u32, 65_000u32), (12_001, 1), (1, 12_001), (8_000, 8_000)] {
        let mut bytes = encode(ImageFormat::Bmp);
        bytes[18..22].copy_from_slice(&width.to_le_bytes());
        bytes[22..26].copy_from_slice(&height.to_le_bytes());
        assert_eq!(
            Photo::decode(&bytes).err(),
            Some(PhotoError::TooLarge { width, height })
        );
    }
    assert_eq!(Photo::decode(b"").err(), Some(PhotoError::Empty));
    // The largest size that a PNG can declare, in a file of 57 bytes.
    let mut bytes = encode(ImageFormat::Png);
    bytes[16..24].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    bytes.truncate(57);
    let side = 0x7FFF_FFFF;
    assert_eq!(
        Photo::decode(&bytes).err(),
        Some(PhotoError::TooLarge {
            width: side,
            height: side
        })
    );
}

#[test]
fn a_small_file_cannot_declare_a_huge_image() {
    let black = |side: u32, format: ImageFormat| {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::new(side, side)
            .write_to(&mut bytes, format)
            .expect("the image can be encoded");
        bytes.into_inner()
    };
    let packed = black(4000, ImageFormat::WebP);
    assert!(packed.len() < 8_000, "{} bytes", packed.len());
    assert!(matches!(
        Photo::decode(&packed),
        Err(PhotoError::TooSparse {
            width: 4000,
            height: 4000,
            ..
        })
    ));
    // A PNG of one colour at the highest compression of Deflate is accepted.
    for (side, format) in [
        (4000, ImageFormat::Png),
        (1500, ImageFormat::WebP),
        (2100, ImageFormat::Jpeg),
    ] {
        assert!(Photo::decode(&black(side, format)).is_ok(), "{format:?}");
    }
}

#[test]
fn embedded_colour_profiles_are_applied_in_jpeg_png_and_webp() {
    let icc = moxcms::ColorProfile::new_display_p3()
        .encode()
        .expect("the image can be encoded");
    let image = RgbImage::from_pixel(16, 16, Rgb([200, 100, 50]));
    let (mut jpeg, mut png, mut webp) = (Vec::new(), Vec::new(), Vec::new());
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 100);
    encoder.set_icc_profile(icc.clone()).expect("the encoder supports it");
    encoder.encode_image(&image).expect("the image can be encoded");
    let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
    encoder.set_icc_profile(icc.clone()).expect("the encoder supports it");
    image.write_with_encoder(encoder).expect("the image can be encoded");
    let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
    encoder.set_icc_profile(icc.clone()).expect("the encoder supports it");
    image.write_with_encoder(encoder).expect("the image can be encoded");
    // Images of 16 bits per channel are converted too.
    let deep = image::ImageBuffer::<Rgb<u16>, _>::from_pixel(16, 16, Rgb([200u16 * 257, 100 * 257, 50 * 257]));
    let mut deep_png = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut deep_png);
    encoder.set_icc_profile(icc.clone()).expect("the encoder supports it");
    deep.write_with_encoder(encoder).expect("the image can be encoded");
    for (name, bytes) in [
        ("JPEG", jpeg),
        ("PNG", png),
        ("WebP", webp),
        ("PNG of 16 bits per channel", deep_png),
    ] {
        let photo = Photo::decode(&bytes).expect(name).to_rgb();
        let found = photo.get_pixel(8, 8).0;
        assert!(
            found.iter().zip([215, 93, 31]).all(|(a, b)| a.abs_diff(b) <= 3),
            "{name}: {found:?}"
        );
    }
    // A greyscale image with an RGB profile stays grey.
    let mut grey = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut grey, 100);
    encoder.set_icc_profile(icc).expect("the encoder supports it");
    encoder
        .encode_image(&GrayImage::from_pixel(16, 16, image::Luma([90])))
        .expect("the image can be encoded");
    assert_eq!(
        Photo::decode(&grey)
            .expect("the image can be decoded")
            .to_rgb()
            .get_pixel(8, 8)
            .0,
        [90; 3]
    );
}

#[test]
fn exif_orientation_is_applied_with_and_without_the_jpeg_prefix() {
    let tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    for prefix in [&b""[..], b"Exif\0\0"] {
        let exif = [prefix, tiff].concat();
        let (mut png, mut webp) = (Vec::new(), Vec::new());
        let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
        encoder
            .set_exif_metadata(exif.clone())
            .expect("the encoder supports it");
        red_and_blue()
            .write_with_encoder(encoder)
            .expect("the image can be encoded");
        let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
        encoder.set_exif_metadata(exif).expect("the encoder supports it");
        red_and_blue()
            .write_with_encoder(encoder)
            .expect("the image can be encoded");
        for bytes in [png, webp] {
            let photo = Photo::decode(&bytes).expect("the image can be decoded");
            assert_eq!((photo.width(), photo.height()), (16, 32));
            assert!(photo.parts().0[0] > 200, "red is on top");
        }
    }
}
