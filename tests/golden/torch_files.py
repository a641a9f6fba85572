"""Writes torch_files.json: small files by torch.save, and the expected result of reading each file.

    pip install torch
    python tests/golden/torch_files.py

Each case contains a file in `file`, compressed with zlib and encoded in base64. `tensors` contains the name, the shape
and the values of every tensor in the file, in row-major order. A case with `error` instead is a file that the reader
must reject. The message must contain the text of `error`.
"""

import base64
import collections
import io
import json
import os
import pathlib
import pickle
import zlib

import torch
from torch import nn


def saved(thing, **options) -> bytes:
    """Returns the file that torch.save writes."""
    buffer = io.BytesIO()
    torch.save(thing, buffer, **options)
    return buffer.getvalue()


class Hostile:
    """Object that runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("echo hostile",)


def network() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2))
    with torch.no_grad():
        for number, tensor in enumerate(net.state_dict().values()):
            tensor.copy_((torch.arange(tensor.numel()) / 4 + number).reshape(tensor.shape))
    return net


def tensors(state: dict) -> dict:
    """Returns the shape and the values of every tensor."""
    return {
        key: {"shape": list(tensor.shape), "values": [float(v) for v in tensor.detach().flatten()]}
        for key, tensor in state.items()
    }


def main() -> None:
    state = network().state_dict()
    parallel = collections.OrderedDict((f"module.{key}", tensor) for key, tensor in state.items())
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    views = {"turned": base.t(), "part": base[1:, 1:3], "column": base[:, 2], "half": base[0].half(), "empty": base[:0]}
    parameters = {"weight": nn.Parameter(torch.tensor([1.5, -2.0])), "wide": torch.tensor([0.5], dtype=torch.bfloat16)}
    old = {"_use_new_zipfile_serialization": False}
    out = {
        "state_dict": {"file": saved(state), "tensors": tensors(state)},
        "state_dict of before 1.6": {"file": saved(state, **old), "tensors": tensors(state)},
        "checkpoint": {"file": saved({"epoch": 3, "lr": 0.1, "state_dict": parallel}), "tensors": tensors(state)},
        "model": {"file": saved({"model": dict(state), "best": None}), "tensors": tensors(state)},
        "views": {"file": saved(views), "tensors": tensors(views)},
        "views of before 1.6": {"file": saved(views, **old), "tensors": tensors(views)},
        "parameters": {"file": saved(parameters, pickle_protocol=4), "tensors": tensors(parameters)},
        "hostile": {"file": saved({"weight": torch.ones(2), "extra": Hostile()}), "error": "to call 'posix.system'"},
        "hostile of before 1.6": {"file": saved({"extra": Hostile()}, **old), "error": "to call 'posix.system'"},
        "module": {"file": saved(network()), "error": "to call 'torch.nn.modules.container.Sequential'"},
        "stretched": {
            "file": saved({"weight": torch.ones(1).expand(1 << 40)}),
            "error": "more elements than the file",
        },
        "no tensors": {"file": saved({"epoch": 3}), "error": "its entries are epoch"},
        "pickle": {"file": pickle.dumps({"epoch": 3}, protocol=2), "error": "another program than PyTorch"},
    }
    for case in out.values():
        case["file"] = base64.b64encode(zlib.compress(case["file"], 9)).decode()
    path = pathlib.Path(__file__).with_name("torch_files.json")
    path.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
