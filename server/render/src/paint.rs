//! Lamp, surface points, and paint of shapes.

use super::folds::Folds;
use super::outline::Outline;

/// Lamp of a photo. The z axis points towards the viewer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Light {
    /// Direction to the lamp, of unit length.
    pub(crate) toward: [f32; 3],
    /// Share of ambient light, in `[0, 1]`.
    pub(crate) ambient: f32,
}

impl Light {
    /// Creates a lamp in the direction `(x, y, 1)`.
    pub(crate) fn from_direction(x: f32, y: f32, ambient: f32) -> Self {
        let len = (x * x + y * y + 1.0).sqrt();
        Self {
            toward: [x / len, y / len, 1.0 / len],
            ambient,
        }
    }
}

/// Owner of a shape's pixels in the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Garment,
    Person,
}

/// Point of a surface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texel {
    /// Colour in linear light.
    pub(crate) rgb: [f32; 3],
    /// Relief in centimetres.
    pub(crate) height: f32,
    /// Strength of the highlight, 0–1.
    pub(crate) gloss: f32,
    /// Opacity, 0–1.
    pub(crate) cover: f32,
}

impl Texel {
    /// Matt, smooth, opaque surface of one colour.
    pub(crate) fn flat(rgb: [f32; 3]) -> Self {
        Self {
            rgb,
            height: 0.0,
            gloss: 0.0,
            cover: 1.0,
        }
    }
}

/// Paint of a shape.
pub(crate) struct Paint<'a> {
    /// Surface at a point of garment space, given the slope of the drape.
    pub(crate) texel: &'a dyn Fn(f32, f32, (f32, f32)) -> Texel,
    /// Drape of the shape.
    pub(crate) folds: Option<&'a Folds>,
    /// Height of the middle above the edge in centimetres.
    pub(crate) bulge: f32,
    /// Distance in centimetres over which the height rises.
    pub(crate) edge: f32,
    /// Darkness of the cast shadow, in `[0, 1]`.
    pub(crate) cast: f32,
    /// Softness of the cast shadow in centimetres.
    pub(crate) reach: f32,
    pub(crate) class: Class,
    /// Adjoining shapes, along which the shape is not rounded.
    pub(crate) joined: &'a [&'a Outline],
    /// Shape that limits the painted area.
    pub(crate) within: Option<&'a Outline>,
}

impl<'a> Paint<'a> {
    /// Creates flat paint without a shadow.
    pub(crate) fn new(class: Class, texel: &'a dyn Fn(f32, f32, (f32, f32)) -> Texel) -> Self {
        Self {
            texel,
            folds: None,
            bulge: 0.0,
            edge: 1.0,
            cast: 0.0,
            reach: 1.0,
            class,
            joined: &[],
            within: None,
        }
    }

    /// Rounds the shape towards its edge.
    pub(crate) fn round(mut self, bulge: f32, edge: f32) -> Self {
        (self.bulge, self.edge) = (bulge, edge);
        self
    }

    /// Adds a cast shadow.
    pub(crate) fn shadow(mut self, cast: f32, reach: f32) -> Self {
        (self.cast, self.reach) = (cast, reach);
        self
    }

    /// Adds a drape.
    pub(crate) fn drape(mut self, folds: &'a Folds) -> Self {
        self.folds = Some(folds);
        self
    }

    /// Sets the adjoining shapes.
    pub(crate) fn join(mut self, joined: &'a [&'a Outline]) -> Self {
        self.joined = joined;
        self
    }

    /// Clips the shape to another one.
    pub(crate) fn clip(mut self, within: &'a Outline) -> Self {
        self.within = Some(within);
        self
    }
}
