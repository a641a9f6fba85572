"""Speed of FAISS flat and hnswlib with the vectors of the Rust benchmark.

usage: peers.py FOLDER DIM LIMIT THREADS

The folder holds the rows, the queries and, for each filter, the kept rows, all as little-endian f32.
"""

import os
import sys
import time

PATIENCE = 0.4


def measure(run):
    """Median, least and CPU time of `run`, in milliseconds. `run` gets the number of the call."""
    run(0)
    cpu, start, times = time.process_time(), time.perf_counter(), []
    while len(times) < 3 or (time.perf_counter() - start < PATIENCE and len(times) < 200):
        before = time.perf_counter()
        run(len(times) + 1)
        times.append((time.perf_counter() - before) * 1e3)
    cpu = (time.process_time() - cpu) * 1e3 / len(times)
    return sorted(times)[len(times) // 2], min(times), cpu


def main():
    folder, (dim, limit, threads) = sys.argv[1], map(int, sys.argv[2:])
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    try:
        import numpy as np
    except ImportError as error:
        return print(f"skipped: FAISS and hnswlib ({error})")
    rows = np.fromfile(f"{folder}/rows", dtype="<f4").reshape(-1, dim)
    queries = np.fromfile(f"{folder}/queries", dtype="<f4").reshape(-1, dim)
    kept = {}
    for name in ("all", "50 %", "1 %"):
        ids = np.fromfile(f"{folder}/{name}.kept", dtype="<f4").astype("int64")
        kept[name] = ids if name != "all" else None

    def line(filter_name, name, search, note=""):
        alone = measure(lambda at: search(queries[at % len(queries)][None]))
        batch = measure(lambda _: search(queries))
        times = " ".join(f"{ms:>8.3f}" for ms in alone) + " " + " ".join(f"{ms:>8.2f}" for ms in batch)
        print(f"{len(rows):>8} {dim:>5} {filter_name:>5} {name:>10} {times}  {note}", flush=True)

    truth = measure_faiss(rows, queries, kept, limit, threads, line)
    measure_hnswlib(rows, queries, kept, limit, threads, line, truth)


def measure_faiss(rows, queries, kept, limit, threads, line):
    """Prints the lines of FAISS. Returns the nearest rows per filter."""
    import numpy as np

    try:
        import faiss
    except ImportError as error:
        print(f"skipped: FAISS ({error})")
        return None
    faiss.omp_set_num_threads(threads)
    flat, truth = faiss.IndexFlatIP(rows.shape[1]), {}
    flat.add(rows)
    for filter_name, ids in kept.items():
        parameters = None
        if ids is not None:
            bits = np.zeros(len(rows), dtype=bool)
            bits[ids] = True
            packed = np.packbits(bits, bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(packed))
        for blas in (20, 1 << 30):
            # FAISS computes larger batches than this with BLAS.
            faiss.cvar.distance_compute_blas_threshold = blas
            name = "FAISS BLAS" if blas == 20 else "FAISS flat"
            line(filter_name, name, lambda q: flat.search(q, limit, params=parameters))
        truth[filter_name] = flat.search(queries, limit, params=parameters)[1]
    return truth


def measure_hnswlib(rows, queries, kept, limit, threads, line, truth):
    """Prints the lines of hnswlib at two depths, with recall, if the index can be built in reasonable time."""
    try:
        import hnswlib
    except ImportError as error:
        return print(f"skipped: hnswlib ({error})")
    most = int(os.environ.get("PEERS_HNSW_ROWS", "20000"))
    if len(rows) > most:
        return print(f"skipped: hnswlib, because its index of more than {most} rows takes long (PEERS_HNSW_ROWS)")
    before = time.perf_counter()
    index = hnswlib.Index(space="ip", dim=rows.shape[1])
    index.init_index(max_elements=len(rows), M=16, ef_construction=200)
    index.set_num_threads(threads)
    index.add_items(rows)
    built = time.perf_counter() - before
    for filter_name, ids in kept.items():
        allowed = None if ids is None else set(ids.tolist())
        keep = None if allowed is None else allowed.__contains__
        for depth in (64, 512):
            index.set_ef(depth)
            try:
                found = index.knn_query(queries, k=limit, filter=keep)[0]
            except RuntimeError as error:
                print(f"skipped: hnswlib ef {depth}, {filter_name}: {error}")
                continue
            recall = "" if truth is None else recall_of(found, truth[filter_name])
            note = f"{recall} ef {depth}, built in {built:.1f} s"
            line(filter_name, "hnswlib", lambda q: index.knn_query(q, k=limit, filter=keep), note)


def recall_of(found, truth):
    shared = sum(len(set(a) & set(b)) for a, b in zip(found.tolist(), truth.tolist()))
    return f"recall {shared / truth.size:.3f}"


if __name__ == "__main__":
    main()
