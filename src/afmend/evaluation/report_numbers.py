"""The numbers of a card: what was invented and where, error bars, statistics before and after, do no harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from afmend.evaluation.report_changes import changes_heights, first_change, kind_of
from afmend.scan import Channel, ChannelKey, Record, Scan
from afmend.scan.arrays import Mask

_MOST_REGIONS = 5
_CONNECTED = np.ones((3, 3), dtype=int)


class KindCount(NamedTuple):
    """Marked and filled pixels of one artifact kind (or of "missing")."""

    kind: str
    marked: int
    filled: int
    boxes: int
    lines: str


class Region(NamedTuple):
    """One connected stretch of invented pixels: half-open ranges of rows and columns, and its pixels."""

    rows: tuple[int, int]
    cols: tuple[int, int]
    pixels: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """What was invented in a channel.

    ``kinds`` may overlap: a pixel can be both scar and spike. ``left_open`` counts marked pixels that no
    step filled, without those that the tip never touched: their heights are bounds. ``invented`` counts filled pixels
    and ``guessed`` ones (see `report_changes.guessed`); ``marked`` all holes, filled or not. Sigmas, of the filled
    pixels, are in the channel's unit; None = no pixel has a finite error bar.
    """

    pixels: int
    invented: int
    guessed: int
    marked: int
    left_open: int
    kinds: tuple[KindCount, ...]
    regions: tuple[Region, ...]
    region_count: int
    sigma_median: float | None
    sigma_max: float | None
    without_error_bar: int

    @property
    def filled(self) -> int:
        """Pixels that a step filled."""
        return self.invented - self.guessed


def inventory(channel: Channel, guessed: Mask | None = None) -> Inventory:
    """Count what was marked, filled, guessed and left open."""
    filled = channel.invented if guessed is None else channel.invented & ~guessed
    invented = filled if guessed is None else filled | guessed
    kinds = []
    for role, kind, mask in channel.masks.items():
        if role != "foreground":
            _, boxes = _labelled(mask)
            lines = span_text(np.flatnonzero(mask.any(axis=1)))
            done = int(np.count_nonzero(mask & invented))
            kinds.append(KindCount(kind, int(np.count_nonzero(mask)), done, boxes, lines))
    regions, count = _regions(invented)
    sigma = channel.uncertainty[filled] if channel.uncertainty is not None else np.zeros(0)
    finite = sigma[np.isfinite(sigma)]
    return Inventory(
        invented.size,
        int(np.count_nonzero(invented)),
        int(np.count_nonzero(invented & ~filled)),
        int(np.count_nonzero(channel.holes | invented)),
        int(np.count_nonzero(channel.left_open & ~invented)),
        tuple(kinds),
        regions,
        count,
        float(np.median(finite)) if finite.size else None,
        float(finite.max()) if finite.size else None,
        int(sigma.size - finite.size),
    )


def _labelled(mask: Mask) -> tuple[np.ndarray, int]:
    from scipy import ndimage

    labels, count = ndimage.label(mask, structure=_CONNECTED)
    return labels, int(count)


def _regions(mask: Mask) -> tuple[tuple[Region, ...], int]:
    if not mask.any():
        return (), 0
    from scipy import ndimage

    labels, count = _labelled(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    boxes = ndimage.find_objects(labels)
    largest = np.argsort(-sizes, kind="stable")[:_MOST_REGIONS]
    found = []
    for index in largest:
        rows, cols = boxes[int(index)]
        found.append(Region((rows.start, rows.stop), (cols.start, cols.stop), int(sizes[index])))
    return tuple(found), count


def span_text(numbers: np.ndarray, most: int = 8) -> str:
    """Write sorted numbers as ranges: "3, 7–9, 12"; at most ``most`` ranges, then how many more."""
    if numbers.size == 0:
        return ""
    cuts = np.flatnonzero(np.diff(numbers) > 1)
    starts = numbers[np.concatenate([[0], cuts + 1])]
    stops = numbers[np.concatenate([cuts, [numbers.size - 1]])]
    parts = [str(a) if a == b else f"{a}–{b}" for a, b in zip(starts, stops, strict=True)]
    more = f", … ({len(parts)} stretches)" if len(parts) > most else ""
    return ", ".join(parts[:most]) + more


@dataclass(frozen=True, slots=True)
class Harm:
    """How much repair changed pixels that it had no right to change.

    Attributes
    ----------
    pixels : int
        Pixels outside the invented ones (filled or guessed) whose value differs from the leveled scan.
    largest : float
        Largest such difference, in the channel's unit.
    later : tuple of str
        Steps from the first fill, correction or filter on that change heights on purpose.
    earlier : tuple of str
        Filters and the like before leveling: what they changed is not counted.
    """

    pixels: int
    largest: float
    later: tuple[str, ...]
    earlier: tuple[str, ...] = ()

    @property
    def excused(self) -> bool:
        """Whether the recipe itself asks for the change."""
        return bool(self.later)


def harm(leveled: Channel, mended: Channel, records: Sequence[Record], guessed: Mask | None = None) -> Harm:
    """Compare all measured pixels before the first step that changes heights after leveling, and at the end.

    ``records`` are those of this repair alone.
    """
    difference = np.abs(mended.values - leveled.values)
    difference[mended.invented if guessed is None else mended.invented | guessed] = 0.0
    moved = int(np.count_nonzero(difference))
    steps = [record.step for record in records]
    cut = first_change(steps)
    later = tuple(dict.fromkeys(step for step in steps[cut:] if kind_of(step) == "correct"))
    earlier = tuple(dict.fromkeys(step for step in steps[:cut] if changes_heights(step)))
    return Harm(moved, float(difference.max()), later, earlier)


def records_of(mended: Scan, key: ChannelKey) -> tuple[Record, ...]:
    """Return the records of the history that are about one channel."""
    return tuple(record for record in mended.history if record.channel == key)
