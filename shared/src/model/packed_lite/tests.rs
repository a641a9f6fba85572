//! Packed networks against the layers that they were packed from.

use crate::model::block::Fold;
use crate::model::{Backbone, BackboneConfig};
use burn::tensor::{Device, Distribution, Tensor, Tolerance};

#[test]
fn packed_weights_compute_the_same_maps() {
    let device = Device::flex();
    for (name, [batch, height, width]) in [
        ("efficientnet_lite0", [1, 64, 96]),
        ("efficientnet_lite0_s5", [2, 50, 33]),
        ("efficientnet_lite2_s6", [1, 31, 32]),
        ("efficientnet_lite0_s1", [1, 1, 1]),
    ] {
        let config = BackboneConfig::named(name).expect("the name is known");
        let net = config.init(&device).fold(Fold::Exact);
        let packed = net.clone().fold(Fold::Pack);
        let x = Tensor::<4>::random([batch, 3, height, width], Distribution::Normal(0.0, 1.0), &device);
        let maps = |net: &Backbone| [net.forward_pyramid(x.clone()), vec![net.forward_features(x.clone())]].concat();
        for (left, right) in maps(&packed).iter().zip(&maps(&net)) {
            assert_eq!(left.dims(), right.dims(), "{name}");
            let tolerance = Tolerance::absolute(1e-4).set_relative(1e-4);
            left.to_data().assert_approx_eq::<f32>(&right.to_data(), tolerance);
        }
        assert!(packed.is_packed() && !net.is_packed(), "{name}");
    }
    // The first has numbers of channels that eight does not divide. The second still has its norms.
    for (name, fold) in [
        ("efficientnet_lite_w8", Some(Fold::Exact)),
        ("efficientnet_lite0_s2", None),
    ] {
        let net = BackboneConfig::named(name).expect("the name is known").init(&device);
        let net = match fold {
            Some(fold) => net.fold(fold),
            None => net,
        };
        assert!(!net.fold(Fold::Pack).is_packed(), "{name}");
    }
}
