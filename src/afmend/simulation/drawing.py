"""Drawing the numbers of one scan from a box."""

from __future__ import annotations

import ast
import math
import operator
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from afmend.errors import BadRecipeError
from afmend.formats import read
from afmend.pipeline import Params
from afmend.simulation.box import DISTRIBUTIONS, Box
from afmend.simulation.params import MAX_PIXELS, Twin
from afmend.simulation.surfaces import surface_params
from afmend.simulation.surfaces.measured import Measured

MOST_EVENTS = 10_000
LONGEST_EXPRESSION = 200
_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}  # fmt: skip


def draw(
    box: Box,
    seed: int,
    *,
    shape: tuple[int, int] | None = None,
    surface: str | None = None,
    artifacts: Sequence[str] | None = None,
    base: str | Path | None = None,
) -> Twin:
    """Choose every number of one scan.

    Parameters
    ----------
    box : Box
    seed : int
        The same box and seed give the same scan; another choice of artifacts keeps the parameters of the surface.
    shape : (rows, cols), optional
        Default: as the box's ``let`` says (rows, cols), else (256, 256).
    surface : str, optional
        Default: one of the box's.
    artifacts : sequence of str, optional
        Exactly these are switched on; default: each as often as the box says.
    base : str or Path, optional
        A real, clean scan whose heights are the surface, instead of one of the box's: everything in it counts as truth.
        Its shape is the default shape.

    Raises
    ------
    BadRecipeError, BadParameterError
        If the box has no such surface or artifact, or a number is out of range.
    """
    drawn = _Draw(box, seed)
    try:
        return drawn.twin(shape, surface, artifacts, base)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError) as error:
        raise BadRecipeError(
            f"the box makes no sense ({type(error).__name__}: {str(error)[:200]})",
            where=drawn.where,
            now="Mend the box.",
        ) from error


@dataclass(slots=True)
class _Draw:
    """Choosing the numbers of one scan; every part has a random stream of its own."""

    box: Box
    seed: int
    names: dict[str, float] = field(default_factory=dict)
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    where: str = ""
    events: int = 0

    def twin(
        self,
        shape: tuple[int, int] | None,
        surface: str | None,
        artifacts: Sequence[str] | None,
        base: str | Path | None,
    ) -> Twin:
        box = self.box
        self._turn_to("scan")
        self._let(box.let)
        if base is not None:
            shape = self._shape_of(base, shape)
        rows, cols = shape or (int(self.names.get("rows", 256)), int(self.names.get("cols", 256)))
        if min(rows, cols) < 8 or rows * cols > MAX_PIXELS:
            raise BadRecipeError(
                f"a scan of {rows} x {cols} pixels", where=box.name, now="At least 8 x 8, at most 16 M."
            )
        self.names.update(rows=rows, cols=cols)
        if base is None:
            kind, made, changes = self._surface(surface)
        else:
            kind, made, changes = "measured", Measured.of(base), {}
        self.names["height"] = float(made.height_nm)  # type: ignore[attr-defined]
        self.names.update(size=cols * self.names["pixel"], size_slow=rows * self.names["pixel_slow"])
        self._turn_to("base")
        self._let(box.base.get("let", {}))
        groups: dict[str, Any] = {key: self._value(value) for key, value in box.base.items() if key != "let"}
        groups = _merged(groups, changes)
        chosen = self._chosen(kind, artifacts)
        mishaps = []
        for name in chosen:
            self._turn_to(f"artifact {name}")
            entry = box.artifacts[name]
            self._let(entry.get("let", {}))
            groups = _merged(groups, self._value(entry.get("set", {})))
            if "mishap" in entry:
                mishaps.append(self._value(entry["mishap"]))
        return Twin.parse(
            {
                **groups, "shape": (rows, cols), "pixel_nm": (self.names["pixel_slow"], self.names["pixel"]),
                "surface": made.to_json(), "mishaps": [*groups.get("mishaps", []), *mishaps], "artifacts": chosen,
                "name": f"{box.name}-{self.seed}",
            },
            box.name,
        )  # fmt: skip

    def _surface(self, surface: str | None) -> tuple[str, Params, dict[str, Any]]:
        """Draw a surface: its kind, its numbers, and what it changes in the groups."""
        kind = self._kind(surface)
        self._turn_to(f"surface {kind}")
        entry = self.box.surfaces[kind]
        self._let(entry.get("let", {}))
        self.names.setdefault("pixel", 1.0)
        self.names.setdefault("pixel_slow", self.names["pixel"] * self.names.get("aspect", 1.0))
        made = surface_params(kind).parse({"kind": kind, **self._value(entry.get("params", {}))}, self.where)
        return kind, made, self._value(entry.get("set", {}))

    def _shape_of(self, base: str | Path, shape: tuple[int, int] | None) -> tuple[int, int]:
        """Take the pixel size of a real scan, and its shape unless another was asked for."""
        grid = read(base).grid
        self.names.update(pixel=grid.pixel_fast_nm, pixel_slow=grid.pixel_slow_nm)
        return shape or grid.shape

    def _turn_to(self, part: str) -> None:
        """Give a part of the scan its own random numbers, so that parts do not depend on each other."""
        self.where = f"{self.box.name}, {part}"
        self.rng = np.random.default_rng([self.seed, zlib.crc32(self.box.name.encode()), zlib.crc32(part.encode())])

    def _kind(self, surface: str | None) -> str:
        kinds = list(self.box.surfaces)
        if surface is not None:
            if surface not in kinds:
                raise BadRecipeError(
                    f"no surface {surface!r}", where=self.box.name, now=f"There are: {', '.join(kinds)}."
                )
            return surface
        weights = np.array([float(self.box.surfaces[kind].get("weight", 1.0)) for kind in kinds])
        return str(self.rng.choice(kinds, p=weights / weights.sum()))

    def _chosen(self, kind: str, artifacts: Sequence[str] | None) -> list[str]:
        known = self.box.artifacts
        if artifacts is not None:
            for name in artifacts:
                if name not in known:
                    raise BadRecipeError(
                        f"no artifact {name!r}", where=self.box.name, now=f"There are: {', '.join(known)}."
                    )
            return [name for name in known if name in artifacts]
        self._turn_to("artifacts")
        if self.rng.random() < self.box.clean:
            return []
        lots = {name: self.rng.random() for name in known}
        return [
            name
            for name, entry in known.items()
            if lots[name] < float(entry.get("p", 0.0)) and kind in entry.get("surfaces", [kind])
        ]

    def _let(self, names: Mapping[str, Any]) -> None:
        for name, value in names.items():
            self.names[str(name)] = _real(self._value(value))

    def _value(self, node: Any) -> Any:
        """Replace every distribution in a tree by a number."""
        if isinstance(node, list):
            return [self._value(one) for one in node]
        if isinstance(node, str):
            return self.names.get(node, node)
        if not isinstance(node, Mapping):
            return node
        for name in ("repeat", *DISTRIBUTIONS):
            if name in node:
                return self._choose(node, name)
        return {key: self._value(value) for key, value in node.items()}

    def _choose(self, node: Mapping[str, Any], name: str) -> Any:
        try:
            if name == "repeat":
                return self._repeated(node)
            value = _CHOOSERS[name](self, node[name])
            for factor in _listed(node.get("times", [])):
                value *= self._value(factor)
        except (TypeError, ValueError, KeyError, IndexError, ArithmeticError, SyntaxError, RecursionError) as error:
            raise BadRecipeError(
                f"{str(dict(node))[:100]} makes no sense ({str(error)[:100]})", where=self.where, now="Mend the box."
            ) from error
        return value

    def _repeated(self, node: Mapping[str, Any]) -> list[Any]:
        count = int(self._value(node["repeat"]))
        self.events += max(count, 0)
        if self.events > MOST_EVENTS:
            raise BadRecipeError(
                f"more than {MOST_EVENTS} events in one scan", where=self.where, now="Lower the numbers after repeat."
            )
        return [self._value(node["each"]) for _ in range(count)]

    def range_of(self, pair: Any) -> tuple[float, float]:
        """Return the two ends of a distribution."""
        low, high = (float(self._value(one)) for one in pair)
        return low, high


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _log(draw: _Draw, pair: Any) -> float:
    low, high = draw.range_of(pair)
    if not 0 < low <= high:
        raise ValueError("a logarithmic range is positive and rises")
    return float(np.exp(draw.rng.uniform(np.log(low), np.log(high))))


def _weighted(draw: _Draw, weights: Mapping[Any, float]) -> Any:
    values = list(weights)
    share = np.array([float(weights[value]) for value in values])
    return values[int(draw.rng.choice(len(values), p=share / share.sum()))]


def _expression(draw: _Draw, text: str) -> float:
    if len(str(text)) > LONGEST_EXPRESSION:
        raise ValueError("the expression is too long")
    return _real(_evaluated(ast.parse(str(text), mode="eval").body, draw.names))


def _real(value: Any) -> float:
    """Refuse what is not a finite real number."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not finite")
    return number


def _evaluated(node: ast.expr, names: Mapping[str, float]) -> float:
    """Evaluate + - * / ** of numbers and names; nothing else is allowed."""
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluated(node.left, names), _evaluated(node.right, names))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluated(node.operand, names)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name):
        return float(names[node.id])
    raise ValueError(f"{ast.unparse(node)} is not arithmetic")


_CHOOSERS: dict[str, Callable[[_Draw, Any], Any]] = {
    "uniform": lambda draw, pair: float(draw.rng.uniform(*draw.range_of(pair))),
    "log": _log,
    "int": lambda draw, pair: int(draw.rng.integers(int(draw.range_of(pair)[0]), int(draw.range_of(pair)[1]) + 1)),
    "log_int": lambda draw, pair: int(np.floor(_log(draw, [draw.range_of(pair)[0], draw.range_of(pair)[1] + 0.999]))),
    "choice": lambda draw, values: draw._value(values[int(draw.rng.integers(len(values)))]),  # noqa: SLF001 (same class)
    "weighted": _weighted,
    "sign": lambda draw, value: float(draw._value(value)) * (1 if draw.rng.random() < 0.5 else -1),  # noqa: SLF001
    "expr": _expression,
}


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Lay ``new`` over ``old``: mappings join (unless of another kind), lists are appended, the rest is replaced."""
    out = dict(old)
    for key, value in new.items():
        before = out.get(key)
        if (
            isinstance(before, Mapping)
            and isinstance(value, Mapping)
            and value.get("kind") in (None, before.get("kind"))
        ):
            out[key] = _merged(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            out[key] = [*before, *value]
        else:
            out[key] = value
    return out
