"""What the lines around a line, and the other scan direction, do not foretell: maps for the learned masks.

A rough surface hides a scar from differences between lines, a fiber along the fast axis looks like one. The best linear
prediction of a pixel from the lines around it, fitted to the scan itself, takes away what the surface has in
common with its surroundings, whatever its texture; what is left is compared with what is usual nearby.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Floats = NDArray[np.float64]

REACH_PX = 2
"""A pixel is foretold from so many columns on either side."""
FITTED = 2500
"""So many pixels tell the prediction well enough."""
ROUNDS, ROBUST = 2, 2.0
"""Rounds of reweighting (Huber), and from how many sigma on a pixel counts less: artifacts must not teach."""
RIDGE = 1e-3
NEARBY = (33, 65)
"""Usual is what is usual in so many lines and pixels."""
PIECES, FARTHEST = 4, 0.08
"""Pieces of a line in which the other direction is looked for, and how far off, in lengths of the line."""
LINES_COMPARED = 64
ALIKE = 0.2
"""Pieces that agree less than this have no place."""


def unforeseen(z: Map, near: int, far: int) -> Map:
    """Return heights minus their best linear prediction from the lines ``near`` to ``far`` above and below.

    Parameters
    ----------
    z : (rows, cols) float32
        Leveled, about 0.
    near, far : int
        The first and the last line used.

    Returns
    -------
    (rows, cols) float32
        At the first and last lines, of the scan mirrored there.
    """
    import cv2

    rows, cols = z.shape
    far = min(far, rows - 1)
    near = min(near, far)
    padded = np.pad(z, ((far, far), (REACH_PX, REACH_PX)), mode="reflect")
    lines = [sign * step for step in range(near, far + 1) for sign in (-1, 1)]
    offsets = [(dy, dx) for dy in lines for dx in range(-REACH_PX, REACH_PX + 1)]
    pick = _chosen(rows, cols)
    at = (pick // cols + far, pick % cols + REACH_PX)
    table = np.stack([padded[at[0] + dy, at[1] + dx] for dy, dx in offsets], axis=1).astype(np.float64)
    taps = _robust_fit(table, padded[at].astype(np.float64))
    kernel = np.zeros((2 * far + 1, 2 * REACH_PX + 1), np.float32)
    for (dy, dx), tap in zip(offsets, taps, strict=True):
        kernel[far + dy, REACH_PX + dx] = -tap
    kernel[far, REACH_PX] = 1
    return np.asarray(cv2.filter2D(z, -1, kernel, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _chosen(rows: int, cols: int) -> NDArray[np.intp]:
    """Choose pixels all over the scan; the same for the same shape."""
    size = rows * cols
    # A stride that shares no factor with common line lengths, so that every column is seen.
    return np.arange(0, size, max(1, size // FITTED) | 1)


def _robust_fit(table: Floats, wanted: Floats) -> Floats:
    """Fit by ridge regression, large residuals counting less."""
    ridge = (RIDGE * float(np.mean(table * table)) * len(wanted) + 1e-12) * np.eye(table.shape[1])
    weight: Floats = np.ones(len(wanted))
    taps: Floats = np.zeros(table.shape[1])
    for _ in range(ROUNDS):
        weighted = table * weight[:, None]
        taps = np.asarray(np.linalg.solve(weighted.T @ table + ridge, weighted.T @ wanted), np.float64)
        left = np.abs(wanted - table @ taps)
        scale = 1.4826 * float(np.median(left))
        if scale <= 0:
            break
        weight = ROBUST * scale / np.maximum(left, ROBUST * scale)
    return taps


def nearby(values: Map, floor: np.float32) -> Map:
    """Return the usual size of values in their neighborhood, as a sigma; tall values are cut.

    It is at least a third of ``floor``, which is what is usual in the whole scan.
    """
    import cv2

    cut = np.minimum(np.abs(values), np.float32(4) * floor)
    lines, pixels = NEARBY
    mean = cv2.blur(cut, (pixels, lines), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(np.maximum(np.float32(1.2533) * mean, floor / np.float32(3)), np.float32)


def aligned_to(other: Map, z: Map) -> Map:
    """Move the other scan direction along the lines to where it agrees best with ``z``: hysteresis sets it aside.

    The shift is one straight line along the fast axis, from the best places of four pieces, found by their
    correlation; where they do not agree anywhere, nothing is moved.
    """
    cols = z.shape[1]
    farthest = int(FARTHEST * cols)
    size = cols // PIECES
    if farthest < 1 or size < 8:
        return other
    every = max(1, z.shape[0] // LINES_COMPARED)
    mine, its = (_texture(values[::every]) for values in (z, other))
    middles, shifts, weights = [], [], []
    for piece in range(PIECES):
        start = piece * size
        agreement = _agreement(mine[:, start : start + size], its, start, farthest)
        best = int(np.argmax(agreement))
        if agreement[best] < ALIKE:
            continue
        middles.append((start + 0.5 * size) / cols - 0.5)
        shifts.append(best - farthest + _peak(agreement, best))
        weights.append(float(agreement[best]))
    if not shifts:
        return other
    return _moved(other, _line_through(np.array(middles), np.array(shifts), np.array(weights), cols))


def _texture(z: Map) -> Floats:
    """Differences along the lines over two pixels, tall ones cut."""
    slope = np.zeros(z.shape)
    slope[:, 1:-1] = z[:, 2:] - z[:, :-2]
    usual = 4 * float(np.mean(np.abs(slope))) + 1e-12
    return np.clip(slope, -usual, usual)


def _agreement(piece: Floats, its: Floats, start: int, farthest: int) -> Floats:
    """Return the correlation of a piece with the other direction, for shifts from -farthest to farthest."""
    size, cols = piece.shape[1], its.shape[1]
    window = np.zeros((its.shape[0], size + 2 * farthest))
    left, right = max(start - farthest, 0), min(start + size + farthest, cols)
    window[:, left - start + farthest : right - start + farthest] = its[:, left:right]
    length = 1 << (window.shape[1] + size).bit_length()
    spectrum = np.sum(np.fft.rfft(window, length, axis=1) * np.conj(np.fft.rfft(piece, length, axis=1)), axis=0)
    products = np.fft.irfft(spectrum, length)[: 2 * farthest + 1]
    energy = np.concatenate(([0.0], np.cumsum(np.sum(window * window, axis=0))))
    theirs = energy[size : size + 2 * farthest + 1] - energy[: 2 * farthest + 1]
    return np.asarray(products / np.sqrt(np.maximum(theirs * np.sum(piece * piece), 1e-24)))


def _peak(values: Floats, best: int) -> float:
    """Return where between the pixels the top lies: -0.5 to 0.5."""
    if best in (0, values.size - 1):
        return 0.0
    before, top, after = values[best - 1 : best + 2]
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))


def _line_through(x: Floats, shifts: Floats, weights: Floats, cols: int) -> Floats:
    """Return the shift of every column: a line through the pieces; one far from their median counts little."""
    middle = float(np.median(shifts))
    weights = weights / (1 + (shifts - middle) ** 2 / 9)
    mean_x, mean = np.average(x, weights=weights), np.average(shifts, weights=weights)
    slope = np.sum(weights * (x - mean_x) * (shifts - mean)) / (np.sum(weights * (x - mean_x) ** 2) + 0.05)
    return np.asarray(mean + slope * (np.arange(cols) / cols - 0.5 - mean_x))


def _moved(other: Map, shift: Floats) -> Map:
    cols = other.shape[1]
    place = np.clip(np.arange(cols) + shift, 0, cols - 1.001)
    before = place.astype(np.intp)
    part = (place - before).astype(np.float32)
    return other[:, before] * (1 - part) + other[:, before + 1] * part
