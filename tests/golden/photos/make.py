"""Makes the photo files of this folder from base.png, a drawn photo of this project. Needs Pillow and NumPy.

    python3 tests/golden/photos/make.py

The files have the forms in which photos reach a shop: colour spaces, subsampling, orientation, depth, transparency and formats.
"""

import pathlib
import struct
import zlib

import numpy
from PIL import Image, PngImagePlugin

FOLDER = pathlib.Path(__file__).parent
BASE = Image.open(FOLDER / "base.png").convert("RGB")


def profile(primaries, gamma, white=(0.9642, 1.0, 0.8249)):
    """Returns an ICC profile with the colorants (XYZ, adapted to D50) and one exponent."""
    fixed = lambda value: struct.pack(">i", round(value * 65536))
    xyz = lambda values: b"XYZ " + bytes(4) + b"".join(map(fixed, values))
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(12 + 67)
    rights = b"text" + bytes(4) + b"none\0" + bytes(3)
    text += bytes(-len(text) % 4)
    tags = [(b"desc", text), (b"cprt", rights), (b"wtpt", xyz(white))]
    tags += [(name, xyz(values)) for name, values in zip([b"rXYZ", b"gXYZ", b"bXYZ"], primaries)]
    tags += [(name, curve) for name in [b"rTRC", b"gTRC", b"bTRC"]]
    start = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content
    head = struct.pack(">I4sI4s4s4s", start + len(data), bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    return head.ljust(128, b"\0") + table + data


# Colorants adapted to D50, from the definitions of the colour spaces.
DISPLAY_P3 = profile([(0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)], 2.2)
ADOBE_RGB = profile([(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)], 2.19921875)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(rows, width, height, depth, colour, extra=b""):
    """Returns a PNG file of unfiltered rows."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    lines = b"".join(b"\0" + row for row in rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


def exif(orientation):
    tag = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + tag + bytes(4)


def save(name, image=BASE, **options):
    image.save(FOLDER / name, **options)


def jpegs():
    # 0: 4:4:4, 1: 4:2:2, 2: 4:2:0
    for name, subsampling in [("444", 0), ("422", 1), ("420", 2)]:
        save(f"jpeg-{name}.jpg", quality=88, subsampling=subsampling)
    save("jpeg-progressive.jpg", quality=88, progressive=True)
    save("jpeg-restart.jpg", quality=88, restart_marker_rows=2)
    save("jpeg-p3.jpg", quality=90, subsampling=0, icc_profile=DISPLAY_P3)
    save("jpeg-adobe-rgb.jpg", quality=90, subsampling=0, icc_profile=ADOBE_RGB)
    save("jpeg-grey.jpg", BASE.convert("L"), quality=88)
    save("jpeg-cmyk.jpg", BASE.convert("CMYK"), quality=92)
    upright = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # orientation -> transpose that stores the photo that way
    for orientation, transpose in upright.items():
        stored = BASE if transpose is None else BASE.transpose(Image.Transpose(transpose))
        save(f"jpeg-exif-{orientation}.jpg", stored, quality=88, exif=exif(orientation))


def pngs():
    pixels = numpy.asarray(BASE)
    height, width, _ = pixels.shape
    deep = (pixels.astype(">u2") * 257).astype(">u2")
    grey = (numpy.asarray(BASE.convert("L")).astype(">u2") * 257).astype(">u2")
    mask = Image.new("L", BASE.size, 0)
    mask.paste(255, (width // 8, height // 8, width - width // 8, height - height // 8))
    soft = mask.resize((width // 8, height // 8)).resize(BASE.size, Image.Resampling.BILINEAR)
    clear = BASE.copy()
    clear.putalpha(soft)
    write = lambda name, content: (FOLDER / name).write_bytes(content)
    write("png-16.png", png([row.tobytes() for row in deep], width, height, 16, 2))
    write("png-grey-16.png", png([row.tobytes() for row in grey], width, height, 16, 0))
    rows = [row.tobytes() for row in pixels]
    write("png-gamma.png", png(rows, width, height, 8, 2, chunk(b"gAMA", struct.pack(">I", 55556))))
    write("png-linear-gamma.png", png(rows, width, height, 8, 2, chunk(b"gAMA", struct.pack(">I", 100000))))
    points = [0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06]
    primaries = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"cHRM", struct.pack(">8I", *(round(at * 100000) for at in points)))
    write("png-primaries.png", png(rows, width, height, 8, 2, primaries))
    write("png-exif-6.png", png([row.tobytes() for row in numpy.rot90(pixels)], width=height, height=width, depth=8, colour=2, extra=chunk(b"eXIf", exif(6)[6:])))
    save("png-alpha.png", clear)
    save("png-p3.png", icc_profile=DISPLAY_P3)
    palette = BASE.quantize(64)
    save("png-palette.png", palette)
    save("png-palette-transparent.png", palette, transparency=bytes([0, 0, 128] + [255] * 61))
    return clear


def others(clear):
    save("webp-lossy.webp", quality=88)
    save("webp-lossless.webp", lossless=True)
    save("webp-alpha.webp", clear, quality=88)
    save("gif.gif", BASE.quantize(128))
    save("gif-transparent.gif", BASE.quantize(64), transparency=0)
    save("bmp.bmp", BASE.resize((48, 64)))


jpegs()
others(pngs())
