//! Comparison of two generations before a switch.

use serde::Serialize;
use shared::embedding::Embedding;
use store::Store;

use search::SearchOptions;

use super::state::SearchBy;
use super::{CatalogError, Live};

/// Number of hits that are compared.
const DEPTH: usize = 10;

/// Answers of two generations to the same queries: photos of the catalog, each without its own product.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// Number of queries.
    pub queries: usize,
    /// Mean share, 0 to 1, of the ten best products that both found.
    pub overlap: f64,
    /// Share, 0 to 1, of the queries whose best product is the same.
    pub same_best: f64,
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "compared by {} photos of the catalog: {:.0} % of the ten best products are the same, and {:.0} % of the best ones",
            self.queries,
            100.0 * self.overlap,
            100.0 * self.same_best
        )
    }
}

/// Compares two generations by at most `queries` products, evenly spread over the catalog. `None` if no product is in both.
///
/// # Errors
/// Errors of the database.
pub(super) fn compare(
    store: &Store,
    generations: [i64; 2],
    queries: usize,
) -> Result<Option<Comparison>, CatalogError> {
    let [one, other] = generations.map(|generation| {
        let by = SearchBy::Memory {
            before: None,
            device: None,
        };
        Live::read(store, generation, by)
    });
    let (one, other) = (one?, other?);
    let step = one.ids.len().div_ceil(queries.max(1)).max(1);
    let (mut count, mut overlap, mut same) = (0, 0.0, 0);
    for id in one.ids.iter().step_by(step) {
        let found = [&one, &other].map(|live| answers(store, live, id));
        let [Some(a), Some(b)] = found.map(|found| found.ok().flatten()) else {
            continue;
        };
        let common = a.iter().filter(|id| b.contains(id)).count();
        count += 1;
        overlap += common as f64 / a.len().max(b.len()).max(1) as f64;
        same += usize::from(a.first() == b.first());
    }
    Ok((count > 0).then(|| Comparison {
        queries: count,
        overlap: overlap / count as f64,
        same_best: same as f64 / count as f64,
    }))
}

/// Ids of the products that are most similar to the product `id`, without itself.
fn answers<'a>(store: &Store, live: &'a Live, id: &str) -> Result<Option<Vec<&'a str>>, CatalogError> {
    let rows = store.product_rows(live.generation(), id)?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let Ok(query) = Embedding::new("", row.segment.vector(row.slot)) else {
        return Ok(None);
    };
    let options = SearchOptions {
        limit: DEPTH + 1,
        category: None,
        products: None,
        rerank: search::Rerank::None.into(),
    };
    let found = live.rank(&[(&query, &options)])?.pop().unwrap_or_default();
    let ids = found.iter().map(|found| live.ids.get(found.product));
    Ok(Some(ids.filter(|found| *found != id).take(DEPTH).collect()))
}
