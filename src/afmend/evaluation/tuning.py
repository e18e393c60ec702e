"""Choosing a recipe's leveling and filling for a user's own scans, by risks that need no truth.

Leveling is judged by *cross-prediction*: the leveled trace must predict the retrace, and the other way round. Noise of
the two directions is independent, so the expected error is that to the surface plus a constant. Filling is judged by
*hold-out risk*: holes of the scan's own shapes are cut from good pixels and filled. Never by smoothness, entropy or
similarity to the input, which reward doing too much or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.catalogue import find_step
from afmend.errors import AfmendError, StepError
from afmend.evaluation.metrics.compare import Estimate, paired_bootstrap
from afmend.evaluation.metrics.gauge import gauge_free_difference
from afmend.filling.holdout import move_holes
from afmend.fusion.registration import outside, register_lines, shifted, shifted_mask
from afmend.leveling.lines import medians, sorted_usable
from afmend.pipeline import Field, Recipe, StepUse
from afmend.recipes import check_recipe, mark
from afmend.scan import Channel, ChannelKey, Scan
from afmend.scan.arrays import Heights, Mask

AS_IS = "as it is"
BLOCK_LINES = 16
"""Lines judged together: neighboring lines are not independent."""
LEAST_INDEPENDENT = 0.4
"""Share of the jitter of lines that must differ between the directions (0.5 = all of it). Below it, cross-prediction is
not only blind: raw noise that both directions share makes the best method look the worst."""

LEVELINGS: dict[str, tuple[StepUse, ...]] = {
    "auto": (StepUse(step="level.auto"),),
    "auto, offsets only": (StepUse(step="level.auto", params={"line_model": "offset"}),),
    "auto, offsets and slopes": (StepUse(step="level.auto", params={"line_model": "offset_slope"}),),
    "auto, lines untouched": (StepUse(step="level.auto", params={"line_model": "none"}),),
    "auto, no shrinking": (StepUse(step="level.auto", params={"shrink": False}),),
    "median of differences": (
        StepUse(step="level.rows", params={"method": "median_difference"}), StepUse(step="level.plane"),
    ),
    "row medians": (StepUse(step="level.rows", params={"method": "median"}), StepUse(step="level.plane")),
    "row polynomials": (
        StepUse(step="level.rows", params={"method": "polynomial", "degree": 1}), StepUse(step="level.plane"),
    ),
}  # fmt: skip
"""Ways to level, beside the one of the recipe."""
FILLS: dict[str, tuple[StepUse, ...]] = {
    name: (StepUse(step=f"fill.{name}"),) for name in ("auto", "kriging", "biharmonic", "linear", "laplace")
}
"""Ways to fill, beside the one of the recipe."""


@dataclass(frozen=True, slots=True)
class Risk:
    """How one way compares with that of the recipe.

    Attributes
    ----------
    name : str
    relative : float
        Mean risk over that of the recipe's way; below 1 = better. NaN if it failed everywhere.
    against : Estimate or None
        Mean difference of the relative risks with its interval; below 0 = better beyond doubt if the interval is.
    failed : int
        Scans on which it could not be judged.
    """

    name: str
    relative: float
    against: Estimate | None
    failed: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the data say about one part of the recipe.

    Attributes
    ----------
    part : "leveling" or "filling"
    chosen : str
        Name of the way; "as it is" if the recipe's own stays.
    decided : bool
        False if the data cannot decide.
    reason : str
    risks : tuple of Risk
        Best first.
    scans : int
        On how many scans it could be judged.
    blocks : int
        On how many blocks of lines (leveling) or holes (filling).
    jitter_apart : float or None
        Of leveling: the share of the jitter of the lines that differs between the directions, 1 = all of it; the median
        of the scans.
    """

    part: str
    chosen: str
    decided: bool
    reason: str
    risks: tuple[Risk, ...] = ()
    scans: int = 0
    blocks: int = 0
    jitter_apart: float | None = None


@dataclass(frozen=True, slots=True)
class Tuned:
    """A recipe for the scans at hand, and why."""

    recipe: Recipe
    verdicts: tuple[Verdict, ...]


Blocks = NDArray[np.float64]
Judge = Callable[[Scan, ChannelKey, Recipe], Blocks]


def tune(scans: Sequence[Scan], recipe: Recipe, channel: str | ChannelKey | None = None) -> Tuned:
    """Choose leveling and filling for scans by cross-prediction and hold-out risk.

    Parameters
    ----------
    scans : sequence of Scan
        Of one kind: same sample, same instrument. More scans decide more.
    recipe : Recipe
        What is tuned: its ``level.*`` and ``fill.*`` steps may be replaced, all others stay.
    channel : str or ChannelKey, optional
        The topography if not given.

    Returns
    -------
    Tuned
        Where the data cannot decide, the recipe keeps what it has, and the verdict says why.

    Raises
    ------
    MissingChannelError, BadRecipeError

    Notes
    -----
    When not to use it: noise that both directions share (slow drift, hum locked to the lines, a jump of the tip) is
    worse than invisible to cross-prediction; unless nearly all jitter of the lines is independent, leveling is left
    undecided. 1/f noise of most instruments is shared by trace and retrace of a line. Candidates
    are few and fixed, so that choosing among them does not fit the noise.
    """
    keys = [(scan, scan.find(channel)) for scan in scans]
    pairs = [(scan, key) for scan, key in keys if scan.opposite(key) is not None]
    verdicts = []
    leveling = _level_verdict(pairs, recipe)
    verdicts.append(leveling)
    recipe = _with(recipe, "level.", LEVELINGS.get(leveling.chosen, ()))
    marked = [(found, key) for scan, key in keys if (found := _marked(scan, key, recipe)) is not None]
    filling = _verdict("filling", marked, recipe, "fill.", FILLS, _hold_out)
    verdicts.append(filling)
    recipe = _with(recipe, "fill.", FILLS.get(filling.chosen, ()))
    check_recipe(recipe)
    return Tuned(recipe, tuple(verdicts))


def _level_verdict(pairs: Sequence[tuple[Scan, ChannelKey]], recipe: Recipe) -> Verdict:
    if not pairs:
        return Verdict("leveling", AS_IS, False, "no scan has both trace and retrace")
    share = float(np.median([independent_share(scan, key) for scan, key in pairs]))
    jitter = min(2 * share, 1.0)
    if share < LEAST_INDEPENDENT:
        return Verdict(
            "leveling", AS_IS, False,
            f"of the jitter of the lines only {_percent(jitter)} differs between trace and retrace, "
            f"{_percent(2 * LEAST_INDEPENDENT)} must: the rest is surface or noise of both, and cannot be told apart",
            scans=len(pairs), jitter_apart=jitter,
        )  # fmt: skip
    verdict = _verdict("leveling", pairs, recipe, "level.", LEVELINGS, _cross_prediction)
    return replace(verdict, jitter_apart=jitter)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _verdict(
    part: str, keys: Sequence[tuple[Scan, ChannelKey]], recipe: Recipe, family: str,
    ways: dict[str, tuple[StepUse, ...]], judge: Judge,
) -> Verdict:  # fmt: skip
    """Judge the recipe's own way and all others on the same blocks; choose another only beyond doubt."""
    if not any(use.step.startswith(family) for use in recipe.steps):
        return Verdict(part, AS_IS, False, f"the recipe has no step {family}*")
    others = {name: _with(recipe, family, steps) for name, steps in ways.items()}
    candidates = {AS_IS: recipe, **{name: other for name, other in others.items() if other != recipe}}
    judged: dict[str, list[Blocks]] = {name: [] for name in candidates}
    for scan, key in keys:
        own = _tried(judge, scan, key, recipe)
        scale = float(np.nanmean(own)) if own is not None and np.isfinite(own).any() else 0.0
        for name, candidate in candidates.items():
            found = own if name == AS_IS else _tried(judge, scan, key, candidate)
            usable = found is not None and own is not None and found.shape == own.shape and scale > 0
            judged[name].append(found / scale if usable and found is not None else np.full(0, np.nan))
    found_risks = [_risk(name, judged) for name in candidates]
    risks = sorted(found_risks, key=lambda risk: (np.isnan(risk.relative), risk.relative))
    count = sum(int(np.isfinite(blocks).sum()) for blocks in judged[AS_IS])
    if count == 0:
        return Verdict(part, AS_IS, False, "nothing could be judged: no good pixels to compare, or no holes to try")
    known: dict[str, Any] = {
        "risks": tuple(risks),
        "scans": sum(bool(np.isfinite(b).any()) for b in judged[AS_IS]),
        "blocks": count,
    }
    best = risks[0]
    if _too_few(risks):
        return Verdict(part, AS_IS, False, f"{count} blocks are too few to decide: give more scans", **known)
    if best.name == AS_IS or best.against is None or not best.against.high < 0:
        return Verdict(part, AS_IS, best.name == AS_IS, _why(best, count), **known)
    gain = 100 * (1 - best.relative)
    return Verdict(part, best.name, True, f"{gain:.1f} % less risk on {count} blocks, beyond doubt", **known)


def _too_few(risks: Sequence[Risk]) -> bool:
    """Whether the best has no interval, or, if the recipe's own way is the best, none of the others has one."""
    compared = [risk.against for risk in risks if risk.against is not None]
    if risks[0].against is not None:
        compared = [risks[0].against]
    return bool(compared) and all(np.isnan(one.high) for one in compared)


def _why(best: Risk, count: int) -> str:
    if best.name == AS_IS:
        return f"nothing is better on {count} blocks"
    return (
        f"{best.name!r} looks {100 * (1 - best.relative):.1f} % better on {count} blocks, but its interval of times "
        "the risk holds 1"
    )


def _risk(name: str, judged: dict[str, list[Blocks]]) -> Risk:
    both = [(mine, own) for mine, own in zip(judged[name], judged[AS_IS], strict=True) if mine.size and own.size]
    failed = sum(own.size > 0 and mine.size == 0 for mine, own in zip(judged[name], judged[AS_IS], strict=True))
    if not both:
        return Risk(name, float("nan"), None, failed)
    mine, own = (np.concatenate(part) for part in zip(*both, strict=True))
    common = np.isfinite(mine) & np.isfinite(own)
    mine, own = mine[common], own[common]
    against = None if name == AS_IS else paired_bootstrap(mine, own, statistic="mean_difference")
    return Risk(name, float(mine.mean() / own.mean()), against, failed)


def _tried(judge: Judge, scan: Scan, key: ChannelKey, recipe: Recipe) -> Blocks | None:
    try:
        return judge(scan, key, recipe)
    except AfmendError:
        return None


def _with(recipe: Recipe, family: str, steps: tuple[StepUse, ...]) -> Recipe:
    """Return the recipe with its steps of a family replaced, at the place of the first; without ``steps`` as it is."""
    if not steps:
        return recipe
    out: list[StepUse] = []
    placed = False
    for use in recipe.steps:
        if not use.step.startswith(family):
            out.append(use)
        elif not placed:
            out.extend(steps)
            placed = True
    return recipe.model_copy(update={"steps": tuple(out)})


# ------------------------------------------------------------------ leveling
def independent_share(scan: Scan, key: ChannelKey) -> float:
    """Return which share of the jitter of the lines differs between the directions: 0 = none, 0.5 = all of it.

    The jitter of a direction is the series of the medians of differences between neighboring lines. Independent noise
    makes the two differ; surface and shared noise do not.
    """
    one, other = scan.channels[key], _opposite(scan, key)
    known = ~(one.holes | other.holes)
    paths = []
    for channel in (one, other):
        both = known[1:] & known[:-1]
        steps = medians(*sorted_usable(np.diff(channel.values.astype(np.float64), axis=0), both))
        paths.append(np.where(np.isfinite(steps), steps, 0.0))
    shared = np.var(paths[0] + paths[1]) / 4
    apart = np.var(paths[0] - paths[1]) / 4
    return float(apart / max(shared + apart, 1e-300))


def _opposite(scan: Scan, key: ChannelKey) -> Channel:
    other = scan.opposite(key)
    if other is None:
        raise StepError("the scan has no opposite direction", now="Take scans with trace and retrace.")
    return other


def _cross_prediction(scan: Scan, key: ChannelKey, recipe: Recipe) -> Blocks:
    """Return the mean squared error, nm^2, of predicting each direction from the other, in blocks of lines."""
    trace, retrace = (key, _opposite(scan, key).key) if key.direction == "trace" else (_opposite(scan, key).key, key)
    found = []
    leveled = {way: mark(scan, recipe, way).channels[way] for way in (trace, retrace)}
    good = ~(leveled[trace].holes | leveled[retrace].holes)
    first, second = (scan.channels[way].values.astype(np.float64) for way in (trace, retrace))
    shift = register_lines(first, second, good)
    for mine, raw, along in (
        (leveled[trace], second, shift.shift_px),
        (leveled[retrace], first, -shift.shift_px),
    ):
        moved = shifted(raw, along)
        lost = shifted_mask(~good, along) | outside(along) | ~good
        if lost.mean() > 0.9:
            raise StepError("too few pixels are good in both directions", now="Take better scans.")
        rest = gauge_free_difference(mine.values.astype(np.float64), moved, degree=2, usable=~lost)
        found.append(_blocks(np.square(rest), ~lost))
    return np.concatenate(found)


def _blocks(squares: Heights, good: Mask) -> Blocks:
    """Return means over blocks of lines; NaN for blocks with few good pixels, so that blocks keep their places."""
    out = []
    for start in range(0, squares.shape[0], BLOCK_LINES):
        part = good[start : start + BLOCK_LINES]
        enough = part.sum() > 0.2 * part.size
        out.append(float(squares[start : start + BLOCK_LINES][part].mean()) if enough else float("nan"))
    return np.array(out)


# ------------------------------------------------------------------ filling
def _marked(scan: Scan, key: ChannelKey, recipe: Recipe) -> Scan | None:
    """Return the scan leveled and marked, as it is before the first fill; None if a step fails on it."""
    try:
        return mark(scan, recipe, key)
    except AfmendError:
        return None


def _hold_out(scan: Scan, key: ChannelKey, recipe: Recipe) -> Blocks:
    """Return the mean squared error, nm^2, on each of a marked scan's own holes moved onto good pixels."""
    channel = scan.channels[key]
    holes = channel.holes
    if not holes.any():
        return np.zeros(0)
    use, *more = [use for use in recipe.steps if use.step.startswith("fill.")]
    if more:
        raise StepError("the recipe fills more than once", now="Keep one fill step.")
    found = find_step(use.step)
    params = found.params.parse(use.params, use.step)
    heights = channel.values.astype(np.float64)
    out = []
    for trial in move_holes(~holes, holes):
        part = heights[trial.window]
        field = Field(part, ~trial.known, scan.grid.pixel_nm, unit=channel.unit)
        filled: Any = found.kernel(field, params)
        error = filled.heights[trial.rows, trial.cols] - part[trial.rows, trial.cols]
        if filled.left_open is not None:
            error = error[~filled.left_open[trial.rows, trial.cols]]
        if error.size:
            out.append(float(np.mean(np.square(error))))
    return np.array(out)


def named(recipe: Recipe, name: str) -> Recipe:
    """Return the recipe under another name, with a word on where it is from."""
    said = f"{recipe.name}, tuned by `afmend tune`. {recipe.description}"
    return recipe.model_copy(update={"name": name, "description": said})
