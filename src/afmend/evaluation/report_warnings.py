"""What a card warns of: data that are none, marks that may be wrong, fills that nobody should measure on."""

from __future__ import annotations

import numpy as np

from afmend.evaluation.report_changes import UNTOUCHED, unmarked_guesses
from afmend.evaluation.report_numbers import Harm, Inventory, records_of
from afmend.pictures.numerals import plain, quantity
from afmend.scan import Channel, ChannelKey, Grid, Scan
from afmend.scan.arrays import Mask

MUCH_INVENTED = 0.25
"""Above this fraction of filled pixels a card warns: statistics of such a scan are mostly the method's."""
INVENTED = 0.03
"""Above this fraction somebody should look at the marks."""
MANY_PATCHES = 100
LEAST_AGREEING = 50
"""On fewer filled pixels it may well be chance that most of them agree with what was measured."""
FEW_MEASURED = 0.1
"""Below this fraction of measured pixels statistics are those of a few lines, not of the surface."""
_SAMPLE = 1 << 16
"""The step of the digitizer is looked for in about this many pixels: every so many lines, whole."""
LONG_PIXELS = 10
"""Pixels longer than this many times their width belong to something that is no image."""
_TELLING = ("frequency_shift", "current", "amplitude", "phase", "deflection", "excitation")
"""Channels that hold the picture where the height is constant, best first."""


def warnings(
    original: Scan, mended: Scan, key: ChannelKey, before: Channel, found: Inventory, moved: Harm
) -> list[str]:
    """List what to warn of; the part in front of a colon stands in the summary table.

    Parameters
    ----------
    original, mended : Scan
    key : ChannelKey
    before : Channel
        The channel just before the first step that changes heights after leveling.
    found : Inventory
        Of the mended channel.
    moved : Harm
    """
    channel = mended.channels[key]
    return [
        *_doubtful_data(mended.grid, channel),
        *doubts(original, mended, key),
        *_lines(mended, key),
        *_invention(before, channel, found),
        *_open(channel, found),
        *_harm(channel, moved),
    ]


def doubts(original: Scan, mended: Scan, key: ChannelKey) -> list[str]:
    """Say why a channel may hold no surface at all, from this one image: constant, nearly constant, hardly measured.

    Or one of which nobody can tell what was measured: guesses of `tip.correct` that no mark shows.
    """
    channel = mended.channels[key]
    unmarked = unmarked_guesses(channel, records_of(mended, key))
    return [*_constant(original, key), *_nearly_constant(original.channels[key]), *_few(channel), *unmarked]


def percent(part: float, whole: float) -> str:
    """Write a share so that neither a trace looks like nothing nor nearly all like all."""
    if part == 0 or whole == 0:
        return "0 %"
    share = 100 * part / whole
    if share < 0.01:
        return "< 0.01 %"
    if 99.5 < share < 100:
        return f"{share:.2f} %"
    return f"{plain(share, 2 if share < 10 else 3)} %" if share < 100 else "100 %"


def with_unit(value: float, channel: Channel) -> str:
    """Write a height with its unit, which carries a question mark if the channel is uncalibrated."""
    return quantity(value, channel.unit) + ("" if channel.calibrated else " ?")


def _doubtful_data(grid: Grid, channel: Channel) -> list[str]:
    out = []
    if not grid.calibrated:
        out.append("UNCALIBRATED: the file does not say how large the scan is; lengths are in pixels.")
    if not channel.calibrated:
        out.append("UNCALIBRATED: the file does not say what the heights mean; statistics have no true unit.")
    if channel.missing.all():
        out.append("NO DATA: no pixel of this channel was measured.")
    slow, fast = grid.pixel_nm
    ratio = max(slow / fast, fast / slow)
    if ratio > LONG_PIXELS:
        out.append(f"Not an image? Its pixels are {plain(ratio, 3)} times longer than wide.")
    return out


def _constant(original: Scan, key: ChannelKey) -> list[str]:
    if not _is_constant(original.channels[key]):
        return []
    others = [k for k, channel in original.channels.items() if k != key and not _is_constant(channel)]
    rank = {name: number for number, name in enumerate(_TELLING)}
    best = min(others, key=lambda k: rank.get(k.kind, len(rank)), default=None)
    advice = f" Try --channel {best.kind}." if best is not None else ""
    return [f"The {key.kind.replace('_', ' ')} is constant: a constant-height scan?{advice}"]


def _nearly_constant(channel: Channel) -> list[str]:
    """Doubt heights that vary by less than two neighboring values of the digitizer, each taken by half the pixels."""
    lines = slice(None, None, max(1, channel.values.size // _SAMPLE))
    values = channel.values[lines][~channel.missing[lines]].astype(np.float64)
    levels = np.unique(values)
    if levels.size < 2:
        return []
    quantum, sq = float(np.diff(levels).min()), float(values.std())
    if sq >= quantum / 2:
        return []
    size, step = with_unit(sq, channel), with_unit(quantum, channel)
    return [f"NEARLY CONSTANT: as read it varies by Sq {size}, less than half the step of its digitizer ({step})."]


def _few(channel: Channel) -> list[str]:
    measured = ~(channel.holes | channel.invented)
    count = int(np.count_nonzero(measured))
    if count >= FEW_MEASURED * measured.size or channel.missing.all():
        return []
    lines = int(np.count_nonzero(measured.any(axis=1)))
    share = f"{percent(count, measured.size)} of the pixels, in {lines} of {measured.shape[0]} lines,"
    return [f"FEW DATA: {share} are measured and unmarked; statistics are of these alone."]


_DOUBTS = {
    "edges_along_lines": "EDGES ALONG THE LINES: row offsets cannot be told from such topography, and were left.",
    "blurred_heights": "LINES LEFT: no row offsets were found that make the surface sharper.",
}


def _lines(mended: Scan, key: ChannelKey) -> list[str]:
    """Say what the automatic leveler was not sure of."""
    records = [record for record in mended.history if record.channel == key and record.step == "level.auto"]
    if not records:
        return []
    facts = records[-1].facts
    out = [_DOUBTS[facts["line_doubt"]]] if facts.get("line_doubt") in _DOUBTS else []
    if facts.get("line_axis") == "columns" and records[-1].params.get("line_axis") == "auto":
        out.append("TURNED: the scan lines seem to run along the columns, and were leveled so; marks look along rows.")
    return out


def _is_constant(channel: Channel) -> bool:
    measured = ~channel.missing
    if not measured.any():
        return False
    low = np.min(channel.values, initial=np.inf, where=measured)
    return bool(low == np.max(channel.values, initial=-np.inf, where=measured))


def _invention(before: Channel, after: Channel, found: Inventory) -> list[str]:
    out = []
    share = percent(found.invented, found.pixels)
    if found.guessed and not found.filled:
        return [f"{share} of the heights are guesses, where the tip touched nothing: do not measure on them."]
    if found.invented > MUCH_INVENTED * found.pixels:
        out.append(f"{share} of the pixels are invented: do not measure on them.")
    elif found.invented > INVENTED * found.pixels:
        out.append(f"{share} of the pixels are invented: look at the marks.")
    if found.region_count > MANY_PATCHES and found.filled:
        out.append(f"{found.region_count} {'invented' if found.guessed else 'filled'} patches: look at the marks.")
    if found.filled and _agree(before, after):
        out.append("Most filled pixels agree with what was measured there: the marks may be wrong.")
    return out


def _agree(before: Channel, after: Channel) -> bool:
    """Whether more than half of the filled pixels that had been measured changed by less than one error bar.

    Where a tip touched nothing, a guess that is hardly lower than what was measured is what to expect.
    """
    if after.uncertainty is None:
        return False
    filled: Mask = after.invented & ~before.missing & np.isfinite(after.uncertainty)
    filled &= ~after.masks.artifact.get(UNTOUCHED, np.zeros(after.shape, dtype=np.bool_))
    change = np.abs(after.values[filled] - before.values[filled])
    agreeing = int(np.count_nonzero(change < after.uncertainty[filled]))
    return change.size >= LEAST_AGREEING and agreeing > 0.5 * change.size


def _open(channel: Channel, found: Inventory) -> list[str]:
    out = []
    if found.left_open and found.filled:
        out.append(f"{percent(found.left_open, found.pixels)} of the pixels are marked but were not filled.")
    still_open = channel.left_open
    lines = int(np.count_nonzero(still_open.all(axis=1)))
    if lines and not still_open.all():
        out.append(f"{lines} whole lines left open: no data to fill them from, or too far away.")
    if found.filled and found.without_error_bar == found.filled:
        out.append("No filled pixel has an error bar.")
    elif found.without_error_bar:
        out.append(f"{percent(found.without_error_bar, found.filled)} of the filled pixels have no error bar.")
    return out


def _harm(channel: Channel, moved: Harm) -> list[str]:
    if not moved.pixels or moved.excused:
        return []
    return [f"HARM: {moved.pixels} measured pixels were changed by up to {with_unit(moved.largest, channel)}."]
