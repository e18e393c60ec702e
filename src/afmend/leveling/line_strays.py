"""Lines that are no links of the chain, placed by their usable pixels beside the nearest usable ones beyond them.

How far such a place may be wrong depends on how many pixels there are, how far they reach along the line, how far away
the others are and on the sample. The scan itself tells: lines whose place is known are placed again by the same columns
at the same distances. A line is moved only as far as that supports.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.background import centered
from afmend.leveling.features import from_both_ends, median
from afmend.scan.arrays import Heights, Mask

Vector = NDArray[np.float64]
Places = NDArray[np.int64]
_TRIALS = 64
"""So many of the nearest links tell what a place is worth, ..."""
_FEWEST = 5
"""... if at least so many can be placed in the same way, ..."""
_PIXELS = 128
"""... by not many more pixels than this."""
_JUMP_SIGMAS = 5.0


class Strays(NamedTuple):
    """What lines that are no links are moved by, besides the coefficients interpolated from the links.

    Attributes
    ----------
    rows : (n,) int
    offset, variance : (n,)
        Posterior mean and variance of each.
    """

    rows: Places
    offset: Vector
    variance: Vector


class _Seen(NamedTuple):
    """One line beside those around it: its offset, mean square and worst error of such, and by which columns."""

    offset: float
    variance: float
    worst: float
    cols: Places


def place_strays(left: Heights, skip: Mask, lines: Places, coefs: NDArray[np.float64]) -> Strays:
    """Place the rows that are no ``lines``, as far as their usable pixels tell.

    Of what a row shows against the nearest usable pixels of the links before and after it, column by column, the part
    ``P / (P + V)`` is believed: ``V`` is the mean square error with which the same columns place other lines, ``P``
    that of line noise across the same gap. What far exceeds ``V`` and every single error of others is a jump, and
    believed. A row that nothing can be compared with stays between its neighbors, with variance ``P``. A row without
    usable pixels is placed by whatever it holds, with that variance: it is masked, and nothing else depends on it.

    A part so placed is never drawn from the rows around it instead: its place errs by a mean over the columns of what
    such a drawing errs by in each.

    Parameters
    ----------
    left : (rows, cols)
        Aligned heights.
    skip : (rows, cols) bool
    lines : (n,) int
        The links of the chain.
    coefs : (rows, at most 4)
        What was subtracted from each row, as coefficients of powers of x in -1 .. 1.
    """
    rows = left.shape[0]
    chain = np.zeros(rows, dtype=np.bool_)
    chain[lines] = True
    strays = np.flatnonzero(~chain)
    offset, variance, x = np.zeros(strays.size), np.zeros(strays.size), centered(left.shape[1])
    for k, row in enumerate(map(int, strays)):
        away = np.abs(lines - row)
        around = lines[away <= np.sort(away)[min(_TRIALS, lines.size) - 1]]
        empty = bool(skip[row].all())
        seen = _see(left, skip, chain, row, around, empty=empty)
        # Here, not over the whole line, its slope and bends count.
        here = x[seen.cols] if seen.cols.size else x
        noise = _noise(coefs @ [float(np.mean(here**p)) for p in range(coefs.shape[1])], lines, row, around)
        # What other lines never show, by far, is a jump, not the sample.
        jumps = abs(seen.offset) > max(_JUMP_SIGMAS * seen.variance**0.5, seen.worst)
        believed = max(noise, seen.offset * seen.offset - seen.variance) if jumps else noise
        if not np.isfinite(seen.variance):
            variance[k] = noise
        elif empty:
            offset[k], variance[k] = seen.offset, noise
        elif believed > 0.0:
            share = believed / (believed + seen.variance)
            offset[k], variance[k] = share * seen.offset, share * seen.variance
    return Strays(strays, offset, variance)


def _see(left: Heights, skip: Mask, chain: NDArray[np.bool_], row: int, around: Places, *, empty: bool) -> _Seen:
    """Compare a row with the links about it, by those columns that tell most."""
    from afmend.leveling import stray_kernels as kernels

    usable = np.flatnonzero(np.isfinite(left[row]) if empty else ~skip[row])
    before, after = kernels.nearest_beyond(skip, chain, row, usable)
    best = _Seen(0.0, np.inf, np.inf, usable)
    near = before + after
    near[(before == 0) | (after == 0)] *= 2
    if not near.any():
        return best
    least = int(near[near > 0].min())
    tried = 0
    for reach in (least, 2 * least, 4 * least, 2 * skip.shape[0]):
        known = (near > 0) & (near <= reach)
        if np.count_nonzero(known) == tried:
            continue
        tried = int(np.count_nonzero(known))
        rest = kernels.rests(left, row, usable[known], before[known], after[known])
        some = from_both_ends(tried, max(1, tried // _PIXELS))
        cols, *far = (each[known][some] for each in (usable, before, after))
        errors = kernels.trials(left, skip, chain, around, cols, *far)
        center = median(rest)
        if errors.size < _FEWEST and tried < 2:
            continue
        # Without enough of them, as if all pixels of the row erred alike.
        off = np.abs(errors if errors.size >= _FEWEST else rest - center)
        variance = float(np.mean(off**2))
        if variance < best.variance:
            best = _Seen(center, variance, float(np.max(off)), usable[known])
    return best


def _noise(offsets: Vector, lines: Places, row: int, around: Places) -> float:
    """Mean square of what links have more than lies between lines as far away as the links beside a row; 0 of none."""
    place = int(np.searchsorted(lines, row))
    before = row - int(lines[place - 1]) if place > 0 else 0
    after = int(lines[place]) - row if place < lines.size else 0
    at = around[(around >= before) & (around + after < offsets.size)]
    low, high = offsets[at - before], offsets[at + after]
    between = (low * after + high * before) / (before + after) if before and after else low if before else high
    return float(np.mean((offsets[at] - between) ** 2)) if at.size else 0.0
