//! Every branch and key of the network, and networks joined.

use super::*;
use burn::tensor::{Distribution, Tolerance};

#[test]
fn every_branch_is_a_switch() {
    let device = Device::flex();
    let off = RetrievalConfig {
        global: false,
        horizontal: vec![],
        vertical: vec![],
        ring: vec![],
        part_dim: 8,
        ..RetrievalConfig::published("resnet10_w16")
    };
    assert_eq!(off.init(&device).err(), Some(RetrievalConfigError::NoBranch));
    for (nothing, what) in [
        (
            RetrievalConfig {
                ring: vec![2, 0],
                ..off.clone()
            },
            "part counts",
        ),
        (
            RetrievalConfig {
                global: true,
                part_dim: 0,
                ..off.clone()
            },
            "`part_dim`",
        ),
        (
            RetrievalConfig {
                global: true,
                last_stride: 0,
                ..off.clone()
            },
            "`last_stride`",
        ),
    ] {
        assert_eq!(nothing.init(&device).err(), Some(RetrievalConfigError::Zero(what)));
    }
    let cases = [
        (
            RetrievalConfig {
                global: true,
                ..off.clone()
            },
            1,
            1,
        ),
        (
            RetrievalConfig {
                horizontal: vec![2, 3],
                ..off.clone()
            },
            5,
            1,
        ),
        (
            RetrievalConfig {
                vertical: vec![2],
                global: true,
                ..off.clone()
            },
            3,
            2,
        ),
        (
            RetrievalConfig {
                part_dim: 8,
                ..RetrievalConfig::published("resnet10_w16")
            },
            16,
            4,
        ),
        (
            RetrievalConfig {
                part_dim: 8,
                shared_last_stage: true,
                ..RetrievalConfig::published("resnet10_w16")
            },
            16,
            1,
        ),
        (
            RetrievalConfig {
                ring: vec![2],
                pooling: Pooling::Gem,
                neck: true,
                ..off.clone()
            },
            2,
            1,
        ),
        #[cfg(feature = "backbones")]
        (
            RetrievalConfig {
                part_dim: 8,
                ..RetrievalConfig::published("densenet37_w16")
            },
            16,
            4,
        ),
        #[cfg(feature = "backbones")]
        (
            RetrievalConfig {
                global: true,
                ring: vec![3],
                shared_last_stage: true,
                attention: Attention::Cbam,
                ..off.clone()
            },
            4,
            1,
        ),
    ];
    for (config, parts, stages) in cases {
        let net = config.init(&device).expect("valid");
        assert_eq!((config.n_parts(), net.branches.len()), (parts, stages), "{config:?}");
        let x = Tensor::<4>::random([2, 3, 64, 48], Distribution::Normal(0.0, 1.0), &device);
        let embedding = net.forward(x.clone());
        assert_eq!(embedding.dims(), [2, parts * 8]);
        let norms = embedding.clone().square().sum_dim(1).into_data();
        norms.assert_approx_eq::<f32>(&[[1.0f32], [1.0]].into(), Tolerance::absolute(1e-5));
        let folded = net.fold_batch_norm().forward(x).into_data();
        folded.assert_approx_eq::<f32>(&embedding.into_data(), Tolerance::absolute(1e-4));
    }
}

#[test]
fn a_neck_hides_the_norm_from_losses_that_compare() {
    let device = Device::flex();
    let x = Tensor::<4>::random([2, 3, 32, 32], Distribution::Normal(0.0, 1.0), &device);
    for neck in [false, true] {
        let config = RetrievalConfig {
            neck,
            part_dim: 4,
            ..RetrievalConfig::published("resnet10_w16")
        };
        let mut net = config.init(&device).expect("valid");
        for part in &mut net.parts {
            let norm = part.bn.as_mut().expect("not folded");
            norm.gamma = Param::from_tensor(Tensor::full([4], 2.0, &device));
        }
        // The norm divides by the root of its running variance, 1, and its epsilon, which counts where values are large.
        let Parts { compared, embedding } = net.forward_parts(x.clone());
        let factor = if neck { 2.0 / (1.0 + 1e-5f64).sqrt() } else { 1.0 };
        for (compared, embedding) in compared.into_iter().zip(embedding) {
            let expected = (compared * factor).into_data();
            embedding
                .into_data()
                .assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-3));
        }
    }
}

#[test]
fn published_backbones_carry_the_network() {
    let device = Device::flex();
    for backbone in ["resnet50", "resnet101", "resnet152", "resnext101_32x8d", "densenet169"] {
        // One last stage and few parts: this is about what the backbones give, not about the branches.
        let config = RetrievalConfig {
            horizontal: vec![],
            vertical: vec![],
            ring: vec![2],
            part_dim: 8,
            shared_last_stage: true,
            pooling: Pooling::Gem,
            ..RetrievalConfig::published(backbone)
        };
        let net = match config.init(&device) {
            Ok(net) => net,
            #[cfg(not(feature = "backbones"))]
            Err(RetrievalConfigError::Backbone(_)) => continue, // a browser's module lacks the DenseNets
            Err(error) => panic!("{backbone}: {error}"),
        };
        let x = Tensor::<4>::random([1, 3, 48, 32], Distribution::Normal(0.0, 1.0), &device);
        let embedding = net.forward(x);
        assert_eq!(embedding.dims(), [1, config.embedding_dim()], "{backbone}");
        let length: f32 = embedding.square().sum().into_scalar();
        assert!((length - 1.0).abs() < 1e-4, "{backbone}: {length}");
    }
}

#[cfg(feature = "backbones")]
#[test]
fn joined_networks_weigh_each_others_cosines() {
    let device = Device::flex();
    let own = RetrievalConfig {
        part_dim: 4,
        ring: vec![],
        ..RetrievalConfig::published("resnet10_w16")
    };
    let other = RetrievalConfig {
        part_dim: 8,
        share: 3,
        ..RetrievalConfig::published("densenet37_w16")
    };
    let joined = RetrievalConfig {
        joined: vec![other.clone()],
        ..own.clone()
    };
    assert_eq!(joined.embedding_dim(), own.embedding_dim() + other.embedding_dim());
    let (own, other) = (own.init(&device).expect("valid"), other.init(&device).expect("valid"));
    let joined = own.clone().joined_with(1, vec![(other.clone(), 3)]);
    let x = Tensor::<4>::random([2, 3, 64, 48], Distribution::Normal(0.0, 1.0), &device);
    let cosine = |net: &RetrievalNet| -> f32 {
        let embedding = net.forward(x.clone());
        (embedding.clone().narrow(0, 0, 1) * embedding.narrow(0, 1, 1))
            .sum()
            .into_scalar()
    };
    let expected = 0.25 * cosine(&own) + 0.75 * cosine(&other);
    assert!(
        (cosine(&joined) - expected).abs() < 1e-5,
        "{} is not {expected}",
        cosine(&joined)
    );
    assert!((cosine(&joined.fold_batch_norm()) - expected).abs() < 1e-4);
}

#[test]
fn published_embedding_has_4096_values() {
    assert_eq!(RetrievalConfig::published("resnet101").embedding_dim(), 4096);
    let mobile = RetrievalConfig::published("mobilenet_v3_small").init(&Device::flex());
    assert!(matches!(mobile, Err(RetrievalConfigError::Family(_))));
}
