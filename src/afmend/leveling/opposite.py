"""What the other scan direction says about the lines: topography is in both, most line noise is not.

A line offset that trace and retrace share is topography, or noise that is slower than a line: one pair cannot tell
which. What they do not share is no topography, however much it looks like an edge along the lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.leveling import line_model
from afmend.leveling.background import centered
from afmend.leveling.evidence import judge
from afmend.leveling.features import median
from afmend.leveling.line_scales import pair_scales
from afmend.scan.arrays import Heights, Mask

Vector = NDArray[np.float64]
_USUAL_SHARE, _SPREAD = 0.5, 0.2
"""Of what the directions differ by, so much is this direction's: both are recorded by the same instrument."""
_FEWEST = 16
_ROUNDS = 5
_CUT = 4.0


@dataclass(frozen=True, slots=True)
class Apart:
    """The part of the line offsets in which the directions differ.

    Attributes
    ----------
    offset : (rows,)
        To be subtracted from each line; 0 where nothing is known.
    share : float
        How much of the difference is blamed on this direction; 0 if the other tells nothing.
    """

    offset: Vector
    share: float

    @classmethod
    def nothing(cls, rows: int) -> Apart:
        """Return what is known without a second direction."""
        return cls(np.zeros(rows), 0.0)


def offsets_apart(z: Heights, opposite: Heights, skip: Mask, aspect: float) -> Apart:
    """Estimate the line offsets that are in one scan direction only.

    Parameters
    ----------
    z, opposite : (rows, cols)
        Both directions; column = place.
    skip : (rows, cols) bool
        Pixels that must not be looked at in either.
    aspect : float
        Length of the slow axis over that of the fast axis.

    Notes
    -----
    Each line of the difference is located by redescending weights, so that edges displaced by hysteresis, tails and
    scars do not count; on a surface without them, a displacement adds next to nothing to the mean of a line. As for
    offsets, what the modulated differences show as well is no line noise (`evidence.judge`). With independent offsets
    of variances a and b in the two directions, the best linear estimate of the one is ``a / (a + b)`` times the
    difference: the slope of the regression of the steps between lines on those of the difference, with a prior of
    one half.
    """
    from afmend.leveling import line_kernels as kernels

    rows = z.shape[0]
    lines = line_model.usable_lines(skip)
    tests = line_model.test_functions(centered(z.shape[1]))
    if lines.size < _FEWEST or tests.shape[0] < 3:
        return Apart.nothing(rows)
    apart = np.where(skip, 0.0, z - opposite)
    level, leak = kernels.line_locations(apart, skip, lines, tests)
    # A line that stands out is bad in one of them: nobody knows in which.
    away = level - median(level)
    usual = _CUT * 1.4826 * median(np.abs(away))
    level = np.where(np.abs(away) <= usual, away, 0.0)
    level, leak = line_model.between(lines, level), line_model.between(lines, leak[:, 1:])
    verdict = judge(level, leak, aspect=aspect, degree=line_model.GAUGE_DEGREE, shrink=True, white=True)
    if not verdict.correction.any():
        return Apart.nothing(rows)
    inside = np.arange(lines[0], lines[-1] + 1)
    steps, _, _ = pair_scales(z, skip, lines)
    share = _share(steps, np.diff(verdict.correction[lines - lines[0]]))
    return Apart(share * line_model.spread(inside, verdict.correction, rows), share)


def _share(steps: Vector, apart: Vector) -> float:
    """Posterior mean of the slope of ``steps`` over ``apart``, within 0 .. 1, by redescending weights."""
    steps, apart = steps - median(steps), apart - median(apart)
    slope, variance = _USUAL_SHARE, np.inf
    for _ in range(_ROUNDS):
        rest = steps - slope * apart
        scale = 2.0 * 1.4826 * median(np.abs(rest))
        if not scale > 0.0:
            return slope
        weights = 1.0 / np.square(1.0 + np.square(rest / scale))
        power = float(np.sum(weights * apart**2))
        if not power > 0.0:
            return slope
        found = float(np.sum(weights * steps * apart)) / power
        variance = float(np.sum(np.square(weights * rest * apart))) / power**2
        weight = _SPREAD**2 / (_SPREAD**2 + variance)
        slope = float(np.clip(_USUAL_SHARE + weight * (found - _USUAL_SHARE), 0.0, 1.0))
    return slope
