"""Movies: frames that were leveled one by one are brought to one level."""

from __future__ import annotations

from collections.abc import Sequence

from afmend.catalogue import find_step
from afmend.errors import BadScanError
from afmend.leveling.frames import flicker_of
from afmend.pipeline import run_step
from afmend.scan import ChannelKey, Scan

_STEP = "level.given"


def is_movie(scans: Sequence[Scan]) -> bool:
    """Tell whether scans are frames of one movie: several images of one file, on one grid, each taken in a known time.

    A container of images that only happen to have the same size says no such time.
    """
    return (
        len(scans) > 1
        and len({scan.grid for scan in scans}) == 1
        and all(scan.acquisition.frame_time_s is not None for scan in scans)
    )


def align_frames(scans: Sequence[Scan], channel: str | ChannelKey | None = None) -> tuple[Scan, ...]:
    """Take the flicker out of leveled frames: of each a plane, so that what did not change keeps its height.

    Every frame is leveled by itself, and so gets a zero and a tilt of its own; particles that come and go move them.
    What is subtracted is found by `afmend.leveling.frames.flicker_of` and done by the step ``level.given``, which
    stands in the history of the frame with its numbers.

    Parameters
    ----------
    scans : sequence of Scan
        Leveled frames of one size, in the order of time.
    channel : str, ChannelKey or None
        Which channel; None = the topography.

    Raises
    ------
    MissingChannelError, BadScanError
        If a frame lacks the channel, has it in another unit, or differs in size.
    """
    keys = [scan.find(channel) for scan in scans]
    channels = [scan.channels[key] for scan, key in zip(scans, keys, strict=True)]
    units = sorted({one.unit for one in channels})
    if len(units) > 1:
        raise BadScanError(f"frames in different units: {', '.join(units)}", now="Choose one channel.")
    planes = flicker_of([one.values for one in channels], [one.excluded for one in channels])
    step = find_step(_STEP)
    out = []
    for scan, key, plane in zip(scans, keys, planes, strict=True):
        offset, slow, fast = map(float, plane)
        params = step.params.parse({"offset": offset, "rise_slow": slow, "rise_fast": fast}, _STEP)
        out.append(run_step(scan, step, params, key) if plane.any() else scan)
    return tuple(out)
