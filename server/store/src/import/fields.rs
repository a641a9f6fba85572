//! Fields of tables and feeds: headers, and the texts below them.

use std::collections::BTreeMap;

use super::draft::{Draft, DraftImage};
use super::options::{Format, ImportOptions};
use super::report::Fault;
use crate::currency::{exponent, minor_units};
use crate::product::{Attribute, Availability, Price, Stock};

/// Type of an attribute's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bool,
    List,
}

/// Meaning of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Name(String),
    Category,
    Price,
    Currency,
    /// Price in minor units.
    Amount,
    Brand,
    Url,
    Image,
    /// Images, separated by `|`, or by commas in a feed.
    Images(char),
    Availability,
    Quantity,
    Group,
    Attribute(String, Kind),
    Unused,
}

/// Headers of Google's feeds that are attributes of a product.
const GOOGLE_ATTRIBUTES: &str = "description color size material pattern gender age_group condition gtin mpn \
                                 google_product_category sale_price size_system size_type";

/// Returns the meaning of a header.
pub(super) fn field(header: &str, options: &ImportOptions) -> Field {
    let header = header.trim();
    let mapped = options.mapping.get(header).map_or(header, String::as_str);
    let name = mapped.to_lowercase().replace([' ', '-'], "_");
    let name = name.strip_prefix("g:").unwrap_or(&name);
    if let Some(language) = name.strip_prefix("name.") {
        return Field::Name(language.replace('_', "-"));
    }
    if let Some(attribute) = mapped
        .strip_prefix("attribute.")
        .or_else(|| mapped.strip_prefix("attributes."))
    {
        let (attribute, kind) = attribute.rsplit_once(':').unwrap_or((attribute, ""));
        let kind = match kind {
            "number" => Kind::Number,
            "bool" => Kind::Bool,
            "list" => Kind::List,
            _ => Kind::Text,
        };
        return Field::Attribute(attribute.to_owned(), kind);
    }
    let is_google = options.format == Format::Google;
    match name {
        "id" | "sku" => Field::Id,
        "name" | "title" => Field::Name(options.language.clone()),
        "category" | "product_type" => Field::Category,
        "price" => Field::Price,
        "currency" => Field::Currency,
        "amount" => Field::Amount,
        "brand" | "vendor" => Field::Brand,
        "url" | "link" => Field::Url,
        "image" | "image_link" => Field::Image,
        "images" => Field::Images('|'),
        "additional_image_link" => Field::Images(','),
        "availability" => Field::Availability,
        "stock" | "quantity" => Field::Quantity,
        "group" | "item_group_id" => Field::Group,
        "styles" => Field::Attribute("styles".into(), Kind::List),
        _ if is_google && GOOGLE_ATTRIBUTES.split_whitespace().any(|known| known == name) => {
            Field::Attribute(name.to_owned(), Kind::Text)
        }
        _ => Field::Unused,
    }
}

/// Texts that only make sense together.
#[derive(Default)]
struct Money {
    price: Option<(String, String)>,
    amount: Option<(String, String)>,
    currency: Option<(String, String)>,
}

/// Makes a draft of texts with their headers and meanings. Empty texts are missing values.
pub(super) fn draft<'a>(
    cells: impl IntoIterator<Item = (&'a Field, &'a str, &'a str)>,
    options: &ImportOptions,
) -> Result<Draft, Fault> {
    let mut draft = Draft::default();
    let mut money = Money::default();
    for (field, header, text) in cells {
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let owned = || Some((header.to_owned(), text.to_owned()));
        match field {
            Field::Price => money.price = owned(),
            Field::Amount => money.amount = owned(),
            Field::Currency => money.currency = owned(),
            _ => set(&mut draft, field, header, text)?,
        }
    }
    if draft.id.is_empty() {
        return Err(Fault::row("missing_id", "the row has no id; give each product an id"));
    }
    draft.price = money.price(options.currency.as_deref())?;
    Ok(draft)
}

fn set(draft: &mut Draft, field: &Field, header: &str, text: &str) -> Result<(), Fault> {
    match field {
        Field::Id => draft.id = text.to_owned(),
        Field::Name(language) => {
            draft.names.insert(language.clone(), text.to_owned());
        }
        Field::Category => draft.category = Some(text.to_owned()),
        Field::Brand => draft.brand = Some(text.to_owned()),
        Field::Url => draft.url = Some(text.to_owned()),
        Field::Group => draft.group = Some(text.to_owned()),
        Field::Image => draft.images.get_or_insert_default().insert(0, DraftImage::new(text)),
        Field::Images(separator) => {
            let sources = text
                .split(*separator)
                .map(str::trim)
                .filter(|source| !source.is_empty());
            draft
                .images
                .get_or_insert_default()
                .extend(sources.map(DraftImage::new));
        }
        Field::Availability => {
            let availability = Availability::parse(text).ok_or_else(|| {
                let message = format!("`{text}` is not in_stock, out_of_stock, preorder or backorder");
                Fault::of(header, "stock", message)
            })?;
            let quantity = draft.stock.and_then(|stock| stock.quantity);
            draft.stock = Some(Stock { availability, quantity });
        }
        Field::Quantity => {
            let quantity = text
                .parse()
                .map_err(|_| Fault::of(header, "stock", format!("`{text}` is not a number of pieces")))?;
            // An availability that the row gives takes precedence over the one that follows from the number.
            let availability = draft
                .stock
                .map_or(Stock::of(quantity).availability, |stock| stock.availability);
            draft.stock = Some(Stock {
                availability,
                quantity: Some(quantity),
            });
        }
        Field::Attribute(name, kind) => {
            let value = attribute(*kind, header, text)?;
            draft.attributes.get_or_insert_default().insert(name.clone(), value);
        }
        Field::Price | Field::Amount | Field::Currency | Field::Unused => {}
    }
    Ok(())
}

fn attribute(kind: Kind, header: &str, text: &str) -> Result<Attribute, Fault> {
    let fault = |what: &str| Fault::of(header, "attribute", format!("`{text}` is not {what}"));
    Ok(match kind {
        Kind::Text => Attribute::Text(text.to_owned()),
        Kind::Number => Attribute::Number(serde_json::from_str(text).map_err(|_| fault("a number such as 1.5"))?),
        Kind::Bool => Attribute::Bool(match text.to_lowercase().as_str() {
            "true" | "yes" | "1" => true,
            "false" | "no" | "0" => false,
            _ => return Err(fault("true or false")),
        }),
        Kind::List => Attribute::List(text.split(['|', ',']).map(|part| part.trim().to_owned()).collect()),
    })
}

impl Money {
    fn price(self, default: Option<&str>) -> Result<Option<Price>, Fault> {
        let (header, currency) = self
            .currency
            .map_or((None, default.map(str::to_owned)), |(header, currency)| {
                (Some(header), Some(currency))
            });
        match (self.price, self.amount) {
            (Some((header, text)), None) => price_of_text(&header, &text, currency.as_deref()).map(Some),
            (None, Some((column, text))) => {
                let amount = minor_units(&text, 0).map_err(|message| Fault::of(&column, "price", message))?;
                let currency = currency.ok_or_else(|| no_currency(&column, &text))?;
                if exponent(&currency).is_none() {
                    return Err(unknown_currency(header.as_deref().unwrap_or(&column), &currency));
                }
                Ok(Some(Price { amount, currency }))
            }
            (None, None) => Ok(None),
            (Some((header, _)), Some((other, _))) => Err(Fault::of(
                header,
                "price",
                format!("the row also has `{other}`; give one of them"),
            )),
        }
    }
}

/// Parses a price such as `12.34 EUR`. A text without a currency has the currency `default`.
pub(super) fn price_of_text(column: &str, text: &str, default: Option<&str>) -> Result<Price, Fault> {
    let is_letter = |c: char| c.is_alphabetic();
    let text = text.trim();
    if !text.chars().any(|c| c.is_ascii_digit()) {
        let message = format!("`{text}` is not a price; write a number such as 12.90");
        return Err(Fault::of(column, "price", message));
    }
    let (amount, currency) = match (text.find(is_letter), text.starts_with(is_letter)) {
        (None, _) => (text, default.ok_or_else(|| no_currency(column, text))?),
        (Some(_), true) => {
            let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
            (&text[end..], &text[..end])
        }
        (Some(at), false) => (&text[..at], &text[at..]),
    };
    let decimals = exponent(currency).ok_or_else(|| unknown_currency(column, currency))?;
    let amount = minor_units(amount, decimals).map_err(|message| Fault::of(column, "price", message))?;
    Ok(Price {
        amount,
        currency: currency.to_owned(),
    })
}

fn no_currency(column: &str, text: &str) -> Fault {
    Fault::of(
        column,
        "currency",
        format!("`{text}` has no currency; write {text} EUR or name the file's currency"),
    )
}

fn unknown_currency(column: &str, currency: &str) -> Fault {
    Fault::of(
        column,
        "currency",
        format!("`{currency}` is not a currency of ISO 4217, such as EUR"),
    )
}

/// Replaces the text of a category by its entry in the map, and checks it.
pub(super) fn categorise(draft: &mut Draft, options: &ImportOptions) -> Result<(), Fault> {
    let map: &BTreeMap<String, String> = &options.category_map;
    if let Some(category) = &mut draft.category {
        if let Some(mapped) = map.get(category.as_str()) {
            category.clone_from(mapped);
        }
        if !options.categories.is_empty() && !options.categories.contains(category) {
            let message = format!("`{category}` is not one of {}; map it", options.categories.join(", "));
            return Err(Fault::of("category", "category_unknown", message));
        }
    }
    Ok(())
}
