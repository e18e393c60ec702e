"""``afmend level METHOD`` and ``afmend mask METHOD``: one command per step, made from the step's definition."""

from __future__ import annotations

import inspect
import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

AUTO_MASK = "auto"


def _shared() -> list[inspect.Parameter]:
    """Parameters that every command of the groups has besides those of its step."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD

    def option(name: str, kind: Any, default: Any, *names: str, text: str, **limits: Any) -> inspect.Parameter:
        note = Annotated[kind, typer.Option(*names, help=text, **limits)]
        return inspect.Parameter(name, keyword, default=default, annotation=note)

    files = Annotated[list[Path], typer.Argument(help="Scan files, or folders to search.", show_default=False)]
    return [
        inspect.Parameter("inputs", positional, annotation=files),
        option("out", Path, inspect.Parameter.empty, "--out", "-o", text="Folder for the results.", show_default=False),
        option("on_channel", str | None, None, "--channel", text="Channel (default: the topography)."),
        option("to", str, "h5,gwy,png", "--write", text="Comma-separated outputs."),
        option("exclude_areas", Path | None, None, "--exclude", text="Polygons (JSON) or a mask image."),
        option("workers", int, os.cpu_count() or 1, "--workers", text="Processes side by side.", min=1, max=256),
        option("resume", bool, False, "--resume", text="Keep what an earlier run finished."),
        option("timeout", float, 600.0, "--timeout", text="Give up on a file after this many seconds.", min=1),
        option("as_json", bool, False, "--json", text="Print JSON for machines."),
    ]


class _StepGroup(TyperGroup):
    """A group whose commands are the steps of one family, imported when asked for."""

    family = ""
    extra: tuple[str, ...] = ()

    def list_commands(self, ctx: Any) -> list[str]:
        from afmend.catalogue import working_steps

        del ctx
        steps, problems = working_steps(self.family)
        for problem in problems:
            _complain_once(str(problem))
        return sorted({*self.extra, *(step.id.split(".", 1)[1] for step in steps)})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        from afmend.catalogue import find_step, step_homes

        del ctx
        if cmd_name in self.extra:
            return _command(cmd_name, "", f"Mark what the recipe {cmd_name!r} marks.")
        step_id = f"{self.family}.{cmd_name}"
        if step_id not in step_homes():
            return None
        return _command(cmd_name, step_id, find_step(step_id).title)


class LevelGroup(_StepGroup):
    """``afmend level``."""

    family = "level"


class MaskGroup(_StepGroup):
    """``afmend mask``."""

    family = "mark"
    extra = (AUTO_MASK,)


@cache
def _complain_once(text: str) -> None:
    from afmend.apps.cli.say import complain

    complain(text)


def _taken(shared: list[inspect.Parameter]) -> set[str]:
    """Names that the knobs of a step cannot have: those of the shared parameters and of their flags."""
    notes = [one.annotation.__metadata__[0] for one in shared]
    # typer's Option takes its first flag for a default until it is used
    flags = [flag for note in notes for flag in (note.default, *(note.param_decls or ())) if isinstance(flag, str)]
    return {"help", "h", *(one.name for one in shared), *(flag.lstrip("-").replace("-", "_") for flag in flags)}


def _command(name: str, step_id: str, title: str) -> Any:
    from afmend.apps.cli.flags import parameters
    from afmend.catalogue import find_step

    shared = _shared()
    knobs = parameters(find_step(step_id).params, _taken(shared)) if step_id else {}
    signature = inspect.Signature([*shared, *knobs.values()])

    def run(**given: Any) -> None:
        from afmend.apps.cli.batch import Wish, step_files

        wish = Wish(
            given.pop("inputs"), given.pop("out"), given.pop("on_channel"), given.pop("to"), given.pop("workers"),
            given.pop("resume"), given.pop("timeout"), given.pop("as_json"),
        )  # fmt: skip
        areas = given.pop("exclude_areas")
        raise typer.Exit(step_files(wish, step_id, areas, {field: given[knob.name] for field, knob in knobs.items()}))

    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    run.__doc__ = title
    one = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    one.command(name)(run)
    command = typer.main.get_command(one)
    command.name = name
    return command
