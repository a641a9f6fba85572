"""Writes metrics.json: reference values of the evaluation metrics on small problems.

    pip install numpy scikit-learn scipy
    python tests/golden/metrics.py

Tagging. `probs[i][l]` are multiples of 1/32. So there are many ties, and f32 and f64 agree on every comparison. A tag
is predicted if `prob >= threshold`. F2 = 5 P R / (4 P + R) = 5 TP / (5 TP + 4 FN + FP), and 0/0 counts as 0. Macro F2
is the mean over the labels. Micro F2 is computed from the counts of all labels together. Average precision is
scikit-learn's sum of (R_n - R_(n-1)) P_n over the distinct scores in descending order. Average precision and the area
under the ROC curve are null for a label without positives. The last label has no positives.

Calibration. The expected calibration error uses scikit-learn's `calibration_curve` with ten bins of equal width. Each
bin includes its upper bound. The weight of a bin is its number of predictions.

Thresholds. The threshold of a label is the value of 0.00, 0.01 ... 0.99 with the highest F2. Ties are resolved in
favour of the lowest threshold. Soft F2 of the tagging problem replaces the step at the threshold by a sigmoid
of the difference of the logits, with width 0.1.

Bounded minima. SciPy's L-BFGS-B minimises Rosenbrock's function of five variables within bounds. Some of the bounds
exclude the unconstrained minimum. The search starts at the lower corner, at the centre and at the upper corner.

Retrieval. `scores[q][g]` are small whole numbers, so there are many ties. Equal scores are ranked by ascending gallery
index. AP@10 of a query is the sum of precision@i over its hits at ranks i <= 10. It is divided by the smaller of 10 and
the number of relevant gallery items. R@k is 1 if one of the first k results is relevant, and otherwise 0. Queries
without relevant items in the gallery have null values and do not count in the means. Query 0 has more than ten relevant
items. Queries 2 and 7 have none.
"""

import json
import pathlib

import numpy as np
from scipy.optimize import minimize, rosen, rosen_der
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, brier_score_loss, fbeta_score, roc_auc_score

from formula import uniform

SAMPLES, LABELS = 60, 6
QUERIES, GALLERY = 8, 40


def f2(truth: np.ndarray, on: np.ndarray) -> float:
    """Returns F2 from counts. The script compares it with scikit-learn's F2."""
    hit, miss, false = (truth & on).sum(), (truth & ~on).sum(), (~truth & on).sum()
    below = 5 * hit + 4 * miss + false
    return float(5 * hit / below) if below else 0.0


def best_threshold(truth: np.ndarray, probs: np.ndarray) -> tuple[float, float]:
    """Returns the lowest threshold with the highest F2, and that F2."""
    best, found = 0.0, -1.0
    for step in range(100):
        value = f2(truth, probs >= step / 100)
        if value > found:
            best, found = step / 100, value
    return best, found


def tagging() -> dict:
    prior = np.array([0.75, 0.4, 0.25, 0.1, 0.05, -1.0])
    truth = uniform("metrics.truth", (SAMPLES, LABELS)) < prior
    noise = uniform("metrics.noise", (SAMPLES, LABELS))
    probs = np.clip(np.floor((0.65 * noise + 0.35 * truth * prior.clip(0.4)) * 32), 0, 32) / 32

    fixed = np.full(LABELS, 0.5)
    tuned = [best_threshold(truth[:, l], probs[:, l]) for l in range(LABELS)]
    sets = {"at_half": fixed, "tuned": np.array([t for t, _ in tuned])}

    def measures(thresholds: np.ndarray) -> dict:
        on = probs >= thresholds
        per_label = fbeta_score(truth, on, beta=2, average=None, zero_division=0)
        assert np.allclose(per_label, [f2(truth[:, l], on[:, l]) for l in range(LABELS)])
        return {
            "thresholds": thresholds.tolist(),
            "f2": per_label.tolist(),
            "macro_f2": float(fbeta_score(truth, on, beta=2, average="macro", zero_division=0)),
            "macro_f2_without_label_0": float(
                fbeta_score(truth[:, 1:], on[:, 1:], beta=2, average="macro", zero_division=0)
            ),
            "micro_f2": float(fbeta_score(truth, on, beta=2, average="micro", zero_division=0)),
        }

    def calibration(truth: np.ndarray, probs: np.ndarray) -> dict:
        share, mean = calibration_curve(truth, probs, n_bins=10)
        n = np.bincount(np.searchsorted(np.linspace(0, 1, 11)[1:-1], probs), minlength=10)
        n = n[n > 0]
        return {
            "expected_calibration_error": float((n * abs(share - mean)).sum() / n.sum()),
            "brier": float(brier_score_loss(truth, probs, pos_label=True)),
            "share_true": share.tolist(),
            "mean_prob": mean.tolist(),
            "n": n.tolist(),
        }

    def soft_f2(truth: np.ndarray, probs: np.ndarray, threshold: float) -> float:
        weights = expit((logit(probs.clip(1e-7, 1 - 1e-7)) - logit(threshold)) / 0.1)
        below = 4 * truth.sum() + weights.sum()
        return float(5 * weights[truth].sum() / below) if below else 0.0

    def defined(measure, l: int):
        return float(measure(truth[:, l], probs[:, l])) if truth[:, l].any() else None

    ap = [defined(average_precision_score, l) for l in range(LABELS)]
    auc = [defined(roc_auc_score, l) for l in range(LABELS)]
    all_on = measures(np.zeros(LABELS))
    assert all_on["f2"] != measures(sets["tuned"])["f2"]
    return {
        "truth": truth.astype(int).tolist(),
        "probs": probs.tolist(),
        "average_precision": ap,
        "mean_average_precision": float(np.mean([a for a in ap if a is not None])),
        "roc_auc": auc,
        "mean_roc_auc": float(np.mean([a for a in auc if a is not None])),
        "calibration": calibration(truth.ravel(), probs.ravel()),
        "label_calibration": [calibration(truth[:, l], probs[:, l]) for l in range(LABELS - 1)],
        "soft_f2_at_0.3": [soft_f2(truth[:, l], probs[:, l], 0.3) for l in range(LABELS)],
        "everything_on": all_on,
        **{name: measures(t) for name, t in sets.items()},
    }


def retrieval() -> dict:
    gallery = np.floor(uniform("metrics.gallery", (GALLERY,)) * 9).astype(int)
    gallery[:14] = 0
    queries = np.arange(QUERIES)
    queries[-1] = 99
    affinity = (queries[:, None] == gallery[None, :]) * 2.0
    scores = np.floor(uniform("metrics.scores.c", (QUERIES, GALLERY)) * 10 + affinity).astype(int)

    rows = []
    for query, row in zip(queries, scores):
        order = sorted(range(GALLERY), key=lambda g: (-row[g], g))
        relevant = int((gallery == query).sum())
        if relevant == 0:
            rows.append({"ap_at_10": None, "r_at_1": None, "r_at_10": None, "top_10": order[:10]})
            continue
        hits, total = 0, 0.0
        for rank, g in enumerate(order[:10], start=1):
            if gallery[g] == query:
                hits += 1
                total += hits / rank
        rows.append({
            "ap_at_10": total / min(10, relevant),
            "r_at_1": float(gallery[order[0]] == query),
            "r_at_10": float(hits > 0),
            "top_10": order[:10],
        })

    def mean(name: str) -> float:
        return float(np.mean([row[name] for row in rows if row[name] is not None]))

    return {
        "query_ids": queries.tolist(),
        "gallery_ids": gallery.tolist(),
        "scores": scores.tolist(),
        "queries": rows,
        "mean_ap_at_10": mean("ap_at_10"),
        "r_at_1": mean("r_at_1"),
        "r_at_10": mean("r_at_10"),
    }


def bounded_minima() -> list[dict]:
    cases = []
    for low, high in [(-2.0, 2.0), (-2.0, 0.5), (0.2, 0.9), (1.5, 3.0), (-3.0, -1.0)]:
        for start in [low, (low + high) / 2, high]:
            n = 5
            options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000}
            found = minimize(
                rosen, np.full(n, start), jac=rosen_der, method="L-BFGS-B", bounds=[(low, high)] * n, options=options
            )
            case = {"low": low, "high": high, "start": start}
            cases.append({**case, "x": found.x.tolist(), "value": float(found.fun)})
    return cases


def main() -> None:
    out = {"tagging": tagging(), "retrieval": retrieval(), "bounded_minima": bounded_minima()}
    path = pathlib.Path(__file__).with_name("metrics.json")
    path.write_text(json.dumps(out, separators=(",", ":")).replace('],"', '],\n"') + "\n")


if __name__ == "__main__":
    main()
