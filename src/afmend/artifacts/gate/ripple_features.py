"""Features of ripples of the ground: one wave that goes nearly the same way in many windows, beneath features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.view import Map, View

SIDE = 256
"""Pixels per side, on average, that scans are brought to by a whole number."""
WINDOWS = {"half": (2, 4), "quarter": (4, 7)}
"""Parts of a side that a window is long, and how many windows there are along it."""
SMALLEST = 12
"""Pixels of a window's sides."""
CLIP = 2.5
"""Scatters of the ground of a window: what stands out farther is a feature, and clipped."""
SLOWEST, FASTEST = 1, 20
"""Cycles per window."""
NAMES = ("share", "share most", "alike", "size", "cycles", "cycles differ", "second")


def ripple_features(view: View) -> dict[str, float]:
    """Measure, window by window, the strongest wave: its share of all waves, size and direction; and tell all together.

    Fringes of light are chirped and bent, so the spectrum of the whole scan blurs them, and features are higher than
    they are: a window of clipped heights shows them. What is rough has another strongest wave in each window.
    """
    z = _smaller(view.flat)
    found: dict[str, float] = {}
    for name, (part, count) in WINDOWS.items():
        seen = _windows(z, part, count)
        told = dict.fromkeys(NAMES, 0.0) if seen is None else _told(seen, view.half_range)
        found |= {f"ripples {name} {what}": value for what, value in told.items()}
    return found


def _smaller(z: Map) -> Map:
    every = max(1, round(float(np.sqrt(z.shape[0] * z.shape[1])) / SIDE))
    rows, cols = z.shape[0] // every, z.shape[1] // every
    return np.asarray(z[: rows * every, : cols * every].reshape(rows, every, cols, every).mean(axis=(1, 3)), np.float32)


def _windows(z: Map, part: int, count: int) -> Map | None:
    """Return windows (windows, rows, cols): features clipped, means of lines and tilt taken off; None if too small."""
    rows, cols = z.shape[0] // part, z.shape[1] // part
    if min(rows, cols) < SMALLEST:
        return None
    tops, lefts = (np.linspace(0, n - m, count).astype(int) for n, m in zip(z.shape, (rows, cols), strict=True))
    seen = np.stack([z[top : top + rows, left : left + cols] for top in tops for left in lefts])
    x = np.linspace(-1, 1, cols, dtype=np.float32)
    for _ in range(2):  # the second time around the ground alone
        seen = seen - seen.mean(axis=2, keepdims=True)
        slope = np.mean(seen @ x, axis=1) / (x @ x)
        seen = seen - slope[:, None, None] * x
        some = seen.reshape(len(seen), -1)[:, :: max(1, rows * cols // 4096)]
        middle = np.median(some, axis=1)[:, None, None]
        scatter = 1.4826 * np.median(np.abs(some - middle[:, 0]), axis=1)[:, None, None] + 1e-12
        seen = np.clip(seen, middle - CLIP * scatter, middle + CLIP * scatter)
    return np.asarray(seen - seen.mean(axis=2, keepdims=True), np.float32)


def _told(seen: Map, relief: float) -> dict[str, float]:
    from scipy.fft import rfft2

    count, rows, cols = seen.shape
    window = (np.hanning(rows + 2)[1:-1, None] * np.hanning(cols + 2)[1:-1]).astype(np.float32)
    sizes = np.fft.fftshift(np.abs(rfft2(seen * window)), axes=1)
    slow = slice(max(rows // 2 - FASTEST, 0), rows // 2 + FASTEST + 1)
    sizes = sizes[:, slow, : FASTEST + 1]
    down, along = np.arange(rows)[slow] - rows // 2, np.arange(sizes.shape[2])
    power = np.square(sizes * np.float32(2 / window.sum()))
    fast = np.hypot(down[:, None], along[None])
    power[:, (fast < SLOWEST) | (fast > FASTEST) | (along[None] < 1)] = 0
    joined = _joined(power)
    places = [np.unravel_index(int(np.argmax(one)), one.shape) for one in joined]
    first = np.array([one[place] for one, place in zip(joined, places, strict=True)])
    whole = power.sum(axis=(1, 2)) + 1e-30
    shares = first / whole
    ways = np.array([(down[row], along[col]) for row, col in places], np.float64)
    away = np.hypot(down[None, :, None] - ways[:, :1, None], along[None, None] - ways[:, 1:, None]) > 3
    second = np.where(away, joined, 0).reshape(count, -1).max(axis=1) / (first + 1e-30)
    turns = np.exp(2j * np.arctan2(ways[:, 0], ways[:, 1]))
    cycles = np.log2(np.maximum(np.hypot(ways[:, 0], ways[:, 1]), SLOWEST))
    best = np.argsort(shares)[-max(count // 4, 1) :]
    amplitudes = np.sqrt(first) / (1.5 * relief)  # a wave's power lies in about 9/4 times that of its strongest bin
    return {
        "share": float(np.median(shares)), "share most": float(shares[best].mean()),
        "alike": float(np.abs(np.sum(shares * turns)) / (shares.sum() + 1e-30)),
        "size": float(np.log10(np.clip(np.median(amplitudes), 1e-5, 1e5))),
        "cycles": float(np.median(cycles)), "cycles differ": float(np.median(np.abs(cycles - np.median(cycles)))),
        "second": float(np.median(second)),
    }  # fmt: skip


def _joined(power: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return sums over 3 x 3 waves."""
    padded = np.pad(power, ((0, 0), (1, 1), (1, 1))).astype(np.float64)
    lines = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return np.asarray(lines[:, :, :-2] + lines[:, :, 1:-1] + lines[:, :, 2:])
