"""Features of waves that both directions share: light that interferes, and what samples have of the same kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.view import Floats, Map, View, sampled, without_bow

SLOWEST, FASTEST = 1.5, 40
"""Cycles per scan: slower ones are bow, faster ones seldom light."""
LINES_OWN = 1
"""Cycles along the line up to which offsets of lines reach."""
DIRECTIONS, PER_OCTAVE = 36, 3
"""Of the sectors that the spectrum is told in."""
AROUND = 9
"""Cycles across the square that a wave must stand out of: whatever the spectrum falls off with."""
APART = 3.0
"""Cycles between waves that are not the same."""
LEAST_SIZE = 0.04
"""Amplitudes over the relief: smaller ones are not asked about."""
GROUNDS, FEWEST_GROUNDS = 20, 4
"""Squares along a side of the scan that the ground is told in, about, and with how few nothing is said."""
FEWEST = 50
"""Waves that can be told apart: with fewer nothing is said."""
Spectrum = NDArray[np.float64]


def fringe_features(view: View) -> dict[str, float]:
    """Measure the wave that stands out most of all around it, the strongest sector, and how the ground undulates.

    Light makes one set of waves, round as a sine, the same in both directions, narrower from one side to the other. A
    grating has overtones, a lattice waves in several directions, a rough surface waves in all. Waves along the slow
    axis alone are not told from offsets of lines; directions are those of the pixels, not of nanometers.
    """
    z, relief = _curved_back(view.raw)
    power, down, along = _power(z)
    other = None if view.other is None else _power(_curved_back(view.other)[0])[0]
    waves = _wave(power, other, down, along, relief) | _sectors(power, down, along, relief)
    return waves | _undulation(view.flat, relief)


def _curved_back(z: Map) -> tuple[Map, float]:
    """Remove a parabola along each axis, and clip what is rarer than one in a hundred; return half the range, too."""
    rest = without_bow(z)
    low, high = np.quantile(sampled(rest), (0.005, 0.995))
    return np.asarray(np.clip(rest, low, high), np.float32), max(float(high - low) / 2, 1e-12)


def _power(z: Map) -> tuple[Spectrum, Floats, Floats]:
    """Return squared amplitudes of slow waves, and their cycles across and along the lines."""
    rows, cols = z.shape
    window = np.hanning(rows + 2)[1:-1, None] * np.hanning(cols + 2)[1:-1]
    size = np.fft.fftshift(np.abs(np.fft.rfft2(z * window)), axes=0) * (2 / window.sum())
    down, along = np.arange(rows) - rows // 2, np.arange(size.shape[1])
    slow = np.ix_(np.abs(down) <= FASTEST, (along > LINES_OWN) & (along <= FASTEST))
    return np.square(size[slow]), down[slow[0]].astype(np.float64), along[slow[1]].astype(np.float64)


def _wave(power: Spectrum, other: Spectrum | None, down: Floats, along: Floats, relief: float) -> dict[str, float]:
    import cv2
    from scipy.ndimage import median_filter

    fast = np.hypot(down, along)
    asked = (fast >= SLOWEST) & (fast <= FASTEST)
    nothing = {f"fringe {name}": 0.0 for name in ("there", "out", "size", "cycles", "second", "again", "shared")}
    if np.count_nonzero(asked) < FEWEST:
        return nothing
    joined = np.asarray(cv2.blur(power, (3, 3)))
    out = np.log(joined + 1e-30)
    out -= median_filter(out, AROUND)
    out[~asked | (np.sqrt(joined) < LEAST_SIZE / 2 * relief)] = -np.inf
    if not np.isfinite(out).any():
        return nothing
    row, col = (int(k) for k in np.unravel_index(int(np.argmax(out)), out.shape))
    stands_out = float(out[row, col])
    near = (np.abs(down - down[row, 0]) <= 1) & (np.abs(along - along[0, col]) <= 1)
    row, col = (int(k) for k in np.unravel_index(int(np.argmax(np.where(near, power, -1))), power.shape))
    here = (float(down[row, 0]), float(along[0, col]))
    size = _around(power, down, along, here)
    away = np.hypot(down - here[0], along - here[1]) > APART
    second = np.where(asked & away, power, 0).max()
    again = max(_around(power, down, along, (k * here[0], k * here[1])) for k in (2, 3))
    shared = 0.0 if other is None else np.log10((_around(other, down, along, here) + 1e-30) / (size + 1e-30))
    return {
        "fringe there": 1.0, "fringe out": stands_out / 3, "fringe size": _log(np.sqrt(size) / relief),
        "fringe cycles": float(np.log2(fast[row, col])), "fringe second": _log(second / (power[row, col] + 1e-30)),
        "fringe again": _log(again / (size + 1e-30)), "fringe shared": float(np.clip(shared, -3, 3)),
    }  # fmt: skip


def _around(power: Spectrum, down: Floats, along: Floats, at: tuple[float, float]) -> float:
    """Return the largest squared amplitude of waves nearly as fast in nearly the same direction."""
    near = (np.abs(down - at[0]) <= 1.5) & (np.abs(along - at[1]) <= 1.5)
    return float(power[near].max()) if near.any() else 0.0


def _sectors(power: Spectrum, down: Floats, along: Floats, relief: float) -> dict[str, float]:
    """Find the sector, three directions wide and an octave long, with most power over the mean of its octave."""
    fast = np.hypot(down, along)
    asked = (fast >= SLOWEST) & (fast <= FASTEST)
    lanes = int(np.log2(FASTEST / SLOWEST) * PER_OCTAVE) + 1
    lane = np.clip(np.log2(np.maximum(fast, SLOWEST) / SLOWEST) * PER_OCTAVE, 0, lanes - 1).astype(np.int64)
    turn = (np.mod(np.arctan2(down, along), np.pi) / np.pi * DIRECTIONS).astype(np.int64) % DIRECTIONS
    table = np.bincount((turn * lanes + lane)[asked], power[asked], DIRECTIONS * lanes).reshape(DIRECTIONS, lanes)
    table = np.roll(table, -1, axis=0) + table + np.roll(table, 1, axis=0)
    octaves = np.stack([table[:, k : k + PER_OCTAVE].sum(axis=1) for k in range(lanes - PER_OCTAVE + 1)], axis=1)
    shares = octaves / (octaves.sum(axis=0) / 3 + 1e-30)
    more = octaves - octaves.mean(axis=0)
    turn_at, lane_at = (int(k) for k in np.unravel_index(int(np.argmax(more)), more.shape))
    turned = np.mod(np.arange(DIRECTIONS) - turn_at, DIRECTIONS)
    second = float(shares[(turned > 3) & (turned < DIRECTIONS - 3), lane_at].max())
    return {
        "fringe sector share": float(shares[turn_at, lane_at]),
        "fringe sector size": _log(np.sqrt(octaves[turn_at, lane_at]) / relief),
        "fringe sector second": second, "fringe sector cycles": lane_at / PER_OCTAVE,
    }  # fmt: skip


def _undulation(z: Map, relief: float) -> dict[str, float]:
    """Measure how the ground beneath features goes up and down over much of the scan, and how smoothly.

    The ground is the median of squares, and their lowest tenth, each row of squares without its parabola: what stands
    alone on it does not move it. Waves of fewer than two periods, which no spectrum tells from bow, are seen on flat
    ground only.
    """
    side = max(1, round(float(np.sqrt(z.shape[0] * z.shape[1])) / GROUNDS))
    rows, cols = z.shape[0] // side, z.shape[1] // side
    if min(rows, cols) < FEWEST_GROUNDS:
        return {f"ground {of} {what}": 0.0 for of in ("middle", "low") for what in ("size", "down", "along", "share")}
    squares = z[: rows * side, : cols * side].reshape(rows, side, cols, side).swapaxes(1, 2).reshape(rows, cols, -1)
    bow, _ = np.linalg.qr(np.polynomial.legendre.legvander(np.linspace(-1, 1, cols), 2))
    found: dict[str, float] = {}
    for name, part in (("middle", 0.5), ("low", 0.1)):
        ground = np.quantile(squares, part, axis=2)
        ground = np.asarray(ground - ground @ bow @ bow.T, np.float64)
        power = float(np.mean(np.square(ground))) + 1e-30
        waves = np.square(np.abs(np.fft.rfft2(ground)))
        strongest = np.partition(waves[:, 1:].ravel(), -3)[-3:].sum()
        found |= {
            f"ground {name} size": _log(np.sqrt(2 * power) / relief),
            f"ground {name} down": float(np.mean(ground[1:] * ground[:-1]) / power),
            f"ground {name} along": float(np.mean(ground[:, 1:] * ground[:, :-1]) / power),
            f"ground {name} share": float(strongest / (waves[:, 1:].sum() + 1e-30)),
        }
    return found


def _log(value: float | np.floating) -> float:
    return float(np.log10(np.clip(value, 1e-5, 1e5)))
