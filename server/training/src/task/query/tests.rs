//! Tests of the task `query`.

use super::loss::{context, cosines, gallery_contrast, order, part_regression, regression};
use super::teacher::student;
use crate::recipe::QueryRecipe;
use burn::tensor::{Device, Tensor};
use serde_json::json;
use shared::bundle::Manifest;

/// Manifest of a teacher with one part of `dim` values.
fn teacher(dim: usize) -> Manifest {
    let architecture = json!({
        "task": "retrieval", "backbone": "resnet10_w16", "horizontal": [], "vertical": [], "ring": [], "part_dim": dim,
    });
    let manifest = json!({
        "format": 1, "id": "m", "architecture": architecture, "labels": [], "thresholds": [], "embedding_dim": dim,
        "input": { "width": 64, "height": 64, "fit": "pad", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5] },
        "weights": { "file": "w", "bytes": 10_000_000, "sha256": "0123456789abcdef", "dtype": "f16", "folded": true },
        "licence": "",
    });
    serde_json::from_value(manifest).expect("the manifest is valid")
}

#[test]
fn losses_agree_with_hand_computed_values() {
    let device = Device::flex();
    let tensor = |values: [[f32; 2]; 2]| Tensor::<2>::from_floats(values, &device);
    let value = |loss: Tensor<1>| f64::from(loss.into_scalar::<f32>());
    // The cosines are 0.6 and −1.
    let loss = regression(tensor([[3.0, 4.0], [2.0, 0.0]]), tensor([[5.0, 0.0], [-0.1, 0.0]]));
    assert!((value(loss) - (0.4 + 2.0) / 2.0).abs() < 1e-6);

    // Row 0 has photo 0 (cosines 1 and 0), row 1 has no photo.
    let (rows, gallery) = (tensor([[2.0, 0.0], [0.0, 1.0]]), tensor([[1.0, 0.0], [0.0, 3.0]]));
    let softplus = |x: f64| (1.0 + x.exp()).ln();
    let one = gallery_contrast(
        cosines(rows.clone(), gallery.clone()),
        tensor([[1.0, 0.0], [0.0, 0.0]]),
        0.5,
    );
    assert!((value(one) - softplus(-2.0)).abs() < 1e-6);
    let both = gallery_contrast(
        cosines(rows.clone(), gallery.clone()),
        tensor([[0.5, 0.5], [0.0, 1.0]]),
        0.5,
    );
    assert!((value(both) - (softplus(-2.0) + softplus(2.0) + 2.0 * softplus(-2.0)) / 4.0).abs() < 1e-6);
    assert_eq!(
        value(gallery_contrast(cosines(rows, gallery), tensor([[0.0; 2]; 2]), 0.5)),
        0.0
    );
}

#[test]
fn an_encoder_above_the_size_limit_is_refused_with_the_sizes_of_its_parts() {
    let task: QueryRecipe = toml::from_str("backbone = 'mobilenet_v3_small'").expect("the task is valid");
    assert_eq!(
        student(&task, &teacher(1024))
            .expect("the encoder is small enough")
            .embedding_dim,
        1024
    );
    let error = student(&task, &teacher(4096))
        .expect_err("the encoder is too large")
        .to_string();
    assert!(error.contains("projection to the teacher's 4096 values 4.7"), "{error}");
    assert!(
        student(
            &QueryRecipe {
                max_megabytes: 7.0,
                ..task
            },
            &teacher(4096)
        )
        .is_ok()
    );
}

#[test]
fn relations_to_the_gallery_agree_with_hand_computed_values() {
    let device = Device::flex();
    let tensor = |values: &[f32]| Tensor::<1>::from_floats(values, &device).reshape([1, values.len()]);
    let value = |loss: Tensor<1>| f64::from(loss.into_scalar::<f32>());
    let softplus = |x: f64| (1.0 + x.exp()).ln();

    // Parts of two values: cosines 0.6 and 0.
    let parts = [tensor(&[3.0, 4.0]), tensor(&[0.0, 2.0])];
    let loss = part_regression(&parts, &tensor(&[1.0, 0.0, 1.0, 0.0]));
    assert!((value(loss) - (0.4 + 1.0) / 2.0).abs() < 1e-6);

    // Teacher: ⅔ and ⅓. Student: ½ and ½.
    let loss = context(tensor(&[0.3, 0.3]), tensor(&[0.5 * 2.0_f32.ln(), 0.0]), 0.5);
    let expected = 2.0 / 3.0 * (4.0_f64 / 3.0).ln() + 1.0 / 3.0 * (2.0_f64 / 3.0).ln();
    assert!((value(loss) - expected).abs() < 1e-6);
    assert!(value(context(tensor(&[0.1, 0.7]), tensor(&[0.1, 0.7]), 0.5)).abs() < 1e-6);

    // The teacher's order is 2, 0, 1; of three neighbours the student confuses the first two.
    let (student, teacher) = (tensor(&[0.4, 0.1, 0.2, 0.0]), tensor(&[0.8, 0.5, 0.9, 0.1]));
    let expected =
        |pairs: &[f64]| pairs.iter().map(|difference| softplus(difference / 0.1)).sum::<f64>() / pairs.len() as f64;
    let loss = value(order(student.clone(), teacher.clone(), 3, 0.1));
    assert!((loss - expected(&[0.2, -0.3])).abs() < 1e-5, "{loss}");
    let loss = value(order(student, teacher, 9, 0.1));
    assert!((loss - expected(&[0.2, -0.3, -0.1])).abs() < 1e-5, "{loss}");
}
