"""Features of the surface without its noise: how large noise and waves are against what is really there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.view import Map, View, half_range, sampled, spread

KEPT = 12.0
"""Parts of the spectrum so many times stronger than noise belong to the surface: of noise one in 160 000 does."""
FAST = 0.25
"""Cycles per pixel along the line beyond which there is little but noise."""
SLOWEST, APART, BESIDE = 3, 3, 2
"""Cycles per scan below which a wave is a bow; within which of a peak it is the same wave, and an overtone is it."""
Spectrum = NDArray[np.complexfloating]


def relief_features(view: View) -> dict[str, float]:
    """Noise over the relief of the surface freed of noise; the strongest plane wave over it, and whether it is alone.

    A scan that is nothing but noise has a range as well, so ratios of noise to the range of the heights cannot tell
    noise of one relief from noise of two. What stands out of the white floor of the spectrum is surface; with the
    other direction, only what both share. Without it a wave is surface as well: its size tells, and that it is alone.
    """
    z = view.level
    away = view.disagreement
    seen = np.fft.rfft2(z)
    other = None if away is None else np.fft.rfft2(z - away)
    white, noise, surface = _surface(seen, other, z.shape)
    shown = np.fft.irfft2(surface, s=z.shape)
    relief = max(half_range(np.asarray(shown, np.float32)), 1e-3 * half_range(z))
    found = {
        "white/surface": _log(white / relief), "floor/surface": _log(noise / relief),
        "noise/surface": _log(view.noise / relief),
        "surface/range": _log(relief / view.half_range), "surface/level": _log(relief / half_range(z)),
        "bow/range": _log(half_range(view.flat) / view.half_range),
        "rest/surface": _log(spread(z - np.asarray(shown, np.float32)) / relief),
    }  # fmt: skip
    found["differs/surface"] = 0.0 if away is None else _log(spread(away) / float(np.sqrt(2)) / relief)
    found |= {f"wave {name}": value for name, value in _wave(z, relief).items()}
    differing = dict.fromkeys(("size", "alone", "again"), 0.0) if away is None else _wave(away, relief)
    return found | {f"differing wave {name}": value for name, value in differing.items()}


def _surface(seen: Spectrum, other: Spectrum | None, shape: tuple[int, ...]) -> tuple[float, float, Spectrum]:
    """Return the scatter of white noise and of all noise, and the spectrum of what stands out of it.

    Noise in time differs from line to line: it is as strong at every frequency across the lines, whatever it is along
    them. Surfaces are weak at most of these.
    """
    power = np.square(np.abs(seen))
    floor = np.median(power, axis=0) / float(np.log(2)) + 1e-30
    kept = power > KEPT * floor
    if other is not None:
        kept &= (seen * other.conj()).real > 0.5 * power
    fast, pixels = int(FAST * shape[1]), shape[0] * shape[1]
    white = float(np.sqrt(np.median(floor[fast:]) / pixels))
    return white, float(np.sqrt(2 * floor.sum() * shape[0])) / pixels, np.where(kept, seen, 0)


def _wave(z: Map, relief: float) -> dict[str, float]:
    """Return how large the strongest plane wave is, how much it stands out of its surroundings, and its overtone."""
    rows, cols = z.shape
    limit = 3 * float(np.std(sampled(z))) + 1e-30
    window = np.hanning(rows)[:, None] * np.hanning(cols)
    sizes = np.abs(np.fft.rfft2(np.clip(z, -limit, limit) * window)) * (2 / window.sum())
    sizes = np.roll(sizes, rows // 2, axis=0)
    down, along = np.arange(rows)[:, None] - rows // 2, np.arange(sizes.shape[1])[None]
    sizes[(np.hypot(down, along) < SLOWEST) | (along == 0)] = 0
    row, col = (int(k) for k in np.unravel_index(int(np.argmax(sizes)), sizes.shape))
    size = float(sizes[row, col])
    away = np.hypot(down - (row - rows // 2), along - col)
    around = sizes[(away > APART) & (away <= 2 * APART)]
    overtone = _near(sizes, 2 * row - rows // 2, 2 * col)
    again = float(overtone.max()) if overtone.size else 0.0
    return {
        "size": _log(size / relief), "alone": _log(size / (float(np.median(around)) + 1e-30)),
        "again": _log(again / (size + 1e-30)),
    }  # fmt: skip


def _near(values: NDArray[np.floating], row: int, col: int) -> NDArray[np.floating]:
    return values[max(row - BESIDE, 0) : max(row + BESIDE + 1, 0), max(col - BESIDE, 0) : max(col + BESIDE + 1, 0)]


def _log(value: float) -> float:
    return float(np.log10(np.clip(value, 1e-5, 1e5)))
