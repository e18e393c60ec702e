"""Boxes: recipes of random scans in YAML, and drawing the numbers of one scan from them.

A box has the keys

- ``name``, ``description``; ``like``: a built-in box that this one changes (mappings are laid over its mappings);
- ``widen``: stretch every range of numbers by such a factor at both ends (see `widened`), 1 if nothing is said;
- ``clean``: share of scans with no artifact switched on;
- ``let``: names for numbers that the rest refers to, drawn in their order;
- ``surfaces``: kind of surface to ``weight``, ``let`` (more names), ``params`` and ``set`` (changes of ``base``);
- ``base``: ``let``, and groups of `params.Twin` that every scan has (tip, scanner, loop, electronics, saved);
- ``artifacts``: name to ``p`` (how often), ``surfaces`` (only on these), ``let``, ``set`` (changes of the groups) and
  ``mishap``.

Wherever a number stands there may stand a distribution: ``{uniform: [a, b]}``, ``{log: [a, b]}``, ``{int: [a, b]}``,
``{log_int: [a, b]}``, ``{choice: [...]}``, ``{weighted: {value: weight}}``, ``{sign: number}`` (either sign),
``{expr: "a * b"}`` of names and numbers, ``{repeat: count, each: ...}`` for a list, or a name of ``let``. A number
drawn from one of the first four may be multiplied by names: ``{log: [0.1, 1], times: height}``.

Names that are always known: rows, cols; in params, pixel and pixel_slow (pixel sizes in nm, from ``let``; 1 and square
if nothing is said; ``aspect`` = pixel_slow over pixel); after the surface, height (its characteristic height in nm),
size and size_slow (of the scan, nm).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from afmend.errors import BadRecipeError
from afmend.pipeline.recipe import read_yaml

_KEYS = {"name", "description", "like", "clean", "let", "surfaces", "base", "artifacts", "widen"}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
WIDEST = 10.0
DISTRIBUTIONS = ("uniform", "log", "int", "log_int", "choice", "weighted", "sign", "expr")
"""Keys that make a mapping a distribution."""


@dataclass(frozen=True, slots=True)
class Box:
    """A recipe of random scans; see the module."""

    name: str
    description: str
    clean: float
    let: Mapping[str, Any]
    surfaces: Mapping[str, Mapping[str, Any]]
    base: Mapping[str, Any]
    artifacts: Mapping[str, Mapping[str, Any]]


def built_in_boxes() -> tuple[str, ...]:
    """Names of the boxes that come with afmend."""
    here = files("afmend.simulation") / "boxes"
    return tuple(sorted(entry.name[:-5] for entry in here.iterdir() if entry.name.endswith(".yaml")))


def load_box(name: str | Path) -> Box:
    """Load a built-in box by name, or a user's box from a YAML file.

    Raises
    ------
    BadRecipeError
        If there is no such box, or it does not make sense.
    """
    text = str(name)
    if text in built_in_boxes():
        data = _read_built_in(text)
    elif Path(text).is_file():
        try:
            data = read_yaml(Path(text).read_text(encoding="utf-8"), text)
        except (OSError, UnicodeDecodeError) as error:
            raise BadRecipeError(f"cannot be read ({error})", where=text, now="Check the path.") from error
    else:
        raise BadRecipeError(f"no box {text!r}", now=f"There are: {', '.join(built_in_boxes())}, or give a YAML file.")
    return _checked(data, text)


def _read_built_in(name: str) -> Any:
    return read_yaml((files("afmend.simulation") / "boxes" / f"{name}.yaml").read_text(encoding="utf-8"), name)


def _checked(data: object, where: str) -> Box:
    if isinstance(data, Mapping) and str(data.get("like", where)) in set(built_in_boxes()) - {where}:
        data = _laid_over(_read_built_in(str(data["like"])), {k: v for k, v in data.items() if k != "like"})
    if not isinstance(data, Mapping) or not {"name", "surfaces"} <= set(data) <= _KEYS - {"like"}:
        raise BadRecipeError(
            f"a box is a mapping with the keys {', '.join(sorted(_KEYS))}", where=where,
            now="Name and surfaces are needed; see `afmend twin --show-box train`.",
        )  # fmt: skip
    groups = {key: data.get(key) or {} for key in ("let", "surfaces", "base", "artifacts")}
    for key, value in groups.items():
        if not isinstance(value, Mapping):
            raise BadRecipeError(f"{key} must be a mapping", where=where, now="Mend the box.")
    if not groups["surfaces"]:
        raise BadRecipeError("there is no surface", where=where, now="Mend the box.")
    for key, known in (("surfaces", {"weight", "let", "params", "set"}), ("artifacts", _ARTIFACT_KEYS)):
        for name, entry in groups[key].items():
            _check_entry(f"{key}.{name}", name, entry, known, where)
    clean = data.get("clean", 0.0)
    if not isinstance(clean, int | float) or not 0 <= clean <= 1:
        raise BadRecipeError(f"clean is {clean!r}", where=where, now="It is a share, from 0 to 1.")
    if not isinstance(data["name"], str) or not _NAME.fullmatch(data["name"]):
        raise BadRecipeError(
            f"the name {str(data['name'])[:70]!r}", where=where, now="Use up to 64 letters, digits, dots, - and _."
        )
    factor = _factor(data.get("widen", 1.0), where)
    groups = {key: widened(group, factor) for key, group in groups.items()}
    return Box(data["name"], str(data.get("description", "")), float(clean), **groups)


def _factor(value: object, where: str) -> float:
    if not isinstance(value, int | float) or not 1 <= value <= WIDEST:
        raise BadRecipeError(f"widen is {value!r}", where=where, now=f"It is a factor, from 1 to {WIDEST:g}.")
    return float(value)


def widened(node: Any, factor: float) -> Any:
    """Stretch the ranges in a tree of distributions, so that what learns from it meets more than is usual.

    Logarithmic ranges become ``factor`` times lower and higher (those of whole numbers end at 1). Uniform ranges of
    shares, from 0 to 1, grow at either end by half of ``factor - 1`` of their length, but by no more than half of what
    is left to 0 or 1. Other uniform ranges, often of angles or of places, stay, as do ranges whose ends are names.
    """
    if isinstance(node, list):
        return [widened(one, factor) for one in node]
    if not isinstance(node, Mapping):
        return node
    out = {key: widened(value, factor) for key, value in node.items()}
    for name in ("log", "log_int", "uniform"):
        ends = node.get(name)
        if isinstance(ends, list) and len(ends) == 2 and all(type(end) in {int, float} for end in ends):
            out[name] = _stretched(name, float(ends[0]), float(ends[1]), factor)
    return out


def _stretched(name: str, low: float, high: float, factor: float) -> list[float]:
    if name == "log":
        return [low / factor, high * factor]
    if name == "log_int":
        return [max(1, round(low / factor)), round(high * factor)]
    if low < 0 or high > 1:
        return [low, high]
    more = (factor - 1) / 2 * (high - low)
    return [max(low - more, low / 2), min(high + more, (1 + high) / 2)]


_ARTIFACT_KEYS = {"p", "surfaces", "let", "set", "mishap"}


def _check_entry(place: str, name: object, entry: object, known: set[str], where: str) -> None:
    """Refuse a surface or artifact whose parts are not of the kind they must be."""
    wrong = ""
    if not isinstance(name, str) or not isinstance(entry, Mapping) or not set(entry) <= known:
        wrong = f"must be a mapping with the keys {', '.join(sorted(known))}"
    elif not all(isinstance(entry.get(key) or {}, Mapping) for key in ("let", "params", "set", "mishap")):
        wrong = "let, params, set and mishap must be mappings"
    elif not all(_is_share(entry[key]) for key in ("p", "weight") if key in entry):
        wrong = "p and weight must be numbers from 0 to a million"
    elif not isinstance(entry.get("surfaces", []), list):
        wrong = "surfaces must be a list"
    if wrong:
        raise BadRecipeError(f"{place[:70]}: {wrong}", where=where, now="Mend the box.")


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1e6


def _laid_over(old: Any, new: Any) -> Any:
    """Lay a box over another: mappings join, anything else, and any distribution, is replaced."""
    chance = set(DISTRIBUTIONS)
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)) or chance & {*old, *new}:
        return new
    return {**old, **{key: _laid_over(old[key], value) if key in old else value for key, value in new.items()}}
