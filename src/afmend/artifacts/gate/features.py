"""The gate's features: some hundred numbers of a scan, free of units and of the height scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.area_features import area_features, error_features, pair_features, slope_features
from afmend.artifacts.gate.cut_features import cut_features
from afmend.artifacts.gate.detectors import Detected, detector_features, scanned_lines
from afmend.artifacts.gate.double_features import double_features
from afmend.artifacts.gate.fringe_features import fringe_features
from afmend.artifacts.gate.line_features import change_features, noise_features, spectral_features, wave_features
from afmend.artifacts.gate.pair_features import damage_features
from afmend.artifacts.gate.relief_features import relief_features
from afmend.artifacts.gate.ripple_features import ripple_features
from afmend.artifacts.gate.shift_features import shift_features
from afmend.artifacts.gate.sight import sight_features
from afmend.artifacts.gate.tip_features import tip_features
from afmend.artifacts.gate.view import View

VERSION = 10
"""Raised with every change of a feature; a model says in its card for which it was made."""
GROUPS = (
    noise_features, relief_features, spectral_features, wave_features, change_features, area_features,
    slope_features, pair_features, damage_features, error_features, cut_features, shift_features, fringe_features,
    ripple_features, tip_features, double_features,
)  # fmt: skip


def features(view: View, found: Detected) -> dict[str, float]:
    """Measure a scan.

    Parameters
    ----------
    view : View
    found : Detected

    Returns
    -------
    dict of str to float
        Always the same names in the same order; what cannot be measured is 0, and so is its feature "... there".
    """
    scanned = view.within(scanned_lines(found.missing))
    parts = [detector_features(found), *(group(scanned) for group in GROUPS), sight_features(view.sight)]
    out = dict(item for part in parts for item in part.items())
    if len(out) < sum(map(len, parts)):
        raise AssertionError("two features have one name")
    return out


def as_vector(values: dict[str, float]) -> NDArray[np.float32]:
    """Return the numbers in their order, all finite and none huge."""
    numbers = np.array(list(values.values()), np.float64)
    return np.clip(np.nan_to_num(numbers, nan=0.0, posinf=20, neginf=-20), -20, 20).astype(np.float32)
