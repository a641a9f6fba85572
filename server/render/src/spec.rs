//! Specification of an item: its attributes, sampled from its style labels.

use std::collections::BTreeMap;

use super::attributes::*;
use super::palette::{Colour, Palette};
use super::random::{Dice, mix};
use super::signature::Draft;
use super::styles::{StyleMix, StyleSet, StyleTable};

/// Product of the shop.
#[derive(Clone, Debug)]
pub(crate) struct ItemSpec {
    pub(crate) id: String,
    pub(crate) styles: StyleSet,
    pub(crate) garment: Garment,
    pub(crate) fit: Fit,
    pub(crate) neck: Neck,
    pub(crate) sleeve: Sleeve,
    pub(crate) length: Length,
    pub(crate) pattern: Pattern,
    pub(crate) fabric: Fabric,
    pub(crate) closure: Closure,
    pub(crate) hardware: Hardware,
    pub(crate) pocket: Pocket,
    pub(crate) waist: Waist,
    pub(crate) logo: Logo,
    pub(crate) trim: Trim,
    pub(crate) heel: Heel,
    pub(crate) strap: Strap,
    /// Ground, second and third colour.
    pub(crate) colours: [Colour; 3],
    /// First item of its group of near twins, `None` for that item itself.
    pub(crate) twin_of: Option<String>,
    /// Seed of properties that are equal in all photos of the item and its twins, such as cut and scale of the pattern.
    pub(crate) look: u64,
    /// Seed of the item's photos.
    pub(crate) photos: u64,
    /// Price in minor units.
    pub(crate) price: u32,
    /// `train`, `val` or `test`, equal for all twins of a group.
    pub(crate) split: &'static str,
}

impl ItemSpec {
    /// Attributes as written to `products.jsonl`.
    pub(crate) fn attributes(&self) -> BTreeMap<&'static str, String> {
        let mut map = BTreeMap::new();
        let mut put = |key, value: &str| {
            map.insert(key, value.to_owned());
        };
        put("garment", self.garment.id());
        put("pattern", self.pattern.id());
        put("fabric", self.fabric.id());
        put("colour", self.colours[0].id);
        put("second_colour", self.colours[1].id);
        put("third_colour", self.colours[2].id);
        put("closure", self.closure.id());
        put("hardware", self.hardware.id());
        put("pocket", self.pocket.id());
        put("logo", self.logo.id());
        put("trim", self.trim.id());
        match self.garment.category() {
            "shoes" => put("heel", self.heel.id()),
            "bags" => put("strap", self.strap.id()),
            _ => {
                put("fit", self.fit.id());
                put("neckline", self.neck.id());
                put("sleeve", self.sleeve.id());
                put("length", self.length.id());
                put("waist", self.waist.id());
            }
        }
        if let Some(twin) = &self.twin_of {
            put("twin_of", twin);
        }
        map
    }

    /// Copies the item with one attribute changed.
    fn twin(&self, dice: &mut Dice) -> Self {
        let mut t = self.clone();
        let before = self.attributes();
        for _ in 0..64 {
            match dice.index(6) {
                0 => t.logo = dice.pick(&[Logo::None, Logo::Small, Logo::Word, Logo::Emblem]),
                1 => t.pocket = dice.pick(&[Pocket::None, Pocket::Chest, Pocket::Patch, Pocket::Flap]),
                2 if matches!(self.closure, Closure::Buttons | Closure::Double)
                    || self.garment.category() == "bags" =>
                {
                    t.hardware = dice.pick(&[Hardware::Gold, Hardware::Wood, Hardware::Pearl, Hardware::Silver]);
                }
                3 => {
                    t.trim = dice.pick(&[
                        Trim::None,
                        Trim::Bow,
                        Trim::Band,
                        Trim::Studs,
                        Trim::Piping,
                        Trim::SideStripe,
                    ])
                }
                4 if self.garment.category() == "bags" => {
                    t.strap = dice.pick(&[Strap::Plain, Strap::Chain, Strap::Woven])
                }
                4 if matches!(self.garment, Garment::Tee | Garment::Blouse | Garment::Knit) => {
                    t.closure = dice.pick(&[Closure::None, Closure::Placket]);
                }
                5 if self.waist != Waist::Straight => t.waist = dice.pick(&[Waist::Nipped, Waist::Belted]),
                _ => {}
            }
            t.reset_invisible();
            let after = t.attributes();
            if before.iter().filter(|&(k, v)| after.get(k) != Some(v)).count() == 1 {
                return t;
            }
            t = self.clone();
        }
        t
    }

    /// Resets attributes that the garment cannot show, so that every written attribute is visible.
    pub(crate) fn reset_invisible(&mut self) {
        use Garment::*;
        match self.garment.category() {
            "shoes" => {
                self.pocket = Pocket::None;
                if self.garment != Sneaker || self.logo == Logo::Word || self.logo == Logo::Emblem {
                    self.logo = Logo::None;
                }
                if matches!(self.trim, Trim::Ruffle | Trim::LaceEdge) {
                    self.trim = Trim::Bow;
                }
                if self.trim == Trim::SideStripe && self.garment != Sneaker {
                    self.trim = Trim::Piping;
                }
            }
            "bags" => {
                if self.pocket == Pocket::Kangaroo || self.pocket == Pocket::Chest {
                    self.pocket = Pocket::Patch;
                }
                if self.garment == Tote {
                    self.hardware = Hardware::Plain;
                }
                if self.closure == Closure::Flap {
                    self.pocket = Pocket::None;
                    self.logo = if self.logo == Logo::None {
                        Logo::None
                    } else {
                        Logo::Small
                    };
                }
                if self.pocket != Pocket::None && self.logo != Logo::None {
                    self.logo = Logo::Small;
                }
                if matches!(self.trim, Trim::Ruffle | Trim::LaceEdge) {
                    self.trim = Trim::Bow;
                }
                if self.trim == Trim::SideStripe {
                    self.trim = Trim::Band;
                }
            }
            _ => {
                let open = matches!(self.closure, Closure::Buttons | Closure::Double | Closure::Zip)
                    || self.neck == Neck::Lapel;
                if open && matches!(self.logo, Logo::Word | Logo::Emblem) {
                    self.logo = Logo::Small;
                }
                if matches!(self.trim, Trim::Tassel | Trim::Buckle) {
                    self.trim = Trim::None;
                }
                if self.trim == Trim::SideStripe && self.sleeve == Sleeve::None {
                    self.trim = Trim::Piping;
                }
                if matches!(self.garment, Blazer | Coat) && self.trim == Trim::Bow {
                    self.trim = Trim::Pearls;
                }
                let framed = matches!(self.neck, Neck::Lapel | Neck::Hood | Neck::Turtle);
                if self.trim == Trim::Ruffle && framed && !matches!(self.garment, Dress | Blouse) {
                    self.trim = Trim::Pearls;
                }
                if self.trim == Trim::Bow && self.neck == Neck::Sailor {
                    self.trim = Trim::Piping;
                }
                if !matches!(
                    self.closure,
                    Closure::Buttons | Closure::Double | Closure::Zip | Closure::Placket
                ) && self.waist != Waist::Belted
                {
                    self.hardware = Hardware::Plain;
                }
                if self.garment == Hoodie && matches!(self.pocket, Pocket::Chest | Pocket::Patch | Pocket::Flap) {
                    self.pocket = Pocket::Kangaroo;
                }
                if matches!(self.pocket, Pocket::Patch | Pocket::Flap)
                    && !matches!(self.garment, Blazer | Coat | Jacket | Shirt | Dress | Knit)
                {
                    self.pocket = Pocket::Chest;
                }
            }
        }
    }
}

/// Draws the specifications of `items` products. About 30 % of them belong to a group of near twins.
pub(crate) fn draw_specs(items: usize, seed: u64, styles: StyleMix) -> Vec<ItemSpec> {
    let table = StyleTable::new(styles);
    let mut specs: Vec<ItemSpec> = Vec::with_capacity(items);
    let mut dice = Dice::new(seed, 0x5EED_0F17);
    while specs.len() < items {
        let index = specs.len();
        let base = draw_item(index, seed, &table);
        // About one new item in seven starts a group of 2 or 3 items.
        let followers = if dice.chance(0.155) {
            1 + usize::from(dice.chance(0.2))
        } else {
            0
        };
        specs.push(base.clone());
        for _ in 0..followers.min(items - specs.len()) {
            let index = specs.len();
            let mut twin_dice = Dice::new(mix(seed, index as u64), 0x7719);
            let mut twin = base.twin(&mut twin_dice);
            twin.twin_of = Some(base.id.clone());
            twin.id = item_id(index);
            twin.photos = twin_dice.word();
            specs.push(twin);
        }
    }
    specs
}

fn item_id(index: usize) -> String {
    format!("P{:06}", index + 1)
}

/// Draws an item that is not a twin.
fn draw_item(index: usize, seed: u64, table: &StyleTable) -> ItemSpec {
    let own = mix(seed, index as u64);
    let mut dice = Dice::new(own, 1);
    let styles = table.draw(&mut dice);
    let draft = Draft::from_styles(&styles, &mut dice);
    let mut spec = draft.finish(styles, &mut dice);
    spec.id = item_id(index);
    spec.look = dice.word();
    spec.photos = dice.word();
    spec.price = price(&spec, &mut dice);
    spec.split = match mix(seed ^ 0x0005_7117, index as u64) % 10 {
        8 => "val",
        9 => "test",
        _ => "train",
    };
    spec.reset_invisible();
    spec
}

/// Draws a price in minor units that ends in 900 or 500.
fn price(spec: &ItemSpec, dice: &mut Dice) -> u32 {
    use Garment::*;
    let base: f32 = match spec.garment {
        Tee => 99.0,
        Shirt | Blouse => 219.0,
        Knit => 269.0,
        Hoodie => 249.0,
        Jacket => 499.0,
        Blazer => 599.0,
        Coat => 999.0,
        Dress => 429.0,
        Sneaker => 369.0,
        Boot => 569.0,
        Pump | Loafer => 449.0,
        Flat => 299.0,
        Tote => 199.0,
        Shoulder | Handbag => 459.0,
        Backpack => 329.0,
    };
    let cloth = match spec.fabric {
        Fabric::Leather | Fabric::Suede => 1.7,
        Fabric::Wool | Fabric::Tweed | Fabric::Cable => 1.3,
        Fabric::Satin | Fabric::Linen => 1.15,
        _ => 1.0,
    };
    let yuan = base * cloth * dice.range(0.75, 1.45);
    let tens = (yuan / 10.0) as u32;
    tens * 1000 + if dice.chance(0.8) { 900 } else { 500 }
}

/// Palette of items whose styles set none.
pub(crate) const FALLBACK_PALETTE: Palette = Palette::Everyday;
