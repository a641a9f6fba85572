//! Branches, necks and backbones of the network.

use super::*;
use burn::tensor::{Distribution, Tolerance};

#[test]
fn each_branch_can_be_switched_off() {
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
        (
            RetrievalConfig {
                part_dim: 8,
                ..RetrievalConfig::published("densenet37_w16")
            },
            16,
            4,
        ),
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
fn losses_that_compare_use_parts_before_the_norm_of_a_neck() {
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
        // The norm divides by the root of its running variance, 1, plus its epsilon. The epsilon matters for large values.
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
fn published_backbones_can_be_cut_into_branches() {
    let device = Device::flex();
    for backbone in ["resnet50", "resnet101", "resnet152", "resnext101_32x8d", "densenet169"] {
        // One last stage and few parts: the test is about the backbones.
        let config = RetrievalConfig {
            horizontal: vec![],
            vertical: vec![],
            ring: vec![2],
            part_dim: 8,
            shared_last_stage: true,
            pooling: Pooling::Gem,
            ..RetrievalConfig::published(backbone)
        };
        let net = config.init(&device).expect(backbone);
        let x = Tensor::<4>::random([1, 3, 48, 32], Distribution::Normal(0.0, 1.0), &device);
        let embedding = net.forward(x);
        assert_eq!(embedding.dims(), [1, config.embedding_dim()], "{backbone}");
        let length: f32 = embedding.square().sum().into_scalar();
        assert!((length - 1.0).abs() < 1e-4, "{backbone}: {length}");
    }
}

#[test]
fn published_embedding_has_4096_values() {
    assert_eq!(RetrievalConfig::published("resnet101").embedding_dim(), 4096);
    let mobile = RetrievalConfig::published("mobilenet_v3_small").init(&Device::flex());
    assert!(matches!(mobile, Err(RetrievalConfigError::Family(_))));
}

#[test]
fn levels_pool_earlier_maps_as_further_parts() {
    let device = Device::flex();
    let x = Tensor::<4>::random([2, 3, 64, 64], Distribution::Normal(0.0, 1.0), &device);
    for (backbone, levels) in [
        ("efficientnet_lite_w8_s6", 2),
        ("efficientnet_lite_w8", 4),
        ("resnet10_w16", 3),
    ] {
        let config = RetrievalConfig {
            levels,
            pooling: Pooling::Gem,
            part_dim: 8,
            ..RetrievalConfig::published(backbone)
        };
        let net = config.init(&device).expect("the trunk has enough maps");
        let parts = net.forward_parts(x.clone()).embedding;
        assert_eq!(parts.len(), 16 + levels, "{backbone}");
        assert_eq!(net.forward(x.clone()).dims(), [2, (16 + levels) * 8], "{backbone}");
    }
    for (backbone, maps) in [("efficientnet_lite_w8_s6", 4), ("resnet10_w16", 4)] {
        let config = RetrievalConfig {
            levels: 5,
            ..RetrievalConfig::published(backbone)
        };
        let refused = RetrievalConfigError::Levels {
            backbone: backbone.to_owned(),
            levels: 5,
            maps,
        };
        assert_eq!(config.init(&device).err(), Some(refused));
    }
}
