//! Score floors: the similarity of the best match below which a gallery is assumed to lack the query's product.
//!
//! Every query searches twice: in the whole gallery, and in the gallery without its own product. The first search measures
//! the correct matches that a floor loses, the second the wrong matches that it catches.

use super::metrics::DEPTH;
use serde::Serialize;
use shared::bundle::SameScore;
use std::collections::HashMap;

/// The scores of one query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Searched {
    /// Score of the best match in the whole gallery.
    best: f32,
    /// Score of the best match in the gallery without the query's product.
    without: f32,
    /// True if the query's product is among the ten best.
    found: bool,
    /// True if the query's product is the best.
    is_first: bool,
}

impl Searched {
    /// Computes the scores of a query of the product `own` from the score and the product of every gallery photo; `None` if
    /// the gallery lacks that product or has no other.
    pub(crate) fn new(scores: &[f32], products: &[usize], own: usize) -> Option<Self> {
        let mut best: HashMap<usize, f32> = HashMap::new();
        for (product, score) in products.iter().zip(scores) {
            best.entry(*product)
                .and_modify(|known| *known = known.max(*score))
                .or_insert(*score);
        }
        let own = best.remove(&own)?;
        let without = best.values().copied().reduce(f32::max)?;
        let ahead = best.values().filter(|score| **score > own).count();
        Some(Self {
            best: own.max(without),
            without,
            found: ahead < DEPTH,
            is_first: ahead == 0,
        })
    }
}

/// Chooses the highest floor that is above at most the share `allowed` of the found queries.
///
/// # Errors
/// If a single query is more than that share.
pub(crate) fn choose_floor(queries: &[Searched], allowed: f64) -> anyhow::Result<f32> {
    let mut found: Vec<f32> = queries
        .iter()
        .filter(|query| query.found)
        .map(|query| query.best)
        .collect();
    let may_lose = (allowed * found.len() as f64) as usize;
    anyhow::ensure!(
        may_lose > 0,
        "{} queries found their product, too few for a floor that loses at most {} % of them; use a split with at least {:.0}",
        found.len(),
        100.0 * allowed,
        (1.0 / allowed).ceil()
    );
    found.sort_by(f32::total_cmp);
    Ok(found[may_lose])
}

/// Smallest number of best matches that a score for the same product is chosen on.
const FEWEST: usize = 20;

/// Chooses the lowest score whose best matches are the query's product with the precision `wanted`. `None` if no score
/// reaches it with at least 20 best matches above.
///
/// The searches in the gallery without the product count too: every match there is wrong.
pub(crate) fn choose_same(queries: &[Searched], wanted: f64) -> Option<SameScore> {
    let full = queries.iter().map(|query| (query.best, query.is_first));
    let without = queries.iter().map(|query| (query.without, false));
    let mut all: Vec<(f32, bool)> = full.chain(without).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let correct = all.iter().filter(|(_, is_right)| *is_right).count();
    let (mut right, mut best) = (0, None);
    for (at, (score, is_right)) in all.iter().enumerate() {
        right += usize::from(*is_right);
        // Equal scores lie on the same side of the threshold.
        let is_last = all.get(at + 1).is_none_or(|(next, _)| next < score);
        let precision = right as f64 / (at + 1) as f64;
        if is_last && at + 1 >= FEWEST && precision >= wanted {
            best = Some(SameScore {
                score: *score,
                wanted,
                precision,
                recall: right as f64 / correct.max(1) as f64,
            });
        }
    }
    best
}

/// Effect of a floor on a split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FloorEffect {
    /// Queries whose product was among the ten best.
    pub found: usize,
    /// Share, 0–1, of these queries whose best match is below the floor; 0 without queries.
    pub lost: f64,
    /// Queries that searched a gallery without their product.
    pub unmatched: usize,
    /// Share, 0–1, of these queries whose best match is below the floor; 0 without queries.
    pub caught: f64,
}

/// Measures a floor on the queries of a split.
pub(crate) fn floor_effect(queries: &[Searched], floor: f32) -> FloorEffect {
    let found: Vec<&Searched> = queries.iter().filter(|query| query.found).collect();
    let share = |below: usize, total: usize| below as f64 / total.max(1) as f64;
    FloorEffect {
        found: found.len(),
        lost: share(found.iter().filter(|query| query.best < floor).count(), found.len()),
        unmatched: queries.len(),
        caught: share(
            queries.iter().filter(|query| query.without < floor).count(),
            queries.len(),
        ),
    }
}

impl std::fmt::Display for FloorEffect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            found,
            lost,
            unmatched,
            caught,
        } = self;
        let (lost, caught) = (100.0 * lost, 100.0 * caught);
        writeln!(
            f,
            "  {found} queries that find their product: {lost:.1} % below the floor"
        )?;
        writeln!(
            f,
            "  {unmatched} queries without their product in the gallery: {caught:.1} % below the floor"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_searches_with_and_without_its_product() {
        // Photos of product 7 at .6 and .8, of product 1 at .9 and of product 2 at .1.
        let searched = |own| Searched::new(&[0.6, 0.9, 0.8, 0.1], &[7, 1, 7, 2], own);
        assert_eq!(
            searched(7),
            Some(Searched {
                best: 0.9,
                without: 0.9,
                found: true,
                is_first: false,
            })
        );
        assert_eq!(
            searched(1),
            Some(Searched {
                best: 0.9,
                without: 0.8,
                found: true,
                is_first: true,
            })
        );
        assert_eq!(searched(3), None, "the gallery lacks its product");
        assert_eq!(Searched::new(&[0.6], &[7], 7), None, "the gallery has no other product");
        // Ten other products rank higher, one of them twice.
        let scores: Vec<f32> = (0..12).map(|at| 1.0 - at as f32 / 100.0).collect();
        let is_found = |products: [usize; 12]| {
            Searched::new(&scores, &products, 99)
                .expect("there are other products")
                .found
        };
        assert!(is_found([0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 99, 9]));
        assert!(!is_found([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 99, 10]));
    }

    #[test]
    fn the_highest_floor_within_the_allowed_loss_is_chosen() {
        // Forty found queries score .60 to .99. Forty others score .1.
        let found = (0..40).map(|at| Searched {
            best: 0.6 + at as f32 / 100.0,
            without: 0.5,
            found: true,
            is_first: true,
        });
        let missed = (0..40).map(|_| Searched {
            best: 0.1,
            without: 0.1,
            found: false,
            is_first: false,
        });
        let queries: Vec<Searched> = found.chain(missed).collect();
        for (allowed, expected) in [(0.05, 0.62), (0.1, 0.64), (0.025, 0.61)] {
            let floor = choose_floor(&queries, allowed).expect("there are enough queries");
            assert!((floor - expected).abs() < 1e-6, "{allowed}: {floor}");
            let FloorEffect {
                found,
                lost,
                unmatched,
                caught,
            } = floor_effect(&queries, floor);
            assert!(
                (found, unmatched) == (40, 80) && (lost - allowed).abs() < 1e-9 && caught == 1.0,
                "{lost} {caught}"
            );
        }
        assert_eq!(floor_effect(&queries, 0.3).caught, 0.5);
        let error = choose_floor(&queries, 0.02)
            .expect_err("2 % of forty queries is less than one")
            .to_string();
        assert!(error.contains("40 queries") && error.contains("at least 50"), "{error}");
        assert!(choose_floor(&[], 0.05).is_err());
    }

    #[test]
    fn the_lowest_score_with_the_wanted_precision_is_chosen() {
        // Thirty right matches score .70 to .99. In the gallery without the product the best match scores .6 to .89.
        let query = |at: usize| Searched {
            best: 0.7 + at as f32 / 100.0,
            without: 0.6 + at as f32 / 100.0,
            found: true,
            is_first: true,
        };
        let queries: Vec<Searched> = (0..30).map(query).collect();
        let same = choose_same(&queries, 0.75).expect("the precision is reached");
        assert!((same.precision, same.recall) == (0.75, 0.5), "{same:?}");
        assert!((same.score - 0.85).abs() < 1e-6, "{same:?}");
        assert_eq!(
            choose_same(&queries, 0.99),
            None,
            "fewer than 20 matches lie above every wrong one"
        );
        assert_eq!(choose_same(&[], 0.5), None);
    }
}
