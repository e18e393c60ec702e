"""Quantiles of how blunt the tip may be: a small network's reading of an image's peaks, valleys and curvatures.

A tip rounds peaks and leaves valleys sharp. How much of a peak's roundness is the tip's own no image tells; what is
usual on surfaces of many kinds, given how round the valleys are, is learned from simulated ones. The answer is a
distribution of the radius, never an estimate in the sense of `afmend.tip.estimate`: how much of a tip can be undone
with it, on average, says `afmend.tip.unsure`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadScanError, ModelError
from afmend.inference.model import load_model
from afmend.scan.arrays import Heights, Mask
from afmend.tip.features import LARGEST_PX, find_peaks, noise_nm
from afmend.tip.morphology import checked, opened
from afmend.tip.shapes import SphereCone, largest_tip_array

TASK, MODEL = "tip bluntness", "bluntness"
VERSION = 1
"""Of the inputs."""
LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.975)
"""Quantiles of the radius that the network says."""
LOW, LIKELY = 1, 3
"""Places among them: the quantile of 10 % (in one case of ten the tip is sharper), and the median."""
SMALLEST_PX = 0.5
"""Radii below count as this one: pixels do not show them."""
BALLS_PX = (1.0, 1.5, 2.2, 3.3, 5.0, 7.5, 11.0)
LAGS_PX = (1, 2, 4, 8)
SHARES = (0.002, 0.02, 0.1, 0.9, 0.98, 0.998)
SLOPES = (0.5, 0.9, 0.99)
RADII, SHARPEST = (0.02, 0.1, 0.2, 0.5, 0.8), 0.2
BORDER, LEAST_SIDE = 8, 32
SIZES = ("noise", "range", "spread", *(f"slope {share:g}" for share in SLOPES))
RESIDUALS = tuple(f"{what} {radius:g}" for radius, what in itertools.product(BALLS_PX, ("opening", "closing")))
CURVATURES = tuple(f"curvature {share:g} over {lag}" for lag, share in itertools.product(LAGS_PX, SHARES))
FORMS = ("count", *(f"radius {share:g}" for share in RADII), "roundness", "evenness", "spread", "relief")
INPUTS = (
    *SIZES, *RESIDUALS, *CURVATURES, *(f"{name} of {what}" for what in ("peaks", "valleys") for name in FORMS),
)  # fmt: skip
"""All as pure numbers: lengths in pixels."""
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bluntness:
    """What the radius of the apex may be.

    Attributes
    ----------
    radii_nm : tuple of float
        Its quantiles `LEVELS`, not falling.
    side_nm : float
        Of a pixel, geometric mean.
    """

    radii_nm: tuple[float, ...]
    side_nm: float

    @property
    def low_nm(self) -> float:
        """The quantile of 10 %: in one case of ten the tip is sharper than that, on simulated surfaces."""
        return self.radii_nm[LOW]

    @property
    def likely_nm(self) -> float:
        """The median."""
        return self.radii_nm[LIKELY]

    @property
    def interval_nm(self) -> tuple[float, float]:
        """95 %."""
        return self.radii_nm[0], self.radii_nm[-1]

    @property
    def facts(self) -> dict[str, Any]:
        """What is worth telling, as JSON values."""
        return {
            "quantile_10_nm": self.low_nm,
            "likely_nm": self.likely_nm,
            "likely_interval_nm": list(self.interval_nm),
        }


def bluntness(
    image: Heights, pixel_nm: tuple[float, float], usable: Mask | None = None, *, bound_nm: float = math.inf,
    model: str = MODEL,
) -> Bluntness:  # fmt: skip
    """Say what the radius of the tip may be.

    Parameters
    ----------
    image : (rows, cols) float, nm
        A leveled height map; at least 32 pixels along both sides. With a double tip take it as it is: that is what one
        apex shows of a surface that is there twice.
    pixel_nm : (slow, fast)
    usable : (rows, cols) bool, optional
        False = artifact or missing.
    bound_nm : float
        No radius is larger: the bound of `estimate_tip`.
    model : str
        Name of a model that comes with afmend, or path of a card.

    Returns
    -------
    Bluntness

    Raises
    ------
    BadScanError
        If the image is too small, not finite, or has no usable pixel.
    ModelError
        If there is no such model.

    Notes
    -----
    When not to use it: to report a radius. On round grains and particles it says what such surfaces usually hide; a
    surface unlike those it was learned from may be rounder by itself, and its image would be corrected for a tip that
    is not there.
    """
    loaded = load_model(model, TASK, precision="fp32")
    if loaded.card.inputs_version != VERSION:
        raise ModelError(
            f"the model sees inputs of version {loaded.card.inputs_version}, this afmend makes version {VERSION}",
            where=model, now="Train it again, or install the afmend that it was made with.",
        )  # fmt: skip
    seen = bluntness_inputs(image, pixel_nm, usable).astype(np.float32)
    raw = loaded.run({"maps": seen[None]})["answer"][0].astype(np.float64)
    moved = raw + np.array([float(loaded.card.calibration.get(f"{level:g}", 0.0)) for level in LEVELS])
    side = math.sqrt(pixel_nm[0] * pixel_nm[1])
    radii_px = np.exp(np.clip(np.maximum.accumulate(moved), math.log(SMALLEST_PX), math.log(LARGEST_PX)))
    largest_nm = max(bound_nm, SMALLEST_PX * side)
    return Bluntness(tuple(min(float(radius) * side, largest_nm) for radius in radii_px), side)


def bluntness_inputs(image: Heights, pixel_nm: tuple[float, float], usable: Mask | None = None) -> Vector:
    """Describe an image by what a tip changes: `INPUTS`, pure numbers.

    Parameters and errors as `bluntness`.
    """
    image = checked(image, "image")
    if min(image.shape) < LEAST_SIDE:
        raise BadScanError(f"an image of {image.shape[0]} x {image.shape[1]} pixels", now="At least 32 x 32.")
    good = np.ones(image.shape, dtype=np.bool_) if usable is None else usable
    if not good[BORDER:-BORDER, BORDER:-BORDER].any():
        raise BadScanError("no usable pixel", where="bluntness")
    side = math.sqrt(pixel_nm[0] * pixel_nm[1])
    z = _closed_up(image, good)
    noise = noise_nm(z, good)
    low, high = np.quantile(z[good], (0.001, 0.999))
    rise = np.hypot(*(np.gradient(z, axis=k) / pixel_nm[k] for k in (0, 1)))
    sizes = [math.log10(length / side + 1e-4) for length in (noise, float(high - low), float(np.std(z[good])))]
    found = (
        *sizes, *np.arcsinh(np.quantile(rise[good], SLOPES)), *_residuals(z, good, pixel_nm, noise),
        *_curvatures(z, good, pixel_nm), *_forms(z, good, pixel_nm), *_forms(-z, good, pixel_nm),
    )  # fmt: skip
    return np.asarray(found, dtype=np.float64)


def _closed_up(image: Heights, good: Mask) -> Heights:
    """Give bad pixels the height of the nearest good one."""
    from scipy.ndimage import distance_transform_edt

    if good.all():
        return image
    rows, cols = distance_transform_edt(~good, return_distances=False, return_indices=True)
    return np.asarray(image[rows, cols])


def _residuals(z: Heights, good: Mask, pixel_nm: tuple[float, float], noise: float) -> list[float]:
    """Return what no ball of a size can have imaged, of the image and of the image upside down (logarithms)."""
    side = math.sqrt(pixel_nm[0] * pixel_nm[1])
    least, inner = 0.05 * noise + 1e-4 * side, good[BORDER:-BORDER, BORDER:-BORDER]
    out = []
    for radius in BALLS_PX:
        ball = largest_tip_array(
            SphereCone(radius_nm=radius * side, half_angle_deg=20.0), pixel_nm, 0.7 * radius * side
        )
        for way in (z, -z):
            left = np.maximum(way - opened(way, ball), 0.0)[BORDER:-BORDER, BORDER:-BORDER]
            out.append(math.log((float(np.mean(left[inner])) + least) / side))
    return out


def _curvatures(z: Heights, good: Mask, pixel_nm: tuple[float, float]) -> Vector:
    """Return quantiles of the second differences along both axes, over the pixel: below, the tip bounds them."""
    side, out = math.sqrt(pixel_nm[0] * pixel_nm[1]), []
    for lag in LAGS_PX:
        found = []
        for axis, pixel in enumerate(pixel_nm):
            w, ok = np.moveaxis(z, axis, 0), np.moveaxis(good, axis, 0)
            bend = (w[2 * lag :] + w[: -2 * lag] - 2 * w[lag:-lag]) * side / (pixel * lag) ** 2
            found.append(bend[ok[2 * lag :] & ok[: -2 * lag] & ok[lag:-lag]])
        both = np.concatenate(found)
        out.append(np.arcsinh(3 * np.quantile(both, SHARES)) if both.size else np.zeros(len(SHARES)))
    return np.concatenate(out)


def _forms(z: Heights, good: Mask, pixel_nm: tuple[float, float]) -> list[float]:
    """Describe the peaks: how many, their critical radii, and the forms of the sharpest."""
    peaks, side = find_peaks(z, pixel_nm, good), math.sqrt(pixel_nm[0] * pixel_nm[1])
    count = peaks.radius_px.size
    density = math.log10((count + 0.5) / np.count_nonzero(good)) + 3
    if count == 0:
        return [density, *[math.log(LARGEST_PX)] * len(RADII), 0.5, 0.5, 0.5, 0.0]
    radii = np.quantile(peaks.radius_px, RADII)
    sharp = peaks.radius_px <= np.quantile(peaks.radius_px, SHARPEST) * 1.01
    relief = float(np.median(peaks.relief_nm[sharp])) / (float(radii[0]) * side)
    return [
        density, *(float(value) for value in np.log(radii)), float(np.median(peaks.roundness[sharp])),
        float(np.median(peaks.evenness[sharp])), float(np.std(np.log(peaks.prominence_nm[sharp]))),
        math.log(relief + 1e-3),
    ]  # fmt: skip
