"""Writes search.json: reference values of retrieval metrics, re-ranking, query expansion and whitening of embeddings.

    pip install numpy
    python tests/golden/search.py

mAP@10 and recall follow their definitions. k-reciprocal re-ranking, α-query expansion and whitening follow the papers.
They are written in NumPy, independently of the algorithms in the Rust code. numpy.linalg.eigh computes the
eigenvectors.
"""

import json
import pathlib

import numpy as np


def vectors(n, width, seed):
    """Returns n vectors of unit length. The Rust test generates the same numbers."""
    i = np.arange(n * width, dtype=np.float64).reshape(n, width)
    raw = np.sin(i * 12.9898 + seed * 78.233) * 43758.5453
    raw = (raw - np.floor(raw)) - 0.5
    raw = raw.astype(np.float32).astype(np.float64)
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def figures(scores, query_ids, gallery_ids, leave_out=False):
    """Returns mAP@10 and recall@k. `leave_out` removes each query from the gallery, if the queries are the gallery."""
    ap, recall = [], {k: [] for k in (1, 5, 10, 20)}
    for q, (line, identity) in enumerate(zip(scores, query_ids)):
        places = [g for g in range(len(line)) if not (leave_out and g == q)]
        line = [line[g] for g in places]
        relevant = [gallery_ids[g] == identity for g in places]
        if not any(relevant):
            continue
        # Equal scores are ranked in gallery order.
        order = sorted(range(len(line)), key=lambda g: (-line[g], g))[:20]
        found = [relevant[g] for g in order]
        hits = found[:10]
        precision = [sum(hits[: r + 1]) / (r + 1) for r in range(len(hits)) if hits[r]]
        ap.append(sum(precision) / min(10, sum(relevant)))
        for k in recall:
            recall[k].append(float(any(found[:k])))
    return {"mean_ap_at_10": float(np.mean(ap)), **{f"recall_at_{k}": float(np.mean(v)) for k, v in recall.items()}}


def k_reciprocal(queries, gallery, k1=20, k2=6, weight=0.3):
    """Returns the distances [queries, gallery] after k-reciprocal re-ranking."""
    every = np.vstack([queries, gallery])
    n = len(every)
    distance = np.maximum(2 - 2 * every @ every.T, 0)
    distance /= distance.max(axis=1, keepdims=True)
    rank = np.argsort(distance, axis=1, kind="stable")

    def neighbours(i, k):
        return {j for j in rank[i, : k + 1] if i in rank[j, : k + 1]}

    encoded = np.zeros((n, n))
    for i in range(n):
        core = neighbours(i, k1)
        grown = set(core)
        for j in core:
            theirs = neighbours(j, round(k1 / 2))
            if len(theirs & core) > 2 / 3 * len(theirs):
                grown |= theirs
        grown = sorted(grown)
        encoded[i, grown] = np.exp(-distance[i, grown])
        encoded[i] /= encoded[i].sum()
    encoded = np.array([encoded[rank[i, :k2]].mean(axis=0) for i in range(n)])
    m = len(queries)
    jaccard = np.empty((m, n - m))
    for q in range(m):
        common = np.minimum(encoded[q], encoded[m:]).sum(axis=1)
        jaccard[q] = 1 - common / (2 - common)
    return (1 - weight) * jaccard + weight * distance[:m, m:]


def whitened(rows, ids, dims, shrinkage=0.1):
    """Returns the rows after PCA to `dims` dimensions and whitening by the scatter within identities, normalised."""
    mean = rows.mean(axis=0)
    centred = rows - mean
    values, directions = np.linalg.eigh(centred.T @ centred / len(rows))
    principal = directions[:, np.argsort(-values)[:dims]]
    reduced = centred @ principal
    within = np.vstack([reduced[ids == one] - reduced[ids == one].mean(axis=0) for one in np.unique(ids)])
    scatter = within.T @ within / len(within)
    scatter += np.eye(dims) * shrinkage * np.trace(scatter) / dims
    values, directions = np.linalg.eigh(scatter)
    answer = reduced @ directions / np.sqrt(values)
    return answer / np.linalg.norm(answer, axis=1, keepdims=True)


def whitened_first(rows, ids, dims, shrinkage=0.1):
    """Returns the rows whitened by the scatter within identities, then projected to the `dims` directions of largest variance.

    With fewer rows than values, the rows are first written in an orthonormal basis of their span.
    """
    centred = rows - rows.mean(axis=0)
    if len(rows) <= rows.shape[1]:
        _, _, basis = np.linalg.svd(centred, full_matrices=False)
        centred = centred @ basis[: len(rows) - 1].T
    within = np.vstack([centred[ids == one] - centred[ids == one].mean(axis=0) for one in np.unique(ids)])
    scatter = within.T @ within / len(within)
    width = len(scatter)
    scatter += np.eye(width) * shrinkage * np.trace(scatter) / width
    values, directions = np.linalg.eigh(scatter)
    white = centred @ directions @ np.diag(values**-0.5) @ directions.T
    values, directions = np.linalg.eigh(white.T @ white)
    answer = white @ directions[:, np.argsort(-values)[:dims]]
    return answer / np.linalg.norm(answer, axis=1, keepdims=True)


queries, gallery = vectors(12, 8, 1), vectors(30, 8, 2)
# Two gallery vectors are equal, so that ties occur.
gallery[7] = gallery[3]
query_ids, gallery_ids = [q % 6 for q in range(12)], [g % 7 for g in range(30)]
plain = queries @ gallery.T


def ranked(row):
    """Returns the indices of the gallery by descending similarity to the row. Ties keep the gallery order."""
    similarity = gallery @ row
    return sorted(range(len(gallery)), key=lambda g: (-similarity[g], g))


def expanded(row, n):
    """Returns the unit vector of α-query expansion with α = 3: the row plus its n nearest, weighted by similarity³."""
    total = row + sum(max(gallery[g] @ row, 0) ** 3 * gallery[g] for g in ranked(row)[:n])
    return total / np.linalg.norm(total)


def standardised(scores):
    """Returns the scores with mean 0 and standard deviation 1 per query."""
    return (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)


ids = np.arange(30) // 3
wide = vectors(12, 20, 4)
white = whitened(gallery, ids, 4)
white_wide = whitened(wide, ids[:12], 4)
white_first = whitened_first(gallery, ids, 4, shrinkage=0.02)
white_wide_first = whitened_first(wide, ids[:12], 4)
golden = {
    "figures": figures(plain, query_ids, gallery_ids),
    "figures_among_all_others": figures(gallery @ gallery.T, gallery_ids, gallery_ids, leave_out=True),
    "hop": np.array([gallery @ gallery[ranked(query)[0]] for query in queries]).tolist(),
    "alpha_qe": np.array([gallery @ expanded(query, 3) for query in queries]).tolist(),
    "k_reciprocal": k_reciprocal(queries, gallery).tolist(),
    # The nearest vector of each gallery vector is itself, so the expansion adds three other vectors.
    "augmented": np.array([expanded(row, 4) for row in gallery]).tolist(),
    "late": (0.7 * standardised(plain) + 0.3 * standardised(vectors(12, 8, 3) @ gallery.T)).tolist(),
    # The sign of an eigenvector is arbitrary, so the test compares similarities instead of the vectors themselves.
    "whitened_similarity": (white[:5] @ white.T).tolist(),
    "whitened_wide_similarity": (white_wide[:5] @ white_wide.T).tolist(),
    "whitened_lda_similarity": (white_first[:5] @ white_first.T).tolist(),
    "whitened_wide_lda_similarity": (white_wide_first[:5] @ white_wide_first.T).tolist(),
}
path = pathlib.Path(__file__).with_name("search.json")
path.write_text(json.dumps(golden) + "\n", encoding="utf-8")
