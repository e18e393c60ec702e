"""Taking a simulated scan apart: what a method may see, and what only the judge may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from afmend.errors import MissingChannelError
from afmend.scan import Channel, ChannelKey, Masks, Scan, Source
from afmend.scan.arrays import Mask
from afmend.simulation.recording import Way

TRUTH = ChannelKey("truth", "unknown")
HIDDEN = ("truth", "ideal")


def as_measured(scan: Scan) -> Scan:
    """Return what an instrument would have saved: heights and errors, no truth, no marks, no history, no seed."""
    kept = {key: _unmarked(channel) for key, channel in scan.channels.items() if key.kind not in HIDDEN}
    return replace(scan, channels=kept, history=(), header={}, source=Source())


def _unmarked(channel: Channel) -> Channel:
    return channel.evolve(masks=Masks(missing=channel.masks.missing))


def truth_of(scan: Scan) -> Channel:
    """Return the sample's surface on the nominal grid: undilated, undistorted, untilted.

    Raises
    ------
    MissingChannelError
        If the scan was not simulated.
    """
    return _hidden(scan, TRUTH)


def ideal_of(scan: Scan, way: Way = "trace") -> Channel:
    """Return what a perfect loop would have recorded with this tip at the places really visited.

    Raises
    ------
    MissingChannelError
        If the scan was not simulated.
    """
    return _hidden(scan, ChannelKey("ideal", way))


def artifact_masks(scan: Scan, way: Way = "trace") -> Mapping[str, Mask]:
    """Return where, and why, the height channel of one direction is wrong: one mask per artifact kind."""
    return ideal_of(scan, way).masks.artifact


def _hidden(scan: Scan, key: ChannelKey) -> Channel:
    if key not in scan.channels:
        raise MissingChannelError(f"no channel {key}", now="Only simulated scans (`afmend twin`) have a known truth.")
    return scan.channels[key]
