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
    for k in range(rows.size):
        row, col = _to_raise(rows[k], cols[k], image[rows[k], cols[k]] - tolerance, answer, bound, tip)
        if row >= 0:
            answer[row, col] = bound[row, col]
            kept[row, col] = False


@njit(cache=True, nogil=True)
def _to_raise(
    y: int, x: int, wanted: float, answer: NDArray[np.float64], bound: NDArray[np.float64], tip: NDArray[np.float64]
) -> tuple[int, int]:
    """Return the pixel to raise, so that the image at (y, x) gets a contact; -1 if it has one."""
    best, at = np.inf, (-1, -1)
    top, highest = -np.inf, (-1, -1)
    for u in range(tip.shape[0]):
        row = min(max(y + u - tip.shape[0] // 2, 0), bound.shape[0] - 1)
        for v in range(tip.shape[1]):
            col = min(max(x + v - tip.shape[1] // 2, 0), bound.shape[1] - 1)
            if answer[row, col] + tip[u, v] >= wanted:
                return -1, -1
            reach, gap = bound[row, col] + tip[u, v], bound[row, col] - answer[row, col]
            if reach > top:
                top, highest = reach, (row, col)
            if reach >= wanted and gap < best:
                best, at = gap, (row, col)
    return at if at[0] >= 0 else highest
