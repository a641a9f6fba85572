//! Categories of the search by the texts of a shop.

use std::collections::HashMap;

use shared::taxonomy::Category;

/// Words of a category's text, in English or Chinese. The first that occurs decides.
const WORDS: [(&str, Category); 34] = [
    ("shoe", Category::Shoes),
    ("sneaker", Category::Shoes),
    ("boot", Category::Shoes),
    ("sandal", Category::Shoes),
    ("heels", Category::Shoes),
    ("loafer", Category::Shoes),
    ("slipper", Category::Shoes),
    ("鞋", Category::Shoes),
    ("靴", Category::Shoes),
    ("handbag", Category::Bags),
    ("backpack", Category::Bags),
    ("bag", Category::Bags),
    ("purse", Category::Bags),
    ("clutch", Category::Bags),
    ("包", Category::Bags),
    ("skirt", Category::Other),
    ("半裙", Category::Other),
    ("dress", Category::Tops),
    ("shirt", Category::Tops),
    ("blouse", Category::Tops),
    ("tops", Category::Tops),
    ("sweater", Category::Tops),
    ("hoodie", Category::Tops),
    ("cardigan", Category::Tops),
    ("jacket", Category::Tops),
    ("coat", Category::Tops),
    ("outerwear", Category::Tops),
    ("blazer", Category::Tops),
    ("knitwear", Category::Tops),
    ("上装", Category::Tops),
    ("衫", Category::Tops),
    ("外套", Category::Tops),
    ("连衣裙", Category::Tops),
    ("卫衣", Category::Tops),
];

/// Category of a product by the text that the shop gives, such as `tops` or `Apparel > Shoes`. The last part of a path
/// decides first. A text without a known word is [`Category::Other`].
#[must_use]
pub fn category_of(text: &str) -> Category {
    if let Some(category) = Category::from_id(text) {
        return category;
    }
    let text = text.to_lowercase();
    let in_part = |part: &str| {
        let found = WORDS.iter().find(|(word, _)| part.contains(word));
        found.map(|(_, category)| *category)
    };
    let mut parts = text.rsplit(['>', '/', '|']);
    parts.find_map(in_part).unwrap_or(Category::Other)
}

/// Categories of texts, each computed once.
#[derive(Debug, Default)]
pub(super) struct Categories(HashMap<String, Category>);

impl Categories {
    /// The texts with their categories.
    pub(super) fn into_texts(self) -> Vec<(String, Category)> {
        self.0.into_iter().collect()
    }

    /// Category of a text. Without a text it is [`Category::Other`].
    pub(super) fn category(&mut self, text: Option<&str>) -> Category {
        let Some(text) = text else {
            return Category::Other;
        };
        if let Some(known) = self.0.get(text) {
            return *known;
        }
        let category = category_of(text);
        self.0.insert(text.to_owned(), category);
        category
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_shops_become_categories() {
        for (text, expected) in [
            ("tops", Category::Tops),
            ("Apparel & Accessories > Shoes", Category::Shoes),
            ("Shoes > Bags", Category::Bags),
            ("Women/Dresses", Category::Tops),
            ("Mini skirt", Category::Other),
            ("女鞋", Category::Shoes),
            ("单肩包", Category::Bags),
            ("Scarves", Category::Other),
            ("", Category::Other),
        ] {
            assert_eq!(category_of(text), expected, "{text}");
        }
    }
}
