"""Writes xgboost.json: probabilities of boosters trained by the Python package, to compare with calls of the C library.

    pip install numpy xgboost-cpu
    python tests/golden/xgboost_probs.py

There are 150 rows of 8 features. Features are multiples of 1/1024, which f32 represents exactly. Targets depend on two
features and noise. The first 100 rows are the training set. The boosters predict all 150 rows. Training uses one thread
and the method `hist`. The base score and all other parameters have XGBoost's default values.
"""

import json
import pathlib

import numpy as np
import xgboost

from formula import uniform

ROWS, TRAIN, FEATURES = 150, 100, 8
CASES = [
    {"eta": 0.1, "max_depth": 3, "min_child_weight": 1, "rounds": 20},
    {"eta": 0.2, "max_depth": 6, "min_child_weight": 5, "rounds": 7},
    {"eta": 0.05, "max_depth": 10, "min_child_weight": 2, "rounds": 40},
]

features = np.floor(uniform("xgboost.features", (ROWS, FEATURES)) * 1024) / 1024
noise = uniform("xgboost.noise", (ROWS,)) * 0.6 - 0.3
targets = (features[:, 0] * features[:, 3] + noise > 0.25).astype(int)
train = xgboost.DMatrix(features[:TRAIN].astype(np.float32), label=targets[:TRAIN])
every = xgboost.DMatrix(features.astype(np.float32))
for case in CASES:
    params = {k: case[k] for k in ("eta", "max_depth", "min_child_weight")}
    params |= {"objective": "binary:logistic", "tree_method": "hist", "nthread": 1, "seed": 0, "verbosity": 0}
    booster = xgboost.train(params, train, num_boost_round=case["rounds"])
    case["probs"] = [float(p) for p in booster.predict(every)]

golden = {
    "xgboost": xgboost.__version__,
    "train": TRAIN,
    "features": features.tolist(),
    "targets": targets.tolist(),
    "cases": CASES,
}
path = pathlib.Path(__file__).with_name("xgboost.json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
