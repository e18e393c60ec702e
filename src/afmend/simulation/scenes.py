"""What the tip touches, as it changes during the scan: other tips, particles that are pushed away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.components import find_components
from afmend.artifacts.reshape import grown
from afmend.errors import BadScanError
from afmend.scan.arrays import Heights, Mask
from afmend.tip.morphology import dilate
from afmend.tip.shapes import LARGEST_PX, tip_array

if TYPE_CHECKING:
    from afmend.simulation.canvas import Canvas
    from afmend.simulation.params import Drag, TipChange, Twin
    from afmend.tip.shapes import TipShape

LARGEST_SHARE = 0.05
"""A particle that can be pushed away covers at most this share of the scan."""
FEWEST_LINES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Scenes:
    """Dilated surfaces in the order of time.

    Attributes
    ----------
    maps : (scenes, rows, cols) float64
        With margins.
    pixels : tuple of (row, col)
        Where each begins, on the trace; the first one at (0, 0).
    offsets_nm : tuple of float
        What a longer tip adds.
    """

    maps: Heights
    pixels: tuple[tuple[int, int], ...]
    offsets_nm: tuple[float, ...]

    def starts(self, overscan_px: int, substeps: int, steps: int, rows: int) -> NDArray[np.int64]:
        """Return the sample at which each scene begins, and one beyond the last sample."""
        begins = [row * steps + (overscan_px + col) * substeps if row or col else 0 for row, col in self.pixels]
        return np.array([*begins, rows * steps + 1], dtype=np.int64)


def dilated(surface: Heights, shape: TipShape | None, pixel_nm: tuple[float, float]) -> Heights:
    """Image a surface with a tip of a given shape, or return it as it is without one."""
    if shape is None:
        return surface
    return dilate(surface, tip_array(shape, pixel_nm, reach_nm(surface)))


def reach_nm(surface: Heights) -> float:
    """Return how far above the apex a tip can touch: the largest rise within the largest tip, nm."""
    import cv2

    window = np.ones((2 * (LARGEST_PX // 2) + 1,) * 2, np.uint8)
    lower = surface - surface.min()
    highest = cv2.dilate(lower.astype(np.float32), window)
    return float((highest - lower).max()) * (1 + 1e-6) + 1e-9


def make_scenes(twin: Twin, canvas: Canvas, surface: Heights) -> tuple[Scenes, Scenes | None]:
    """Return what happens, and what would have happened without dragged particles (None = the same).

    Parameters
    ----------
    twin : Twin
    canvas : Canvas
    surface : (rows, cols) float64, nm
        On the canvas.
    """
    tips = [((0, 0), twin.tip, 0.0)]
    tips += [((change.row, change.col), change.tip, change.offset_nm) for change in _in_order(twin.tip_changes)]
    pushed = [found for drag in twin.drags if (found := _push(surface, canvas, drag)) is not None]
    still = _stack([(at, surface, tip, offset) for at, tip, offset in tips], canvas)
    if not pushed:
        return still, None
    events = sorted([(at, "tip", k) for k, (at, _, _) in enumerate(tips)] + [(row_col, "drag", k) for k, (row_col, _, _)
                    in enumerate(pushed)])  # fmt: skip
    shown, tip, offset, scenes = surface, twin.tip, 0.0, []
    for at, what, k in events:
        if what == "tip":
            _, tip, offset = tips[k]
        else:
            _, gone, moved = pushed[k]
            shown = np.maximum(np.minimum(shown, gone), moved)
        scenes.append((at, shown, tip, offset))
    return _stack(scenes, canvas), still


def _in_order(changes: tuple[TipChange, ...]) -> list[TipChange]:
    return sorted(changes, key=lambda change: (change.row, change.col))


def _stack(scenes: list[tuple[tuple[int, int], Heights, TipShape | None, float]], canvas: Canvas) -> Scenes:
    maps = np.stack([dilated(surface, tip, canvas.pixel_nm) for _, surface, tip, _ in scenes])
    return Scenes(maps, tuple(at for at, _, _, _ in scenes), tuple(offset for _, _, _, offset in scenes))


def _push(surface: Heights, canvas: Canvas, drag: Drag) -> tuple[tuple[int, int], Heights, Heights] | None:
    """Choose a particle: (where it gives way, an upper bound without it, a lower bound where it lands); None = none."""
    found = particles_to_push(canvas.scan_part(surface))
    if not found:
        return None
    row, rows, where = found[drag.seed % len(found)]
    inside = np.zeros(canvas.shape, dtype=np.bool_)
    canvas.scan_part(inside)[where] = True
    near = grown(inside, 3, 3)
    rim = grown(near, 3, 3) & ~near
    ground = float(np.median(surface[rim])) if rim.any() else float(np.median(surface))
    gone = np.where(near, ground, np.inf)
    moved = np.full(canvas.shape, -np.inf)
    if drag.shift_px:
        lifted = np.where(inside, surface, -np.inf)
        moved = np.roll(lifted, drag.shift_px, axis=1)
    return (row + max(1, round(drag.at * rows)), 0), gone, moved


def particles_to_push(surface: Heights) -> list[tuple[int, int, Mask]]:
    """Find compact protrusions: (first line, number of lines, mask), from the top of the scan to its end."""
    low, high = np.quantile(surface, (0.5, 0.998))
    found = find_components(surface > (low + high) / 2)
    out = []
    for k in range(1, found.area.size):
        rows, cols, area = int(found.height[k]), int(found.width[k]), int(found.area[k])
        compact = area > 0.4 * rows * cols and rows < 4 * cols and cols < 4 * rows
        if rows >= FEWEST_LINES and compact and area < LARGEST_SHARE * surface.size:
            out.append((int(found.top[k]), rows, found.labels == k))
    return out


def check_size(canvas: Canvas) -> None:
    """Refuse a canvas that would not fit into memory.

    Raises
    ------
    BadScanError
    """
    if canvas.shape[0] * canvas.shape[1] > 6000 * 6000:
        raise BadScanError(
            f"drift, creep or nonlinearity carry the tip far out of the scan ({canvas.shape} pixels would be needed)",
            now="Lower them.",
        )
