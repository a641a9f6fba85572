"""Pseudorandom numbers that both sides of a golden test can generate.

The golden files therefore contain no weights. Element `i` of the tensor `key` is drawn from splitmix64, which is seeded
with the key:

    state  = fnv1a64(key as UTF-8) + i * 0x9E3779B97F4A7C15        (mod 2^64)
    z      = state
    z      = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9                  (mod 2^64)
    z      = (z ^ (z >> 27)) * 0x94D049BB133111EB                  (mod 2^64)
    z      =  z ^ (z >> 31)
    u      = (z >> 40) / 2^24                                      in [0, 1), exact in f32 and f64

`i` counts from 0 in row-major order. fnv1a64 starts with 0xCBF29CE484222325. For every byte, it computes the exclusive
or of the state and the byte, and multiplies the result by 0x00000100000001B3. Each script maps `u` to the range that it
needs. It computes the mapping in f64 and rounds the result once to f32.
"""

import numpy as np

MASK = 0xFFFFFFFFFFFFFFFF
GOLDEN = 0x9E3779B97F4A7C15


def fnv1a64(data: bytes) -> int:
    """Returns the 64-bit FNV-1a hash."""
    state = 0xCBF29CE484222325
    for byte in data:
        state = ((state ^ byte) * 0x00000100000001B3) & MASK
    return state


def bits(key: str, count: int) -> np.ndarray:
    """Returns the first `count` 64-bit draws for `key`."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a64(key.encode("utf-8"))) + np.arange(count, dtype=np.uint64) * np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(key: str, shape) -> np.ndarray:
    """Returns draws in [0, 1) for `key` with the given shape, as f64 in row-major order."""
    shape = tuple(shape)
    count = int(np.prod(shape, dtype=np.int64)) if shape else 1
    return ((bits(key, count) >> np.uint64(40)).astype(np.float64) / 2.0**24).reshape(shape)
