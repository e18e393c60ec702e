"""Paths of worm-like chains on a surface, shared by fibers and DNA.

In two dimensions the direction of a chain of persistence length P wanders as a Brownian motion of variance s / P.
Source: C. Rivetti, M. Guthold, C. Bustamante, J. Mol. Biol. 264, 919 (1996), doi:10.1006/jmbi.1996.0687.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas

_NARROWEST_PX = 1.5


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain as points in nm, at equal distances along it.

    Attributes
    ----------
    y_nm, x_nm : (n,) float64
        The path; 0 is the first pixel of the scan.
    height_nm : (n,) float64
        Thickness at each point.
    closed : bool
        The last point is followed by the first.
    """

    y_nm: NDArray[np.float64]
    x_nm: NDArray[np.float64]
    height_nm: NDArray[np.float64]
    closed: bool = False


def walk(
    length_nm: float,
    persistence_nm: float,
    step_nm: float,
    closed: bool,
    rng: np.random.Generator,
    towards_rad: tuple[float, float] = (0.0, 2 * math.pi),
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (y, x) of one chain around its middle; a closed one is bent until its ends meet.

    It starts in a direction of the interval ``towards_rad``, from the fast axis.
    """
    count = max(round(length_nm / step_nm), 8)
    step = length_nm / count
    start = rng.uniform(*towards_rad)
    turns = rng.standard_normal(count) * math.sqrt(step / persistence_nm)
    if closed:  # a full turn, and as much to the left as to the right besides
        turns += rng.choice((-1, 1)) * 2 * math.pi / count - turns.mean()
    angle = start + np.cumsum(turns)
    y, x = np.cumsum(np.sin(angle)) * step, np.cumsum(np.cos(angle)) * step
    if closed:
        share = np.arange(1, count + 1) / count
        y, x = y - share * y[-1], x - share * x[-1]
        now = np.hypot(np.diff(y, append=y[0]), np.diff(x, append=x[0])).sum()
        y, x = y * (length_nm / now), x * (length_nm / now)
    return y - y.mean(), x - x.mean()


def lay(chains: list[Chain], width_nm: float, crossing: float, canvas: Canvas) -> Heights:
    """Return the height of chains over flat ground, (rows, cols) in nm.

    The cross-section is an ellipse resting on the ground, ``width_nm`` wide but never narrower than 1.5 pixels, so that
    no chain breaks up. Where chains cross, or one crosses itself, the thicker counts whole, the other by ``crossing``.
    """
    from afmend.simulation.surfaces.chain_kernels import lay_chain

    out = np.zeros(canvas.shape)
    layers = (np.zeros(canvas.shape), np.zeros(canvas.shape), np.zeros(canvas.shape))
    width = max(width_nm, _NARROWEST_PX * max(canvas.pixel_nm))
    origin = (float(canvas.y_nm[0, 0]), float(canvas.x_nm[0, 0]))
    for chain in chains:
        y, x = (chain.y_nm - origin[0]) / canvas.pixel_nm[0], (chain.x_nm - origin[1]) / canvas.pixel_nm[1]
        lay_chain((y, x, chain.height_nm), chain.closed, (width, crossing), canvas.pixel_nm, layers, out)
    return out
