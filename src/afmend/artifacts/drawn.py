"""Areas that a person wants excluded, from a file: polygons and rectangles as JSON, or a mask image."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.given import MAX_PIXELS, use_of
from afmend.artifacts.polygons import Point, check_count, check_polygon, corners
from afmend.errors import BadMaskError
from afmend.pipeline import StepUse
from afmend.scan.arrays import Mask

_MAX_JSON = 1 << 24  # bytes
_MAX_IMAGE = 1 << 29  # bytes
_NPY = b"\x93NUMPY"
_ENDS = (".json", ".png", ".bmp", ".tif", ".tiff", ".npy")
_SHAPE = 'Write {"polygons": [{"points": [[x, y], ...]}]}; see docs/how-to/exclude.md.'
_ROLES = ("foreground", "artifact")
_UNITS = ("px", "nm")


def exclusions(path: Path) -> tuple[StepUse, ...]:
    """Read areas to exclude and return the steps that mark them on any scan.

    Parameters
    ----------
    path : Path
        JSON with polygons and rectangles, or a mask image (see `read_mask_image`).

    Returns
    -------
    tuple of StepUse
        ``mask.draw``, one per role and unit, or one ``mask.given``.

    Raises
    ------
    BadMaskError
        If the file is anything else, or an area is not one. Whether the areas lie on the scan shows when the steps run.
    """
    try:
        if path.suffix.lower() == ".json":
            return _drawings(_read_json(path))
        return (use_of(read_mask_image(path)),)
    except BadMaskError as error:
        where = f"{path}, {error.where}" if error.where else str(path)
        raise BadMaskError(error.what, where=where, now=error.now) from error


def _read(path: Path, limit: int) -> bytes:
    """Return the bytes of a file of an expected ending and size."""
    if path.suffix.lower() not in _ENDS:
        raise BadMaskError(f"{path.suffix or 'no ending'!r} is no known ending of areas or masks",
                           now=f"There are: {', '.join(_ENDS)}.")  # fmt: skip
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise BadMaskError(f"cannot be read ({error.strerror})", now="Check path and rights.") from error
    if len(data) > limit:
        raise BadMaskError(f"the file is larger than {limit} bytes", now="Nobody draws that much: check the file.")
    return data


# ------------------------------------------------------------------ polygons and rectangles


def _read_json(path: Path) -> Any:
    data = _read(path, _MAX_JSON)
    try:
        return json.loads(data.decode("utf-8-sig"))
    except RecursionError as error:
        raise BadMaskError("the JSON is nested too deeply", now=_SHAPE) from error
    except ValueError as error:  # wrong letters, wrong JSON, and whole numbers of thousands of digits
        raise BadMaskError(f"not valid JSON ({error})", now=_SHAPE) from error


def _drawings(data: Any) -> tuple[StepUse, ...]:
    """Group areas by role and unit into uses of mask.draw."""
    if isinstance(data, list):
        data = {"polygons": [{"points": points} for points in data]}
    content = _mapping(data, ("polygons", "rectangles"), "the file")
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    count = 0
    for key in ("polygons", "rectangles"):
        for number, item in enumerate(_list(content.get(key, []), key), start=1):
            where = f"{key[:-1]} {number}"
            area, kind = _polygon(item, where) if key == "polygons" else _rectangle(item, where)
            count += len(area)
            check_count(count)
            groups.setdefault(kind, {}).setdefault(key, []).append(area)
    if not groups:
        raise BadMaskError("there is no polygon and no rectangle in it", now=_SHAPE)
    return tuple(
        StepUse(step="mask.draw", params={**areas, "unit": unit, "role": role})
        for (role, unit), areas in groups.items()
    )


def _polygon(item: Any, where: str) -> tuple[list[list[float]], tuple[str, str]]:
    if isinstance(item, list):
        item = {"points": item}
    content = _mapping(item, ("points", "role", "unit"), where)
    points = [_point(point, where) for point in _list(content.get("points"), f"{where}: points")]
    check_polygon(tuple(points), where)
    return [list(point) for point in points], _kind(content, where)


def _rectangle(item: Any, where: str) -> tuple[list[float], tuple[str, str]]:
    names = ("x", "y", "width", "height")
    content = _mapping(item, (*names, "role", "unit"), where)
    x, y, width, height = (_number(content.get(name), f"{where}: {name}") for name in names)
    check_polygon(corners((x, y, width, height), where), where)
    return [x, y, width, height], _kind(content, where)


def _kind(content: dict[str, Any], where: str) -> tuple[str, str]:
    role, unit = content.get("role", "foreground"), content.get("unit", "px")
    for name, value, known in (("role", role, _ROLES), ("unit", unit, _UNITS)):
        if value not in known:
            raise BadMaskError(f"{where}: {name} {_shown(value)} is not one of {', '.join(known)}", now=_SHAPE)
    return role, unit


def _mapping(data: Any, known: tuple[str, ...], what: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise BadMaskError(f"{what} is {_shown(data)}, needed is a mapping of {', '.join(known)}", now=_SHAPE)
    for key in data:
        if key not in known:
            raise BadMaskError(f"{what} has the unknown key {_shown(key)}; known are {', '.join(known)}", now=_SHAPE)
    return data


def _list(data: Any, what: str) -> list[Any]:
    if not isinstance(data, list):
        raise BadMaskError(f"{what} is {_shown(data)}, needed is a list", now=_SHAPE)
    return data


def _point(data: Any, where: str) -> Point:
    pair = _list(data, f"{where}: a point")
    if len(pair) != 2:
        raise BadMaskError(f"{where}: a point has {len(pair)} numbers, needed are x and y", now=_SHAPE)
    return _number(pair[0], f"{where}: x"), _number(pair[1], f"{where}: y")


def _number(data: Any, what: str) -> float:
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise BadMaskError(f"{what} is {_shown(data)}, not a number", now=_SHAPE)
    try:
        value = float(data)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise BadMaskError(f"{what} is {_shown(data)}, not a finite number", now=_SHAPE)
    return value


def _shown(data: Any) -> str:
    """Show the value if it is short, else only its type."""
    text = repr(data) if data is None or isinstance(data, str | bool | float) else ""
    return text if 0 < len(text) <= 40 else f"a {type(data).__name__}"


# ------------------------------------------------------------------ mask images


def read_mask_image(path: Path) -> Mask:
    """Read a mask from an image (PNG, BMP, TIFF) or a numpy array (npy); everything not zero is excluded.

    Pixels are excluded where any color is not black and, if the image has transparency, not fully transparent.
    Row 0 is the top row of the picture.

    Raises
    ------
    BadMaskError
        If the file is not one such image, or too large.
    """
    data = _read(path, _MAX_IMAGE)
    try:
        return _from_npy(data) if data.startswith(_NPY) else _from_picture(data)
    except MemoryError as error:
        raise BadMaskError("the mask does not fit into memory", now="Make it smaller.") from error


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or min(shape) < 1 or math.prod(shape) > MAX_PIXELS:
        raise BadMaskError(
            f"a mask of shape {shape} cannot be meant", now=f"Masks have rows and columns, up to {MAX_PIXELS} pixels."
        )


def _from_npy(data: bytes) -> Mask:
    import io
    import tokenize

    file = io.BytesIO(data)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    except (ValueError, TypeError, SyntaxError, KeyError, RecursionError, tokenize.TokenError) as error:
        raise BadMaskError("the head of the npy file is broken", now="Save it again with numpy.save.") from error
    _check_shape(shape)
    if dtype.kind not in "biuf":
        raise BadMaskError(f"the npy file holds {dtype}, needed are numbers", now="Save a boolean array.")
    if len(data) - file.tell() != math.prod(shape) * dtype.itemsize:
        raise BadMaskError("the npy file is truncated or too long", now="Save it again with numpy.save.")
    values = np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if fortran else "C")
    return _not_zero(values)


def _not_zero(values: NDArray[Any]) -> Mask:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadMaskError("the mask holds values that are not finite", now="Masks are 0 and 1.")
    return np.ascontiguousarray(values != 0)


def _from_picture(data: bytes) -> Mask:
    import io
    import struct
    import zlib

    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damage is judged here, by the pixels
            with Image.open(io.BytesIO(data), formats=("PNG", "BMP", "TIFF")) as image:
                _check_shape((image.height, image.width))
                if getattr(image, "n_frames", 1) != 1:
                    raise BadMaskError("the file holds more than one image", now="Save one image alone.")
                return _marked(image)
    except UnidentifiedImageError as error:
        raise BadMaskError(
            "the file is no PNG, BMP, TIFF or npy mask", now="Save the mask as PNG, or give polygons as .json."
        ) from error
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, struct.error,
            zlib.error, Image.DecompressionBombError) as error:  # fmt: skip
        raise BadMaskError(f"the mask image cannot be read ({error})", now="Save it again as PNG.") from error


def _marked(image: Any) -> Mask:
    if image.mode in ("1", "L", "F") or image.mode.startswith("I"):
        return _not_zero(np.asarray(image))
    colors = np.asarray(image.convert("RGBA"))
    marked: Mask = colors[..., :3].any(axis=2) & (colors[..., 3] > 0)
    return marked
