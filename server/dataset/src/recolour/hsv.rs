//! Colours as hue, saturation and value, and the detection of skin colours.

/// Maximum chroma of black, white and grey, as a share of full brightness.
pub(super) const NEUTRAL: f32 = 0.10;

/// Colour in the hexagonal cone model (Smith 1978, <https://doi.org/10.1145/965139.807361>).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hsv {
    /// Hue in degrees, 0 to below 360: 0 is red, 120 green, 240 blue. 0 for greys.
    pub(super) hue: f32,
    /// Saturation, 0 (grey) to 1.
    pub(super) saturation: f32,
    /// Largest channel, 0–1.
    pub(super) value: f32,
}

impl Hsv {
    /// Converts a pixel.
    pub(super) fn from_rgb(rgb: [u8; 3]) -> Self {
        let [r, g, b] = rgb.map(|channel| f32::from(channel) / 255.0);
        let (most, least) = (r.max(g).max(b), r.min(g).min(b));
        let chroma = most - least;
        let hue = if chroma <= 0.0 {
            0.0
        } else if most == r {
            (60.0 * (g - b) / chroma).rem_euclid(360.0)
        } else if most == g {
            60.0 * (b - r) / chroma + 120.0
        } else {
            60.0 * (r - g) / chroma + 240.0
        };
        Self {
            hue,
            saturation: if most > 0.0 { chroma / most } else { 0.0 },
            value: most,
        }
    }

    /// Red, green and blue, 0–1.
    pub(super) fn channels(self) -> [f32; 3] {
        [5.0, 3.0, 1.0].map(|offset| {
            let k = (offset + self.hue / 60.0).rem_euclid(6.0);
            self.value * (1.0 - self.saturation * k.min(4.0 - k).clamp(0.0, 1.0))
        })
    }

    /// Largest minus smallest channel, 0–1. Unlike saturation, it is not dominated by noise in dark pixels.
    pub(super) fn chroma(self) -> f32 {
        self.saturation * self.value
    }

    /// True for black, white and grey, whose hue is meaningless.
    pub(super) fn is_grey(self) -> bool {
        self.chroma() < NEUTRAL
    }
}

/// True if a pixel may show skin, by the daylight rule of Kovač, Peer and Solina 2003
/// (<https://doi.org/10.1109/EURCON.2003.1248169>) without saturated reds and oranges, which only cloth has.
pub(super) fn is_skin_like(rgb: [u8; 3]) -> bool {
    let [r, g, b] = rgb.map(i32::from);
    let spread = r.max(g).max(b) - r.min(g).min(b);
    let daylight = r > 95 && g > 40 && b > 20 && spread > 15 && (r - g).abs() > 15 && r > g && r > b;
    let Hsv { hue, saturation, .. } = Hsv::from_rgb(rgb);
    daylight && saturation <= 0.68 && !(50.0..340.0).contains(&hue)
}
