"""Array types and the two operations every array of a scan goes through: freeze and digest."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import xxhash
from numpy.typing import NDArray

from afmend.errors import BadScanError

Heights: TypeAlias = NDArray[np.float64]
"""2-D, axis 0 = slow, axis 1 = fast, row 0 = first line; nm for lengths."""
Mask: TypeAlias = NDArray[np.bool_]
"""2-D boolean; True = excluded."""


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only, C-contiguous array: the same one if it already is, else a copy.

    A copy is made whenever somebody else could still write through another reference.
    """
    if not array.flags.writeable and array.flags.c_contiguous and array.base is None:
        return array
    copy = np.array(array, order="C", copy=True)
    copy.flags.writeable = False
    return copy


def adopted(array: NDArray[Any]) -> NDArray[Any]:
    """Freeze in place an array that the caller just made and hands over; copy only if it is a view."""
    if array.base is None and array.flags.c_contiguous:
        array.flags.writeable = False
        return array
    return frozen(array)


def digest(*arrays: NDArray[Any] | None) -> str:
    """128-bit xxh3 over dtype, shape and bytes of each array, as 32 hex digits; None counts as absent."""
    state = xxhash.xxh3_128()
    for array in arrays:
        if array is None:
            state.update(b"absent;")
            continue
        state.update(f"{array.dtype.str}{array.shape};".encode())
        state.update(np.ascontiguousarray(array).data)
    return state.hexdigest()


def check_mask(mask: NDArray[Any], shape: tuple[int, ...], name: str) -> None:
    """Raise `BadScanError` unless ``mask`` is boolean and of ``shape``."""
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise BadScanError(
            f"the {name} mask is {mask.dtype} of shape {mask.shape}, needed is bool of shape {shape}",
            now="Masks are boolean arrays of the channel's shape; True = excluded.",
        )
