//! Attributes of items: enumerations with stable ids and names in English and Chinese.

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $id:literal, $en:literal, $zh:literal;)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub(crate) enum $name { $($variant),+ }

            impl $name {
                /// Id written to `products.jsonl`.
                pub(crate) fn id(self) -> &'static str {
                    match self { $(Self::$variant => $id),+ }
                }

                /// English word in a product name, or empty.
                #[allow(dead_code)]
                pub(crate) fn en(self) -> &'static str {
                    match self { $(Self::$variant => $en),+ }
                }

                /// Chinese word in a product name, or empty.
                #[allow(dead_code)]
                pub(crate) fn zh(self) -> &'static str {
                    match self { $(Self::$variant => $zh),+ }
                }
            }
        )+
    };
}

attributes! {
    /// Kind of garment, shoe or bag.
    Garment {
        Tee = "tee", "tee", "T恤";
        Shirt = "shirt", "shirt", "衬衫";
        Blouse = "blouse", "blouse", "雪纺衫";
        Knit = "knit", "knit", "针织衫";
        Hoodie = "hoodie", "hoodie", "卫衣";
        Blazer = "blazer", "blazer", "西装外套";
        Jacket = "jacket", "jacket", "夹克";
        Coat = "coat", "coat", "大衣";
        Dress = "dress", "dress", "连衣裙";
        Sneaker = "sneaker", "sneakers", "运动鞋";
        Boot = "boot", "ankle boots", "短靴";
        Pump = "pump", "pumps", "高跟鞋";
        Loafer = "loafer", "loafers", "乐福鞋";
        Flat = "flat", "ballet flats", "平底鞋";
        Tote = "tote", "tote bag", "托特包";
        Shoulder = "shoulder_bag", "shoulder bag", "单肩包";
        Handbag = "handbag", "handbag", "手提包";
        Backpack = "backpack", "backpack", "双肩包";
    }
    /// Fit on the body.
    Fit {
        Fitted = "fitted", "fitted", "修身";
        Regular = "regular", "", "";
        Loose = "loose", "loose", "宽松";
        Oversize = "oversize", "oversized", "廓形";
    }
    /// Shape of the neckline or collar.
    Neck {
        Crew = "crew", "crew-neck", "圆领";
        Vee = "v", "V-neck", "V领";
        Boat = "boat", "boat-neck", "一字领";
        Square = "square", "square-neck", "方领";
        Collar = "collar", "", "翻领";
        PeterPan = "peter_pan", "round-collar", "娃娃领";
        Turtle = "turtleneck", "roll-neck", "高领";
        Stand = "stand", "stand-collar", "立领";
        Lapel = "lapel", "", "";
        Hood = "hood", "", "连帽";
        Sailor = "sailor", "sailor-collar", "水手领";
        Wrap = "wrap", "wrap-front", "交领";
    }
    /// Sleeves.
    Sleeve {
        None = "none", "sleeveless", "无袖";
        Short = "short", "", "短袖";
        ThreeQuarter = "three_quarter", "three-quarter-sleeve", "七分袖";
        Long = "long", "", "长袖";
        Puff = "puff", "puff-sleeve", "泡泡袖";
        Kimono = "kimono", "wide-sleeve", "阔袖";
    }
    /// Length relative to the kind of garment.
    Length {
        Short = "short", "cropped", "短款";
        Regular = "regular", "", "";
        Long = "long", "long", "长款";
    }
    /// Pattern of the cloth.
    Pattern {
        Plain = "plain", "", "";
        Stripe = "stripe", "striped", "条纹";
        Pinstripe = "pinstripe", "pinstriped", "细条纹";
        Gingham = "gingham", "gingham", "格纹";
        Tartan = "tartan", "tartan", "苏格兰格";
        Houndstooth = "houndstooth", "houndstooth", "千鸟格";
        Dot = "dot", "polka-dot", "波点";
        Floral = "floral", "floral", "碎花";
        Lace = "lace", "lace", "蕾丝";
        Leopard = "leopard", "leopard-print", "豹纹";
        Camo = "camo", "camouflage", "迷彩";
        Folk = "folk", "woven-motif", "民族提花";
    }
    /// Material.
    Fabric {
        Cotton = "cotton", "cotton", "棉";
        Linen = "linen", "linen", "亚麻";
        Rib = "rib_knit", "ribbed", "罗纹";
        Cable = "cable_knit", "cable-knit", "麻花";
        Denim = "denim", "denim", "牛仔";
        Leather = "leather", "leather", "皮革";
        Suede = "suede", "suede", "麂皮";
        Satin = "satin", "satin", "缎面";
        Chiffon = "chiffon", "chiffon", "雪纺";
        Wool = "wool", "wool", "羊毛";
        Tweed = "tweed", "tweed", "粗花呢";
        Fleece = "fleece", "fleece", "抓绒";
        Canvas = "canvas", "canvas", "帆布";
    }
    /// Closure.
    Closure {
        None = "none", "", "";
        Buttons = "buttons", "", "";
        Double = "double_breasted", "double-breasted", "双排扣";
        Zip = "zip", "zip-up", "拉链";
        Placket = "placket", "half-placket", "半襟";
        Laces = "laces", "lace-up", "系带";
        Flap = "flap", "", "";
    }
    /// Material of buttons and metal parts.
    Hardware {
        Plain = "plain", "", "";
        Pearl = "pearl", "", "";
        Wood = "wood", "", "";
        Gold = "gold", "", "";
        Silver = "silver", "", "";
    }
    /// Pockets.
    Pocket {
        None = "none", "", "";
        Chest = "chest", "", "";
        Patch = "patch", "", "";
        Kangaroo = "kangaroo", "", "";
        Flap = "flap", "", "";
    }
    /// Waist of a top or dress.
    Waist {
        Straight = "straight", "", "";
        Nipped = "nipped", "waisted", "收腰";
        Belted = "belted", "belted", "束腰";
    }
    /// Printed or woven logo.
    Logo {
        None = "none", "", "";
        Small = "small", "", "";
        Word = "word", "logo", "字母";
        Emblem = "emblem", "graphic", "印花";
    }
    /// Added ornament.
    Trim {
        None = "none", "", "";
        Bow = "bow", "bow-trimmed", "蝴蝶结";
        Ruffle = "ruffle", "ruffled", "荷叶边";
        LaceEdge = "lace_edge", "lace-trimmed", "蕾丝边";
        Pearls = "pearls", "pearl-trimmed", "珍珠";
        Band = "embroidered_band", "embroidered", "刺绣";
        Studs = "studs", "studded", "铆钉";
        SideStripe = "side_stripe", "side-stripe", "侧条";
        Piping = "piping", "piped", "滚边";
        Tassel = "tassel", "tasselled", "流苏";
        Buckle = "buckle", "buckled", "搭扣";
    }
    /// Heel of a shoe.
    Heel {
        None = "none", "", "";
        Flat = "flat", "", "";
        Block = "block", "block-heel", "粗跟";
        Stiletto = "stiletto", "stiletto", "细跟";
        Platform = "platform", "platform", "厚底";
    }
    /// Strap of a bag.
    Strap {
        None = "none", "", "";
        Plain = "plain", "", "";
        Chain = "chain", "chain-strap", "链条";
        Woven = "woven", "woven-strap", "编织带";
    }
}

impl Garment {
    /// Category: `tops`, `shoes` or `bags`.
    pub(crate) fn category(self) -> &'static str {
        match self {
            Self::Sneaker | Self::Boot | Self::Pump | Self::Loafer | Self::Flat => "shoes",
            Self::Tote | Self::Shoulder | Self::Handbag | Self::Backpack => "bags",
            _ => "tops",
        }
    }
}
