//! Networks of torchvision, and timm's Xception, with weights from a formula: names, layouts and logits.

use crate::formula::{fnv1a64, uniform};
use crate::{golden, parse};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use shared::model::{HeadConfig, RetrievalConfig, StyleConfig, StyleNet};
use shared::server_models::load_pretrained;
use shared::weights::{Precision, WeightsError, layout, load, save};

/// Values of one tensor, as in `torchvision_logits.py`.
fn contents(key: &str, shape: &[usize], gain: f64) -> Vec<u8> {
    let fan_in: usize = shape.iter().skip(1).product();
    let scale = gain * (3.0 / fan_in as f64).sqrt();
    (0..shape.iter().product())
        .flat_map(|i| {
            let u = uniform(key, i);
            let value = if key.ends_with(".running_var") {
                0.5 + u
            } else if key.ends_with(".running_mean") || key.ends_with(".bias") {
                (2.0 * u - 1.0) * 0.1
            } else if shape.len() == 1 {
                0.5 + u
            } else {
                (2.0 * u - 1.0) * scale
            };
            (value as f32).to_le_bytes()
        })
        .collect()
}

/// A file like torchvision's. `alter` changes the names and bytes of tensors.
fn file(net: &StyleNet, gain: f64, alter: impl Fn(&mut String, &mut Vec<u8>)) -> Vec<u8> {
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = layout(net)
        .into_iter()
        .map(|(mut key, shape)| {
            let mut bytes = contents(&key, &shape, gain);
            alter(&mut key, &mut bytes);
            (key, shape, bytes)
        })
        .collect();
    let views = tensors.iter().map(|(key, shape, bytes)| {
        (
            key.as_str(),
            TensorView::new(Dtype::F32, shape.clone(), bytes).expect("the sizes agree"),
        )
    });
    safetensors::serialize(views, None).expect("the tensors serialise")
}

fn network(name: &str) -> StyleNet {
    let config = StyleConfig {
        backbone: name.to_owned(),
        head: HeadConfig::Torchvision,
        dense: None,
        per_label: false,
        n_labels: 1000,
    };
    config.init(&Device::flex()).expect("the backbone is registered")
}

fn input(side: usize) -> Tensor<4> {
    let shape = [2, 3, side, side];
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|i| ((2.0 * uniform("input", i) - 1.0) * 2.0) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

#[test]
fn logits_agree_within_a_ten_thousandth() {
    let golden = golden("torchvision.json");
    for (name, expected) in golden["networks"].as_object().expect("the golden has networks") {
        let net = network(name);
        let bytes = file(&net, parse(&expected["gain"]), |_, _| {});
        let net = load(net, &bytes).expect("every key fits");
        for (net, what, tolerance) in [
            (net.clone(), "as trained", 1e-4),
            (net.fold_batch_norm(), "folded", 1e-4),
        ] {
            let logits: Vec<f32> = net
                .forward(input(parse(&expected["side"])))
                .into_data()
                .iter::<f32>()
                .collect();
            for (image, logits) in logits.chunks_exact(1000).enumerate() {
                let output = &expected["outputs"][image];
                for (i, (logit, head)) in logits.iter().zip(parse::<Vec<f64>>(&output["head"])).enumerate() {
                    let error = (f64::from(*logit) - head).abs();
                    assert!(
                        error <= tolerance,
                        "{name} {what}, image {image}, logit {i}: the error is {error:e}"
                    );
                }
                let sum: f64 = logits.iter().map(|logit| f64::from(*logit)).sum();
                assert!(
                    (sum - parse::<f64>(&output["sum"])).abs() <= 1000.0 * tolerance,
                    "{name} {what}: sum of logits"
                );
            }
        }
    }
}

#[test]
fn names_and_shapes_equal_those_of_torchvision() {
    let golden = golden("torchvision.json");
    let known = |part: &str| golden[part].as_object().expect("the golden has networks").clone();
    for (name, expected) in known("networks").into_iter().chain(known("layouts")) {
        let mut lines: Vec<String> = layout(&network(&name))
            .into_iter()
            .map(|(key, shape)| {
                let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
                format!("{key} {}\n", shape.join("x"))
            })
            .collect();
        lines.sort();
        assert_eq!(lines.len(), parse::<usize>(&expected["tensors"]), "{name}");
        assert_eq!(
            format!("{:016x}", fnv1a64(lines.concat().as_bytes())),
            expected["keys"],
            "{name}: {lines:#?}"
        );
    }
}

#[test]
fn weights_that_do_not_fit_are_refused_with_the_names_of_tensors() {
    let key = "layer2.0.conv1.weight";
    let net = network("resnet18");
    let renamed = file(&net, 1.0, |name, _| {
        if name == key {
            name.push('x');
        }
    });
    let error = load(net.clone(), &renamed).expect_err("a key is wrong");
    let (missing, unexpected) = (vec![key.to_owned()], vec![format!("{key}x")]);
    assert_eq!(
        error,
        WeightsError::Keys {
            missing,
            unexpected,
            resembles: None
        }
    );

    let poisoned = file(&net, 1.0, |name, bytes| {
        if name == key {
            bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }
    });
    let error = load(net.clone(), &poisoned).expect_err("a weight is NaN");
    assert_eq!(error, WeightsError::NotFinite { key: key.to_owned() });

    let whole = file(&net, 1.0, |_, _| {});
    assert!(matches!(
        load(net, &whole[..whole.len() - 1]),
        Err(WeightsError::Format(_))
    ));
}

#[test]
fn the_error_of_other_weights_names_their_backbone() {
    let folded = network("mobilenet_v3_small").fold_batch_norm();
    for (bytes, wanted, says) in [
        (
            file(&network("resnet18"), 1.0, |_, _| {}),
            "resnet34",
            ["'layer1.2.bn1.bias'", "resnet18's weights; set"],
        ),
        (
            file(&network("resnet18"), 1.0, |_, _| {}),
            "resnet18_w32",
            ["has shape", "resnet18's weights; set"],
        ),
        (
            file(&network("densenet37_w16"), 1.0, |_, _| {}),
            "xception_w8",
            ["'block1.rep.0.conv1.weight'", "densenet37_w16's weights; set"],
        ),
        (
            file(&folded, 1.0, |_, _| {}),
            "mobilenet_v3_small",
            ["running_mean", "mobilenet_v3_small's weights from a bundle"],
        ),
    ] {
        let error = load_pretrained(network(wanted), &bytes)
            .expect_err("the weights are of another network")
            .to_string();
        assert!(says.iter().all(|part| error.contains(part)), "{error}");
    }
    let other = [(
        "a.weight",
        TensorView::new(Dtype::F32, vec![1], &[0; 4]).expect("there are four bytes"),
    )];
    let other = safetensors::serialize(other, None).expect("the tensors serialise");
    let error = load_pretrained(network("resnet18"), &other)
        .expect_err("the weights are of no known network")
        .to_string();
    assert!(
        error.contains("unexpected 'a.weight'") && !error.contains("hint"),
        "{error}"
    );
}

/// A pretrained network has one last stage. Every branch of the retrieval network is initialised with it.
#[test]
fn pretrained_weights_initialise_every_branch() {
    let bytes = file(&network("resnet18"), 1.0, |_, _| {});
    let net = RetrievalConfig::published("resnet18")
        .init(&Device::flex())
        .expect("the configuration is valid");
    let net = load_pretrained(net, &bytes).expect("the classifier of the file is ignored");
    let saved = save(&net, Precision::F32).expect("the weights serialise");
    let saved = SafeTensors::deserialize(&saved).expect("the file is safetensors");
    let expected = contents("layer4.1.conv2.weight", &[512, 512, 3, 3], 1.0);
    for branch in 0..4 {
        let tensor = saved
            .tensor(&format!("branches.{branch}.layer4.1.conv2.weight"))
            .expect("the tensor is in the file");
        assert!(tensor.data() == expected, "branch {branch}");
    }
    assert!(
        saved.tensor("conv1.weight").expect("the tensor is in the file").data()
            == contents("conv1.weight", &[64, 3, 7, 7], 1.0)
    );

    // The weights of a retrieval network initialise a classifier, but not its head.
    let config = StyleConfig {
        backbone: "resnet18".to_owned(),
        head: HeadConfig::default(),
        dense: None,
        per_label: false,
        n_labels: 3,
    };
    let trained = save(&net, Precision::F32).expect("the weights serialise");
    let style = load_pretrained(
        config.init(&Device::flex()).expect("the configuration is valid"),
        &trained,
    )
    .expect("the backbone fits");
    let style = save(&style, Precision::F32).expect("the weights serialise");
    let style = SafeTensors::deserialize(&style).expect("the file is safetensors");
    assert!(
        style
            .tensor("layer4.1.conv2.weight")
            .expect("the tensor is in the file")
            .data()
            == expected
    );
}

/// Published files contain classifiers, counters and older names.
#[test]
fn tensors_of_published_files_outside_the_backbone_are_ignored() {
    for (name, first, rename, extra) in [
        (
            "densenet37_w16",
            "features.denseblock1.denselayer1.norm1.weight",
            ("layer1.norm1.", "layer1.norm.1."),
            None,
        ),
        (
            "inception_v3_w8",
            "Mixed_5b.branch1x1.conv.weight",
            ("", ""),
            Some("AuxLogits.conv0.conv.weight"),
        ),
        (
            "xception_w8",
            "block1.rep.0.conv1.weight",
            ("fc.", "last_linear."),
            Some("bn1.num_batches_tracked"),
        ),
    ] {
        let net = network(name);
        let bytes = file(&net, 1.0, |key, _| {
            *key = key.replace(rename.0, rename.1);
        });
        let read = SafeTensors::deserialize(&bytes).expect("the file was just written");
        let extra = extra.map(|key| {
            (
                key,
                TensorView::new(Dtype::F32, vec![1], &[0; 4]).expect("there are four bytes"),
            )
        });
        let bytes = safetensors::serialize(read.iter().chain(extra), None).expect("the tensors serialise");
        let net = load_pretrained(net, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let saved = save(&net, Precision::F32).expect("the weights serialise");
        let saved = SafeTensors::deserialize(&saved).expect("the file is safetensors");
        let tensor = saved.tensor(first).expect("the tensor is in the file");
        assert!(tensor.data() == contents(first, tensor.shape(), 1.0), "{name}: {first}");
    }
}
