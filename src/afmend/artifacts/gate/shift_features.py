"""Features of lines that lie displaced along themselves: right in height, wrong in place."""

from __future__ import annotations

import numpy as np

from afmend.artifacts.gate.view import Floats, Map, View

REACH_PX = 32
"""Displacements looked for, at most a quarter of the line."""
SLOPE_PX = 3
"""Over which slopes are taken: what stays where it is on a slope."""
JOINED = 3
"""Lines before and after that are compared together, as well as single ones: noise hides displacements of one."""
ALIKE, GAIN = 0.5, 0.1
"""Correlation from which on two lines show the same, and by how much a displacement must raise it."""
SURELY = 0.7
"""Correlation from which on a displacement is told to the user; half as much it must be better than none."""
OFTEN = 0.1
"""Of the lines: where so many fit the next one better displaced, it is no band that is."""
ENOUGH = 0.3
"""Share of each line's steepness that must lie in what both have at a displacement."""


def shift_features(view: View) -> dict[str, float]:
    """Measure by how much neighboring lines, and lines of the two directions, fit better where one is moved.

    A drift, and the delay of a loop, move all lines alike. A lost synchronization moves some of them: at its first
    line, and back at its last. Lines that are level cannot be compared, and do not count.
    """
    slopes = _slopes(view.flat)
    found: dict[str, float] = {}
    for name, count in (("line", 1), ("band", JOINED)):
        before, after = _neighbors(slopes, count)
        found |= {f"shifted {name} {what}": value for what, value in _moved(before, after, of_all=False).items()}
    opposite = view.other
    if opposite is None:
        return found | dict.fromkeys((f"shifted retrace {what}" for what in ("gain", "second", "px", "lines")), 0.0)
    moved = _moved(slopes, _slopes(opposite), of_all=True)
    return found | {f"shifted retrace {what}": value for what, value in moved.items()}


def displacements(view: View) -> dict[int, int]:
    """Return the lines at which displaced bands begin or end, with the displacement there in pixels.

    Nothing is told of displacements that a period of the lines explains as well, or that go on line after line: hum,
    fringes and slanted gratings move along from each line to the next.
    """
    before, after = _neighbors(_slopes(view.flat), 1)
    lags, fits = _fits(before, after)
    if not len(fits):
        return {}
    best, every = np.argmax(fits, axis=1), np.arange(len(fits))
    there, none = fits[every, best], fits[:, lags.size // 2]
    period = np.maximum(*(_fits(lines, lines)[1][every, best] for lines in (before, after)))
    told = (there >= SURELY) & (there - none >= SURELY / 2) & (period < there - SURELY / 2) & (np.abs(lags[best]) >= 2)
    rows = np.flatnonzero(told)
    often = np.count_nonzero((fits.max(axis=1) >= ALIKE) & (fits.max(axis=1) - none >= GAIN)) > OFTEN * len(fits)
    return {} if often else {int(row) + 1: int(lags[best[row]]) for row in rows}


def _slopes(z: Map) -> Map:
    """Return differences over some pixels, of each line without their mean and trend: tilt and bow."""
    slopes = np.asarray(z[:, SLOPE_PX:] - z[:, :-SLOPE_PX], np.float64)
    if slopes.shape[1] < 2:
        return np.zeros(slopes.shape, np.float32)
    x = np.linspace(-1, 1, slopes.shape[1])
    slopes -= slopes.mean(axis=1, keepdims=True)
    return np.asarray(slopes - (slopes @ x / (x @ x))[:, None] * x, np.float32)


def _neighbors(slopes: Map, count: int) -> tuple[Map, Map]:
    """Return the means of so many lines before and after each border between two lines."""
    if slopes.shape[0] < 2 * count:
        return slopes[:0], slopes[:0]
    sums = np.cumsum(np.concatenate((np.zeros_like(slopes[:1]), slopes)), axis=0, dtype=np.float64)
    means = np.asarray((sums[count:] - sums[:-count]) / count, np.float32)
    return means[:-count], means[count:]


def _moved(first: Map, second: Map, *, of_all: bool) -> dict[str, float]:
    """Compare line by line: the largest gains of a displacement over the usual one, how far, how many lines.

    ``of_all``: lines of the two may all be displaced alike.
    """
    lags, fits = _fits(first, second)
    if len(fits) < 2:
        return dict.fromkeys(("gain", "second", "px", "lines"), 0.0)
    usual = _usual(fits) if of_all else lags.size // 2
    best_of = np.argmax(fits, axis=1)
    every = np.arange(len(fits))
    there, gains = fits[every, best_of], fits[every, best_of] - fits[every, usual]
    gains = np.where((there >= ALIKE) & (best_of != usual), gains, 0.0)
    ordered = np.sort(gains)[::-1]
    at = int(np.argmax(gains))
    return {
        "gain": float(np.log10(1e-3 + ordered[0])) + 3, "second": float(np.log10(1e-3 + ordered[1])) + 3,
        "px": float(np.log2(1 + abs(lags[best_of[at]] - lags[usual]))) if gains[at] > 0 else 0.0,
        "lines": float(np.log2(1 + np.count_nonzero(gains > GAIN))),
    }  # fmt: skip


def _usual(fits: Floats) -> int:
    """Return the place of the displacement at which most lines fit; of none, if that is hardly better."""
    level: int = fits.shape[1] // 2
    alike = fits[fits.max(axis=1) >= ALIKE]
    if not len(alike):
        return level
    told = np.median(alike, axis=0)
    best = int(np.argmax(told))
    return best if told[best] >= max(ALIKE, told[level] + GAIN) else level


def _fits(first: Map, second: Map) -> tuple[Floats, Floats]:
    """Return displacements up to `REACH_PX`, and (lines, displacements) correlations of what both lines have there.

    0 where that is not enough to tell.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    cols = first.shape[1]
    reach = min(REACH_PX, cols // 4)
    lags = np.arange(-reach, reach + 1)
    if not first.size:
        return lags, np.zeros((0, lags.size))
    size = next_fast_len(cols + reach, real=True)
    both = irfft(rfft(second, size) * rfft(first, size).conj(), size)
    both = np.concatenate((both[:, size - reach :], both[:, : reach + 1]), axis=1)
    a, b = (np.cumsum(np.square(np.pad(part, ((0, 0), (1, 0))), dtype=np.float64), axis=1) for part in (first, second))
    inner = cols - np.abs(lags)
    shares = []
    for sums, start in ((a, np.maximum(-lags, 0)), (b, np.maximum(lags, 0))):
        whole = sums[:, -1:]
        usual = float(np.median(whole))
        shares.append((sums[:, start + inner] - sums[:, start]) / (whole + 1e-30))
        shares[-1][whole[:, 0] <= 1e-4 * usual] = 0
    told = (shares[0] >= ENOUGH) & (shares[1] >= ENOUGH)
    energy = np.sqrt(np.maximum(shares[0] * a[:, -1:] * shares[1] * b[:, -1:], 1e-30))
    return lags, np.where(told, np.clip(both / energy, -1, 1), 0.0)
