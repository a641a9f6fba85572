//! Groups of variants in searches.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::api::SearchResponse;

use super::harness::{PRODUCTS, Service, json as body};
use super::living::{KEY, admin, ended};

/// Answer to a search for products like one of the shop.
fn search(service: &Service, request: &Value) -> SearchResponse {
    let sent = service.request("POST", "/api/v1/search").json(request);
    let answer = body(sent.send().expect("the service answers"));
    serde_json::from_value(answer).expect("the answer is a search response")
}

/// Ids of the hits.
fn ids(answer: &SearchResponse) -> Vec<String> {
    answer.hits.iter().map(|hit| hit.product_id.clone()).collect()
}

/// Group of a product of the shop: seven products in two groups, and the others in none.
fn group(number: u32) -> Option<char> {
    match number {
        0..=3 => Some('A'),
        4..=6 => Some('B'),
        _ => None,
    }
}

#[test]
fn of_each_group_of_variants_only_the_best_product_is_listed() {
    for instructions in [
        json!({ "admin_key": KEY }),
        json!({ "admin_key": KEY, "engine": "engine-variants" }),
    ] {
        let service = Service::start_as(instructions);
        let rows = (0..PRODUCTS).filter_map(|number| Some(format!("P{number:04},{}\n", group(number)?)));
        let file = format!("id,group\n{}", rows.collect::<String>());
        let task = ended(&service, admin(&service, "POST", "imports?format=csv&merge=true", file));
        assert_eq!(task["detail"]["counts"]["changed"], 7, "{task}");

        let example = json!([{ "product": "P0008" }]);
        let all = || search(&service, &json!({ "examples": example, "limit": 50 }));
        let grouped = || {
            search(
                &service,
                &json!({ "examples": example, "limit": 50, "group": true, "facets": ["group"] }),
            )
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while grouped().hits.len() > 6 {
            assert!(Instant::now() < deadline, "the service reads the groups");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut seen = Vec::new();
        let mut expected = ids(&all());
        assert_eq!(expected.len(), PRODUCTS as usize - 1);
        expected.retain(|id| {
            let group = group(id[1..].parse().expect("ids end with a number"));
            let is_first = group.is_none() || !seen.contains(&group);
            seen.push(group);
            is_first
        });
        let found = grouped();
        assert_eq!(ids(&found), expected);
        let counts = json!([{ "value": "A", "count": 4 }, { "value": "B", "count": 3 }]);
        assert_eq!(
            found.facets[0]["keywords"]["values"], counts,
            "facets count all products"
        );

        let mut page = search(&service, &json!({ "examples": example, "limit": 2, "group": true }));
        let mut paged = ids(&page);
        while let Some(next) = page.next {
            page = search(&service, &json!({ "cursor": next, "limit": 2 }));
            paged.extend(ids(&page));
        }
        assert_eq!(paged, expected, "pages");
    }
}
