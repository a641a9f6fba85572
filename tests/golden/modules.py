"""Writes modules.json: reference values of GeM pooling and CBAM, computed by PyTorch from the formulas in the papers.

    pip install numpy torch
    python tests/golden/modules.py

formula.py draws `u` for all inputs. The feature maps are 4·u − 2, with the shape [2, 32, 5, 4].

CBAM. The parameters have the keys cbam/0, cbam/1 and so on. Their order is squeeze (weight [in, out], bias), excite
(weight, bias), convolution (weight), norm (scale, shift, running mean, running variance). The scale and the variance
are .5 + u, and all other parameters are 2·u − 1.

GeM. The output is (mean of max(x, 1e-6)^p)^(1/p). The file contains the gradient of the sum of all outputs with respect
to p.
"""

import json
from pathlib import Path

import numpy as np
import torch
from formula import uniform
from torch.nn.functional import batch_norm, conv2d

CHANNELS, HIDDEN, WINDOW = 32, 2, 7


def draw(key, *shape):
    return torch.from_numpy(uniform(key, shape).astype(np.float32)).double()


def cbam(x):
    shapes = [(CHANNELS, HIDDEN), (HIDDEN,), (HIDDEN, CHANNELS), (CHANNELS,), (1, 2, WINDOW, WINDOW), (1,), (1,), (1,), (1,)]
    drawn = [draw(f"cbam/{at}", *shape) for at, shape in enumerate(shapes)]
    drawn = [0.5 + u if at in (5, 8) else 2 * u - 1 for at, u in enumerate(drawn)]
    squeeze, squeeze_bias, excite, excite_bias, window, scale, shift, mean, variance = drawn
    hidden = lambda pooled: torch.relu(pooled @ squeeze + squeeze_bias) @ excite + excite_bias
    x = x * torch.sigmoid(hidden(x.mean((2, 3))) + hidden(x.amax((2, 3))))[:, :, None, None]
    summary = torch.stack([x.mean(1), x.amax(1)], 1)
    place = batch_norm(conv2d(summary, window, padding=WINDOW // 2), mean, variance, scale, shift, eps=1e-5)
    return x * torch.sigmoid(place)


def main():
    x = 4 * draw("modules/map", 2, CHANNELS, 5, 4) - 2
    golden = {"cbam": cbam(x).flatten().tolist(), "gem": []}
    for start in (1.2, 1.7, 3.0, 6.0):
        p = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        pooled = x.clamp(min=1e-6).pow(p).mean((2, 3)).pow(1 / p)
        (gradient,) = torch.autograd.grad(pooled.sum(), p)
        golden["gem"].append({"p": start, "pooled": pooled.flatten().tolist(), "gradient": gradient.item()})
    path = Path(__file__).with_name("modules.json")
    path.write_text(json.dumps(golden) + "\n")


main()
