"""Compiled loop of `double_features`: import late."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit


@njit(cache=True, nogil=True)
def best_drops(
    z: NDArray[np.float32], rows: NDArray[np.int64], cols: NDArray[np.int64], reach: int, width: float, bins: int,
    satellite: float,
) -> NDArray[np.float32]:  # fmt: skip
    """Find, for every shift up to ``reach``, the drop that most high pixels share with what stands there.

    Returns
    -------
    (3, 2 reach + 1, 2 reach + 1) float32
        Share within the best window of three bins less the share that contradicts it (stands, but lower); the first
        share; the drop, in units of ``z``. The first bin is centered at no drop.
    """
    side = 2 * reach + 1
    here = np.empty(rows.size)
    for k in range(rows.size):
        here[k] = z[rows[k], cols[k]] / width + 1.5
    scale = 1 / width
    out = np.zeros((3, side, side), np.float32)
    counts = np.zeros(bins + 2, np.int64)
    for j in range(side):
        for i in range(side):
            counts[:] = 0
            for k in range(rows.size):
                y, x = rows[k] + j - reach, cols[k] + i - reach
                if y < 0 or x < 0 or y >= z.shape[0] or x >= z.shape[1]:
                    continue
                there = z[y, x]
                if there > satellite:
                    # Truncated where it is above 0, as floor does; whatever is below falls into the first bin.
                    drop = min(max(here[k] - there * scale + 1.0, 0.0), bins + 1.0)
                    counts[int(drop)] += 1
            # counts[0]: higher than here; counts[b + 1]: bin b; the window b, b + 1, b + 2, from above down.
            below = counts[bins + 1]
            best = np.float32(-1.0)
            for b in range(bins - 3, -1, -1):
                equal = counts[b + 1] + counts[b + 2] + counts[b + 3]
                score = np.float32((equal - below) / rows.size)
                if score > best:
                    best = score
                    out[0, j, i], out[1, j, i], out[2, j, i] = score, equal / rows.size, b * width
                below += counts[b + 3]
    return out
