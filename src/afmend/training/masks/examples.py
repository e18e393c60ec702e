"""Examples for the learned masks: scans of the twin, with what is wrong in them as far as anybody could see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.learned_inputs import KINDS, measured_lines
from afmend.artifacts.scar_score import filled_from_lines
from afmend.errors import BadParameterError, BadScanError
from afmend.evaluation.mask_scores import EVENTS, jumping_lines, without_events
from afmend.evaluation.metrics.detectable import detectable
from afmend.evaluation.metrics.visible import visible
from afmend.scan import Scan
from afmend.scan.arrays import Mask
from afmend.simulation.access import artifact_masks, ideal_of
from afmend.simulation.box import Box, load_box
from afmend.simulation.drawing import draw
from afmend.simulation.params import Twin
from afmend.simulation.recording import WAYS, Way
from afmend.simulation.twin import VERSION, simulate
from afmend.training.kept import whole

LABELS = 5
"""Version of `labels`."""
Bits = NDArray[np.uint8]
"""One bit per kind of `KINDS`."""
KIND_OF: Mapping[str, str] = {
    "scar": "scar", "streak": "scar",
    "bad_line": "line",
    "offset": "jump", "line_jump": "jump", "tip_change": "jump", "line_shift": "jump",
    "spike": "spike", "dropout": "spike",
    "parachute": "parachute",
    "chatter": "chatter", "ringing": "chatter", "burst": "chatter",
    "lost_tracking": "lost", "saturation": "lost", "stuck_line": "lost", "unfinished": "lost", "dragging": "lost",
}  # fmt: skip
"""What the twin calls it, and which kind of mask that is; everything else ("lag") is neither right nor wrong."""
PLAIN = ("dropout", "saturation", "stuck_line", "unfinished")
"""Wrong by its form, not by its height: visible at any noise."""
SHAPES = ((256, 256), (256, 256), (192, 320), (320, 192), (224, 288))
MOST = {"parachute": 0.2, "chatter": 0.2, "jump": 0.3}
"""Beyond this share of a scan, a kind says something of the scan and nothing of its pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One scan direction with its labels; time runs from left to right.

    Attributes
    ----------
    heights, opposite : (rows, cols) float32
        In nm; the other scan direction at the same places.
    wrong, unsure : (rows, cols) uint8
        Which kinds are there, and for which kinds nobody could tell.
    family : str
        Kind of surface.
    clean : bool
        The twin was told to do nothing wrong.
    alone : bool
        The other scan direction was not recorded; ``opposite`` means nothing.
    """

    heights: NDArray[np.float32]
    opposite: NDArray[np.float32]
    wrong: Bits
    unsure: Bits
    family: str
    clean: bool
    alone: bool = False


def bit(kind: str) -> int:
    """Return the bit of a kind."""
    return 1 << KINDS.index(kind)


EVERY = sum(bit(kind) for kind in KINDS)


ANOTHER, DRAWS = 30_000_000, 5
"""How far off the seed of a scan is that stands in for one that cannot be simulated (hard ones stay of their kind),
and how often a scan is drawn."""
FEWEST_LINES = 24
"""Scans with fewer lines are taken as they are."""
HARD = ("grating", "fibers", "terraces", "particles", "lattice", "grains")
"""Surfaces that look most like artifacts; gratings along the fast axis, within a degree."""


@lru_cache(maxsize=8)
def _loaded(box: str) -> Box:
    """Read a box once: that takes longer than to simulate a scan of it."""
    return load_box(box)


def hard_twin(box: str, seed: int) -> Twin:
    """Draw a scan in which nothing is wrong, of a surface that looks as if; which one, the seed says."""
    family = HARD[seed % len(HARD)]
    twin = draw(_loaded(box), seed, shape=SHAPES[seed // len(HARD) % len(SHAPES)], surface=family, artifacts=())
    if family == "grating":
        turned = {"angle_deg": 90 + (seed // len(HARD) % 5 - 2) * 0.4}
        twin = twin.model_copy(update={"surface": twin.surface.model_copy(update=turned)})
    return twin


def _simulated(box: str, seed: int, shape: tuple[int, int], *, hard: bool) -> tuple[Twin, Scan]:
    """Draw and simulate a scan; if that cannot be (too large a tip, too slow a loop), another, always the same one."""
    for drawn in range(seed, seed + DRAWS * ANOTHER, ANOTHER):
        twin = hard_twin(box, drawn) if hard else draw(_loaded(box), drawn, shape=shape)
        try:
            return twin, simulate(twin)
        except (BadParameterError, BadScanError) as error:
            failed = error
    raise failed


def example_pair(
    box: str, seed: int, shape: tuple[int, int] | None = None, *, hard: bool = False
) -> tuple[Example, Example]:
    """Simulate one scan; return both directions, the retrace turned into the order of time."""
    twin, scan = _simulated(box, seed, shape or SHAPES[seed % len(SHAPES)], hard=hard)
    bare = without_events(scan)
    heights = {way: scan.channels[scan.find(f"height/{way}")].values for way in WAYS}
    missing = {way: scan.channels[scan.find(f"height/{way}")].missing for way in WAYS}
    spans = [measured_lines(heights[way], missing[way]) for way in WAYS]
    lines = slice(max(span.start for span in spans), min(span.stop for span in spans))
    if lines.stop - lines.start < FEWEST_LINES:
        lines = slice(0, len(heights["trace"]))
    pair = []
    for way, other in (WAYS, WAYS[::-1]):
        calm = bare.channels[bare.find(f"height/{way}")].values
        wrong, unsure = labels(artifact_masks(scan, way), heights[way], ideal_of(scan, way).values, missing[way], calm)
        filled = [np.asarray(filled_from_lines(heights[w], missing[w]), np.float32) for w in (way, other)]
        seen = (lines, slice(None, None, -1 if way == "retrace" else 1))
        maps = [np.ascontiguousarray(a[seen]) for a in filled]
        bits = [np.ascontiguousarray(a[seen]) for a in (wrong, unsure)]
        bits = list(without_hopeless(bits[0], bits[1]))
        pair.append(Example(maps[0], maps[1], bits[0], bits[1], twin.surface.kind, clean=not twin.artifacts))
    return (pair[0], pair[1])


def labels(
    masks: Mapping[str, Mask], heights: NDArray[np.floating], ideal: NDArray[np.floating], missing: Mask,
    calm: NDArray[np.floating],
) -> tuple[Bits, Bits]:  # fmt: skip
    """Turn the twin's masks into bits: wrong, and where nobody could tell.

    Damage that does not stand out of the noise of its neighborhood, by its own height or by that of the stretch of line
    around it, is no lesson: what is invisible is neither demanded nor forbidden. For scars, streaks and bad lines,
    ``calm``, the heights without them, tells exactly what they change (`detectable`); for the others, the difference to
    the ideal must do (`visible`).
    """
    wrong = np.zeros(heights.shape, np.uint8)
    unsure = np.where(missing, np.uint8(EVERY), np.uint8(0))
    bad, rest, events = (np.zeros(heights.shape, np.bool_) for _ in range(3))
    for name, mask in masks.items():
        bad |= mask
        if name in EVENTS:
            events |= mask
        elif name != "lag":
            rest |= mask
    seen = visible(heights - ideal, heights, bad | missing)
    if events.any():
        wanted, blamed = detectable(
            np.asarray(heights - calm, np.float64), np.asarray(calm, np.float64), events, ~(rest | missing)
        )
        unsure[blamed & ~events] = EVERY
        seen = np.where(events, wanted, seen)
    for name, mask in masks.items():
        kind = KIND_OF.get(name)
        if kind is None:
            unsure[mask] |= bit("parachute") | bit("chatter") | bit("lost")
            continue
        sure = mask if name in PLAIN else mask & seen
        wrong[sure] |= bit(kind)
        unsure[mask & ~sure] |= EVERY
        if name == "ringing":
            unsure[mask] |= bit("parachute")
    unsure[jumping_lines(masks, heights.shape)] |= bit("scar") | bit("line") | bit("jump")
    return wrong, unsure & ~wrong


def without_hopeless(wrong: Bits, unsure: Bits) -> tuple[Bits, Bits]:
    """Leave out what no map of pixels can tell: a loop that fails everywhere, offsets that are the rule."""
    for kind, most in MOST.items():
        mask = (wrong & bit(kind)) > 0
        if mask.mean() > most:
            wrong, unsure = wrong & ~np.uint8(bit(kind)), unsure | np.where(mask, np.uint8(EVERY), np.uint8(0))
            unsure |= np.uint8(bit(kind))
    return wrong, unsure & ~wrong


def path_of(folder: Path, box: str, seed: int, *, hard: bool = False) -> Path:
    """Where the examples of a seed are kept; the name holds the versions of the twin and of the labels."""
    return folder / f"{'hard-' if hard else ''}{box}-v{VERSION}-{LABELS}-{seed}.npz"


def keep_pair(folder: Path, box: str, seed: int, *, hard: bool = False) -> None:
    """Simulate a scan into a file."""
    pair = example_pair(box, seed, hard=hard)
    arrays = {}
    for way, one in zip(WAYS, pair, strict=True):
        for name in ("heights", "wrong", "unsure"):
            arrays[f"{way}_{name}"] = getattr(one, name)
    path = path_of(folder, box, seed, hard=hard)
    with whole(path) as partial:
        np.savez(partial, family=pair[0].family, clean=pair[0].clean, **arrays)


def load_pair(folder: Path, box: str, seed: int, *, hard: bool = False) -> tuple[Example, Example]:
    """Read what `keep_pair` wrote."""
    with np.load(path_of(folder, box, seed, hard=hard)) as kept:
        heights: dict[Way, NDArray[np.float32]] = {way: kept[f"{way}_heights"] for way in WAYS}
        pair = []
        for way, other in (WAYS, WAYS[::-1]):
            opposite = np.ascontiguousarray(heights[other][:, ::-1])
            labeled = (kept[f"{way}_wrong"], kept[f"{way}_unsure"])
            pair.append(Example(heights[way], opposite, *labeled, str(kept["family"]), bool(kept["clean"])))
    return (pair[0], pair[1])
