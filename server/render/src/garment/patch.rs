//! Pieces of cloth sewn onto a garment.

use crate::canvas::Canvas;
use crate::cloth::{Cloth, Frame};
use crate::outline::Outline;
use crate::paint::{Class, Paint, Texel};

/// Paints a piece of cloth over a panel, clipped to `within`. `lift` is its height in centimetres.
pub(crate) fn patch(canvas: &mut Canvas, outline: &Outline, cloth: &Cloth, within: Option<&Outline>, lift: f32) {
    let frame = Frame::straight(0.0);
    let texel = |x: f32, y: f32, s: (f32, f32)| -> Texel { cloth.texel(&frame, x, y, s) };
    let mut paint = Paint::new(Class::Garment, &texel).round(lift, 1.0).shadow(0.5, 0.8);
    if let Some(w) = within {
        paint = paint.clip(w);
    }
    canvas.paint(outline, &paint);
}
