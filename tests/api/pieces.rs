//! Pieces of the outfit in a photo, and the segmenter for browsers.

use reqwest::blocking::multipart::{Form, Part};
use serde_json::{Value, json};

use super::harness::{Service, assert_problem, header, json as body, png};

fn service() -> Service {
    Service::start_as(json!({ "pieces": "pieces" }))
}

fn ask(service: &Service, form: Form) -> reqwest::blocking::Response {
    let request = service.request("POST", "/api/v1/pieces").multipart(form);
    request.send().expect("the service answers")
}

fn photo(number: u32) -> Form {
    Form::new().part("image", Part::bytes(png(number)).file_name("photo"))
}

#[test]
fn boxes_of_pieces_lie_in_the_photo_and_can_be_searched_for() {
    let service = service();
    for number in 0..4 {
        let answer = body(ask(&service, photo(number)));
        assert_eq!(
            (&answer["width"], &answer["height"]),
            (&json!(64), &json!(80)),
            "{answer}"
        );
        assert!(
            answer["model_id"]
                .as_str()
                .is_some_and(|id| id.starts_with("tiny.outfit@")),
            "{answer}"
        );
        for piece in answer["pieces"].as_array().expect("a list") {
            let side = |name: &str| piece["box"][name].as_u64().expect("a number");
            assert!(
                side("x") + side("width") <= 64 && side("y") + side("height") <= 80,
                "{piece}"
            );
            let share = |name: &str| piece[name].as_f64().is_some_and(|value| value > 0.0 && value <= 1.0);
            assert!(share("share") && share("score"), "{piece}");
            let crop = piece["box"].to_string();
            let fields = [
                ("crop", crop.as_str()),
                ("category", piece["category"].as_str().expect("a category")),
            ];
            let found = body(service.search(&png(number), &fields));
            assert_eq!(found["crop"], piece["box"], "{found}");
        }
    }
}

#[test]
fn bad_photos_and_other_fields_are_refused_as_by_a_search() {
    let service = service();
    let text = Form::new().part("image", Part::bytes(b"a text".to_vec()).file_name("photo"));
    assert_problem("text", ask(&service, text), 422, "not_an_image");
    assert_problem(
        "no photo",
        ask(&service, Form::new().text("crop", "auto")),
        400,
        "missing_field",
    );
    assert_problem(
        "crop",
        ask(&service, photo(0).text("crop", "auto")),
        400,
        "invalid_field",
    );
    let request = service.request("POST", "/api/v1/pieces").body("{}");
    let request = request.header("content-type", "application/json");
    let answer = request.send().expect("the service answers");
    assert_problem("json", answer, 415, "unsupported_media_type");
}

#[test]
fn browsers_get_the_segmenter_and_a_shop_without_one_says_so() {
    let service = service();
    let manifest: Value = body(service.get("/api/v1/segmenter"));
    assert_eq!(manifest["labels"][3], "top", "{manifest}");
    let sha256 = manifest["weights"]["sha256"].as_str().expect("a checksum");
    let weights = service.get(&format!("/api/v1/segmenter/weights/{sha256}"));
    assert_eq!(header(&weights, "content-type"), "application/octet-stream");

    let without = Service::shared();
    assert_eq!(without.get("/api/v1/segmenter").status(), 204);
    assert_problem("no segmenter", ask(without, photo(0)), 404, "not_found");
}
