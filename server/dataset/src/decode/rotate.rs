//! Cropping and rotation of whole pixels, for images and label maps alike.

use image::imageops::{crop_imm, rotate90, rotate180, rotate270};
use image::{ImageBuffer, Pixel};
use shared::input::{CropBox, InputError};

/// Image of 8-bit channels.
type Bytes<P> = ImageBuffer<P, Vec<u8>>;

/// Returns the pixels within a box.
///
/// # Errors
/// [`InputError::Crop`] if the box is empty or exceeds the image.
pub(super) fn crop<P: Pixel<Subpixel = u8> + 'static>(image: &Bytes<P>, crop: CropBox) -> Result<Bytes<P>, InputError> {
    let (width, height) = image.dimensions();
    let inside =
        |start: u32, length: u32, limit: u32| length > 0 && start.checked_add(length).is_some_and(|end| end <= limit);
    if !inside(crop.x, crop.width, width) || !inside(crop.y, crop.height, height) {
        return Err(InputError::Crop {
            crop,
            width: width as usize,
            height: height as usize,
        });
    }
    Ok(crop_imm(image, crop.x, crop.y, crop.width, crop.height).to_image())
}

/// Rotates clockwise by `quarters` times 90°.
pub(super) fn rotate<P: Pixel<Subpixel = u8> + 'static>(image: &Bytes<P>, quarters: u8) -> Bytes<P> {
    match quarters % 4 {
        0 => image.clone(),
        1 => rotate90(image),
        2 => rotate180(image),
        _ => rotate270(image),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::LumaA;

    #[test]
    fn rotations_and_crops_move_every_pixel_to_its_place() {
        // a b c
        // d e f
        let image = Bytes::<LumaA<u8>>::from_raw(3, 2, b"aAbBcCdDeEfF".to_vec()).expect("six pixels of two channels");
        for (quarters, size, expected) in [
            (0, (3, 2), "abcdef"),
            (1, (2, 3), "daebfc"),
            (2, (3, 2), "fedcba"),
            (3, (2, 3), "cfbead"),
            (5, (2, 3), "daebfc"),
        ] {
            let rotated = rotate(&image, quarters);
            let doubled: Vec<u8> = expected
                .bytes()
                .flat_map(|byte| [byte, byte.to_ascii_uppercase()])
                .collect();
            assert_eq!(rotated.dimensions(), size, "{quarters} quarters");
            assert_eq!(rotated.into_raw(), doubled, "{quarters} quarters");
        }
        let inner = CropBox {
            x: 1,
            y: 0,
            width: 2,
            height: 2,
        };
        assert_eq!(crop(&image, inner).map(Bytes::into_raw), Ok(b"bBcCeEfF".to_vec()));
        for wrong in [
            CropBox { x: 2, ..inner },
            CropBox { y: 1, ..inner },
            CropBox { width: 0, ..inner },
            CropBox { x: u32::MAX, ..inner },
        ] {
            assert!(crop(&image, wrong).is_err(), "{wrong:?}");
        }
    }
}
