"""The search for ghosts: what of an image repeats itself lower, at one offset, to within the noise.

With two apices of one shape the image is ``max(A(x), A(x - v) - h)``, where A is what the first one alone would show.
Where the second one wins, the image equals itself, moved and lowered, to within the noise, with all its texture; and
nowhere is it lower than that (but where the moved image is itself a ghost). By chance pixels agree as often a little
beside a depth as at it; a lattice agrees at depth 0 only, or both ways.

First every offset is tried on whole pixels, with votes of pixels for depths; then the best few are refined to a
fraction of a pixel by least squares, because on slopes heights agree only there; then all pixels are compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask
from afmend.tip.ghost_moves import Moved, Places, sources_of
from afmend.tip.ghost_views import Vector, View, is_period, texture_of

CLOSEST_PX = 4.0
FIRST_PLACES, PLACES, SECOND_ROUND = 4500, 12_000, 1000
"""Pixels that vote for every offset, and pixels that vote once more for the best ones, so many."""
CANDIDATES, ASKED, FITTED = 60, 24_000, 2000
"""Offsets that are refined, pixels that are asked whether they agree with one, and so many of which refine it."""
WINDOWS, COMPARED = 300, 4
"""Places in which textures are compared; offsets at which, by each way of ranking, all pixels are compared."""
BY_TEXTURE, TEXTURE_PLACES, ROUGHLY_SAME, LEAST_ASKED = 12, 1500, 0.25, 200
"""Offsets that windows vote for, so many windows, what may be left of their texture, and how many must be asked."""
COARSE_PX = 0.4
"""Whole pixels miss an offset by so much, on average."""
NARROWER_PX = (0.6, 0.45, 0.3, 0.2, 0.12, 0.08)
"""By how much the offset may be wrong, in the rounds of the refinement."""
FINE_PX = 0.12
DAMPING = 0.01
ONE_WAY = 0.03
"""Slopes along lines, squared, of those across, from which on an image is one of lines."""
NO_EVIDENCE = 0.003
"""Agreement of this share of the pixels counts half."""
ENOUGH_FEATURES, FEATURE_PX = 4, 4
"""With fewer places that have a ghost the score sinks; a place has at least so many pixels."""
SAME_TEXTURE = 0.12
"""Of the texture's mean square: what may be left of it where image and ghost agree."""
SCALES = 4
"""The noise is an upper bound on rough surfaces: it is halved so many times less one, and the best taken."""
BEYOND_DOUBT = 0.5
"""From this score on no other offset is compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """How well an image agrees with itself, moved and lowered.

    Attributes
    ----------
    offset_px : (2,) float64
    depth_nm : float
    score : float
        0 to 1.
    features : int
        Separate places that agree.
    misfit_nm : float
        Sigma to within which they do.
    """

    offset_px: Vector
    depth_nm: float
    score: float
    features: int
    misfit_nm: float


class Parts(NamedTuple):
    """An image beside itself, moved and lowered.

    Attributes
    ----------
    moved, slope : (rows, cols) float64, nm
        The moved image.
    inner, known : (rows, cols) bool
        Where windows and where pixels of it are known.
    miss : (rows, cols) float64, nm
        How much higher the image is.
    left, texture : (rows, cols) float64, nm^2
        Texture of what it misses, and of the moved image.
    """

    moved: Heights
    slope: Heights
    inner: Mask
    known: Mask
    miss: Heights
    left: Heights
    texture: Heights


def candidates(view: View) -> list[tuple[tuple[int, int], float]]:
    """Return offsets in whole pixels, and for each the depth on which most pixels agree; the best first; no periods."""
    alike, far, moves = view.alike, view.alike.shape[0] // 2, _moves(view)
    if not len(moves):
        return []
    votes, _ = _votes(view, moves, FIRST_PLACES)
    moves = moves[np.argsort(-votes, kind="stable")[:SECOND_ROUND]]
    moves = moves[[not is_period(alike, move) for move in moves.astype(np.float64)]]
    votes, found_depths = _votes(view, moves, PLACES)
    return _peaks(moves, votes, found_depths, far, CANDIDATES)


def texture_candidates(view: View) -> list[tuple[tuple[int, int], float]]:
    """Return offsets and depths as `candidates`, few, at which windows look alike: features that are rare are heard."""
    from afmend.tip.ghost_kernels import vote_by_texture
    from afmend.tip.morphology_kernels import in_bands

    moves, half, inner = _moves(view), view.window // 2, np.zeros(view.image.shape, dtype=np.bool_)
    inner[half:-half, half:-half] = True
    places = _spread(np.argwhere(view.telling & inner), TEXTURE_PLACES)
    allowed = 2 * view.noise + 2 * COARSE_PX * view.slope
    settings = np.array([view.window, ROUGHLY_SAME, view.noise, view.shallowest, LEAST_ASKED])
    votes, depths = np.zeros(len(moves)), np.zeros(len(moves))

    def work(first: int, last: int) -> None:
        score = np.zeros(1)
        for k in range(first, last):
            depths[k] = vote_by_texture(view.image, view.texture, view.good, allowed, places, moves[k], settings, score)
            votes[k] = score[0]

    in_bands(work, len(moves), len(moves) * len(places) * 5)
    return _peaks(moves, votes, depths, view.alike.shape[0] // 2, BY_TEXTURE)


def _moves(view: View) -> Places:
    """List the offsets in whole pixels that are tried; none if there is nothing to tell them by."""
    alike, far = view.alike, view.alike.shape[0] // 2
    if np.count_nonzero(view.telling) < 30 or far < CLOSEST_PX:
        return np.zeros((0, 2), dtype=np.int64)
    along, moves = _line_direction(view), np.argwhere(np.ones(alike.shape, dtype=np.bool_)) - far
    allowed = np.hypot(*moves.T) >= CLOSEST_PX - 0.7
    if along is not None:
        allowed &= np.abs(moves @ np.array(along)) <= 1.0
    out: Places = moves[allowed]
    return out


def _peaks(moves: Places, votes: Vector, found: Vector, far: int, most: int) -> list[tuple[tuple[int, int], float]]:
    """Return the offsets with most votes, none beside another, and their depths; the best first."""
    scores, depths = np.zeros((2 * far + 1, 2 * far + 1)), np.zeros((2 * far + 1, 2 * far + 1))
    scores[tuple((moves + far).T)], depths[tuple((moves + far).T)] = votes, found
    out: list[tuple[tuple[int, int], float]] = []
    while len(out) < most and scores.max() > 0:
        row, col = (int(k) for k in np.unravel_index(int(np.argmax(scores)), scores.shape))
        out.append(((row - far, col - far), float(depths[row, col])))
        scores[max(0, row - 1) : row + 2, max(0, col - 1) : col + 2] = 0
    return out


def _votes(view: View, moves: NDArray[np.int64], count: int) -> tuple[Vector, Vector]:
    """Let pixels, at most so many, vote for the depth at each offset; return how clear they are, and the depths."""
    from afmend.tip.ghost_kernels import votes
    from afmend.tip.morphology_kernels import in_bands

    telling = view.telling
    parts = _spread(np.argwhere(telling), 2 * count // 3), _spread(np.argwhere(view.good & ~telling), count // 3)
    places = np.concatenate(parts)  # few features on flat ground are heard, too
    step = max(view.noise, view.range_nm / 1000)
    # From the fourth: votes wider than this say nothing; how much agreement weighs as much as none; pixels per place.
    good, loud = np.count_nonzero(view.good), np.count_nonzero(telling)
    settings = np.array([step, view.range_nm // step + 2, view.ground, 0.04 * view.range_nm + 3 * view.noise,
                         0.01 * good, loud / max(len(parts[0]), 1), (good - loud) / max(len(parts[1]), 1)])  # fmt: skip
    seen = np.stack([view.image, 2 * view.noise + COARSE_PX * view.slope, view.good, telling], axis=-1)
    scores, depths = np.zeros(len(moves)), np.zeros(len(moves))

    def work(first: int, last: int) -> None:
        votes(seen, places, moves, first, last, settings, scores, depths)

    in_bands(work, len(moves), len(moves) * len(places))
    return scores, depths


def _spread(places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most so many of the places, evenly spread."""
    if len(places) <= count:
        return places
    return places[np.linspace(0, len(places) - 1, count).astype(np.int64)]


def _line_direction(view: View) -> tuple[float, float] | None:
    """Return along which direction nothing changes (lines of a grating); None if there is none."""
    slopes = np.stack([np.asarray(np.gradient(view.image, axis=k))[view.good] for k in (0, 1)])
    size, axes = np.linalg.eigh(slopes @ slopes.T)
    return (float(axes[0, 0]), float(axes[1, 0])) if size[0] < ONE_WAY * size[1] else None


def refined(
    view: View, moved: Moved, start: tuple[int, int], depth: float, asked: NDArray[np.int64]
) -> tuple[Vector, float] | None:
    """Return offset and depth by reweighted least squares on what agrees of places; None if they run away."""
    rows, cols = _agreeing(view, start, depth, asked)
    return _fitted(view, moved, (np.array(start, dtype=np.float64), depth), rows, cols)


def polished(view: View, moved: Moved, fit: tuple[Vector, float]) -> tuple[Vector, float]:
    """Refine once more, by places whose texture agrees; what agrees by chance pulls no longer."""
    seen = _parts(view, moved, *fit)
    alike = seen.inner & (seen.texture > (2 * view.noise) ** 2)
    alike &= np.abs(seen.miss) < 3 * view.noise + 1.2 * seen.slope
    alike &= seen.left < ROUGHLY_SAME * seen.texture + 1.6 * view.noise**2
    rows, cols = _spread(np.argwhere(alike), FITTED).T
    return _fitted(view, moved, fit, rows, cols) or fit


def _fitted(
    view: View, moved: Moved, start: tuple[Vector, float], rows: Places, cols: Places
) -> tuple[Vector, float] | None:
    """Refine by places, more and more narrowly; None if few are left, or if they run away."""
    offset, depth = start
    for wrong in NARROWER_PX:
        z, dy, dx, inside = moved.at(rows, cols, offset)
        miss = view.image[rows, cols] - z + depth
        allowed = 2.5 * view.noise + wrong * np.hypot(dy, dx)
        used = inside & (np.abs(miss) < allowed)
        if np.count_nonzero(used) < 12:
            return None
        weight = ((1 - (miss[used] / allowed[used]) ** 2) / allowed[used]) ** 2
        design = np.stack([dy[used], dx[used], np.ones(np.count_nonzero(used))], axis=1)
        normal = (design * weight[:, None]).T @ design
        normal[:2, :2] += np.eye(2) * (DAMPING * np.trace(normal[:2, :2]) + 1e-300)  # along walls nothing is known
        change = np.linalg.solve(normal, -(design * weight[:, None]).T @ miss[used])
        offset, depth = offset + np.clip(change[:2], -0.5, 0.5), depth + float(change[2])
        if np.abs(offset - start[0]).max() > 1.5:
            return None
    return offset, depth


def evidence(
    view: View, moved: Moved, fit: tuple[Vector, float], places: NDArray[np.int64], *, textures: bool = False
) -> float:
    """Return roughly what `compared` would say of an offset and a depth, from some places, with or without textures."""
    offset, depth = fit
    z, dy, dx, inside = moved.at(places[:, 0], places[:, 1], offset)
    here = tuple(places.T)
    miss, allowed = view.image[here] - z + depth, 2.5 * view.noise + (FINE_PX + view.vague_px) * np.hypot(dy, dx)
    telling = inside & view.telling_at(places)
    agrees = telling & (np.abs(miss) <= allowed)
    equal = float(np.count_nonzero(agrees))
    beside = (np.count_nonzero(telling & (np.abs(miss) <= 3 * allowed)) - equal) / 2
    forbidden = np.count_nonzero(inside & (z - depth > view.ground + allowed) & (miss < -allowed))
    if textures and equal:
        alike = _alike_share(view, moved, offset, places[agrees])
        equal, beside = equal * alike, beside * alike
    return max(0.0, equal - beside) / (equal + beside + forbidden + NO_EVIDENCE * len(places))


def _alike_share(view: View, moved: Moved, offset: Vector, places: NDArray[np.int64]) -> float:
    """Return at which share of places the texture around them is that of where they may come from."""
    half = view.window // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].reshape(2, -1)
    planes, _ = np.linalg.qr(np.stack([np.ones(y.size), y, x], axis=1))
    places = _spread(places, WINDOWS)
    rows, cols = (np.clip(places[:, k, None] + step, 0, n - 1)
                  for k, step, n in zip((0, 1), (y, x), view.image.shape, strict=True))  # fmt: skip
    source = moved.heights(rows.ravel(), cols.ravel(), offset).reshape(rows.shape)
    left, texture = (np.mean(w * w, axis=1) - np.sum((w @ planes) ** 2, axis=1) / y.size
                     for w in (_level(view.image[rows, cols] - source), _level(source)))  # fmt: skip
    alike = (left < SAME_TEXTURE * texture + 1.6 * view.noise**2) & (texture > (2 * view.noise) ** 2)
    return float(np.mean(alike))


def _level(windows: Heights) -> Heights:
    return np.asarray(windows - windows.mean(axis=1, keepdims=True))


def _agreeing(view: View, move: tuple[int, int], depth: float, asked: Places) -> tuple[Places, Places]:
    """List the places that agree roughly at an offset of whole pixels."""
    from afmend.tip.ghost_kernels import roughly_equal

    close = np.empty(len(asked), dtype=np.bool_)
    settings = np.array([3 * view.noise, depth])
    roughly_equal(view.image, view.slope, view.good, asked, np.array(move), settings, close)
    rows, cols = _spread(asked[close], FITTED).T
    return rows, cols


def compared(view: View, moved: Moved, offset: Vector, depth: float) -> Match:
    """Compare all pixels at an offset, to within a few scales of noise; return the scale that says most."""
    parts = _parts(view, moved, offset, depth)
    scales = [math.sqrt(2) * view.noise / 2**k for k in range(SCALES)]
    return max((_agreement(view, offset, depth, parts, scale) for scale in scales), key=lambda one: one.score)


def _parts(view: View, moved: Moved, offset: Vector, depth: float) -> Parts:
    """Compare an image with itself, moved and lowered."""
    from scipy.ndimage import minimum_filter

    z, slope, known = moved.whole(offset)
    known = known & view.good
    miss = view.image - z + depth
    inner = minimum_filter(known, view.window, mode="constant", cval=False)  # beyond, edges look like texture
    return Parts(z, slope, inner, known, miss, texture_of(miss, view.window), texture_of(z, view.window))


def agreeing(view: View, moved: Moved, match: Match) -> Places:
    """List the pixels, (n, 2), that agree at a match: all that speaks for it."""
    parts = _parts(view, moved, match.offset_px, match.depth_nm)
    return np.argwhere(_equal(view, match.offset_px, match.depth_nm, parts, match.misfit_nm)[0])


def _equal(view: View, offset: Vector, depth: float, seen: Parts, scale: float) -> tuple[Mask, Places]:
    """Return which pixels agree, and the counts of `agreement`."""
    from afmend.tip.ghost_kernels import agreement

    shape = seen.miss.shape
    equal, low, counts = np.empty(shape, dtype=np.bool_), np.empty(shape, dtype=np.bool_), np.empty(5, dtype=np.int64)
    rows, cols = sources_of(shape, offset)
    settings = np.array([scale, FINE_PX + view.vague_px, view.ground, SAME_TEXTURE])
    agreement(seen.miss, seen.moved - depth, seen.slope, seen.known, seen.inner, seen.left, seen.texture, rows, cols,
              settings, equal, low, counts)  # fmt: skip
    return equal, counts


def _agreement(view: View, offset: Vector, depth: float, seen: Parts, scale: float) -> Match:
    from scipy.ndimage import label

    equal, counts = _equal(view, offset, depth, seen, scale)
    areas = np.bincount(label(equal, structure=np.ones((3, 3)))[0].ravel())[1:]
    features = int(np.sum(1 + areas[areas >= FEATURE_PX] // 64))  # a long wall counts more than once
    # A ghost has no ghost of its own: what is one of one is none, nor is the other. At other depths: a lattice, on a
    # slope or so.
    count, chained, beside, repeated, forbidden = (float(k) for k in counts)
    beside, chained = beside / 2, 2 * chained
    score = max(0.0, count - chained - beside) / (count + beside + repeated + forbidden + NO_EVIDENCE * seen.miss.size)
    return Match(offset, depth, float(score * min(1.0, features / ENOUGH_FEATURES)), features, scale)


def best_match(view: View, starts: list[tuple[tuple[int, int], float]]) -> Match | None:
    """Return the offset and depth, near one of the starts (the best first), at which an image repeats itself best."""
    moved, best = Moved(view), None
    asked, places = (_spread(np.argwhere(mask), count) for mask, count in ((view.telling, ASKED),
                                                                            (view.good, PLACES)))  # fmt: skip
    fits = [fit for start, depth in starts if (fit := refined(view, moved, start, depth, asked)) is not None]
    fits = [fit for fit in fits if fit[1] >= view.shallowest and math.hypot(*fit[0]) >= CLOSEST_PX]
    fits = [fit for fit in fits if not is_period(view.alike, fit[0])]
    ranked = (
        sorted(fits, key=lambda fit: -evidence(view, moved, fit, places, textures=True)),
        sorted(fits, key=lambda fit: -evidence(view, moved, fit, places)),
        fits,
    )
    chosen = {id(fit): fit for way in ranked for fit in way[:COMPARED]}
    for fit in chosen.values():
        if best is not None and best.score >= BEYOND_DOUBT:
            break
        one = compared(view, moved, *polished(view, moved, fit))
        if best is not None and one.score <= best.score:
            continue
        if one.score > 0.05:  # what repeats itself both ways is no ghost
            back = compared(view, moved, -one.offset_px, one.depth_nm)
            one = replace(one, score=one.score * max(0.0, 1 - 2 * back.score / one.score))
        if best is None or one.score > best.score:
            best = one
    return best
