"""Writes metrics.json: reference values of the evaluation measures on two small problems.

    pip install numpy scikit-learn
    python tests/golden/metrics.py

Tagging. `probs[i][l]` are multiples of 1/32, so many tie, and f32 and f64 agree on every comparison. A tag is on where
`prob >= threshold`. F2 = 5 P R / (4 P + R) = 5 TP / (5 TP + 4 FN + FP), and 0 where that is 0/0. Macro F2 is the mean
over labels; micro F2 counts all labels together. Average precision is scikit-learn's sum of (R_n - R_(n-1)) P_n over
distinct scores, from high to low; 0 for a label without positives. The last label has no positives.

Thresholds. Each label takes, of 0.00, 0.01 ... 0.99, the one with the best F2; of several equally good, the lowest.

Retrieval. `scores[q][g]` are small whole numbers, so many tie; equal scores rank by gallery index, lowest first.
AP@10 of a query is the sum, over its hits at rank i <= 10, of precision@i, divided by min(10, relevant items in the
gallery). R@k is 1 if one of the first k is relevant. Queries with nothing relevant in the gallery have null values and
are left out of the means. Query 0 has more than ten relevant items, queries 2 and 7 none.
"""

import json
import pathlib
import warnings

import numpy as np
from sklearn.metrics import average_precision_score, fbeta_score

from formula import uniform

SAMPLES, LABELS = 60, 6
QUERIES, GALLERY = 8, 40


def f2(truth: np.ndarray, on: np.ndarray) -> float:
    """F2 from counts: the definition, where scikit-learn is the reference."""
    hit, miss, false = (truth & on).sum(), (truth & ~on).sum(), (~truth & on).sum()
    below = 5 * hit + 4 * miss + false
    return float(5 * hit / below) if below else 0.0


def best_threshold(truth: np.ndarray, probs: np.ndarray) -> tuple[float, float]:
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
            "micro_f2": float(fbeta_score(truth, on, beta=2, average="micro", zero_division=0)),
        }

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ap = [float(average_precision_score(truth[:, l], probs[:, l])) for l in range(LABELS)]
    all_on = measures(np.zeros(LABELS))
    assert all_on["f2"] != measures(sets["tuned"])["f2"]
    return {
        "truth": truth.astype(int).tolist(),
        "probs": probs.tolist(),
        "average_precision": ap,
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


def main() -> None:
    out = {"tagging": tagging(), "retrieval": retrieval()}
    path = pathlib.Path(__file__).with_name("metrics.json")
    path.write_text(json.dumps(out, separators=(",", ":")).replace('],"', '],\n"') + "\n")


if __name__ == "__main__":
    main()
