"""Scars: short wrong stretches along the fast axis, one to a few lines wide."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.components import components_of, find_components
from afmend.artifacts.runs import Runs, bridge, find_runs, paint_runs, run_sums, runs_above
from afmend.artifacts.scar_guards import Scored, continuing, crowded, repeating, seen_both_ways, staircases
from afmend.artifacts.scar_score import Map, filled_from_lines, line_steps, local_noise, smooth_along_lines
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Mask

ROUNDS = 4
"""How often the detector looks again beside stronger scars."""
DECOY_SIDES = (768, 256)
"""Across the lines, the middle of the image tells enough: so many lines of so many pixels."""
DECOY_SHARE, DECOY_QUANTILE, DECOY_MARGIN = 0.2, 0.95, 2.0
"""From which share of the marks on, "scars" across the lines count, which of them a mark must beat, and how clearly."""
OVERLAP_SHARPNESS = 0.7
"""Scars that lie on each other are wide like features, so they must be sharper."""
SHORT, LONG = 10, 40
"""A run of SHORT pixels needs the full height, one of LONG or more pixels needs less (noise averages out)."""


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
    from afmend.artifacts.scar_kernels import take_strongest

    rows, cols = field.shape
    usable = field.usable
    quiet = _normalized(field) if rows >= 3 and cols >= params.min_length and usable.any() else None
    if quiet is None:
        return Found(np.zeros(field.shape, dtype=np.bool_), "scar", facts={"scars": 0})
    width = min(params.max_width, rows - 2)
    offsets, ground = _without_offsets(quiet, width)
    seen = ground
    noise = local_noise(ground, usable)
    found = np.zeros(field.shape, dtype=np.bool_)
    proof = np.zeros(field.shape, dtype=np.float32)
    for _ in range(ROUNDS):
        marks, evidence = _both_polarities(ground, noise, usable & ~found, params, width)
        # What stands beside a stronger scar may be its echo: mend the strongest ones and look again.
        if take_strongest(marks, evidence, width + 4, found, proof) == 0:
            break
        ground = filled_from_lines(ground, marks)
    found &= ~_no_better_than_across(found, proof, quiet - offsets, usable, params)
    if _may_touch(found, ground, noise, usable & ~found, params):
        strict = params.model_copy(update={"sharpness": max(params.sharpness, OVERLAP_SHARPNESS)})
        wide, _ = _both_polarities(ground, noise, usable & ~found, strict, min(2 * width, rows - 2))
        found |= _touching(wide, found)
    spared = 0
    if field.opposite is not None and found.any():
        other = _normalized(Field(field.opposite, field.opposite_excluded))
        if other is not None:
            surface = seen_both_ways(found, seen, _without_offsets(other, width)[1], field.opposite_excluded)
            spared, found = _count(surface), found & ~surface
    return Found(found, "scar", facts={"scars": _count(found), "spared_by_opposite": spared})


def _no_better_than_across(found: Mask, proof: Map, level: Map, usable: Mask, params: Scars) -> Mask:
    """Find the marks whose evidence is below that of most "scars" of the image turned by a quarter.

    If those are few beside the marks, the structure of the sample does not look like scars, and all marks stand.
    """
    rows, cols = found.shape
    if not found.any() or cols < 3 or rows < params.min_length:
        return np.zeros_like(found)
    width = min(params.max_width, cols - 2)
    part = tuple(
        slice((n - min(n, most)) // 2, (n + min(n, most)) // 2)
        for n, most in zip((rows, cols), DECOY_SIDES, strict=True)
    )
    if 2 * np.count_nonzero(usable[part]) < usable[part].size:  # too little was measured there
        part = (slice(None), slice(None))
    _, ground = _without_offsets(np.ascontiguousarray(level[part].T), width)
    allowed = np.ascontiguousarray(usable[part].T)
    mask, evidence = _both_polarities(ground, local_noise(ground, allowed), allowed, params, width)
    if np.count_nonzero(mask) / mask.size < DECOY_SHARE * np.count_nonzero(found) / found.size:
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


def _may_touch(found: Mask, ground: Map, noise: Map, usable: Mask, params: Scars) -> bool:
    """Whether anything like a scar begins where a long one ends; `_touching` looks closer, at the whole image."""
    from afmend.artifacts.scar_kernels import any_goes_on

    runs = find_runs(found)
    long = runs.keep(runs.length >= LONG)
    width = min(2 * params.max_width, found.shape[0] - 2)
    return bool(any_goes_on(ground, noise, usable, width, *long, params.min_length, 0.4 * params.hard))


def _touching(wide: Mask, found: Mask) -> Mask:
    """Keep what continues a long scar along its line: where scars lie on each other they are wider than one."""
    import cv2

    runs = find_runs(found)
    long = paint_runs(runs.keep(runs.length >= LONG), found.shape)
    near = cv2.dilate(long.view(np.uint8), np.ones((1, 5), dtype=np.uint8)).astype(np.bool_)
    parts = find_components(wide)
    touched = np.zeros(parts.area.size, dtype=np.bool_)
    touched[parts.labels[near & wide]] = True
    return parts.paint(touched)


def _both_polarities(ground: Map, noise: Map, usable: Mask, params: Scars, width: int) -> tuple[Mask, Map]:
    """Mark scars; also tell the evidence (mean score times root of the length) of the scar of each marked pixel."""
    from afmend.artifacts import run_kernels as kernels
    from afmend.compiled import side_by_side

    signs = {"both": (1, -1), "positive": (1,), "negative": (-1,)}[params.polarity]
    found: dict[int, tuple[Runs, NDArray[np.float32]]] = {}

    def work(part: int, parts: int) -> None:
        for sign in signs[part::parts]:
            scored = Scored(ground, noise, width, sign)
            runs = _one_polarity(scored, usable, params)
            found[sign] = (runs, _evidence(runs, scored))

    side_by_side(work)
    mask = np.zeros(ground.shape, dtype=np.bool_)
    evidence = np.zeros(ground.shape, dtype=np.float32)
    for sign in signs:
        runs, proof = found[sign]
        kernels.paint(mask, *runs, np.ones(runs.row.size, dtype=np.bool_))
        kernels.paint(evidence, *runs, proof)
    return mask, evidence


def _evidence(runs: Runs, scored: Scored) -> NDArray[np.float32]:
    """Evidence for each run."""
    if runs.row.size == 0:
        return np.zeros(0, dtype=np.float32)
    # The lines of a scar share the evidence of the best of them, or it would be mended line by line.
    label = components_of(runs, diagonal=False)
    evidence = run_sums(scored.scores, runs) / np.sqrt(runs.length)
    best = np.zeros(runs.row.size + 1)
    np.maximum.at(best, label, evidence)
    return np.where(evidence > 0.6 * best[label], best[label], evidence).astype(np.float32)


def _normalized(field: Field) -> Map | None:
    """Heights around 0 in units of their typical step between lines, as float32; None for a constant image."""
    from afmend.artifacts.scar_kernels import scaled

    heights = field.heights
    sample = heights[:: max(1, heights.shape[0] // 128), :: max(1, heights.shape[1] // 128)]
    center = float(np.median(sample))
    spread = float(np.median(np.abs(sample - center)))
    if not spread:
        spread = float(heights.max()) - float(heights.min())
        if not spread:
            return None
    quiet: Map = scaled(heights, center, 1.0 / spread)
    return filled_from_lines(quiet, field.excluded) if field.excluded.any() else quiet


def _one_polarity(scored: Scored, usable: Mask, params: Scars) -> Runs:
    from afmend.artifacts.guard_kernels import sharp
    from afmend.artifacts.run_kernels import strong_runs

    scores, noise = scored.scores, scored.noise
    runs = runs_above(scores, noise, usable, params.soft)
    runs = bridge(Runs(*strong_runs(scores, noise, *runs, params.hard, SHORT, LONG)), 3)
    runs = runs.keep(runs.length >= params.min_length)
    runs = runs.keep(sharp(scored.ground, scores, *runs, scored.width, params.sharpness))
    runs = runs.keep(~continuing(paint_runs(runs, scores.shape), runs, scored))
    runs = runs.keep(~staircases(runs, scored.width))
    if runs.row.size == 0:
        return runs
    mask = paint_runs(runs, scores.shape)
    for area in repeating(runs, mask):
        mask[area] = False
    runs = find_runs(mask)
    runs = runs.keep(~crowded(mask, runs))
    if (run_sums(usable, runs) == runs.length).all():
        return runs
    return find_runs(paint_runs(runs, scores.shape) & usable)


def _count(mask: Mask) -> int:
    import cv2

    if not mask.any():
        return 0
    return int(cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0]) - 1
