"""Scores of ways to mark artifacts, on simulated scans and on scans that somebody labeled by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.evaluation.metrics.detectable import detectable
from afmend.evaluation.metrics.masks import false_marked_share, mask_overlap
from afmend.pipeline import Field
from afmend.scan import ChannelKey, Scan
from afmend.scan.arrays import Heights, Mask
from afmend.simulation.twin import simulate, twin_of

Marker: TypeAlias = Callable[[Field], Mask]
"""Anything that marks pixels of a field."""
LINES_AND_SCARS = ("scar", "streak", "bad_line")
"""What the seed paper's network marks: stretches of lines and whole lines."""
EVENTS = LINES_AND_SCARS
"""Masks of the twin whose change of the heights is known exactly: the scan can be simulated without them."""
_MISHAPS = ("scar", "streak", "bad_lines")
NOT_ASKED = ("lag", "line_jump", "tip_change", "offset")
"""The everyday lag of a loop, what leveling mends, and what another tip recorded: to mark it is neither right nor
wrong."""
JUMPS = ("line_jump", "tip_change")
"""From here on everything lies higher or lower. Which part of the line in which that happens is wrong is a matter of
view: one fits the lines above, the other those below."""
FEWEST_PX = 20


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One scan to mark, and what is known about it.

    Attributes
    ----------
    name, family : str
    field : Field
    wanted : (rows, cols) bool
        To be marked.
    counts : (rows, cols) bool
        Pixels about which something is known.
    clean : bool
        There is nothing to mark at all.
    """

    name: str
    family: str
    field: Field
    wanted: Mask
    counts: Mask
    clean: bool


def simulated(scan: Scan, kinds: Sequence[str] = LINES_AND_SCARS, *, seen_only: bool = False) -> Judged:
    """Return the trace of a simulated scan to mark some kinds of artifact in; pixels of other kinds do not count.

    Parameters
    ----------
    scan : Scan
        From `simulation.simulate`.
    kinds : sequence of str
        The twin's names.
    seen_only : bool
        Damage that no expert could see does not count either: see `detectable`, for scars, streaks and bad lines. Nor
        does what leveling may be misled to by a jump within a line: see `jumping_lines`.
    """
    key, other = ChannelKey("height", "trace"), ChannelKey("height", "retrace")
    channel, ideal = scan.channels[key], scan.channels[ChannelKey("ideal", "trace")]
    masks = ideal.masks.artifact
    wanted, rest, never = (
        _union(masks, channel.shape, chosen)
        for chosen in (kinds, [name for name in masks if name not in kinds], [n for n in masks if n not in NOT_ASKED])
    )
    counts = ~channel.missing & (wanted | ~_beside(rest))
    if seen_only:
        counts &= wanted | ~jumping_lines(masks, channel.shape)
    if seen_only and wanted.any():
        calm = without_events(scan).channels[key].values
        events = _union(masks, channel.shape, EVENTS)
        good = ~(channel.missing | _union(masks, channel.shape, [n for n in masks if n not in (*EVENTS, *NOT_ASKED)]))
        seen = detectable(np.asarray(channel.values - calm, np.float64), calm, events, good)
        counts &= ~seen.unsure
    opposite = scan.channels[other]
    field = Field(
        channel.values, channel.missing, scan.grid.pixel_nm, direction="trace", opposite=opposite.values,
        opposite_excluded=opposite.missing,
    )  # fmt: skip
    facts = scan.history[0]
    return Judged(
        str(facts.params["name"]), str(facts.params["surface"]["kind"]), field, wanted & counts, counts, not never.any()
    )


def jumping_lines(masks: Mapping[str, Mask], shape: tuple[int, int]) -> Mask:
    """Return the lines in which all that follows jumps to another height (see `JUMPS`), as a mask of whole lines."""
    jumping = _union(masks, shape, JUMPS).any(axis=1, keepdims=True)
    return np.broadcast_to(jumping, shape)


def without_events(scan: Scan) -> Scan:
    """Simulate a scan once more, without its scars, streaks and bad lines; all else, noise included, stays the same.

    Raises
    ------
    BadScanError
        If the scan was not simulated.
    """
    twin = twin_of(scan)
    kept = tuple(mishap for mishap in twin.mishaps if mishap.kind not in _MISHAPS)
    return scan if len(kept) == len(twin.mishaps) else simulate(twin.model_copy(update={"mishaps": kept}))


def _union(masks: Mapping[str, Mask], shape: tuple[int, int], names: Iterable[str]) -> Mask:
    out = np.zeros(shape, dtype=np.bool_)
    for name in names:
        if name in masks:
            out |= masks[name]
    return out


def _beside(mask: Mask) -> Mask:
    """Return the mask and one line above and below."""
    near = mask.copy()
    near[1:] |= mask[:-1]
    near[:-1] |= mask[1:]
    return near


def score(judged: Judged, found: Mask) -> dict[str, float]:
    """Score one mask: IoU, Dice, precision and recall with one line of tolerance, and the falsely marked share in %.

    Overlaps are NaN where fewer than 20 pixels are to be marked.
    """
    overlap = mask_overlap(found, judged.wanted, tolerance_lines=1, usable=judged.counts)
    false = 100 * false_marked_share(found, _beside(judged.wanted), usable=judged.counts)
    told = overlap.true_px >= FEWEST_PX
    numbers = {"iou": overlap.iou, "dice": overlap.dice, "recall": overlap.recall}
    precision = overlap.precision if told and overlap.found_px else math.nan
    return {
        **{name: value if told else math.nan for name, value in numbers.items()},
        "precision": precision, "false_percent": false,
        "hit_px": overlap.recall * overlap.true_px if overlap.true_px else 0.0, "true_px": float(overlap.true_px),
        "right_px": overlap.precision * overlap.found_px if overlap.found_px else 0.0,
        "found_px": float(overlap.found_px),
    }  # fmt: skip


def pooled(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return IoU and Dice of all pixels of all scans together."""
    hit, true, right, found = (sum(row[f"{name}_px"] for row in rows) for name in ("hit", "true", "right", "found"))
    precision, recall = right / found if found else 0.0, hit / true if true else 0.0
    dice = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"iou": dice / (2 - dice), "dice": dice, "precision": precision, "recall": recall}


def interval(
    rows: Sequence[Mapping[str, float]],
    number: Callable[[Sequence[Mapping[str, float]]], float],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return a number of many scans and its 95 % interval, by drawing scans with replacement.

    NaN if there is no scan.
    """
    if not rows:
        return (math.nan, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    many = [number([rows[k] for k in rng.integers(0, len(rows), len(rows))]) for _ in range(draws)]
    low, high = np.nanpercentile(many, (2.5, 97.5))
    return (number(rows), float(low), float(high))


def mean_of(name: str) -> Callable[[Sequence[Mapping[str, float]]], float]:
    """Return the function that averages one score over the scans that have it."""

    def mean(rows: Sequence[Mapping[str, float]]) -> float:
        values: NDArray[np.float64] = np.array([row[name] for row in rows])
        values = values[np.isfinite(values)]
        return float(values.mean()) if values.size else math.nan

    return mean


def labeled(
    heights: Heights, label: NDArray[np.uint8], name: str, *, unlabeled_is_good: bool = False, **more: object
) -> Judged:
    """Return a hand-labeled scan to mark.

    Parameters
    ----------
    heights : (rows, cols) float64
    label : (rows, cols) uint8
        0 unlabeled, 1 artifact, 2 ignore, 3 clean: 1 and 3 count.
    name : str
    unlabeled_is_good : bool
        0 counts as clean.
    more
        Of `Field`: direction, opposite.
    """
    field = Field(heights, **more)  # type: ignore[arg-type]
    wanted = label == 1
    counts = label != 2 if unlabeled_is_good else wanted | (label == 3)
    return Judged(name, "real", field, wanted, counts, not wanted.any())
