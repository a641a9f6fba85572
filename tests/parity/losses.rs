//! Losses of classifiers and embeddings and their gradients, compared with PyTorch and torchvision.

use crate::formula::uniform;
use crate::{golden, parse};
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::json;
use training::embedding_loss::Identified;
use training::loss::{ClassifierLoss, bce, focal, soft_f2, weighted_bce};
use training::recipe::EmbeddingLoss;

const ROWS: usize = 8;
const LABELS: usize = 5;

fn draw(key: &str, rows: usize, f: impl Fn(usize, f32) -> f32) -> TensorData {
    let values: Vec<f32> = (0..rows * LABELS).map(|i| f(i, uniform(key, i) as f32)).collect();
    TensorData::new(values, [rows, LABELS])
}

#[test]
fn classifier_losses_and_gradients_agree_with_pytorch() {
    let golden = golden("losses.json");
    let device = Device::flex().autodiff();
    let targets = draw("losses/targets", ROWS, |i, u| {
        f32::from(u8::from(u < 0.35 && i % LABELS != 0))
    });
    let targets = Tensor::<2>::from_data(targets, &device);
    let weights = Tensor::<2>::from_data(draw("losses/weights", 1, |_, u| 4.0 * u), &device);
    type Loss<'a> = &'a dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<1>;
    let losses: [(&str, Loss<'_>); 7] = [
        ("bce", &bce),
        ("weighted", &|logits, targets| {
            weighted_bce(logits, targets, weights.clone())
        }),
        ("focal", &|logits, targets| focal(logits, targets, 0.25, 2.0)),
        ("focal_unweighted", &|logits, targets| focal(logits, targets, -1.0, 1.5)),
        ("focal_flat", &|logits, targets| focal(logits, targets, 0.25, 0.0)),
        ("focal_saturated", &|logits, targets| {
            focal(logits * 10.0, targets, 0.25, 0.5)
        }),
        ("soft_f2", &soft_f2),
    ];
    for (name, loss) in losses {
        let logits = Tensor::<2>::from_data(draw("losses/logits", ROWS, |_, u| 6.0 * u - 3.0), &device).require_grad();
        let value = loss(logits.clone(), targets.clone());
        let gradients = value.backward();
        let value: f32 = value.into_scalar();
        let expected: f64 = parse(&golden[name]["value"]);
        assert!(
            (f64::from(value) - expected).abs() < 1e-6,
            "{name}: {value}, not {expected}"
        );
        let gradient = logits.grad(&gradients).expect("the logits are tracked").into_data();
        for (i, (ours, theirs)) in gradient
            .iter::<f32>()
            .zip(parse::<Vec<f64>>(&golden[name]["gradient"]))
            .enumerate()
        {
            assert!(
                (f64::from(ours) - theirs).abs() < 1e-6,
                "{name}, gradient {i}: {ours}, not {theirs}"
            );
        }
    }
}

/// Number of blocks with the same identities, as in the generator.
const BLOCKS: usize = 3;
/// Identities per block.
const IDENTITIES: usize = 4;
/// Dimension of the embeddings.
const DIM: usize = 6;

#[test]
fn embedding_losses_and_gradients_agree_with_pytorch() {
    let golden = golden("losses.json");
    let device = Device::flex().autodiff();
    let draw = |key: &str, shape: [usize; 2]| {
        let values: Vec<f32> = (0..shape[0] * shape[1])
            .map(|i| 2.0 * uniform(key, i) as f32 - 1.0)
            .collect();
        Tensor::<2>::from_data(TensorData::new(values, shape), &device)
    };
    let classes: Vec<i32> = (0..BLOCKS * IDENTITIES).map(|row| (row % IDENTITIES) as i32).collect();
    let classes = Tensor::<1, Int>::from_data(TensorData::new(classes, [BLOCKS * IDENTITIES]), &device);
    let batch = Identified {
        classes,
        block: IDENTITIES,
        memory: None,
    };
    // Name, recipe and number of directions per identity. The classifiers have no bias.
    let losses = [
        ("softmax", json!({ "kind": "softmax", "smoothing": 0.1 }), Some(1)),
        (
            "softmax_scaled",
            json!({ "kind": "softmax", "smoothing": 0.1, "scale": 16 }),
            Some(1),
        ),
        ("am_softmax", json!({ "kind": "am_softmax" }), Some(1)),
        (
            "am_softmax_sub_centres",
            json!({ "kind": "am_softmax", "scale": 16, "margin": 0.2, "sub_centres": 3, "smoothing": 0.1 }),
            Some(3),
        ),
        ("arcface", json!({ "kind": "arcface", "scale": 16 }), Some(1)),
        (
            "arcface_sub_centres",
            json!({ "kind": "arcface", "scale": 8, "margin": 0.3, "sub_centres": 3, "smoothing": 0.1 }),
            Some(3),
        ),
        (
            "arcface_wide",
            json!({ "kind": "arcface", "scale": 8, "margin": 1.4 }),
            Some(1),
        ),
        ("triplet", json!({ "kind": "triplet", "margin": 0.3 }), None),
        ("triplet_soft", json!({ "kind": "triplet" }), None),
        ("triplet_raw", json!({ "kind": "triplet", "normalise": false }), None),
        ("supcon", json!({ "kind": "supcon" }), None),
        ("contrast", json!({ "kind": "contrast", "temperature": 0.07 }), None),
    ];
    for (name, recipe, centres) in losses {
        let loss: EmbeddingLoss = serde_json::from_value(recipe).expect("the recipe is valid");
        assert_eq!(
            loss.classifier(DIM, IDENTITIES, true).is_some(),
            centres.is_some(),
            "{name}"
        );
        let x = draw("losses/embeddings", [BLOCKS * IDENTITIES, DIM]).require_grad();
        let classifier = centres.map(|centres| {
            let key = if centres == 1 {
                "losses/classifier"
            } else {
                "losses/sub_centres"
            };
            Linear {
                weight: Param::from_tensor(draw(key, [DIM, centres * IDENTITIES])),
                bias: None,
            }
        });
        let value = loss
            .compute(x.clone(), classifier.as_ref(), &batch)
            .expect("the loss has its inputs");
        let gradients = value.backward();
        let expected = &golden["embeddings"][name];
        let agree = |what: &str, ours: Vec<f32>, theirs: Vec<f64>| {
            for (i, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
                let error = (f64::from(ours) - theirs).abs();
                assert!(
                    error < 2e-5 * theirs.abs().max(1.0),
                    "{name}, {what} {i}: {ours}, not {theirs}"
                );
            }
        };
        agree("value", vec![value.into_scalar()], vec![parse(&expected["value"])]);
        let values = |gradient: Option<Tensor<2>>| -> Vec<f32> {
            gradient
                .expect("the tensor is tracked")
                .into_data()
                .iter::<f32>()
                .collect()
        };
        agree("gradient", values(x.grad(&gradients)), parse(&expected["gradient"]));
        if let Some(classifier) = &classifier {
            let gradient = values(classifier.weight.val().grad(&gradients));
            agree(
                "the classifier's gradient",
                gradient,
                parse(&expected["classifier_gradient"]),
            );
        }
    }
}

#[test]
fn a_recipes_loss_has_the_stated_weights_and_terms() {
    let device = Device::flex();
    let logits = Tensor::<2>::from_data(draw("losses/logits", ROWS, |_, u| 6.0 * u - 3.0), &device);
    let targets = draw("losses/targets", ROWS, |i, u| {
        f32::from(u8::from(u < 0.35 && i % LABELS != 0))
    });
    let targets = Tensor::<2>::from_data(targets, &device);
    // Positive rows per label of 100 rows. The weight of a label without positive rows is that of one positive row.
    let positives = [0, 1, 10, 50, 80];
    let value = |loss: Tensor<1>| f64::from(loss.into_scalar::<f32>());
    let ours = |recipe: serde_json::Value| {
        let recipe = serde_json::from_value(recipe).expect("the loss is valid");
        value(ClassifierLoss::new(recipe, &positives, 100).compute(logits.clone(), targets.clone()))
    };
    let weighted = |weights: [f32; LABELS]| {
        let weights = Tensor::<2>::from_data(TensorData::new(weights.to_vec(), [1, LABELS]), &device);
        value(weighted_bce(logits.clone(), targets.clone(), weights))
    };
    let (bce, f2) = (
        value(bce(logits.clone(), targets.clone())),
        value(soft_f2(logits.clone(), targets.clone())),
    );
    for (recipe, expected) in [
        (json!({ "kind": "bce" }), bce),
        (json!({ "kind": "weighted" }), weighted([100.0, 99.0, 9.0, 1.0, 0.25])),
        (
            json!({ "kind": "weighted", "cap": 5.0 }),
            weighted([5.0, 5.0, 5.0, 1.0, 0.25]),
        ),
        (
            json!({ "kind": "weighted", "root": true }),
            weighted([10.0, 99f32.sqrt(), 3.0, 1.0, 0.5]),
        ),
        (
            json!({ "kind": "weighted", "root": true, "cap": 5.0 }),
            weighted([5.0, 5.0, 3.0, 1.0, 0.5]),
        ),
        (
            json!({ "kind": "focal" }),
            value(focal(logits.clone(), targets.clone(), 0.25, 2.0)),
        ),
        (
            json!({ "kind": "focal", "alpha": 0.5, "gamma": 1.0 }),
            value(focal(logits.clone(), targets.clone(), 0.5, 1.0)),
        ),
        (json!({ "kind": "bce_f2" }), bce + f2),
        (json!({ "kind": "bce_f2", "weight": 0.3 }), bce + 0.3 * f2),
    ] {
        let ours = ours(recipe.clone());
        assert!((ours - expected).abs() < 1e-5, "{recipe}: {ours}, not {expected}");
    }
}
