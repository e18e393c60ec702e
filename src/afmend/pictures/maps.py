"""From heights to colored pixels: range, scaling with the true aspect ratio, masks drawn over heights.

Pixels that were never measured are hatched in gray, in every picture: they cannot be mistaken for data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afmend.pictures.colormaps import colormap, rgb
from afmend.scan.arrays import Heights, Mask

Pixels: TypeAlias = NDArray[np.uint8]
"""(height, width, 3) sRGB."""

SAMPLE = 200_000
"""Percentiles are taken from about this many evenly spread pixels: exact enough for a color range."""
TOUCHED = 0.02
"""A picture pixel counts as masked if more than this fraction of its area is."""
KIND_COLORS: Mapping[str, str] = {
    "scar": "#e6550d", "spike": "#d6009a", "line_jump": "#1f77ff", "parachuting": "#00a3a3", "parachute": "#00a3a3",
    "drawn": "#7b3ff2", "outlier": "#d6009a", "threshold": "#00a3a3",
    "saturation": "#b8a800", "missing": "#9a9a9a", "foreground": "#2ca02c",
}  # fmt: skip
"""Colors of artifact kinds; other kinds take the next free one of `SPARE_COLORS`."""
SPARE_COLORS = ("#8c4bd0", "#00b0f0", "#c08000", "#ff5fa2", "#4d7c0f", "#0f766e", "#6b4f3a")
INVENTED = "#00d5ff"
"""Outline of filled pixels: a hue that no height color map uses."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a map is drawn.

    Attributes
    ----------
    width, height : int
        Output pixels.
    stretch : float
        1 = true proportions; otherwise how much the short side is drawn too long.
    short_axis : str
        "slow" or "fast": the axis that ``stretch`` is about.
    """

    width: int
    height: int
    stretch: float = 1.0
    short_axis: str = "slow"


def fit(shape: tuple[int, int], pixel_nm: tuple[float, float], longest: int = 400, shortest: int = 40) -> Size:
    """Return the drawn size of a map: true proportions, unless the short side would fall under ``shortest`` px."""
    slow, fast = shape[0] * pixel_nm[0], shape[1] * pixel_nm[1]
    scale = longest / max(slow, fast)
    width, height = fast * scale, slow * scale
    short = min(width, height)
    stretch = 1.0 if short >= shortest else shortest / short
    axis = "slow" if height <= width else "fast"
    return Size(max(shortest, round(width)), max(shortest, round(height)), stretch, axis)


def robust_range(
    heights: Heights, valid: Mask | None = None, percentiles: tuple[float, float] = (0.5, 99.5)
) -> tuple[float, float]:
    """Return the range of values between two percentiles of the valid pixels; never empty.

    Without a valid pixel it is (0, 1); a constant map gets one unit in its last digits around it.
    """
    stride = max(1, math.isqrt(heights.size // SAMPLE))
    some = heights[::stride, ::stride]
    values = some.ravel() if valid is None else some[valid[::stride, ::stride]]
    if values.size == 0 and valid is not None:
        values = heights[valid]
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, percentiles))
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-12):
        low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-12):
        half = max(abs(low) * 1e-3, 1e-3)
        low, high = low - half, high + half
    return low, high


def shrink(heights: Heights, valid: Mask | None, size: tuple[int, int]) -> tuple[NDArray[np.float32], Mask]:
    """Scale a map to (rows, cols): area averages when smaller, nearest pixels when larger.

    Returns
    -------
    values : (rows, cols) float32
        Means over the valid pixels only, relative to the mean of ``heights`` that the caller adds back.
    known : (rows, cols) bool
        False where at least half of the area is invalid.
    """
    out = (size[1], size[0])
    if valid is None or valid.all():
        scaled = np.asarray(_box(heights.astype(np.float32), out))
        return scaled, np.ones(size, dtype=np.bool_)
    weight = np.asarray(_box(valid.astype(np.float32), out))
    total = np.asarray(_box(np.where(valid, heights, 0).astype(np.float32), out))
    return total / np.maximum(weight, np.float32(1e-6)), weight > 0.5


def coverage(mask: Mask, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return which fraction of each output pixel is masked."""
    return np.asarray(_box(mask.astype(np.float32), (size[1], size[0])))


def _box(values: NDArray[np.float32], out: tuple[int, int]) -> Image.Image:
    return Image.fromarray(values).resize(out, Image.Resampling.BOX)


def paint(
    heights: Heights,
    size: Size,
    limits: tuple[float, float],
    *,
    valid: Mask | None = None,
    cmap: str = "afm",
) -> Pixels:
    """Color a height map.

    Parameters
    ----------
    heights : (rows, cols) float
    size : Size
    limits : (low, high)
        Values of the first and last color; values beyond take those colors.
    valid : (rows, cols) bool, optional
        False = hatched.
    cmap : str
        See `afmend.pictures.colormaps.MAPS`.

    Returns
    -------
    (height, width, 3) uint8
    """
    low, high = limits
    # float32 is fine once the offset is gone
    values, known = shrink(heights - low, valid, (size.height, size.width))
    index = np.clip(values * (255.0 / (high - low)), 0, 255).astype(np.uint8)
    picture: Pixels = colormap(cmap)[index]
    if not known.all():
        picture = np.where(known[..., None], picture, hatch(size.height, size.width))
    return picture


def hatch(height: int, width: int) -> Pixels:
    """Return diagonal gray stripes: the sign for "never measured"."""
    y, x = np.ogrid[:height, :width]
    stripes = ((x + y) % 8) < 3
    return np.where(stripes[..., None], np.uint8(140), np.uint8(205)).repeat(3, axis=2)


def tint(picture: Pixels, mask: Mask, color: str, *, strength: float = 0.55) -> Pixels:
    """Draw a mask over a picture as a translucent color with a thin outline; even single pixels stay visible.

    Parameters
    ----------
    picture : (height, width, 3) uint8
    mask : (rows, cols) bool
        In scan pixels; scaled to the picture.
    color : "#rrggbb"
    strength : float
        Opacity of a fully masked pixel.
    """
    if not mask.any():
        return picture
    covered = coverage(mask, (picture.shape[0], picture.shape[1]))
    touched = covered > TOUCHED
    alpha = np.where(touched, strength * np.clip(0.5 + 0.5 * covered, 0, 1), 0.0)
    solid = covered > 0.3
    edge = solid & ~_eroded(solid)
    thin = touched & ~_near(solid)
    alpha = np.where(edge, 0.95, np.where(thin, np.maximum(alpha, 0.6), alpha))
    return _blended(picture, alpha, color)


def outline(mask: Mask, size: Size, *, inside: bool = False) -> Mask:
    """Return the picture pixels just outside of a mask: what is masked itself stays in sight.

    Where the mask meets the edge of the picture, the line runs along the edge. ``inside`` draws the rim of the mask
    itself: finer where masks are many and thin.
    """
    touched = coverage(mask, (size.height, size.width)) > TOUCHED
    if inside:
        return touched & ~_eroded(touched)
    edge = np.ones_like(touched)
    edge[1:-1, 1:-1] = False
    return (_near(touched) & ~touched) | (touched & edge)


def outlined(picture: Pixels, mask: Mask, color: str, *, opacity: float = 0.85) -> Pixels:
    """Draw a thin line around a mask."""
    if not mask.any():
        return picture
    line = outline(mask, Size(picture.shape[1], picture.shape[0]))
    return _blended(picture, np.where(line, opacity, 0.0), color)


def _blended(picture: Pixels, alpha: NDArray[np.floating[Any]], color: str) -> Pixels:
    blended = picture * (1 - alpha[..., None]) + np.array(rgb(color)) * alpha[..., None]
    rounded: Pixels = np.round(blended).astype(np.uint8)
    return rounded


def _shifted(mask: Mask) -> list[Mask]:
    padded = np.pad(mask, 1, mode="edge")
    return [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]


def _eroded(mask: Mask) -> Mask:
    up, down, left, right = _shifted(mask)
    return mask & up & down & left & right


def _near(mask: Mask) -> Mask:
    up, down, left, right = _shifted(mask)
    return mask | up | down | left | right


def kind_colors(kinds: Sequence[str]) -> dict[str, str]:
    """Give every artifact kind a color of its own: the known one if it is free, else the next spare one."""
    colors: dict[str, str] = {}
    spare = 0
    for kind in kinds:
        color = KIND_COLORS.get(kind)
        if color is None or color in colors.values():
            color = SPARE_COLORS[spare % len(SPARE_COLORS)]
            spare += 1
        colors[kind] = color
    return colors
