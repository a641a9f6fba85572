//! Pieces of an outfit with their boxes, from the class map of a segmentation network.
//!
//! A piece is a group of connected regions of one class that lie close together, such as the two shoes of a pair.

use crate::input::{CropBox, InputError, InputSpec};
use crate::outfit::OutfitClass;
use serde::{Deserialize, Serialize};

/// Smallest area of a piece, as a share of the photo.
const SMALLEST: f32 = 0.003;
/// Smallest area of skin and hair together in a photo of a person, as a share of the photo.
const SMALLEST_PERSON: f32 = 0.002;
/// Largest gap between the boxes of regions that are one piece, as a share of the map's longer side.
const GAP: f32 = 0.06;

/// A piece of an outfit in a photo.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// Class of the piece.
    pub class: OutfitClass,
    /// Box around the piece in pixels of the photo.
    #[serde(rename = "box")]
    pub bounds: CropBox,
    /// Area of the piece as a share of the photo, 0 to 1.
    pub share: f32,
    /// Mean probability of the class over the area of the piece, 0 to 1.
    pub score: f32,
}

/// Pieces of a photo, and the person who wears them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Outfit {
    /// Pieces, largest first.
    pub pieces: Vec<Piece>,
    /// Box around skin, hair and all pieces in pixels of the photo. It is absent if the photo shows neither skin nor hair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<CropBox>,
}

impl Outfit {
    /// Returns the largest piece that satisfies `wanted`.
    pub fn largest(&self, wanted: impl Fn(OutfitClass) -> bool) -> Option<&Piece> {
        self.pieces.iter().find(|piece| wanted(piece.class))
    }
}

/// Errors of finding pieces.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PiecesError {
    /// A label of the network is no class of an outfit.
    #[error(
        "the network has the class '{0}', which is no class of an outfit; train one with task.classes = \"outfit\""
    )]
    Class(String),
    /// The network returned another number of values than its classes and map have, or a value that is not finite.
    #[error("the network did not return {expected} finite logits; load it again")]
    Logits {
        /// Needed number of values.
        expected: usize,
    },
    /// The pixels cannot be prepared.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// Classes of a network in the order of its logits.
///
/// # Errors
/// [`PiecesError::Class`] if a label is not the identifier of a class.
pub fn classes<S: AsRef<str>>(labels: &[S]) -> Result<Vec<OutfitClass>, PiecesError> {
    labels
        .iter()
        .map(|label| OutfitClass::from_id(label.as_ref()).ok_or_else(|| PiecesError::Class(label.as_ref().to_owned())))
        .collect()
}

/// Class and probability of each cell of a network's map, row by row.
#[derive(Debug, Clone)]
pub struct ClassMap {
    cells: Vec<(OutfitClass, f32)>,
    height: usize,
    width: usize,
}

impl ClassMap {
    /// Creates the map of one photo from logits `[classes, height, width]`.
    ///
    /// # Errors
    /// [`PiecesError::Logits`] if the number of values differs or a value is not finite.
    pub fn new(logits: &[f32], classes: &[OutfitClass], (height, width): (usize, usize)) -> Result<Self, PiecesError> {
        let plane = height * width;
        let expected = plane * classes.len();
        if expected == 0 || logits.len() != expected || logits.iter().any(|logit| !logit.is_finite()) {
            return Err(PiecesError::Logits { expected });
        }
        let cell = |at: usize| {
            let of = |class: usize| logits[class * plane + at];
            let best = (1..classes.len()).fold(0, |best, class| if of(class) > of(best) { class } else { best });
            let sum: f32 = (0..classes.len()).map(|class| (of(class) - of(best)).exp()).sum();
            (classes[best], 1.0 / sum)
        };
        Ok(Self {
            cells: (0..plane).map(cell).collect(),
            height,
            width,
        })
    }

    /// Returns the share of the cells of each class, in the order of [`OutfitClass::ALL`], 0 to 1.
    pub fn shares(&self) -> Vec<f32> {
        let share = |class| self.cells.iter().filter(|(of, _)| *of == class).count() as f32 / self.cells.len() as f32;
        OutfitClass::ALL.into_iter().map(share).collect()
    }

    /// Finds the pieces of a photo of `(width, height)` pixels that was prepared with `spec`.
    pub fn outfit(&self, spec: &InputSpec, photo: (usize, usize)) -> Outfit {
        let frame = Frame::new(self, spec, photo);
        let mut regions = regions(self, &frame);
        let seen: usize = regions
            .iter()
            .filter(|region| !region.class.is_piece())
            .map(|region| region.cells)
            .sum();
        let total = frame.cells().max(1) as f32;
        let person = (seen as f32 / total >= SMALLEST_PERSON)
            .then(|| regions.iter().map(|region| region.extent).reduce(Extent::with))
            .flatten()
            .map(|extent| frame.in_photo(extent));
        regions.retain(|region| region.class.is_piece());
        let gap = (GAP * self.width.max(self.height) as f32 + 0.5) as usize;
        let mut pieces: Vec<Piece> = join(regions, gap)
            .into_iter()
            .filter(|region| region.cells as f32 / total >= SMALLEST)
            .map(|region| Piece {
                class: region.class,
                bounds: frame.in_photo(region.extent),
                share: region.cells as f32 / total,
                score: region.probability / region.cells as f32,
            })
            .collect();
        pieces.sort_by(|a, b| b.share.total_cmp(&a.share));
        Outfit { pieces, person }
    }
}

/// Part of a map, in cells: left, top, right and bottom. Right and bottom are exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl Extent {
    /// Smallest part with both.
    fn with(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// True if at most `gap` cells separate both, across and down.
    fn is_near(self, other: Self, gap: usize) -> bool {
        let near = |a: (usize, usize), b: (usize, usize)| a.0 <= b.1 + gap && b.0 <= a.1 + gap;
        near((self.left, self.right), (other.left, other.right))
            && near((self.top, self.bottom), (other.top, other.bottom))
    }
}

/// Connected cells of one class, or several such regions together.
#[derive(Debug, Clone, Copy)]
struct Region {
    class: OutfitClass,
    extent: Extent,
    cells: usize,
    /// Sum of the class's probability over the cells.
    probability: f32,
}

/// Part of the map that the photo fills, and the way back to the photo.
struct Frame<'a> {
    spec: &'a InputSpec,
    photo: (usize, usize),
    /// Height and width of the map.
    map: (usize, usize),
    inside: Extent,
}

impl<'a> Frame<'a> {
    fn new(map: &ClassMap, spec: &'a InputSpec, photo: (usize, usize)) -> Self {
        let (left, top) = spec.locate(photo, (0.0, 0.0));
        let (right, bottom) = spec.locate(photo, (photo.0 as f64, photo.1 as f64));
        // A cell is inside if its centre is.
        let cell = |at: f64, cells: usize, side: usize| {
            let cell = (at * cells as f64 / side as f64 - 0.5).ceil();
            cell.clamp(0.0, cells as f64) as usize
        };
        Self {
            spec,
            photo,
            map: (map.height, map.width),
            inside: Extent {
                left: cell(left, map.width, spec.width),
                top: cell(top, map.height, spec.height),
                right: cell(right, map.width, spec.width),
                bottom: cell(bottom, map.height, spec.height),
            },
        }
    }

    /// Number of cells that show the photo.
    fn cells(&self) -> usize {
        (self.inside.right - self.inside.left) * (self.inside.bottom - self.inside.top)
    }

    fn contains(&self, x: usize, y: usize) -> bool {
        (self.inside.left..self.inside.right).contains(&x) && (self.inside.top..self.inside.bottom).contains(&y)
    }

    /// Returns the box in pixels of the photo.
    fn in_photo(&self, extent: Extent) -> CropBox {
        let point = |x: usize, y: usize| {
            let x = x as f64 * self.spec.width as f64 / self.map.1 as f64;
            let y = y as f64 * self.spec.height as f64 / self.map.0 as f64;
            self.spec.locate_in_image(self.photo, (x, y))
        };
        let (x0, y0) = point(extent.left, extent.top);
        let (x1, y1) = point(extent.right, extent.bottom);
        let side = |from: f64, to: f64, limit: usize| {
            let from = from.floor().clamp(0.0, limit as f64 - 1.0);
            let to = to.ceil().clamp(from + 1.0, limit as f64);
            (from as u32, (to - from) as u32)
        };
        let ((x, width), (y, height)) = (side(x0, x1, self.photo.0), side(y0, y1, self.photo.1));
        CropBox { x, y, width, height }
    }
}

/// Returns the connected regions of all classes but the background. Cells are connected across their sides.
fn regions(map: &ClassMap, frame: &Frame<'_>) -> Vec<Region> {
    let mut seen = vec![false; map.cells.len()];
    let mut found = Vec::new();
    for start in 0..map.cells.len() {
        let (class, _) = map.cells[start];
        let (x, y) = (start % map.width, start / map.width);
        if seen[start] || class == OutfitClass::Background || !frame.contains(x, y) {
            continue;
        }
        let mut region = Region {
            class,
            extent: Extent {
                left: x,
                top: y,
                right: x + 1,
                bottom: y + 1,
            },
            cells: 0,
            probability: 0.0,
        };
        seen[start] = true;
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            let (x, y) = (at % map.width, at / map.width);
            region.cells += 1;
            region.probability += map.cells[at].1;
            region.extent = region.extent.with(Extent {
                left: x,
                top: y,
                right: x + 1,
                bottom: y + 1,
            });
            let neighbours = [
                (x > 0).then(|| at - 1),
                (x + 1 < map.width).then_some(at + 1),
                (y > 0).then(|| at - map.width),
                (y + 1 < map.height).then_some(at + map.width),
            ];
            for next in neighbours.into_iter().flatten() {
                let inside = frame.contains(next % map.width, next / map.width);
                if inside && !seen[next] && map.cells[next].0 == class {
                    seen[next] = true;
                    open.push(next);
                }
            }
        }
        found.push(region);
    }
    found
}

/// Joins regions of one class that are at most `gap` cells apart.
fn join(mut regions: Vec<Region>, gap: usize) -> Vec<Region> {
    let mut joined: Vec<Region> = Vec::new();
    while let Some(mut region) = regions.pop() {
        let is_near = |other: &Region| other.class == region.class && other.extent.is_near(region.extent, gap);
        // A joined region is larger and may reach others.
        if let Some(at) = joined.iter().position(is_near) {
            let other = joined.swap_remove(at);
            region.extent = region.extent.with(other.extent);
            region.cells += other.cells;
            region.probability += other.probability;
            regions.push(region);
        } else {
            joined.push(region);
        }
    }
    joined
}

#[cfg(test)]
mod tests;
