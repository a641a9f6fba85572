//! Classes of the pixels of an outfit: background, skin, hair and the pieces that a person wears.
//!
//! **Invariant:** identifiers do not change, because bundles and the HTTP protocol contain them.

use crate::taxonomy::Category;
use serde::{Deserialize, Serialize};

/// Class of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutfitClass {
    /// No person and no piece.
    Background,
    /// Skin.
    Skin,
    /// Hair.
    Hair,
    /// Garments of the upper body that are worn on the skin or over other tops, such as shirts and sweaters.
    Top,
    /// Garments that are worn over a top, such as jackets, coats and cardigans.
    Outerwear,
    /// Garments in one piece for the upper and the lower body.
    Dress,
    /// Garments of the lower body.
    Bottoms,
    /// Footwear.
    Shoes,
    /// Bags, purses and wallets.
    Bag,
    /// Hats and caps.
    Headwear,
    /// All other pieces, such as scarves, belts, jewellery, legwear and underwear.
    Other,
}

/// Names of labels per class, in lower case. They are those of the label list of the Clothing Co-Parsing dataset (Yang, Luo, Lin
/// 2014, <https://github.com/bearpaw/clothing-co-parsing>), of the rendered shop, and frequent names of other datasets. Every
/// other name is [`OutfitClass::Other`].
const LABELS: [(OutfitClass, &[&str]); 10] = [
    (OutfitClass::Background, &["background", "null"]),
    (OutfitClass::Skin, &["arm", "face", "leg", "person", "skin"]),
    (OutfitClass::Hair, &["hair"]),
    (
        OutfitClass::Top,
        &[
            "blouse",
            "bodysuit",
            "hoodie",
            "jumper",
            "shirt",
            "sweater",
            "sweatshirt",
            "t-shirt",
            "tops",
            "top",
            "upper-clothes",
        ],
    ),
    (
        OutfitClass::Outerwear,
        &[
            "blazer",
            "cape",
            "cardigan",
            "coat",
            "jacket",
            "outerwear",
            "suit",
            "vest",
        ],
    ),
    (OutfitClass::Dress, &["dress", "jumpsuit", "jumpsuits", "romper"]),
    (
        OutfitClass::Bottoms,
        &["bottoms", "jeans", "leggings", "pants", "shorts", "skirt", "trousers"],
    ),
    (
        OutfitClass::Shoes,
        &[
            "boots", "clogs", "flats", "heels", "loafers", "pumps", "sandals", "shoe", "shoes", "sneakers", "wedges",
        ],
    ),
    (OutfitClass::Bag, &["bag", "bags", "purse", "wallet"]),
    (OutfitClass::Headwear, &["cap", "hat", "headwear"]),
];

impl OutfitClass {
    /// All classes. Networks have them in this order.
    pub const ALL: [Self; 11] = [
        Self::Background,
        Self::Skin,
        Self::Hair,
        Self::Top,
        Self::Outerwear,
        Self::Dress,
        Self::Bottoms,
        Self::Shoes,
        Self::Bag,
        Self::Headwear,
        Self::Other,
    ];

    /// Stable identifier in bundles and in the HTTP protocol.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Skin => "skin",
            Self::Hair => "hair",
            Self::Top => "top",
            Self::Outerwear => "outerwear",
            Self::Dress => "dress",
            Self::Bottoms => "bottoms",
            Self::Shoes => "shoes",
            Self::Bag => "bag",
            Self::Headwear => "headwear",
            Self::Other => "other",
        }
    }

    /// Returns the class with this identifier.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.id() == id)
    }

    /// Returns the class of a label of a dataset, whatever its case. Unknown labels are [`Other`](Self::Other).
    pub fn of_label(label: &str) -> Self {
        let label = label.trim().to_lowercase();
        LABELS
            .into_iter()
            .find(|(_, names)| names.contains(&&*label))
            .map_or(Self::Other, |(class, _)| class)
    }

    /// True if the class is something to wear or to carry.
    pub const fn is_piece(self) -> bool {
        !matches!(self, Self::Background | Self::Skin | Self::Hair)
    }

    /// Category of products that show this class, or `None` for background, skin and hair.
    pub const fn category(self) -> Option<Category> {
        match self {
            Self::Background | Self::Skin | Self::Hair => None,
            Self::Top | Self::Outerwear | Self::Dress => Some(Category::Tops),
            Self::Shoes => Some(Category::Shoes),
            Self::Bag => Some(Category::Bags),
            Self::Bottoms | Self::Headwear | Self::Other => Some(Category::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_datasets_have_classes_by_name() {
        for (label, expected) in [
            ("null", OutfitClass::Background),
            ("skin", OutfitClass::Skin),
            ("Hair", OutfitClass::Hair),
            ("t-shirt", OutfitClass::Top),
            ("coat", OutfitClass::Outerwear),
            ("romper", OutfitClass::Dress),
            ("jeans", OutfitClass::Bottoms),
            ("wedges", OutfitClass::Shoes),
            ("purse", OutfitClass::Bag),
            ("hat", OutfitClass::Headwear),
            ("necklace", OutfitClass::Other),
            ("a label of tomorrow", OutfitClass::Other),
        ] {
            assert_eq!(OutfitClass::of_label(label), expected, "{label}");
        }
    }

    #[test]
    fn identifiers_lead_to_their_class_and_are_labels_of_it() {
        for class in OutfitClass::ALL {
            assert_eq!(OutfitClass::from_id(class.id()), Some(class));
            assert_eq!(OutfitClass::of_label(class.id()), class);
            assert_eq!(class.is_piece(), class.category().is_some());
        }
    }
}
