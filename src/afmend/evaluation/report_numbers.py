"""The numbers of a card: what was invented and where, error bars, statistics before and after, do no harm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from afmend.errors import AfmendError
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
    step filled. Sigmas are in the channel's unit; None = no pixel has a finite error bar.
    """

    pixels: int
    invented: int
    left_open: int
    kinds: tuple[KindCount, ...]
    regions: tuple[Region, ...]
    region_count: int
    sigma_median: float | None
    sigma_max: float | None
    without_error_bar: int


def inventory(channel: Channel) -> Inventory:
    """Count what was marked, filled and left open."""
    invented = channel.invented
    kinds = []
    for role, kind, mask in channel.masks.items():
        if role != "foreground":
            _, boxes = _labelled(mask)
            lines = span_text(np.flatnonzero(mask.any(axis=1)))
            filled = int(np.count_nonzero(mask & invented))
            kinds.append(KindCount(kind, int(np.count_nonzero(mask)), filled, boxes, lines))
    regions, count = _regions(invented)
    sigma = channel.uncertainty[invented] if channel.uncertainty is not None else np.zeros(0)
    finite = sigma[np.isfinite(sigma)]
    return Inventory(
        invented.size,
        int(np.count_nonzero(invented)),
        int(np.count_nonzero(channel.holes & ~invented)),
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
        Pixels outside the invented ones whose value differs from the leveled scan.
    largest : float
        Largest such difference, in the channel's unit.
    later : tuple of str
        Steps after the first fill that change heights on purpose (leveling, filters).
    """

    pixels: int
    largest: float
    later: tuple[str, ...]

    @property
    def excused(self) -> bool:
        """Whether the recipe itself asks for the change."""
        return bool(self.later)


def harm(leveled: Channel, mended: Channel, records: tuple[Record, ...]) -> Harm:
    """Compare all measured pixels before the first fill and at the end."""
    difference = np.abs(mended.values - leveled.values)
    difference[mended.invented] = 0.0
    moved = int(np.count_nonzero(difference))
    return Harm(moved, float(difference.max()), _corrections_after_fill(records))


def _corrections_after_fill(records: tuple[Record, ...]) -> tuple[str, ...]:
    kinds = [_kind(record.step) for record in records]
    if "repair" not in kinds:
        return ()
    first = kinds.index("repair")
    later = zip(records[first:], kinds[first:], strict=True)
    return tuple(dict.fromkeys(record.step for record, kind in later if kind == "correct"))


def _kind(step: str) -> str:
    from afmend.catalogue import find_step

    try:
        return find_step(step).kind
    except AfmendError:  # a history from elsewhere may name steps that this afmend lacks
        return "repair" if step.startswith("fill.") else "unknown"


def records_of(mended: Scan, key: ChannelKey) -> tuple[Record, ...]:
    """Return the records of the history that are about one channel."""
    return tuple(record for record in mended.history if record.channel == key)
