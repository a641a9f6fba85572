//! Views of the photos that the server embeds.

use super::harness::Service;
use super::search::{hits, png_of};

#[test]
fn with_mirrored_views_a_photo_and_its_mirror_image_get_the_same_answer() {
    let differences = |service: &Service| {
        let [a, b] =
            [png_of([220; 3], [30; 3]), png_of([30; 3], [220; 3])].map(|photo| hits(service, &photo, &[]).hits);
        a.iter()
            .zip(&b)
            .map(|(a, b)| (a.score - b.score).abs())
            .fold(0.0, f32::max)
    };
    let service = Service::start_as(serde_json::json!({ "views": "flip" }));
    let (flip, none) = (differences(&service), differences(Service::shared()));
    assert!(
        flip < 1e-5 && none > 10.0 * flip,
        "{flip} with mirrored views, {none} without"
    );
}
