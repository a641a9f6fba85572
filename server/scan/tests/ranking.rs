//! A scan outside of this package: integer sums by other means, bounds from the public numbers, and a ranking.

use proptest::prelude::*;
use scan::{Bitmap, Bounded, Coarse, CoarseQuery, Query, Rows, Scanner, Values};

/// Upper bounds of the scores of all rows, computed in f64 from the sums of two digits of the query's codes.
fn upper_bounds(query: &CoarseQuery, coarse: &Coarse, rows: &Rows<'_>) -> Vec<f32> {
    let bounds = coarse.bounds(rows);
    let weights = query.weights(!bounds.errors.is_empty());
    let row = |(at, codes): (usize, &[i8])| {
        let sum = |digit: fn(i64) -> i64| -> i64 {
            let pairs = codes.iter().zip(query.codes());
            pairs
                .map(|(code, of_query)| i64::from(*code) * digit((*of_query).into()))
                .sum()
        };
        let (high, low) = (sum(|code| (code + 128) >> 8), sum(|code| ((code + 128) & 255) - 128));
        let product = i32::try_from(256 * high + low).expect("the product fits");
        let error = bounds.errors.get(at).copied().unwrap_or(0.0);
        let (estimate, width) = weights.estimate(product, bounds.scales[at], bounds.norms[at], error);
        let upper = estimate + width;
        if upper.is_finite() { upper } else { f32::INFINITY }
    };
    bounds.codes.chunks_exact(rows.dim()).enumerate().map(row).collect()
}

proptest! {
    #[test]
    fn rows_that_are_offered_with_their_bounds_are_ranked_as_by_a_search(
        dim in 1usize..60,
        pool in prop_oneof![
            proptest::collection::vec((-2i8..=2).prop_map(f32::from), 40..90),
            proptest::collection::vec(-1f32..1.0, 300..900),
            proptest::collection::vec(prop_oneof![30 => -1f32..1.0, 1 => Just(f32::NAN), 1 => Just(1e30)], 700..900),
        ],
        rows in 1usize..400,
        limit in 1usize..40,
        (groups, step) in (1u32..200, 1usize..9),
        (is_grouped, is_int8) in (any::<bool>(), any::<bool>()),
    ) {
        let value = |at: usize| pool[(at * 7 + at / dim % 11) % pool.len()];
        let floats: Vec<f32> = (0..rows * dim).map(value).collect();
        let codes: Vec<i8> = floats.iter().map(|number| (number * 60.0) as i8).collect();
        let scales: Vec<f32> = (0..rows).map(value).collect();
        let values = if is_int8 { Values::Int8 { codes: &codes, scales: &scales } } else { Values::F32(&floats) };
        let matrix = Rows::new(dim, values).expect("the numbers are whole rows");
        let coarse = Coarse::new(&matrix);
        let vector: Vec<f32> = (0..dim).map(|at| value(at + 5)).collect();
        let Some(query_codes) = CoarseQuery::new(&vector) else { return Ok(()) };
        let filter = Bitmap::from_fn(rows, |row| row % step == 0);
        let deleted = Bitmap::from_fn(rows, |row| row % 7 == 3);
        let groups: Vec<u32> = (0..rows as u32).map(|row| row.wrapping_mul(2_654_435_761) % groups).collect();
        let scanner = Scanner::new(dim).deleted(&deleted).segment(matrix, Some(&coarse)).expect("the segment fits");
        let scanner = scanner.groups(&groups).expect("every row has a group");
        let query = Query { vector: &vector, limit, filter: Some(&filter), is_grouped };
        let mut ranking = scanner.ranking(&query).expect("the query finds something");
        let uppers = upper_bounds(&query_codes, &coarse, &matrix);
        let mut offered: Vec<Bounded> = (0u32..).zip(uppers).map(|(row, upper)| Bounded { row, upper }).collect();
        let (first, rest) = offered.split_at_mut(rows / 3);
        ranking.offer(first);
        ranking.offer(rest);
        prop_assert!(ranking.are_bounds_right());
        prop_assert_eq!(&ranking.hits(), &scanner.search(&[query])[0]);
    }
}

#[test]
fn a_score_above_its_bound_is_noticed() {
    let numbers = [1.0, 2.0, 3.0, 4.0];
    let rows = Rows::new(2, Values::F32(&numbers)).expect("two rows");
    let scanner = Scanner::new(2).segment(rows, None).expect("the segment fits");
    let query = Query {
        vector: &[1.0, 1.0],
        limit: 3,
        filter: None,
        is_grouped: false,
    };
    let mut ranking = scanner.ranking(&query).expect("the query finds something");
    ranking.offer(&mut [Bounded { row: 0, upper: 3.0 }]);
    assert!(ranking.are_bounds_right());
    ranking.offer(&mut [Bounded { row: 1, upper: 6.5 }]);
    assert!(!ranking.are_bounds_right());
}

#[test]
fn a_query_of_another_dimension_or_without_hits_has_no_ranking() {
    let numbers = [1.0, 2.0, 3.0, 4.0];
    let rows = Rows::new(2, Values::F32(&numbers)).expect("two rows");
    let scanner = Scanner::new(2).segment(rows, None).expect("the segment fits");
    let query = |vector, limit| Query {
        vector,
        limit,
        filter: None,
        is_grouped: false,
    };
    assert!(scanner.ranking(&query(&[1.0], 3)).is_none());
    assert!(scanner.ranking(&query(&[1.0, 1.0], 0)).is_none());
    assert!(scanner.ranking(&query(&[1.0, 1.0], 3)).is_some());
}
