"""Writes input.json: reference values of picture preparation (crop, fit, antialiased resize, normalisation).

    pip install numpy pillow
    python tests/golden/input.py

Everything is computed in f64 by the plain definition below and compared with Pillow's own bilinear resize of the same
float pixels before it is written. The definition:

1. Alpha: a transparent pixel is seen on white, `value * a/255 + 255 * (1 - a/255)`.
2. The crop box cuts a window; pixels outside it do not take part. Without a box the window is the whole picture.
3. Fit of a window `w x h` into `W x H`:
   `stretch`  the whole window fills the whole output;
   `cover`    s = max(W/w, H/h); the centred part of W/s x H/s window pixels (fractions allowed) fills the output;
   `pad`      s = min(W/w, H/h); the window fills floor(w s + 1/2) x floor(h s + 1/2) output pixels (at least one),
              offset floor((W - that) / 2), the rest of the output is 0 after normalisation (the mean colour).
4. Triangle filter, one axis at a time: output i looks at c = from + (i + 1/2) * scale with scale = (to - from) / n and
   reaches r = max(scale, 1) to both sides. Window pixel x weighs max(0, 1 - |x + 1/2 - c| / r), of the pixels from
   floor(c - r + 1/2) to floor(c + r + 1/2) - 1 that exist; weights are divided by their sum.
5. `(value / 255 - mean) / std` per channel, channels first.

Nothing is rounded on the way. Expected values are [3, height, width] in row-major order.
"""

import json
import math
import pathlib

import numpy as np
from PIL import Image

from formula import uniform

MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]


def picture(key: str, width: int, height: int, channels: int) -> np.ndarray:
    """A gradient under noise, 8 bits a channel."""
    y, x = np.mgrid[0:height, 0:width]
    ramp = np.stack([x / max(width - 1, 1), y / max(height - 1, 1), (x + y) / max(width + height - 2, 1)], axis=-1)
    rgb = 0.5 * ramp + 0.5 * uniform(key, (height, width, 3))
    if channels == 4:
        rgb = np.concatenate([rgb, uniform(key + ".alpha", (height, width, 1))], axis=-1)
    return np.floor(rgb * 256).clip(0, 255).astype(np.uint8)


def taps(length: int, start: float, stop: float, outputs: int) -> np.ndarray:
    """The filter along one axis as a dense matrix, [outputs, length]."""
    scale = (stop - start) / outputs
    reach = max(scale, 1.0)
    dense = np.zeros((outputs, length))
    for i in range(outputs):
        centre = start + (i + 0.5) * scale
        for x in range(max(0, math.floor(centre - reach + 0.5)), min(length, math.floor(centre + reach + 0.5))):
            dense[i, x] = max(0.0, 1.0 - abs(x + 0.5 - centre) / reach)
    return dense / dense.sum(axis=1, keepdims=True)


def prepare(pixels: np.ndarray, crop, fit: str, out_w: int, out_h: int) -> np.ndarray:
    values = pixels.astype(np.float64)
    if values.shape[2] == 4:
        alpha = values[..., 3:] / 255
        values = values[..., :3] * alpha + 255 * (1 - alpha)
    if crop:
        x, y, w, h = crop
        values = values[y : y + h, x : x + w]
    h, w, _ = values.shape
    box, size, offset = (0.0, 0.0, float(w), float(h)), (out_w, out_h), (0, 0)
    if fit == "cover":
        scale = max(out_w / w, out_h / h)
        part_w, part_h = min(out_w / scale, w), min(out_h / scale, h)
        left, top = (w - part_w) / 2, (h - part_h) / 2
        box = (left, top, left + part_w, top + part_h)
    elif fit == "pad":
        scale = min(out_w / w, out_h / h)
        size = tuple(max(1, math.floor(side * scale + 0.5)) for side in (w, h))
        offset = ((out_w - size[0]) // 2, (out_h - size[1]) // 2)

    across = taps(w, box[0], box[2], size[0])
    down = taps(h, box[1], box[3], size[1])
    resized = np.einsum("ij,jkc,lk->ilc", down, values, across)
    for c in range(3):
        channel = Image.fromarray(values[..., c].astype(np.float32))
        pillow = np.asarray(channel.resize(size, Image.Resampling.BILINEAR, box=box))
        assert np.abs(pillow - resized[..., c]).max() < 1e-3, (crop, fit, out_w, out_h)

    out = np.zeros((3, out_h, out_w))
    normal = ((resized / 255 - MEAN) / STD).transpose(2, 0, 1)
    out[:, offset[1] : offset[1] + size[1], offset[0] : offset[0] + size[0]] = normal
    return out


CASES = [
    # picture, crop (x, y, width, height), fit, output width, output height
    ("small", None, "stretch", 8, 6),
    ("small", None, "stretch", 13, 11),
    ("small", None, "stretch", 3, 4),
    ("small", None, "stretch", 5, 9),
    ("small", None, "cover", 7, 7),
    ("small", None, "cover", 4, 3),
    ("small", None, "cover", 3, 8),
    ("small", None, "pad", 7, 7),
    ("small", None, "pad", 12, 8),
    ("small", None, "pad", 3, 10),
    ("small", (2, 1, 5, 4), "stretch", 9, 3),
    ("small", (2, 1, 5, 4), "cover", 6, 6),
    ("small", (2, 1, 5, 4), "pad", 6, 6),
    ("small", (7, 5, 1, 1), "stretch", 2, 2),
    ("large", None, "stretch", 6, 5),
    ("large", None, "cover", 5, 8),
    ("large", (3, 7, 41, 19), "pad", 8, 8),
    ("clear", None, "stretch", 4, 5),
    ("thin", None, "pad", 4, 4),
    ("thin", None, "cover", 4, 4),
]
PICTURES = {"small": (8, 6, 3), "large": (61, 47, 3), "clear": (9, 7, 4), "thin": (40, 1, 3)}


def main() -> None:
    pictures = {name: picture("input." + name, *size) for name, size in PICTURES.items()}
    lines = [
        json.dumps({
            "picture": name,
            "crop": dict(zip(("x", "y", "width", "height"), crop)) if crop else None,
            "fit": fit,
            "width": width,
            "height": height,
            "expected": [round(float(v), 6) for v in prepare(pictures[name], crop, fit, width, height).ravel()],
        })
        for name, crop, fit, width, height in CASES
    ]
    shown = [
        f' "{name}": ' + json.dumps({
            "width": p.shape[1], "height": p.shape[0], "channels": p.shape[2], "data": p.ravel().tolist(),
        }, separators=(",", ":"))
        for name, p in pictures.items()
    ]
    text = '{\n"mean": %s,\n"std": %s,\n"pictures": {\n%s\n},\n"cases": [\n%s\n]}\n' % (
        json.dumps(MEAN), json.dumps(STD), ",\n".join(shown), ",\n".join(lines),
    )
    json.loads(text)
    pathlib.Path(__file__).with_name("input.json").write_text(text)


if __name__ == "__main__":
    main()
