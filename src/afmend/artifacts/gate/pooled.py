"""What the gate's small network sees: heights and unrest of a scan, pooled over patches of 4 x 4 pixels."""

from __future__ import annotations

import numpy as np

from afmend.artifacts.gate.view import Map, View, sampled, spread

POOL = 4
MAPS = (
    "height", "height over the surroundings", "slope along", "slope across", "bend across: usual", "bend across: most",
    "stretch across: most", "bend along: usual", "bend along: most", "pair: usual", "pair: most", "error: usual",
    "error: most", "measured", "long stretch across: most", "wide bend across: most", "bend along: least",
    "pair stretch: most", "equal along",
)  # fmt: skip
"""In the order of the network's inputs; the pair and the error are 0 where they were not recorded."""


def pooled_maps(view: View) -> Map:
    """Return the maps, (19, rows / 4, cols / 4) float32."""
    import cv2

    z, noise = view.flat, np.float32(view.noise)
    rows, cols = z.shape
    bend = np.zeros_like(z)
    bend[1:-1] = np.abs(view.bend)
    stretch = np.zeros_like(z)
    stretch[1:-1] = np.abs(cv2.blur(np.ascontiguousarray(view.bend), (9, 1)))
    curl = np.zeros_like(z)
    curl[:, 1:-1] = np.abs(view.curl)
    along, across = np.zeros_like(z), np.zeros_like(z)
    along[:, 1:] = z[:, 1:] - z[:, :-1]
    across[1:] = z[1:] - z[:-1]
    size = np.float32(spread(view.curl) / np.sqrt(1.5) + 1e-12)
    stretches = np.float32(spread(stretch) + 1e-12)
    over = np.asarray(z - cv2.blur(z, (33, 33)), np.float32)
    none = np.zeros((rows // POOL, cols // POOL), np.float32)
    maps: list[Map] = [
        _mean(z) / np.float32(view.relief), _mean(over) / np.float32(view.relief), _mean(along) / size,
        _mean(across) / noise, _log(_mean(bend) / noise), _log(_most(bend) / noise), _log(_most(stretch) / stretches),
        _log(_mean(curl) / size), _log(_most(curl) / size),
    ]  # fmt: skip
    if view.other is not None:
        away = z - view.other
        away = np.abs(away - np.median(away[:, :: max(1, cols // 128)], axis=1, keepdims=True))
        maps += [_log(_mean(away) / noise), _log(_most(away) / noise)]
    else:
        maps += [none, none]
    if view.measured.error is not None:
        error = np.asarray(view.measured.error, np.float32)
        error = np.abs(error - np.float32(np.median(sampled(error))))
        scale = np.float32(spread(error) + 1e-12)
        maps += [_log(_mean(error) / scale), _log(_most(error) / scale)]
    else:
        maps += [none, none]
    maps.append(_mean(np.asarray(~view.measured.missing, np.float32)))
    maps += _lines_apart(view)
    out = np.stack(maps)
    return np.asarray(out / (1 + np.abs(out) / 8), np.float32)


def _lines_apart(view: View) -> list[Map]:
    """Return how far stretches of lines lie over others, over longer ways; what is still, and what repeats."""
    import cv2

    z = view.flat
    bend = np.zeros_like(z)
    bend[1:-1] = view.bend
    long = np.abs(cv2.blur(bend, (33, 1)))
    wide = z - cv2.blur(z, (1, 9))
    wide = np.abs(cv2.blur(np.asarray(wide - np.median(wide, axis=1, keepdims=True), np.float32), (9, 1)))
    curl = np.zeros_like(z)
    curl[:, 1:-1] = np.abs(view.curl)
    still = cv2.blur(curl, (9, 1))
    equal = np.zeros_like(z)
    raw = np.asarray(view.measured.heights)
    equal[:, 1:] = raw[:, 1:] == raw[:, :-1]
    out = [
        _log(_most(np.asarray(m, np.float32)) / np.float32(spread(m) + 1e-12)) for m in (long, wide)
    ]  # fmt: skip
    out.append(_log(-_most(-still) / np.float32(spread(still) + 1e-12)))
    if view.other is None:
        out.append(np.zeros_like(out[0]))
    else:
        other = view.other
        away = bend.copy()
        away[1:-1] -= other[1:-1] - 0.5 * (other[:-2] + other[2:])
        away = np.abs(cv2.blur(np.asarray(away - np.median(away, axis=1, keepdims=True), np.float32), (9, 1)))
        out.append(_log(_most(away) / np.float32(spread(away) + 1e-12)))
    out.append(_mean(equal))
    return out


def _mean(values: Map) -> Map:
    return np.asarray(_blocks(values).mean(axis=(1, 3)), np.float32)


def _most(values: Map) -> Map:
    return np.asarray(_blocks(values).max(axis=(1, 3)), np.float32)


def _blocks(values: Map) -> Map:
    rows, cols = (n // POOL for n in values.shape)
    return values[: rows * POOL, : cols * POOL].reshape(rows, POOL, cols, POOL)


def _log(values: Map) -> Map:
    return np.log2(np.clip(values, 1 / 64, 1024), dtype=np.float32)
