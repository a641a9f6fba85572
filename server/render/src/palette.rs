//! Named fabric colours, and the palettes of styles.
//!
//! Linear light is approximated by squared sRGB values. That is accurate enough for shading and exact on every machine.

use super::random::Dice;

/// Fabric colour with its names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Colour {
    pub(crate) id: &'static str,
    pub(crate) en: &'static str,
    pub(crate) zh: &'static str,
    hex: u32,
}

impl Colour {
    /// Converts to linear light, each channel in `[0, 1]`.
    pub(crate) fn rgb(&self) -> [f32; 3] {
        linear(self.hex)
    }

    /// Brightness in linear light, in `[0, 1]`.
    pub(crate) fn luma(&self) -> f32 {
        luma(self.rgb())
    }
}

/// Converts `0xRRGGBB` to linear light.
pub(crate) fn linear(hex: u32) -> [f32; 3] {
    let c = |shift: u32| {
        let v = ((hex >> shift) & 255) as f32 / 255.0;
        v * v
    };
    [c(16), c(8), c(0)]
}

/// Brightness of a colour in linear light.
pub(crate) fn luma(c: [f32; 3]) -> f32 {
    0.25 * c[0] + 0.65 * c[1] + 0.10 * c[2]
}

macro_rules! colours {
    ($($name:ident = $hex:literal, $id:literal, $en:literal, $zh:literal;)+) => {
        $(pub(crate) const $name: Colour = Colour { id: $id, en: $en, zh: $zh, hex: $hex };)+
    };
}

colours! {
    WHITE = 0xF2F0EC, "white", "white", "白色";
    IVORY = 0xEFE6D5, "ivory", "ivory", "象牙白";
    CREAM = 0xEADFC4, "cream", "cream", "奶油色";
    BLACK = 0x23222A, "black", "black", "黑色";
    CHARCOAL = 0x44464C, "charcoal", "charcoal", "炭灰";
    GREY = 0x8E9096, "grey", "grey", "灰色";
    SILVER = 0xC3C6CB, "silver_grey", "silver grey", "银灰";
    BEIGE = 0xD3BFA1, "beige", "beige", "米色";
    OATMEAL = 0xC9B99E, "oatmeal", "oatmeal", "燕麦色";
    CAMEL = 0xB58654, "camel", "camel", "驼色";
    TAN = 0x9C6B43, "tan", "tan", "棕褐";
    BROWN = 0x63432F, "brown", "brown", "咖啡色";
    RUST = 0xA9532C, "rust", "rust", "铁锈红";
    TERRACOTTA = 0xBE6E52, "terracotta", "terracotta", "陶土色";
    MUSTARD = 0xC9982F, "mustard", "mustard", "芥末黄";
    YELLOW = 0xF0CB3B, "yellow", "yellow", "明黄";
    LEMON = 0xF3E8A4, "lemon", "pale lemon", "浅柠檬";
    ORANGE = 0xE5702A, "orange", "orange", "橙色";
    RED = 0xC4262E, "red", "red", "正红";
    WINE = 0x6E2233, "wine", "wine", "酒红";
    PINK = 0xEFB3C0, "pink", "pink", "粉色";
    BLUSH = 0xECCFC8, "blush", "blush", "裸粉";
    ROSE = 0xD4748B, "rose", "rose", "玫瑰粉";
    FUCHSIA = 0xC62A78, "fuchsia", "fuchsia", "桃红";
    LILAC = 0xC6B4DC, "lilac", "lilac", "丁香紫";
    PURPLE = 0x6A3D86, "purple", "purple", "紫色";
    SKY = 0xA9C8E6, "sky", "sky blue", "天蓝";
    POWDER = 0xC5D5E2, "powder_blue", "powder blue", "雾霾蓝";
    DENIM = 0x4F6D8F, "denim_blue", "denim blue", "牛仔蓝";
    COBALT = 0x2149B0, "cobalt", "cobalt", "宝石蓝";
    INDIGO = 0x2C3A66, "indigo", "indigo", "靛蓝";
    NAVY = 0x222D4A, "navy", "navy", "藏青";
    TEAL = 0x1F6A70, "teal", "teal", "孔雀蓝";
    MINT = 0xBDDFCD, "mint", "mint", "薄荷绿";
    SAGE = 0x9DAA8C, "sage", "sage", "鼠尾草绿";
    OLIVE = 0x6B6B3C, "olive", "olive", "橄榄绿";
    FOREST = 0x274A38, "forest", "forest green", "墨绿";
    GREEN = 0x1F9150, "green", "green", "翠绿";
}

/// Set of colours that a style uses together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Palette {
    Muted,
    Pale,
    Bold,
    Neutral,
    Earth,
    Sweet,
    Dark,
    Folk,
    Indigo,
    Heritage,
    Athletic,
    Everyday,
}

impl Palette {
    /// Colours for the ground of a garment.
    pub(crate) fn grounds(self) -> &'static [Colour] {
        match self {
            Self::Muted => &[
                WHITE, IVORY, CHARCOAL, NAVY, CAMEL, POWDER, GREY, WINE, BLACK, BEIGE, TEAL,
            ],
            Self::Pale => &[WHITE, IVORY, POWDER, BLUSH, LILAC, MINT, LEMON, OATMEAL, SKY],
            Self::Bold => &[RED, BLACK, COBALT, CAMEL, FOREST, FUCHSIA, ORANGE, PURPLE, MUSTARD],
            Self::Neutral => &[WHITE, BLACK, GREY, BEIGE, CHARCOAL, OATMEAL, IVORY],
            Self::Earth => &[BEIGE, SAGE, OATMEAL, OLIVE, TERRACOTTA, CREAM, TAN],
            Self::Sweet => &[PINK, BLUSH, ROSE, LILAC, LEMON, MINT, PINK],
            Self::Dark => &[BLACK, BLACK, CHARCOAL, BLACK, WINE],
            Self::Folk => &[RUST, INDIGO, MUSTARD, WINE, TEAL, CREAM, TERRACOTTA, RED],
            Self::Indigo => &[NAVY, WHITE, INDIGO, IVORY, NAVY],
            Self::Heritage => &[CAMEL, FOREST, NAVY, WINE, BROWN, BEIGE],
            Self::Athletic => &[COBALT, RED, BLACK, WHITE, GREEN, ORANGE, NAVY],
            Self::Everyday => &[WHITE, GREY, DENIM, NAVY, BLACK, OLIVE, MUSTARD, SKY, RED, CREAM],
        }
    }

    /// Colours for patterns and contrast trims.
    pub(crate) fn accents(self) -> &'static [Colour] {
        match self {
            Self::Muted => &[WHITE, NAVY, CHARCOAL, CAMEL, WINE],
            Self::Pale => &[WHITE, SKY, ROSE, SAGE, LILAC, GREY],
            Self::Bold => &[BLACK, WHITE, YELLOW, RED, COBALT],
            Self::Neutral => &[BLACK, WHITE, GREY, BEIGE],
            Self::Earth => &[CREAM, BROWN, OLIVE, RUST],
            Self::Sweet => &[WHITE, ROSE, RED, FUCHSIA, IVORY],
            Self::Dark => &[WHITE, RED, SILVER, YELLOW],
            Self::Folk => &[MUSTARD, RED, TEAL, CREAM, FUCHSIA, INDIGO],
            Self::Indigo => &[WHITE, NAVY, RED],
            Self::Heritage => &[RED, FOREST, MUSTARD, NAVY, CREAM],
            Self::Athletic => &[WHITE, YELLOW, BLACK, RED],
            Self::Everyday => &[NAVY, WHITE, RED, GREY, MUSTARD],
        }
    }

    /// Draws a ground and two accents whose brightness differs from the ground's.
    pub(crate) fn draw(self, dice: &mut Dice) -> [Colour; 3] {
        let ground = dice.pick(self.grounds());
        let mut apart = |first: Option<Colour>| {
            for _ in 0..24 {
                let c = dice.pick(self.accents());
                if (c.luma() - ground.luma()).abs() > 0.12 && Some(c) != first {
                    return c;
                }
            }
            if ground.luma() > 0.35 { BLACK } else { WHITE }
        };
        let second = apart(None);
        [ground, second, apart(Some(second))]
    }
}
