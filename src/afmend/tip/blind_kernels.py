"""Compiled loops of blind estimation and of the certainty map: imported only when they run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Floats = NDArray[np.float64]


@njit(cache=True, nogil=True)
def peaks(image: Floats, tip_shape: tuple[int, int], near: int) -> NDArray[np.int64]:
    """List the highest pixels of their neighborhoods of 2 * near + 1 that are no plateaus, as (row, col).

    Only pixels around which the tip has room are asked.
    """
    (rows, cols), (n, m) = image.shape, tip_shape
    found = np.empty((rows * cols, 2), np.int64)
    count = 0
    most = (2 * near + 1) ** 2 // 5
    for i in range(n - 1 - n // 2, rows - n // 2):
        for j in range(m - 1 - m // 2, cols - m // 2):
            here, equal, highest = image[i, j], 0, True
            for y in range(max(i - near, 0), min(i + near, rows - 1) + 1):
                for x in range(max(j - near, 0), min(j + near, cols - 1) + 1):
                    highest = highest and image[y, x] <= here
                    equal += image[y, x] == here
            if highest and equal <= most:
                found[count] = i, j
                count += 1
    return found[:count].copy()


@njit(cache=True, nogil=True)
def sharpen_at(
    image: Floats, i: int, j: int, tip: Floats, threshold: float, slack: float, edges: bool, gain: Floats
) -> int:
    """Lower the tip to what the image around one pixel allows; return how many elements were lowered.

    ``slack`` is what rounding may add to a height; ``gain`` is scratch of the tip's shape.
    """
    (rows, cols), (n, m) = image.shape, tip.shape
    inside = n - 1 <= i <= rows - n and m - 1 <= j <= cols - m
    if not inside:
        return _sharpen_at_edge(image, i, j, tip, threshold, slack) if edges else 0
    if not _may_sharpen(image, i, j, tip, threshold, slack, gain):
        return 0
    count = 0
    for y in range(n):
        for x in range(m):
            best = _bound_inside(image, i, j, tip, y, x, slack)
            if best > -np.inf and best < tip[y, x] - threshold:
                tip[y, x] = best + threshold
                count += 1
    return count


@njit(cache=True, nogil=True)
def _bound_inside(image: Floats, i: int, j: int, tip: Floats, y: int, x: int, slack: float) -> float:
    (n, m), here = tip.shape, image[i, j]
    best: float = -np.inf
    for v in range(n):
        for u in range(m):
            if here - image[i + n // 2 - v, j + m // 2 - u] > tip[v, u] + slack:
                continue
            best = max(best, image[i + y - v, j + x - u] + tip[v, u] - here)
            if best >= tip[y, x]:
                return float(best)
    return float(best)


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"}, forceinline=True)
def _may_sharpen(image: Floats, i: int, j: int, tip: Floats, threshold: float, slack: float, gain: Floats) -> bool:
    """Say whether the image around a pixel allows any element of the tip to be lowered: whole lines at a time."""
    n, m = tip.shape
    here = image[i, j]
    gain[:] = -np.inf
    asked = 0
    for v in range(n):
        for u in range(m):
            if here - image[i + n // 2 - v, j + m // 2 - u] > tip[v, u] + slack:
                continue
            add = tip[v, u] - here
            for y in range(n):
                line, target = image[i + y - v, j - u : j - u + m], gain[y]
                for x in range(m):
                    target[x] = max(target[x], line[x] + add)
            asked += 1
            if asked & (asked - 1) == 0 and not _below(gain, tip, threshold):
                return False
    return _below(gain, tip, threshold)


@njit(cache=True, nogil=True)
def _below(gain: Floats, tip: Floats, threshold: float) -> bool:
    for y in range(tip.shape[0]):
        for x in range(tip.shape[1]):
            if gain[y, x] < tip[y, x] - threshold and gain[y, x] > -np.inf:
                return True
    return False


@njit(cache=True, nogil=True)
def _sharpen_at_edge(image: Floats, i: int, j: int, tip: Floats, threshold: float, slack: float) -> int:
    """As `sharpen_at` where the tip reaches over the edge: what might touch outside forbids nothing."""
    count = 0
    for y in range(tip.shape[0]):
        for x in range(tip.shape[1]):
            best = _bound_at_edge(image, i, j, tip, y, x, slack)
            if best > -np.inf and best < tip[y, x] - threshold:
                tip[y, x] = best + threshold
                count += 1
    return count


@njit(cache=True, nogil=True)
def _bound_at_edge(image: Floats, i: int, j: int, tip: Floats, y: int, x: int, slack: float) -> float:
    (rows, cols), (n, m) = image.shape, tip.shape
    limit, here = tip[y, x], image[i, j]
    best: float = -np.inf
    for v in range(n):
        for u in range(m):
            a, b = i + n // 2 - v, j + m // 2 - u
            if 0 <= a < rows and 0 <= b < cols and here - image[a, b] > tip[v, u] + slack:
                continue
            a, b = i + y - v, j + x - u
            if not (0 <= a < rows and 0 <= b < cols):
                return np.inf
            best = max(best, image[a, b] + tip[v, u] - here)
            if best >= limit:
                return float(best)
    return float(best)


@njit(cache=True, nogil=True)
def sweep(image: Floats, places: NDArray[np.int64], tip: Floats, threshold: float, slack: float, edges: bool) -> int:
    """Visit all places once; return at how many the tip was lowered."""
    gain = np.empty(tip.shape)
    changed = 0
    for k in range(places.shape[0]):
        changed += sharpen_at(image, places[k, 0], places[k, 1], tip, threshold, slack, edges, gain) > 0
    return changed


@njit(cache=True, nogil=True)
def touched_once(
    image: Floats,
    surface: Floats,
    tip: Floats,
    tolerance: float,
    spread: int,
    first: int,
    last: int,
    out: NDArray[np.int64],
) -> None:
    """Fill ``out[i, j]`` with the flat index of the surface pixel that the tip touches there; -1 if not one alone.

    Touching: within ``tolerance``. Candidates that lie within ``spread`` pixels of each other count as one: the one
    with the smallest gap.
    """
    (rows, cols), (n, m) = image.shape, tip.shape
    for i in range(first, last):
        for j in range(cols):
            top, bottom, left, right, where, least = rows, -1, cols, -1, -1, np.inf
            for y in range(max(n // 2 - i, 0), min(n, rows + n // 2 - i)):
                a = i + y - n // 2
                for x in range(max(m // 2 - j, 0), min(m, cols + m // 2 - j)):
                    b = j + x - m // 2
                    gap = image[i, j] - surface[a, b] - tip[y, x]
                    if gap <= tolerance:
                        top, bottom, left, right = min(top, a), max(bottom, a), min(left, b), max(right, b)
                        if gap < least:
                            least, where = gap, a * cols + b
            alone = bottom - top <= spread and right - left <= spread
            out[i, j] = where if alone else -1
