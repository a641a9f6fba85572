//! Reasons to refuse an image file, and the limits on its size.

/// Maximum number of pixels of an image.
pub(super) const MAX_PIXELS: u64 = 40_000_000;

/// Maximum width and height of an image in pixels.
pub(super) const MAX_SIDE: u32 = 12_000;

/// Advice for images in a coding that is not supported.
pub(super) const SAVE_AS_ORDINARY: &str = "save it as an ordinary JPEG, PNG or WebP image and use that";

/// Reason why bytes could not be decoded to a [`Photo`](super::Photo).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhotoError {
    /// There are no bytes.
    #[error("the file is empty; choose another file")]
    Empty,
    /// The file is not an image.
    #[error("the file is {what}, not a readable image; {instead}")]
    NotAnImage {
        /// Kind of the file, with an article.
        what: &'static str,
        /// Advice.
        instead: &'static str,
    },
    /// The file is an image in a format or coding that is not supported.
    #[error("the file is {what}, which is not supported here; {instead}")]
    Unsupported {
        /// Kind of the image, with an article.
        what: String,
        /// Advice.
        instead: &'static str,
    },
    /// The format is known, but the bytes end early or are damaged.
    #[error("the image is damaged or incomplete ({0}); use the complete, original file")]
    Damaged(String),
    /// The image has more than 40 megapixels, or a side of more than 12,000 pixels.
    #[error(
        "the image has {width} x {height} pixels; use one of at most {} megapixels and {} pixels per side",
        MAX_PIXELS / 1_000_000,
        MAX_SIDE
    )]
    TooLarge {
        /// Width in pixels, as declared by the file.
        width: u32,
        /// Height in pixels, as declared by the file.
        height: u32,
    },
    /// The file is too small for the number of pixels that it declares.
    #[error(
        "the file of {bytes} bytes declares {width} x {height} pixels, too many for a photo of that size; use a smaller image"
    )]
    TooSparse {
        /// Width in pixels, as declared by the file.
        width: u32,
        /// Height in pixels, as declared by the file.
        height: u32,
        /// Size of the file in bytes.
        bytes: usize,
    },
    /// Decoding this image alone would exceed the memory budget for all images.
    #[error("decoding the image takes {needed_mb} MB, and the server has {budget_mb} MB for it; use a smaller image")]
    TooMuchMemory {
        /// Maximum number of megabytes that decoding takes.
        needed_mb: u64,
        /// Budget in megabytes.
        budget_mb: u64,
    },
}

impl PhotoError {
    /// Error for a file that ends too early.
    pub(super) fn truncated() -> Self {
        Self::Damaged("its end is missing".into())
    }

    /// Error for data that violates its format.
    pub(super) fn malformed() -> Self {
        Self::Damaged("its data is malformed".into())
    }
}
