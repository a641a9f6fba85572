//! Averages of a network's weights over training: EMA after every step, SWA after every epoch.
//!
//! After SWA batch norm's statistics are estimated again.

use crate::recipe::AverageRecipe;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::container::TensorContainer;
use burn::tensor::{Tensor, TensorData};
use std::collections::HashMap;

/// Average of a training network, kept without autodiff.
#[derive(Debug)]
pub(crate) struct Average<M> {
    recipe: Option<AverageRecipe>,
    net: Option<M>,
    count: usize,
}

impl<M: Module> Average<M> {
    /// Continues the average `net` of `count` networks, or starts with none.
    pub(crate) fn new(recipe: Option<AverageRecipe>, net: Option<M>, count: usize) -> Self {
        Self { recipe, net, count }
    }

    /// Updates an EMA after a step.
    pub(crate) fn after_step(&mut self, net: &M) {
        if let Some(AverageRecipe::Ema { decay }) = self.recipe {
            let t = self.count as f64;
            self.update(net, 1.0 - decay.min((1.0 + t) / (10.0 + t)));
        }
    }

    /// Updates an SWA after an epoch.
    pub(crate) fn after_epoch(&mut self, net: &M, epoch: usize) {
        if let Some(AverageRecipe::Swa { from, .. }) = self.recipe
            && epoch >= from
        {
            self.update(net, 1.0 / (self.count + 1) as f64);
        }
    }

    fn update(&mut self, net: &M, share: f64) {
        let now = net.valid();
        self.count += 1;
        self.net = Some(match self.net.take() {
            Some(average) => blend(average, &now, share),
            None => now,
        });
    }

    /// Returns the average, or `None` before the first update.
    pub(crate) fn net(&self) -> Option<&M> {
        self.net.as_ref()
    }

    /// Number of averaged networks.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the network to evaluate, which shares no state with the training, and the number of batches from which its
    /// batch norm must be estimated first, 0 for none.
    pub(crate) fn to_evaluate(&self, net: &M) -> (M, usize) {
        match (&self.net, self.recipe) {
            (Some(average), Some(AverageRecipe::Swa { batches, .. })) => (separate(average), batches),
            (Some(average), _) => (separate(average), 0),
            (None, _) => (net.valid(), 0),
        }
    }
}

/// Copies a network with its running statistics, which plain clones share.
fn separate<M: Module>(net: &M) -> M {
    net.clone().train().valid()
}

/// Computes `average + share · (net − average)` for every parameter and running statistic.
fn blend<M: Module>(average: M, net: &M, share: f64) -> M {
    let mut blend = Blend {
        values: TensorContainer::new(),
        share,
    };
    net.visit(&mut blend);
    average.map(&mut blend)
}

struct Blend {
    values: TensorContainer<ParamId>,
    share: f64,
}

impl ModuleVisitor for Blend {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.values.register(param.id, param.val());
    }
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(value) = self.values.remove::<Tensor<D>>(&param.id) else {
            return param;
        };
        param.map(|average| average.clone() + (value - average) * self.share)
    }
}

/// Replaces batch norm's running statistics with the mean of the batch statistics of `batches` batches.
///
/// `forward` is called with a training network and the number of a batch. Frozen norms keep their statistics.
///
/// # Errors
/// If `forward` fails.
pub(crate) fn reestimate<M: Module>(
    net: M,
    batches: usize,
    mut forward: impl FnMut(&M, usize) -> anyhow::Result<()>,
) -> anyhow::Result<M> {
    let kept = Statistics::read(&net);
    let mut net = net.train();
    let mut pass = |net: M, start: f32, batch: usize| -> anyhow::Result<(M, Statistics)> {
        let net = net.map(&mut kept.filled(start));
        forward(&net, batch)?;
        let after = Statistics::read(&net.valid());
        Ok((net, after))
    };
    // With momentum m a pass gives (1 − m)·start + m·statistic. Two starts give m without access to the layer.
    let (next, from_one) = pass(net, 1.0, 0)?;
    net = next;
    let mut sum: Option<Statistics> = None;
    let mut momentum = Statistics::default();
    for batch in 0..batches {
        let (next, after) = pass(net, 0.0, batch)?;
        net = next;
        if batch == 0 {
            momentum = from_one.zip(&after, |one, zero| 1.0 - (one - zero));
        }
        sum = Some(match sum {
            Some(sum) => sum.zip(&after, |a, b| a + b),
            None => after,
        });
    }
    let Some(sum) = sum else {
        return Ok(net.valid().map(&mut Fill(kept.values)));
    };
    let mean = sum.zip(
        &momentum,
        |sum, momentum| if momentum > 1e-6 { sum / momentum } else { f32::NAN },
    );
    // Unchanged statistics belong to a frozen norm.
    let values = mean.zip(
        &kept,
        |mean, kept| if mean.is_nan() { kept } else { mean / batches as f32 },
    );
    Ok(net.valid().map(&mut Fill(values.values)))
}

/// Running statistics by parameter.
#[derive(Debug, Default)]
struct Statistics {
    values: HashMap<ParamId, Vec<f32>>,
    field: String,
}

impl Statistics {
    fn read<M: Module>(net: &M) -> Self {
        let mut found = Self::default();
        net.visit(&mut found);
        found
    }

    fn filled(&self, value: f32) -> Fill {
        Fill(
            self.values
                .iter()
                .map(|(id, values)| (*id, vec![value; values.len()]))
                .collect(),
        )
    }

    fn zip(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let both = self
            .values
            .iter()
            .filter_map(|(id, a)| Some((*id, a, other.values.get(id)?)));
        let values = both
            .map(|(id, a, b)| (id, a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect()))
            .collect();
        Self {
            values,
            field: String::new(),
        }
    }
}

impl ModuleVisitor for Statistics {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.field == "running_mean" || self.field == "running_var" {
            self.values
                .insert(param.id, param.val().into_data().iter::<f32>().collect());
        }
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        name.clone_into(&mut self.field);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.field.clear();
    }
}

/// Sets the parameters with these ids to these values.
struct Fill(HashMap<ParamId, Vec<f32>>);

impl ModuleMapper for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(values) = self.0.get(&param.id) else {
            return param;
        };
        param.map(|tensor| Tensor::from_data(TensorData::new(values.clone(), tensor.shape()), &tensor.device()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct Net {
        linear: Linear,
        norm: BatchNorm,
    }

    /// Sets every parameter to one value.
    struct Constant(f32);

    impl ModuleMapper for Constant {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| tensor.zeros_like() + self.0)
        }
    }

    fn net() -> Net {
        let device = Device::flex().autodiff();
        Net {
            linear: LinearConfig::new(1, 1).init(&device),
            norm: BatchNormConfig::new(2).init(&device),
        }
    }

    fn weight(net: &Net) -> f64 {
        f64::from(
            net.linear
                .weight
                .val()
                .into_data()
                .iter::<f32>()
                .next()
                .unwrap_or(f32::NAN),
        )
    }

    #[test]
    fn averages_follow_their_publications() {
        let net = net();
        // Step t keeps at most (1 + t) / (10 + t).
        let expected = |decay: f64, values: &[f64]| {
            let steps = values.iter().enumerate().skip(1);
            steps.fold(values[0], |average, (t, value)| {
                let keep = decay.min((1.0 + t as f64) / (10.0 + t as f64));
                keep * average + (1.0 - keep) * value
            })
        };
        let values: Vec<f64> = (0..40).map(|t| f64::from(t % 7)).collect();
        for decay in [0.0, 0.5, 0.999] {
            let mut average = Average::new(Some(AverageRecipe::Ema { decay }), None, 0);
            for value in &values {
                average.after_step(&net.clone().map(&mut Constant(*value as f32)));
            }
            average.after_epoch(&net, 0);
            let found = weight(average.net().expect("an average"));
            assert!((found - expected(decay, &values)).abs() < 1e-5, "{decay}: {found}");
            assert_eq!((average.count(), average.to_evaluate(&net).1), (values.len(), 0));
        }
        let mut average = Average::new(Some(AverageRecipe::Swa { from: 1, batches: 4 }), None, 0);
        for (epoch, value) in [9.0, 1.0, 2.0, 6.0].into_iter().enumerate() {
            average.after_step(&net);
            average.after_epoch(&net.clone().map(&mut Constant(value)), epoch);
            assert_eq!(average.net().is_some(), epoch > 0, "averaging begins with epoch 1");
        }
        let (evaluated, batches) = average.to_evaluate(&net);
        assert!(
            (weight(&evaluated) - 3.0).abs() < 1e-6 && batches == 4,
            "{} {batches}",
            weight(&evaluated)
        );
        let plain: Average<Net> = Average::new(None, None, 0);
        assert_eq!(
            (weight(&plain.to_evaluate(&net).0), plain.to_evaluate(&net).1),
            (weight(&net), 0)
        );
    }

    #[test]
    fn reestimated_statistics_are_the_mean_over_the_batches() {
        let net = net().map(&mut Constant(7.0)).valid();
        // Two channels of four values each. The second batch has another mean and a larger variance.
        let batches = [
            [1.0f32, 2.0, 3.0, 6.0, 0.0, 0.0, 4.0, 4.0],
            [10.0, 10.0, 20.0, 20.0, -1.0, 1.0, -1.0, 1.0],
        ];
        let found = reestimate(net, batches.len(), |net, index| {
            let values = TensorData::new(batches[index].to_vec(), [1, 2, 4]);
            net.norm
                .forward(Tensor::<3>::from_data(values, &Device::flex().autodiff()));
            Ok(())
        })
        .expect("every pass succeeds");
        let moments = |values: &[f32]| {
            let mean = values.iter().sum::<f32>() / 4.0;
            (
                mean,
                values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / 4.0,
            )
        };
        let values = |tensor: Tensor<1>| tensor.into_data().iter::<f32>().collect::<Vec<f32>>();
        let (means, vars) = (
            values(found.norm.running_mean.value()),
            values(found.norm.running_var.value()),
        );
        for channel in 0..2 {
            let each = batches.map(|batch| moments(&batch[4 * channel..4 * channel + 4]));
            let (mean, var) = ((each[0].0 + each[1].0) / 2.0, (each[0].1 + each[1].1) / 2.0);
            assert!(
                (means[channel] - mean).abs() < 1e-3,
                "mean {} is not {mean}",
                means[channel]
            );
            assert!(
                (vars[channel] - var).abs() < 1e-3 * var,
                "variance {} is not {var}",
                vars[channel]
            );
        }
        assert!((weight(&found) - 7.0).abs() < 1e-6, "reestimation keeps the weights");
    }
}
