"""3-D views drawn by the server, for browsers without WebGL."""

from __future__ import annotations

import numpy as np

from afmend.apps.web.engine import Mended
from afmend.apps.web.frames import plane_of


def surface_png(
    done: Mended, stage: str, limits: tuple[float, float], width: int, turn_deg: float, cmap: str, *, plane: bool
) -> bytes:
    """Draw one stage as a shaded relief; ``plane`` takes the fitted plane away first, as the page's 2-D panel does."""
    from afmend.pictures.annotate import encoded
    from afmend.pictures.surface3d import View, surface

    channel, grid = done.channel(stage), done.opened.scan.grid
    heights = np.array(channel.values, dtype=np.float64)
    valid = ~channel.still_missing
    if plane:
        a, b, c = plane_of(heights, valid, grid)["plane"]
        rows, cols = np.ogrid[: grid.rows, : grid.cols]
        heights -= a + b * (rows + 0.5 - grid.rows / 2) + c * (cols + 0.5 - grid.cols / 2)
    low, high = limits
    high = high if high > low else low + 1.0
    picture = surface(heights, grid, (low, high), valid=valid, calibrated=channel.calibrated, unit=channel.unit,
                      view=View(width=width, turn_deg=turn_deg, cmap=cmap))  # fmt: skip
    return encoded(picture)
