//! Facets: counts of a field's values among the products that match the rest of a filter.

use scan::Bitmap;
use serde::Serialize;
use serde_json::Number;

use crate::column::{Column, Value};
use crate::columns::Columns;
use crate::error::FilterError;
use crate::facet_request::FacetRequest;
use crate::field::Field;
use crate::keywords::Keywords;
use crate::language::{Filter, Node};
use crate::number::Numeric;
use crate::path::Path;
use crate::select::ATTRIBUTES;

/// Counts of the values of one field.
///
/// A part is `None` if no product of the catalog has a value of its type. An attribute with values of several types has
/// several parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facet {
    /// Name of the field.
    pub field: String,
    /// Keywords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keywords: Option<KeywordCounts>,
    /// Numbers, without prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberRange>,
    /// Truth values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bools: Option<BoolCounts>,
    /// Prices, one entry per currency that is found, sorted by currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<Vec<PriceRange>>,
}

/// Counts of keywords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeywordCounts {
    /// The most frequent keywords, by descending count and then by ascending bytes.
    pub values: Vec<KeywordCount>,
    /// Number of further keywords that are found.
    pub further: usize,
}

/// Count of a keyword.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeywordCount {
    /// The keyword.
    pub value: String,
    /// Number of products, at least 1.
    pub count: usize,
}

/// Range of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NumberRange {
    /// Number of products with a number.
    pub count: usize,
    /// Smallest number, or `None` if the count is 0.
    pub min: Option<Number>,
    /// Largest number, or `None` if the count is 0.
    pub max: Option<Number>,
}

/// Counts of truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BoolCounts {
    /// Number of products with `true`.
    #[serde(rename = "true")]
    pub yes: usize,
    /// Number of products with `false`.
    #[serde(rename = "false")]
    pub no: usize,
}

/// Range of prices in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PriceRange {
    /// ISO 4217 code.
    pub currency: String,
    /// Number of products, at least 1.
    pub count: usize,
    /// Smallest amount in minor units.
    pub min: u64,
    /// Largest amount in minor units.
    pub max: u64,
}

/// Rows of the parts of a filter that are joined by `and`, grouped by field.
struct Groups<'a> {
    rows: Vec<(Option<&'a Field>, Bitmap)>,
}

impl Columns {
    /// Counts the values of each requested field.
    ///
    /// The counts of a field are disjunctive: they leave out the conditions on the field itself. A filter that begins with
    /// `and` is split into its parts, and a part is left out if all its conditions are on the field. So a visitor who chose
    /// one brand still sees the counts of the other brands. Only products in `among` count, if it is given.
    ///
    /// # Errors
    /// Those of [`select`](Self::select), and [`FilterError::UnknownField`] for an attribute that no product has.
    pub fn facets(
        &self,
        requests: &[FacetRequest],
        filter: Option<&Filter>,
        among: Option<&Bitmap>,
    ) -> Result<Vec<Facet>, FilterError> {
        let mut groups = Groups { rows: Vec::new() };
        if let Some(filter) = filter {
            groups.add(self, &filter.0, &Path::root("filter"))?;
        }
        let path = Path::root("facets");
        let requests = requests.iter().enumerate();
        let facets = requests.map(|(at, request)| {
            let mut rows = Bitmap::full(self.len());
            among.iter().for_each(|among| rows.intersect_with(among));
            groups.restrict(&mut rows, &request.field);
            self.facet(request, &rows, &path.index(at))
        });
        facets.collect()
    }

    fn facet(&self, request: &FacetRequest, rows: &Bitmap, path: &Path<'_>) -> Result<Facet, FilterError> {
        let field = request.field.to_string();
        let Some(parts) = self.parts(&request.field, None) else {
            return Err(FilterError::unknown_field(path, &field, ATTRIBUTES));
        };
        let prices = parts.prices.map(|prices| {
            let ranges = prices
                .iter()
                .map(|(currency, column)| (*currency, extent(column, rows)));
            let found = ranges.filter_map(|(currency, (count, extent))| {
                extent.map(|(min, max)| PriceRange {
                    currency: currency.to_owned(),
                    count,
                    min,
                    max,
                })
            });
            found.collect()
        });
        let numbers = parts.numbers.map(|column| NumberRange::new(extent(column, rows)));
        let quantity = parts.quantity.map(|column| NumberRange::new(extent(column, rows)));
        Ok(Facet {
            field,
            keywords: parts.keywords.map(|column| top(column, rows, request.limit)),
            numbers: numbers.or(quantity),
            bools: parts.bools.map(|column| BoolCounts::new(column, rows)),
            prices,
        })
    }
}

impl<'a> Groups<'a> {
    /// Adds the rows of all parts of a filter that are joined by `and`.
    fn add(&mut self, columns: &Columns, node: &'a Node, path: &Path<'_>) -> Result<(), FilterError> {
        if let Node::And(parts) = node {
            let path = path.key("and");
            let mut parts = parts.iter().enumerate();
            return parts.try_for_each(|(at, part)| self.add(columns, part, &path.index(at)));
        }
        let rows = columns.evaluate(node, path)?;
        let field = node.only_field();
        match self.rows.iter_mut().find(|(other, _)| *other == field) {
            Some((_, others)) => others.intersect_with(&rows),
            None => self.rows.push((field, rows)),
        }
        Ok(())
    }

    /// Removes the rows that do not match the filter without the conditions on `field`.
    fn restrict(&self, rows: &mut Bitmap, field: &Field) {
        let others = self.rows.iter().filter(|(other, _)| *other != Some(field));
        others.for_each(|(_, other)| rows.intersect_with(other));
    }
}

impl NumberRange {
    fn new<T: Numeric>((count, extent): (usize, Option<(T, T)>)) -> Self {
        Self {
            count,
            min: extent.and_then(|(min, _)| min.to_json()),
            max: extent.and_then(|(_, max)| max.to_json()),
        }
    }
}

impl BoolCounts {
    fn new(column: &Column<u8>, rows: &Bitmap) -> Self {
        let (mut yes, mut no) = (0, 0);
        column.visit(rows, |value| if value == 1 { yes += 1 } else { no += 1 });
        Self { yes, no }
    }
}

/// Number of values in `rows`, with the smallest and the largest one.
fn extent<T: Value + Numeric>(column: &Column<T>, rows: &Bitmap) -> (usize, Option<(T, T)>) {
    let (mut count, mut extent) = (0, None);
    column.visit(rows, |value| {
        count += 1;
        let (min, max) = extent.unwrap_or((value, value));
        extent = Some((
            if value < min { value } else { min },
            if value > max { value } else { max },
        ));
    });
    (count, extent)
}

/// The most frequent keywords in `rows`.
fn top(column: &Keywords, rows: &Bitmap, limit: usize) -> KeywordCounts {
    let mut found = column.counts(rows);
    let order = |a: &(&str, usize), b: &(&str, usize)| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0));
    let further = found.len().saturating_sub(limit);
    if further > 0 {
        found.select_nth_unstable_by(limit, order);
        found.truncate(limit);
    }
    found.sort_unstable_by(order);
    let values = found.into_iter().map(|(value, count)| KeywordCount {
        value: value.to_owned(),
        count,
    });
    KeywordCounts {
        values: values.collect(),
        further,
    }
}
