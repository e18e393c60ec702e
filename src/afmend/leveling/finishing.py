"""The last pass of the automatic leveler: the background goes, features are marked, and a height becomes zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.background import centered
from afmend.leveling.features import Ground, ground_of, median
from afmend.leveling.settling import Sample
from afmend.scan.arrays import Heights, Mask

_MOST_FEATURES = 0.3
"""Where more than this part of the pixels lies off the ground, it is no foreground: terraces, gratings."""
_NEAR = (0.05, 0.5)
"""How far from the level of the ground, in its sigmas, its median is looked for."""
_Near: TypeAlias = tuple[int, int, NDArray[np.float64]]
"""Numbers of pixels in all and below a limit, and the heights from that limit to another."""
_NOTHING: _Near = (0, 0, np.zeros(0))


def finish(
    z: Heights,
    skip: Mask,
    coefs: NDArray[np.float64],
    sigmas: float,
    reference: Literal["background", "mean", "none"],
) -> Mask:
    """Subtract the background and the reference in place; return the features.

    Parameters
    ----------
    z : (rows, cols)
    skip : (rows, cols) bool
        Pixels that are not looked at.
    coefs : (rows, at most 4)
        Background of each line as coefficients of powers of x in -1 .. 1.
    sigmas : float
        Pixels farther than this from the ground are features.
    reference
        Which height becomes zero; "none": neither.
    """
    from afmend.compiled import side_by_side
    from afmend.leveling import finish_kernels as kernels
    from afmend.leveling.line_kernels import take_off

    sample, x = Sample.of(z, skip), centered(z.shape[1])
    ground = ground_of(sample.without(coefs)[~sample.skip], sigmas)
    reach, near = _NEAR[0] * ground.sigma, [_NOTHING] * 2
    features = np.empty(z.shape, dtype=np.bool_)

    def half(part: int, parts: int) -> None:
        i = slice(len(z) * part // parts, len(z) * (part + 1) // parts)
        take_off(z[i], coefs[i], x)
        kernels.far_from(z[i], skip[i], ground.level, sigmas * ground.sigma, features[i])
        near[part] = kernels.median_near(z[i], skip[i], features[i], ground.level - reach, ground.level + reach)

    side_by_side(half)
    found, rest = int(np.count_nonzero(features)), sum(part[0] for part in near)
    if found > _MOST_FEATURES * (found + rest):
        features[:] = False
        near = [_NOTHING]
    if reference == "background":
        z -= _median(z, skip, features, ground, near)
    elif reference == "mean":
        z -= float(np.mean(z[~skip]))
    return features


def _median(z: Heights, skip: Mask, features: Mask, ground: Ground, near: Sequence[_Near]) -> float:
    """Median of the usable pixels that are no features: among those ``near`` the level, or farther from it, or any."""
    from afmend.leveling.finish_kernels import median_near

    middle = _median_of_near(near)
    if middle is None:
        reach = _NEAR[1] * ground.sigma
        middle = _median_of_near([median_near(z, skip, features, ground.level - reach, ground.level + reach)])
    return median(z[~(skip | features)]) if middle is None else middle


def _median_of_near(parts: Sequence[_Near]) -> float | None:
    """Median of all pixels of some parts of an image, if it is among the heights that they list."""
    count, below = sum(part[0] for part in parts), sum(part[1] for part in parts)
    near = np.concatenate([part[2] for part in parts])
    ranks = [(count - 1) // 2 - below, count // 2 - below]
    if ranks[0] < 0 or ranks[1] >= near.size:
        return None
    near.partition(ranks)
    return 0.5 * float(near[ranks[0]] + near[ranks[1]])
