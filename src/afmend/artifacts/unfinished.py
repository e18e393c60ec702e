"""Lines that were never scanned: the scan was stopped early, or saved before it was complete."""

from __future__ import annotations

import itertools

import numpy as np

from afmend.artifacts.repeats import FEW_PX, Repeats, Shares, equality_is_unusual, has_noise, repeats
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Heights, Mask


class Unfinished(Params):
    """Mark lines at the start or end of the image that were never scanned."""

    min_lines: int = Knob(2, "Fewer lines are left to mark.lines.", unit="lines", ge=1, le=100_000, recommended=(2, 16))


@step("mark.unfinished", Unfinished, version="1")
def unfinished(field: Field, params: Unfinished) -> Found:
    """Mark a first or last block of lines that all hold one value, or all repeat the same line, as missing.

    Of a repeated line the copy next to the scanned lines stays: it was measured once. Where the last scanned line
    breaks off, its rest is marked too. What is missing already stays missing.

    Not for images in which equal lines are nothing unusual (flat synthetic ground, coarse quantization): there
    nothing is marked.
    """
    missing = field.masks.union("missing", shape=field.shape)
    usable = field.usable & ~missing
    found = np.zeros(field.shape, dtype=np.bool_)
    if field.shape[1] >= FEW_PX and (
        _starts_twice(field.heights, usable) or _starts_twice(field.heights[::-1], usable[::-1])
    ):
        shares = repeats(field.heights, usable)
        last_first = Repeats(shares.lines[::-1], shares.along[::-1])
        _mark_block(found, field.heights, usable, shares, params)
        _mark_block(found[::-1], field.heights[::-1], usable[::-1], last_first, params)
    lines = int(np.count_nonzero((found & ~missing).all(axis=1))) if found.any() else 0
    return Found(found | missing, "missing", "missing", {"lines": lines})


def _starts_twice(heights: Heights, usable: Mask) -> bool:
    """Whether the first two lines that hold anything are equal, or the first one is constant: a quick look."""
    measured = list(itertools.islice((row for row, line in enumerate(usable) if line.any()), 2))
    if len(measured) < 2:
        return False
    one, two = heights[measured]
    both = usable[measured[0]] & usable[measured[1]]
    return bool((one == two)[both].all() or np.ptp(one[usable[measured[0]]]) == 0)


def _mark_block(found: Mask, heights: Heights, usable: Mask, shares: Repeats, params: Unfinished) -> None:
    """Mark the block at the first row, in place."""
    rows = heights.shape[0]
    measured = np.flatnonzero(usable.sum(axis=1) >= FEW_PX)
    if measured.size < 4:
        return
    top = int(measured[0])
    same = usable & usable[top] & (heights == heights[top])
    enough = np.count_nonzero(usable & usable[top], axis=1) >= FEW_PX
    like = ~enough | (np.count_nonzero(same, axis=1) == np.count_nonzero(usable & usable[top], axis=1))
    end = rows if like[top:].all() else top + int(np.argmin(like[top:]))
    constant = bool(shares.along[top] == 1)
    end -= 0 if constant else 1
    # The opposite end may be unscanned too: the scanned lines between decide what is usual.
    body = np.flatnonzero(shares.along[end:] < 1) + end
    if end - top < params.min_lines or body.size < 4:
        return
    between = slice(int(body[0]), int(body[-1]))
    usual = equality_is_unusual(_not_copies(shares.lines[between]), shares.along[between])
    if not usual or not has_noise(heights, _between(between, shares.along)):
        return
    found[top:end] = True
    if constant and end < rows:
        value = heights[top, np.argmax(usable[top])]
        found[end] |= _broken_off(heights[end] == value)


def _between(between: slice, along: Shares) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    inside = np.zeros(along.size, dtype=np.bool_)
    inside[between] = along[between] < 1
    return inside


def _not_copies(
    shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return shares[shares < 1]


def _broken_off(
    same: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Pixels from one end of the line on, all of the value of the unscanned lines, if they are not few."""
    from_start = np.logical_and.accumulate(same)
    from_stop = np.logical_and.accumulate(same[::-1])[::-1]
    out = np.zeros_like(same)
    for part in (from_start, from_stop):
        if np.count_nonzero(part) >= FEW_PX:
            out |= part
    return out
