"""Running an image-to-image model on scans of any size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from afmend.inference.model import Map, Model


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a scan is cut.

    Attributes
    ----------
    multiple : (rows, cols)
        Tiles are padded with zeros to multiples of these.
    tile : (rows, cols)
        Largest tile; multiples of ``multiple``.
    margin : (rows, cols)
        How far tiles overlap on every side: as far as the network looks, so that seams cannot be seen. Multiples of
        ``multiple``.
    """

    multiple: tuple[int, int]
    tile: tuple[int, int]
    margin: tuple[int, int]


def run_tiled(model: Model, maps: Map, tiling: Tiling) -> Map:
    """Return the model's first output for maps of any size.

    Parameters
    ----------
    model : Model
        From an input (1, channels, rows, cols) to an output (1, kinds, rows, cols).
    maps : (channels, rows, cols) float32
    tiling : Tiling

    Returns
    -------
    (kinds, rows, cols) float32

    Raises
    ------
    ModelError
        If the model cannot take the maps.
    """
    _, rows, cols = maps.shape
    out: Map | None = None
    for (down, along), answers in each_tile(model, maps, tiling):
        answer = answers[0]
        if out is None:
            out = np.empty((answer.shape[0], rows, cols), np.float32)
        out[:, down, along] = answer
    if out is None:
        return np.zeros((0, rows, cols), np.float32)
    return out


def each_tile(model: Model, maps: Map, tiling: Tiling) -> Iterator[tuple[tuple[slice, slice], list[Map]]]:
    """Yield place and answers of one tile after the other; see `run_tiled`.

    Yields
    ------
    place : (slice, slice)
        Of what the tile adds to the image: without margins.
    answers : list of arrays
        All outputs of the model; the first, an image, cut to ``place``.
    """
    _, rows, cols = maps.shape
    name = model.session.get_inputs()[0].name
    for top, bottom, above, below in _cuts(rows, tiling.tile[0], tiling.margin[0]):
        for left, right, before, after in _cuts(cols, tiling.tile[1], tiling.margin[1]):
            part = maps[:, above:below, before:after]
            size = (below - above, after - before)
            more = [-n % m for n, m in zip(size, tiling.multiple, strict=True)]
            if any(more):
                part = np.pad(part, ((0, 0), (0, more[0]), (0, more[1])))
            first, *others = (answer[0] for answer in model.run({name: np.ascontiguousarray(part)[None]}).values())
            inner = first[:, top - above : bottom - above, left - before : right - before]
            yield (slice(top, bottom), slice(left, right)), [inner, *others]


def _cuts(size: int, tile: int, margin: int) -> Iterator[tuple[int, int, int, int]]:
    """Return (start, stop) of the parts of an axis, and of the part with its margins."""
    if size <= tile:
        yield (0, size, 0, size)
        return
    step = tile - 2 * margin
    start = 0
    while start < size:
        stop = min(start + step, size)
        yield (start, stop, max(start - margin, 0), min(stop + margin, size))
        start = stop
