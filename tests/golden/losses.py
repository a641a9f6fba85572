"""Writes losses.json: PyTorch's and torchvision's values and gradients of the classifier's losses.

    pip install numpy torch torchvision
    python tests/golden/losses.py

Logits, targets and weights are drawn by formula.py: logits 6·u − 3, a target is 1 where u < .35 (label 0: nowhere),
positive weights 4·u. Soft F2 is written out with NumPy: 1 − 5·TP / (TP + FP + 4·(TP + FN)), with probabilities in the
place of decisions, mean over the labels that have a positive. The gradient is that of the first row.
"""

import json
from pathlib import Path

import numpy as np
import torch
from formula import uniform
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torchvision.ops import sigmoid_focal_loss

ROWS, LABELS = 8, 5


def soft_f2(logits, targets):
    prob = torch.sigmoid(logits)
    hits, positives = (prob * targets).sum(0), targets.sum(0)
    f2 = 5 * hits / (prob.sum(0) + 4 * positives + 1e-7)
    return (1 - f2)[positives > 0].mean()


def main():
    draw = lambda key, *shape: torch.from_numpy(uniform(key, shape).astype(np.float32))
    logits = (6 * draw("losses/logits", ROWS, LABELS) - 3).requires_grad_()
    targets = (draw("losses/targets", ROWS, LABELS) < 0.35).float()
    targets[:, 0] = 0
    weights = 4 * draw("losses/weights", LABELS)
    losses = {
        "bce": bce(logits, targets),
        "weighted": bce(logits, targets, pos_weight=weights),
        "focal": sigmoid_focal_loss(logits, targets, alpha=0.25, gamma=2.0, reduction="mean"),
        "focal_unweighted": sigmoid_focal_loss(logits, targets, alpha=-1, gamma=1.5, reduction="mean"),
        "soft_f2": soft_f2(logits, targets),
    }
    golden = {}
    for name, loss in losses.items():
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        golden[name] = {"value": loss.item(), "gradient": gradient[0].tolist()}
    path = Path(__file__).with_name("losses.json")
    path.write_text(json.dumps(golden, indent=1) + "\n")


main()
