//! torchvision's networks, and timm's Xception, with weights that both sides make from a formula: names, layouts, eval
//! mode and logits.

use crate::formula::{fnv1a64, uniform};
use crate::{golden, of};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use shared::model::{HeadConfig, RetrievalConfig, StyleConfig, StyleNet};
use shared::server_models::load_pretrained;
use shared::weights::{Precision, WeightsError, layout, load, save};

/// The contents of one tensor, as `torchvision_logits.py` describes it.
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

/// A file as torchvision would write it, except for what `alter` does to a tensor's name and bytes.
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
            TensorView::new(Dtype::F32, shape.clone(), bytes).expect("sizes agree"),
        )
    });
    safetensors::serialize(views, None).expect("serializes")
}

fn network(name: &str) -> StyleNet {
    let config = StyleConfig {
        backbone: name.to_owned(),
        head: HeadConfig::Torchvision,
        dense: None,
        per_label: false,
        n_labels: 1000,
    };
    config.init(&Device::flex()).expect("the registry has it")
}

fn input(side: usize) -> Tensor<4> {
    let shape = [2, 3, side, side];
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|i| ((2.0 * uniform("input", i) - 1.0) * 2.0) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

#[test]
fn logits_agree_to_a_ten_thousandth() {
    let golden = golden("torchvision.json");
    for (name, expected) in golden["networks"].as_object().expect("networks by name") {
        let net = network(name);
        let bytes = file(&net, of(&expected["gain"]), |_, _| {});
        let net = load(net, &bytes).expect("every key fits");
        for (net, what, tolerance) in [
            (net.clone(), "as trained", 1e-4),
            (net.fold_batch_norm(), "folded", 1e-4),
        ] {
            let logits: Vec<f32> = net
                .forward(input(of(&expected["side"])))
                .into_data()
                .iter::<f32>()
                .collect();
            for (picture, logits) in logits.chunks_exact(1000).enumerate() {
                let output = &expected["outputs"][picture];
                for (i, (logit, head)) in logits.iter().zip(of::<Vec<f64>>(&output["head"])).enumerate() {
                    let off = (f64::from(*logit) - head).abs();
                    assert!(
                        off <= tolerance,
                        "{name} {what}, picture {picture}, logit {i}: off by {off:e}"
                    );
                }
                let sum: f64 = logits.iter().map(|logit| f64::from(*logit)).sum();
                assert!(
                    (sum - of::<f64>(&output["sum"])).abs() <= 1000.0 * tolerance,
                    "{name} {what}: sum of logits"
                );
            }
        }
    }
}

/// Also of a network that only this project has in that size.
#[test]
fn names_and_shapes_are_torchvisions() {
    let golden = golden("torchvision.json");
    let known = |part: &str| golden[part].as_object().expect("networks by name").clone();
    for (name, expected) in known("networks").into_iter().chain(known("layouts")) {
        let mut lines: Vec<String> = layout(&network(&name))
            .into_iter()
            .map(|(key, shape)| {
                let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
                format!("{key} {}\n", shape.join("x"))
            })
            .collect();
        lines.sort();
        assert_eq!(lines.len(), of::<usize>(&expected["tensors"]), "{name}");
        assert_eq!(
            format!("{:016x}", fnv1a64(lines.concat().as_bytes())),
            expected["keys"],
            "{name}: {lines:#?}"
        );
    }
}

#[test]
fn weights_that_do_not_fit_are_refused_by_name() {
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
    let error = load(net.clone(), &poisoned).expect_err("a NaN");
    assert_eq!(error, WeightsError::NotFinite { key: key.to_owned() });

    let whole = file(&net, 1.0, |_, _| {});
    assert!(matches!(
        load(net, &whole[..whole.len() - 1]),
        Err(WeightsError::Format(_))
    ));
}

/// The error says which backbone a file would fit, whichever other one it was meant for.
#[test]
fn a_misfit_says_what_the_weights_look_like() {
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
            .expect_err("another network")
            .to_string();
        assert!(says.iter().all(|part| error.contains(part)), "{error}");
    }
    let other = [(
        "a.weight",
        TensorView::new(Dtype::F32, vec![1], &[0; 4]).expect("four bytes"),
    )];
    let other = safetensors::serialize(other, None).expect("serializes");
    let error = load_pretrained(network("resnet18"), &other)
        .expect_err("no network")
        .to_string();
    assert!(
        error.contains("unexpected 'a.weight'") && !error.contains("hint"),
        "{error}"
    );
}

/// A pretrained network has one last stage; every branch of the retrieval network starts from it, and heads keep their own.
#[test]
fn pretrained_weights_reach_every_branch() {
    let bytes = file(&network("resnet18"), 1.0, |_, _| {});
    let net = RetrievalConfig::published("resnet18")
        .init(&Device::flex())
        .expect("valid");
    let net = load_pretrained(net, &bytes).expect("the classifier of the file is ignored");
    let saved = save(&net, Precision::F32).expect("saves");
    let saved = SafeTensors::deserialize(&saved).expect("its own file");
    let expected = contents("layer4.1.conv2.weight", &[512, 512, 3, 3], 1.0);
    for branch in 0..4 {
        let tensor = saved
            .tensor(&format!("branches.{branch}.layer4.1.conv2.weight"))
            .expect("is there");
        assert!(tensor.data() == expected, "branch {branch}");
    }
    assert!(saved.tensor("conv1.weight").expect("is there").data() == contents("conv1.weight", &[64, 3, 7, 7], 1.0));

    // And back: what a retrieval network learnt starts a classifier, whose own head stays as it is.
    let config = StyleConfig {
        backbone: "resnet18".to_owned(),
        head: HeadConfig::default(),
        dense: None,
        per_label: false,
        n_labels: 3,
    };
    let learnt = save(&net, Precision::F32).expect("saves");
    let style = load_pretrained(config.init(&Device::flex()).expect("valid"), &learnt).expect("fits");
    let style = save(&style, Precision::F32).expect("saves");
    let style = SafeTensors::deserialize(&style).expect("its own file");
    assert!(style.tensor("layer4.1.conv2.weight").expect("is there").data() == expected);
}

/// Files as they are published: classifiers, counters, and names that were in use before today's.
#[test]
fn what_published_files_have_beside_the_backbone_is_ignored() {
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
        let read = SafeTensors::deserialize(&bytes).expect("just written");
        let extra = extra.map(|key| (key, TensorView::new(Dtype::F32, vec![1], &[0; 4]).expect("four bytes")));
        let bytes = safetensors::serialize(read.iter().chain(extra), None).expect("serializes");
        let net = load_pretrained(net, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let saved = save(&net, Precision::F32).expect("saves");
        let saved = SafeTensors::deserialize(&saved).expect("its own file");
        let tensor = saved.tensor(first).expect("is there");
        assert!(tensor.data() == contents(first, tensor.shape(), 1.0), "{name}: {first}");
    }
}
