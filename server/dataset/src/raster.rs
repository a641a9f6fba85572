//! Whole pixels moved about, alike for pictures and for label maps: rows of `width × channels` bytes.

use shared::input::{CropBox, InputError};

/// The bytes within a box.
///
/// # Errors
/// [`InputError::Crop`] if the box is empty or leaves the picture.
pub(super) fn crop(
    bytes: &[u8],
    (width, height): (u32, u32),
    channels: usize,
    crop: CropBox,
) -> Result<Vec<u8>, InputError> {
    let inside =
        |start: u32, length: u32, limit: u32| length > 0 && start.checked_add(length).is_some_and(|end| end <= limit);
    let (columns, rows) = (width as usize, height as usize);
    if !inside(crop.x, crop.width, width) || !inside(crop.y, crop.height, height) {
        return Err(InputError::Crop {
            crop,
            width: columns,
            height: rows,
        });
    }
    let (from, length) = (crop.x as usize * channels, crop.width as usize * channels);
    let rows = bytes
        .chunks_exact(columns * channels)
        .skip(crop.y as usize)
        .take(crop.height as usize);
    Ok(rows.flat_map(|row| &row[from..from + length]).copied().collect())
}

/// Turned clockwise by quarters: the new size and the bytes.
pub(super) fn turn(bytes: &[u8], size: (u32, u32), channels: usize, quarters: u8) -> ((u32, u32), Vec<u8>) {
    let (width, height) = (size.0 as usize, size.1 as usize);
    // Where the pixel at column `x` of row `y` of the result comes from.
    let source = |x: usize, y: usize| match quarters % 4 {
        0 => (x, y),
        1 => (y, height - 1 - x),
        2 => (width - 1 - x, height - 1 - y),
        _ => (width - 1 - y, x),
    };
    let turned = if quarters % 2 == 1 { (size.1, size.0) } else { size };
    let mut result = Vec::with_capacity(bytes.len());
    for y in 0..turned.1 as usize {
        for x in 0..turned.0 as usize {
            let (x, y) = source(x, y);
            let at = (y * width + x) * channels;
            result.extend_from_slice(&bytes[at..at + channels]);
        }
    }
    (turned, result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_and_crops_put_every_pixel_in_its_place() {
        // a b c
        // d e f
        let bytes = b"aAbBcCdDeEfF";
        for (quarters, size, expected) in [
            (0, (3, 2), "abcdef"),
            (1, (2, 3), "daebfc"),
            (2, (3, 2), "fedcba"),
            (3, (2, 3), "cfbead"),
            (5, (2, 3), "daebfc"),
        ] {
            let doubled: Vec<u8> = expected
                .bytes()
                .flat_map(|byte| [byte, byte.to_ascii_uppercase()])
                .collect();
            assert_eq!(turn(bytes, (3, 2), 2, quarters), (size, doubled), "{quarters} quarters");
        }
        let inner = CropBox {
            x: 1,
            y: 0,
            width: 2,
            height: 2,
        };
        assert_eq!(crop(bytes, (3, 2), 2, inner), Ok(b"bBcCeEfF".to_vec()));
        for wrong in [
            CropBox { x: 2, ..inner },
            CropBox { y: 1, ..inner },
            CropBox { width: 0, ..inner },
        ] {
            assert!(crop(bytes, (3, 2), 2, wrong).is_err(), "{wrong:?}");
        }
    }
}
