"""Writes losses.json: reference values and gradients of the losses, computed by PyTorch and torchvision.

    pip install numpy torch torchvision
    python tests/golden/losses.py

Losses of logits. formula.py draws `u` for all inputs. Logits are 6·u − 3, and positive weights are 4·u. A target is 1
if u < .35, except that label 0 has no positives. The loss soft F2 is computed by tensor operations as

    1 − 5·TP / (TP + FP + 4·(TP + FN))

It uses probabilities instead of decisions, and is the mean over the labels that have a positive. The file contains the
gradient of the first row of the logits.

Losses of embeddings. Embeddings are 2·u − 1. They consist of three blocks, and each block has one row for each of the
same four identities. Classifier weights are also 2·u − 1. The columns of the sub-centres of one identity are adjacent.
The losses follow the definitions in the papers, row by row. Angles are computed by acos, and triplet and contrastive
losses by loops. The file contains the gradients of the first row of the embeddings and of the classifier.
"""

import json
from pathlib import Path

import numpy as np
import torch
from formula import uniform
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import cosine_similarity, cross_entropy, normalize, softplus
from torchvision.ops import sigmoid_focal_loss

ROWS, LABELS = 8, 5
BLOCKS, IDENTITIES, DIM = 3, 4, 6


def soft_f2(logits, targets):
    prob = torch.sigmoid(logits)
    hits, positives = (prob * targets).sum(0), targets.sum(0)
    f2 = 5 * hits / (prob.sum(0) + 4 * positives + 1e-7)
    return (1 - f2)[positives > 0].mean()


def angles(x, weight, centres):
    """Returns the angle between each row and the nearest sub-centre of each identity, [rows, identities]."""
    cosines = cosine_similarity(x[:, :, None], weight[None], dim=1)
    return torch.acos(torch.stack([chunk.amax(1) for chunk in cosines.split(centres, 1)], 1))


def am_softmax(x, weight, classes, scale, margin, centres, smoothing=0.0):
    logits = torch.cos(angles(x, weight, centres))
    logits = torch.stack([torch.stack([v - margin if c == t else v for c, v in enumerate(r)]) for r, t in zip(logits, classes)])
    return cross_entropy(scale * logits, classes, label_smoothing=smoothing)


def arcface(x, weight, classes, scale, margin, centres, smoothing=0.0):
    def widened(angle):
        if angle + margin < np.pi:
            return torch.cos(angle + margin)
        return torch.cos(angle) - margin * np.sin(margin)

    angle = angles(x, weight, centres)
    logits = torch.stack([torch.stack([widened(a) if c == t else torch.cos(a) for c, a in enumerate(r)]) for r, t in zip(angle, classes)])
    return cross_entropy(scale * logits, classes, label_smoothing=smoothing)


def triplet(x, classes, margin, unit):
    x = normalize(x) if unit else x
    total = 0
    for i in range(len(x)):
        distance = [torch.linalg.vector_norm(x[i] - x[j]) for j in range(len(x))]
        fellow = torch.stack([d for j, d in enumerate(distance) if j != i and classes[j] == classes[i]]).amax()
        stranger = torch.stack([d for j, d in enumerate(distance) if classes[j] != classes[i]]).amin()
        total += softplus(fellow - stranger) if margin is None else torch.clamp(fellow - stranger + margin, min=0)
    return total / len(x)


def supcon(x, classes, temperature):
    z, total = normalize(x), 0
    for i in range(len(x)):
        others = [j for j in range(len(x)) if j != i]
        bottom = torch.logsumexp(torch.stack([z[i] @ z[j] / temperature for j in others]), 0)
        fellows = [j for j in others if classes[j] == classes[i]]
        total -= sum(z[i] @ z[j] / temperature - bottom for j in fellows) / len(fellows)
    return total / len(x)


def contrast(users, shops, temperature):
    logits = normalize(users) @ normalize(shops).T / temperature
    truth = torch.arange(len(users))
    return (cross_entropy(logits, truth) + cross_entropy(logits.T, truth)) / 2


def embedding_losses(draw):
    x = (2 * draw("losses/embeddings", BLOCKS * IDENTITIES, DIM) - 1).requires_grad_()
    one = (2 * draw("losses/classifier", DIM, IDENTITIES) - 1).requires_grad_()
    three = (2 * draw("losses/sub_centres", DIM, 3 * IDENTITIES) - 1).requires_grad_()
    classes = torch.arange(IDENTITIES).repeat(BLOCKS)
    cosines = normalize(x) @ normalize(one, dim=0)
    pair = x.split(IDENTITIES)
    losses = {
        "softmax": (cross_entropy(x @ one, classes, label_smoothing=0.1), one),
        "softmax_scaled": (cross_entropy(16 * cosines, classes, label_smoothing=0.1), one),
        "am_softmax": (am_softmax(x, one, classes, 30, 0.35, 1), one),
        "am_softmax_sub_centres": (am_softmax(x, three, classes, 16, 0.2, 3, 0.1), three),
        "arcface": (arcface(x, one, classes, 16, 0.5, 1), one),
        "arcface_sub_centres": (arcface(x, three, classes, 8, 0.3, 3, 0.1), three),
        # With this margin, some angles plus the margin exceed π.
        "arcface_wide": (arcface(x, one, classes, 8, 1.4, 1), one),
        "triplet": (triplet(x, classes, 0.3, True), None),
        "triplet_soft": (triplet(x, classes, None, True), None),
        "triplet_raw": (triplet(x, classes, None, False), None),
        "supcon": (supcon(x, classes, 0.1), None),
        # The loss compares the first two blocks. The third block is not used.
        "contrast": (contrast(pair[0], pair[1], 0.07), None),
    }
    past = (angles(x, one, 1)[torch.arange(len(x)), classes] + 1.4 > np.pi).sum().item()
    assert 0 < past < len(x), past
    golden = {}
    for name, (loss, weight) in losses.items():
        (gradient,) = torch.autograd.grad(loss, x, retain_graph=True)
        golden[name] = {"value": loss.item(), "gradient": gradient[0].tolist()}
        if weight is not None:
            (gradient,) = torch.autograd.grad(loss, weight, retain_graph=True)
            golden[name]["classifier_gradient"] = gradient[0].tolist()
    return golden


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
        "focal_flat": sigmoid_focal_loss(logits, targets, alpha=0.25, gamma=0.0, reduction="mean"),
        # In f64, because the sigmoid of 30 rounds to 1 in f32.
        "focal_saturated": sigmoid_focal_loss(10 * logits.double(), targets.double(), alpha=0.25, gamma=0.5, reduction="mean"),
        "soft_f2": soft_f2(logits, targets),
    }
    golden = {}
    for name, loss in losses.items():
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        golden[name] = {"value": loss.item(), "gradient": gradient[0].tolist()}
    # In f64, so that these references contain no rounding errors of f32 arithmetic.
    golden["embeddings"] = embedding_losses(lambda *key: draw(*key).double())
    path = Path(__file__).with_name("losses.json")
    path.write_text(json.dumps(golden, indent=1) + "\n")


main()
