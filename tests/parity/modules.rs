//! GeM pooling with a learned exponent, and CBAM, compared with implementations of their papers in PyTorch.

use crate::formula::uniform;
use crate::{golden, parse};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use shared::model::Pooling;
use shared::model::attention::Cbam;

fn map(device: &Device) -> Tensor<4> {
    let values: Vec<f32> = (0..2 * 32 * 5 * 4)
        .map(|i| (4.0 * uniform("modules/map", i) - 2.0) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, [2, 32, 5, 4]), device)
}

fn assert_close(ours: Vec<f32>, theirs: Vec<f64>, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (i, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
        assert!(
            (f64::from(ours) - theirs).abs() < 2e-5 * theirs.abs().max(1.0),
            "{what}, {i}: {ours}, not {theirs}"
        );
    }
}

#[test]
fn gem_pooling_and_the_gradient_of_its_exponent_agree_with_pytorch() {
    let device = Device::flex().autodiff();
    for case in golden("modules.json")["gem"].as_array().expect("the golden has cases") {
        let p: f32 = parse(&case["p"]);
        let exponent = Tensor::<1>::from_floats([p], &device).require_grad();
        let pooled = Pooling::Gem.pool(map(&device), None, Some(exponent.clone()));
        let gradients = pooled.clone().sum().backward();
        assert_close(
            pooled.into_data().iter::<f32>().collect(),
            parse(&case["pooled"]),
            &format!("p = {p}"),
        );
        let gradient = exponent.grad(&gradients).expect("the exponent is tracked").into_data();
        assert_close(
            gradient.iter::<f32>().collect(),
            vec![parse(&case["gradient"])],
            &format!("gradient of p = {p}"),
        );
    }
}

/// Fills parameters like the generator, in their order.
struct Drawn(usize);

impl ModuleMapper for Drawn {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let key = format!("cbam/{}", self.0);
        let positive = [5, 8].contains(&self.0);
        self.0 += 1;
        param.map(|tensor| {
            let n = tensor.shape().num_elements();
            let value = |u: f64| if positive { 0.5 + u } else { 2.0 * u - 1.0 };
            let values: Vec<f32> = (0..n).map(|i| value(uniform(&key, i)) as f32).collect();
            Tensor::from_data(TensorData::new(values, tensor.shape()), &tensor.device())
        })
    }
}

#[test]
fn attention_agrees_with_pytorch() {
    let device = Device::flex();
    let mut drawn = Drawn(0);
    let cbam = Cbam::new(32, &device).map(&mut drawn);
    assert_eq!(
        drawn.0, 9,
        "two layers have weights and biases, and one convolution has a weight and a norm with four parameters"
    );
    let output = cbam.forward(map(&device)).into_data();
    assert_close(
        output.iter::<f32>().collect(),
        parse(&golden("modules.json")["cbam"]),
        "CBAM",
    );
}
