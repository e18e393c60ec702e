"""Tiny non-square .sm4 files, written from RHK's description of the format."""

import struct

import numpy as np

FLOATS = {
    "x_scale": 1e-10, "y_scale": -2e-10, "z_scale": 1e-12, "xy_scale": 0.0, "x_offset": 3e-8, "y_offset": -4e-8,
    "z_offset": 5e-9, "period": 0.1, "bias": 0.5, "current": 1e-10, "angle": 15.0,
}  # fmt: skip
STRINGS = ("Topography", "", "", "", "C:\\toy.sm4", "08/12/21", "15:01:33", "m", "m", "m")


def counts(rows=5, cols=7, seed=0):
    return np.random.default_rng(seed).integers(-9000, 9000, (rows, cols)).astype("<i4")


def rhk(pages, *, page_count=None, objects=None):
    """Write pages, each (kind, scan direction, counts as stored, changes to FLOATS, strings or None)."""
    size = 170
    index = 94 + 16 + 12
    body_at = index + len(pages) * (32 + 24)
    entries, body = b"", b""
    for kind, direction, raw, floats, strings in pages:
        at = body_at + len(body)
        texts = b"".join(struct.pack("<H", len(t)) + t.encode("utf-16-le") for t in strings or ())
        numbers = [1, 0, 0, 0, 0, raw.shape[1], raw.shape[0], 0, direction, 0, raw.nbytes, 0, 0]
        head = struct.pack("<2H13i", size, len(strings or ()), *numbers)
        head += struct.pack("<11f4i", *(FLOATS | floats).values(), 0, 0, 0, 0 if strings is None else 1)
        strings_at = at + size + 12
        listed = struct.pack("<3I", 10, strings_at, len(texts))
        data_at = strings_at + len(texts)
        body += head.ljust(size, b"\0") + listed + texts + raw.tobytes()
        entries += bytes(16) + struct.pack("<4I", kind, 0, 2, 6)
        entries += struct.pack("<6I", 3, at, size, 4, data_at, raw.nbytes)
    top = struct.pack("<H", 56) + "STiMage 005.004 1".encode("utf-16-le").ljust(36, b"\0")
    top += struct.pack("<5I", len(pages), 3 if objects is None else objects, 12, 0, 0)
    top += struct.pack("<9I", 1, 94, 16, 13, 0, 0, 15, 0, 0)
    top += struct.pack("<4I", len(pages) if page_count is None else page_count, 1, 0, 0)
    top += struct.pack("<3I", 2, index, 32)
    return top + entries + body
