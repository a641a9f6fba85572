//! Test-time augmentation: several views of an image, whose probabilities or embeddings are averaged.

use dataset::Photo;
use image::imageops::{rotate90, rotate180, rotate270};
use image::{ImageBuffer, Luma};
use serde::{Deserialize, Serialize};
use shared::input::{CropBox, InputError, InputSpec};

/// Share of each side that a crop of [`Views::TenCrop`] keeps, as 224 of 256 pixels (Krizhevsky et al. 2012).
const TEN_CROP_SHARE: f64 = 0.875;
/// Input sizes of [`Views::Sizes`] relative to that of the network (Radenović, Tolias & Chum 2018, <https://arxiv.org/abs/1711.02512>).
const OTHER_SIZES: [f64; 2] = [std::f64::consts::FRAC_1_SQRT_2, std::f64::consts::SQRT_2];

/// Views of an image: `"none"`, `"flip"`, `"ten-crop"`, `"sizes"`, `"turns"`, or a list of [`View`]s
/// such as `[{ crop = [0.0, 0.0, 1.0, 0.5] }, { mirrored = true, turns = 1 }]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Source", into = "Source")]
#[derive(schemars::JsonSchema)]
pub enum Views {
    /// The image without changes.
    #[default]
    None,
    /// The image and its mirror image.
    Flip,
    /// The four corners and the centre, .875 of each side, each with its mirror image.
    TenCrop,
    /// The image at the network's input size, and at 1/√2 and √2 times that size.
    Sizes,
    /// The image in all four rotations by multiples of 90°.
    Turns,
    /// These views, at least one.
    List(Vec<View>),
}

/// Written forms of views.
#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "views are \"none\", \"flip\", \"ten-crop\", \"sizes\", \"turns\" or a list of { crop, mirrored, turns, size }"
)]
#[derive(schemars::JsonSchema)]
enum Source {
    Name(String),
    List(Vec<View>),
}

/// View of an image: first cropped, then rotated, then mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(schemars::JsonSchema)]
pub struct View {
    /// Crop as shares of the image's sides: left, top, width, height.
    pub crop: [f64; 4],
    /// Left and right exchanged.
    pub mirrored: bool,
    /// Clockwise rotation in steps of 90°, 0–3.
    pub turns: u8,
    /// Factor of the network's input size, ¼–4.
    pub size: f64,
}

impl Default for View {
    fn default() -> Self {
        Self {
            crop: [0.0, 0.0, 1.0, 1.0],
            mirrored: false,
            turns: 0,
            size: 1.0,
        }
    }
}

impl Views {
    /// Lists the views, at least one.
    pub fn list(&self) -> Vec<View> {
        let with_mirrored = |view: View| [view, View { mirrored: true, ..view }];
        match self {
            Self::None => vec![View::default()],
            Self::Flip => with_mirrored(View::default()).to_vec(),
            Self::TenCrop => {
                let far = 1.0 - TEN_CROP_SHARE;
                let corners = [(0.0, 0.0), (far, 0.0), (0.0, far), (far, far), (far / 2.0, far / 2.0)];
                let crop = |(x, y)| View {
                    crop: [x, y, TEN_CROP_SHARE, TEN_CROP_SHARE],
                    ..View::default()
                };
                corners.map(crop).into_iter().flat_map(with_mirrored).collect()
            }
            Self::Sizes => {
                let sized = |size| View {
                    size,
                    ..View::default()
                };
                std::iter::once(1.0).chain(OTHER_SIZES).map(sized).collect()
            }
            Self::Turns => (0..4)
                .map(|turns| View {
                    turns,
                    ..View::default()
                })
                .collect(),
            Self::List(views) => views.clone(),
        }
    }
}

/// Views with names.
const NAMED: [(&str, Views); 5] = [
    ("none", Views::None),
    ("flip", Views::Flip),
    ("ten-crop", Views::TenCrop),
    ("sizes", Views::Sizes),
    ("turns", Views::Turns),
];

impl std::str::FromStr for Views {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Listed {
            views: Views,
        }
        if text.trim_start().starts_with('[') {
            let listed = toml::from_str::<Listed>(&format!("views = {text}"));
            return listed
                .map(|listed| listed.views)
                .map_err(|error| error.message().to_owned());
        }
        let named = NAMED
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, views)| views.clone());
        named.ok_or_else(|| format!("'{text}' is not one of the views none, flip, ten-crop, sizes and turns"))
    }
}

impl TryFrom<Source> for Views {
    type Error = String;

    fn try_from(source: Source) -> Result<Self, String> {
        let views = match source {
            Source::Name(name) => return name.parse(),
            Source::List(views) => views,
        };
        for View {
            crop: [x, y, width, height],
            turns,
            size,
            ..
        } in &views
        {
            let inside = |start: f64, length: f64| start >= 0.0 && length > 0.0 && start + length <= 1.0 + 1e-9;
            if !inside(*x, *width) || !inside(*y, *height) {
                return Err(format!(
                    "the crop [{x}, {y}, {width}, {height}] of a view is empty or leaves the image, whose sides are 1"
                ));
            }
            if *turns > 3 {
                return Err(format!("a view is rotated by 0 to 3 quarters, not by {turns}"));
            }
            if !(0.25..=4.0).contains(size) {
                return Err(format!("the size {size} of a view is not a factor between 0.25 and 4"));
            }
        }
        if views.is_empty() {
            Err("the list of views is empty; name at least one, or \"none\"".to_owned())
        } else {
            Ok(Self::List(views))
        }
    }
}

impl From<Views> for Source {
    fn from(views: Views) -> Self {
        match (NAMED.iter().find(|(_, named)| *named == views), views) {
            (None, Views::List(views)) => Self::List(views),
            (named, _) => Self::Name(named.map_or("none", |(name, _)| name).to_owned()),
        }
    }
}

impl View {
    /// Input of this view: the network's input, scaled by the size of the view.
    pub fn spec(&self, network: &InputSpec) -> InputSpec {
        let side = |side: usize| ((side as f64 * self.size).round() as usize).max(1);
        InputSpec {
            width: side(network.width),
            height: side(network.height),
            ..network.clone()
        }
    }

    /// Converts an image to the model input of this view, `[3, height, width]`. `spec` is the input of this view.
    ///
    /// # Errors
    /// [`InputError`] if the crop is invalid. A view that was read from a recipe has a valid crop.
    pub fn input(&self, photo: &Photo, spec: &InputSpec) -> Result<Vec<f32>, InputError> {
        let crop = (self.crop != [0.0, 0.0, 1.0, 1.0]).then(|| self.crop_box(photo.width(), photo.height()));
        // The sides of the input are exchanged before a rotation by 90° or 270°.
        let (width, height) = if self.turns % 2 == 1 {
            (spec.height, spec.width)
        } else {
            (spec.width, spec.height)
        };
        let seen = shared::input::View {
            crop,
            ..shared::input::View::default()
        };
        let mut chw = InputSpec {
            width,
            height,
            ..spec.clone()
        }
        .view(photo.pixels()?, &seen)?;
        if self.turns > 0 {
            for plane in chw.chunks_exact_mut(width * height) {
                rotate(plane, (width, height), self.turns);
            }
        }
        if self.mirrored {
            chw.chunks_exact_mut(spec.width).for_each(<[f32]>::reverse);
        }
        Ok(chw)
    }

    fn crop_box(&self, width: u32, height: u32) -> CropBox {
        let along = |start: f64, share: f64, side: u32| {
            let from = ((start * f64::from(side)).round() as u32).min(side - 1);
            (from, ((share * f64::from(side)).round() as u32).clamp(1, side - from))
        };
        let [left, top, across, down] = self.crop;
        let ((x, width), (y, height)) = (along(left, across, width), along(top, down, height));
        CropBox { x, y, width, height }
    }
}

/// Rotates a plane of `width × height` values clockwise by `quarters` of 90°.
fn rotate(plane: &mut [f32], (width, height): (usize, usize), quarters: u8) {
    let image = ImageBuffer::<Luma<f32>, &[f32]>::from_raw(width as u32, height as u32, plane);
    let rotated = image.and_then(|image| match quarters % 4 {
        1 => Some(rotate90(&image)),
        2 => Some(rotate180(&image)),
        3 => Some(rotate270(&image)),
        _ => None,
    });
    if let Some(rotated) = rotated {
        plane.copy_from_slice(rotated.as_raw());
    }
}

#[cfg(test)]
mod tests;
