"""The compiled part of checking an answer: imported only when it runs, because numba takes its time to load."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit


@njit(cache=True, nogil=True)
def put_back(
    image: NDArray[np.float64],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    answer: NDArray[np.float64],
    bound: NDArray[np.float64],
    tip: NDArray[np.float64],
    tolerance: float,
    kept: NDArray[np.bool_],
) -> None:
    """Raise the answer to the bound where some pixel of the image, of those listed, would have had no contact else.

    Of the pixels of the bound that can have made it, that one is raised whose answer is nearest; if none can, the
    highest. One pass is enough: raising a pixel never takes another contact away.
    """
    (height, width), (n, m) = bound.shape, tip.shape
    above, left = n // 2, m // 2
    for k in range(rows.size):
        wanted = image[rows[k], cols[k]] - tolerance
        touched, best, best_row, best_col = False, np.inf, -1, -1
        top, top_row, top_col = -np.inf, -1, -1
        for u in range(n):
            row = min(max(rows[k] + u - above, 0), height - 1)
            for v in range(m):
                if tip[u, v] == -np.inf:
                    continue
                col = min(max(cols[k] + v - left, 0), width - 1)
                if answer[row, col] + tip[u, v] >= wanted:
                    touched = True
                    break
                reach = bound[row, col] + tip[u, v]
                if reach > top:
                    top, top_row, top_col = reach, row, col
                if reach >= wanted and bound[row, col] - answer[row, col] < best:
                    best, best_row, best_col = bound[row, col] - answer[row, col], row, col
            if touched:
                break
        if touched:
            continue
        if best_row < 0:
            best_row, best_col = top_row, top_col
        answer[best_row, best_col] = bound[best_row, best_col]
        kept[best_row, best_col] = False
