//! Faulty fields of a form.

use super::super::harness::{Service, assert_problem, png};

#[test]
fn faulty_fields_are_refused_by_name() {
    let service = Service::shared();
    let cases = [
        ("crop", r#"{"x":0,"y":0,"width":0,"height":5}"#, "invalid_crop"),
        ("crop", r#"{"x":60,"y":0,"width":5,"height":5}"#, "invalid_crop"),
        ("crop", r#"{"x":0,"y":80,"width":1,"height":1}"#, "invalid_crop"),
        (
            "crop",
            r#"{"x":4294967295,"y":0,"width":4294967295,"height":1}"#,
            "invalid_crop",
        ),
        ("crop", r#"{"x":-1,"y":0,"width":5,"height":5}"#, "invalid_field"),
        ("crop", r#"{"x":0,"y":0,"width":5}"#, "invalid_field"),
        ("crop", "0,0,5,5", "invalid_field"),
        ("limit", "0", "invalid_field"),
        ("limit", "51", "invalid_field"),
        ("limit", "-1", "invalid_field"),
        ("limit", "ten", "invalid_field"),
        ("limit", "10.5", "invalid_field"),
        ("limit", "NaN", "invalid_field"),
        ("crop", r#"{"x":"0","y":0,"width":5,"height":5}"#, "invalid_field"),
        ("crop", r#"{"x":1.5,"y":0,"width":5,"height":5}"#, "invalid_field"),
        ("limit", "99999999999999999999999", "invalid_field"),
        ("category", "hats", "unknown_category"),
        ("category", "TOPS", "unknown_category"),
        ("colour", "red", "invalid_field"),
    ];
    for (field, value, code) in cases {
        let name = format!("{field} {value}");
        let problem = assert_problem(&name, service.search(&png(1), &[(field, value)]), 400, code);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(code == "unknown_category" || detail.contains(field), "{name}: {detail}");
        assert!(
            !detail.contains("CropBox") && !detail.contains("expected"),
            "{name}: {detail}"
        );
    }
}

#[test]
fn repeated_and_long_fields_are_refused() {
    let service = Service::shared();
    let twice = service.search(&png(1), &[("limit", "3"), ("limit", "4")]);
    assert_problem("a field twice", twice, 400, "invalid_field");
    let long = "x".repeat(5000);
    assert_problem(
        "a long text",
        service.search(&png(1), &[("category", &long)]),
        400,
        "invalid_field",
    );
}
