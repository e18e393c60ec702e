"""``afmend twin``: simulated scans with a known truth, one or a whole set."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

from afmend.apps.cli import say
from afmend.errors import BadParameterError, BadRecipeError


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command was told."""

    box: str
    surface: str | None
    artifacts: str | None
    seed: int
    size: str | None
    out: Path | None
    base: Path | None = None

    @property
    def names(self) -> tuple[str, ...] | None:
        """Artifacts to switch on; None = as the box says; "none" switches all off."""
        if self.artifacts is None:
            return None
        names = tuple(dict.fromkeys(part.strip() for part in self.artifacts.split(",") if part.strip()))
        return () if names == ("none",) else names

    @property
    def shape(self) -> tuple[int, int] | None:
        """(rows, cols) from "512" or "300x400"."""
        if self.size is None:
            return None
        parts = self.size.lower().split("x")
        if len(parts) > 2 or not all(part.isascii() and part.isdecimal() and len(part) < 6 for part in parts):
            raise BadParameterError(f"--size {self.size!r}", now="Give pixels, as 512, or lines x pixels, as 300x400.")
        return (int(parts[0]), int(parts[-1]))


def make_one(wish: Wish) -> int:
    """Simulate one scan and write it."""
    from afmend.formats import write
    from afmend.simulation.box import load_box
    from afmend.simulation.drawing import draw
    from afmend.simulation.twin import simulate

    twin = draw(
        load_box(wish.box), wish.seed, shape=wish.shape, surface=wish.surface, artifacts=wish.names, base=wish.base
    )
    scan = simulate(twin)
    path = write(scan, wish.out or Path(f"{twin.name}.h5"))
    facts = scan.history[0].facts
    wrong = ", ".join(facts["artifacts"]) or "none"
    say.out().print(f"{path}: {scan.grid.rows} x {scan.grid.cols} px, surface {twin.surface.kind}, artifacts: {wrong}",
                    markup=False)  # fmt: skip
    return 0


def make_set(wish: Wish, count: int, per_shard: int, workers: int, *, double: bool) -> int:
    """Write a set of scans, or finish one."""
    from afmend.simulation.dataset import Order, write_set

    order = Order(
        wish.box, count, wish.seed, wish.shape, wish.surface, wish.names, per_shard, single_precision=not double
    )
    folder = wish.out or Path(f"twin-{Path(wish.box).stem}")
    with say.bar("Simulating") as show:
        watch = None if show is None else partial(show, "Simulating")
        manifest = write_set(order, folder, workers=workers, watch=watch)
    say.out().print(
        f"{folder}: {manifest['scans']} scans in {len(manifest['shards'])} shards, see manifest.json", markup=False
    )
    return 0


def show_box(name: str) -> int:
    """Print a built-in box as YAML."""
    from afmend.simulation.box import built_in_boxes

    if name not in built_in_boxes():
        raise BadRecipeError(f"no built-in box {name!r}", now=f"There are: {', '.join(built_in_boxes())}.")
    sys.stdout.write((files("afmend.simulation") / "boxes" / f"{name}.yaml").read_text(encoding="utf-8"))
    return 0


def show_choices(name: str) -> int:
    """List the surfaces and artifacts of a box."""
    from afmend.simulation.box import load_box

    box = load_box(name)
    console = say.out()
    console.print(f"{box.name}: {box.description}", markup=False)
    console.print(f"surfaces:  {', '.join(box.surfaces)}", markup=False)
    console.print(f"artifacts: {', '.join(box.artifacts)}", markup=False)
    return 0
