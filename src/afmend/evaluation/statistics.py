"""Statistics of a height map."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.scan import ChannelKey, Scan
from afmend.scan.arrays import Heights, Mask

PEAK_SHARE = 0.02
"""A terrace holds at least this share of the pixels."""
PEAK_SIGMAS = 4.0
"""Neighboring terraces lie at least so many widths of their peaks apart."""
VALLEY = 0.5
"""Between two terraces the histogram falls below this share of the lower peak."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Areal statistics of one channel, nothing leveled or filtered beforehand.

    Attributes
    ----------
    channel : str
    unit : str
        Of all heights below.
    repaired : "with" or "without"
        Whether invented pixels count.
    pixels : int
        How many pixels count.
    invented_fraction : float
        Share of all pixels of the image that were invented by repair, counted or not.
    mean, median, minimum, maximum : float
    Sa, Sq : float
        Mean and root-mean-square deviation from the mean.
    Ssk, Sku : float or None
        Skewness and kurtosis (3 for a Gaussian, not the excess); None for a flat surface.
    Sp, Sv, Sz : float
        Highest peak above the mean, deepest valley below it (positive), and their sum.
    Sdq : float or None
        Root-mean-square slope from differences of neighboring pixels, in units of height per nm (dimensionless for
        heights); None if no two neighbors count, or the size of a pixel is unknown.
    """

    channel: str
    unit: str
    repaired: str
    pixels: int
    invented_fraction: float
    mean: float
    median: float
    minimum: float
    maximum: float
    Sa: float
    Sq: float
    Ssk: float | None
    Sku: float | None
    Sp: float
    Sv: float
    Sz: float
    Sdq: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


def statistics(
    scan: Scan, channel: str | ChannelKey | None = None, repaired: Literal["with", "without"] = "with"
) -> Statistics:
    """Measure one channel as it is: level it first, for roughness means little on a tilted surface.

    Missing pixels that nobody filled never count, nor do artifacts that were left as they are; invented pixels count
    if ``repaired`` is "with". Definitions follow ISO 25178-2 for the whole image, without its filters.

    Raises
    ------
    MissingChannelError
        If the scan has no such channel.
    StepError
        If no pixel counts.
    """
    key = scan.find(channel)
    found = scan.channels[key]
    invented = found.invented
    usable = ~(found.holes & ~invented)
    if repaired == "without":
        usable &= ~invented
    pixel = scan.grid.pixel_nm if scan.grid.calibrated else None
    numbers = roughness(np.asarray(found.values, dtype=np.float64), usable, pixel)
    return Statistics(str(key), found.unit, repaired, int(np.count_nonzero(usable)), float(np.mean(invented)),
                      **numbers)  # type: ignore[arg-type] # fmt: skip


def roughness(
    heights: Heights, usable: Mask | None = None, pixel_nm: tuple[float, float] | None = None
) -> dict[str, float | None]:
    """Return the numbers of `Statistics` for the usable pixels of a height map.

    Parameters
    ----------
    heights : (rows, cols) float64
    usable : (rows, cols) bool, optional
        True = counts.
    pixel_nm : (slow, fast), optional
        Pixel size; without it there is no Sdq.

    Raises
    ------
    StepError
        If no pixel counts.
    """
    if usable is None:
        usable = np.ones(heights.shape, dtype=np.bool_)
    values = heights[usable]
    if values.size == 0:
        raise StepError("no pixel to measure", now="Shrink the masks, or count repaired pixels.")
    low, high = float(np.min(values)), float(np.max(values))
    mean = float(np.mean(values))
    rest = values - mean
    squares = rest * rest
    variance = float(np.mean(squares))
    flat = high - low <= 1e-12 * max(abs(high), abs(low))
    skewness = None if flat else float(np.mean(squares * rest)) / variance**1.5
    kurtosis = None if flat else float(np.mean(squares * squares)) / variance**2
    return {
        "mean": mean,
        "median": float(np.median(values)),
        "minimum": low,
        "maximum": high,
        "Sa": float(np.mean(np.abs(rest))),
        "Sq": math.sqrt(variance),
        "Ssk": skewness,
        "Sku": kurtosis,
        "Sp": high - mean,
        "Sv": mean - low,
        "Sz": high - low,
        "Sdq": None if pixel_nm is None else rms_slope(heights, usable, pixel_nm),
    }


def rms_slope(heights: Heights, usable: Mask, pixel_nm: tuple[float, float]) -> float | None:
    """Root-mean-square slope from forward differences of usable neighbors; None if there are none.

    Depends on the pixel size and, above all, on noise: compare only images of the same sampling.
    """
    total, pairs = 0.0, 0
    for axis, pixel in enumerate(pixel_nm):
        both = usable[1:] & usable[:-1] if axis == 0 else usable[:, 1:] & usable[:, :-1]
        slope = np.diff(heights, axis=axis)[both] / pixel
        total += float(np.sum(slope * slope))
        pairs += slope.size
    return math.sqrt(2 * total / pairs) if pairs else None


@dataclass(frozen=True, slots=True)
class Steps:
    """Terraces and the steps between them.

    Attributes
    ----------
    levels : tuple of float
        Heights of the terraces, ascending, in the unit of the heights.
    heights : tuple of float
        Differences of neighboring levels.
    widths : tuple of float
        Robust standard deviation of the pixels around each level.
    """

    levels: tuple[float, ...]
    heights: tuple[float, ...]
    widths: tuple[float, ...]


def step_heights(heights: Heights, usable: Mask | None = None) -> Steps | None:
    """Estimate terrace levels from peaks of the height histogram; None if there are not two clear ones.

    The density of heights is smoothed by a Gaussian of the width of the local noise (from the differences of
    neighboring pixels). A peak is a terrace if it holds 2 % of the pixels, the density falls below half its height on
    the way to the next one, and the two are at least four of their widths apart. A level is the median of the pixels
    of its peak.

    When not to use it: on surfaces that are not level along the terraces (level with ``level.facet`` and
    ``level.rows`` by differences first: row medians and planes fake or hide steps); on islands smaller than 2 % of the
    image; on rough surfaces, where it answers None.
    """
    if usable is None:
        usable = np.ones(heights.shape, dtype=np.bool_)
    values = np.sort(heights[usable])
    both = usable[:, 1:] & usable[:, :-1]
    if values.size < 100 or not both.any():
        return None
    span = float(values[-1] - values[0])
    # The smallest steps between neighbors are noise; larger quantiles would see the edges.
    noise = 1.4826 * float(np.median(np.abs(np.diff(heights, axis=1)[both]))) / math.sqrt(2)
    noise = max(noise, span / 1000)
    if span <= 8 * noise:
        return None
    cuts = _valleys(values, noise, span)
    if cuts is None:
        return None
    return _terraces(values, cuts)


def _valleys(values: NDArray[np.float64], noise: float, span: float) -> list[float] | None:
    """Heights that separate the clear peaks of the smoothed density, or None for a single peak."""
    from scipy.ndimage import gaussian_filter1d

    bins = min(math.ceil(4 * span / noise) + 1, 4096)
    counts, edges = np.histogram(values, bins=bins)
    density = gaussian_filter1d(counts.astype(np.float64), noise / (span / bins), mode="constant")
    centers = (edges[1:] + edges[:-1]) / 2
    rising = np.diff(np.concatenate(([0.0], density, [0.0])))
    tops = [int(i) for i in np.flatnonzero((rising[:-1] > 0) & (rising[1:] <= 0))]
    kept: list[int] = []
    cuts: list[float] = []
    for top in tops:
        if not kept:
            kept.append(top)
            continue
        valley = kept[-1] + int(np.argmin(density[kept[-1] : top + 1]))
        if density[valley] < VALLEY * min(density[kept[-1]], density[top]):
            kept.append(top)
            cuts.append(float(centers[valley]))
        elif density[top] > density[kept[-1]]:
            # No valley between them: one peak; its top may now lie deeper under the last cut.
            kept[-1] = top
    return cuts or None


def _terraces(values: NDArray[np.float64], cuts: list[float]) -> Steps | None:
    levels: list[float] = []
    widths: list[float] = []
    for part in np.split(values, np.searchsorted(values, cuts)):
        if part.size < PEAK_SHARE * values.size:
            continue
        level = float(np.median(part))
        width = 1.4826 * float(np.median(np.abs(part - level)))
        if levels and level - levels[-1] < PEAK_SIGMAS * max(width, widths[-1]):
            return None
        levels.append(level)
        widths.append(width)
    if len(levels) < 2:
        return None
    return Steps(tuple(levels), tuple(float(d) for d in np.diff(levels)), tuple(widths))
