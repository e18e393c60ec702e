"""Terraces: atomic steps that wander and have kinks, islands and vacancy islands; levels are exact."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces.scatter import cells, place_numbers

_SAMPLES = 24
"""Samples of an edge in one correlation length."""
_COMMON = 0.6
"""Share of an edge's wandering that all edges do together (they repel each other)."""


class Terraces(Params):
    """Flat terraces one step apart; away from the edges, heights are exact multiples of the step."""

    kind: Literal["terraces"] = "terraces"
    step_height_nm: float = Knob(0.34, "Height of a step.", unit="nm", gt=0, le=1e3)
    width_nm: float = Knob(240.0, "Mean width of a terrace.", unit="nm", gt=0, le=1e5)
    width_spread: float = Knob(0.5, "How unequal the widths are; 0: all the same.", ge=0, le=1)
    direction_deg: float = Knob(
        35.0, "Direction in which the steps go up, from the fast axis.", unit="deg", ge=-180, le=180
    )
    wander_nm: float = Knob(35.0, "Root mean square wandering of an edge.", unit="nm", ge=0, le=1e5)
    wander_length_nm: float = Knob(
        400.0, "Distance along an edge after which it has forgotten its place.", unit="nm", gt=0
    )
    kink_nm: float = Knob(
        0.0, "Edges lie at multiples of this (kinks between straight pieces); 0: no kinks.", unit="nm", ge=0
    )
    edge_nm: float = Knob(3.0, "Width of the ramp at an edge.", unit="nm", ge=0, le=1e3)
    islands_per_um2: float = Knob(2.0, "Islands in a square micrometer.", unit="1/um2", ge=0, le=1e4)
    island_nm: float = Knob(35.0, "Mean radius of the islands.", unit="nm", gt=0, le=1e4)
    vacancy_share: float = Knob(0.4, "Share of the islands that are one step deep instead of high.", ge=0, le=1)
    seed: int = Knob(0, "Seed of edges and islands.", ge=0)

    @property
    def height_nm(self) -> float:
        """Characteristic height: one step."""
        return self.step_height_nm


def make_terraces(params: Terraces, canvas: Canvas) -> Heights:
    """Return heights in nm; the terrace at the first pixel of the scan is at 0, but for wandering edges."""
    return params.step_height_nm * _levels(params, canvas, params.edge_nm)


def terrace_levels(params: Terraces, canvas: Canvas) -> NDArray[np.int32]:
    """Return the terrace each pixel belongs to, (rows, cols): its height in steps, edges cut in their middle."""
    return np.rint(_levels(params, canvas, 0.0)).astype(np.int32)


def _levels(params: Terraces, canvas: Canvas, edge_nm: float) -> Heights:
    from afmend.simulation.surfaces.terrace_kernels import add_islands, count_edges

    angle = math.radians(params.direction_deg)
    corners_y, corners_x = canvas.y_nm[[0, -1]], canvas.x_nm[:, [0, -1]]
    u = corners_x * math.cos(angle) + corners_y * math.sin(angle)
    v = corners_y * math.cos(angle) - corners_x * math.sin(angle)
    reach = 5 * params.wander_nm + edge_nm + params.width_nm
    index = np.arange(
        math.floor((u.min() - reach) / params.width_nm), math.ceil((u.max() + reach) / params.width_nm) + 1
    )
    start, step, wander = _edges(params, index, float(v.min()), float(v.max()))
    jitter = place_numbers(params.seed, index.astype(np.int64), np.zeros(1, np.int64), 1)[0] - 0.5
    edges = (index + 0.5 + 0.8 * params.width_spread * jitter) * params.width_nm
    levels = np.empty(canvas.shape)
    where = (canvas.y_nm.ravel(), canvas.x_nm.ravel(), angle)
    count_edges(where, edges, (wander, start, step), (int(index[0]), params.width_nm, params.kink_nm, edge_nm), levels)
    if params.islands_per_um2 > 0:
        add_islands(where[:2], _islands(params, canvas), edge_nm, levels)
    return levels


def _edges(params: Terraces, index: NDArray[np.int64], low: float, high: float) -> tuple[float, float, Heights]:
    """Return where samples along the edges start, their distance, and how far each edge is off there, in nm.

    A stationary walk (Ornstein-Uhlenbeck) that starts at v = 0 and goes both ways, so that margins change nothing.
    """
    from scipy.signal import lfilter

    step = params.wander_length_nm / _SAMPLES
    before, behind = max(math.ceil(-low / step), 0) + 2, max(math.ceil(high / step), 0) + 2
    keep = math.exp(-1 / _SAMPLES)
    names = [0, *(2 * k if k > 0 else 1 - 2 * k for k in index.tolist())]
    origins = np.array([np.random.default_rng([params.seed, name, 0]).standard_normal() for name in names])[:, None]
    ways = []
    for way, count in ((1, before), (2, behind)):
        noise = [np.random.default_rng([params.seed, name, way]).standard_normal(count) for name in names]
        steps = math.sqrt(1 - keep**2) * np.array(noise)
        ways.append(lfilter([1.0], [1.0, -keep], steps, zi=keep * origins)[0])
    walks = np.hstack([ways[0][:, ::-1], origins, ways[1]])
    wander = params.wander_nm * (math.sqrt(_COMMON) * walks[0] + math.sqrt(1 - _COMMON) * walks[1:])
    return -before * step, step, wander


def _islands(params: Terraces, canvas: Canvas) -> Heights:
    """Return islands as rows (y, x, radius, wave of 2, its phase, wave of 3, its phase, +1 or -1)."""
    size = 1e3 / math.sqrt(params.islands_per_um2)
    reach = 3 * params.island_nm
    low = (float(canvas.y_nm[0, 0]) - reach, float(canvas.x_nm[0, 0]) - reach)
    high = (float(canvas.y_nm[-1, 0]) + reach, float(canvas.x_nm[0, -1]) + reach)
    i, j = cells(low, high, size)
    drawn = place_numbers(params.seed, i, j, 8)
    radius = params.island_nm * (0.4 + 1.2 * drawn[2])
    sign = np.where(drawn[7] < params.vacancy_share, -1.0, 1.0)
    turn = 2 * math.pi
    y, x = (i + drawn[0]) * size, (j + drawn[1]) * size
    out = np.stack([y, x, radius, 0.3 * drawn[3], turn * drawn[4], 0.2 * drawn[5], turn * drawn[6], sign], axis=-1)
    return out.reshape(-1, 8)
