//! EfficientNet-Lite with the published weights, and networks that end after a stage.

use burn::tensor::{Device, Tensor};
use pretrained::{PACKAGES, verify};
use shared::model::{BackboneConfig, PartsConfig, QueryConfig, RetrievalConfig, StyleConfig};
use shared::server_models::load_pretrained;
use shared::weights::{Precision, layout, save};

/// Config of a classifier with this backbone.
fn config(backbone: &str) -> StyleConfig {
    StyleConfig {
        backbone: backbone.to_owned(),
        head: Default::default(),
        dense: None,
        per_label: false,
        n_labels: 3,
    }
}

#[test]
fn published_weights_compute_the_published_logits() {
    for package in &PACKAGES {
        let test = "published_weights_compute_the_published_logits";
        let Some(file) = tests::skip::pretrained(test, package.name) else {
            continue;
        };
        let weights = pretrained::read(&file).expect("the cached file can be read");
        verify(package, &weights, &Device::flex()).expect("the logits agree");
    }
}

#[test]
fn maps_have_the_sides_and_channels_of_their_stages() {
    let device = Device::flex();
    for (name, [height, width], pyramid) in [
        ("efficientnet_lite0", [64_usize, 96], &[16, 24, 40, 112, 1280][..]),
        ("efficientnet_lite0_s6", [50, 33], &[16, 24, 40, 112, 192]),
        ("efficientnet_lite2_s7", [32, 32], &[16, 24, 48, 120, 352]),
        ("efficientnet_lite1_s5", [64, 64], &[16, 24, 40, 112]),
        ("efficientnet_lite1_s4", [64, 64], &[16, 24, 40, 80]),
    ] {
        let config = BackboneConfig::named(name).expect("the name is known");
        assert_eq!(config.pyramid_channels(), pyramid, "{name}");
        let net = config.init(&device);
        let maps = net.forward_pyramid(Tensor::zeros([1, 3, height, width], &device));
        let shapes: Vec<[usize; 4]> = maps.iter().map(Tensor::dims).collect();
        let expected: Vec<[usize; 4]> = (1..)
            .zip(pyramid)
            .map(|(level, channels)| [1, *channels, height.div_ceil(1 << level), width.div_ceil(1 << level)])
            .collect();
        assert_eq!(shapes, expected, "{name}");
    }
    for name in [
        "efficientnet_lite0_s0",
        "efficientnet_lite0_s8",
        "efficientnet_lite3",
        "resnet18_s2",
    ] {
        let error = BackboneConfig::named(name).expect_err(name).to_string();
        assert!(error.contains("efficientnet_lite0_s5"), "{error}");
    }
}

#[test]
fn a_network_that_ends_early_starts_from_the_weights_of_the_whole() {
    let device = Device::flex();
    let whole = config("efficientnet_lite_w8")
        .init(&device)
        .expect("the config is valid");
    let file = save(&whole, Precision::F32).expect("the weights are finite");
    let ones = Tensor::<4>::ones([1, 3, 64, 64], &device);
    let maps = whole.backbone().forward_pyramid(ones.clone());
    for (stage, map) in [("s5", 3), ("s2", 1)] {
        let net = config(&format!("efficientnet_lite_w8_{stage}"))
            .init(&device)
            .expect("the config is valid");
        let net = load_pretrained(net, &file).expect("the first stages fit");
        let features = net.backbone().forward_features(ones.clone());
        assert_eq!(features.into_data(), maps[map].clone().into_data(), "{stage}");
    }
    let other = config("efficientnet_lite0_s5")
        .init(&device)
        .expect("the config is valid");
    let error = load_pretrained(other, &file).expect_err("another width").to_string();
    assert!(error.contains("efficientnet_lite_w8"), "{error}");
}

#[test]
fn parts_of_a_query_encoder_are_those_of_its_teacher() {
    let device = Device::flex();
    let teacher = RetrievalConfig {
        part_dim: 4,
        ..RetrievalConfig::published("efficientnet_lite_w8_s6")
    };
    let file = save(
        &config("efficientnet_lite_w8").init(&device).expect("valid"),
        Precision::F32,
    )
    .expect("finite");
    for (embedding_dim, projected) in [(teacher.embedding_dim(), false), (24, true)] {
        let config = QueryConfig {
            backbone: "efficientnet_lite_w8_s5".to_owned(),
            embedding_dim,
            parts: Some(PartsConfig::of(&teacher)),
        };
        let net = load_pretrained(config.init(&device).expect("valid"), &file).expect("the backbone fits");
        let images = Tensor::<4>::random([2, 3, 64, 48], burn::tensor::Distribution::Normal(0.0, 1.0), &device);
        let (parts, embedding) = net.forward_parts(images.clone());
        assert_eq!(parts.iter().map(Tensor::dims).collect::<Vec<_>>(), [[2, 4]; 16]);
        assert_eq!(embedding.dims(), [2, embedding_dim]);
        let keys: Vec<String> = layout(&net).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys.contains(&"project.weight".to_owned()), projected, "{keys:?}");
        let folded = net.fold_batch_norm();
        let difference: f32 = (folded.forward(images) - embedding).abs().max().into_scalar();
        assert!(difference < 1e-3, "folding changes the embedding by {difference}");
    }
}

#[test]
fn branches_of_a_retrieval_network_start_from_the_stages_after_the_trunk() {
    let device = Device::flex();
    let whole = config("efficientnet_lite_w8")
        .init(&device)
        .expect("the config is valid");
    let file = save(&whole, Precision::F32).expect("the weights are finite");
    for (backbone, first) in [
        ("efficientnet_lite_w8", 5),
        ("efficientnet_lite_w8_s6", 5),
        ("efficientnet_lite_w8_s3", 2),
    ] {
        let net = RetrievalConfig {
            part_dim: 4,
            ..RetrievalConfig::published(backbone)
        }
        .init(&device)
        .expect("the config is valid");
        let keys: Vec<String> = layout(&net).into_iter().map(|(key, _)| key).collect();
        for branch in 0..4 {
            let key = format!("branches.{branch}._blocks.{first}._depthwise_conv.weight");
            assert!(keys.contains(&key), "{backbone} lacks {key}: {keys:?}");
        }
        let net = load_pretrained(net, &file).expect("trunk and branches fit");
        let embedding = net.forward(Tensor::ones([2, 3, 64, 64], &device));
        assert_eq!(embedding.dims(), [2, 64]);
    }
}
