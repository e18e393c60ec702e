"""Mending one image for the page: in stages, so that each panel gets its picture as soon as it is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from afmend.apps.web.compose import Wish, first_fill, raw_marking
from afmend.apps.web.desk import Stop, StoppedError
from afmend.apps.web.parts import HALO_PX, Box, Previewed, clamped, inside, part_of, sees_the_whole
from afmend.apps.web.reading import Library, Opened
from afmend.apps.web.roots import Roots
from afmend.catalogue import find_step
from afmend.errors import AfmendError
from afmend.pipeline import Recipe, StepCache, StepUse, run_recipe
from afmend.recipes import repair
from afmend.scan import Channel, ChannelKey, Grid, Scan


@dataclass(slots=True)
class Mended:
    """An image at the stages that the panels show.

    ``marked``: detectors are done; ``leveled``: just before the first fill; ``mended``: the end. ``ms`` holds the
    steps that were computed, by position and id, with their time; a step that is not in it came from the cache.
    """

    opened: Opened
    key: ChannelKey
    recipe: Recipe
    marked: Scan
    leveled: Scan
    mended: Scan
    ms: dict[str, float] = field(default_factory=dict)

    def channel(self, stage: str) -> Channel:
        """Return the channel at one stage: original, marked, leveled or mended."""
        scan: Scan = self.opened.scan if stage == "original" else getattr(self, stage)
        return scan.channels[self.key]


Tell = Callable[[str, Mended], None]
"""Called with the name of each stage as it is reached: original, marked, leveled, mended."""
Step = Callable[[int, int, str], None]
"""Called before each step with (index, count, step id)."""


class _NotKeptError(Exception):
    """A result would have to be computed."""


class _Cache(StepCache):
    """A cache that notices what had to be computed."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.computed = False
        self.only_kept = False

    def get(self, key: str) -> tuple[Channel, dict[str, Any]] | None:
        found = super().get(key)
        self.computed = found is None
        if found is None and self.only_kept:
            raise _NotKeptError
        return found


class Engine:
    """Mends images, one at a time, and keeps the results of their steps.

    Parameters
    ----------
    roots : Roots
    library : Library
    cache_bytes : int
        For results of steps; the least recently used go first.
    """

    def __init__(self, roots: Roots, library: Library, cache_bytes: int = 1_500_000_000) -> None:
        self._roots = roots
        self._library = library
        self._cache = _Cache(cache_bytes)
        self._lock = threading.Lock()

    def open(self, ref: str, frame: int = 0) -> Opened:
        """Return one image of a file."""
        return self._library.open(self._roots.path(ref), frame)

    def mend(self, wish: Wish, tell: Tell | None = None, step: Step | None = None, stop: Stop = bool) -> Mended:
        """Do what a wish says; runs in a thread, one at a time.

        Raises
        ------
        AfmendError
            Whatever reading or a step refuses.
        StoppedError
            If ``stop`` said so, before a step.
        """
        opened = self.open(wish.ref, wish.frame)
        scan = opened.scan
        key = scan.find(wish.channel) if wish.channel else scan.main.key
        recipe = wish.recipe()
        done = Mended(opened, key, recipe, scan, scan, scan)
        _say(tell, "original", done)
        parts = _parts(recipe.steps)
        total = len(recipe.steps)
        with self._lock:
            timer = _Timer(self._cache, done.ms, step, total, stop)
            for stage, uses in parts:
                if uses:
                    part = recipe.model_copy(update={"steps": uses})
                    scan = run_recipe(scan, part, find_step, channel=key, watch=timer.before, cache=self._cache)
                    timer.end()
                for name in ("marked", "leveled", "mended"):
                    if stage in (name, "marked") or (stage == "leveled" and name == "mended"):
                        setattr(done, name, scan)
                _say(tell, stage, done)
        return done

    def preview(self, wish: Wish, box: Box, stop: Stop = bool) -> Previewed | None:
        """Compute steps whose results are not kept on a part of the image only.

        Steps whose results are kept are those of the whole image. It ends before a step that looks at the whole image.

        Returns
        -------
        Previewed or None
            None if there is nothing to compute, or nothing that a part could show.

        Raises
        ------
        AfmendError, StoppedError
        """
        opened = self.open(wish.ref, wish.frame)
        scan = opened.scan
        key = scan.find(wish.channel) if wish.channel else scan.main.key
        shown = clamped(box, scan.grid.shape)
        outer = clamped(shown, scan.grid.shape, HALO_PX)
        cut, done = False, Previewed(shown)
        with self._lock:
            for stage, uses in _parts(wish.recipe().steps):
                for use in uses:
                    kept = None if cut else self._kept(scan, use, key)
                    if kept is not None:
                        scan = kept
                        continue
                    if stop():
                        raise StoppedError
                    if sees_the_whole(find_step(use.step).kind, use.step):
                        return done if done.scans else None
                    scan = scan if cut else part_of(scan, outer)
                    cut = True
                    scan = run_recipe(scan, Recipe(name="part", steps=(use,)), find_step, channel=key)
                if cut:
                    done.scans[stage] = part_of(scan, inside(shown, outer))
        return done if done.scans else None

    def glance(self, wish: Wish, box: Box, stop: Stop = bool) -> tuple[Channel, Grid]:
        """Return a part of an image after the last step of a wish; steps before it are those of the whole image.

        Raises
        ------
        AfmendError, StoppedError
        """
        opened = self.open(wish.ref, wish.frame)
        key = opened.scan.find(wish.channel) if wish.channel else opened.scan.main.key
        before = wish.model_copy(update={"steps": wish.steps[:-1]})
        scan = self.mend(before, stop=stop).mended if before.steps else opened.scan
        use = wish.steps[-1]
        shown = clamped(box, scan.grid.shape)
        outer = clamped(shown, scan.grid.shape, HALO_PX)
        if not sees_the_whole(find_step(use.step).kind, use.step):
            scan, shown = part_of(scan, outer), inside(shown, outer)
        with self._lock:
            if stop():
                raise StoppedError
            scan = run_recipe(scan, Recipe(name="try", steps=(use,)), find_step, channel=key)
        part = part_of(scan, shown)
        return part.channels[key], part.grid

    def _kept(self, scan: Scan, use: StepUse, key: ChannelKey) -> Scan | None:
        """Return what a step makes of a scan, if that is in the cache."""
        self._cache.only_kept = True
        try:
            return run_recipe(scan, Recipe(name="kept", steps=(use,)), find_step, channel=key, cache=self._cache)
        except _NotKeptError:
            return None
        finally:
            self._cache.only_kept = False


def warm_up() -> None:
    """Run the default recipe on a small made-up scan, so that its loops are there before somebody waits for them."""
    rng = np.random.default_rng(0)
    heights = rng.normal(0, 0.05, (64, 96)) + 0.02 * np.arange(96) + rng.normal(0, 0.3, (64, 1))
    heights[20, 10:70] += 9.0
    heights[41, 50] += 20.0
    with suppress(AfmendError):  # whoever uses the recipe will be told
        repair(Scan.of(Grid(64, 96, 2.0, 3.0), [Channel("height", "trace", heights, "nm")]))


def _say(tell: Tell | None, stage: str, done: Mended) -> None:
    if tell is not None:
        tell(stage, done)


def _parts(steps: Sequence[StepUse]) -> list[tuple[str, tuple[StepUse, ...]]]:
    """Cut a recipe where a panel gets its picture."""
    marked, filling = raw_marking(steps), first_fill(steps)
    return [
        ("marked", tuple(steps[:marked])),
        ("leveled", tuple(steps[marked:filling])),
        ("mended", tuple(steps[filling:])),
    ]


class _Timer:
    """Times the steps that had to be computed."""

    def __init__(self, cache: _Cache, ms: dict[str, float], step: Step | None, total: int, stop: Stop) -> None:
        self._cache, self._ms, self._step, self._total, self._stop = cache, ms, step, total, stop
        self._done = 0
        self._current = ""
        self._began = 0.0

    def before(self, _index: int, _count: int, step_id: str) -> None:
        self.end()
        if self._stop():
            raise StoppedError
        if self._step is not None:
            self._step(self._done, self._total, step_id)
        self._current, self._began = f"{self._done}:{step_id}", time.perf_counter()
        self._done += 1

    def end(self) -> None:
        if self._current and self._cache.computed:
            self._ms[self._current] = round(1000 * (time.perf_counter() - self._began), 2)
        self._current = ""
