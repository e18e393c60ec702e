"""Features of the tip: ghosts, and the form of peaks and pits."""

from __future__ import annotations

import numpy as np

from afmend.artifacts.gate.view import Floats, Map, View, sampled

LARGEST = 256
"""Ghosts are looked for in the middle so many lines and pixels."""
FAR_PX = 24
BINS = 12


def tip_features(view: View) -> dict[str, float]:
    """Return every feature of the tip."""
    return {**ghost_features(view), **form_features(view)}


def ghost_features(view: View) -> dict[str, float]:
    """Peaks aside in the autocorrelation of edges, of bumps and of fine texture: the same shape twice."""
    rows, cols = (min(n, LARGEST) for n in view.flat.shape)
    top, left = (view.flat.shape[0] - rows) // 2, (view.flat.shape[1] - cols) // 2
    z = _smooth(view.flat[top : top + rows, left : left + cols], 3)
    bump = z - _smooth(z, 25)
    gy, gx = np.gradient(z)
    edge = np.hypot(gx, gy)
    limit = np.quantile(edge, 0.9)
    fine = z - _smooth(z, 7)
    limits = np.quantile(np.abs(fine), 0.99)
    maps = {
        "edges": np.maximum(edge - limit, 0), "bumps": np.clip(bump, *np.quantile(bump, (0.01, 0.995))),
        "fine": np.clip(fine, -limits, limits), "left": np.clip(gx, *np.quantile(gx, (0.005, 0.995))),
        "up": np.clip(gy, *np.quantile(gy, (0.005, 0.995))),
    }  # fmt: skip
    found: dict[str, float] = {}
    for name, values in maps.items():
        peak, narrow, distance = _peak(autocorrelation(values))
        found |= {f"ghost {name}": peak, f"ghost {name} narrow": narrow, f"ghost {name} far": distance}
    return found


def autocorrelation(values: Floats) -> Floats:
    """Return the autocorrelation for shifts up to `FAR_PX`, zero shift in the middle, 1 there."""
    rows, cols = values.shape
    some = np.asarray(values - values.mean(), np.float32)
    shape = (_even(rows + FAR_PX), _even(cols + FAR_PX))
    power = np.square(np.abs(np.fft.rfft2(some, s=shape)))
    full = np.fft.irfft2(power, s=shape)
    reach = np.arange(-FAR_PX, FAR_PX + 1)
    part = full[np.ix_(reach, reach)]
    overlap = (rows - np.abs(reach))[:, None] * (cols - np.abs(reach))[None, :] / (rows * cols)
    # Of few lines, those far apart share hardly anything, and prove nothing.
    return np.asarray(part / np.maximum(overlap, 0.25) / (full[0, 0] + 1e-30))


def _even(size: int) -> int:
    return -(-size // 32) * 32


def _peak(part: Floats) -> tuple[float, float, float]:
    """Return how far the highest peak aside stands out of its ring and of its near surroundings, and its distance."""
    reach = np.arange(-FAR_PX, FAR_PX + 1)
    radius = np.hypot(reach[:, None], reach[None, :])
    ring = radius.astype(int)
    inside = (radius >= 3) & (radius < FAR_PX)
    sums = np.bincount(ring.ravel(), part.ravel()) / np.bincount(ring.ravel())
    excess = part - sums[ring]
    around = _smooth(part.astype(np.float32), 7)
    local = part - around
    # What is on the axes is lines and gratings more often than ghosts.
    peaks = np.where(inside, excess, -1.0)
    best = int(np.argmax(np.where(inside, local, -1.0)))
    return float(peaks.max()), float(local.ravel()[best]), float(radius.ravel()[best] / FAR_PX)


def form_features(view: View) -> dict[str, float]:
    """Peaks against pits: what a small opening and closing remove, and the skewness of curvatures by scale."""
    import cv2

    z = _smooth(view.flat, 3)
    found: dict[str, float] = {}
    for side in (3, 7, 15):
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        over = z - cv2.morphologyEx(z, cv2.MORPH_OPEN, kernel)
        under = cv2.morphologyEx(z, cv2.MORPH_CLOSE, kernel) - z
        up, down = (float(np.mean(m)) + 1e-3 * view.noise for m in (over, under))
        found[f"peaks/pits {side}"] = float(np.log10(up / down))
        found[f"peaks {side}"] = float(np.log10((up + down) / view.relief))
        bend = _smooth(view.flat, side) - _smooth(view.flat, 2 * side + 1)
        low, high = np.quantile(sampled(bend), (0.01, 0.99))
        found[f"domes {side}"] = float(np.log10((high + 1e-3 * view.noise) / (-low + 1e-3 * view.noise)))
        found[f"domes tail {side}"] = float(np.log10((high - low + 1e-12) / (2.3263 * 2 * bend.std() + 1e-12)))
    return found


def _smooth(values: Map, side: int) -> Map:
    import cv2

    return np.asarray(cv2.blur(np.ascontiguousarray(values), (side, side)), np.float32)
