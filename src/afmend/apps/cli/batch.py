"""Commands that work on many files: repair, level, mask, convert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afmend.apps.batch import Order, Outcome, run_batch
from afmend.apps.cli import say
from afmend.apps.cli.flags import changed, override
from afmend.catalogue import find_step
from afmend.errors import BadParameterError, WriteError
from afmend.pipeline import Recipe, StepUse
from afmend.recipes import check_recipe, load_recipe, without_error_bars


@dataclass(frozen=True, slots=True)
class Wish:
    """What every such command is told."""

    inputs: Sequence[Path]
    out: Path
    channel: str | None
    write: str
    workers: int
    resume: bool
    timeout_s: float
    as_json: bool

    def order(self, recipe: str, **rest: Any) -> Order:
        """Make the batch's order of it."""
        endings = tuple(
            dict.fromkeys(part.strip().lower().lstrip(".") for part in self.write.split(",") if part.strip())
        )
        _check_endings(endings)
        return Order(
            self.out, recipe, self.channel, endings, workers=self.workers, resume=self.resume,
            timeout_s=self.timeout_s, **rest,
        )  # fmt: skip


def _check_endings(endings: Sequence[str]) -> None:
    from afmend.formats import FORMATS

    known = {ending.lstrip(".") for form in FORMATS if form.writable for ending in form.extensions} | {"csv"}
    for ending in endings:
        if ending not in known:
            raise WriteError(f"no writer for {ending!r}", now=f"There are: {', '.join(sorted(known))}.")
    if not endings:
        raise WriteError("nothing to write", now=f"There are: {', '.join(sorted(known))}.")


def repair_files(
    wish: Wish, recipe: str, settings: Sequence[str], exclude: Path | None, *, report: bool, error_bars: bool,
    gate: str | None = None,
) -> int:  # fmt: skip
    """Run a recipe, on each scan as far as the gate says; return the exit code."""
    if gate is not None:
        from afmend.artifacts.gate.model import load_gate

        load_gate(gate)  # a missing model is one error, not one per file
    chosen = load_recipe(recipe) if error_bars else without_error_bars(load_recipe(recipe))
    chosen = _with_settings(chosen, settings)
    order = wish.order(chosen.to_yaml(), before=_exclusions(exclude), report=report, gate=gate)
    return _run(wish, order, f"Mending ({chosen.name})")


def convert_files(wish: Wish) -> int:
    """Write scans as they are in other formats; return the exit code."""
    return _run(wish, wish.order("", mode="convert", report=False), "Converting")


def step_files(wish: Wish, step_id: str, exclude: Path | None, given: Mapping[str, Any]) -> int:
    """Run one step, or (no step) everything of the recipe "auto" up to its first fill; return the exit code."""
    if step_id:
        params = changed(find_step(step_id).params, dict(given), step_id)
        recipe = Recipe(name=step_id, steps=(StepUse(step=step_id, params=params),))
    else:
        recipe = load_recipe("auto")
    return _run(wish, wish.order(recipe.to_yaml(), mode="mark", before=_exclusions(exclude)), recipe.name)


def _with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    for text in settings:
        step_id, name, value = override(text)
        if step_id not in {use.step for use in recipe.steps}:
            raise BadParameterError(f"--set {text!r}: the recipe has no step {step_id!r}", where=recipe.name,
                                    now=f"`afmend recipe show {recipe.name}` shows its steps.")  # fmt: skip
        uses = tuple(
            use.model_copy(update={"params": {**use.params, name: value}}) if use.step == step_id else use
            for use in recipe.steps
        )
        recipe = recipe.model_copy(update={"steps": uses})
    check_recipe(recipe)
    return recipe


def _exclusions(path: Path | None) -> tuple[Mapping[str, Any], ...]:
    if path is None:
        return ()
    from afmend.artifacts.drawn import exclusions

    return tuple(use.model_dump() for use in exclusions(path))


def _run(wish: Wish, order: Order, title: str) -> int:
    try:
        with say.progress(title, quiet=wish.as_json) as watch:
            outcome = run_batch(wish.inputs, order, watch)
    except KeyboardInterrupt:
        say.complain("Interrupted. The summary holds what was finished; run again with --resume to go on.")
        return 130
    if wish.as_json:
        from afmend.apps.batch.summary import finite, rows_of

        for row in rows_of(outcome.results):
            say.emit(finite(row))
    else:
        _conclude(order, outcome)
    return outcome.exit_code


def _conclude(order: Order, outcome: Outcome) -> None:
    good = sum(result.good for result in outcome.results)
    images = sum(scan.error is None for result in outcome.results for scan in result.scans)
    failed = len(outcome.results) - good
    console = say.out()
    if not outcome.results:
        console.print("No files found.", markup=False)
    console.print(f"{good} of {len(outcome.results)} files processed ({images} images), {failed} failed.", markup=False)
    console.print(f"Summary: {order.out / 'summary.csv'}", markup=False)
    if order.report:
        console.print(f"Report:  {order.out / 'report.html'}", markup=False)
