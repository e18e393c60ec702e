"""A recipe: an ordered list of steps with their parameters, readable and writable as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from afmend.errors import BadRecipeError


class _Loader(yaml.SafeLoader):
    """Plain YAML: no anchors and aliases (a kilobyte of them unfolds to gigabytes), no key twice."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:  # every alias has one, too
            raise ComposerError(None, None, "anchors and aliases (& and *) are not allowed", event.start_mark)
        return super().compose_node(parent, index)  # type: ignore[no-any-return]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if (name := (key.tag, str(key.value))) in seen:
                raise ConstructorError(None, None, f"the key {key.value!r} stands there twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads: a value that two steps share is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def read_yaml(text: str, where: str = "") -> Any:
    """Read plain data from YAML: no anchors, no key twice.

    Raises
    ------
    BadRecipeError
        If the text is not such YAML.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 (a safe loader, made stricter)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:  # PyYAML's own slips: "!!int x"
        problem = " ".join(str(error).split())
        raise BadRecipeError(f"not valid YAML: {problem}", where=where, now="Mend the file.") from error
    except RecursionError as error:
        raise BadRecipeError("the YAML is nested too deeply", where=where, now="Mend the file.") from error


class StepUse(BaseModel):
    """One step of a recipe: its id and the parameters that differ from the defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    step: str
    params: dict[str, Any] = Field(default_factory=dict)


class Recipe(BaseModel):
    """An ordered list of steps. A step is switched off by leaving it out."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    description: str = ""
    steps: tuple[StepUse, ...]

    @classmethod
    def from_mapping(cls, data: object, where: str = "") -> Recipe:
        """Check plain data (from YAML or JSON) and make a recipe of it."""
        if not isinstance(data, Mapping):
            raise BadRecipeError(
                "a recipe is a mapping with the keys name, description and steps", where=where,
                now="See `afmend recipe show auto` for an example.",
            )  # fmt: skip
        try:
            return cls.model_validate(dict(data))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise BadRecipeError(
                f"{place}: {first['msg']}", where=where, now="See `afmend recipe show auto` for an example."
            ) from error

    @classmethod
    def from_yaml(cls, text: str, where: str = "") -> Recipe:
        """Read a recipe from YAML text."""
        data = read_yaml(text, where)
        return cls.from_mapping(data, where)

    @classmethod
    def from_file(cls, path: Path) -> Recipe:
        """Read a recipe from a YAML file."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadRecipeError(f"cannot be read ({error})", where=str(path), now="Check the path.") from error
        return cls.from_yaml(text, where=path.name)

    def to_yaml(self) -> str:
        """Write the recipe as YAML; `from_yaml` gives the same recipe back."""
        data = {
            "name": self.name,
            "description": self.description,
            "steps": [_plain(use) for use in self.steps],
        }
        return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _plain(use: StepUse) -> dict[str, Any]:
    return {"step": use.step, "params": use.params} if use.params else {"step": use.step}
