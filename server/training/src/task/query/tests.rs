//! Tests of the task `query`.

use super::*;

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
    let one = gallery_contrast(rows.clone(), gallery.clone(), tensor([[1.0, 0.0], [0.0, 0.0]]), 0.5);
    assert!((value(one) - softplus(-2.0)).abs() < 1e-6);
    let both = gallery_contrast(rows.clone(), gallery.clone(), tensor([[0.5, 0.5], [0.0, 1.0]]), 0.5);
    assert!((value(both) - (softplus(-2.0) + softplus(2.0) + 2.0 * softplus(-2.0)) / 4.0).abs() < 1e-6);
    assert_eq!(value(gallery_contrast(rows, gallery, tensor([[0.0; 2]; 2]), 0.5)), 0.0);
}

#[test]
fn an_encoder_above_the_size_limit_is_refused_with_the_sizes_of_its_parts() {
    let task: QueryRecipe = toml::from_str("backbone = 'mobilenet_v3_small'").expect("the task is valid");
    assert_eq!(
        student(&task, 1024).expect("the encoder is small enough").embedding_dim,
        1024
    );
    let error = student(&task, 4096).expect_err("the encoder is too large").to_string();
    assert!(error.contains("projection to the teacher's 4096 values 4.7"), "{error}");
    assert!(
        student(
            &QueryRecipe {
                max_megabytes: 7.0,
                ..task
            },
            4096
        )
        .is_ok()
    );
}
