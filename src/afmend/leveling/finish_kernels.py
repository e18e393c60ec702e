"""Compiled passes over a leveled image: features, and what its median is found from. Imported only when they run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

F = NDArray[np.float64]
B = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def far_from(r: F, skip: B, level: float, reach: float, out: B) -> None:
    """Mark the pixels, not skipped, that are farther than ``reach`` from ``level``."""
    for i in range(r.shape[0]):
        for j in range(r.shape[1]):
            out[i, j] = (not skip[i, j]) & (abs(r[i, j] - level) > reach)


@njit(cache=True, nogil=True)
def median_near(r: F, skip: B, also: B, low: float, high: float) -> tuple[int, int, F]:
    """Count the pixels that neither mask holds, those of them below ``low``, and list those up to ``high``."""
    count = below = inside = 0
    between = np.empty(r.size)
    marks = np.zeros(r.shape[1] + -r.shape[1] % 8, np.bool_)
    words = marks.view(np.uint64)  # eight pixels in each
    for i in range(r.shape[0]):
        for j in range(r.shape[1]):
            marks[j] = (not (skip[i, j] | also[i, j])) & (r[i, j] >= low) & (r[i, j] <= high)
        for j in range(r.shape[1]):
            one = not (skip[i, j] | also[i, j])
            count += one
            below += one & (r[i, j] < low)
        for word in range(words.size):
            for j in range(8 * word, 8 * word + 8 if words[word] else 0):
                if marks[j]:
                    between[inside] = r[i, j]
                    inside += 1
    return count, below, between[:inside]
