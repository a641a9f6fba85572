//! Priors of the kind of garment, for attributes that no signature sets.

use super::attributes::*;
use super::palette::Palette;
use super::random::Dice;
use super::signature::Draft;
use super::spec::{FALLBACK_PALETTE, ItemSpec};
use super::styles::StyleSet;

impl Draft {
    /// Draws all undecided attributes.
    pub(crate) fn finish(self, styles: StyleSet, dice: &mut Dice) -> ItemSpec {
        use Garment::*;
        let garment = if self.kinds.is_empty() {
            dice.pick(&[Tee, Shirt, Knit, Dress, Jacket, Sneaker, Boot, Flat, Tote, Shoulder])
        } else {
            dice.weighted(&self.kinds)
        };
        let fabric = self.fabric_for(garment, dice);
        let neck = self.neck_for(garment, dice);
        let pattern = self.pattern_for(garment, fabric, dice);
        let palette = self.palette.unwrap_or(FALLBACK_PALETTE);
        let mut colours = palette.draw(dice);
        if fabric == Fabric::Denim && !matches!(palette, Palette::Dark | Palette::Neutral | Palette::Pale) {
            colours[0] = dice.pick(&[super::palette::DENIM, super::palette::INDIGO, super::palette::POWDER]);
        }
        // These prints have their own ground.
        match pattern {
            Pattern::Leopard => colours[0] = super::palette::TAN,
            Pattern::Camo => colours[0] = super::palette::OLIVE,
            _ => {}
        }
        let closure = self.closure_for(garment, neck, dice);
        let sleeve = match garment {
            Hoodie | Blazer | Coat | Jacket => match self.sleeve {
                Some(s @ (Sleeve::Puff | Sleeve::Kimono)) if garment != Hoodie => s,
                _ => Sleeve::Long,
            },
            Tee => self.sleeve.unwrap_or_else(|| {
                dice.weighted(&[
                    (Sleeve::Short, 5.0),
                    (Sleeve::Long, 1.0),
                    (Sleeve::ThreeQuarter, 0.6),
                    (Sleeve::None, 0.6),
                ])
            }),
            Dress => self.sleeve.unwrap_or_else(|| {
                dice.weighted(&[
                    (Sleeve::None, 2.0),
                    (Sleeve::Short, 2.0),
                    (Sleeve::ThreeQuarter, 1.5),
                    (Sleeve::Long, 2.0),
                    (Sleeve::Puff, 0.4),
                ])
            }),
            _ => self.sleeve.unwrap_or_else(|| {
                dice.weighted(&[
                    (Sleeve::Long, 5.0),
                    (Sleeve::ThreeQuarter, 1.3),
                    (Sleeve::Short, 1.3),
                    (Sleeve::Puff, 0.4),
                ])
            }),
        };
        let mut waist = self.waist.unwrap_or(Waist::Straight);
        let mut fit = self
            .fit
            .unwrap_or_else(|| dice.pick(&[Fit::Regular, Fit::Regular, Fit::Fitted, Fit::Loose]));
        if matches!(garment, Tee | Hoodie | Jacket) && waist == Waist::Belted {
            waist = Waist::Nipped;
        }
        if fit == Fit::Oversize && waist == Waist::Nipped && garment != Dress {
            waist = Waist::Belted;
        }
        if garment == Hoodie && fit == Fit::Fitted {
            fit = Fit::Regular;
        }
        let pocket = self.pocket.unwrap_or(match garment {
            Hoodie => Pocket::Kangaroo,
            Blazer | Coat => Pocket::Flap,
            Jacket => Pocket::Patch,
            Shirt if dice.chance(0.5) => Pocket::Chest,
            Backpack => Pocket::Patch,
            _ => Pocket::None,
        });
        let heel = match garment {
            Sneaker => {
                if self.heel == Some(Heel::Platform) || dice.chance(0.2) {
                    Heel::Platform
                } else {
                    Heel::Flat
                }
            }
            Flat => Heel::Flat,
            Loafer => {
                if self.heel == Some(Heel::Platform) {
                    Heel::Platform
                } else {
                    dice.pick(&[Heel::Flat, Heel::Block])
                }
            }
            Boot => self
                .heel
                .unwrap_or_else(|| dice.pick(&[Heel::Block, Heel::Flat, Heel::Stiletto])),
            Pump => match self.heel {
                Some(Heel::Flat) | None => dice.pick(&[Heel::Stiletto, Heel::Block]),
                Some(h) => h,
            },
            _ => Heel::None,
        };
        ItemSpec {
            id: String::new(),
            styles,
            garment,
            fit,
            neck,
            sleeve,
            length: dice.weighted(&[(Length::Regular, 3.0), (Length::Short, 1.0), (Length::Long, 1.2)]),
            pattern,
            fabric,
            closure,
            hardware: self
                .hardware
                .unwrap_or_else(|| dice.pick(&[Hardware::Plain, Hardware::Gold, Hardware::Silver])),
            pocket,
            waist,
            logo: self.logo.unwrap_or_else(|| {
                if matches!(garment, Tee | Hoodie | Sneaker | Tote | Backpack) && dice.chance(0.45) {
                    dice.pick(&[Logo::Small, Logo::Word, Logo::Emblem])
                } else {
                    Logo::None
                }
            }),
            trim: self.trim.unwrap_or(Trim::None),
            heel,
            strap: if garment.category() == "bags" {
                self.strap.unwrap_or(Strap::Plain)
            } else {
                Strap::None
            },
            colours,
            twin_of: None,
            look: 0,
            photos: 0,
            price: 0,
            split: "train",
        }
    }

    fn fabric_for(&self, garment: Garment, dice: &mut Dice) -> Fabric {
        use Garment::*;
        let options: &[Fabric] = match garment {
            Tee => &[Fabric::Cotton],
            Shirt => &[Fabric::Cotton, Fabric::Linen, Fabric::Denim, Fabric::Satin],
            Blouse => &[Fabric::Chiffon, Fabric::Satin, Fabric::Cotton, Fabric::Linen],
            Knit => &[Fabric::Rib, Fabric::Cable, Fabric::Wool],
            Hoodie => &[Fabric::Fleece],
            Blazer => &[Fabric::Wool, Fabric::Tweed, Fabric::Linen, Fabric::Satin],
            Jacket => &[Fabric::Denim, Fabric::Leather, Fabric::Canvas],
            Coat => &[Fabric::Wool, Fabric::Canvas, Fabric::Leather, Fabric::Tweed],
            Dress => &[
                Fabric::Cotton,
                Fabric::Chiffon,
                Fabric::Satin,
                Fabric::Linen,
                Fabric::Rib,
                Fabric::Leather,
            ],
            Sneaker => &[Fabric::Canvas, Fabric::Leather, Fabric::Suede],
            Boot | Loafer => &[Fabric::Leather, Fabric::Suede, Fabric::Leather],
            Pump | Flat => &[Fabric::Leather, Fabric::Satin, Fabric::Suede],
            Tote => &[Fabric::Canvas, Fabric::Leather, Fabric::Linen],
            Shoulder | Handbag => &[Fabric::Leather, Fabric::Leather, Fabric::Suede],
            Backpack => &[Fabric::Canvas, Fabric::Leather],
        };
        match self.fabric {
            Some(f) if options.contains(&f) => f,
            Some(Fabric::Linen) if garment == Knit || garment == Tee => Fabric::Linen,
            Some(Fabric::Linen) => Fabric::Canvas,
            Some(Fabric::Leather) if garment == Blazer => Fabric::Leather,
            _ => dice.pick(options),
        }
    }

    fn neck_for(&self, garment: Garment, dice: &mut Dice) -> Neck {
        use Garment::*;
        let tailored = self.neck.filter(|n| matches!(n, Neck::Sailor | Neck::Wrap));
        match garment {
            Shirt => tailored.unwrap_or(Neck::Collar),
            Blazer => Neck::Lapel,
            Coat => dice.pick(&[Neck::Lapel, Neck::Lapel, Neck::Stand]),
            Hoodie => Neck::Hood,
            Jacket => dice.pick(&[Neck::Collar, Neck::Stand]),
            Knit => self
                .neck
                .unwrap_or_else(|| dice.pick(&[Neck::Crew, Neck::Turtle, Neck::Vee, Neck::Boat])),
            Tee => self
                .neck
                .unwrap_or_else(|| dice.weighted(&[(Neck::Crew, 5.0), (Neck::Vee, 2.0), (Neck::Boat, 1.0)])),
            Blouse => self
                .neck
                .unwrap_or_else(|| dice.pick(&[Neck::Vee, Neck::Stand, Neck::PeterPan, Neck::Square, Neck::Collar])),
            _ => self
                .neck
                .unwrap_or_else(|| dice.pick(&[Neck::Crew, Neck::Vee, Neck::Square, Neck::Boat, Neck::Collar])),
        }
    }

    fn pattern_for(&self, garment: Garment, fabric: Fabric, dice: &mut Dice) -> Pattern {
        use Pattern::*;
        if let Some(p) = self.pattern {
            let smooth = !matches!(fabric, Fabric::Leather | Fabric::Suede | Fabric::Cable)
                || matches!(p, Leopard | Folk | Houndstooth | Tartan);
            let fits = p != Lace || matches!(garment, Garment::Dress | Garment::Blouse);
            return if smooth && fits { p } else { Plain };
        }
        if matches!(
            fabric,
            Fabric::Leather | Fabric::Suede | Fabric::Denim | Fabric::Cable | Fabric::Rib
        ) {
            return Plain;
        }
        match garment {
            Garment::Tee => dice.weighted(&[(Plain, 4.0), (Stripe, 3.0)]),
            Garment::Shirt => dice.weighted(&[(Plain, 3.0), (Pinstripe, 2.0), (Stripe, 1.0), (Gingham, 1.0)]),
            Garment::Blouse | Garment::Dress => {
                dice.weighted(&[(Plain, 4.0), (Floral, 1.3), (Dot, 1.0), (Stripe, 0.8), (Lace, 0.4)])
            }
            Garment::Knit => dice.weighted(&[(Plain, 3.0), (Stripe, 2.0)]),
            Garment::Blazer | Garment::Coat => dice.weighted(&[(Plain, 4.0), (Pinstripe, 0.8), (Houndstooth, 0.5)]),
            Garment::Tote => dice.weighted(&[(Plain, 3.0), (Stripe, 1.0)]),
            _ => Plain,
        }
    }

    fn closure_for(&self, garment: Garment, neck: Neck, dice: &mut Dice) -> Closure {
        use Garment::*;
        match garment {
            Shirt if neck == Neck::Collar => Closure::Buttons,
            Blazer => {
                if self.closure == Some(Closure::Double) || dice.chance(0.25) {
                    Closure::Double
                } else {
                    Closure::Buttons
                }
            }
            Coat => {
                if self.closure == Some(Closure::Double) || dice.chance(0.4) {
                    Closure::Double
                } else {
                    Closure::Buttons
                }
            }
            Jacket => match self.closure {
                Some(Closure::Zip) => Closure::Zip,
                _ => dice.pick(&[Closure::Zip, Closure::Buttons]),
            },
            Hoodie => {
                if self.closure == Some(Closure::Zip) || dice.chance(0.25) {
                    Closure::Zip
                } else {
                    Closure::None
                }
            }
            Blouse => match neck {
                Neck::Collar | Neck::Stand | Neck::PeterPan => Closure::Buttons,
                _ => Closure::None,
            },
            Dress if neck == Neck::Collar => Closure::Buttons,
            Knit if neck == Neck::Vee && dice.chance(0.5) => Closure::Buttons,
            Sneaker => Closure::Laces,
            Boot => dice.pick(&[Closure::Laces, Closure::Zip, Closure::None]),
            Shoulder | Handbag => dice.pick(&[Closure::Flap, Closure::Flap, Closure::Zip]),
            Backpack => dice.pick(&[Closure::Zip, Closure::Flap]),
            Tee if neck == Neck::Crew && dice.chance(0.1) => Closure::Placket,
            _ => Closure::None,
        }
    }
}
