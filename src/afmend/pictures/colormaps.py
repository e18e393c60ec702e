"""afmend's own color maps: a few control colors, spread so that lightness rises evenly.

A map that is even in lightness shows equal height steps as equal steps of brightness, prints in gray and
reads the same for color-blind people.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError

ENTRIES = 256
_CONTROLS: dict[str, tuple[str, ...]] = {
    "afm": ("#000000", "#3a1604", "#7a3509", "#b65f17", "#de963b", "#f4c777", "#fdebc0", "#ffffff"),
    "gray": ("#000000", "#ffffff"),
    "blue": ("#040a1c", "#0b2a55", "#14568f", "#3587bd", "#77b6db", "#bfdff0", "#f7fcff"),
    "green": ("#03110c", "#0a3a2b", "#1a6a4a", "#4b9b67", "#98c78d", "#d8ecc2", "#fbfff4"),
}
# Differences: both arms fall from white with the same lightness, so neither sign looks larger.
_ARMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "difference": (("#08244f", "#2c63a6", "#86b1da", "#f7f7f7"), ("#4f0f0c", "#a63a2c", "#dd9a86", "#f7f7f7")),
}
MAPS: tuple[str, ...] = (*_CONTROLS, *_ARMS)
"""Names of all color maps."""


@cache
def colormap(name: str) -> NDArray[np.uint8]:
    """Return a color map as a read-only (256, 3) table of sRGB bytes.

    Parameters
    ----------
    name : str
        "afm" (black, brown, orange, pale yellow, white), "gray", "blue", "green" for heights;
        "difference" (blue, white, red) for signed differences centered on zero.

    Raises
    ------
    BadParameterError
        If there is no such map.
    """
    if name in _CONTROLS:
        table = _even(_CONTROLS[name], ENTRIES)
    elif name in _ARMS:
        low, high = (_even(arm, ENTRIES // 2) for arm in _ARMS[name])
        table = np.vstack([low, high[::-1]])
    else:
        raise BadParameterError(f"no color map {name!r}", now=f"There are: {', '.join(MAPS)}.")
    rounded = np.round(table).astype(np.uint8)
    rounded.flags.writeable = False
    return rounded


def rgb(color: str) -> tuple[int, int, int]:
    """Return (red, green, blue) of "#rrggbb"."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def lightness(colors: NDArray[np.uint8] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the CIE lightness L* (0 to 100) of sRGB colors of shape (..., 3) in 0 to 255."""
    scaled = np.asarray(colors, dtype=np.float64) / 255
    linear = np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)
    luminance = linear[..., 0] * 0.2126 + linear[..., 1] * 0.7152 + linear[..., 2] * 0.0722
    bright: NDArray[np.float64] = np.where(
        luminance > (6 / 29) ** 3, 116 * np.cbrt(luminance) - 16, luminance * (29 / 3) ** 3
    )
    return bright


def _even(controls: tuple[str, ...], count: int) -> NDArray[np.float64]:
    """Interpolate control colors finely, then pick ``count`` of them at even steps of lightness."""
    points = np.array([rgb(color) for color in controls], dtype=np.float64)
    fine = np.linspace(0, len(points) - 1, 4096)
    colors = np.column_stack([np.interp(fine, np.arange(len(points)), points[:, i]) for i in range(3)])
    bright = lightness(colors)
    wanted = np.linspace(bright[0], bright[-1], count)
    return np.column_stack([np.interp(wanted, bright, colors[:, i]) for i in range(3)])
