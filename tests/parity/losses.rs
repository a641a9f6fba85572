//! The classifier's losses and their gradients against PyTorch's and torchvision's.

use crate::formula::uniform;
use crate::{golden, of};
use burn::tensor::{Device, Tensor, TensorData};
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
