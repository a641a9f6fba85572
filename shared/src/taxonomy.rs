//! Styles of the JD AI Fashion Challenge and categories of products: stable identifiers with their names.
//!
//! **Invariant:** identifiers and their order do not change, because bundles, datasets and stored results contain them.

use serde::{Deserialize, Serialize};

/// A style of a garment. A garment has one to five styles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Stable identifier in manifests and in the HTTP protocol.
    pub id: &'static str,
    /// English name.
    pub en: &'static str,
    /// Chinese name.
    pub zh: &'static str,
}

const fn style(id: &'static str, en: &'static str, zh: &'static str) -> Style {
    Style { id, en, zh }
}

/// All styles in the challenge's column order.
pub const STYLES: [Style; 13] = [
    style("sport", "Sport", "运动"),
    style("casual", "Casual", "休闲"),
    style("ol_commuter", "Office / commuter", "OL/通勤"),
    style("japanese", "Japanese", "日系"),
    style("korean", "Korean", "韩版"),
    style("european_american", "European / American", "欧美"),
    style("british", "British", "英伦"),
    style("girlish", "Girlish", "少女"),
    style("ladylike", "Ladylike", "名媛/淑女"),
    style("minimalist", "Minimalist", "简约"),
    style("natural", "Natural", "自然"),
    style("street_punk", "Street / punk", "街头/朋克"),
    style("ethnic", "Ethnic", "民族"),
];

/// Returns the style with this identifier.
pub fn style_by_id(id: &str) -> Option<&'static Style> {
    STYLES.iter().find(|style| style.id == id)
}

/// Category of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Category {
    /// Garments of the upper body, with dresses and coats.
    Tops,
    /// Footwear.
    Shoes,
    /// Bags of any kind.
    Bags,
    /// All other products.
    Other,
}

impl Category {
    /// All categories.
    pub const ALL: [Self; 4] = [Self::Tops, Self::Shoes, Self::Bags, Self::Other];

    /// Stable identifier in manifests and in the HTTP protocol.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Tops => "tops",
            Self::Shoes => "shoes",
            Self::Bags => "bags",
            Self::Other => "other",
        }
    }

    /// English and Chinese name.
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Tops => ("Tops", "上装"),
            Self::Shoes => ("Shoes", "鞋"),
            Self::Bags => ("Bags", "包"),
            Self::Other => ("Other", "其他"),
        }
    }

    /// True if `labels` are all categories in their order. Such labels exclude each other.
    pub fn are<S: AsRef<str>>(labels: &[S]) -> bool {
        labels
            .iter()
            .map(AsRef::as_ref)
            .eq(Self::ALL.iter().map(|category| category.id()))
    }

    /// Returns the category with this identifier.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_unique_and_lead_to_their_style_or_category() {
        for style in &STYLES {
            assert_eq!(style_by_id(style.id), Some(style));
            assert_eq!(STYLES.iter().filter(|other| other.id == style.id).count(), 1);
        }
        for category in Category::ALL {
            assert_eq!(Category::from_id(category.id()), Some(category));
            assert_eq!(
                serde_json::to_string(&category).expect("serializes"),
                format!("\"{}\"", category.id())
            );
        }
        assert_eq!(Category::from_id("hats"), None);
    }
}
