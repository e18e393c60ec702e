"""Shared by the tests: where the real scans are, comparison of heights, small scans to work on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from afmend.scan import Channel, Grid, Masks, Scan

ROOT = Path(__file__).resolve().parents[1]
REAL = Path(os.environ.get("AFMEND_REALDATA", ROOT.parent / "shared" / "data"))
SCANS = REAL / "scans"

realdata = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SCANS.is_dir(), reason="the real scans are not beside the project"),
]
"""Use as ``pytestmark = realdata`` or ``@pytest.mark...``."""


def assert_heights_close(a: np.ndarray, b: np.ndarray, *, atol_nm: float) -> None:
    """Fail unless two height maps have the same shape and differ nowhere by more than ``atol_nm``."""
    assert a.shape == b.shape, f"shapes {a.shape} and {b.shape}"
    worst = float(np.max(np.abs(a - b))) if a.size else 0.0
    assert worst <= atol_nm, f"heights differ by up to {worst:.3g} nm, allowed are {atol_nm:.3g} nm"


def rough(shape: tuple[int, int] = (24, 37), seed: int = 0, sq_nm: float = 1.0, smooth_px: float = 2.0) -> np.ndarray:
    """A smooth random surface in nm, non-square."""
    from scipy.ndimage import gaussian_filter

    z = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), smooth_px, mode="wrap")
    return z / z.std() * sq_nm


def scan_of(values: np.ndarray, *, masks: Masks | None = None, opposite: np.ndarray | None = None) -> Scan:
    """A calibrated scan of one height channel (plus the retrace, if given), pixels 2 nm x 3 nm."""
    grid = Grid(values.shape[0], values.shape[1], 2.0, 3.0)
    direction = "unknown" if opposite is None else "trace"
    channels = [Channel("height", direction, np.array(values, float), "nm", "Height", masks=masks or Masks())]
    if opposite is not None:
        channels.append(Channel("height", "retrace", np.array(opposite, float), "nm", "Height"))
    return Scan.of(grid, channels)
