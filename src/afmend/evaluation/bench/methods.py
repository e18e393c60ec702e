"""What is compared: the baselines that every table holds, afmend's recipes, and whatever the user adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np

from afmend.catalogue import find_step
from afmend.errors import BadParameterError
from afmend.evaluation.bench.cases import KEY
from afmend.pipeline import Recipe, StepUse, run_recipe
from afmend.recipes import apply_step, mark, repair
from afmend.scan import Channel, Grid, Masks, Scan
from afmend.scan.arrays import Heights, Mask

TaskName: TypeAlias = Literal["level", "mask", "clean", "fill", "metrology", "harm"]
TASKS: tuple[TaskName, ...] = ("level", "mask", "clean", "fill", "metrology", "harm")
UNTOUCHED = "nothing"
AUTO = "auto"
"""The method that all others are compared with."""
Fill: TypeAlias = Callable[[Heights, Mask, tuple[float, float]], Any]
"""(heights in nm, holes, pixel size in nm) -> heights, or (heights, sigma); NaN = left open."""


@dataclass(frozen=True, slots=True)
class Method:
    """One way of doing a task.

    Attributes
    ----------
    name : str
        As it stands in the tables.
    title : str
        What it is, in one sentence.
    run : callable
        For "fill" a `Fill`, for all other tasks ``(scan: Scan) -> Scan``; an oracle takes the `Case`.
    role : "", "oracle" or "control"
        An oracle knows the truth, a control shows what a trick would gain: neither is a method to choose.
    """

    name: str
    title: str
    run: Callable[..., Any]
    role: Literal["", "oracle", "control"] = ""


_RECIPES = {
    AUTO: "afmend's default",
    "gwyddion": "Gwyddion's usual clicks, as afmend's recipe: plane, row medians, scars, Laplace",
    "topostats": "TopoStats 2's defaults, as afmend's recipe",
    "experts": "what a careful microscopist does by hand, as afmend's recipe",
    "seed": "the pipeline of the paper afmend grew from, as afmend's recipe (classical in place of its network)",
}


def _step(name: str, title: str, step: str, **params: Any) -> Method:
    return Method(name, title, partial(_apply, step, params))


def _apply(step: str, params: Mapping[str, Any], scan: Scan) -> Scan:
    return apply_step(scan, step, KEY, **params)


def _nothing(scan: Scan) -> Scan:
    return scan


BASELINES: tuple[Method, ...] = (
    Method(UNTOUCHED, "the scan as it was measured", _nothing),
    _step("polynomial 2", "one polynomial of degree 2 over the image", "level.polynomial"),
    *(_step(f"{way} polynomial {degree}", f"a polynomial of degree {degree} of each {way}", "level.rows",
            method="polynomial", degree=degree, direction=direction)
      for way, direction in (("row", "horizontal"), ("column", "vertical")) for degree in (1, 2)),
    _step("row median", "the median of each row", "level.rows", method="median"),
    _step("median of differences", "medians of the differences between rows", "level.rows",
          method="median_difference"),
)  # fmt: skip
"""Levelings without masks."""


def _topostats_scars(scan: Scan) -> Scan:
    return apply_step(apply_step(scan, "level.topostats", KEY), "mark.scars_topostats", KEY)


def _recipe(run: Callable[..., Scan], name: str, scan: Scan) -> Scan:
    return run(scan, name, KEY)


MARKERS: tuple[Method, ...] = (
    Method(UNTOUCHED, "marks nothing", _nothing),
    Method("topostats scars", "TopoStats 2's leveling and its scar removal, which its defaults switch off",
           _topostats_scars),
    Method("learned", "auto's detectors and the network of mark.learned", partial(_recipe, mark, "learned")),
)  # fmt: skip
"""Detectors beside the recipes of `_RECIPES`; the scars of Gwyddion are what its recipe marks."""


def _recipes(run: Callable[..., Scan], names: Sequence[str] = tuple(_RECIPES)) -> tuple[Method, ...]:
    return tuple(Method(name, _RECIPES[name], partial(_recipe, run, name)) for name in names)


def methods_of(task: TaskName) -> tuple[Method, ...]:
    """List the methods that every table of a task holds, ``auto`` first.

    "level", "mask" and "clean" run a recipe up to its first fill, "metrology" and "harm" the whole recipe. The table
    of leveling holds oracles and a control, too.
    """
    if task == "fill":
        return FILLS
    if task == "level":
        from afmend.evaluation.bench.oracles import BEYOND

        return (*_recipes(mark), *BASELINES, *BEYOND)
    if task in ("mask", "clean"):
        marking = [name for name in _RECIPES if any(find_step(use.step).kind == "detect" for use in _steps(name))]
        # A mask of features is no mask of artifacts: experts and topostats mark none.
        return (*_recipes(mark, [name for name in marking if name != "experts"]), *MARKERS)
    return (*_recipes(repair), *BASELINES)


def _steps(name: str) -> tuple[StepUse, ...]:
    from afmend.recipes import load_recipe

    return load_recipe(name).steps


# ------------------------------------------------------------------ filling
def _fill_steps(uses: Sequence[StepUse], heights: Heights, holes: Mask, pixel_nm: tuple[float, float]) -> Any:
    grid = Grid(heights.shape[0], heights.shape[1], pixel_nm[0], pixel_nm[1])
    channel = Channel("height", "trace", heights, "nm", masks=Masks(artifact={"hole": holes}))
    done = run_recipe(Scan.of(grid, [channel]), Recipe(name="fill", steps=tuple(uses)), find_step, channel=KEY)
    out = done.channels[KEY]
    filled = np.where(holes & ~out.invented, np.nan, out.values)
    sigma = out.uncertainty
    known = sigma is not None and np.isfinite(sigma[holes & out.invented]).all()
    return (filled, sigma) if known else filled


def _fill(name: str, title: str, *steps: str) -> Method:
    return Method(name, title, partial(_fill_steps, [StepUse(step=step) for step in steps]))


def bilinear(heights: Heights, holes: Mask, pixel_nm: tuple[float, float]) -> Heights:
    """Interpolate linearly in the Delaunay triangles of the good pixels around the holes (scipy's griddata).

    Outside of the triangles (at an edge of the image) the nearest good pixel counts.
    """
    from scipy.interpolate import griddata
    from scipy.ndimage import binary_dilation

    rim = binary_dilation(holes, np.ones((3, 3), dtype=np.bool_), iterations=2) & ~holes
    points, wanted = np.argwhere(rim) * pixel_nm, np.argwhere(holes) * pixel_nm
    filled = heights.copy()
    filled[holes] = griddata(points, heights[rim], wanted, method="linear")
    lost = np.isnan(filled)
    if lost.any():
        filled[lost] = griddata(points, heights[rim], np.argwhere(lost) * pixel_nm, method="nearest")
    return filled


FILLS: tuple[Method, ...] = (
    _fill(AUTO, "afmend's default: the texture of the image itself, tile by tile", "fill.auto"),
    _fill("kriging", "local ordinary kriging with the image's own variogram", "fill.kriging"),
    Method("bilinear", "linear in the triangles of the pixels around the hole (scipy's griddata)", bilinear),
    _fill("linear across lines", "linear between the lines above and below", "fill.linear"),
    _fill("laplace", "a membrane clamped at the rim", "fill.laplace"),
    _fill("biharmonic", "an elastic plate clamped at the rim", "fill.biharmonic"),
    _fill("telea", "OpenCV's Telea, on heights scaled to a million levels", "fill.telea"),
    _fill("navier-stokes", "OpenCV's Navier-Stokes, on heights scaled to a million levels", "fill.navier_stokes"),
    _fill("seed", "the seed paper: expand to whole lines, directional neighbors and Telea, smooth",
          "mask.expand_lines", "fill.seed", "fill.smooth"),
)  # fmt: skip
"""Fills that every table holds."""


def unique(methods: Sequence[Method]) -> tuple[Method, ...]:
    """Check that no two methods have one name.

    Raises
    ------
    BadParameterError
    """
    names = [method.name for method in methods]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadParameterError(f"two methods are called {twice[0]!r}", now="Give each --method once; rename yours.")
    return tuple(methods)
