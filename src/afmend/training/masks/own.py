"""Scans whose masks a person corrected, as examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.learned import NAMES
from afmend.artifacts.learned_inputs import SMALLEST
from afmend.artifacts.scar_score import filled_from_lines
from afmend.errors import BadMaskError
from afmend.formats import read_all
from afmend.scan import Channel, Scan
from afmend.scan.arrays import Mask
from afmend.scan.scan import HEIGHT_KINDS
from afmend.training.masks.examples import EVERY, Bits, Example, bit

SUFFIXES = (".h5", ".gwy")
BY_HAND = ("gwyddion", "drawn")
"""Foreground masks that a person drew without saying what is wrong."""
KIND_OF = {name: kind for kind, name in NAMES.items()} | {"streak": "scar", "unfinished": "lost", "saturated": "lost"}


def own_examples(folder: Path) -> list[Example]:
    """Read every corrected scan of a folder.

    Of each scan, the height channels that hold masks; a scan without any is taken for clean, in its main channel.
    Masks of unknown kind, or drawn in Gwyddion, say that something is wrong, not what.

    Parameters
    ----------
    folder : Path
        Of .h5 and .gwy files, as ``afmend mask`` writes them: raw heights with masks, nothing filled.

    Raises
    ------
    BadMaskError
        If there is no such file, or the artifacts in one of them have been filled already.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    found = [example for path in paths for scan in read_all(path) for example in _examples(scan, path)]
    if not found:
        raise BadMaskError(
            "holds no scans with masks", where=str(folder), now=f"Put files of {' or '.join(SUFFIXES)} there."
        )
    return found


def _examples(scan: Scan, path: Path) -> Iterator[Example]:
    heights = [channel for channel in scan.channels.values() if channel.kind in HEIGHT_KINDS]
    masked = [channel for channel in heights if _masks(channel)]
    for channel in masked or heights[:1]:
        if min(channel.shape[0] - SMALLEST[0], channel.shape[1] - SMALLEST[1]) < 0:
            continue
        if channel.invented.any():
            raise BadMaskError(
                "its artifacts have been filled: there is nothing to learn from", where=str(path),
                now="Use raw scans with masks, as `afmend mask` writes them.",
            )  # fmt: skip
        opposite = scan.opposite(channel.key)
        yield _example(channel, channel if opposite is None else opposite)


def _masks(channel: Channel) -> Mapping[str, Mask]:
    drawn = {name: mask for name, mask in channel.masks.foreground.items() if name in BY_HAND}
    return {**channel.masks.artifact, **drawn}


def _example(channel: Channel, opposite: Channel) -> Example:
    wrong = np.zeros(channel.shape, np.uint8)
    unsure = np.where(channel.missing, np.uint8(EVERY), np.uint8(0))
    for name, mask in _masks(channel).items():
        kind = KIND_OF.get(name, name)
        if kind in NAMES:
            wrong[mask] |= np.uint8(bit(kind))
        else:  # something is wrong; what, nobody said
            wrong[mask] |= np.uint8(bit("scar"))
            unsure[mask] |= np.uint8(EVERY)
    turn = -1 if channel.direction == "retrace" else 1

    maps = [np.ascontiguousarray(_whole(one)[:, ::turn]) for one in (channel, opposite)]
    bits: list[Bits] = [np.ascontiguousarray(array[:, ::turn]) for array in (wrong, unsure & ~wrong)]
    return Example(maps[0], maps[1], bits[0], bits[1], "own", clean=not wrong.any(), alone=channel is opposite)


def _whole(channel: Channel) -> NDArray[np.float32]:
    heights = np.asarray(channel.values, np.float64)
    return np.asarray(filled_from_lines(heights - heights.mean(), channel.missing), np.float32)
