//! Search by an embedding of int8 values.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use shared::api::SearchResponse;

use super::harness::{Service, json};
use super::search::{embedding_request, encoded, shop_photo};

#[test]
fn int8_values_find_the_same_products_with_a_quarter_of_the_bytes() {
    let service = Service::shared();
    let (encoder, values) = encoded(&shop_photo(5, 1));
    let most = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let bytes: Vec<u8> = values
        .iter()
        .map(|value| ((value / most * 127.0).round() as i8).cast_unsigned())
        .collect();
    let large = embedding_request(&encoder.model_id(), &values);
    let small = json!({ "embedding": { "model_id": encoder.model_id(), "int8": STANDARD.encode(bytes) } }).to_string();
    assert!(small.len() * 4 < large.len(), "{small} and {large}");

    let found = |body: &str| -> SearchResponse {
        let answer = service.search_json(body);
        assert_eq!(answer.status(), 200);
        serde_json::from_value(json(answer)).expect("the answer is a search response")
    };
    let (large, small) = (found(&large), found(&small));
    let ids = |found: &SearchResponse| found.hits.iter().map(|hit| hit.product_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&small)[..3], ids(&large)[..3]);
    for (left, right) in small.hits.iter().zip(&large.hits) {
        assert!(
            (left.score - right.score).abs() < 2e-3,
            "{} and {}",
            left.score,
            right.score
        );
    }
}
