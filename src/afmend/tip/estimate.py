"""Estimating the tip from images of an unknown surface, and saying when that cannot be done.

An image bounds the tip from above: nothing in it is sharper than the tip. Whether the bound *is* the tip depends on the
surface: only features much sharper than the tip show it. The estimate is called confident if enough peaks
are round, as the image of a point by a tip is, deep and not all alike; else it abstains and says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from afmend.errors import BadParameterError, BadScanError
from afmend.scan.arrays import Heights, Mask
from afmend.tip.features import LARGEST_PX, Peaks, find_peaks, noise_nm
from afmend.tip.morphology import checked
from afmend.tip.shapes import SphereCone, largest_tip_array

Verdict: TypeAlias = Literal["confident", "bound", "none"]
FEWEST_PEAKS = 8
LOW, LIMITING = 0.05, 0.2
"""Quantiles: all tips are sharper than the first, and the peaks up to the second one must look like a tip."""
CONFIRMED = 1.1
"""The sharpest peak counts if the next one is rounder by this factor at most."""
ROUND = 0.5
"""Median roundness of the sharpest peaks from which on they look like images of points."""
ONE_SIDED = 0.4
"""Median evenness of the sharpest features up to which they look like edges of plateaus or holes."""
SHARPEST_PX = 1.8
"""A tip with a smaller radius does not change an image of these pixels."""
LEAST_RELIEF = 0.35
"""Drop around the sharpest peaks, within their radius, over the radius: flatter ones show the surface, not the tip."""
ALIKE = 0.16
"""Spread of the logarithms of prominence below which the sharpest peaks may be one kind of particle."""
OWN_RADIUS, SAMPLING = 2.3, 1.1
"""By which factors the radius may be too large (features have radii of their own) or too small (peaks lie between
pixels), in 95 % of confident cases on simulated surfaces of 12 families (box train)."""
FEWEST_WALLS, WALL_SIGMAS = 16, 4.0
"""So many pixels have to be as steep, beyond so many sigmas of noise, before they bound the flank."""
FLANK_DEG, SLIMMEST_DEG = 20.0, 2.0
"""Half angle of a common silicon tip: images bound the flank only where walls are steeper."""


@dataclass(frozen=True, slots=True, eq=False)
class TipEstimate:
    """What images say about the tip.

    Attributes
    ----------
    verdict : "confident", "bound" or "none"
        Bound: the apex has at most this radius, and may be anything sharper. None: not even that.
    radius_nm : float
        Radius of the apex (confident), or its upper bound; nan if there is none.
    interval_nm : (float, float)
        95 % interval of the radius; from 0 unless confident.
    half_angle_deg : float
        Angle between axis and flank that is assumed: a common tip's, or less if the image forbids it.
    shape : SphereCone or None
        The tip as a shape; None unless confident.
    peaks : int
        Number of peaks that were asked.
    noise_nm : float
    reason : str
        Why the verdict is what it is, in one sentence.
    advice : str
        What would help; empty if confident.
    """

    verdict: Verdict
    radius_nm: float
    interval_nm: tuple[float, float]
    half_angle_deg: float
    shape: SphereCone | None
    peaks: int
    noise_nm: float
    reason: str
    advice: str = ""
    details: dict[str, float] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        """What is worth telling, as JSON values."""
        known = math.isfinite(self.radius_nm)
        return {
            "verdict": self.verdict, "radius_nm": self.radius_nm if known else None,
            "interval_nm": list(self.interval_nm) if known else None, "half_angle_deg": self.half_angle_deg,
            "peaks": self.peaks, "noise_nm": self.noise_nm, "reason": self.reason, "advice": self.advice,
        }  # fmt: skip

    def tip(self, pixel_nm: tuple[float, float], depth_nm: float) -> Heights:
        """Return the tip as an array for `dilate`.

        Raises
        ------
        BadParameterError
            If the estimate is not confident.
        """
        if self.shape is None:
            raise BadParameterError(f"the tip is not known: {self.reason}", where="tip", now=self.advice)
        return largest_tip_array(self.shape, pixel_nm, depth_nm)


def estimate_tip(
    images: Sequence[Heights], pixel_nm: tuple[float, float], *, usable: Sequence[Mask | None] | None = None,
    flank_deg: float = FLANK_DEG,
) -> TipEstimate:  # fmt: skip
    """Estimate the tip from one or more images that were taken with it.

    Parameters
    ----------
    images : sequence of (rows, cols) float, nm
        Leveled height maps; at least 16 pixels along both sides.
    pixel_nm : (slow, fast)
    usable : sequence of (rows, cols) bool or None, optional
        False = artifact or missing.
    flank_deg : float
        Half angle of the tip's flank if nothing in the images is steeper.

    Returns
    -------
    TipEstimate

    Raises
    ------
    BadScanError
        If an image is too small or not finite.

    Notes
    -----
    When not to trust a confident answer: surfaces made of round grains or particles without sharper detail, each as
    a tip would image a needle. No image alone can tell those apart; a scan of a tip characterizer can.
    """
    masks = usable if usable is not None else [None] * len(images)
    if not images or len(masks) != len(images):
        raise BadScanError("one mask per image, and at least one image", where="tip")
    for image in images:
        if min(checked(image, "image").shape) < 16:
            raise BadScanError(f"an image of {image.shape[0]} x {image.shape[1]} pixels", now="At least 16 x 16.")
    found = [find_peaks(np.asarray(z, np.float64), pixel_nm, m) for z, m in zip(images, masks, strict=True)]
    walls = max(steepest(np.asarray(z, np.float64), pixel_nm, m) for z, m in zip(images, masks, strict=True))
    return _judged(_joined(found), pixel_nm, min(flank_deg, max(SLIMMEST_DEG, math.degrees(math.atan2(1.0, walls)))))


def steepest(image: Heights, pixel_nm: tuple[float, float], usable: Mask | None = None) -> float:
    """Return the slope of the steepest walls over two pixels, less what noise adds: no flank is less steep.

    A few steeper pixels may be spikes.
    """
    noise, found = noise_nm(image, usable), [np.zeros(1)]
    for axis, pixel in enumerate(pixel_nm):
        z = np.moveaxis(image, axis, 0)
        rise = np.abs(z[2:] - z[:-2])
        if usable is not None:
            ok = np.moveaxis(usable, axis, 0)
            rise = rise[ok[2:] & ok[1:-1] & ok[:-2]]
        found.append((rise.ravel() - WALL_SIGMAS * math.sqrt(2) * noise) / (2 * pixel))
    slopes = np.concatenate(found)
    few = min(FEWEST_WALLS, slopes.size)
    return max(0.0, float(np.partition(slopes, -few)[-few]))


def _joined(found: Sequence[Peaks]) -> Peaks:
    return Peaks(
        np.concatenate([p.radius_px for p in found]), np.concatenate([p.roundness for p in found]),
        np.concatenate([p.evenness for p in found]), np.concatenate([p.prominence_nm for p in found]),
        np.concatenate([p.relief_nm for p in found]), max(p.noise_nm for p in found),
        max(p.range_nm for p in found),
    )  # fmt: skip


def _judged(peaks: Peaks, pixel_nm: tuple[float, float], flank_deg: float) -> TipEstimate:
    side, count = math.sqrt(pixel_nm[0] * pixel_nm[1]), int(peaks.radius_px.size)
    nan = float("nan")
    if count < FEWEST_PEAKS:
        return TipEstimate(
            "none", nan, (0.0, nan), flank_deg, None, count, peaks.noise_nm,
            f"only {count} peaks stand out of the noise, at least {FEWEST_PEAKS} are needed",
            "Scan sharp features (a tip characterizer, etched needles), a larger area, or with less noise.",
        )  # fmt: skip
    radius_px = float(np.quantile(peaks.radius_px, LOW))
    true_px = _sharpest(peaks.radius_px)
    sharpest = peaks.radius_px <= np.quantile(peaks.radius_px, LIMITING) * 1.01
    roundness = float(np.median(peaks.roundness[sharpest]))
    spread = float(np.std(np.log(peaks.prominence_nm[sharpest])))
    relief = float(np.median(peaks.relief_nm[sharpest])) / (true_px * side)
    evenness = float(np.median(peaks.evenness[sharpest]))
    low, high = _interval(peaks.radius_px, side)
    details = {"roundness": roundness, "spread": spread, "relief": relief, "evenness": evenness, "radius_px": radius_px}
    reason, advice = _doubt(radius_px, roundness, evenness, relief, spread)
    if reason:
        none = radius_px >= 0.95 * LARGEST_PX
        bound, high = (max(limit, SHARPEST_PX * side) for limit in (radius_px * side, high))  # pixels show no less
        return TipEstimate(
            "none" if none else "bound", nan if none else bound, (0.0, nan if none else high), flank_deg,
            None, count, peaks.noise_nm, reason, advice, details,
        )  # fmt: skip
    shape = SphereCone(radius_nm=true_px * side, half_angle_deg=flank_deg)
    return TipEstimate(
        "confident", true_px * side, (low, high), flank_deg, shape, count, peaks.noise_nm,
        f"{int(np.count_nonzero(sharpest))} of {count} peaks look like images of points or of edges", "", details,
    )  # fmt: skip


def _doubt(radius_px: float, roundness: float, evenness: float, relief: float, spread: float) -> tuple[str, str]:
    """Say why the sharpest peaks need not show the tip, and what would help; empty if they do."""
    characterizer = "Scan a tip characterizer or other sharp features, or give the tip's radius."
    if radius_px < SHARPEST_PX:
        return (
            f"the sharpest features, if no noise, are narrower than {SHARPEST_PX:g} pixels: the tip is sharper",
            "The apex changes nothing; the flank may, beside tall walls. Give the tip, or scan with smaller pixels.",
        )
    if radius_px >= 0.95 * LARGEST_PX or relief < LEAST_RELIEF:
        return ("the surface has no sharp features: its own roundness hides the tip's", characterizer)
    if roundness < ROUND and evenness > ONE_SIDED:
        return (
            "the sharpest features are ridges or saddles of the surface, not images of points or of edges",
            characterizer,
        )
    if spread < ALIKE:
        return (
            "the sharpest features are all alike: particles of one size, or one kind of edge, look like the tip",
            characterizer,
        )
    return "", ""


def _sharpest(radius_px: Heights) -> float:
    """Return the radius of the sharpest peak: features have radii of their own, and its is least.

    One peak alone proves nothing, it may be a spike: another one must be hardly rounder.
    """
    ordered = np.sort(radius_px)
    confirmed = ordered[:-1][ordered[1:] <= CONFIRMED * ordered[:-1]]
    return float(confirmed[0] if confirmed.size else ordered[0])


def _interval(radius_px: Heights, side: float) -> tuple[float, float]:
    """Return 95 % limits: order statistics of the low quantile, widened by what the features' own radii may add."""
    count = radius_px.size
    ordered = np.sort(radius_px)
    half = 1.96 * math.sqrt(count * LOW * (1 - LOW))
    first, last = max(0, math.floor(count * LOW - half)), min(count - 1, math.ceil(count * LOW + half) + 1)
    return side * float(ordered[first]) / OWN_RADIUS, side * float(ordered[last]) * SAMPLING
