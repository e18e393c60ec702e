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

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask
from afmend.tip.features import noise_nm

Vector = NDArray[np.float64]
CLOSEST_PX, FARTHEST_PX = 4.0, 32
PLACES, CANDIDATES, FITTED, COMPARED = 6000, 30, 3000, 8
"""Pixels that vote, offsets that are refined, pixels that refine one, offsets at which all pixels are compared."""
SHALLOWEST = 0.015
"""Least depth of a second apex, of the range of heights."""
LEAST_RANGE = 1e-4
"""Noise is taken to be at least this share of the range: rounding, and what interpolation misses."""
TEXTURE_SIGMAS = 1.6
"""A window tells something if what no plane explains in it is so many sigmas."""
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
BLUR_PX = 1.0
DETAIL_PX = 3.0
"""What is longer than this (sigma) is taken off before an image is correlated with itself."""
PERIOD = 0.75
"""A ghost has no ghost of its own: at its offset details correlate by one half at most, at a period of the sample by
one."""
BEYOND_DOUBT = 0.5
"""From this score on no other offset is compared."""
NEAR_PERIOD_PX, DIP = 3, 0.3
"""A period is so near; on the way there the correlation is lower by this at least."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An image, prepared: texture, slopes, the noise that may blur an agreement."""

    image: Heights
    good: Mask
    noise: float
    ground: float
    range_nm: float
    texture: Heights
    slope: Heights
    window: int
    vague_px: float

    @property
    def telling(self) -> Mask:
        """Where texture stands out of the noise."""
        out: Mask = self.good & (self.texture > (TEXTURE_SIGMAS * self.noise) ** 2)
        return out

    @property
    def shallowest(self) -> float:
        """The least depth that is looked for, nm."""
        return max(SHALLOWEST * self.range_nm, self.noise)


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


def view_of(image: Heights, good: Mask, *, blurred: bool = False) -> View | None:
    """Prepare an image; None if it is flat."""
    from scipy.ndimage import gaussian_filter

    noise, window = noise_nm(image, good), 5
    low, ground, high = np.quantile(image[good], (0.001, 0.01, 0.999)) if good.any() else (0.0, 0.0, 0.0)
    if not high > low:
        return None
    if blurred:
        image, window, noise = gaussian_filter(image, BLUR_PX), 7, noise / (2 * math.sqrt(math.pi) * BLUR_PX)
    span = float(high - low)
    rise = np.gradient(gaussian_filter(image, 0.7))
    return View(
        image, good, max(noise, LEAST_RANGE * span), float(ground) + 0.02 * span, span, texture_of(image, window),
        np.hypot(*rise), window, 0.15 * BLUR_PX if blurred else 0.0,
    )  # fmt: skip


def texture_of(image: Heights, window: int) -> Heights:
    """Return the mean square of what a plane leaves unexplained in windows of a side in pixels, nm^2."""
    from scipy.ndimage import correlate1d

    z, k = image - float(np.mean(image)), np.arange(window) - window // 2
    flat, ramp = np.full(window, 1 / window), k / window
    lines = correlate1d(z, flat, 1)
    square = correlate1d(correlate1d(z * z, flat, 1), flat, 0)
    tilt = correlate1d(lines, ramp, 0) ** 2 + correlate1d(correlate1d(z, ramp, 1), flat, 0) ** 2
    left: Heights = np.maximum(square - correlate1d(lines, flat, 0) ** 2 - tilt / float(np.mean(k * k)), 0.0)
    return left


def correlation(view: View, far: int) -> Heights:
    """Return how an image's details correlate with themselves at offsets up to ``far`` pixels, freed of noise."""
    from scipy.fft import irfft2, next_fast_len, rfft2
    from scipy.ndimage import gaussian_filter

    detail = np.where(view.good, view.image - gaussian_filter(view.image, DETAIL_PX), 0.0)
    detail[view.good] -= float(np.mean(detail[view.good]))
    size = [next_fast_len(n + far) for n in detail.shape]
    sums, counts = (irfft2(np.abs(rfft2(z, size)) ** 2, size) for z in (detail, view.good.astype(np.float64)))
    lags = np.arange(-far, far + 1)
    chosen = np.ix_(lags, lags)
    noise = min(view.noise**2, 0.5 * sums[0, 0] / max(counts[0, 0], 1.0))
    out: Heights = (
        sums[chosen] / np.maximum(counts[chosen], 1.0) / (sums[0, 0] / max(counts[0, 0], 1.0) - noise + 1e-300)
    )
    return out


def is_period(alike: Heights, offset: Vector) -> bool:
    """Whether near an offset the details of an image repeat themselves altogether; ``alike`` is their correlation.

    Nearer to the middle they must repeat themselves less: smooth images do so everywhere.
    """
    from scipy.ndimage import map_coordinates

    far, distance = alike.shape[0] // 2, math.hypot(*offset)
    row, col = (int(np.clip(round(float(k)), -far, far)) + far for k in offset)
    reach = NEAR_PERIOD_PX
    around = alike[max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1]
    shares = np.linspace(0, 1, 2 * math.ceil(distance) + 1)
    between = map_coordinates(alike, [shares * float(k) + far for k in offset], order=1, mode="nearest")
    return bool(around.max() > max(PERIOD, between.min() + DIP))


def candidates(view: View) -> list[tuple[tuple[int, int], float]]:
    """Return offsets in whole pixels, and for each the depth on which most pixels agree; the best first."""
    from afmend.tip.ghost_kernels import vote
    from afmend.tip.morphology_kernels import in_bands

    telling, far = view.telling, min(FARTHEST_PX, min(view.image.shape) // 3)
    places = np.argwhere(view.good)
    if np.count_nonzero(telling) < 30 or far < CLOSEST_PX:
        return []
    if len(places) > PLACES:
        places = places[np.linspace(0, len(places) - 1, PLACES).astype(np.int64)]
    step = max(view.noise, view.range_nm / 1000)
    # The last two: votes wider than this say nothing, and how much agreement weighs as much as none.
    settings = np.array([step, view.range_nm // step + 2, view.ground, 0.04 * view.range_nm + 3 * view.noise,
                         0.01 * len(places)])  # fmt: skip
    allowed = 2 * view.noise + COARSE_PX * view.slope
    scores, depths = np.zeros((2 * far + 1,) * 2), np.zeros((2 * far + 1,) * 2)
    along = _line_direction(view)

    def work(first: int, last: int) -> None:
        score = np.zeros(1)
        for i in range(first - far, last - far):
            for j in range(-far, far + 1):
                aside = 0.0 if along is None else abs(i * along[0] + j * along[1])
                if math.hypot(i, j) >= CLOSEST_PX - 0.7 and aside <= 1.0:
                    steps = vote(view.image, telling, view.good, allowed, places, np.array([i, j]), settings, score)
                    scores[i + far, j + far], depths[i + far, j + far] = score[0], steps * step

    in_bands(work, 2 * far + 1, scores.size * len(places))
    found: list[tuple[tuple[int, int], float]] = []
    while len(found) < CANDIDATES and scores.max() > 0:
        row, col = (int(k) for k in np.unravel_index(int(np.argmax(scores)), scores.shape))
        found.append(((row - far, col - far), float(depths[row, col])))
        scores[max(0, row - 1) : row + 2, max(0, col - 1) : col + 2] = 0
    return found


def _line_direction(view: View) -> tuple[float, float] | None:
    """Return along which direction nothing changes (lines of a grating); None if there is none."""
    slopes = np.stack([np.asarray(np.gradient(view.image, axis=k))[view.good] for k in (0, 1)])
    size, axes = np.linalg.eigh(slopes @ slopes.T)
    return (float(axes[0, 0]), float(axes[1, 0])) if size[0] < ONE_WAY * size[1] else None


class Moved:
    """An image between its pixels."""

    def __init__(self, view: View) -> None:
        from scipy.ndimage import spline_filter

        self._view, self._knots = view, spline_filter(view.image, 3)
        self._rise = np.gradient(view.image)

    def at(self, rows: Vector, cols: Vector, offset: Vector) -> tuple[Vector, Vector, Vector, Mask]:
        """Return heights and slopes at places minus an offset, and which of them lie in the image."""
        z, here, inside = self._heights(rows, cols, offset)
        dy, dx = (_between(np.asarray(part), here, order=1) for part in self._rise)
        return z, dy, dx, inside

    def whole(self, offset: Vector) -> tuple[Heights, Heights, Mask]:
        """Return the moved image, its slope, and where it is known."""
        rows, cols = (np.asarray(k, dtype=np.float64) for k in np.indices(self._view.image.shape))
        z, here, inside = self._heights(rows, cols, offset)
        near = [np.clip(np.round(k), 0, n - 1).astype(np.intp)
                for k, n in zip(here, self._view.image.shape, strict=True)]  # fmt: skip
        return z, np.hypot(*np.gradient(z)), inside & self._view.good[near[0], near[1]]

    def _heights(self, rows: Vector, cols: Vector, offset: Vector) -> tuple[Vector, Vector, Mask]:
        here = np.stack([rows - offset[0], cols - offset[1]])
        ny, nx = self._view.image.shape
        inside = (here[0] >= 1) & (here[1] >= 1) & (here[0] <= ny - 2) & (here[1] <= nx - 2)
        return _between(self._knots, here, order=3), here, inside


def _between(knots: Heights, here: Vector, order: int) -> Vector:
    from scipy.ndimage import map_coordinates

    out: Vector = map_coordinates(knots, here, order=order, prefilter=False, mode="nearest")
    return out


def refined(view: View, moved: Moved, start: tuple[int, int], depth: float) -> tuple[Vector, float, float] | None:
    """Return offset, depth and how much agrees, by reweighted least squares; None if they run away."""
    rows, cols = _agreeing(view, start, depth)
    offset = np.array(start, dtype=np.float64)
    used = np.zeros(rows.size, dtype=np.bool_)
    for wrong in NARROWER_PX:
        z, dy, dx, inside = moved.at(rows, cols, offset)
        miss = view.image[rows.astype(np.intp), cols.astype(np.intp)] - z + depth
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
        if np.abs(offset - start).max() > 1.5:
            return None
    return offset, depth, float(np.count_nonzero(used))


def _agreeing(view: View, move: tuple[int, int], depth: float) -> tuple[Vector, Vector]:
    """List the telling pixels that agree roughly at an offset of whole pixels."""
    rows, cols = np.nonzero(view.telling)
    i, j = rows - move[0], cols - move[1]
    inside = (i >= 0) & (j >= 0) & (i < view.image.shape[0]) & (j < view.image.shape[1])
    rows, cols, i, j = (k[inside] for k in (rows, cols, i, j))
    rough = 3 * view.noise + 1.2 * view.slope[i, j]
    close = (np.abs(view.image[rows, cols] - view.image[i, j] + depth) < rough) & view.good[i, j]
    rows, cols = rows[close], cols[close]
    if rows.size > FITTED:
        kept = np.linspace(0, rows.size - 1, FITTED).astype(np.intp)
        rows, cols = rows[kept], cols[kept]
    return rows.astype(np.float64), cols.astype(np.float64)


def compared(view: View, moved: Moved, offset: Vector, depth: float) -> Match:
    """Compare all pixels at an offset, to within a few scales of noise; return the scale that says most."""
    from scipy.ndimage import minimum_filter

    z, slope, known = moved.whole(offset)
    known = known & view.good
    miss = view.image - z + depth
    inner = minimum_filter(known, view.window, mode="constant", cval=False)  # beyond, edges look like texture
    textures = texture_of(miss, view.window), texture_of(z, view.window)
    scales = [math.sqrt(2) * view.noise / 2**k for k in range(SCALES)]
    found = [_agreement(view, offset, depth, (z, slope, known, inner, miss, *textures), scale) for scale in scales]
    return max(found, key=lambda one: one.score)


def _agreement(
    view: View, offset: Vector, depth: float, parts: tuple[Heights, Heights, Mask, Mask, Heights, Heights, Heights],
    scale: float,
) -> Match:  # fmt: skip
    from scipy.ndimage import label

    z, slope, known, inner, miss, left, texture = parts
    allowed = 2.5 * scale + (FINE_PX + view.vague_px) * slope
    from_ghost = moved_mask(miss <= allowed, offset)
    alike = inner & (texture > (2 * scale) ** 2) & (left < SAME_TEXTURE * texture + 1.6 * scale**2)
    equal = alike & (np.abs(miss) <= allowed)
    beside = np.count_nonzero(alike & ~equal & (np.abs(miss) <= 3 * allowed)) / 2
    repeated = np.count_nonzero(alike & (np.abs(miss) > 3 * allowed))  # at other depths: a lattice, on a slope or so
    forbidden = np.count_nonzero(known & (z - depth > view.ground + allowed) & (miss < -allowed) & ~from_ghost)
    areas = np.bincount(label(equal)[0].ravel())[1:]
    features = int(np.sum(1 + areas[areas >= FEATURE_PX] // 64))  # a long wall counts more than once
    # A ghost has no ghost of its own: what is one of one is none, nor is the other.
    count, chained = np.count_nonzero(equal), 2 * np.count_nonzero(equal & moved_mask(equal, offset))
    score = max(0.0, count - chained - beside) / (count + beside + repeated + forbidden + NO_EVIDENCE * miss.size)
    return Match(offset, depth, float(score * min(1.0, features / ENOUGH_FEATURES)), features, scale)


def moved_mask(mask: Mask, offset: Vector) -> Mask:
    """Move a mask by an offset, rounded to whole pixels."""
    rows, cols = (np.clip(np.round(np.arange(n) - move), 0, n - 1).astype(np.intp)
                  for n, move in zip(mask.shape, offset, strict=True))  # fmt: skip
    out: Mask = mask[np.ix_(rows, cols)]
    return out


def best_match(view: View) -> Match | None:
    """Return the offset and depth at which an image repeats itself best; None if nowhere."""
    moved, best = Moved(view), None
    alike = correlation(view, min(FARTHEST_PX, min(view.image.shape) // 3))
    fits = [fit for start, depth in candidates(view) if (fit := refined(view, moved, start, depth)) is not None]
    fits = [fit for fit in fits if fit[1] >= view.shallowest and math.hypot(*fit[0]) >= CLOSEST_PX]
    fits = [fit for fit in fits if not is_period(alike, fit[0])]
    for offset, depth, _ in sorted(fits, key=lambda fit: -fit[2])[:COMPARED]:
        if best is not None and best.score >= BEYOND_DOUBT:
            break
        one = compared(view, moved, offset, depth)
        if best is not None and one.score <= best.score:
            continue
        if one.score > 0.05:  # what repeats itself both ways is no ghost
            back = compared(view, moved, -offset, depth)
            one = replace(one, score=one.score * max(0.0, 1 - 2 * back.score / one.score))
        if best is None or one.score > best.score:
            best = one
    return best
