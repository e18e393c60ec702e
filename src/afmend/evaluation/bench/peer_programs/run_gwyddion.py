"""Gwyddion's own libraries, called through ctypes: fit plane, row medians, mark scars, Laplace.

This process is the only one that loads them; nothing of afmend is linked with them.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from typing import Any

import numpy as np
from serving import serve  # type: ignore[import-not-found,unused-ignore]  # beside this script

HARD, SOFT, SHORTEST, WIDEST = 0.666, 0.25, 16, 4
"""Defaults of Gwyddion's Remove Scars."""
MASK_IGNORE = 2
_NAMES = {"base": ("libgwyddion2.so.0", "gwyddion2"), "process": ("libgwyprocess2.so.0", "gwyprocess2")}


def start() -> tuple[str, Callable[..., Any]]:
    """Load the libraries."""
    base, process = (_load(name) for name in _NAMES)
    process.gwy_process_type_init()
    for name, answer, arguments in (
        ("gwy_data_field_new", "p", "iiddi"), ("gwy_data_field_get_data", "p", "p"),
        ("gwy_data_field_fit_plane", "", "pppp"), ("gwy_data_field_plane_level", "", "pddd"),
        ("gwy_data_field_find_row_shifts_trimmed_mean", "p", "ppidi"),
        ("gwy_data_field_subtract_row_shifts", "", "pp"), ("gwy_data_field_mark_scars", "", "ppddddi"),
        ("gwy_data_field_laplace_solve", "", "ppid"),
    ):  # fmt: skip
        function = getattr(process, name)
        kinds = {"p": ctypes.c_void_p, "i": ctypes.c_int, "d": ctypes.c_double, "": None}
        function.restype, function.argtypes = kinds[answer], [kinds[letter] for letter in arguments]
    base.gwy_version_string.restype = ctypes.c_char_p
    return base.gwy_version_string().decode(), _Gwyddion(process).work


def _load(name: str) -> ctypes.CDLL:
    exact, short = _NAMES[name]
    try:
        return ctypes.CDLL(exact, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        found = ctypes.util.find_library(short)
        if found is None:
            raise
        return ctypes.CDLL(found, mode=ctypes.RTLD_GLOBAL)


class _Gwyddion:
    """What a user clicks by default."""

    def __init__(self, process: ctypes.CDLL) -> None:
        self._call = process

    def work(self, job: str, heights: Any, mask: Any, pixel_nm: tuple[float, float]) -> tuple[Any, Any]:
        """Do "level", "mask", "mend" (all of it) or "fill" (the mask). Gwyddion works in meters."""
        field = self._field(heights * 1e-9, pixel_nm)
        holes = self._field(mask.astype(np.float64), pixel_nm)
        if job != "fill":
            self._level(field)
        if job in ("mask", "mend"):
            self._mark(field, holes, pixel_nm, mask.shape)
        marked = self._data(holes, mask.shape) > 0
        if job in ("mend", "fill") and marked.any():
            self._call.gwy_data_field_laplace_solve(field, holes, -1, 1.0)
        out = self._data(field, mask.shape) * 1e9, marked
        for one in (field, holes):
            self._call.g_object_unref(ctypes.c_void_p(one))
        return out

    def _level(self, field: int) -> None:
        a, bx, by = (ctypes.c_double() for _ in range(3))
        self._call.gwy_data_field_fit_plane(field, *(ctypes.addressof(number) for number in (a, bx, by)))
        self._call.gwy_data_field_plane_level(field, a, bx, by)
        # A trimmed mean that trims half of either side is the median.
        shifts = self._call.gwy_data_field_find_row_shifts_trimmed_mean(field, None, MASK_IGNORE, 0.5, 0)
        self._call.gwy_data_field_subtract_row_shifts(field, shifts)
        self._call.g_object_unref(ctypes.c_void_p(shifts))

    def _mark(self, field: int, holes: int, pixel_nm: tuple[float, float], shape: tuple[int, int]) -> None:
        found = np.zeros(shape)
        for negative in (0, 1):
            part = self._field(np.zeros(shape), pixel_nm)
            self._call.gwy_data_field_mark_scars(field, part, HARD, SOFT, SHORTEST, WIDEST, negative)
            found = np.maximum(found, self._data(part, shape))
            self._call.g_object_unref(ctypes.c_void_p(part))
        self._view(holes, shape)[:] = np.maximum(self._view(holes, shape), found)

    def _field(self, values: Any, pixel_nm: tuple[float, float]) -> int:
        rows, cols = values.shape
        size = (cols * pixel_nm[1] * 1e-9, rows * pixel_nm[0] * 1e-9)
        field: int = self._call.gwy_data_field_new(cols, rows, *size, 0)
        self._view(field, values.shape)[:] = values
        return field

    def _view(self, field: int, shape: tuple[int, int]) -> Any:
        place = ctypes.cast(self._call.gwy_data_field_get_data(field), ctypes.POINTER(ctypes.c_double))
        return np.ctypeslib.as_array(place, shape)

    def _data(self, field: int, shape: tuple[int, int]) -> Any:
        return self._view(field, shape).copy()


if __name__ == "__main__":
    serve(start)
