"""Parameters of a step, defined once: the command line, the recipe, the web sliders and the docs come from here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from afmend.errors import BadParameterError


class Params(BaseModel):
    """Base of every parameter class: frozen, extra keys forbidden, NaN and infinity refused.

    The first line of a subclass's docstring is the step's title in help and docs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Validate ``values``; raise one `BadParameterError` that names the parameter and the allowed range."""
        try:
            # Through JSON rules, so that lists from YAML become tuples and "1" does not become 1 by accident.
            parsed = _parsed(cls, json.dumps(values))
        except (ValidationError, TypeError, ValueError) as error:
            raise BadParameterError(_explain(cls, error), where=where, now=_known(cls)) from error
        return cast("Self", parsed)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types; `parse` gives the same parameters back."""
        values = self.__dict__
        # The usual case takes a hundredth of the time.
        return dict(values) if all(type(value) in _PLAIN for value in values.values()) else self.model_dump(mode="json")


_PLAIN = frozenset({bool, int, float, str, type(None)})


@lru_cache(maxsize=64)
def _parsed(cls: type[Params], text: str) -> Params:
    """Validate parameters; as they are frozen, whoever asks for the same ones again can have them."""
    return cls.model_validate_json(text, strict=False)


def _explain(cls: type[Params], error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"parameters of {cls.__name__} must be plain JSON values ({error})"
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "parameters"
    return f"{name}: {first['msg']}, got {first['input']!r}"


def _known(cls: type[Params]) -> str:
    return f"Known parameters: {', '.join(cls.model_fields) or 'none'}."


def Knob(  # noqa: N802 (reads as a declaration, like pydantic's Field)
    default: Any,
    help: str,  # noqa: A002 (the word every reader expects)
    *,
    unit: str = "",
    ge: float | None = None,
    le: float | None = None,
    gt: float | None = None,
    lt: float | None = None,
    step: float | None = None,
    recommended: tuple[float, float] | None = None,
    advanced: bool = False,
) -> Any:
    """Declare one parameter: a pydantic field with unit, slider step, recommended band and ``advanced``.

    Parameters
    ----------
    default
        Value if the user says nothing.
    help : str
        One sentence: what it does and what happens when it is larger.
    unit : str
        Unit shown beside the value, for example "px", "nm", "sigma".
    ge, le, gt, lt : float
        Allowed range; anything else is refused.
    step : float
        Step of a slider.
    recommended : (float, float)
        Band in which most users stay.
    advanced : bool
        Hidden until the user asks for more.
    """
    extra: dict[str, Any] = {"unit": unit, "advanced": advanced}
    if step is not None:
        extra["step"] = step
    if recommended is not None:
        extra["recommended"] = list(recommended)
    return Field(default, description=help, ge=ge, le=le, gt=gt, lt=lt, json_schema_extra=extra)
