"""Both directions of a channel, as time ran."""

from __future__ import annotations

import numpy as np

from afmend.errors import StepError
from afmend.scan import ChannelKey, Scan
from afmend.scan.arrays import Heights, Mask


def pair_of(scan: Scan, channel: str | ChannelKey | None = None) -> tuple[Heights, Heights, Mask, Mask]:
    """Return trace, retrace and their masks of holes, with time running to the right in the first.

    Raises
    ------
    MissingChannelError, StepError
        If there is no such channel, or only one direction of it.
    """
    key = scan.find(channel)
    other = scan.opposite(key)
    if other is None:
        raise StepError(f"{key} has no other scan direction", now="Choose a channel with a trace and a retrace.")
    both = (scan.channels[key], other)
    first, second = both if key.direction == "trace" else both[::-1]
    return (
        np.asarray(first.values, dtype=np.float64), np.asarray(second.values, dtype=np.float64), first.holes,
        second.holes,
    )  # fmt: skip
