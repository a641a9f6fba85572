//! Canvas that shades shapes while they are painted. A shape has a height field, is lit by one lamp, and casts a soft shadow
//! on the pixels below.

use tiny_skia::{FillRule, LineCap, LineJoin, Mask, Path, Rect, Stroke, StrokeDash, Transform};

use super::blur::blur;
use super::outline::Outline;
use super::paint::{Class, Light, Paint, Texel};

/// Image under construction. Positions are in garment space, in centimetres.
pub(crate) struct Canvas {
    /// Width in pixels.
    pub(crate) width: usize,
    /// Height in pixels.
    pub(crate) height: usize,
    /// Premultiplied RGB in linear light, and coverage, row-major.
    pub(crate) pixels: Vec<[f32; 4]>,
    /// Share of garment per pixel, 0–1.
    pub(crate) garment: Vec<f32>,
    pub(crate) light: Light,
    /// Pixels per centimetre.
    pub(crate) scale: f32,
    /// Position of the origin of garment space in pixels.
    origin: (f32, f32),
    lean: f32,
    sway: f32,
}

/// Rectangle of pixels that a shape touches.
struct Window {
    x: usize,
    y: usize,
    w: usize,
    h: usize,
}

impl Canvas {
    /// Creates a transparent square canvas of `side` pixels that shows `span` centimetres around `centre`.
    pub(crate) fn new(side: usize, span: f32, centre: (f32, f32), light: Light) -> Self {
        let scale = side as f32 / span;
        Self {
            width: side,
            height: side,
            pixels: vec![[0.0; 4]; side * side],
            garment: vec![0.0; side * side],
            light,
            scale,
            origin: (
                side as f32 / 2.0 - centre.0 * scale,
                side as f32 / 2.0 - centre.1 * scale,
            ),
            lean: 0.0,
            sway: 0.0,
        }
    }

    /// Bends all following shapes: `lean` is the sideways shift per centimetre of height, and `sway` that of the hips.
    pub(crate) fn bend(&mut self, lean: f32, sway: f32) {
        (self.lean, self.sway) = (lean, sway);
    }

    /// Paints with the origin at a point of garment space, without bending.
    pub(crate) fn with_origin(&mut self, x: f32, y: f32, paint: impl FnOnce(&mut Self)) {
        let (origin, bend) = (self.origin, (self.lean, self.sway));
        self.origin = (origin.0 + x * self.scale, origin.1 + y * self.scale);
        self.bend(0.0, 0.0);
        paint(self);
        self.origin = origin;
        self.bend(bend.0, bend.1);
    }

    /// Maps a point of garment space to pixels.
    fn to_pixels(&self, x: f32, y: f32) -> (f32, f32) {
        let t = ((y - 10.0) / 100.0).clamp(0.0, 1.0);
        let x = x + self.lean * (60.0 - y) + self.sway * 4.0 * t * (1.0 - t);
        (x * self.scale + self.origin.0, y * self.scale + self.origin.1)
    }

    fn path(&self, outline: &Outline) -> Option<Path> {
        outline.path(&|x, y| self.to_pixels(x, y))
    }

    fn window(&self, bounds: Rect, margin: f32) -> Option<Window> {
        let x0 = (bounds.left() - margin).floor().max(0.0);
        let y0 = (bounds.top() - margin).floor().max(0.0);
        let x1 = (bounds.right() + margin).ceil().min(self.width as f32);
        let y1 = (bounds.bottom() + margin).ceil().min(self.height as f32);
        (x1 - x0 >= 2.0 && y1 - y0 >= 2.0).then_some(Window {
            x: x0 as usize,
            y: y0 as usize,
            w: (x1 - x0) as usize,
            h: (y1 - y0) as usize,
        })
    }

    /// Paints a shape with its shadow.
    pub(crate) fn paint(&mut self, outline: &Outline, paint: &Paint<'_>) {
        let Some(path) = self.path(outline) else {
            return;
        };
        let cast_px = paint.reach * self.scale;
        let margin = if paint.cast > 0.0 { cast_px * 2.5 + 2.0 } else { 2.0 };
        let Some(win) = self.window(path.bounds(), margin) else {
            return;
        };
        let Some(mut cover) = fill(&path, &win) else {
            return;
        };
        if let Some(within) = paint.within.and_then(|o| self.path(o)).and_then(|p| fill(&p, &win)) {
            for (c, m) in cover.iter_mut().zip(within) {
                *c *= m;
            }
        }
        if paint.cast > 0.0 {
            self.cast_shadow(&cover, &win, paint.cast, cast_px);
        }
        let n = win.w * win.h;
        let mut height = vec![0.0f32; n];
        if paint.bulge > 0.0 {
            let mut form = cover.clone();
            for other in paint.joined {
                if let Some(more) = self.path(other).and_then(|p| fill(&p, &win)) {
                    for (f, m) in form.iter_mut().zip(more) {
                        *f = f.max(m);
                    }
                }
            }
            let r = (paint.edge * self.scale * 0.6).max(1.0) as usize;
            blur(&mut form, win.w, win.h, r, 2);
            for (h, f) in height.iter_mut().zip(&form) {
                let t = (2.0 * f - 1.0).clamp(0.0, 1.0);
                *h = paint.bulge * t * (2.0 - t);
            }
        }
        if let Some(folds) = paint.folds {
            for j in 0..win.h {
                let y = ((win.y + j) as f32 + 0.5 - self.origin.1) / self.scale;
                for i in 0..win.w {
                    if cover[j * win.w + i] > 0.0 {
                        let x = ((win.x + i) as f32 + 0.5 - self.origin.0) / self.scale;
                        height[j * win.w + i] += folds.height_at(x, y);
                    }
                }
            }
        }
        let texels = self.texels(&cover, &mut height, &win, paint);
        self.shade(&cover, &height, &texels, &win, paint.class);
    }

    /// Evaluates the surface at every covered pixel and adds its relief to `height`.
    fn texels(&self, cover: &[f32], height: &mut [f32], win: &Window, paint: &Paint<'_>) -> Vec<Texel> {
        let per_px = self.scale * 0.5;
        let drape = height.to_vec();
        let empty = Texel {
            rgb: [0.0; 3],
            height: 0.0,
            gloss: 0.0,
            cover: 0.0,
        };
        let mut texels = vec![empty; cover.len()];
        for j in 0..win.h {
            let cy = ((win.y + j) as f32 + 0.5 - self.origin.1) / self.scale;
            let t = ((cy - 10.0) / 100.0).clamp(0.0, 1.0);
            let shift = self.lean * (60.0 - cy) + self.sway * 4.0 * t * (1.0 - t);
            for i in 0..win.w {
                let k = j * win.w + i;
                if cover[k] <= 0.0 {
                    continue;
                }
                let cx = ((win.x + i) as f32 + 0.5 - self.origin.0) / self.scale - shift;
                let slope = if paint.folds.is_some() {
                    let (l, r) = (drape[k - usize::from(i > 0)], drape[k + usize::from(i + 1 < win.w)]);
                    let (u, d) = (
                        drape[k - if j > 0 { win.w } else { 0 }],
                        drape[k + if j + 1 < win.h { win.w } else { 0 }],
                    );
                    ((r - l) * per_px, (d - u) * per_px)
                } else {
                    (0.0, 0.0)
                };
                let texel = (paint.texel)(cx, cy, slope);
                height[k] += texel.height;
                texels[k] = texel;
            }
        }
        texels
    }

    /// Lights a surface and blends it with the pixels below.
    fn shade(&mut self, cover: &[f32], height: &[f32], texels: &[Texel], win: &Window, class: Class) {
        let light = self.light;
        let per_px = self.scale * 0.5;
        let half = {
            let (x, y, z) = (light.toward[0], light.toward[1], light.toward[2] + 1.0);
            let len = (x * x + y * y + z * z).sqrt();
            [x / len, y / len, z / len]
        };
        let flat = light.ambient + (1.0 - light.ambient) * light.toward[2];
        for j in 0..win.h {
            for i in 0..win.w {
                let k = j * win.w + i;
                let texel = &texels[k];
                let a = cover[k] * texel.cover;
                if a <= 0.0 {
                    continue;
                }
                // Differences are one-sided at the rim, since there is no height outside the shape.
                let near = |step: isize, ok: bool| {
                    let other = (k as isize + step) as usize;
                    if ok && cover[other] > 0.0 {
                        height[other]
                    } else {
                        height[k]
                    }
                };
                let gx = (near(1, i + 1 < win.w) - near(-1, i > 0)) * per_px;
                let gy = (near(win.w as isize, j + 1 < win.h) - near(-(win.w as isize), j > 0)) * per_px;
                let len = (gx * gx + gy * gy + 1.0).sqrt();
                let n = [-gx / len, -gy / len, 1.0 / len];
                let facing = n[0] * light.toward[0] + n[1] * light.toward[1] + n[2] * light.toward[2];
                let lit = light.ambient * (0.55 + 0.45 * n[2]) + (1.0 - light.ambient) * facing.max(0.0);
                let shade = lit / flat;
                let mut rgb = [texel.rgb[0] * shade, texel.rgb[1] * shade, texel.rgb[2] * shade];
                if texel.gloss > 0.0 {
                    let s = (n[0] * half[0] + n[1] * half[1] + n[2] * half[2]).max(0.0);
                    let (s2, s4) = (s * s, s * s * s * s);
                    let s8 = s4 * s4;
                    let s24 = s8 * s8 * s8;
                    let shine = texel.gloss * (0.55 * s24 * s8 + 0.10 * s4 * s2);
                    for c in &mut rgb {
                        *c += shine;
                    }
                }
                let at = (win.y + j) * self.width + win.x + i;
                let p = &mut self.pixels[at];
                for c in 0..3 {
                    p[c] = p[c] * (1.0 - a) + rgb[c] * a;
                }
                p[3] = p[3] * (1.0 - a) + a;
                let solid = cover[k];
                let g = &mut self.garment[at];
                *g *= 1.0 - solid;
                if class == Class::Garment {
                    *g += solid;
                }
            }
        }
    }

    /// Darkens the pixels below a shape by its blurred and shifted coverage.
    fn cast_shadow(&mut self, cover: &[f32], win: &Window, strength: f32, reach: f32) {
        let mut soft = cover.to_vec();
        blur(&mut soft, win.w, win.h, (reach * 0.7).max(1.0) as usize, 2);
        let dx = (-self.light.toward[0] * reach * 1.1) as isize;
        let dy = ((-self.light.toward[1] * 0.6 + 0.35) * reach) as isize;
        for j in 0..win.h {
            for i in 0..win.w {
                let (si, sj) = (i as isize - dx, j as isize - dy);
                if si < 0 || sj < 0 || si >= win.w as isize || sj >= win.h as isize {
                    continue;
                }
                let s = soft[sj as usize * win.w + si as usize] * strength;
                if s > 0.003 {
                    let p = &mut self.pixels[(win.y + j) * self.width + win.x + i];
                    for c in &mut p[..3] {
                        *c *= 1.0 - s;
                    }
                }
            }
        }
    }

    /// Draws a line over existing pixels. `ink` is a colour in linear light, or `None` to darken the pixels. `strength` is its
    /// opacity, 0–1. `width` and the lengths of `dash` (on, off) are in centimetres.
    pub(crate) fn line(
        &mut self,
        outline: &Outline,
        width: f32,
        ink: Option<[f32; 3]>,
        strength: f32,
        dash: Option<(f32, f32)>,
    ) {
        let Some(path) = self.path(outline) else {
            return;
        };
        let stroke = Stroke {
            width: (width * self.scale).max(0.8),
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            dash: dash.and_then(|(on, off)| StrokeDash::new(vec![on * self.scale, off * self.scale], 0.0)),
            ..Stroke::default()
        };
        let dashed = match &stroke.dash {
            Some(d) => path.dash(d, 1.0),
            None => Some(path),
        };
        let Some(path) = dashed.and_then(|p| {
            p.stroke(
                &Stroke {
                    dash: None,
                    ..stroke.clone()
                },
                1.0,
            )
        }) else {
            return;
        };
        let Some(win) = self.window(path.bounds(), 1.0) else {
            return;
        };
        let Some(cover) = fill(&path, &win) else {
            return;
        };
        for j in 0..win.h {
            for i in 0..win.w {
                let a = cover[j * win.w + i] * strength;
                if a <= 0.0 {
                    continue;
                }
                let p = &mut self.pixels[(win.y + j) * self.width + win.x + i];
                let a = a * p[3];
                match ink {
                    Some(rgb) => {
                        for c in 0..3 {
                            p[c] = p[c] * (1.0 - a) + rgb[c] * a;
                        }
                    }
                    None => {
                        for c in &mut p[..3] {
                            *c *= 1.0 - a;
                        }
                    }
                }
            }
        }
    }

    /// Draws a seam: a dark groove with a bright edge.
    pub(crate) fn seam(&mut self, points: &[(f32, f32)], strength: f32) {
        let line = Outline::line(points);
        self.line(&line, 0.32, None, 0.42 * strength, None);
        let lip = line.mapped(|x, y| (x + 0.32, y + 0.28));
        self.line(&lip, 0.3, Some([0.9; 3]), 0.055 * strength, None);
    }

    /// Draws a row of stitches. Without a `thread` colour, they darken the cloth.
    pub(crate) fn stitches(&mut self, points: &[(f32, f32)], thread: Option<[f32; 3]>) {
        self.line(
            &Outline::line(points),
            0.22,
            thread,
            if thread.is_some() { 0.6 } else { 0.3 },
            Some((0.55, 0.4)),
        );
    }
}

/// Rasterises a path with anti-aliasing to coverage in 0–1.
fn fill(path: &Path, win: &Window) -> Option<Vec<f32>> {
    let mut mask = Mask::new(win.w as u32, win.h as u32)?;
    mask.fill_path(
        path,
        FillRule::Winding,
        true,
        Transform::from_translate(-(win.x as f32), -(win.y as f32)),
    );
    Some(mask.data().iter().map(|&v| f32::from(v) / 255.0).collect())
}
