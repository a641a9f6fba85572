//! Score floors: the similarity of the best match below which a gallery holds nothing close to a query.
//!
//! Every query is searched with twice: in the whole gallery, and in the gallery without its own product. The first search
//! says how many good answers a floor loses, the second how many answers that show other products only it catches.

use super::retrieval::DEPTH;
use serde::Serialize;
use std::collections::HashMap;

/// The scores of one query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Searched {
    /// Score of the best match in the whole gallery.
    pub best: f32,
    /// Score of the best match in the gallery without the query's product.
    pub without: f32,
    /// Whether the query's product is among the ten best.
    pub found: bool,
}

impl Searched {
    /// The scores of a query that shows the product `own`, from the score of every gallery photo and the product that it
    /// shows; nothing where the gallery lacks that product, or holds no other.
    pub fn new(scores: &[f32], products: &[usize], own: usize) -> Option<Self> {
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
        })
    }
}

/// The highest floor that at most the share `allowed` of the found queries lie below.
///
/// # Errors
/// If a single query would be more than that share, so that the floor would be its score.
pub fn choose(queries: &[Searched], allowed: f64) -> anyhow::Result<f32> {
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

/// The effect of a floor on a split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FloorEffect {
    /// Queries whose product was among the ten best.
    pub found: usize,
    /// Share, 0–1, of these whose best match lies below the floor; 0 of none.
    pub lost: f64,
    /// Queries that were searched with after their product was taken out of the gallery.
    pub unmatched: usize,
    /// Share, 0–1, of these whose best match lies below the floor; 0 of none.
    pub caught: f64,
}

/// Measures a floor on a split's queries.
pub fn effect(queries: &[Searched], floor: f32) -> FloorEffect {
    let found: Vec<&Searched> = queries.iter().filter(|query| query.found).collect();
    let share = |below: usize, of: usize| below as f64 / of.max(1) as f64;
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
    fn a_query_is_searched_with_twice() {
        // Photos of product 7 at .6 and .8, of product 1 at .9 and of product 2 at .1.
        let searched = |own| Searched::new(&[0.6, 0.9, 0.8, 0.1], &[7, 1, 7, 2], own);
        assert_eq!(
            searched(7),
            Some(Searched {
                best: 0.9,
                without: 0.9,
                found: true
            })
        );
        assert_eq!(
            searched(1),
            Some(Searched {
                best: 0.9,
                without: 0.8,
                found: true
            })
        );
        assert_eq!(searched(3), None, "its product is not there");
        assert_eq!(Searched::new(&[0.6], &[7], 7), None, "nothing is left to search");
        // Ten other products are ahead, one of them twice.
        let scores: Vec<f32> = (0..12).map(|at| 1.0 - at as f32 / 100.0).collect();
        let of = |products: [usize; 12]| Searched::new(&scores, &products, 99).expect("searched").found;
        assert!(of([0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 99, 9]));
        assert!(!of([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 99, 10]));
    }

    #[test]
    fn the_highest_floor_within_the_error_rate_is_chosen() {
        // Forty found queries from .60 to .99, and as many that were not found at .1.
        let found = (0..40).map(|at| Searched {
            best: 0.6 + at as f32 / 100.0,
            without: 0.5,
            found: true,
        });
        let missed = (0..40).map(|_| Searched {
            best: 0.1,
            without: 0.1,
            found: false,
        });
        let queries: Vec<Searched> = found.chain(missed).collect();
        for (allowed, expected) in [(0.05, 0.62), (0.1, 0.64), (0.025, 0.61)] {
            let floor = choose(&queries, allowed).expect("enough queries");
            assert!((floor - expected).abs() < 1e-6, "{allowed}: {floor}");
            let FloorEffect {
                found,
                lost,
                unmatched,
                caught,
            } = effect(&queries, floor);
            assert!(
                (found, unmatched) == (40, 80) && (lost - allowed).abs() < 1e-9 && caught == 1.0,
                "{lost} {caught}"
            );
        }
        assert_eq!(effect(&queries, 0.3).caught, 0.5);
        let error = choose(&queries, 0.02)
            .expect_err("2 % of forty is no query")
            .to_string();
        assert!(error.contains("40 queries") && error.contains("at least 50"), "{error}");
        assert!(choose(&[], 0.05).is_err());
    }
}
