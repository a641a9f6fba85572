"""Writes input.json: reference values of image preprocessing (crop, fit, antialiased resize, normalisation).

    pip install numpy pillow
    python tests/golden/input.py

The script computes all values in f64 from the definition below. It compares the resized pixels with Pillow's bilinear
resize before it writes the file. The definition has five steps:

1. Alpha. A transparent pixel is drawn on white: `value * a/255 + 255 * (1 - a/255)`.
2. Crop. The crop box selects a window. Pixels outside the window are not used. Without a crop box, the window is the
   whole image.
3. Fit of a window `w x h` into an output `W x H`:
   `stretch`  The whole window fills the whole output.
   `cover`    s = max(W/w, H/h). The centre of the window, W/s x H/s pixels, fills the output. Its size and position may
              be fractions of a pixel.
   `pad`      s = min(W/w, H/h). The window fills floor(w s + 1/2) x floor(h s + 1/2) output pixels, at least one per
              axis. These pixels are `p x q`, at the offset floor((W - p) / 2), floor((H - q) / 2). The rest of the
              output is 0 after normalisation, which is the mean colour.
4. Resize. A triangle filter is applied to one axis at a time. Output pixel i has its centre at
   c = from + (i + 1/2) * scale, with scale = (to - from) / n. Here, `from` and `to` are the bounds of the part of the
   window that is resized to n output pixels. The radius of the filter is r = max(scale, 1). Window pixel x has the
   weight max(0, 1 - |x + 1/2 - c| / r). The filter uses the pixels from floor(c - r + 1/2) to floor(c + r + 1/2) - 1
   that are in the window. Their weights are divided by the sum of the weights.
5. Normalisation. `(value / 255 - mean) / std` per channel, with the channel as the first dimension.

No intermediate value is rounded. The expected values have the shape [3, height, width], in row-major order.
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
    """Returns an image of a gradient with noise, with 8 bits per channel."""
    y, x = np.mgrid[0:height, 0:width]
    ramp = np.stack([x / max(width - 1, 1), y / max(height - 1, 1), (x + y) / max(width + height - 2, 1)], axis=-1)
    rgb = 0.5 * ramp + 0.5 * uniform(key, (height, width, 3))
    if channels == 4:
        rgb = np.concatenate([rgb, uniform(key + ".alpha", (height, width, 1))], axis=-1)
    return np.floor(rgb * 256).clip(0, 255).astype(np.uint8)


def taps(length: int, start: float, stop: float, outputs: int) -> np.ndarray:
    """Returns the filter weights of one axis as a dense matrix [outputs, length]."""
    scale = (stop - start) / outputs
    reach = max(scale, 1.0)
    dense = np.zeros((outputs, length))
    for i in range(outputs):
        centre = start + (i + 0.5) * scale
        for x in range(max(0, math.floor(centre - reach + 0.5)), min(length, math.floor(centre + reach + 0.5))):
            dense[i, x] = max(0.0, 1.0 - abs(x + 0.5 - centre) / reach)
    return dense / dense.sum(axis=1, keepdims=True)


def prepare(pixels: np.ndarray, crop, fit: str, out_w: int, out_h: int) -> np.ndarray:
    """Returns the preprocessed image [3, out_h, out_w]."""
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
    # Image, crop box (x, y, width, height), fit, output width, output height.
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
