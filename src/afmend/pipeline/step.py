"""A step: a pure kernel and one frozen parameter class.

A kernel takes a `Field` and its parameters and returns an outcome. The type of the outcome says what
kind of step it is: `Leveled` (changes heights), `Found` and `FoundKinds` (mark pixels), `Masks` (reshapes
masks), `Filled` (fills holes). Kernels know nothing of files, progress bars, threads or devices.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import numpy as np

from afmend.errors import BadScanError
from afmend.pipeline.params import Params
from afmend.scan.arrays import Heights, Mask, check_mask
from afmend.scan.masks import Masks, Role


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """What a kernel sees of a channel. Never written to.

    Attributes
    ----------
    heights : (rows, cols) float64, read-only
    excluded : (rows, cols) bool
        Pixels that must not be trusted. For leveling: all three roles. For detectors: missing pixels and
        artifacts found earlier. For repair: the holes to fill. Defaults to none.
    pixel_nm : (slow, fast)
        Pixel size; (1, 1) and ``calibrated=False`` if unknown.
    calibrated : bool
    unit : str
        Unit of the heights.
    direction : str
        "trace", "retrace" or "unknown": in a retrace, time runs from right to left.
    opposite : (rows, cols) float64 or None
        The same quantity in the other scan direction, on the same grid.
    opposite_excluded : (rows, cols) bool
        Where ``opposite`` holds no measurement (missing pixels and artifacts found in it). Defaults to none.
    masks : Masks
        All masks with their roles and names.
    """

    heights: Heights
    excluded: Mask = None  # type: ignore[assignment]  # replaced by zeros in __post_init__
    pixel_nm: tuple[float, float] = (1.0, 1.0)
    calibrated: bool = True
    unit: str = "nm"
    direction: str = "unknown"
    opposite: Heights | None = None
    opposite_excluded: Mask = None  # type: ignore[assignment]  # as excluded
    masks: Masks = field(default_factory=Masks)

    def __post_init__(self) -> None:
        heights = np.asarray(self.heights, dtype=np.float64)
        if heights.ndim != 2 or heights.size == 0:
            raise BadScanError(f"heights must be a non-empty 2-D array, got shape {heights.shape}")
        view = heights.view()
        view.flags.writeable = False
        object.__setattr__(self, "heights", view)
        if self.opposite is None and self.opposite_excluded is None:
            object.__setattr__(self, "opposite_excluded", _nothing(heights.shape))
        for name in ("excluded", "opposite_excluded"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.zeros(heights.shape, dtype=np.bool_))
            check_mask(getattr(self, name), heights.shape, name)

    @property
    def usable(self) -> Mask:
        """Pixels that may be trusted: the complement of ``excluded``."""
        return ~self.excluded

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return (self.heights.shape[0], self.heights.shape[1])


@lru_cache(maxsize=4)
def _nothing(shape: tuple[int, int]) -> Mask:
    """Make an empty mask that nobody writes to: steps without another direction need none of their own."""
    frozen = np.zeros(shape, dtype=np.bool_)
    frozen.flags.writeable = False
    return frozen.view()  # which nobody can make writable


@dataclass(frozen=True, slots=True, eq=False)
class Leveled:
    """Outcome of a step that changes heights.

    ``foreground``, if given, is the mask of features that the step itself found and kept out of its fit.
    ``facts`` are JSON values worth telling (chosen order, line uncertainty, ...).
    ``sigma``, if given, is the 1-sigma error bar of heights that are no longer what was measured (same shape and unit;
    0 = still measured); it joins error bars that are there already, in squares.
    """

    heights: Heights
    foreground: Mask | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    sigma: Heights | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Outcome of a detector: marked pixels, their role and name ("scar", "spike", ..., "features").

    Artifacts are added to those of the same name; a foreground or missing mask replaces its predecessor.
    """

    mask: Mask
    name: str
    role: Role = "artifact"
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class FoundKinds:
    """Outcome of a detector of several kinds of artifact: name to marked pixels, added to those of the same name."""

    masks: Mapping[str, Mask]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """Outcome of a repair.

    Only pixels of ``field.excluded`` (the holes) are taken from ``heights``; the runner keeps all others
    bit-identical. ``sigma`` is the 1-sigma error bar (same shape, same unit; inf or None = has none).
    ``left_open`` marks holes that were honestly not fillable: they keep their value and stay marked.
    """

    heights: Heights
    sigma: Heights | None = None
    left_open: Mask | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


Outcome: TypeAlias = Leveled | Found | FoundKinds | Masks | Filled
Kind: TypeAlias = Literal["correct", "detect", "reshape", "repair"]
_KINDS: dict[type, Kind] = {
    Leveled: "correct", Found: "detect", FoundKinds: "detect", Masks: "reshape", Filled: "repair",
}  # fmt: skip

P = TypeVar("P", bound=Params)
P_contra = TypeVar("P_contra", bound=Params, contravariant=True)
O_co = TypeVar("O_co", bound=Outcome, covariant=True)
Kernel: TypeAlias = Callable[[Field, P], O_co]


@dataclass(frozen=True, slots=True)
class Step(Generic[P]):
    """A registered step. Calling it calls the kernel."""

    id: str
    params: type[P]
    version: str
    kind: Kind
    kernel: Callable[[Field, P], Outcome]

    @property
    def title(self) -> str:
        """First line of the parameter class's docstring."""
        return (self.params.__doc__ or self.id).strip().splitlines()[0]


class StepFunction(typing.Protocol[P_contra, O_co]):
    """A kernel that also knows its step."""

    step: Step[Any]

    def __call__(self, field: Field, params: P_contra, /) -> O_co:
        """Apply the kernel."""
        ...


def step(
    step_id: str, params: type[P], *, version: str
) -> Callable[[Callable[[Field, P], O_co]], StepFunction[P, O_co]]:
    """Declare a kernel as a step; its kind comes from its return annotation.

    Parameters
    ----------
    step_id : str
        "room.name": "level.rows", "mark.scars", "mask.grow", "fill.kriging", "filter.median".
    params : type of Params
    version : str
        Raised whenever results change.
    """

    def declare(kernel: Callable[[Field, P], O_co]) -> StepFunction[P, O_co]:
        outcome = typing.get_type_hints(kernel)["return"]
        decorated = typing.cast("StepFunction[P, O_co]", kernel)
        decorated.step = Step(step_id, params, version, _KINDS[outcome], kernel)
        return decorated

    return declare
