"""Running steps and recipes on a scan, remembering what was done, and doing it again."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from afmend import __version__
from afmend.errors import AfmendError, ReplayError
from afmend.pipeline.params import Params
from afmend.pipeline.recipe import Recipe
from afmend.pipeline.step import Field, Filled, Found, FoundKinds, Leveled, Outcome, Step
from afmend.scan import Channel, ChannelKey, Record, Scan
from afmend.scan.arrays import Heights, Mask, adopted
from afmend.scan.channel import NO_ERROR_BAR
from afmend.scan.masks import Masks

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Lookup: TypeAlias = Callable[[str], Step[Any]]
"""Finds a step by its id (the catalogue's `find_step`)."""
Watch: TypeAlias = Callable[[int, int, str], None]
"""Called before each step with (index, count, step id)."""


class StepCache:
    """Keeps results of steps, so that changing a late parameter does not redo the early steps.

    Parameters
    ----------
    limit_bytes : int
        Least recently used results are dropped beyond this size.
    """

    def __init__(self, limit_bytes: int = 1_500_000_000) -> None:
        self._limit = limit_bytes
        self._size = 0
        self._kept: OrderedDict[str, tuple[Channel, dict[str, Any], int]] = OrderedDict()

    def get(self, key: str) -> tuple[Channel, dict[str, Any]] | None:
        """Return a kept (channel, facts), or None."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][:2]

    def put(self, key: str, channel: Channel, facts: dict[str, Any]) -> None:
        """Keep a result; one that alone exceeds the limit is not kept."""
        arrays = [channel.values, channel.uncertainty, *(mask for _, _, mask in channel.masks.items())]
        size = sum(array.nbytes for array in arrays if array is not None)
        if key in self._kept or size > self._limit:
            return
        self._kept[key] = (channel, facts, size)
        self._size += size
        while self._size > self._limit:
            self._size -= self._kept.popitem(last=False)[1][2]

    def __len__(self) -> int:
        return len(self._kept)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run with one BLAS thread, so that sums do not depend on the number of cores."""
    with _blas(len(sys.modules)).limit(limits=1, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _blas(modules: int) -> ThreadpoolController:  # noqa: ARG001 (looks again once more modules were imported)
    """Find the libraries that have threads of their own, which takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def run_recipe(
    scan: Scan,
    recipe: Recipe,
    find_step: Lookup,
    *,
    channel: str | ChannelKey | None = None,
    watch: Watch | None = None,
    cache: StepCache | None = None,
) -> Scan:
    """Apply every step of a recipe to one channel of a scan.

    Parameters
    ----------
    scan : Scan
        Never changed.
    recipe : Recipe
    find_step : callable
        Finds a step by its id.
    channel : str, ChannelKey or None
        Which channel; None = the topography (see `Scan.find`).
    watch : callable, optional
        Called before each step with (index, count, step id).
    cache : StepCache, optional

    Returns
    -------
    Scan
        With one more record per step.

    Raises
    ------
    MissingChannelError, BadParameterError, StepError
    """
    key = scan.find(channel)
    uses = [(find_step(use.step), use) for use in recipe.steps]
    ready = [(found, found.params.parse(use.params, use.step)) for found, use in uses]
    with one_blas_thread():
        for index, (found, params) in enumerate(ready):
            if watch is not None:
                watch(index, len(ready), found.id)
            scan = _apply(scan, key, found, params, cache)
    return scan


def run_step(scan: Scan, found: Step[Any], params: Params, channel: str | ChannelKey | None = None) -> Scan:
    """Apply a single step to one channel."""
    with one_blas_thread():
        return _apply(scan, scan.find(channel), found, params, None)


def replay(history_of: Scan, raw: Scan, find_step: Lookup) -> Scan:
    """Do again on ``raw`` what the history of another scan says, checking every hash.

    What ``raw`` itself has in its history is not done twice.

    Raises
    ------
    ReplayError
        Naming the first step whose input or output differs.
    """
    scan = raw
    known = len(raw.history) if history_of.history[: len(raw.history)] == raw.history else 0
    with one_blas_thread():
        for number, record in enumerate(history_of.history[known:], start=known + 1):
            where = f"step {number} ({record.step})"
            key = scan.find(record.channel)
            if scan.channels[key].digest() != record.before:
                raise ReplayError(
                    f"the data before this step differ from those of the history ({key})", where=where,
                    now="Is this the raw file that the result was made from, and the same afmend version?",
                )  # fmt: skip
            found = find_step(record.step)
            if found.version != record.version:
                raise ReplayError(
                    f"the history used version {record.version} of this step, this afmend has {found.version}",
                    where=where, now=f"Install afmend {record.afmend} to replay it.",
                )  # fmt: skip
            scan = _apply(scan, key, found, found.params.parse(record.params, record.step), None)
            if scan.channels[key].digest() != record.after:
                raise ReplayError(
                    "the result of this step differs from the history", where=where,
                    now=f"History: afmend {record.afmend}; here: {__version__}. Compare library versions.",
                )  # fmt: skip
    return scan


def _apply(scan: Scan, key: ChannelKey, found: Step[Any], params: Params, cache: StepCache | None) -> Scan:
    channel = scan.channels[key]
    before = channel.digest()
    opposite = scan.opposite(key)
    name = ""
    done = None
    if cache is not None:
        what = (key, channel.unit, channel.calibrated, channel.name, scan.grid, found.id, found.version)
        name = (
            f"{before}|{opposite.digest() if opposite else ''}|{what!r}|{json.dumps(params.to_json(), sort_keys=True)}"
        )
        done = cache.get(name)
    if done is None:
        field = _field(scan, channel, opposite, found)
        try:
            done = _take(channel, field, found.kernel(field, params))
        except AfmendError as error:
            raise error.at(f"step {found.id}") from error
        if cache is not None:
            cache.put(name, *done)
    changed, facts = done
    record = Record(found.id, found.version, params.to_json(), key, before, changed.digest(), __version__, facts)
    return scan.with_channel(changed, record)


def _field(scan: Scan, channel: Channel, opposite: Channel | None, found: Step[Any]) -> Field:
    excluded = {
        "correct": lambda: channel.excluded,
        "detect": lambda: channel.holes,
        "reshape": lambda: channel.missing,
        "repair": lambda: channel.holes,
    }[found.kind]()
    return Field(
        channel.values,
        excluded,
        scan.grid.pixel_nm,
        calibrated=scan.grid.calibrated and channel.calibrated,
        unit=channel.unit,
        direction=channel.direction,
        opposite=None if opposite is None else opposite.values,
        opposite_excluded=None if opposite is None else opposite.holes,  # type: ignore[arg-type]  # None = none
        masks=channel.masks,
    )


def _take(channel: Channel, field: Field, outcome: Outcome) -> tuple[Channel, dict[str, Any]]:
    if isinstance(outcome, Masks):
        return channel.evolve(masks=outcome), {}
    facts = dict(outcome.facts)
    if isinstance(outcome, Leveled):
        masks = None
        if outcome.foreground is not None:
            masks = channel.masks.with_mask("foreground", "features", outcome.foreground)
        bars = outcome.sigma
        if bars is not None:
            bars = adopted(bars if channel.uncertainty is None else np.hypot(channel.uncertainty, bars))
        return channel.evolve(values=adopted(outcome.heights), masks=masks, uncertainty=bars), facts
    if isinstance(outcome, Found):
        pixels = int(np.count_nonzero(outcome.mask))
        facts.setdefault("pixels", pixels)
        if outcome.role == "artifact" and pixels == 0:
            return channel, facts
        join = channel.masks.with_added if outcome.role == "artifact" else channel.masks.with_mask
        return channel.evolve(masks=join(outcome.role, outcome.name, outcome.mask)), facts
    if isinstance(outcome, FoundKinds):
        masks = channel.masks
        for name, mask in outcome.masks.items():
            masks = masks.with_added("artifact", name, mask)
        return channel.evolve(masks=masks), facts
    return _fill(channel, field.excluded, outcome), facts


def _fill(channel: Channel, holes: Mask, outcome: Filled) -> Channel:
    """Take the holes, and nothing but the holes, from what a repair kernel returned."""
    take = holes if outcome.left_open is None else holes & ~outcome.left_open
    pixels = np.flatnonzero(take)
    if pixels.size == 0:
        return channel
    sigma: Heights | float = NO_ERROR_BAR
    if outcome.sigma is not None:
        # An invented pixel stays recognisable even where a method claims to be certain.
        sigma = np.maximum(outcome.sigma.ravel()[pixels], np.finfo(np.float64).tiny)
    return channel.filled(pixels, outcome.heights.ravel()[pixels], sigma)
