"""Trials on the image itself: its own holes, moved onto good pixels, filled and compared with what is there.

The moves are fixed numbers, not random ones, and come in mirror pairs: the same image always has the same trials,
and a mirrored image has the mirrored ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.filling.holes import label_holes
from afmend.scan.arrays import Mask

Window: TypeAlias = tuple[slice, slice]
COVERED = 0.95
TWO_SIDED = 1.959963984540054
"""A normal error stays within this many sigma with probability `COVERED`."""
ENOUGH = 60
"""Hold-out pixels below which a 95 % quantile means nothing."""
_LEAST_FACTOR = 0.3
_MARGIN_PX = 2
_SMALL_PX = 400_000
"""Images up to this size take part in every trial as a whole; of larger ones each trial sees one quarter."""
_WINDOW_PX = 768
"""Side of the largest window: the cost of the trials does not grow with the image beyond it."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One move of the holes.

    Attributes
    ----------
    window : (slice, slice)
        The part of the image that the arrays below belong to.
    known : (rows, cols) bool
        Pixels that a method may use.
    held : (rows, cols) bool
        Good pixels that it must fill.
    rows, cols : (n,) int
        Those of the held pixels that are compared.
    """

    window: Window
    known: Mask
    held: Mask
    rows: NDArray[np.intp]
    cols: NDArray[np.intp]


def move_holes(known: Mask, wanted: Mask, *, compare_px: int = 2000, held_px: int = 24_000) -> list[Trial]:
    """Move whole holes onto good pixels, away from all holes, until enough pixels can be compared.

    Parameters
    ----------
    known : (rows, cols) bool
        Good pixels.
    wanted : (rows, cols) bool
        Holes whose filling is to be tried; others are only avoided.
    compare_px, held_px : int
        Bounds on the number of pixels compared, and on those held out, in all trials together.

    Returns
    -------
    list of Trial
        Empty if no hole fits anywhere.
    """
    grounds: dict[tuple[bool, bool], _Ground] = {}
    trials: list[Trial] = []
    found = 0
    small = known.size <= _SMALL_PX
    for moves in _moves(known.shape if small else (_WINDOW_PX, _WINDOW_PX)):
        share = (compare_px // (2 * len(moves)), held_px // (2 * len(moves)))
        for move in moves:
            corner = (True, True) if small else (move[0] > 0, move[1] > 0)
            if corner not in grounds:
                window = np.s_[:, :] if small else _corner_window(known.shape, corner)
                grounds[corner] = _Ground.of(window, known, wanted)
            trial = grounds[corner].trial(move, share)
            if trial is not None:
                trials.append(trial)
                found += trial.rows.size
        if found >= compare_px // 4:
            break
    return trials


def _corner_window(shape: tuple[int, ...], corner: tuple[bool, bool]) -> Window:
    """Place a window in the middle of one quarter of the image; windows of opposite quarters mirror each other."""
    slices = []
    for size, near in zip(shape, corner, strict=True):
        half = (size + 1) // 2
        start = max(0, half - _WINDOW_PX) // 2
        stop = min(half, start + _WINDOW_PX)
        slices.append(slice(start, stop) if near else slice(size - stop, size - start))
    return (slices[0], slices[1])


def _moves(shape: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    """List moves (lines, pixels) in lists, each closed under mirroring, spread by the golden ratio."""
    out = []
    for number in range(1, 13):
        down = max(1, round(shape[0] * ((number * 0.618034) % 1.0) / 2))
        right = round(shape[1] * ((number * 0.754878) % 1.0) / 2)
        out.append([(a, b) for a in (down, -down) for b in sorted({right, -right})])
    return out


def _near(holes: Mask) -> Mask:
    import cv2

    kernel = np.ones((2 * _MARGIN_PX + 1, 2 * _MARGIN_PX + 1), dtype=np.uint8)
    return np.asarray(cv2.dilate(np.ascontiguousarray(holes).view(np.uint8), kernel), dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    """A window of the image: its good pixels, its holes with their boxes, and what lies too near to holes."""

    window: Window
    known: Mask
    rows: NDArray[np.intp]
    cols: NDArray[np.intp]
    label: NDArray[np.int32]
    boxes: NDArray[np.int32]
    avoid: Mask

    @classmethod
    def of(cls, window: Window, known: Mask, wanted: Mask) -> _Ground:
        labels, boxes = label_holes(wanted[window])
        rows, cols = np.nonzero(labels)
        return cls(window, known[window], rows, cols, labels[rows, cols], boxes, _near(~known[window]))

    def trial(self, move: tuple[int, int], share: tuple[int, int]) -> Trial | None:
        """Move all holes, keep those that land whole on good ground, compare up to ``share`` pixels."""
        shape = self.known.shape
        rows, cols = (self.rows + move[0]) % shape[0], (self.cols + move[1]) % shape[1]
        fits = _stays_whole(self.boxes, shape, move)
        fits[self.label[self.avoid[rows, cols]]] = False
        fits[0] = False
        fits &= _picked(self.boxes, shape, move, fits, share[1])
        if not fits.any():
            return None
        chosen = fits[self.label]
        held = np.zeros(shape, dtype=np.bool_)
        held[rows[chosen], cols[chosen]] = True
        rows, cols = np.divmod(np.sort(rows[chosen] * shape[1] + cols[chosen]), shape[1])
        if rows.size > share[0]:
            kept = np.sort(np.argsort(_spread(rows, cols, shape), kind="stable")[: share[0]])
            rows, cols = rows[kept], cols[kept]
        return Trial(self.window, self.known & ~held, held, rows, cols)


def _stays_whole(boxes: NDArray[np.int32], shape: tuple[int, ...], move: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which holes' boxes lie inside the image after the move (wrapped around), or span the whole axis."""
    whole = np.ones(len(boxes), dtype=np.bool_)
    for axis, size in enumerate(shape):
        start, length = boxes[:, 1 - axis], boxes[:, 3 - axis]
        begin = (start + move[axis]) % size
        # One pixel from the edge at least: a hole at the edge is another task than one inside.
        whole &= (length == size) | ((begin >= 1) & (begin + length <= size - 1))
    return whole


def _picked(
    boxes: NDArray[np.int32], shape: tuple[int, ...], move: tuple[int, int], fits: NDArray[np.bool_], budget: int
) -> NDArray[np.bool_]:
    """Choose among the holes that fit until their area reaches the budget (the first one always)."""
    centers = [
        2 * ((boxes[:, 1 - axis] + move[axis]) % size) + boxes[:, 3 - axis] - 1 for axis, size in enumerate(shape)
    ]
    order = np.argsort(_spread(centers[0], centers[1], (2 * shape[0] - 1, 2 * shape[1] - 1)), kind="stable")
    order = order[fits[order]]
    taken = np.cumsum(boxes[order, 4])
    picked = np.zeros(len(boxes), dtype=np.bool_)
    picked[order[taken <= max(budget, taken[0] if taken.size else 0)]] = True
    return picked


def _spread(rows: NDArray[np.integer], cols: NDArray[np.integer], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Well spread numbers in [0, 1) that depend only on the distance of a place from the nearest edges."""
    y = np.minimum(rows, shape[0] - 1 - rows)
    x = np.minimum(cols, shape[1] - 1 - cols)
    return np.asarray((y * 0.754877666 + x * 0.569840291) % 1.0, dtype=np.float64)


def covering_factor(
    errors: NDArray[np.float64], variance: NDArray[np.float64], noise_variance: float, level: float = COVERED
) -> float:
    """Return q such that 95 % (or another ``level``) of the errors lie within 1.96 sqrt(q^2 variance + noise).

    The errors are those against noisy measurements, the variances those of the noise-free surface. An error lies
    inside exactly if (error^2 / 1.96^2 - noise) / variance <= q^2: q^2 is an order statistic of these numbers,
    number ceil(level (n + 1)), as in split conformal prediction (Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018),
    doi:10.1080/01621459.2017.1307116). Where noise hides the errors, q is not taken below 0.3.
    """
    needed = ((errors / TWO_SIDED) ** 2 - noise_variance) / variance
    rank = min(needed.size, int(np.ceil(level * (needed.size + 1))))
    return float(np.sqrt(max(np.partition(needed, rank - 1)[rank - 1], _LEAST_FACTOR**2)))
