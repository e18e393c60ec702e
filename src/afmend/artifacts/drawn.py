"""Masks that people draw or bring along: polygons, rectangles, mask images. They replay from their parameters alone.

Coordinates: x runs along the fast axis (columns), y along the slow axis (rows), the origin is the upper left corner
of pixel (0, 0). Pixel (row r, column c) covers x from c to c + 1 and y from r to r + 1; it belongs to a shape
if its center (c + 0.5, r + 0.5) lies inside. In nm, x and y are measured from the same corner.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from afmend.artifacts.mask_steps import named, with_role
from afmend.errors import BadMaskError
from afmend.pipeline import Field, Knob, Params, StepUse, step
from afmend.scan.arrays import Mask
from afmend.scan.masks import Masks

Point = tuple[float, float]
LARGEST_FILE = 200_000_000
"""Bytes; a larger mask or polygon file is refused unread."""


class MaskDraw(Params):
    """Mark drawn polygons and rectangles, as exclusions from fits or as artifacts."""

    polygons: tuple[tuple[Point, ...], ...] = Knob(
        (), "Polygons, each a list of points [x, y]: x = column, y = row, counted from the upper left corner."
    )
    rectangles: tuple[tuple[float, float, float, float], ...] = Knob(
        (), "Rectangles, each [x, y, width, height]; x, y is the upper left corner."
    )
    unit: Literal["px", "nm"] = Knob("px", "Unit of all coordinates.")
    role: Literal["foreground", "artifact"] = Knob(
        "foreground", "foreground: right, but kept out of fits (exclusion). artifact: wrong, will be filled."
    )
    name: str = Knob("drawn", "Name of the mask; what is drawn is added to it.")


@step("mask.draw", MaskDraw, version="1")
def mask_draw(field: Field, params: MaskDraw) -> Masks:
    """Add the drawn shapes to a mask; a pixel belongs to a shape if its center lies inside (even-odd rule).

    Raises
    ------
    BadMaskError
        If a shape has no area, covers no pixel of the image, or is in nm where the pixel size is unknown.
    """
    if params.unit == "nm" and not field.calibrated:
        raise BadMaskError("shapes are given in nm, but the pixel size of this scan is unknown", now="Give them in px.")
    slow, fast = field.pixel_nm if params.unit == "nm" else (1.0, 1.0)
    shapes = [(f"polygon {n}", points) for n, points in enumerate(params.polygons, start=1)]
    shapes += [(f"rectangle {n}", _corners(*box)) for n, box in enumerate(params.rectangles, start=1)]
    mask = np.zeros(field.shape, dtype=np.bool_)
    for what, points in shapes:
        inside = polygon_mask([(x / fast, y / slow) for x, y in points], field.shape)
        if len(points) < 3 or not inside.any():
            raise BadMaskError(
                f"{what} covers no pixel of the image ({field.shape[1]} columns, {field.shape[0]} rows)",
                now="A shape needs three points or more, some area, and lies on the image; check its unit.",
            )
        mask |= inside
    return with_role(field.masks, params.role, params.name, mask)


def _corners(x: float, y: float, width: float, height: float) -> tuple[Point, ...]:
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


def polygon_mask(points: list[Point], shape: tuple[int, int]) -> Mask:
    """Mark the pixels whose center lies inside a polygon (points in pixels, even-odd rule, closed by itself)."""
    rows, cols = shape
    crossings = np.zeros((rows, cols + 1), dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], *points[:1]], strict=True):
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            raise BadMaskError("a point of a polygon is not a finite number", now="Draw the polygon again.")
        low, high = sorted((y0, y1))
        first = max(0, math.ceil(min(low - 0.5, rows)))
        last = min(rows, math.ceil(min(high - 0.5, rows)))
        if first >= last:
            continue
        row = np.arange(first, last)
        x = x0 + (row + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
        col = np.ceil(x - 0.5).clip(0, cols).astype(np.intp)
        crossings[row, col] ^= True
    return np.asarray(np.bitwise_xor.accumulate(crossings, axis=1)[:, :-1], dtype=np.bool_)


class MaskGiven(Params):
    """Take a whole mask that was made elsewhere."""

    data: str = Knob("", "The mask: bits row by row, zlib-compressed, base64 (see `pack_mask`).")
    rows: int = Knob(1, "Number of lines of the mask.", unit="px", ge=1, le=1_000_000)
    cols: int = Knob(1, "Number of pixels in a line of the mask.", unit="px", ge=1, le=1_000_000)
    role: Literal["foreground", "artifact", "missing"] = Knob(
        "foreground", "foreground: right, but kept out of fits. artifact: wrong. missing: never measured."
    )
    name: str = Knob("drawn", "Name of the mask; what is given is added to it.")


@step("mask.given", MaskGiven, version="1")
def mask_given(field: Field, params: MaskGiven) -> Masks:
    """Add a given mask.

    Raises
    ------
    BadMaskError
        If its size is not that of the image, or its data are damaged.
    """
    if (params.rows, params.cols) != field.shape:
        raise BadMaskError(
            f"the mask has {params.rows} rows and {params.cols} columns, the image {field.shape[0]} and {field.shape[1]}",
            now="Use a mask of the same size.",
        )
    return with_role(field.masks, params.role, params.name, unpack_mask(params.data, field.shape))


def pack_mask(mask: Mask) -> str:
    """Pack a mask into text for `mask.given`."""
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode("ascii")


def unpack_mask(text: str, shape: tuple[int, int]) -> Mask:
    """Unpack what `pack_mask` made; raise `BadMaskError` if it is damaged or of another size."""
    size = shape[0] * shape[1]
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), -(-size // 8) + 1)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise BadMaskError(f"the packed mask is damaged ({error})", now="Pack it again with pack_mask.") from error
    if len(data) != -(-size // 8):
        raise BadMaskError(
            f"the packed mask holds {len(data)} bytes, {shape[0]} x {shape[1]} pixels need {-(-size // 8)}",
            now="Pack it again with pack_mask.",
        )
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=size)
    return bits.astype(np.bool_).reshape(shape)


def read_mask_image(
    path: Path,
    shape: tuple[int, int],
    *,
    role: Literal["foreground", "artifact", "missing"] = "foreground",
    name: str = "drawn",
) -> list[StepUse]:
    """Read a mask image (PNG, BMP, TIFF, or .npy): every pixel that is not 0 is marked.

    Parameters
    ----------
    path : Path
    shape : (rows, cols)
        Size of the scan it belongs to.
    role, name
        Where the mask goes.

    Returns
    -------
    list of StepUse
        One `mask.given` to put before a recipe.

    Raises
    ------
    BadMaskError
        If the file cannot be read, is not an image, or has another size.
    """
    picture = _read_picture(path)
    mask = picture.astype(np.bool_) if picture.ndim == 2 else _colored(picture)
    if mask.shape != shape:
        raise BadMaskError(
            f"the mask has {mask.shape[0]} rows and {mask.shape[1]} columns, the scan {shape[0]} and {shape[1]}",
            where=path.name, now="Export the mask in the size of the scan.",
        )  # fmt: skip
    params = {"data": pack_mask(mask), "rows": shape[0], "cols": shape[1], "role": role, "name": named(name)}
    return [StepUse(step="mask.given", params=params)]


def _read_picture(path: Path) -> np.ndarray[Any, np.dtype[Any]]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadMaskError("is too large for a mask", where=path.name, now="Export the mask alone.")
        if path.suffix.lower() == ".npy":
            picture = np.load(path, allow_pickle=False)
        else:
            from PIL import Image

            with Image.open(path) as image:
                picture = np.asarray(image)
    except BadMaskError:
        raise
    except Exception as error:  # noqa: BLE001 (Pillow raises almost anything on a damaged file)
        raise BadMaskError(
            f"cannot be read as a mask image ({error})", where=path.name, now="Give a PNG, BMP, TIFF or .npy file."
        ) from error
    if picture.ndim not in (2, 3) or picture.dtype.kind not in "buif" or picture.size == 0:
        raise BadMaskError(f"holds no 2-D image ({picture.dtype} of shape {picture.shape})", where=path.name,
                           now="Give a picture with one value per pixel.")  # fmt: skip
    if picture.dtype.kind == "f" and not np.isfinite(picture).all():
        raise BadMaskError("holds NaN or infinite values", where=path.name, now="Give 0 and 1.")
    return picture


def _colored(picture: np.ndarray[Any, np.dtype[Any]]) -> Mask:
    """Mark what is not black; a channel of transparency counts as unmarked where fully transparent."""
    colors = picture[..., :1] if picture.shape[2] == 2 else picture[..., :3]
    marked = colors.any(axis=2)
    if picture.shape[2] in (2, 4):
        marked &= picture[..., -1] > 0
    return np.asarray(marked, dtype=np.bool_)


def read_polygons(path: Path) -> list[StepUse]:
    """Read drawn shapes from JSON.

    ``{"polygons": [{"points": [[x, y], ...], "role": "foreground", "unit": "px"}], "rectangles":
    [{"x": .., "y": .., "width": .., "height": ..}]}``, or a plain list of polygons (each a list of points or such
    a mapping). Role "foreground" (default) or "artifact", unit "px" (default) or "nm".

    Returns
    -------
    list of StepUse
        `mask.draw` steps to put before a recipe, one for each role and unit.

    Raises
    ------
    BadMaskError
        Naming the shape that is wrong.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadMaskError("is too large for a polygon file", where=path.name, now="Check the path.")
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadMaskError(f"cannot be read as JSON ({error})", where=path.name, now="Check the file.") from error
    if isinstance(data, list):
        data = {"polygons": data}
    if not isinstance(data, Mapping) or not set(data) <= {"polygons", "rectangles"} or not data:
        raise BadMaskError('is neither a list of polygons nor a mapping with "polygons" and "rectangles"',
                           where=path.name, now="See `afmend.artifacts.drawn.read_polygons`.")  # fmt: skip
    groups: dict[tuple[str, str], dict[str, list[Any]]] = {}
    for kind in ("polygons", "rectangles"):
        shapes = data.get(kind, [])
        if not isinstance(shapes, list):
            raise BadMaskError(f"{kind} is not a list", where=path.name, now="Write a list of shapes.")
        for number, shape in enumerate(shapes, start=1):
            where = f"{path.name}, {kind[:-1]} {number}"
            key, value = _shape(kind, shape, where)
            groups.setdefault(key, {}).setdefault(kind, []).append(value)
    if not groups:
        raise BadMaskError("holds no shapes", where=path.name, now="Draw at least one.")
    return [
        StepUse(step="mask.draw", params={"unit": unit, "role": role, **shapes})
        for (role, unit), shapes in sorted(groups.items())
    ]


def _shape(kind: str, shape: object, where: str) -> tuple[tuple[str, str], list[Any]]:
    given: Mapping[str, Any] = shape if isinstance(shape, Mapping) else {"points": shape}
    sides = ["points"] if kind == "polygons" else ["x", "y", "width", "height"]
    unknown = sorted(set(given) - {*sides, "role", "unit"})
    lacking = [key for key in sides if key not in given]
    if unknown or lacking:
        raise BadMaskError(f"unknown or lacking keys: {', '.join(unknown + lacking)}", where=where,
                           now=f"Known keys: {', '.join([*sides, 'role', 'unit'])}.")  # fmt: skip
    role, unit = given.get("role", "foreground"), given.get("unit", "px")
    if role not in ("foreground", "artifact") or unit not in ("px", "nm"):
        raise BadMaskError(f"role {role!r} with unit {unit!r} is not known", where=where,
                           now='Roles: "foreground", "artifact"; units: "px", "nm".')  # fmt: skip
    if kind == "rectangles":
        box = [_number(given[key], where) for key in sides]
        if box[2] <= 0 or box[3] <= 0:
            raise BadMaskError("the rectangle has no area", where=where, now="Width and height are positive.")
        return (role, unit), box
    points = given["points"]
    if not isinstance(points, list) or len(points) < 3:
        raise BadMaskError("a polygon is a list of three points or more", where=where, now="Write [[x, y], ...].")
    out = []
    for point in points:
        if not isinstance(point, list) or len(point) != 2:
            raise BadMaskError(f"{point!r} is not a point", where=where, now="Write [x, y].")
        out.append([_number(value, where) for value in point])
    return (role, unit), out


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BadMaskError(f"{value!r} is not a finite number", where=where, now="Coordinates are plain numbers.")
    return float(value)
