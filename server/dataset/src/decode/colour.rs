//! Conversion of pixels from other colour spaces to sRGB, with the same results as in browsers.
//!
//! Damaged, implausible or mismatched colour profiles are ignored. The values are then taken as sRGB.

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout,
    MatrixCoefficients, ProfileClass, ToneReprCurve, TransferCharacteristics, Transform8BitExecutor, TransformOptions,
    XyY,
};
use std::sync::Arc;

use super::png;

/// Number of pixels converted at once.
const BLOCK: usize = 4096;

/// Conversion of 8-bit pixels to sRGB.
pub(super) struct Conversion {
    executor: Arc<Transform8BitExecutor>,
    from: usize,
    to: usize,
}

impl Conversion {
    /// Creates the conversion from an ICC profile. `channels` is 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA; CMYK if
    /// `inks`). `None` if the profile cannot be used or changes nothing.
    pub(super) fn from_icc(icc: &[u8], channels: usize, inks: bool) -> Option<Self> {
        // The profile is untrusted, so a panic in its parser must not spread.
        std::panic::catch_unwind(|| {
            let profile = ColorProfile::new_from_slice(icc).ok()?;
            let usable = matches!(
                profile.profile_class,
                ProfileClass::DisplayDevice
                    | ProfileClass::InputDevice
                    | ProfileClass::OutputDevice
                    | ProfileClass::ColorSpace
            );
            let wanted = match (inks, channels) {
                (true, _) => DataColorSpace::Cmyk,
                (false, 1 | 2) => DataColorSpace::Gray,
                (false, _) => DataColorSpace::Rgb,
            };
            if !usable || profile.color_space != wanted {
                return None;
            }
            Self::from_profile(&profile, channels, inks)
        })
        .ok()
        .flatten()
    }

    /// Creates the conversion from the colour chunks of a PNG file other than its ICC profile, for RGB or RGBA pixels.
    pub(super) fn from_png(colours: &png::Colours, channels: usize) -> Option<Self> {
        let mut profile = ColorProfile::new_srgb();
        // It would take precedence over the curves set below.
        profile.cicp = None;
        let coded = colours.cicp.and_then(coded);
        if coded.is_none() && (colours.srgb || (colours.gamma.is_none() && colours.chromaticities.is_none())) {
            return None;
        }
        if let Some(coded) = coded {
            profile = coded;
        } else {
            if let Some([white_x, white_y, red_x, red_y, green_x, green_y, blue_x, blue_y]) = colours.chromaticities {
                let white = XyY {
                    x: f64::from(white_x),
                    y: f64::from(white_y),
                    yb: 1.0,
                };
                let primaries = ColorPrimaries {
                    red: Chromaticity::new(red_x, red_y),
                    green: Chromaticity::new(green_x, green_y),
                    blue: Chromaticity::new(blue_x, blue_y),
                };
                profile.update_rgb_colorimetry(white, primaries);
            }
            if let Some(gamma) = colours.gamma {
                let curve = ToneReprCurve::Parametric(vec![1.0 / gamma]);
                profile.red_trc = Some(curve.clone());
                profile.green_trc = Some(curve.clone());
                profile.blue_trc = Some(curve);
            }
        }
        Self::from_profile(&profile, channels, false)
    }

    fn from_profile(profile: &ColorProfile, channels: usize, inks: bool) -> Option<Self> {
        let (source, target) = match channels {
            1 => (Layout::Gray, Layout::Rgb),
            2 => (Layout::GrayAlpha, Layout::Rgba),
            3 => (Layout::Rgb, Layout::Rgb),
            // CMYK has the layout of RGBA.
            4 if inks => (Layout::Rgba, Layout::Rgb),
            _ => (Layout::Rgba, Layout::Rgba),
        };
        let options = TransformOptions::default();
        let executor = profile
            .create_transform_8bit(source, &ColorProfile::new_srgb(), target, options)
            .ok()?;
        let conversion = Self {
            executor,
            from: source.channels(),
            to: target.channels(),
        };
        (conversion.makes_sense(inks)? && !conversion.changes_nothing()).then_some(conversion)
    }

    /// True if white stays light, black stays dark, and grey stays between them. `None` if the conversion fails.
    fn makes_sense(&self, inks: bool) -> Option<bool> {
        let opaque = self.from == 2 || (self.from == 4 && !inks);
        let light = |value: u8| {
            let mut pixel = if inks {
                vec![0, 0, 0, 255 - value]
            } else {
                vec![value; self.from]
            };
            if opaque && let Some(alpha) = pixel.last_mut() {
                *alpha = 255;
            }
            self.convert(pixel).map(|pixel| [pixel[0], pixel[1], pixel[2]])
        };
        let (black, grey, white) = (light(0)?, light(128)?, light(255)?);
        let within = |pixel: [u8; 3], least: u8, most: u8| pixel.iter().all(|value| (least..=most).contains(value));
        Some(within(black, 0, 100) && within(grey, 8, 247) && within(white, 200, 255))
    }

    /// True if no colour changes by more than rounding.
    fn changes_nothing(&self) -> bool {
        if self.from != self.to {
            return false;
        }
        let levels = [0u8, 10, 40, 90, 128, 170, 215, 255];
        let colours = levels
            .iter()
            .flat_map(|r| levels.iter().flat_map(move |g| levels.map(|b| [*r, *g, b, 255])));
        let pixels: Vec<u8> = colours.flat_map(|pixel| pixel.into_iter().take(self.from)).collect();
        let same = |a: &u8, b: &u8| a.abs_diff(*b) <= 1;
        self.convert(pixels.clone())
            .is_some_and(|after| after.iter().zip(&pixels).all(|(a, b)| same(a, b)))
    }

    /// Converts pixels, in place unless the number of channels grows. `None` if the conversion fails.
    pub(super) fn convert(&self, mut pixels: Vec<u8>) -> Option<Vec<u8>> {
        let count = pixels.len() / self.from;
        let mut result = if self.to > self.from {
            vec![0; count * self.to]
        } else {
            Vec::new()
        };
        let mut block = vec![0; self.from * count.min(BLOCK)];
        for start in (0..count).step_by(BLOCK) {
            let end = count.min(start + BLOCK);
            let source = &mut block[..(end - start) * self.from];
            source.copy_from_slice(&pixels[start * self.from..end * self.from]);
            let target = if self.to > self.from { &mut result } else { &mut pixels };
            self.executor
                .transform(source, &mut target[start * self.to..end * self.to])
                .ok()?;
        }
        if self.to > self.from {
            return Some(result);
        }
        pixels.truncate(count * self.to);
        Some(pixels)
    }
}

/// Returns the profile for ITU-T H.273 code points. `None` for high dynamic range, limited range and YCbCr.
fn coded([primaries, transfer, matrix, full]: [u8; 4]) -> Option<ColorProfile> {
    let transfer = TransferCharacteristics::try_from(transfer).ok()?;
    if matrix != 0
        || full != 1
        || matches!(
            transfer,
            TransferCharacteristics::Smpte2084 | TransferCharacteristics::Hlg
        )
    {
        return None;
    }
    Some(ColorProfile::new_from_cicp(CicpProfile {
        color_primaries: CicpColorPrimaries::try_from(primaries).ok()?,
        transfer_characteristics: transfer,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    }))
}

/// Converts amounts of ink (CMYK) without a profile to RGB, with the same results as in browsers.
pub(super) fn inks_to_rgb(mut pixels: Vec<u8>) -> Vec<u8> {
    let count = pixels.len() / 4;
    for at in 0..count {
        let [cyan, magenta, yellow, black] = [0, 1, 2, 3].map(|channel| 255 - u16::from(pixels[4 * at + channel]));
        for (channel, ink) in [cyan, magenta, yellow].into_iter().enumerate() {
            pixels[3 * at + channel] = (ink * black / 255) as u8;
        }
    }
    pixels.truncate(3 * count);
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Converts one pixel by a profile.
    fn converted(profile: &ColorProfile, pixel: &[u8]) -> Option<Vec<u8>> {
        let icc = profile.encode().expect("the image can be encoded");
        Conversion::from_icc(&icc, pixel.len(), false)
            .map(|conversion| conversion.convert(pixel.to_vec()).expect("the conversion succeeds"))
    }

    fn near(found: &[u8], expected: &[u8]) -> bool {
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 2)
    }

    fn with_curve(gamma: f32) -> ColorProfile {
        let mut profile = ColorProfile::new_srgb();
        let curve = Some(ToneReprCurve::Parametric(vec![gamma]));
        (profile.red_trc, profile.green_trc, profile.blue_trc, profile.cicp) =
            (curve.clone(), curve.clone(), curve, None);
        profile
    }

    #[test]
    fn profiles_convert_to_the_values_of_browsers() {
        let mut swapped = ColorProfile::new_srgb();
        (swapped.red_colorant, swapped.green_colorant) = (swapped.green_colorant, swapped.red_colorant);
        swapped.cicp = None;
        // The expected values follow from the definitions of the colour spaces.
        let cases: &[(&str, ColorProfile, &[u8], &[u8])] = &[
            (
                "Display P3",
                ColorProfile::new_display_p3(),
                &[200, 100, 50],
                &[215, 93, 31],
            ),
            (
                "Display P3 with alpha",
                ColorProfile::new_display_p3(),
                &[200, 100, 50, 77],
                &[215, 93, 31, 77],
            ),
            (
                "Adobe RGB",
                ColorProfile::new_adobe_rgb(),
                &[120, 150, 90],
                &[105, 151, 86],
            ),
            ("linear light", with_curve(1.0), &[128, 55, 0], &[188, 128, 0]),
            ("red and green exchanged", swapped, &[200, 30, 60], &[30, 200, 60]),
            ("grey", ColorProfile::new_gray_with_gamma(1.0), &[55], &[128, 128, 128]),
            (
                "grey with alpha",
                ColorProfile::new_gray_with_gamma(1.0),
                &[55, 9],
                &[128, 128, 128, 9],
            ),
        ];
        for (name, profile, pixel, expected) in cases {
            let found = converted(profile, pixel).expect(name);
            assert!(near(&found, expected), "{name}: {found:?} is not {expected:?}");
        }
    }

    #[test]
    fn unusable_profiles_are_ignored() {
        let mut white_is_red = ColorProfile::new_srgb();
        white_is_red.blue_colorant = moxcms::Xyzd::new(0.0, 0.0, 0.0);
        white_is_red.cicp = None;
        let mut link = ColorProfile::new_display_p3();
        link.profile_class = ProfileClass::DeviceLink;
        let cases: &[(&str, Vec<u8>, usize)] = &[
            (
                "sRGB itself changes nothing",
                ColorProfile::new_srgb().encode().expect("the image can be encoded"),
                3,
            ),
            (
                "a grey profile for an RGB image",
                ColorProfile::new_gray_with_gamma(1.0)
                    .encode()
                    .expect("the image can be encoded"),
                3,
            ),
            (
                "an RGB profile for a greyscale image",
                ColorProfile::new_display_p3()
                    .encode()
                    .expect("the image can be encoded"),
                1,
            ),
            ("no white", white_is_red.encode().expect("the image can be encoded"), 3),
            (
                "everything becomes white",
                with_curve(0.001).encode().expect("the image can be encoded"),
                3,
            ),
            (
                "a link between devices",
                link.encode().expect("the image can be encoded"),
                3,
            ),
            ("text", b"not a profile".to_vec(), 3),
            ("nothing", Vec::new(), 3),
        ];
        for (name, icc, channels) in cases {
            assert!(Conversion::from_icc(icc, *channels, false).is_none(), "{name}");
        }
        let whole = ColorProfile::new_adobe_rgb()
            .encode()
            .expect("the image can be encoded");
        for cut in 0..whole.len() {
            // Some truncated profiles are still usable, and none may panic.
            let _ = Conversion::from_icc(&whole[..cut], 3, false);
        }
    }

    #[test]
    fn colour_chunks_of_a_png_are_applied_by_precedence() {
        let plain = png::Colours::default;
        let srgb_points = [0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06];
        let cases: &[(&str, png::Colours, Option<[u8; 3]>)] = &[
            ("none", plain(), None),
            (
                "sRGB takes precedence over gamma",
                png::Colours {
                    srgb: true,
                    gamma: Some(1.0),
                    ..plain()
                },
                None,
            ),
            (
                "gamma alone",
                png::Colours {
                    gamma: Some(1.0),
                    ..plain()
                },
                Some([188, 128, 0]),
            ),
            (
                "primaries of sRGB",
                png::Colours {
                    chromaticities: Some(srgb_points),
                    ..plain()
                },
                None,
            ),
            (
                "impossible primaries",
                png::Colours {
                    chromaticities: Some([0.0; 8]),
                    ..plain()
                },
                None,
            ),
            (
                "Display P3 by number",
                png::Colours {
                    cicp: Some([12, 13, 0, 1]),
                    srgb: true,
                    ..plain()
                },
                Some([138, 49, 0]),
            ),
            (
                "high dynamic range",
                png::Colours {
                    cicp: Some([9, 16, 0, 1]),
                    ..plain()
                },
                None,
            ),
        ];
        for (name, colours, expected) in cases {
            let found =
                Conversion::from_png(colours, 3).map(|conversion| conversion.convert(vec![128, 55, 0]).expect(name));
            match (found, expected) {
                (None, None) => {}
                (Some(found), Some(expected)) if near(&found, expected) => {}
                (found, expected) => panic!("{name}: {found:?} is not {expected:?}"),
            }
        }
    }

    #[test]
    fn cmyk_without_a_profile_is_multiplied() {
        assert_eq!(
            inks_to_rgb(vec![0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255]),
            [255, 255, 255, 0, 255, 255, 0, 0, 0]
        );
    }
}
