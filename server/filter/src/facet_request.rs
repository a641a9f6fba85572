//! Requests of facets.

use serde_json::Value;

use crate::error::FilterError;
use crate::field::Field;
use crate::parse::{check_keys, field, wrong};
use crate::path::Path;

/// Maximum number of facets of a request.
const MAX_FACETS: usize = 32;
/// Number of keywords that a facet lists if the request gives none.
const DEFAULT_LIMIT: usize = 20;
/// Maximum number of keywords that a facet lists.
const MAX_LIMIT: usize = 100;

/// Request of the counts of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct FacetRequest {
    pub(crate) field: Field,
    /// Maximum number of keywords.
    pub(crate) limit: usize,
}

impl FacetRequest {
    /// Parses a list of facets. An entry is the name of a field, or an object such as `{"field": "brand", "limit": 50}`.
    ///
    /// # Errors
    /// An error with the path of the first part that does not follow this form, such as `facets[2].limit`.
    pub fn parse_list(value: &Value) -> Result<Vec<Self>, FilterError> {
        let path = Path::root("facets");
        let Value::Array(list) = value else {
            return Err(wrong(&path, value, r#"a list such as ["brand", "price"]"#));
        };
        if list.len() > MAX_FACETS {
            let message = format!("has {} entries; send at most {MAX_FACETS}", list.len());
            return Err(FilterError::too_large(path, message));
        }
        let entries = list.iter().enumerate();
        entries.map(|(at, value)| Self::parse(value, &path.index(at))).collect()
    }

    fn parse(value: &Value, path: &Path<'_>) -> Result<Self, FilterError> {
        let Value::Object(map) = value else {
            return Ok(Self {
                field: field(value, path)?,
                limit: DEFAULT_LIMIT,
            });
        };
        check_keys(map, &["field", "limit"], path)?;
        let name = map.get("field").unwrap_or(&Value::Null);
        let field = field(name, &path.key("field"))?;
        let Some(limit) = map.get("limit") else {
            return Ok(Self {
                field,
                limit: DEFAULT_LIMIT,
            });
        };
        let allowed = |limit: &u64| (1..=MAX_LIMIT as u64).contains(limit);
        match limit.as_u64().filter(allowed) {
            Some(limit) => Ok(Self {
                field,
                limit: limit as usize,
            }),
            None => {
                let message = format!("is not a whole number from 1 to {MAX_LIMIT}; send one, or leave it out");
                Err(FilterError::invalid(path.key("limit"), message))
            }
        }
    }
}
