"""Shared by the tests of mishaps: a small non-square recording and what a mishap did to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from afmend.simulation.mishaps import Mishap, apply_mishap
from afmend.simulation.recording import WAYS, Recording, Way
from support import rough

SHAPE = (24, 50)


def recorded(shape: tuple[int, int] = SHAPE, *, flat: bool = False) -> Recording:
    """Different heights in trace and retrace; 120 pixel times per line of 50 pixels."""
    heights: dict[Way, Any] = {way: np.zeros(shape) if flat else rough(shape, seed) for seed, way in enumerate(WAYS)}
    ideal = {way: heights[way].copy() for way in WAYS}
    return Recording(heights, ideal, line_s=0.12, pixel_s=0.001, pixel_nm=(3.0, 2.0))


def change_of(params: Mishap, shape: tuple[int, int] = SHAPE, *, flat: bool = True) -> tuple[Recording, dict[Way, Any]]:
    """Apply a mishap; return the recording and the change of heights in each direction."""
    recording = recorded(shape, flat=flat)
    apply_mishap(params, recording)
    return recording, {way: recording.heights[way] - recording.ideal[way] for way in WAYS}


def mask_of(recording: Recording, way: Way, kind: str) -> np.ndarray:
    return recording.masks[way].get(kind, np.zeros(recording.shape, dtype=np.bool_))
