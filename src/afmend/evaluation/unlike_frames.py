"""Frames of a movie that are unlike the others: the tip left the surface, the feedback failed, the sample is gone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from afmend.pictures.numerals import plain, quantity
from afmend.scan import Channel

LEAST_FRAMES = 5
"""A median of fewer frames may be that of the bad ones."""
FAR = 3.5
"""Robust standard deviations from the median of the frames: Iglewicz & Hoaglin (1993), How to detect and handle
outliers."""
TIMES = 1.5
"""However alike the frames are, an Sq within this factor of their median is like theirs."""
IN_COMMON = 0.1
"""A frame shares nothing with its neighbors if it shares this fraction of the variance that frames share."""
RELATED = 0.3
"""Frames whose neighbors correlate less than this have too little in common to miss it in one of them."""
_FEWEST = 0.1
"""Two frames are compared if this fraction of their pixels is good in both."""


def unlike_frames(channels: Sequence[Channel]) -> list[str]:
    """Say of each frame how it is unlike the others; an empty text if it is like them.

    Parameters
    ----------
    channels : sequence of Channel
        The same channel of all frames, leveled, in the order of time, of one shape and unit.

    Returns
    -------
    list of str
        One text per frame.

    Notes
    -----
    Two rules, both against the median of the movie, and so right as long as most of its frames are good. Log Sq lies
    far out; or of the variance that neighboring frames share, less than a tenth is left in the better of the
    correlations with the frame before and the frame after. Drift lowers these slowly; one jump of the field, on
    one side only.

    When not to use it: the surface itself changes suddenly (the text is then true, but the frame is good), or most of
    the frames are bad.
    """
    if len(channels) < LEAST_FRAMES:
        return [""] * len(channels)
    sizes, common = [_sq(channel) for channel in channels], _in_common(channels)
    unit = channels[0].unit
    out = []
    for one, other in zip(_odd_sizes(sizes, unit), _odd_correlations(common), strict=True):
        told = " and ".join(text for text in (one, other) if text)
        out.append(f"UNLIKE THE OTHER FRAMES: {told}." if told else "")
    return out


def _sq(channel: Channel) -> float:
    good = channel.values[~channel.holes]
    return float(good.std(dtype=np.float64)) if good.size else math.nan


def _odd_sizes(sizes: Sequence[float], unit: str) -> list[str]:
    known = np.array([size for size in sizes if size > 0])
    if known.size < LEAST_FRAMES:
        return [""] * len(sizes)
    middle, spread = _middle(np.log(known))
    limit = max(FAR * spread, math.log(TIMES))
    usual = f"(median of the frames: {quantity(math.exp(middle), unit)})"
    return [
        f"its Sq after leveling is {quantity(size, unit)} {usual}"
        if size == 0 or (size > 0 and abs(math.log(size) - middle) > limit)
        else ""
        for size in sizes
    ]


def _odd_correlations(common: Sequence[float]) -> list[str]:
    known = np.array([one for one in common if math.isfinite(one)])
    if known.size < LEAST_FRAMES:
        return [""] * len(common)
    middle = float(np.median(known))
    if middle < RELATED:
        return [""] * len(common)
    limit = math.sqrt(IN_COMMON) * middle
    usual = f"(median of the frames: {plain(middle, 2)})"
    return [
        f"its correlation with the frames before and after is {plain(one, 2)} {usual}" if one < limit else ""
        for one in common
    ]


def _middle(values: np.ndarray) -> tuple[float, float]:
    """Return the median and the robust standard deviation."""
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def _in_common(channels: Sequence[Channel]) -> list[float]:
    """Return of each frame the better of its correlations with the frames next to it; NaN if neither is known."""
    between = [math.nan, *(_correlation(one, other) for one, other in pairwise(channels)), math.nan]
    return [float(np.fmax(before, after)) for before, after in pairwise(between)]


def _correlation(one: Channel, other: Channel) -> float:
    good = ~(one.holes | other.holes)
    if np.count_nonzero(good) < _FEWEST * good.size:
        return math.nan
    a, b = (channel.values[good].astype(np.float64) for channel in (one, other))
    a -= a.mean()
    b -= b.mean()
    power = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / power if power > 0 else 0.0
