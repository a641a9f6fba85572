"""Writes torchvision.json: reference logits of torchvision's networks and timm's Xception for reproducible weights.

    pip install torch torchvision timm numpy
    python tests/golden/torchvision_logits.py

The script builds every network with 1000 classes and fills its state_dict with draws of formula.py. The draws depend on
the key alone, so their order does not matter. The network then runs in eval mode and in f64 on two images. An element
with the draw `u` has this value:

    *.weight of rank >= 2   (2u - 1) * gain * sqrt(3 / fan_in)     fan_in = product of dims[1:]; gain below, per network
    *.weight of rank 1      0.5 + u                                (batch norm)
    *.bias                  (2u - 1) * 0.1                         (batch norm, linear)
    *.running_mean          (2u - 1) * 0.1
    *.running_var           0.5 + u
    *.num_batches_tracked   unchanged and not listed, because the output does not depend on it
    images                  (2u - 1) * 2, key "input", shape [2, 3, side, side]; side below, per network

Weights are computed in f64 and rounded once to f32. The forward pass converts these f32 values to f64, so the logits
contain no rounding errors of f32 arithmetic. `keys` is the fnv1a64 (16 hex digits) of the lines `<key> <d0>x<d1>...\\n`
of all listed tensors, including buffers, sorted by key. `tensors` is the number of these tensors, and `parameters` is
the number of trainable values.

For each image, the file contains statistics of the 1000 logits and the first 64 logits. `std` is the standard deviation
of the population. For the networks in LAYOUTS, the file contains only `keys`, `tensors` and `parameters`. The script
prints the largest difference between PyTorch's f32 logits and the f64 logits.
"""

import json
import pathlib

import numpy as np
import timm
import torch
import torchvision

from formula import bits, fnv1a64, uniform

KEPT = 64
# Gain of the weights, and side of the images in pixels. The gain keeps the last features near 1 in magnitude and the
# logits of the two images different. Inception requires a side of at least 75.
NETWORKS = {
    "resnet18": (1.0, 64),
    "resnet34": (0.9, 64),
    "resnet50": (0.9, 64),
    "resnet101": (0.8, 64),
    "resnet152": (0.75, 64),
    "mobilenet_v3_small": (1.35, 64),
    "mobilenet_v3_large": (1.2, 64),
    "resnext50_32x4d": (0.9, 64),
    "resnext101_32x8d": (0.8, 64),
    "densenet121": (1.3, 64),
    "densenet169": (1.3, 64),
    "densenet201": (1.3, 64),
    "inception_v3": (1.4, 96),
    "xception": (1.0, 64),
}
LAYOUTS = ["densenet37_w16"]


def build(name: str) -> torch.nn.Module:
    if name == "xception":
        return timm.create_model("legacy_xception")
    if name == "inception_v3":
        # Without the auxiliary classifier, and without the conversion of inputs from ImageNet's normalisation.
        return torchvision.models.inception_v3(aux_logits=False, transform_input=False, init_weights=False)
    if name == "densenet37_w16":
        return torchvision.models.DenseNet(growth_rate=8, block_config=(2, 4, 6, 4), num_init_features=16)
    return torchvision.models.get_model(name, weights=None)


def value(key: str, shape, gain: float) -> np.ndarray:
    """Returns the f32 values of one tensor of the state_dict."""
    u = uniform(key, shape)
    if key.endswith(".running_var"):
        made = 0.5 + u
    elif key.endswith(".running_mean") or key.endswith(".bias"):
        made = (2 * u - 1) * 0.1
    elif len(shape) == 1:
        made = 0.5 + u
    else:
        fan_in = int(np.prod(shape[1:]))
        made = (2 * u - 1) * (gain * np.sqrt(3 / fan_in))
    return made.astype(np.float32)


def rounded(number: float) -> float:
    """Rounds to nine significant digits."""
    return float(f"{number:.9g}")


def pictures(side: int) -> torch.Tensor:
    """Returns the two input images, [2, 3, side, side]."""
    return torch.from_numpy(((2 * uniform("input", (2, 3, side, side)) - 1) * 2).astype(np.float32))


def layout(net: torch.nn.Module) -> dict:
    """Returns the numbers of parameters and tensors, and the hash of the keys and shapes."""
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    lines = "".join(f"{key} {'x'.join(map(str, state[key].shape))}\n" for key in sorted(state))
    return {
        "parameters": sum(p.numel() for p in net.parameters()),
        "tensors": len(state),
        "keys": f"{fnv1a64(lines.encode()):016x}",
    }


def golden(name: str, gain: float, side: int) -> dict:
    net = build(name)
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    for key, tensor in state.items():
        tensor.copy_(torch.from_numpy(value(key, tuple(tensor.shape), gain)))
    net.eval()
    seen = pictures(side)
    single = net(seen).numpy()
    logits = net.double()(seen.double()).numpy()
    print(
        f"{name:20} max |logit| {np.abs(logits).max():7.4f}, the pictures differ by up to "
        f"{np.abs(logits[0] - logits[1]).max():.4f}, f32 differs from f64 by up to {np.abs(single - logits).max():.1e}"
    )
    return {
        "gain": gain,
        "side": side,
        **layout(net),
        "outputs": [
            {
                "sum": rounded(row.sum()),
                "mean": rounded(row.mean()),
                "std": rounded(row.std()),
                "max_abs": rounded(np.abs(row).max()),
                "argmax": int(row.argmax()),
                "head": [rounded(v) for v in row[:KEPT]],
            }
            for row in logits
        ],
    }


def main() -> None:
    torch.set_grad_enabled(False)
    out = {
        "input": {
            "key": "input",
            "bits": [f"{v:016x}" for v in bits("input", 4)],
            "first": [float(v) for v in pictures(64).ravel()[:4]],
        },
        "networks": {name: golden(name, gain, side) for name, (gain, side) in NETWORKS.items()},
        "layouts": {name: layout(build(name)) for name in LAYOUTS},
    }
    path = pathlib.Path(__file__).with_name("torchvision.json")
    path.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
