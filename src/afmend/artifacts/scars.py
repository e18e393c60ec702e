"""Scars: short wrong stretches along the fast axis, one to a few lines wide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.components import components_of, find_components
from afmend.artifacts.runs import Runs, find_runs, paint_runs
from afmend.artifacts.scar_guards import repeating, seen_both_ways
from afmend.artifacts.scar_score import Map, filled_from_lines, line_steps, local_noise, smooth_along_lines
from afmend.leveling.features import median
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Mask

if TYPE_CHECKING:
    from afmend.artifacts.band_kernels import Rule

ROUNDS = 4
"""How often the detector looks again beside stronger scars."""
DECOY_SIDES = (768, 256)
"""Across the lines, the middle of the image tells enough: so many lines of so many pixels."""
DECOY_SHARE, DECOY_QUANTILE, DECOY_MARGIN = 0.2, 0.95, 2.0
"""From which share of the marks on, "scars" across the lines count, which of them a mark must beat, and how clearly."""
OVERLAP_SHARPNESS = 0.7
"""Scars that lie on each other are wide like features, so they must be sharper."""
LONG = 40
"""A scar of so many pixels may touch another one along its line."""


class Scars(Params):
    """Mark scars: stretches along the fast axis that stand out from the lines above and below."""

    polarity: Literal["both", "positive", "negative"] = Knob(
        "both", "Scars above the surface (positive), below it (negative), or both."
    )
    hard: float = Knob(
        5.0, "Mean height over the local noise of the shortest scar (longer ones need less); larger marks less.",
        unit="sigma", gt=0, le=100, step=0.1, recommended=(4, 8),
    )  # fmt: skip
    soft: float = Knob(
        2.2, "Height over the local noise at which a pixel may continue a scar.",
        unit="sigma", ge=0, le=100, step=0.1, recommended=(1.5, 4),
    )  # fmt: skip
    min_length: int = Knob(
        10, "Shorter stretches are dropped; below 9 small particles are taken for scars.",
        unit="px", ge=1, le=100_000, recommended=(10, 32),
    )  # fmt: skip
    max_width: int = Knob(
        4,
        "Widest scar in lines; 6 also finds scars that touch, and spares fewer features.",
        ge=1,
        le=16,
        recommended=(2, 6),
    )
    sharpness: float = Knob(
        0.5, "Share of a scar's height that must be gained within one line; larger spares more features.",
        ge=0, le=1, step=0.05, recommended=(0.3, 0.7), advanced=True,
    )  # fmt: skip


@step("mark.scars", Scars, version="3")
def scars(field: Field, params: Scars) -> Found:
    """Mark scars of one to ``max_width`` lines, of both polarities.

    Lines are quietened by a running median of nine pixels along the fast axis, freed of their offsets, and every
    band of 1 to ``max_width`` lines is compared with the lines above and below it, in units of the local noise.
    Runs grow from ``hard`` to ``soft``; what is gained over several lines (bumps), continues one line
    further (fibers, steps), or repeats regularly (gratings) is left alone. The same search across the lines, where no
    scar can be, tells how convincing mere structure looks in this scan: marks that are no better are dropped. Where
    the other scan direction was recorded, what it shows as well is surface and left alone, too.

    Not for scans with features thinner than ``max_width`` lines that lie exactly along the fast axis: turn the
    scan by some degrees, or draw them as an exclusion.
    """
    from afmend.artifacts.scar_kernels import changed_boxes, fill_taken, take_strongest

    rows, cols = field.shape
    usable = field.usable
    quiet = _normalized(field) if rows >= 3 and cols >= params.min_length and usable.any() else None
    if quiet is None:
        return Found(np.zeros(field.shape, dtype=np.bool_), "scar", facts={"scars": 0})
    width = min(params.max_width, rows - 2)
    offsets, ground = _without_offsets(quiet, width)
    seen = ground.copy() if field.opposite is not None else ground
    noise = local_noise(ground, usable)
    found, taken = np.zeros(field.shape, dtype=np.bool_), np.zeros(field.shape, dtype=np.bool_)
    room, proof = np.zeros(field.shape, dtype=np.float32), np.empty(field.shape, dtype=np.float32)
    allowed = usable.copy()
    candidates, scores = _candidates(ground, noise, allowed, params, width)
    for turn in range(ROUNDS):
        marks = _judged(candidates, scores, ground, allowed, params, width)
        # What stands beside a stronger scar may be its echo: mend the strongest ones and look again.
        if take_strongest(*marks, width + 4, room, taken, found, proof, allowed) == 0:
            break
        boxes = changed_boxes(marks.runs, taken, width)
        fill_taken(ground, marks.runs, taken)
        if turn + 1 < ROUNDS:
            candidates = _candidates_again(ground, noise, allowed, params, width, scores, candidates, boxes)
    found &= ~_no_better_than_across(found, proof, (quiet, offsets), usable, params)
    found |= _touching(found, ground, noise, usable & ~found, params)
    spared = 0
    if field.opposite is not None and found.any():
        other = _normalized(Field(field.opposite, field.opposite_excluded))
        if other is not None:
            surface = seen_both_ways(found, seen, _without_offsets(other, width)[1], field.opposite_excluded)
            spared, found = _count(surface), found & ~surface
    return Found(found, "scar", facts={"scars": _count(found), "spared_by_opposite": spared})


def _no_better_than_across(found: Mask, proof: Map, level: tuple[Map, Map], usable: Mask, params: Scars) -> Mask:
    """Find the marks whose evidence is below that of most "scars" of the image turned by a quarter.

    If those are few beside the marks, the structure of the sample does not look like scars, and all marks stand.
    ``level`` are heights and offsets of the lines.
    """
    from afmend.artifacts.scar_kernels import turned

    rows, cols = found.shape
    if not found.any() or cols < 3 or rows < params.min_length:
        return np.zeros_like(found)
    width = min(params.max_width, cols - 2)
    middle = [
        ((n - min(n, most)) // 2, (n + min(n, most)) // 2) for n, most in zip((rows, cols), DECOY_SIDES, strict=True)
    ]
    allowed = usable[slice(*middle[0]), slice(*middle[1])]
    if 2 * np.count_nonzero(allowed) < allowed.size:  # too little was measured there
        middle, allowed = [(0, rows), (0, cols)], usable
    allowed = np.ones(allowed.shape[::-1], dtype=np.bool_) if allowed.all() else np.ascontiguousarray(allowed.T)
    _, ground = _without_offsets(turned(*level, *middle), width)
    noise = local_noise(ground, allowed)
    few = DECOY_SHARE * np.count_nonzero(found) / found.size
    candidates, scores = _candidates(ground, noise, allowed, params, width)
    if np.sum(candidates[:, 3] - candidates[:, 2]) / ground.size < few:
        return np.zeros_like(found)
    marks = _judged(candidates, scores, ground, allowed, params, width)
    mask, evidence = marks.paint(ground.shape)
    if np.count_nonzero(mask) / mask.size < few:
        return np.zeros_like(found)
    parts = find_components(found, diagonal=False)
    best = np.zeros(parts.area.size, dtype=np.float32)
    np.maximum.at(best, parts.labels[found], proof[found])
    return parts.paint(best <= DECOY_MARGIN * np.quantile(evidence[mask], DECOY_QUANTILE))


def _without_offsets(quiet: Map, width: int) -> tuple[Map, Map]:
    """Return the offsets of the lines, (rows, 1) and blind to scars, and the smoothed heights without them."""
    smooth = smooth_along_lines(quiet)
    offsets = np.concatenate(([0.0], np.cumsum(line_steps(smooth, width))))[:, None].astype(np.float32)
    return offsets, np.subtract(smooth, offsets, out=smooth)


def _touching(found: Mask, ground: Map, noise: Map, usable: Mask, params: Scars) -> Mask:
    """Find what continues a long scar along its line: where scars lie on each other they are wider than one."""
    import cv2

    from afmend.artifacts.band_kernels import any_begins, any_goes_on

    strict = params.model_copy(update={"sharpness": max(params.sharpness, OVERLAP_SHARPNESS)})
    width = min(2 * params.max_width, found.shape[0] - 2)
    runs = find_runs(found)
    long = np.array(runs.keep(runs.length >= LONG))
    around = (ground, noise, usable, width, long)
    if not (any_goes_on(*around, params.min_length, 0.4 * params.hard) and any_begins(*around, _rule(strict))):
        return np.zeros_like(found)
    wide, _ = _search(ground, noise, usable, strict, width).paint(ground.shape)
    near = cv2.dilate(paint_runs(Runs(*long), found.shape).view(np.uint8), np.ones((1, 5), dtype=np.uint8))
    parts = find_components(wide)
    touched = np.zeros(parts.area.size, dtype=np.bool_)
    touched[parts.labels[near.view(np.bool_) & wide]] = True
    return parts.paint(touched)


class _Marks(NamedTuple):
    """Scars: runs as (row, start, stop) of each, (3, runs), and their evidence, see `guard_kernels.evidence`."""

    runs: NDArray[np.int64]
    evidence: NDArray[np.float32]

    def paint(self, shape: tuple[int, ...]) -> tuple[Mask, Map]:
        """Return a mask of the scars and a map of their evidence."""
        from afmend.artifacts import run_kernels as kernels

        mask, evidence = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.float32)
        row, start, stop = self.runs
        kernels.paint(mask, row, start, stop, np.ones(self.evidence.size, dtype=np.bool_))
        kernels.paint(evidence, row, start, stop, self.evidence)
        return mask, evidence


def _rule(params: Scars) -> Rule:
    return (params.hard, np.float32(params.soft), params.min_length, np.float32(params.sharpness))


def _search(ground: Map, noise: Map, allowed: Mask, params: Scars, width: int) -> _Marks:
    """Find the scars of up to ``width`` lines on both sides of the surface, or on the one that is asked for."""
    candidates, scores = _candidates(ground, noise, allowed, params, width)
    return _judged(candidates, scores, ground, allowed, params, width)


def _candidates(
    ground: Map, noise: Map, allowed: Mask, params: Scars, width: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """See `band_kernels.candidates`; also return the scores of each side."""
    from afmend.artifacts.band_kernels import candidates
    from afmend.compiled import by_halves

    scores = np.empty((2, *ground.shape), dtype=np.float32)
    rule = _rule(params)
    (both,) = by_halves(
        lambda first, stop: (candidates(ground, noise, allowed, width, rule, first, stop, scores),), ground.shape[0]
    )
    return both, scores


def _candidates_again(
    ground: Map,
    noise: Map,
    allowed: Mask,
    params: Scars,
    width: int,
    scores: NDArray[np.float32],
    before: NDArray[np.int64],
    boxes: NDArray[np.int64],
) -> NDArray[np.int64]:
    """See `band_kernels.candidates_again`."""
    from afmend.artifacts.band_kernels import candidates_again
    from afmend.compiled import by_halves

    rule = _rule(params)
    (both,) = by_halves(
        lambda first, stop: (
            candidates_again(ground, noise, allowed, width, rule, first, stop, scores, before, boxes),
        ),
        ground.shape[0],
    )
    return both


def _judged(
    both: NDArray[np.int64],
    scores: NDArray[np.float32],
    ground: Map,
    allowed: Mask,
    params: Scars,
    width: int,
) -> _Marks:
    """Keep the candidates that no guard takes for structure of the sample."""
    from afmend.artifacts import guard_kernels as guards

    mask = np.zeros(ground.shape, dtype=np.bool_)
    found = [_Marks(np.zeros((3, 0), dtype=np.int64), np.zeros(0, dtype=np.float32))]
    for side in {"both": (0, 1), "positive": (0,), "negative": (1,)}[params.polarity]:
        runs = guards.of_side(both, side)
        runs = guards.not_connected(runs, mask, ground, scores[side], np.float32(1 - 2 * side), width)
        guards.mark(mask, runs, True)
        if areas := repeating(Runs(*runs), mask):
            for area in areas:
                mask[area] = False
            runs = np.array(find_runs(mask))
        parts = guards.not_crowded(runs, mask, allowed)
        guards.mark(mask, runs, False)
        found.append(_Marks(parts, guards.evidence(parts, scores[side])))
    return _Marks(*(np.concatenate(arrays, axis=-1) for arrays in zip(*found, strict=True)))


def _normalized(field: Field) -> Map | None:
    """Heights around 0 in units of their typical step between lines, as float32; None for a constant image."""
    from afmend.artifacts.scar_kernels import scaled

    heights = field.heights
    sample = heights[:: max(1, heights.shape[0] // 128), :: max(1, heights.shape[1] // 128)].ravel()
    center = median(sample)
    spread = median(np.abs(sample - center))
    if not spread:
        spread = float(heights.max()) - float(heights.min())
        if not spread:
            return None
    quiet: Map = scaled(heights, center, 1.0 / spread)
    return filled_from_lines(quiet, field.excluded) if field.excluded.any() else quiet


def _count(mask: Mask) -> int:
    return int(components_of(find_runs(mask), diagonal=False).max(initial=0))
