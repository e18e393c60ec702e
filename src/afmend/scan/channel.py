"""One measured quantity over the grid of a scan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadScanError
from afmend.scan.arrays import Heights, Mask, adopted, check_mask, digest, frozen
from afmend.scan.masks import Masks

Direction: TypeAlias = Literal["trace", "retrace", "unknown"]
DIRECTIONS: tuple[Direction, ...] = ("trace", "retrace", "unknown")
LARGEST = 1e100
"""No instrument measures more; beyond it, squares overflow."""
NO_ERROR_BAR = float("inf")
"""Uncertainty of a pixel that was invented by a method that cannot say how wrong it may be."""


def _is_measurable(values: Heights) -> bool:
    """Whether all values are finite and below `LARGEST`; that of what is measured their squares tell in one pass."""
    squares = float(np.vdot(values, values))
    return squares < LARGEST or (float(values.min()) > -LARGEST and float(values.max()) < LARGEST)


class ChannelKey(NamedTuple):
    """What identifies a channel inside a scan."""

    kind: str
    direction: Direction

    def __str__(self) -> str:
        return self.kind if self.direction == "unknown" else f"{self.kind}/{self.direction}"


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """A channel of a scan: values with unit, masks and uncertainty.

    Attributes
    ----------
    kind : str
        What was measured, in lower case: "height", "height_sensor", "amplitude", "phase", "deflection",
        "current", "frequency_shift", ...
    direction : "trace", "retrace" or "unknown"
    values : (rows, cols) float64 or float32, read-only, finite everywhere
        In ``unit``. What stands under ``masks.missing`` is a placeholder.
    unit : str
        "nm" for lengths, the SI base unit otherwise, "" if unknown.
    name : str
        The channel's name in the vendor's file.
    calibrated : bool
        False if the file does not say what the numbers mean.
    masks : Masks
    uncertainty : (rows, cols) float or None
        1 sigma in ``unit``: 0 = measured, > 0 = invented (filled, or guessed where the tip touched nothing),
        inf = invented by a method without error bars.
        None = every pixel is measured.

    Raises
    ------
    BadScanError
        If an array has a wrong type or shape, or a value is not finite.
    """

    kind: str
    direction: Direction
    values: Heights
    unit: str
    name: str = ""
    calibrated: bool = True
    masks: Masks = field(default_factory=Masks)
    uncertainty: Heights | None = None
    _digests: dict[str, str] = field(default_factory=dict, repr=False)
    _checked: tuple[Heights | None, Heights | None] = field(default=(None, None), repr=False)

    def __post_init__(self) -> None:
        values = self.values
        if values.ndim != 2 or values.size == 0 or values.dtype not in (np.float64, np.float32):
            raise BadScanError(
                f"channel {self.key} holds {values.dtype} of shape {values.shape}, not a 2-D float array"
            )
        if self.direction not in DIRECTIONS:
            raise BadScanError(f"direction {self.direction!r} is none of {', '.join(DIRECTIONS)}")
        if values is not self._checked[0]:  # what was checked before is read-only since
            if not _is_measurable(values):
                raise BadScanError(
                    f"channel {self.key} holds NaN, infinite or absurdly large values",
                    now="Mark such pixels as missing (Channel.from_raw).",
                )
            object.__setattr__(self, "values", frozen(values))
            object.__setattr__(self, "_digests", {p: d for p, d in self._digests.items() if p != "values"})
        self.masks.check(self.shape)
        sigma = self.uncertainty
        if sigma is not None:
            known = sigma is self._checked[1]
            if sigma.shape != self.shape or not (known or sigma.min() >= 0):
                raise BadScanError(f"the uncertainty of channel {self.key} has a wrong shape or is negative")
            if not known:
                sigma = frozen(sigma) if sigma.max() > 0 else None
                object.__setattr__(self, "uncertainty", sigma)
        object.__setattr__(self, "_checked", (self.values, sigma))

    @classmethod
    def from_raw(
        cls,
        kind: str,
        direction: Direction,
        values: Heights,
        unit: str,
        *,
        name: str = "",
        calibrated: bool = True,
        missing: Mask | None = None,
    ) -> Channel:
        """Make a channel from numbers as a file holds them: NaN and infinities become missing pixels.

        The placeholder under missing pixels is the mean of the measured ones (0 if there are none).
        """
        values = np.asarray(values)
        if values.dtype != np.float32:
            values = values.astype(np.float64)
        if missing is not None:
            check_mask(missing, values.shape, "missing")
        lost = ~np.isfinite(values)
        if values.dtype == np.float64:
            lost |= ~(np.abs(values) < LARGEST)
        if missing is not None:
            lost |= missing
        if lost.any():
            values = values.copy()
            values[lost] = values[~lost].mean() if not lost.all() else 0.0
        return cls(kind, direction, values, unit, name, calibrated, Masks(missing=lost if lost.any() else None))

    @property
    def key(self) -> ChannelKey:
        """(kind, direction)."""
        return ChannelKey(self.kind, self.direction)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return (self.values.shape[0], self.values.shape[1])

    @property
    def invented(self) -> Mask:
        """Pixels whose value was filled in, or guessed where the tip touched nothing: not measured."""
        if self.uncertainty is None:
            return np.zeros(self.shape, dtype=np.bool_)
        return self.uncertainty > 0

    @property
    def missing(self) -> Mask:
        """Pixels that were never measured (filled or not)."""
        return self.masks.union("missing", shape=self.shape)

    @property
    def still_missing(self) -> Mask:
        """Pixels that were never measured and that nobody filled: no number stands there."""
        return self.missing & ~self.invented

    @property
    def left_open(self) -> Mask:
        """Holes that nobody filled; where the tip never touched ("untouched"), heights are bounds, not holes."""
        found = self.missing.copy()
        for name, mask in self.masks.artifact.items():
            if name != "untouched":
                found |= mask
        return found & ~self.invented

    @property
    def artifact(self) -> Mask:
        """Pixels measured wrongly, of any kind."""
        return self.masks.union("artifact", shape=self.shape)

    @property
    def holes(self) -> Mask:
        """Pixels that repair fills: missing or artifact."""
        return self.masks.union("missing", "artifact", shape=self.shape)

    @property
    def excluded(self) -> Mask:
        """Pixels that must not steer a leveling result: all three roles."""
        return self.masks.union("missing", "artifact", "foreground", shape=self.shape)

    def evolve(
        self, *, values: Heights | None = None, masks: Masks | None = None, uncertainty: Heights | None = None
    ) -> Channel:
        """Return a copy with some parts replaced; hashes of the other parts are kept."""
        changes: dict[str, object] = {}
        kept = dict(self._digests)
        for part, new in (("values", values), ("masks", masks), ("uncertainty", uncertainty)):
            if new is not None:
                changes[part] = new
                kept.pop(part, None)
        return replace(self, _digests=kept, **changes)  # type: ignore[arg-type]

    def filled(self, pixels: NDArray[np.intp], heights: Heights, sigma: Heights | float) -> Channel:
        """Return a copy with other heights and error bars at some pixels.

        Parameters
        ----------
        pixels : (n,) int
            Places in the raveled image.
        heights : (n,) float
            In ``unit``.
        sigma : (n,) float, or float
            1 sigma in ``unit``.

        Raises
        ------
        BadScanError
            If pixels lie outside, the arrays differ in length, a height is not finite or absurdly large, or an error
            bar is negative or NaN.
        """
        if pixels.size == 0:
            return self
        inside = pixels.min() >= 0 and pixels.max() < self.values.size
        if not inside or heights.shape != pixels.shape or np.shape(sigma) not in ((), pixels.shape):
            raise BadScanError(f"channel {self.key} is filled at places that it does not have, or by too many or few")
        with np.errstate(over="ignore"):
            heights = heights.astype(self.values.dtype, copy=False)
        if not _is_measurable(heights):
            raise BadScanError(
                f"channel {self.key} is filled with NaN, infinite or absurdly large heights",
                now="Fill by another method (`method` of the fill step), or leave the pixels open.",
            )
        least = float(np.min(sigma))
        if not least >= 0:
            raise BadScanError(f"channel {self.key} is filled with error bars that are negative or NaN")
        values = self.values.copy()
        bars = np.zeros(self.shape) if self.uncertainty is None else self.uncertainty.copy()
        values.ravel()[pixels] = heights
        bars.ravel()[pixels] = sigma
        sure = adopted(bars) if least > 0 or bars.any() else None
        checked = (adopted(values), sure)
        digests = {part: hashed for part, hashed in self._digests.items() if part == "masks"}
        return replace(self, values=checked[0], uncertainty=sure, _digests=digests, _checked=checked)

    def digest(self) -> str:
        """Hash of values, masks and uncertainty. Computed once per part."""
        cache = self._digests
        if "values" not in cache:
            cache["values"] = digest(self.values)
        if "masks" not in cache:
            cache["masks"] = self.masks.digest()
        if "uncertainty" not in cache:
            cache["uncertainty"] = digest(self.uncertainty)
        return digest(np.frombuffer("".join(cache[p] for p in ("values", "masks", "uncertainty")).encode(), np.uint8))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Channel):
            return NotImplemented
        mine = (self.kind, self.direction, self.unit, self.name, self.calibrated, self.digest())
        return mine == (other.kind, other.direction, other.unit, other.name, other.calibrated, other.digest())

    __hash__ = None  # type: ignore[assignment]
