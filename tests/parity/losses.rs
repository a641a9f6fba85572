//! The classifier's and the embeddings' losses and their gradients against PyTorch's and torchvision's.

use crate::formula::uniform;
use crate::{golden, of};
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::json;
use server::train::embedding_loss::{EmbeddingLoss, Identified};
use server::train::loss::{bce, focal, soft_f2, weighted_bce};

const ROWS: usize = 8;
const LABELS: usize = 5;

fn draw(key: &str, rows: usize, f: impl Fn(usize, f32) -> f32) -> TensorData {
    let values: Vec<f32> = (0..rows * LABELS).map(|i| f(i, uniform(key, i) as f32)).collect();
    TensorData::new(values, [rows, LABELS])
}

#[test]
fn values_and_gradients_agree_with_pytorch() {
    let golden = golden("losses.json");
    let device = Device::flex().autodiff();
    let targets = draw("losses/targets", ROWS, |i, u| f32::from(u8::from(u < 0.35 && i % LABELS != 0)));
    let targets = Tensor::<2>::from_data(targets, &device);
    let weights = Tensor::<2>::from_data(draw("losses/weights", 1, |_, u| 4.0 * u), &device);
    type Loss<'a> = &'a dyn Fn(Tensor<2>, Tensor<2>) -> Tensor<1>;
    let losses: [(&str, Loss<'_>); 5] = [
        ("bce", &bce),
        ("weighted", &|logits, targets| weighted_bce(logits, targets, weights.clone())),
        ("focal", &|logits, targets| focal(logits, targets, 0.25, 2.0)),
        ("focal_unweighted", &|logits, targets| focal(logits, targets, -1.0, 1.5)),
        ("soft_f2", &soft_f2),
    ];
    for (name, loss) in losses {
        let logits = Tensor::<2>::from_data(draw("losses/logits", ROWS, |_, u| 6.0 * u - 3.0), &device).require_grad();
        let value = loss(logits.clone(), targets.clone());
        let gradients = value.backward();
        let value: f32 = value.into_scalar();
        let expected: f64 = of(&golden[name]["value"]);
        assert!((f64::from(value) - expected).abs() < 1e-6, "{name}: {value}, not {expected}");
        let gradient = logits.grad(&gradients).expect("the logits are tracked").into_data();
        for (i, (ours, theirs)) in gradient.iter::<f32>().zip(of::<Vec<f64>>(&golden[name]["gradient"])).enumerate() {
            assert!((f64::from(ours) - theirs).abs() < 1e-6, "{name}, gradient {i}: {ours}, not {theirs}");
        }
    }
}

/// As in the generator: blocks of the same identities, values of an embedding.
const BLOCKS: usize = 3;
const IDENTITIES: usize = 4;
const DIM: usize = 6;

#[test]
fn losses_of_embeddings_agree_with_pytorch() {
    let golden = golden("losses.json");
    let device = Device::flex().autodiff();
    let draw = |key: &str, shape: [usize; 2]| {
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(|i| 2.0 * uniform(key, i) as f32 - 1.0).collect();
        Tensor::<2>::from_data(TensorData::new(values, shape), &device)
    };
    let classes: Vec<i32> = (0..BLOCKS * IDENTITIES).map(|row| (row % IDENTITIES) as i32).collect();
    let classes = Tensor::<1, Int>::from_data(TensorData::new(classes, [BLOCKS * IDENTITIES]), &device);
    let batch = Identified { classes, block: IDENTITIES };
    // Name, recipe, directions of each identity; a plain softmax's bias would start somewhere and is left out.
    let losses = [
        ("softmax", json!({ "kind": "softmax", "smoothing": 0.1 }), Some(1)),
        ("softmax_scaled", json!({ "kind": "softmax", "smoothing": 0.1, "scale": 16 }), Some(1)),
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
        ("arcface_wide", json!({ "kind": "arcface", "scale": 8, "margin": 1.4 }), Some(1)),
        ("triplet", json!({ "kind": "triplet", "margin": 0.3 }), None),
        ("triplet_soft", json!({ "kind": "triplet" }), None),
        ("triplet_raw", json!({ "kind": "triplet", "normalise": false }), None),
        ("supcon", json!({ "kind": "supcon" }), None),
        ("contrast", json!({ "kind": "contrast", "temperature": 0.07 }), None),
    ];
    for (name, recipe, centres) in losses {
        let loss: EmbeddingLoss = serde_json::from_value(recipe).expect("a recipe");
        assert_eq!(loss.classifier(DIM, IDENTITIES, true).is_some(), centres.is_some(), "{name}");
        let x = draw("losses/embeddings", [BLOCKS * IDENTITIES, DIM]).require_grad();
        let classifier = centres.map(|centres| {
            let key = if centres == 1 { "losses/classifier" } else { "losses/sub_centres" };
            Linear { weight: Param::from_tensor(draw(key, [DIM, centres * IDENTITIES])), bias: None }
        });
        let value = loss.of(x.clone(), classifier.as_ref(), &batch).expect("complete");
        let gradients = value.backward();
        let expected = &golden["embeddings"][name];
        let agree = |what: &str, ours: Vec<f32>, theirs: Vec<f64>| {
            for (i, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
                let error = (f64::from(ours) - theirs).abs();
                assert!(error < 2e-5 * theirs.abs().max(1.0), "{name}, {what} {i}: {ours}, not {theirs}");
            }
        };
        agree("value", vec![value.into_scalar()], vec![of(&expected["value"])]);
        let values = |gradient: Option<Tensor<2>>| -> Vec<f32> {
            gradient.expect("is tracked").into_data().iter::<f32>().collect()
        };
        agree("gradient", values(x.grad(&gradients)), of(&expected["gradient"]));
        if let Some(classifier) = &classifier {
            let gradient = values(classifier.weight.val().grad(&gradients));
            agree("the classifier's gradient", gradient, of(&expected["classifier_gradient"]));
        }
    }
}
