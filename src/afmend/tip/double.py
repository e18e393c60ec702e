"""Double tips: every feature appears twice, at the same offset and lower by the same height.

With apices an offset apart and one deeper than the other, the image is the higher of the image by the first and of the
same image, shifted and lowered. Where the ghost wins both are equal to within the noise, and the image by the first
apex is hidden. How ghosts are looked for: `afmend.tip.ghosts`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from afmend.errors import BadParameterError
from afmend.scan.arrays import Heights, Mask
from afmend.tip.features import noise_nm
from afmend.tip.ghost_evidence import tells_offset
from afmend.tip.ghost_moves import Moved
from afmend.tip.ghost_views import View, view_of
from afmend.tip.ghosts import Match, best_match, candidates, texture_candidates
from afmend.tip.morphology import checked, checked_tip

THRESHOLD = 0.1
"""Score from which on a double tip is reported; the false alarms are in docs/how-to/tip.md."""
SUSPICION = (
    "perhaps a double tip: seen along one straight edge only, whose repetition may be the sample's; no "
    "ghost was taken off"
)
SURE, NOISY = 0.5, 0.9
"""The blurred image is asked, too, up to this score, and if no more of the pixels show texture above the noise."""
SWEEPS = 400
HIDDEN_PX = 0.25
"""On slopes a ghost may miss its feature by what the slope makes of so many pixels: interpolation."""


@dataclass(frozen=True, slots=True, eq=False)
class Ghost:
    """The most likely second apex.

    Attributes
    ----------
    found : bool
        Whether ``score`` reaches `THRESHOLD`, and what speaks for the ghost tells where it is: it may be taken off.
    score : float
        0 to 1: share of what should have a ghost that has one, times what speaks against chance.
    offset_px : (slow, fast) float
        Where ghosts appear, seen from their features.
    offset_nm : (slow, fast) float
    depth_nm : float
        How much lower ghosts are.
    features : int
        Separate features with a ghost.
    suspected : bool
        Whether ``score`` reaches `THRESHOLD`, but all that speaks for the ghost lies along one straight edge.
        That may be a ledge of the sample, and the offset along it is unknown: no height should be changed.
    """

    found: bool
    score: float
    offset_px: tuple[float, float]
    offset_nm: tuple[float, float]
    depth_nm: float
    features: int
    suspected: bool = False

    @property
    def facts(self) -> dict[str, Any]:
        """What is worth telling, as JSON values."""
        said = {"suspicion": SUSPICION} if self.suspected else {}
        return {
            "double_tip": self.found, "score": round(self.score, 4), "offset_nm": list(self.offset_nm),
            "depth_nm": self.depth_nm, "features": self.features, **said,
        }  # fmt: skip


NONE = Ghost(found=False, score=0.0, offset_px=(0.0, 0.0), offset_nm=(0.0, 0.0), depth_nm=0.0, features=0)


def find_ghost(image: Heights, pixel_nm: tuple[float, float], usable: Mask | None = None) -> Ghost:
    """Look for the ghosts of a second apex.

    Parameters
    ----------
    image : (rows, cols) float, nm
        A leveled height map.
    pixel_nm : (slow, fast)
    usable : (rows, cols) bool, optional
        False = artifact or missing: not compared.

    Returns
    -------
    Ghost

    Notes
    -----
    It cannot see apices of the same height, a second apex nearer than 4 or farther than 32 pixels (or a third of the
    image), nor one so deep that it touches only a few features. Beside one straight edge a ghost looks like a ledge of
    the sample: it is suspected only. On gratings the offset along the lines is unknown, and does not matter. Currents
    (STM) add up instead: see `deblur`.
    """
    image = checked(image, "image")
    good = np.ones(image.shape, dtype=np.bool_) if usable is None else usable
    found = _best(image, good)
    if found is None or found[0].score == 0.0:
        return NONE
    best, view = found
    likely = bool(best.score >= THRESHOLD)
    known = likely and tells_offset(view, best)
    row, col = (float(v) for v in best.offset_px)
    step = (row * pixel_nm[0], col * pixel_nm[1])
    return Ghost(
        known, best.score, (row, col), step, float(best.depth_nm), best.features, suspected=likely and not known
    )


def _best(image: Heights, good: Mask) -> tuple[Match, View] | None:
    """Look at the image, then at the blurred one: what that shows is judged by both. Return in which it was found."""
    view = view_of(image, good) if min(image.shape) >= 16 else None
    if view is None:
        return None
    starts = _starts(view)
    found = [(best_match(view, starts), view)]
    if (found[0][0] is None or found[0][0].score < SURE) and np.mean(view.telling) <= NOISY:
        blurred = view_of(image, good, blurred=True)
        if blurred is not None:
            known, more = {start for start, _ in starts}, _starts(blurred)
            found.append((best_match(view, [one for one in more if one[0] not in known]), view))
            found.append((best_match(blurred, more), blurred))
    return max(((one, seen) for one, seen in found if one is not None), key=lambda one: one[0].score, default=None)


def _starts(view: View) -> list[tuple[tuple[int, int], float]]:
    """Return where to look: what heights vote for, and textures."""
    return [*texture_candidates(view), *candidates(view)]


@dataclass(frozen=True, slots=True, eq=False)
class First:
    """What the first apex alone would show, as far as that is known.

    Attributes
    ----------
    likely, bound : (rows, cols) float64, nm
        The image; under ghosts a membrane from what is around them, nowhere above the bound, and the bound itself: the
        ghost, and what is so low that its own ghost does not show.
    hidden : (rows, cols) bool
        Where the second apex may have touched instead of the first one.
    beyond : (rows, cols) bool, optional
        Where a ghost would come from outside the image: nobody knows, so nothing there is certain.
    """

    likely: Heights
    bound: Heights
    hidden: Mask
    beyond: Mask | None = None

    @property
    def doubtful(self) -> Mask:
        """Hidden or beyond."""
        return self.hidden if self.beyond is None else self.hidden | self.beyond


def without_ghost(image: Heights, ghost: Ghost, noise: float | None = None) -> First:
    """Take the ghosts out of an image.

    Parameters
    ----------
    image : (rows, cols) float, nm
    ghost : Ghost
    noise : float, optional
        Sigma of white noise, nm; default: measured from the image.

    Returns
    -------
    First

    Raises
    ------
    BadParameterError
        If the ghost has no offset.
    """
    from afmend.tip.ghost_kernels import relax

    image = checked(image, "image")
    if ghost.offset_px == (0.0, 0.0):
        raise BadParameterError("there is no second apex", where="double tip", now="Look for a ghost first.")
    view = view_of(image, np.ones(image.shape, dtype=np.bool_))
    if view is None:
        return First(image, image, np.zeros(image.shape, dtype=np.bool_))
    sigma, moved, offset = noise_nm(image) if noise is None else noise, Moved(view), np.array(ghost.offset_px)
    lowered, slope, known = moved.whole(offset)
    # No ghost is higher than the image where it comes from, lowered; it may be lower where that is a ghost itself.
    hidden = known & (image - lowered + ghost.depth_nm <= 3 * math.sqrt(2) * sigma + HIDDEN_PX * slope)
    raised, _, inside = moved.whole(-offset)
    bound = np.where(hidden, np.minimum(image, np.where(inside, raised + ghost.depth_nm, np.inf)), image)
    likely = bound.copy()
    relax(likely, hidden, bound, SWEEPS, max(0.02 * sigma, 1e-6 * view.range_nm))
    return First(likely, bound, hidden, ~known)


def double_tip(tip: Heights, ghost: Ghost) -> Heights:
    """Add a second apex to a tip: the same shape, moved against the ghost and lowered.

    Returns
    -------
    (n, m) float64
        As `dilate` takes it; the first apex is in the middle, the second one on the nearest pixel.

    Raises
    ------
    BadParameterError
        If the ghost has no offset.
    """
    tip = checked_tip(tip)
    if ghost.offset_px == (0.0, 0.0):
        raise BadParameterError("there is no second apex", where="double tip", now="Look for a ghost first.")
    dy, dx = (-round(move) for move in ghost.offset_px)
    n, m = tip.shape[0] // 2 + abs(dy), tip.shape[1] // 2 + abs(dx)
    out = np.full((2 * n + 1, 2 * m + 1), -np.inf)
    for (y, x), drop in (((0, 0), 0.0), ((dy, dx), ghost.depth_nm)):
        top, left = n + y - tip.shape[0] // 2, m + x - tip.shape[1] // 2
        part = out[top : top + tip.shape[0], left : left + tip.shape[1]]
        np.maximum(part, tip - drop, out=part)
    return out


def deblur(current: Heights, offset_px: tuple[int, int], share: float) -> Heights:
    """Undo a second apex that *adds* its current, as in STM: a separate model from contact topography.

    The map is the true one plus ``share`` times itself, shifted: a convolution with two points, undone exactly by its
    alternating series. Noise grows by at most 1 / (1 - share).

    Parameters
    ----------
    current : (rows, cols) float
        A current, or another map that both apices add up to. Not a topography: that takes `double_tip` and `correct`.
    offset_px : (slow, fast)
    share : float
        Part of the first apex's current that flows through the second one, 0 to below 1.

    Raises
    ------
    BadParameterError
        If the share is not within [0, 0.95].
    """
    if not 0 <= share <= 0.95:
        raise BadParameterError(f"a share of {share}", where="deblur", now="Give a share from 0 to 0.95.")
    z = checked(current, "current")
    out, moved = z.copy(), z
    here, there = _overlap(z.shape, offset_px)
    terms = math.ceil(math.log(1e-6) / math.log(share)) if share > 0 else 0
    for _ in range(terms):
        shifted = np.full(z.shape, float(np.mean(z)) / (1 + share))
        shifted[there] = moved[here]
        moved = -share * shifted
        out = out + moved
    return out


def _overlap(shape: tuple[int, ...], offset: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where features are and where their ghosts are, so that both lie in the image."""
    here, there = [], []
    for size, move in zip(shape, offset, strict=True):
        here.append(slice(max(0, -move), size - max(0, move)))
        there.append(slice(max(0, move), size - max(0, -move)))
    return (here[0], here[1]), (there[0], there[1])
