//! Fields that filters and facets can name.

use std::fmt;

/// Prefix of the fields that are attributes.
const ATTRIBUTES: &str = "attributes.";

/// Advice for names that are no field.
pub(crate) const FIELDS: &str =
    "send id, category, brand, group, price, availability, quantity or attributes.NAME with the name of an attribute";

/// A field of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    Id,
    Category,
    Brand,
    Group,
    Price,
    Availability,
    Quantity,
    /// Attribute with this name.
    Attribute(String),
}

impl Field {
    /// Parses the name of a field. The name of an attribute may contain dots.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "category" => Self::Category,
            "brand" => Self::Brand,
            "group" => Self::Group,
            "price" => Self::Price,
            "availability" => Self::Availability,
            "quantity" => Self::Quantity,
            _ => Self::Attribute(name.strip_prefix(ATTRIBUTES)?.to_owned()),
        })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Id => "id",
            Self::Category => "category",
            Self::Brand => "brand",
            Self::Group => "group",
            Self::Price => "price",
            Self::Availability => "availability",
            Self::Quantity => "quantity",
            Self::Attribute(name) => return write!(out, "{ATTRIBUTES}{name}"),
        })
    }
}
