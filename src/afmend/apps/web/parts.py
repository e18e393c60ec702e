"""A part of an image: what a slow step would do to it, before it is done to the whole."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from afmend.scan import Channel, Masks, Scan

Box: TypeAlias = tuple[int, int, int, int]
"""First row, row after the last one, first column, column after the last one."""
HALO_PX = 24
"""Computed around what is shown, so that the rim of the part does not steer it."""


@dataclass(frozen=True, slots=True)
class Previewed:
    """Stages of a part of an image, as far as they can be had without the rest of it."""

    box: Box
    scans: dict[str, Scan] = field(default_factory=dict)


def clamped(box: Box, shape: tuple[int, int], halo: int = 0) -> Box:
    """Return a box within an image, at least one pixel large, with a rim around it where there is room."""
    top, left = min(max(0, box[0] - halo), shape[0] - 1), min(max(0, box[2] - halo), shape[1] - 1)
    return top, max(top + 1, min(shape[0], box[1] + halo)), left, max(left + 1, min(shape[1], box[3] + halo))


def inside(box: Box, outer: Box) -> Box:
    """Return a box in the coordinates of one around it."""
    return box[0] - outer[0], box[1] - outer[0], box[2] - outer[2], box[3] - outer[2]


def part_of(scan: Scan, box: Box) -> Scan:
    """Cut all channels of a scan, with their masks and error bars."""
    where = (slice(box[0], box[1]), slice(box[2], box[3]))
    grid = replace(scan.grid, rows=box[1] - box[0], cols=box[3] - box[2])
    channels = {key: _cut(channel, where) for key, channel in scan.channels.items()}
    return replace(scan, grid=grid, channels=channels)


def _cut(channel: Channel, where: tuple[slice, slice]) -> Channel:
    masks = Masks()
    for role, name, mask in channel.masks.items():
        masks = masks.with_mask(role, name, np.ascontiguousarray(mask[where]))
    sigma = None if channel.uncertainty is None else np.ascontiguousarray(channel.uncertainty[where])
    return Channel(channel.kind, channel.direction, np.ascontiguousarray(channel.values[where]), channel.unit,
                   channel.name, channel.calibrated, masks, sigma)  # fmt: skip


def sees_the_whole(kind: str, step: str) -> bool:
    """Say whether a step of leveling looks at the whole image: on a part of it, it would do something else."""
    return kind == "correct" and not step.startswith("filter.")
