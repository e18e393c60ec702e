"""A mask given as data, so that a history replays without the file it came from."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Literal

import numpy as np

from afmend.errors import BadMaskError
from afmend.pipeline import Field, Knob, Params, StepUse, step
from afmend.scan import Masks
from afmend.scan.arrays import Mask
from afmend.scan.masks import Role

MAX_PIXELS = 1 << 25
"""Largest mask that is unpacked."""


class Given(Params):
    """Mark the pixels of a mask that is given as data (made from a mask image)."""

    rows: int = Knob(0, "Rows of the mask.", unit="px", ge=0, le=MAX_PIXELS)
    cols: int = Knob(0, "Columns of the mask.", unit="px", ge=0, le=MAX_PIXELS)
    data: str = Knob("", "The mask row by row as bits, compressed by zlib, as base64; empty = nothing is marked.")
    role: Literal["foreground", "artifact", "missing"] = Knob(
        "foreground", "foreground: right, but kept out of fits. artifact: wrong, will be filled. missing: no data."
    )
    name: str = Knob("drawn", "Name of the mask; a mask of this name is added to.")


@step("mask.given", Given, version="1")
def given(field: Field, params: Given) -> Masks:
    """Add a mask that was packed by `pack_mask`.

    Raises
    ------
    BadMaskError
        If the mask is not of the size of the scan, or its data are broken.
    """
    if not params.data:
        return field.masks
    if (params.rows, params.cols) != field.shape:
        raise BadMaskError(
            f"the mask has {params.rows} rows x {params.cols} columns, the scan {field.shape[0]} x {field.shape[1]}",
            now="Draw it on this scan, or give polygons in nm.",
        )
    return field.masks.with_added(params.role, params.name, unpack_mask(params.data, field.shape))


def use_of(mask: Mask, role: Role = "foreground", name: str = "drawn") -> StepUse:
    """Return the use of ``mask.given`` that marks ``mask``."""
    params = {"rows": mask.shape[0], "cols": mask.shape[1], "data": pack_mask(mask), "role": role, "name": name}
    return StepUse(step="mask.given", params=params)


def pack_mask(mask: Mask) -> str:
    """Return a mask as text: bits row by row, compressed by zlib, as base64."""
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode("ascii")


def unpack_mask(text: str, shape: tuple[int, int]) -> Mask:
    """Return the mask that `pack_mask` made text of.

    Raises
    ------
    BadMaskError
        If the text is not that of a mask of ``shape``. Never takes more memory than such a mask needs.
    """
    count = shape[0] * shape[1]
    if min(shape) < 1 or count > MAX_PIXELS:
        raise BadMaskError(f"a mask of {shape[0]} x {shape[1]} pixels cannot be meant", now="Make it again.")
    size = (count + 7) // 8
    again = "Make the mask again."
    if len(text) > 2 * size + 1024:
        raise BadMaskError("the data of the mask are longer than its size allows", now=again)
    reader = zlib.decompressobj()
    try:
        packed = reader.decompress(base64.b64decode(text, validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise BadMaskError(f"the data of the mask are broken ({error})", now=again) from error
    if len(packed) != size or not reader.eof or reader.unused_data:
        raise BadMaskError(f"the data of the mask are not those of {shape[0]} x {shape[1]} pixels", now=again)
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=count).astype(np.bool_).reshape(shape)
