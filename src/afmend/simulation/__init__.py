"""The twin: an instrument in software over a known surface, so that every claim can be an error in nanometers.

Belongs here: surfaces, the scanner, the feedback loop, electronics, mishaps, boxes of parameters, sets of scans.
Does not belong here: tip shapes and dilation (tip), metrics (evaluation), anything that mends a scan.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from afmend.simulation.access import artifact_masks, as_measured, ideal_of, truth_of
    from afmend.simulation.box import Box, load_box
    from afmend.simulation.dataset import read_set, write_set
    from afmend.simulation.drawing import draw
    from afmend.simulation.params import Twin
    from afmend.simulation.twin import simulate, twin_of

_HOMES = {
    "Box": "box",
    "Twin": "params",
    "artifact_masks": "access",
    "as_measured": "access",
    "draw": "drawing",
    "ideal_of": "access",
    "load_box": "box",
    "read_set": "dataset",
    "simulate": "twin",
    "truth_of": "access",
    "twin_of": "twin",
    "write_set": "dataset",
}

__all__ = [
    "Box",
    "Twin",
    "artifact_masks",
    "as_measured",
    "draw",
    "ideal_of",
    "load_box",
    "read_set",
    "simulate",
    "truth_of",
    "twin_of",
    "write_set",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'afmend.simulation' has no attribute {name!r}")
    return getattr(import_module(f"afmend.simulation.{home}"), name)
