"""Pictures for the page as plain numbers: one JSON head and one array per message.

A message is: length of the head (u32), length of the payload (u32), head, payload, all little-endian, head and payload
each padded to a multiple of 8 bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.pictures.maps import kind_colors, robust_range, shrink
from afmend.scan import Channel, Grid
from afmend.scan.arrays import Mask

VOID = 3e38
"""Stands for "no number here" in float32 frames, 65535 in 16-bit ones."""
ENDLESS = 2.9e38
"""Stands for an infinite error bar."""
MISSING, EXCLUDED, ADDED, HOLE = 16, 32, 64, 128
"""Bits of a mask frame; the lower four hold the number of the artifact's kind, 0 = none."""
_PERCENTILES = (0, 0.1, 1, 50, 99, 99.9, 100)
INVENTED, OPEN, NO_BAR, UNTOUCHED = 1, 2, 4, 8
"""Bits of a flags frame."""


def message(head: Mapping[str, Any], payload: bytes | memoryview = b"") -> bytes:
    """Return one message."""
    text = json.dumps(head, allow_nan=False, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    pad = b"\0" * (-len(payload) % 8)
    return b"".join((struct.pack("<II", len(text), len(payload)), text, payload, pad))


def frame_key(panel: str, channel: Channel, most_px: int) -> str:
    """Name the content of a frame: the same name, the same picture. It ends in ":0" where every pixel is sent."""
    content = channel.masks.digest() if panel in ("raw_mask", "mask") else channel.digest()
    return f"{panel}:{content[:24]}:{most_px if max(channel.shape) > most_px else 0}"


def heights_frame(panel: str, channel: Channel, grid: Grid, most_px: int = 0) -> bytes:
    """Return the message of a height map.

    ``most_px`` > 0: a preview: block means of at most so many pixels along a side, in 16 bits.
    """
    key = frame_key(panel, channel, most_px)
    valid = ~channel.still_missing
    values = np.asarray(channel.values, dtype=np.float64)
    low, high = robust_range(values, valid, (0.0, 100.0))
    offset = 0.5 * (low + high)
    head = {**_head(panel, key, channel, grid), "offset": offset, "stats": _stats(values, valid, grid)}
    if most_px and max(values.shape) > most_px:
        return _preview(head, values, valid, (low, high), most_px)
    data = np.empty(values.shape, np.float32)
    np.subtract(values, offset, out=data, casting="same_kind")  # in double precision, without a copy of that size
    if not valid.all():
        data[~valid] = VOID
    return message({**head, "dtype": "f4", "scale": 1.0, "shape": data.shape}, data.data.cast("B"))


def _preview(
    head: dict[str, Any], values: NDArray[np.float64], valid: Mask, span: tuple[float, float], most: int
) -> bytes:
    low, high = span
    size = _reduced(values.shape, most)
    factor = _whole_factor(values.shape, size)
    if factor and valid.all():
        parts = [values[i::factor, j::factor] for i in range(factor) for j in range(factor)]
        means: NDArray[Any] = sum(parts[1:], start=parts[0]) / len(parts) - low
        known = np.ones(size, np.bool_)
    else:
        means, known = shrink(values - low, valid, size)
    scale = (high - low) / 65534
    quantized = np.clip(np.rint(means / scale), 0, 65534).astype("<u2")
    quantized[~known] = 65535
    head = {**head, "dtype": "u2", "scale": scale, "offset": low, "shape": size, "preview": True}
    return message(head, quantized.data.cast("B"))


def sigma_frame(channel: Channel, grid: Grid) -> bytes:
    """Return the message of the error bars: `VOID` = measured, none estimated; `ENDLESS` = invented without one."""
    key = frame_key("sigma", channel, 0)
    sigma = np.zeros(channel.shape) if channel.uncertainty is None else channel.uncertainty
    finite = sigma[np.isfinite(sigma) & (sigma > 0)]
    data = np.where(np.isfinite(sigma), np.minimum(sigma, 1e38), ENDLESS).astype(np.float32)
    data[sigma == 0] = VOID
    top = float(np.percentile(finite, 99)) if finite.size else 0.0
    stats = {"min": 0.0, "max": float(finite.max()) if finite.size else 0.0, "p": [0.0, 0.0, 0.0, top, top, top, top]}
    head = {
        **_head("sigma", key, channel, grid),
        "offset": 0.0,
        "scale": 1.0,
        "dtype": "f4",
        "shape": data.shape,
        "stats": stats,
    }
    return message(head, data.data.cast("B"))


def mask_frame(panel: str, channel: Channel, grid: Grid, most_px: int = 0) -> bytes:
    """Return the message of all masks of a channel as one byte per pixel, with a legend."""
    key = frame_key(panel, channel, most_px)
    kinds = list(channel.masks.artifact)
    colors = kind_colors(kinds)
    out = np.zeros(channel.shape, dtype=np.uint8)
    legend = []
    for number, kind in enumerate(kinds, start=1):
        mask = channel.masks.artifact[kind]
        out[mask] = min(number, 15)
        legend.append({"number": min(number, 15), "name": kind, "color": colors[kind], "pixels": int(mask.sum())})
    hole = channel.holes
    out[hole] |= HOLE
    for bit, mask in ((MISSING, channel.missing), (EXCLUDED, channel.masks.union("foreground", shape=channel.shape))):
        out[mask] |= bit
    if "drawn" in channel.masks.artifact:
        out[channel.masks.artifact["drawn"]] |= ADDED
    counts = {
        "missing": int(channel.missing.sum()),
        "holes": int(hole.sum()),
        "excluded": int((out & EXCLUDED > 0).sum()),
    }
    out = _most(out, most_px)
    head = {**_head(panel, key, channel, grid), "dtype": "u1", "shape": out.shape, "legend": legend, "counts": counts}
    return message(head, out.data.cast("B"))


def flags_frame(channel: Channel, grid: Grid, most_px: int = 0, panel: str = "flags") -> bytes:
    """Return the message that says which pixels of a mended channel were invented, left open, or never touched.

    Where the tip never touched the surface, heights are upper bounds: neither wrong nor invented, so not "open".
    """
    key = frame_key(panel, channel, most_px)
    invented = channel.invented
    out = invented.astype(np.uint8) * np.uint8(INVENTED)
    others = channel.missing.copy()
    for name, mask in channel.masks.artifact.items():
        if name != "untouched":
            others |= mask
    left = channel.left_open
    out[left] |= OPEN
    bound = channel.masks.artifact.get("untouched")
    if bound is not None:
        out[bound & ~others] |= UNTOUCHED
    if channel.uncertainty is not None:
        out[np.isinf(channel.uncertainty)] |= NO_BAR
    counts = {"invented": int(invented.sum()), "open": int(left.sum()), "no_bar": int((out & NO_BAR > 0).sum()),
              "untouched": int((out & UNTOUCHED > 0).sum()), "missing": int(channel.missing.sum())}  # fmt: skip
    out = _most(out, most_px)
    return message(
        {**_head(panel, key, channel, grid), "dtype": "u1", "shape": out.shape, "counts": counts}, out.data.cast("B")
    )


def _most(labels: NDArray[np.uint8], most_px: int) -> NDArray[np.uint8]:
    """Shrink labels so that nothing marked disappears: the larger number wins."""
    if not most_px or max(labels.shape) <= most_px:
        return labels
    rows, cols = _reduced(labels.shape, most_px)
    factor = _whole_factor(labels.shape, (rows, cols))
    if factor:
        out = labels[::factor, ::factor].copy()
        for i, j in np.ndindex(factor, factor):
            np.maximum(out, labels[i::factor, j::factor], out=out)
        return out
    down = np.arange(rows) * labels.shape[0] // rows
    across = np.arange(cols) * labels.shape[1] // cols
    return np.ascontiguousarray(np.maximum.reduceat(np.maximum.reduceat(labels, down, axis=0), across, axis=1))


def _whole_factor(shape: tuple[int, ...], size: tuple[int, int]) -> int:
    """Return by which whole number both sides shrink; 0 if there is none. Slices are faster than resampling."""
    factor = shape[0] // size[0]
    return factor if (size[0] * factor, size[1] * factor) == shape else 0


def _reduced(shape: tuple[int, ...], most: int) -> tuple[int, int]:
    scale = most / max(shape)
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _head(panel: str, key: str, channel: Channel, grid: Grid) -> dict[str, Any]:
    return {
        "t": "frame", "panel": panel, "key": key, "full": channel.shape, "unit": channel.unit, "px": grid.pixel_nm,
        "grid_calibrated": grid.calibrated, "calibrated": channel.calibrated, "preview": False,
    }  # fmt: skip


def _stats(values: NDArray[np.float64], valid: Mask, grid: Grid) -> dict[str, Any]:
    """Range, percentiles and plane of a map, for its color bar."""
    step = max(1, int((values.size / 200_000) ** 0.5))
    numbers = values[::step, ::step][valid[::step, ::step]]
    if numbers.size == 0:
        numbers = np.zeros(1)
    p = np.percentile(numbers, _PERCENTILES)
    return {"min": float(p[0]), "max": float(p[6]), "p": [float(x) for x in p], **plane_of(values, valid, grid)}


def plane_of(values: NDArray[np.float64], valid: Mask, grid: Grid) -> dict[str, Any]:
    """Fit a plane (height at the center, per row, per column), and say the percentiles of what is left."""
    step = max(1, int((values.size / 60_000) ** 0.5))
    some, chosen = values[::step, ::step], valid[::step, ::step]
    rows, cols = np.nonzero(chosen)
    if rows.size < 16:
        return {"plane": [0.0, 0.0, 0.0], "flat_p": [0.0] * 7}
    y, x = rows * step + 0.5 - grid.rows / 2, cols * step + 0.5 - grid.cols / 2
    basis = np.stack([np.ones(y.size), y, x], axis=1)
    heights = some[chosen]
    solution = np.linalg.lstsq(basis, heights, rcond=None)[0]
    rest = np.percentile(heights - basis @ solution, _PERCENTILES)
    return {"plane": [float(v) for v in solution], "flat_p": [float(v) for v in rest]}
