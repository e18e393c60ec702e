"""How large what is wrong with a simulated scan is, for the eye of somebody who sees the scan and not the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask

CLEAR, FAINT = 0.1, 0.03
"""Of the relief: damage from so much on is plain to see, below the second it alters neither picture nor figures."""
SURE, HINT = (5.0, 4.0), (5.0, 3.0)
"""In scatters between lines: how far a pixel, and the mean of `STRETCH_PX`, must stand out to be clear, or faint."""
STRETCH_PX = 9
STILL, STILL_LINES = 0.1, 3
"""Where steps between lines scatter along a stretch by less than this part of the usual, nothing was measured; clear
if so many lines are alike: one that repeats another is seen by comparing, not by looking."""
ROUNDS = 4
"""Of reweighted least squares."""
FEWEST_LINES = 8
"""Of fewer measured lines nothing is told by themselves."""
FARTHEST_PX = 16
"""A loop delays the image by some pixels at most; nobody can see that, so it is no damage."""
TOLD, LEAST = 0.06, 0.02
"""Surfaces that leveling makes flatter than this part of the relief tell nothing; at least so much is recorded."""
OBJECT, GHOST, BESIDE_PX = 0.3, 0.15, 2
FEW, REPEATED, SPECK_PX = 0.01, 3, 4
"""Features that cover less are too few to compare; fewer satellites (of so many pixels) may be features themselves."""
ELSEWHERE_PX = 2
"""No observer knows better where a flank is."""
AREA_PX = 33
UNFOLLOWED = 0.25
"""Where less of the surface's shape was recorded, it was not followed."""
KINK_PX, FLOOR_PX, VALLEY_PX, SEEN_PX = 3, 49, 33, 8
"""Reach of a kink; around what floors and valleys are looked for; so near to one a satellite stands apart."""
Small = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Damage:
    """What differs from the ideal scan once everything that leveling or a shift cures is taken away.

    Attributes
    ----------
    left, ideal, shape : (rows, cols) float64
        nm; the ideal heights as late as the recorded ones are, and what leveling leaves of them.
    clear, faint : (rows, cols) bool
        Where it stands out of noise and texture, or noise is missing (and is known to be an artifact).
    relief : float
        Half of the range that holds 99.6 % of the ideal heights, nm.
    noise, random : float
        Robust scatter of all that is left, and of what of it is no wave, over the relief as far as it was recorded.
    recorded : float
        Share of the ideal heights that the recorded ones hold, 0 to 1: a loop that sleeps records none of them.
    scatter : float
        Of lines about the mean of their neighbors, nm.
    joint : float
        The same of means of `STRETCH_PX` pixels.
    """

    left: Heights
    ideal: Heights
    shape: Heights
    clear: Mask
    faint: Mask
    relief: float
    noise: float
    random: float
    recorded: float
    scatter: float
    joint: float


def damage_of(heights: Heights, ideal: Heights, bad: Mask, missing: Mask, copied: Mask | None = None) -> Damage:
    """Compare a recorded scan with the ideal one, by the lines that were measured.

    Parameters
    ----------
    heights, ideal : (rows, cols) float
        nm.
    bad : (rows, cols) bool
        Where the twin did something to the heights.
    missing : (rows, cols) bool
    copied : (rows,) bool, optional
        Lines that repeat another one: nothing was measured there, and all of it is clear damage.
    """
    copied = np.zeros(len(missing), np.bool_) if copied is None else copied
    lines = ~(missing.all(axis=1) | copied)
    if FEWEST_LINES <= np.count_nonzero(lines) < lines.size:
        measured = damage_of(heights[lines], ideal[lines], bad[lines], missing[lines])
        return _among(measured, lines, copied, np.asarray(ideal, np.float64))
    relief = relief_of(ideal)
    late = np.ascontiguousarray(moved(ideal, delay_of(heights, ideal)), np.float64)
    left = _leveled_lines(heights - late, missing)
    good = ~(bad | missing)
    known = good if np.count_nonzero(good) > good.size / 10 else ~missing
    shape = _leveled_lines(late, missing)
    recorded = _recorded(np.where(known, left, 0), np.where(known, shape, 0), relief)
    rest = left + np.float64(1 - recorded) * shape
    noise = 1.4826 * float(np.median(np.abs(rest[known]))) if known.any() else 0.0
    random = min(noise, _random(np.where(known, rest, 0), 3 * noise))
    means, smooth = _stretched(left), _stretched(heights)
    one, joint = scatter_of(heights, bad | missing), scatter_of(smooth, bad | missing)
    still, lasting, hiss = _still(heights, late, known)
    shown, gone = bad & ~missing, np.maximum(np.abs(means), hiss)
    clear, faint = (
        shown
        & (
            (np.abs(left) >= max(pixel * one, part * relief))
            | (np.abs(means) >= max(stretch * joint, part * relief))
            | (there & (gone >= part * relief))
        )
        for part, (pixel, stretch), there in ((CLEAR, SURE, lasting), (FAINT, HINT, still))
    )  # fmt: skip
    held = relief * max(recorded, LEAST)
    return Damage(left, late, shape, clear, faint, relief, noise / held, random / held, recorded, one, joint)


def _still(heights: Heights, ideal: Heights, good: Mask) -> tuple[Mask, Mask, float]:
    """Find where a line repeats its neighbor, or is held, noise included: a copy or a plateau.

    Returns
    -------
    still, lasting : (rows, cols) bool
        There, and there in `STILL_LINES` lines.
    hiss : float
        The noise that would be there, from pixel to pixel, nm: missing noise is plain to see only if it is.
    """
    import cv2

    steps, known = np.diff(heights, axis=0), good[1:] & good[:-1]
    usual = _scattered(np.diff(heights - ideal, axis=0))[known]
    if not usual.size:
        return np.zeros_like(good), np.zeros_like(good), 0.0
    middle = float(np.median(usual))
    alike = _scattered(steps) < STILL**2 * middle
    still = _scattered(heights) < STILL**2 * middle
    still[1:] |= alike
    still[:-1] |= alike
    block = np.ones((STILL_LINES, 1), np.uint8)
    lasting = cv2.morphologyEx(
        still.astype(np.uint8), cv2.MORPH_OPEN, block, borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    return still, lasting.astype(np.bool_), float(np.sqrt(middle / 2))


def _scattered(z: Heights) -> Heights:
    """Variance along each line within `STRETCH_PX`."""
    middle = _stretched(z)
    return _stretched(z * z) - middle * middle


def _among(measured: Damage, lines: Mask, copied: Mask, ideal: Heights) -> Damage:
    """Return what was found of the measured lines, with all others between: nothing, or copies, which are damage."""
    late = ideal.copy()
    late[lines] = measured.ideal
    left, shape = np.zeros((2, *ideal.shape))
    left[lines], shape[lines] = measured.left, measured.shape
    clear, faint = (np.repeat(copied[:, None], ideal.shape[1], axis=1) for _ in range(2))
    clear[lines], faint[lines] = measured.clear, measured.faint
    return replace(measured, left=left, ideal=late, shape=shape, clear=clear, faint=faint)


def _recorded(left: Heights, shape: Heights, relief: float) -> float:
    """Return the share of the surface's shape that was recorded; all of it where that cannot be told.

    It cannot where leveling leaves little shape, and where lines tell so different shares that all might be.
    """
    size = float(np.sum(shape * shape))
    if size <= np.count_nonzero(shape) * (TOLD * relief) ** 2:
        return 1.0
    lines = np.sum(left * shape, axis=1)
    lost = -float(lines.sum()) / size
    unsure = float(np.sqrt(np.sum((lines - lines.mean()) ** 2))) / size
    return float(np.clip(1 - lost, 0, 1)) if lost > 3 * unsure else 1.0


def _random(rest: Heights, limit: float) -> float:
    """Return the scatter of what is no wave: as strong at most frequencies across the lines as at any, nm."""
    power = np.square(np.abs(np.fft.rfft2(np.clip(rest, -limit, limit))))
    return float(np.sqrt(2 * np.sum(np.median(power, axis=0)) / np.log(2) / (rest.shape[0] * rest.shape[1] ** 2)))


def relief_of(ideal: Heights) -> float:
    """Half of the range that holds 99.6 % of the heights, without tilt."""
    from afmend.artifacts.gate.damage_kernels import plane_range

    return float(plane_range(np.ascontiguousarray(ideal, np.float64), 0.002, 0.998)) / 2 + 1e-12


def scatter_of(heights: Heights, bad: Mask) -> float:
    """Scatter of lines about the mean of their neighbors, freed of offsets, as that of one line."""
    from afmend.artifacts.gate.damage_kernels import bend_spread

    return 1.4826 * float(bend_spread(np.ascontiguousarray(heights, np.float64), bad)) / float(np.sqrt(1.5)) + 1e-12


def delay_of(heights: Heights, ideal: Heights) -> float:
    """Pixels (a multiple of 0.5) by which the recorded lines lag behind the ideal ones."""
    from afmend.artifacts.gate.damage_kernels import misfits

    every = max(1, heights.shape[0] // 48)
    margin = min(FARTHEST_PX, heights.shape[1] // 4)
    z, truth = (np.ascontiguousarray(part[::every], np.float64) for part in (heights, ideal))
    whole = np.arange(-margin, margin + 1, dtype=np.float64)
    found = misfits(z, truth, whole, margin)
    nearest = whole[np.lexsort((np.abs(whole), found))[0]]
    tries = nearest + np.array([-0.5, 0.0, 0.5])
    around = misfits(z, truth, tries, margin)
    best = int(np.argmin(around))
    return float(tries[best]) if around[best] < 0.98 * found[margin] else 0.0


def moved(z: Heights, shift: float) -> Heights:
    """Shift along the lines, edges repeated."""
    if shift == 0:
        return z
    whole = int(np.floor(shift))
    part = shift - whole
    places = np.arange(z.shape[1]) - whole
    near, far = (z[:, np.clip(places - k, 0, z.shape[1] - 1)] for k in (0, 1))
    out: Heights = near if part == 0 else (1 - part) * near + part * far
    return out


def _leveled_lines(z: Heights, missing: Mask) -> Heights:
    """Take away the shape that all lines share, and of each line a robust parabola: bow, tilts, offsets.

    What lines share is looked for in straightened ones: medians of lines of different tilts have a kink.
    """
    from afmend.artifacts.gate.damage_kernels import leveled_lines, straightened

    straight = straightened(np.ascontiguousarray(z, np.float64), missing, ROUNDS)
    out: Heights = leveled_lines(straight, missing, ROUNDS)
    return out


def _stretched(z: Heights) -> Heights:
    import cv2

    some = np.ascontiguousarray(z, np.float64)
    return np.asarray(cv2.blur(some, (STRETCH_PX, 1), borderType=cv2.BORDER_REPLICATE), np.float64)


def beyond_flanks(found: Damage) -> Heights:
    """Return what no shift by up to `ELSEWHERE_PX` along the line explains, nm.

    A loop that lags a little at a flank, no more than at others, moves it by a pixel or two: no observer calls that
    an artifact, whatever it does to the height of a steep flank.
    """
    import cv2

    line = np.ones((1, 2 * ELSEWHERE_PX + 1), np.uint8)
    high, low = cv2.dilate(found.ideal, line), cv2.erode(found.ideal, line)
    recorded = found.ideal + found.left
    return np.asarray(np.maximum(recorded - high, 0) - np.maximum(low - recorded, 0), np.float64)


def seen_between(one: Damage, other: Damage) -> Mask:
    """Where damage by the loop is plain to see: beyond what a shift explains, and not the same in both directions.

    A loop that lags, rings or lets go behind an edge does so in line after line: no line stands out, and the flanks
    look like those of another sample. Only the other direction, in which all of that lies on the other side, tells.
    """
    return _stands_out(beyond_flanks(one), one, one) & _stands_out(one.left - other.left, one, other)


def _stands_out(z: Heights, one: Damage, other: Damage) -> Mask:
    pixel, stretch = SURE
    least = CLEAR * one.relief
    out: Mask = (np.abs(z) >= max(pixel * np.hypot(one.scatter, other.scatter), least)) | (
        np.abs(_stretched(z)) >= max(stretch * np.hypot(one.joint, other.joint), least)
    )
    return out


def crowds_of(there: Mask, share: float) -> Mask:
    """Keep those pixels around which at least such a share of the surroundings (33 x 33 pixels) is of their kind."""
    import cv2

    around = cv2.blur(there.astype(np.float32), (AREA_PX, AREA_PX), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(there & (around >= share))


def unfollowed(found: Damage, there: Mask) -> Mask:
    """Where the loop lost the surface: around, less than a quarter of the shape was recorded.

    Around (33 x 33 pixels) a quarter is known to be off (``there``), and the shape scatters by a tenth of the relief
    and more than lines do. An area without texture is lost only where something to be seen is missing.
    """
    import cv2

    def around(z: Heights) -> Heights:
        return np.asarray(cv2.blur(z, (AREA_PX, AREA_PX), borderType=cv2.BORDER_REFLECT_101), np.float64)

    shape, middle = found.shape, around(found.shape)
    power = around(shape * shape) - middle * middle
    lost = -(around(found.left * shape) - around(found.left) * middle)
    told = power >= max(CLEAR * found.relief, found.scatter) ** 2
    return np.asarray(told & (lost > (1 - UNFOLLOWED) * power) & (around(there.astype(np.float64)) >= UNFOLLOWED))


def ghosts_of(ideal: Heights, clean: Heights, found: Damage) -> tuple[Mapping[str, float], Mask]:
    """Measure satellites that a bad tip sets beside features that stand alone, and where they are.

    A satellite is what the tip added by more than 15 % of the relief and five times the noise, more than 2 pixels
    away from everything high (30 % of the relief over the ground, or over holes in it). If all lie on the same side
    of their features, and the features stand alone, no sample does that. It can be seen where it stands apart from
    its feature (`_apart`): what only widens a soft flank looks like a broader feature.

    Returns
    -------
    numbers, ghosts
        ``ghost``: area of the satellites that can be seen over that of the features or holes, times how much they
        lie to one side (0 to 1); ``ghost any``: of all of them; ``satellites``: how many there are; ``crowded``:
        share of the features or holes, 1 where they are too few to compare; ``tip``: share of the pixels that the tip
        changed by more than noise and a twentieth of the relief.
    """
    from scipy import ndimage

    added = ideal - clean
    added = added - np.median(added, axis=1, keepdims=True)
    low, middle, high = np.quantile(clean, (0.002, 0.5, 0.998))
    holes = middle - low > high - middle
    ground = np.quantile(clean, 0.5 if holes else 0.3, axis=1, keepdims=True)
    features = clean - ground > OBJECT * found.relief * (-1 if holes else 1)
    alone = ~features if holes else features
    share = float(np.mean(alone))
    changed = float(np.mean(np.abs(added) > max(3 * found.scatter, 0.05 * found.relief)))
    ghosts = added > max(GHOST * found.relief, 5 * found.scatter)
    count = int(ndimage.label(alone)[1])
    if share < FEW or count < 3:
        none = np.zeros_like(features)
        return {"ghost": 0.0, "ghost any": 0.0, "crowded": 1.0, "tip": changed}, none
    away, near = ndimage.distance_transform_edt(~features, return_indices=True)
    ghosts &= (away > BESIDE_PX) & (away < 64)
    seen = ghosts & _apart(ideal, clean, found, holes=bool(holes)) if ghosts.any() else ghosts
    if int(ndimage.label(seen)[1]) < REPEATED:
        seen = np.zeros_like(seen)
    sizes = np.bincount(ndimage.label(ghosts)[0].ravel())[1:]
    numbers = {"crowded": share, "tip": changed, "satellites": float(np.count_nonzero(sizes >= SPECK_PX))}
    for name, part in (("ghost any", ghosts), ("ghost", seen)):
        places = np.indices(features.shape)[:, part] - near[:, part]
        reach = float(np.hypot(*places).sum())
        one_side = float(np.hypot(*places.sum(axis=1))) / reach if reach else 0.0
        numbers[name] = float(np.mean(part)) / share * one_side
    return numbers, seen


def _apart(ideal: Heights, clean: Heights, found: Damage, *, holes: bool) -> Mask:
    """Where a new valley is near, a new kink above the floor, or a new rim within a hole."""
    import cv2

    least, aside = max(CLEAR * found.relief, SURE[0] * found.scatter), GHOST * found.relief
    z, was = (np.ascontiguousarray(part, np.float32) for part in (ideal, clean))
    block, around = (np.ones((side, side), np.uint8) for side in (VALLEY_PX, FLOOR_PX))
    valleys = (cv2.morphologyEx(part, cv2.MORPH_CLOSE, block) - part for part in (z, was))
    seen = np.subtract(*valleys) >= least
    over, under = z - cv2.erode(z, around) >= aside, cv2.dilate(z, around) - z >= aside
    if holes:
        seen |= (_kinks(-z) >= least) & (_kinks(-was) < least / 2) & over & under
    else:
        seen |= (_kinks(z) >= least) & (_kinks(was) < least / 2) & over
    near = cv2.dilate(seen.astype(np.uint8), np.ones((2 * SEEN_PX + 1, 2 * SEEN_PX + 1), np.uint8))
    return near.astype(np.bool_)


def _kinks(z: Small) -> Small:
    """By how much the surface lies under the middle of two points beside it, in the worst of four directions."""
    padded = np.pad(z, KINK_PX, mode="edge")
    rows, cols = z.shape
    k = KINK_PX

    def at(row: int, col: int) -> Small:
        return padded[k + row : k + row + rows, k + col : k + col + cols]

    pairs = (at(*way) + at(-way[0], -way[1]) for way in ((0, k), (k, 0), (k, k), (k, -k)))
    return np.asarray(np.max(np.stack(list(pairs)), axis=0) - 2 * z, np.float32)
