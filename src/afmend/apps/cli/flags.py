"""Command-line flags from a step's parameter class: one definition, no second list to keep in step."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Collection
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from afmend.errors import BadParameterError
from afmend.pipeline import Params

_PLAIN = (int, float, str, bool)


def parameters(params: type[Params], taken: Collection[str] = ()) -> dict[str, inspect.Parameter]:
    """Return one keyword parameter per field, annotated for typer.

    The flag of a field whose name is ``taken`` (by a flag that all steps share) gets "knob" in front.
    """
    found = {}
    for name, field in params.model_fields.items():
        free = name
        while free in taken or (free != name and free in params.model_fields):
            free = f"knob_{free}"
        found[name] = _parameter(free, field)
    return found


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    flag = f"--{name.replace('_', '-')}"
    names = [f"{flag}/--no-{flag[2:]}"] if field.annotation is bool else [flag]
    kind = _flag_type(field.annotation)
    default = field.default if kind is field.annotation else json.dumps(_plain(field.default))
    option = typer.Option(*names, help=_help(field), show_default=True)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _flag_type(annotation: Any) -> Any:
    """Return a type that the command line can hold; anything nested travels as JSON text."""
    if annotation in _PLAIN or get_origin(annotation) is Literal:
        return annotation
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [a for a in get_args(annotation) if a is not type(None)]
        if len(inner) == 1 and inner[0] in _PLAIN:
            return annotation
    return str


def _help(field: FieldInfo) -> str:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    notes = [str(extra["unit"])] if extra.get("unit") else []
    notes += [
        f"{_SIGNS[type(m).__name__]} {next(iter(vars_of(m)))}" for m in field.metadata if type(m).__name__ in _SIGNS
    ]
    band = extra.get("recommended")
    if isinstance(band, list):
        notes.append(f"usually {band[0]} to {band[1]}")
    return f"{field.description or ''}{' (' + ', '.join(notes) + ')' if notes else ''}"


_SIGNS = {"Ge": ">=", "Gt": ">", "Le": "<=", "Lt": "<"}


def vars_of(bound: Any) -> list[Any]:
    """Return the value of an annotated-types bound."""
    return [getattr(bound, name) for name in ("ge", "gt", "le", "lt") if hasattr(bound, name)]


def changed(params: type[Params], given: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the parameters that differ from the defaults, checked.

    Raises
    ------
    BadParameterError
        If a value is out of range, or JSON text is not JSON.
    """
    found: dict[str, Any] = {}
    for name, field in params.model_fields.items():
        value = given[name]
        if _flag_type(field.annotation) is not field.annotation:
            try:
                value = json.loads(value)
            except ValueError as error:
                raise BadParameterError(
                    f"{name}: {value!r} is not JSON", where=where, now="Quote it as JSON."
                ) from error
        if value != _plain(field.default):
            found[name] = value
    params.parse(found, where)
    return found


def override(text: str) -> tuple[str, str, Any]:
    """Split "step.id.param=value" of ``--set``; the value is read as YAML.

    Raises
    ------
    BadParameterError
    """
    import yaml

    name, sign, value = text.partition("=")
    step, dot, param = name.rpartition(".")
    if not (sign and dot and "." in step):
        raise BadParameterError(
            f"--set {text!r} is not STEP.PARAMETER=VALUE", now="For example level.auto.max_degree=1."
        )
    try:
        return step, param, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise BadParameterError(f"--set {text!r}: the value cannot be read", now="Quote it.") from error
