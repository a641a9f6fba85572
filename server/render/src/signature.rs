//! Signatures of style labels: the attributes that a label sets. Other attributes are drawn in `priors`. The rule is
//! documented in [`super::styles`].

use super::attributes::*;
use super::palette::Palette;
use super::random::Dice;
use super::styles::{BY_RARITY, StyleSet, id};

/// Probability that a label applies its signature.
const SIGNATURE: f32 = 0.9;
/// Probability that an item also gets the signature of a random style.
const NOISE: f32 = 0.05;

/// Attributes that are decided so far.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) kinds: Vec<(Garment, f32)>,
    pub(crate) palette: Option<Palette>,
    pub(crate) fit: Option<Fit>,
    pub(crate) neck: Option<Neck>,
    pub(crate) sleeve: Option<Sleeve>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) fabric: Option<Fabric>,
    pub(crate) closure: Option<Closure>,
    pub(crate) hardware: Option<Hardware>,
    pub(crate) pocket: Option<Pocket>,
    pub(crate) waist: Option<Waist>,
    pub(crate) logo: Option<Logo>,
    pub(crate) trim: Option<Trim>,
    pub(crate) heel: Option<Heel>,
    pub(crate) strap: Option<Strap>,
}

impl Draft {
    /// Creates a draft from the signatures of `styles`.
    pub(crate) fn from_styles(styles: &StyleSet, dice: &mut Dice) -> Self {
        let mut draft = Self::default();
        for style in BY_RARITY {
            if styles.has(style) && dice.chance(SIGNATURE) {
                draft.sign(style, dice);
            }
        }
        if dice.chance(NOISE) {
            let style = dice.index(13);
            draft.sign(style, dice);
        }
        draft
    }

    /// Applies the signature of a style.
    fn sign(&mut self, style: usize, dice: &mut Dice) {
        use Garment::*;
        match style {
            id::OL => {
                self.kinds = vec![
                    (Shirt, 4.0),
                    (Blouse, 4.0),
                    (Blazer, 4.0),
                    (Coat, 2.5),
                    (Dress, 6.0),
                    (Knit, 2.5),
                    (Pump, 2.6),
                    (Loafer, 1.0),
                    (Boot, 0.9),
                    (Handbag, 2.2),
                    (Shoulder, 1.4),
                    (Tote, 0.7),
                ];
                self.palette = Some(Palette::Muted);
            }
            id::LADYLIKE => {
                self.waist = Some(dice.pick(&[Waist::Nipped, Waist::Belted, Waist::Nipped]));
                self.trim = Some(dice.weighted(&[
                    (Trim::Pearls, 3.0),
                    (Trim::LaceEdge, 3.0),
                    (Trim::Ruffle, 2.0),
                    (Trim::Bow, 1.0),
                ]));
                self.hardware = Some(Hardware::Pearl);
                if dice.chance(0.3) {
                    self.pattern = Some(dice.pick(&[Pattern::Floral, Pattern::Lace, Pattern::Floral]));
                }
                self.heel = Some(dice.pick(&[Heel::Stiletto, Heel::Block]));
                self.strap = Some(Strap::Chain);
            }
            id::KOREAN => {
                self.palette = Some(Palette::Pale);
                self.fit = Some(Fit::Oversize);
            }
            id::EURO => {
                self.palette = Some(Palette::Bold);
                self.fit = Some(Fit::Fitted);
                self.neck = Some(Neck::Vee);
                match dice.index(4) {
                    0 => self.pattern = Some(Pattern::Leopard),
                    1 => self.fabric = Some(Fabric::Leather),
                    2 => self.fabric = Some(Fabric::Satin),
                    _ => {}
                }
                self.hardware = Some(Hardware::Gold);
                self.heel = Some(Heel::Stiletto);
            }
            id::MINIMALIST => {
                self.palette = Some(Palette::Neutral);
                self.pattern = Some(Pattern::Plain);
                self.trim = Some(Trim::None);
                self.pocket = Some(Pocket::None);
                self.logo = Some(Logo::None);
                self.hardware = Some(Hardware::Plain);
                self.strap = Some(Strap::Plain);
            }
            id::CASUAL => {
                self.kinds = vec![
                    (Tee, 6.0),
                    (Hoodie, 3.0),
                    (Jacket, 3.0),
                    (Knit, 1.5),
                    (Shirt, 1.5),
                    (Sneaker, 3.5),
                    (Backpack, 1.6),
                    (Tote, 1.4),
                ];
                if self.palette.is_none() || self.palette == Some(Palette::Muted) {
                    self.palette = Some(Palette::Everyday);
                }
                if self.pocket.is_none() {
                    self.pocket = Some(dice.pick(&[Pocket::Chest, Pocket::Patch]));
                }
                if self.fabric.is_none() && dice.chance(0.35) {
                    self.fabric = Some(Fabric::Denim);
                }
            }
            id::NATURAL => {
                self.palette = Some(Palette::Earth);
                self.fabric = Some(Fabric::Linen);
                self.hardware = Some(Hardware::Wood);
                self.fit = Some(Fit::Loose);
                self.strap = Some(Strap::Woven);
                self.heel = Some(Heel::Flat);
            }
            id::GIRLISH => {
                self.palette = Some(Palette::Sweet);
                self.sleeve = Some(Sleeve::Puff);
                self.neck = Some(dice.pick(&[Neck::PeterPan, Neck::Crew, Neck::Square]));
                self.pattern = Some(dice.pick(&[Pattern::Dot, Pattern::Gingham, Pattern::Floral, Pattern::Plain]));
                self.trim = Some(dice.pick(&[Trim::Bow, Trim::Bow, Trim::Ruffle]));
                self.kinds.extend([(Dress, 3.0), (Blouse, 2.0), (Flat, 1.5)]);
            }
            id::PUNK => {
                self.palette = Some(Palette::Dark);
                self.trim = Some(Trim::Studs);
                self.logo = Some(dice.pick(&[Logo::Emblem, Logo::Word]));
                self.hardware = Some(Hardware::Silver);
                match dice.index(3) {
                    0 => self.fabric = Some(Fabric::Leather),
                    1 => self.pattern = Some(Pattern::Camo),
                    _ => self.pattern = Some(Pattern::Plain),
                }
                self.closure = Some(Closure::Zip);
                self.heel = Some(Heel::Platform);
                self.strap = Some(Strap::Chain);
            }
            id::ETHNIC => {
                self.palette = Some(Palette::Folk);
                self.trim = Some(dice.pick(&[Trim::Band, Trim::Band, Trim::Tassel]));
                self.pattern = Some(dice.pick(&[Pattern::Folk, Pattern::Folk, Pattern::Plain]));
                if self.pattern == Some(Pattern::Plain) {
                    self.trim = Some(Trim::Band);
                }
                self.strap = Some(Strap::Woven);
            }
            id::JAPANESE => {
                self.palette = Some(Palette::Indigo);
                self.pattern = Some(Pattern::Plain);
                if dice.chance(0.55) {
                    self.neck = Some(Neck::Sailor);
                } else {
                    self.neck = Some(Neck::Wrap);
                    self.sleeve = Some(Sleeve::Kimono);
                }
                self.trim = Some(Trim::Piping);
                self.fit = Some(Fit::Loose);
                self.kinds.extend([(Blouse, 6.0), (Dress, 6.0)]);
            }
            id::BRITISH => {
                self.palette = Some(Palette::Heritage);
                self.pattern = Some(dice.pick(&[Pattern::Tartan, Pattern::Tartan, Pattern::Houndstooth]));
                self.closure = Some(Closure::Double);
                self.trim = Some(Trim::Buckle);
                self.kinds.extend([(Coat, 5.0), (Blazer, 3.0), (Loafer, 1.5)]);
            }
            _ => {
                self.palette = Some(Palette::Athletic);
                self.pattern = Some(Pattern::Plain);
                self.trim = Some(Trim::SideStripe);
                self.closure = Some(Closure::Zip);
                self.logo = Some(Logo::Small);
                self.kinds = vec![
                    (Hoodie, 4.0),
                    (Tee, 2.0),
                    (Jacket, 3.0),
                    (Sneaker, 3.0),
                    (Backpack, 1.2),
                ];
            }
        }
    }
}
