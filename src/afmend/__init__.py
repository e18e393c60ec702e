"""afmend mends scanning-probe (AFM/STM) images.

>>> import afmend
>>> scan = afmend.read("x.spm")  # doctest: +SKIP
>>> mended = afmend.repair(scan)  # doctest: +SKIP
>>> afmend.write(mended, "x.gwy")  # doctest: +SKIP

Everything below is imported on first use: ``import afmend`` itself costs a few milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from afmend.artifacts.classes import classify
    from afmend.artifacts.gate.judge import gate
    from afmend.errors import AfmendError
    from afmend.evaluation.outputs import write
    from afmend.evaluation.statistics import statistics
    from afmend.formats import read, read_all
    from afmend.pipeline import Recipe
    from afmend.recipes import apply_step, level, load_recipe, mark, repair, replay
    from afmend.scan import Channel, Grid, Masks, Scan

_HOMES = {
    "AfmendError": "afmend.errors",
    "Channel": "afmend.scan",
    "Grid": "afmend.scan",
    "Masks": "afmend.scan",
    "Recipe": "afmend.pipeline",
    "Scan": "afmend.scan",
    "apply_step": "afmend.recipes",
    "classify": "afmend.artifacts.classes",
    "gate": "afmend.artifacts.gate.judge",
    "load_recipe": "afmend.recipes",
    "level": "afmend.recipes",
    "mark": "afmend.recipes",
    "read": "afmend.formats",
    "read_all": "afmend.formats",
    "repair": "afmend.recipes",
    "replay": "afmend.recipes",
    "statistics": "afmend.evaluation.statistics",
    "write": "afmend.evaluation.outputs",
}

__all__ = [
    "AfmendError",
    "Channel",
    "Grid",
    "Masks",
    "Recipe",
    "Scan",
    "__version__",
    "apply_step",
    "classify",
    "gate",
    "level",
    "load_recipe",
    "mark",
    "read",
    "read_all",
    "repair",
    "replay",
    "statistics",
    "write",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'afmend' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
