"""A shaded 3-D view of a height map, seen from the front and above, in plain numpy.

The view is orthographic. The surface is resampled onto lines of sight; in every column of the picture the first
point of the running maximum, seen from the front, that reaches a pixel is what that pixel shows: hidden
surfaces are exactly right and nothing has to be sorted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from afmend.pictures.colormaps import colormap, rgb
from afmend.pictures.maps import Pixels, shrink
from afmend.pictures.numerals import quantity
from afmend.pictures.typeset import INK, SOFT_INK, put
from afmend.scan import Grid
from afmend.scan.arrays import Heights, Mask

MESH = 200
"""Largest number of mesh lines along either axis."""
SAMPLES = 320
"""Points along a line of sight."""
PAPER = (242, 244, 247)
_BELOW, _ABOVE = 0.25, 0.4
_NARROWEST = 0.06
_NICE = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_NEVER_MEASURED = (176, 176, 176)
_INVENTED = rgb("#00b8e6")


@dataclass(frozen=True, slots=True)
class View:
    """From where, and how large.

    Attributes
    ----------
    width : int
        Picture width in px; the height follows.
    turn_deg : float
        Rotation of the surface about the vertical.
    elevation_deg : float
        Height of the eye above the horizon.
    relief : float
        Height of the z range in units of the longer side of the scan.
    cmap : str
    """

    width: int = 400
    turn_deg: float = 28.0
    elevation_deg: float = 38.0
    relief: float = 0.14
    cmap: str = "afm"


def exaggeration(limits: tuple[float, float], grid: Grid, relief: float = 0.14) -> float:
    """Return a round factor by which heights are drawn too tall so that the range fills ``relief`` of the side."""
    wanted = relief * max(grid.size_nm) / (limits[1] - limits[0])
    power = 10.0 ** math.floor(math.log10(wanted))
    return min((n * power for n in _NICE), key=lambda f: abs(math.log(f / wanted)))


def surface(
    heights: Heights,
    grid: Grid,
    limits: tuple[float, float],
    *,
    valid: Mask | None = None,
    invented: Mask | None = None,
    calibrated: bool = True,
    unit: str = "nm",
    view: View = View(),
) -> Image.Image:
    """Draw a height map as a shaded relief; its vertical exaggeration is written into the picture.

    Parameters
    ----------
    heights : (rows, cols) float
    grid : Grid
    limits : (low, high)
        Heights of the first and last color. Give before and after the same. Heights that lie beyond by more
        than a quarter of the range below, or 0.4 of it above, are cut there.
    valid : (rows, cols) bool, optional
        False = never measured: gray.
    invented : (rows, cols) bool, optional
        Filled pixels: tinted.
    calibrated : bool
        False if the heights are not in a known unit: then no exaggeration can be stated.
    unit : str
    view : View

    Returns
    -------
    PIL.Image.Image
        RGB.
    """
    factor = exaggeration(limits, grid, view.relief)
    mesh = _Mesh.of(heights, grid, limits, factor, valid, invented, view.cmap)
    picture = _cast(mesh, view)
    image = Image.fromarray(picture).resize((view.width, round(picture.shape[0] / 2)), Image.Resampling.BOX)
    footer = Image.new("RGB", (image.width, image.height + 24), PAPER)
    footer.paste(image, (0, 0))
    known = grid.calibrated and calibrated and unit == "nm"
    stated = f"z × {factor:g}" if known else "z scale arbitrary"
    if min(grid.size_nm) / max(grid.size_nm) < 2 * _NARROWEST:
        stated += ", narrow side widened"
    span = f"color range {quantity(limits[1] - limits[0], unit)}" if calibrated else ""
    draw = ImageDraw.Draw(footer)
    y = footer.height - 11
    put(draw, (4, y), stated, 13, fill=INK)
    put(draw, (footer.width - 4, y), span, 12, fill=SOFT_INK, anchor="r")
    return footer


@dataclass(frozen=True, slots=True)
class _Mesh:
    """Heights in units of the longer side, with a color per node; u along fast, v along slow, centered."""

    z: NDArray[np.float32]
    color: NDArray[np.float32]
    half_u: float
    half_v: float
    base: float
    ceiling: float

    @classmethod
    def of(
        cls,
        heights: Heights,
        grid: Grid,
        limits: tuple[float, float],
        factor: float,
        valid: Mask | None,
        invented: Mask | None,
        cmap: str,
    ) -> _Mesh:
        low, high = limits
        span = high - low
        rows, cols = min(grid.rows, MESH), min(grid.cols, MESH)
        reduced, known = shrink(heights - low, valid, (rows, cols))
        reduced = np.where(known, reduced, np.float32(0.5 * span))
        longer = max(grid.size_nm)
        scale = factor / longer
        z = np.clip(reduced, -_BELOW * span, (1 + _ABOVE) * span) * np.float32(scale)
        half_v, half_u = (0.5 * side / longer for side in grid.size_nm)
        # a very narrow scan is drawn at least this wide
        half_v, half_u = max(half_v, _NARROWEST), max(half_u, _NARROWEST)
        light = _lambert(z, 2 * half_v / rows, 2 * half_u / cols)
        index = np.clip(reduced * np.float32(255 / span), 0, 255).astype(np.uint8)
        color = _lifted(colormap(cmap))[index]
        color[~known] = _NEVER_MEASURED
        if invented is not None and invented.any():
            share = shrink(invented.astype(np.float64), None, (rows, cols))[0]
            share = np.where(share > 0.05, np.float32(0.3) + np.float32(0.35) * share, 0)[..., None]
            color = color * (1 - share) + np.array(_INVENTED, np.float32) * share
        base, ceiling = -_BELOW * span * scale - 0.03, (1 + _ABOVE) * span * scale
        return cls(z, (color * light[..., None]).astype(np.float32), half_u, half_v, base, ceiling)


def _lifted(table: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Lift the darkest colors, so that shading still shows in them."""
    return np.float32(52) + table.astype(np.float32) * np.float32(1 - 52 / 255)


def _lambert(z: NDArray[np.float32], step_v: float, step_u: float) -> NDArray[np.float32]:
    """Brightness of each node under a lamp at the upper left front, flat ground = 1."""
    slope_v = np.gradient(z, step_v, axis=0) if z.shape[0] > 1 else np.zeros_like(z)
    slope_u = np.gradient(z, step_u, axis=1) if z.shape[1] > 1 else np.zeros_like(z)
    lamp = np.array([-0.55, 0.35, 0.75])
    lamp /= np.linalg.norm(lamp)
    facing = (-slope_u * lamp[0] - slope_v * lamp[1] + lamp[2]) / np.sqrt(1 + slope_u**2 + slope_v**2)
    brightness: NDArray[np.float32] = np.clip(0.42 + 0.58 * np.maximum(facing, 0) / lamp[2], 0.2, 1.22).astype(
        np.float32
    )
    return brightness


@dataclass(frozen=True, slots=True)
class _Rays:
    """Lines of sight, one per picture column, from the eye away: (samples, columns) in mesh units."""

    depth: NDArray[np.float32]
    down: NDArray[np.float32]
    across: NDArray[np.float32]
    reached: Mask
    from_left: Mask
    y: NDArray[np.float32]

    @classmethod
    def of(cls, mesh: _Mesh, view: View) -> _Rays:
        """Place the rays; the frame depends on the mesh's limits, not on its heights."""
        turn, tilt = math.radians(view.turn_deg), math.radians(view.elevation_deg)
        sin, cos = math.sin(turn), math.cos(turn)
        reach_x = mesh.half_u * cos + mesh.half_v * sin
        reach_y = (mesh.half_u * sin + mesh.half_v * cos) * math.sin(tilt)
        bottom = mesh.base * math.cos(tilt) - reach_y
        top = mesh.ceiling * math.cos(tilt) + reach_y
        columns = 2 * view.width
        step = max(2.04 * reach_x / columns, (top - bottom) / (0.8 * columns))
        x = (np.arange(columns) - (columns - 1) / 2) * step
        lines = 2 * math.ceil((top - bottom) / step / 2) + 8
        y = bottom + step * (np.arange(lines) - 4)
        # u = x cos + depth sin and v = x sin - depth cos stay inside the scan; row 0 lies at the back
        enter_u, leave_u = (-mesh.half_u - x * cos) / sin, (mesh.half_u - x * cos) / sin
        enter_v, leave_v = (x * sin - mesh.half_v) / cos, (x * sin + mesh.half_v) / cos
        enter, leave = np.maximum(enter_u, enter_v), np.minimum(leave_u, leave_v)
        reached = enter < leave
        depth = enter + np.where(reached, leave - enter, 0) * np.linspace(0, 1, SAMPLES)[:, None]
        rows, cols = mesh.z.shape
        down = ((x * sin - depth * cos) / mesh.half_v + 1) * (rows / 2) - 0.5
        across = ((x * cos + depth * sin) / mesh.half_u + 1) * (cols / 2) - 0.5
        return cls(
            depth.astype(np.float32),
            np.clip(down, 0, rows - 1).astype(np.float32),
            np.clip(across, 0, cols - 1).astype(np.float32),
            reached,
            enter_u > enter_v,
            y[::-1].astype(np.float32),
        )


def _cast(mesh: _Mesh, view: View) -> Pixels:
    """Render at twice the width; see the module's docstring."""
    rays = _Rays.of(mesh, view)
    tilt = math.radians(view.elevation_deg)
    columns, lines = rays.depth.shape[1], len(rays.y)
    rise = _bilinear(mesh.z, rays.down, rays.across) * np.float32(math.cos(tilt))
    rise += rays.depth * np.float32(math.sin(tilt))
    horizon = np.maximum.accumulate(rise, axis=0)
    # one search for all columns: adding 20 i to column i makes the whole array ascending
    column = np.arange(columns)
    ladder = (horizon.T + 20.0 * column[:, None]).ravel()
    hit = np.searchsorted(ladder, (rays.y[None, :] + 20.0 * column[:, None]).ravel()).reshape(columns, lines).T
    hit = hit - column * SAMPLES
    seen = (hit < SAMPLES) & rays.reached
    line, col = np.nonzero(seen & (hit > 0))
    last = hit[line, col]
    lower, upper = horizon[last - 1, col], horizon[last, col]
    part = np.clip((rays.y[line] - lower) / np.maximum(upper - lower, np.float32(1e-9)), 0, 1)
    down, across = (place[last - 1, col] * (1 - part) + place[last, col] * part for place in (rays.down, rays.across))
    picture = np.full((lines, columns, 3), PAPER, dtype=np.uint8)
    picture[line, col] = np.clip(_bilinear(mesh.color, down, across), 0, 255).astype(np.uint8)
    foot = mesh.base * math.cos(tilt) + rays.depth[0] * math.sin(tilt)
    skirt = seen & (hit == 0) & (rays.y[:, None] >= foot)
    faces = np.where(rays.from_left, np.uint8(172), np.uint8(138))
    picture[skirt] = np.broadcast_to(faces[None, :, None], picture.shape)[skirt]
    return picture


def _bilinear(
    table: NDArray[np.float32], down: NDArray[np.float32], across: NDArray[np.float32]
) -> NDArray[np.float32]:
    rows, cols = table.shape[:2]
    top = np.minimum(down.astype(np.intp), max(rows - 2, 0))
    left = np.minimum(across.astype(np.intp), max(cols - 2, 0))
    bottom, right = np.minimum(top + 1, rows - 1), np.minimum(left + 1, cols - 1)
    a, b = (down - top).astype(np.float32), (across - left).astype(np.float32)
    if table.ndim == 3:
        a, b = a[..., None], b[..., None]
    upper = table[top, left] * (1 - b) + table[top, right] * b
    lower = table[bottom, left] * (1 - b) + table[bottom, right] * b
    mixed: NDArray[np.float32] = upper * (1 - a) + lower * a
    return mixed
