"""Features of areas and of the loop: what was not followed, tails, the other direction, the error signal."""

from __future__ import annotations

import numpy as np

from afmend.artifacts.gate.view import Floats, Map, View, sampled, spread

PATCH_PX = 16


def area_features(view: View) -> dict[str, float]:
    """How evenly texture and relief are spread over patches; exact repetition of values."""
    z = view.raw
    curl = _patches(np.abs(view.curl))
    slope = _patches(np.abs(z[:, 4:] - z[:, :-4]))
    across = _patches(np.abs(view.bend))
    found: dict[str, float] = {}
    for name, values in (("texture", curl), ("slope", slope), ("lines", across)):
        usual = np.median(values) + 1e-12
        low, high = np.quantile(values, (0.05, 0.95)) / usual
        found |= {
            f"patches {name} p5": _log(low), f"patches {name} p95": _log(high),
            f"patches {name} still": float(np.mean(values < 0.35 * usual)),
            f"patches {name} wild": float(np.mean(values > 3 * usual)),
        }  # fmt: skip
    raw = np.asarray(view.measured.heights)
    some = sampled(raw)
    found["levels"] = _log(np.unique(some).size / some.size)
    found["equal along"] = float(np.mean(raw[:, 1:] == raw[:, :-1]))
    found["equal across"] = float(np.mean(raw[1:] == raw[:-1]))
    scaled = sampled(view.flat) / view.relief
    quantiles = np.quantile(scaled, (0.001, 0.01, 0.25, 0.5, 0.75, 0.99, 0.999))
    quantiles = quantiles - quantiles[3]
    found |= {f"height q{k}": float(np.clip(q, -20, 20)) for k, q in enumerate(quantiles) if k != 3}
    return found


def slope_features(view: View) -> dict[str, float]:
    """How slopes rise and fall in the order of time: tails fall at one rate, a slow loop smears to one side."""
    slope = view.raw[:, 1:] - view.raw[:, :-1]
    size = spread(view.curl) + 1e-12
    some = sampled(slope) / size
    low, high = np.quantile(some, (0.005, 0.995))
    falls, rises = some[some < -4], some[some > 4]
    triple = view.raw[:, 3:] - 3 * view.raw[:, 2:-1] + 3 * view.raw[:, 1:-2] - view.raw[:, :-3]
    behind = np.abs(slope[:, :-4]) > 6 * size
    wave = view.curl[:, 3:] * view.curl[:, :-3]
    return {
        "rise/fall": _log((abs(high) + 1) / (abs(low) + 1)), "fall one rate": _concentration(-falls),
        "rise one rate": _concentration(rises), "falls": float(np.mean(some < -4)), "rises": float(np.mean(some > 4)),
        "jerk": _log(spread(triple) / size),
        "ringing": float(np.tanh(np.mean(wave[:, : behind.shape[1]][behind[:, : wave.shape[1]]]) / size**2))
        if behind.any() else 0.0,
        "skew": _skew(slope),
    }  # fmt: skip


def _concentration(slopes: Floats) -> float:
    """Share of steep slopes within 15 % of their most frequent value."""
    if slopes.size < 20:
        return 0.0
    ordered = np.sort(np.log(slopes))
    inside = np.searchsorted(ordered, ordered + 0.3) - np.arange(ordered.size)
    return float(inside.max() / ordered.size)


def _skew(values: Map) -> float:
    some = sampled(values).astype(np.float64)
    some = some - some.mean()
    return float(np.cbrt(np.mean(some * some * some)) / (some.std() + 1e-12))


def pair_features(view: View) -> dict[str, float]:
    """How trace and retrace agree; zeros without the other direction."""
    names = (
        "pair corr", "pair rms", "pair p99", "pair over", "pair skew", "pair lines", "pair worst", "pair slope corr",
        "pair shift", "pair patches",
    )  # fmt: skip
    if view.straight is None:
        return {"pair there": 0.0, **dict.fromkeys(names, 0.0)}
    z, other = view.straight
    shift = best_shift(z, other)
    if shift:
        z, other = (z[:, shift:], other[:, :-shift]) if shift > 0 else (z[:, :shift], other[:, -shift:])
    away = z - other
    away = away - np.median(away[:, :: max(1, away.shape[1] // 128)], axis=1, keepdims=True)
    rows = line_correlation(z, other)
    some = sampled(away) / (view.noise * np.sqrt(2))
    slopes = [sampled(m[:, 3:] - m[:, :-3]) for m in (z, other)]
    patches = _patches(np.abs(away))
    values = (
        float(np.mean(rows)), _log(float(np.sqrt(np.mean(np.square(some))))),
        _log(float(np.quantile(np.abs(some), 0.99))),
        _log(1e-4 + float(np.mean(np.abs(some) > 5))), _skew(away), float(np.mean(rows < 0.5)),
        float(np.quantile(rows, 0.05)), _correlation(slopes[0], slopes[1]), abs(shift) / 8,
        float(np.mean(patches > 4 * np.median(patches))),
    )  # fmt: skip
    return {"pair there": 1.0, **dict(zip(names, values, strict=True))}


def best_shift(z: Map, other: Map, most: int = 8) -> int:
    """Whole pixels by which the other direction lies to the left."""
    every = max(1, z.shape[0] // 64)
    a, b = (m[::every, 1:] - m[::every, :-1] for m in (z, other))
    limit = 4 * spread(a) + 1e-12
    a, b = np.clip(a, -limit, limit), np.clip(b, -limit, limit)
    most = min(most, a.shape[1] // 4)
    scores = []
    for shift in range(-most, most + 1):
        left, right = (a[:, shift:], b[:, : b.shape[1] - shift]) if shift >= 0 else (a[:, :shift], b[:, -shift:])
        scores.append(float(np.mean(left * right)))
    best = int(np.argmax(scores))
    return best - most if scores[best] > 1.02 * scores[most] else 0


def line_correlation(z: Map, other: Map) -> Floats:
    """Correlation of the two directions, line by line."""
    a, b = z - z.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    size = np.sqrt(np.mean(a * a, axis=1) * np.mean(b * b, axis=1)) + 1e-12
    return np.asarray(np.mean(a * b, axis=1) / size)


def _correlation(a: Floats, b: Floats) -> float:
    count = min(a.size, b.size)
    a, b = a[:count] - np.mean(a[:count]), b[:count] - np.mean(b[:count])
    return float(np.mean(a * b) / (np.sqrt(np.mean(a * a) * np.mean(b * b)) + 1e-12))


def error_features(view: View) -> dict[str, float]:
    """Measure what the error signal says; zeros without one."""
    names = ("error p99", "error p99.9", "error stuck", "error slope", "error skew", "error patches", "error rough")
    if view.measured.error is None:
        return {"error there": 0.0, **dict.fromkeys(names, 0.0)}
    error = np.asarray(view.measured.error, np.float32)
    error = error - np.float32(np.median(sampled(error)))
    size = spread(error) + 1e-12
    some = sampled(error) / size
    slope = view.raw[:, 1:] - view.raw[:, :-1]
    extreme = np.abs(some).max()
    patches = _patches(np.abs(error))
    values = (
        _log(np.quantile(np.abs(some), 0.99)), _log(np.quantile(np.abs(some), 0.999)),
        float(np.mean(np.abs(some) > 0.95 * extreme)), _correlation(sampled(error[:, 1:]), sampled(slope)),
        _skew(error), float(np.mean(patches > 4 * np.median(patches))),
        _log(spread(error[:, 1:] - error[:, :-1]) / size),
    )  # fmt: skip
    return {"error there": 1.0, **dict(zip(names, values, strict=True))}


def _patches(values: Map) -> Map:
    """Mean of every patch of 16 x 16 pixels."""
    import cv2

    rows, cols = values.shape
    size = (max(1, cols // PATCH_PX), max(1, rows // PATCH_PX))
    return np.asarray(cv2.resize(np.ascontiguousarray(values), size, interpolation=cv2.INTER_AREA), np.float32)


def _log(value: float | np.floating) -> float:
    return float(np.log10(max(float(value), 1e-6)))
