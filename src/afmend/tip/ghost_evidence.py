"""Whether what speaks for a ghost tells where it is, or lies along one straight edge.

Along a straight edge all offsets agree equally well. What repeats itself beside one edge is as likely a ledge of the
sample as a ghost; beside several edges, at the same distance, it is a ghost, and how far along them does not matter.
"""

from __future__ import annotations

import math

import numpy as np

from afmend.tip.ghost_moves import Moved, Places
from afmend.tip.ghost_views import Vector, View
from afmend.tip.ghosts import CLOSEST_PX, Match, agreeing, compared, polished

STRAIGHT = 0.1
"""Slopes along an edge, squared, of those across, up to which it is straight: within 18 degrees (rms)."""
TOLERATED = 0.25
"""An offset is known if it cannot be wrong by so much of itself, or by that of the nearest ghosts that are told."""
LEFT = 0.25
"""It may be wrong by that if, moved so far, it still has so much of its score: features leave next to nothing."""
ENOUGH_EDGES = 1.5
"""Halfway between one edge and two of equal length: from there on a ghost repeats itself, whatever lies along it."""


def tells_offset(view: View, match: Match) -> bool:
    """Whether the evidence of a match tells its offset both ways, or lies along several edges.

    Least is known in the direction in which heights change least where the ghost comes from (structure tensor). If
    they hardly change there, the match is moved that way, at the best depth and with the other direction refined
    again: a ghost of features no longer agrees; that of a straight edge does.

    Parameters
    ----------
    view : View
        The one in which the match was found.
    match : Match
    """
    moved = Moved(view)
    places = agreeing(view, moved, match)
    _, *slopes, _ = moved.at(places[:, 0], places[:, 1], match.offset_px)
    size, axes = np.linalg.eigh(np.stack(slopes) @ np.stack(slopes).T)
    along = axes[:, 0]
    if size[0] >= STRAIGHT * size[1] or edges(places, along) >= ENOUGH_EDGES:
        return True
    far = max(CLOSEST_PX, TOLERATED * math.hypot(*match.offset_px))
    left = max(_score(view, moved, places, match.offset_px + way * far * along) for way in (-1, 1))
    return left < LEFT * match.score


def _score(view: View, moved: Moved, places: Places, offset: Vector) -> float:
    """Return how well the image agrees with itself near another offset, at the depth that suits the places best."""
    depth = float(np.median(moved.heights(places[:, 0], places[:, 1], offset) - view.image[tuple(places.T)]))
    return compared(view, moved, *polished(view, moved, (offset, depth))).score


def edges(places: Places, along: Vector) -> float:
    """Return on how many parallel lines, apart from each other, places lie; lines with few places count less.

    Parameters
    ----------
    places : (n, 2) int
    along : (2,) float
        Direction of the lines, of length one.
    """
    from scipy.ndimage import label

    across = places @ np.array([-along[1], along[0]])
    counts = np.bincount(np.round(across - across.min()).astype(np.int64))
    lines, _ = label(counts > 0)
    sizes = np.bincount(lines, weights=counts)[1:]
    return float(sizes.sum() ** 2 / np.sum(sizes**2))
