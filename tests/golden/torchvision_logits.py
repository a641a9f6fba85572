"""Writes torchvision.json: what torchvision's networks answer for weights that anybody can regenerate.

    pip install torch torchvision numpy
    python tests/golden/torchvision_logits.py

Every network is built with 1000 classes, its state_dict is filled by `formula.py` (drawn per key, so the order does
not matter), it is put in eval mode and run in f64 on the same two pictures. From the draw `u` of an element:

    *.weight of rank >= 2   (2u - 1) * gain * sqrt(3 / fan_in)     fan_in = product of dims[1:]; gain below, per network
    *.weight of rank 1      0.5 + u                                (batch norm)
    *.bias                  (2u - 1) * 0.1                         (batch norm, linear)
    *.running_mean          (2u - 1) * 0.1
    *.running_var           0.5 + u
    *.num_batches_tracked   not a number of the network: left alone, not listed
    pictures                (2u - 1) * 2, key "input", shape [2, 3, 64, 64]

Values are computed in f64 and rounded once to f32; the forward pass widens those f32 values, so the logits carry no
rounding of PyTorch's own. `keys` is fnv1a64 (16 hex digits) over the lines `<key> <d0>x<d1>...\\n` of all listed
tensors, buffers included, sorted by key; `tensors` counts them, `parameters` counts the trainable numbers.

For each picture: statistics of the 1000 logits (std is the population's) and the first 64 logits. resnet152 is here
for its keys as much as for its numbers. The script prints how far PyTorch's own f32 is from the goldens.
"""

import json
import pathlib

import numpy as np
import torch
import torchvision

from formula import bits, fnv1a64, uniform

SHAPE = (2, 3, 64, 64)
KEPT = 64
# The gain keeps the last features of the order of one, and the two pictures' logits apart.
NETWORKS = {
    "resnet18": 1.0,
    "resnet34": 0.9,
    "resnet50": 0.9,
    "resnet101": 0.8,
    "resnet152": 0.75,
    "mobilenet_v3_small": 1.35,
    "mobilenet_v3_large": 1.2,
}


def value(key: str, shape, gain: float) -> np.ndarray:
    """The f32 contents of one tensor of the state_dict."""
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
    return float(f"{number:.9g}")


def golden(name: str, gain: float, pictures: torch.Tensor) -> dict:
    net = torchvision.models.get_model(name, weights=None)
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    for key, tensor in state.items():
        tensor.copy_(torch.from_numpy(value(key, tuple(tensor.shape), gain)))
    lines = "".join(f"{key} {'x'.join(map(str, state[key].shape))}\n" for key in sorted(state))
    net.eval()
    single = net(pictures).numpy()
    logits = net.double()(pictures.double()).numpy()
    print(
        f"{name:20} max |logit| {np.abs(logits).max():7.4f}, the pictures differ by up to "
        f"{np.abs(logits[0] - logits[1]).max():.4f}, f32 differs from f64 by up to {np.abs(single - logits).max():.1e}"
    )
    return {
        "gain": gain,
        "parameters": sum(p.numel() for p in net.parameters()),
        "tensors": len(state),
        "keys": f"{fnv1a64(lines.encode()):016x}",
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
    pictures = ((2 * uniform("input", SHAPE) - 1) * 2).astype(np.float32)
    out = {
        "input": {
            "key": "input",
            "shape": list(SHAPE),
            "bits": [f"{v:016x}" for v in bits("input", 4)],
            "first": [float(v) for v in pictures.ravel()[:4]],
        },
        "networks": {name: golden(name, gain, torch.from_numpy(pictures)) for name, gain in NETWORKS.items()},
    }
    path = pathlib.Path(__file__).with_name("torchvision.json")
    path.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
