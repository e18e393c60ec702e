"""Examples for the gate: scans of the twin, with the size of every effect as far as anybody could see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.verdicts import GOOD, IMAGING, NOT_TRACKING
from afmend.artifacts.gate.verdicts import TIP as TIP_VERDICT
from afmend.errors import BadParameterError, BadScanError
from afmend.pipeline.workers import for_each
from afmend.scan import Scan
from afmend.scan.arrays import Heights, Mask
from afmend.simulation.access import artifact_masks, ideal_of
from afmend.simulation.box import Box, load_box
from afmend.simulation.params import Twin
from afmend.simulation.recording import WAYS, Way
from afmend.simulation.twin import VERSION, simulate
from afmend.training.gate.damage import (
    Damage,
    Small,
    cells_of,
    crowds_of,
    damage_of,
    ghosts_of,
    relief_of,
    seen_between,
)
from afmend.training.gate.labels import label_of
from afmend.training.gate.scenes import TIP, mix_of, scene, shape_of, without_tip
from afmend.training.kept import whole

MOVABLE = ("scar", "bad_line", "burst", "line_jump", "streak", "spike", "offset", "chatter")
"""Kinds of damage that would be the same on another sample."""
LOOP = ("lag", "parachute", "ringing")
ASTRAY = 0.25
"""Of the relief."""
CROWD = (0.1, 0.25)
"""Of the surroundings: so much astray is some area, or surely one."""
TARGETS = ("clear", "faint", "astray", "ghosts")
"""What the network is told cell by cell."""
ANOTHER = 10_000_019
"""Added to the seed for another draw."""
DRAWS = 3
BLOCK = 35
"""So many scans are made together, a whole number of rounds through mixes and shapes; grafts stay within them."""
SCENES = 5
"""Raised with every change of mixes, effects, and what is kept."""
WANTED = {"good": GOOD, "tracking": NOT_TRACKING, "tip": TIP_VERDICT, "imaging": IMAGING}
"""What the mixes are made for."""
Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One scan: both directions as measured, and how large what is wrong with the trace is.

    Attributes
    ----------
    heights, opposite, error : (rows, cols) float32
        Trace, retrace and the error signal of the trace, nm.
    missing : (rows, cols) bool
        Of the trace.
    effects, early : mapping of str to float
        See `effects_of`: of the whole scan, and of its first lines.
    cells, early_cells : (4, rows / 16, cols / 16) float32
        The same by cells.
    back : Back
        What is needed to show the retrace as a scan of its own.
    family, mix : str
        Kind of surface; which mix of problems the scan was drawn from.
    seed, draws : int
        How many draws it took.
    spare : Spare or None
        What grafts need (`grafts.grafted`); not kept on disk.
    """

    heights: Map
    opposite: Map
    error: Map
    missing: Mask
    effects: Mapping[str, float]
    early: Mapping[str, float]
    cells: Small
    early_cells: Small
    back: Back
    family: str
    mix: str
    seed: int
    draws: int
    spare: Spare | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Back:
    """The retrace of a scan, columns in the order of the trace: its error signal, what is missing and what is wrong."""

    error: Map
    missing: Mask
    effects: Mapping[str, float]
    cells: Small


@dataclass(frozen=True, slots=True, eq=False)
class Spare:
    """The truth about the trace, and damage that can be moved to another scan.

    Attributes
    ----------
    ideal : (rows, cols) float64
        nm.
    bad : (rows, cols) bool
        Where the twin did something to the heights, or nothing was measured.
    relief_nm : float
    wounds : (3, rows, cols) float32
        Movable damage of trace and retrace, and the error signal of the trace there; over the relief.
    """

    ideal: Heights
    bad: Mask
    relief_nm: float
    wounds: Map

    @property
    def is_hurt(self) -> bool:
        """Whether there is any."""
        return bool(self.wounds[0].any())


def early_lines(rows: int) -> int:
    """How many lines a running scan is judged by."""
    return max(24, rows // 10)


def box_of(boxes: str, seed: int) -> str:
    """Say from which of some boxes, separated by commas, a scan is drawn: block by block from the next."""
    names = boxes.split(",")
    return names[seed // BLOCK % len(names)]


def make_example(box: str, seed: int, shape: tuple[int, int] | None = None, mix: str | None = None) -> Example:
    """Simulate one scan; of a mix made for a verdict, the first of up to `DRAWS` draws that deserves it.

    Otherwise the last draw with any verdict is taken: bad tips that nobody can see, lost areas where nothing is. Scans
    of the mix "box" are taken as they come.
    """
    box = box_of(box, seed)
    mix = mix or mix_of(seed)
    shape = shape or shape_of(seed)
    wanted = WANTED.get(mix)
    kept: _Draw | None = None
    for draw in range(DRAWS if wanted else 1):
        one = _drawn(box, seed + draw * ANOTHER, shape, mix, draw + 1)
        label = label_of(one.effects)
        if kept is None or label is not None:
            kept = one
        if label == wanted:
            break
    return _example_of(cast("_Draw", kept), seed, mix)


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """One simulated scan, the same with a clean tip if something happened to its tip, and what is wrong with it."""

    twin: Twin
    scan: Scan
    clean: Scan | None
    effects: Mapping[str, float]
    cells: Small
    draws: int


def _drawn(box: str, drawn: int, shape: tuple[int, int], mix: str, draws: int) -> _Draw:
    """Simulate one draw and measure what is wrong with its trace."""
    chance = _box(box)
    while True:
        twin = scene(chance, drawn, shape, mix)
        try:
            scan = simulate(twin)
            clean = None
            if set(twin.artifacts) & set(TIP):
                clean = simulate(without_tip(chance, twin, drawn))
            break
        except (BadParameterError, BadScanError):  # too large a tip, too slow a loop: another draw, always the same one
            drawn += DRAWS * ANOTHER
    return _Draw(twin, scan, clean, *effects_of(scan, twin, clean), draws)


def _example_of(one: _Draw, seed: int, mix: str) -> Example:
    """Measure the first lines and the retrace as well."""
    twin, scan = one.twin, one.scan
    heights, opposite, error, error_back = (
        np.asarray(scan.channels[scan.find(name)].values, np.float32)
        for name in ("height/trace", "height/retrace", "error/trace", "error/retrace")
    )
    missing, missing_back = (scan.channels[scan.find(f"height/{way}")].missing for way in ("trace", "retrace"))
    early, early_cells = effects_of(scan, twin, one.clean, lines=early_lines(twin.shape[0]))
    back = Back(error_back, missing_back, *effects_of(scan, twin, one.clean, "retrace"))
    return Example(
        heights, opposite, error, missing, one.effects, early, one.cells, early_cells, back, twin.surface.kind, mix,
        seed, one.draws, _spare(scan, error),
    )  # fmt: skip


def _spare(scan: Scan, error: Map) -> Spare:
    ideal = np.asarray(ideal_of(scan).values, np.float64)
    wounds = np.zeros((3, *ideal.shape), np.float32)
    relief = relief_of(ideal)
    none = np.zeros(ideal.shape, np.bool_)
    bads = []
    for k, way in enumerate(WAYS):
        channel, masks = scan.channels[scan.find(f"height/{way}")], artifact_masks(scan, way)
        bads.append(channel.missing | _any(masks, masks, none))
        movable = _any(masks, MOVABLE, none) & ~channel.missing
        if movable.any():
            heights, truth = (np.asarray(part.values, np.float64) for part in (channel, ideal_of(scan, way)))
            wounds[k] = np.where(movable, damage_of(heights, truth, bads[k], channel.missing).left / relief, 0)
            if k == 0:
                wounds[2] = np.where(movable, (error - np.median(error)) / relief, 0)
    return Spare(ideal, bads[0], relief, wounds)


@lru_cache(maxsize=4)
def _box(name: str) -> Box:
    """Read a box once: parsing its YAML takes longer than a scan."""
    return load_box(name)


def effects_of(
    scan: Scan, twin: Twin, clean: Scan | None, way: Way = "trace", lines: int | None = None
) -> tuple[dict[str, float], Small]:
    """Measure what is wrong with one scan direction.

    Parameters
    ----------
    scan : Scan
        Simulated.
    twin : Twin
        Its parameters.
    clean : Scan or None
        What would have been recorded with a tip that nothing happened to; None = nothing happened to it.
    way : "trace" or "retrace"
    lines : int, optional
        Only of the first lines.

    Returns
    -------
    effects : dict of str to float
        ``clear`` and ``faint``: shares of the pixels with such damage (`damage.damage_of`), and ``clear KIND``;
        ``hidden``: damage by the loop that nobody can see, not counted as clear (`damage.seen_between`); ``out``:
        clear where the piezo stood at an end of its range or the loop was off; ``astray any``: there, and off by more
        than a quarter of the relief where the loop lagged; ``astray some`` and ``astray``: the same where it is some
        area, and surely one (`damage.crowds_of`); ``missing`` share, the unscanned end of the scan not
        counted; ``unscanned`` share; ``noise`` (scatter), ``hum`` and ``fringes`` (amplitudes) over the relief, and
        ``hum white`` and ``fringes white`` over the white noise; of the tip, see `damage.ghosts_of`, and ``repeat``,
        ``break`` (`_tip_effects`).
    cells : (4, rows / 16, cols / 16) float32
        Shares of cells that are clear, faint, astray or out, and satellites (`TARGETS`).
    """
    part = slice(None, lines)
    found, ideal, missing, masks = _damage(scan, way, part)
    none = np.zeros_like(missing)
    slow, fast = _any(masks, LOOP, none), _any(masks, [kind for kind in masks if kind not in LOOP], none)
    clear = found.clear
    if np.any(clear & slow & ~fast):
        other = _damage(scan, WAYS[1 - WAYS.index(way)], part)[0]
        clear = clear & (fast | ~slow | seen_between(found, other))
    far = found.clear & (np.abs(found.left) > ASTRAY * found.relief)
    out = found.clear & (masks.get("lost_tracking", none) | masks.get("saturation", none))
    astray = out | (far & slow)
    some, area = (float(np.mean(crowds_of(astray, share))) for share in CROWD)
    effects = {f"clear {kind}": float(np.mean(clear & mask)) for kind, mask in masks.items()}
    effects |= {
        "clear": float(np.mean(clear)), "hidden": float(np.mean(found.clear & ~clear)),
        "faint": float(np.mean(found.faint)), "out": float(np.mean(out)), "astray any": float(np.mean(astray)),
        "astray some": some, "astray": area, "noise": found.noise,
    }  # fmt: skip
    effects["unscanned"], effects["missing"] = _missing(missing)
    white = twin.electronics.white_nm + 1e-12
    hum = float(np.sqrt(sum(h.amplitude_nm**2 for h in twin.electronics.hum)))
    fringes = sum(m.height_nm for m in twin.mishaps if m.kind == "fringes")
    effects |= {
        "hum": hum / found.relief, "hum white": hum / white, "fringes": fringes / found.relief,
        "fringes white": fringes / white,
    }  # fmt: skip
    ghosts = none
    if clean is not None:
        untouched = ideal_of(clean, way).values[part]
        numbers, ghosts = ghosts_of(ideal, untouched, found)
        effects |= {**numbers, **_tip_effects(ideal, untouched, found.scatter + 0.002 * found.relief, twin)}
    return effects, cells_of(clear, found.faint, astray, ghosts)


def _damage(scan: Scan, way: Way, part: slice) -> tuple[Damage, Heights, Mask, dict[str, Mask]]:
    """Return what is left of one direction, its ideal heights, what is missing, and where which damage is."""
    channel = scan.channels[scan.find(f"height/{way}")]
    heights, missing = np.asarray(channel.values, np.float64)[part], channel.missing[part]
    ideal = ideal_of(scan, way).values[part]
    masks = {kind: mask[part] for kind, mask in artifact_masks(scan, way).items()}
    bad = _any(masks, masks, missing)
    return damage_of(heights, ideal, bad, missing), ideal, missing, masks


def _any(masks: Mapping[str, Mask], kinds: Iterable[str], none: Mask) -> Mask:
    out = none.copy()
    for kind in kinds:
        out |= masks.get(kind, none)
    return out


def _missing(missing: Mask) -> tuple[float, float]:
    """Return the shares that were not scanned at the end (or start), and missing within what was scanned."""
    there = np.flatnonzero(~missing.all(axis=1))
    if there.size == 0:
        return (1.0, 0.0)
    part = slice(there[0], there[-1] + 1)
    inner = float(np.count_nonzero(missing[part]) / missing.size)
    return (float(np.mean(missing)) - inner, inner)


def _tip_effects(ideal: Heights, clean: Heights, noise: float, twin: Twin) -> dict[str, float]:
    """Measure what the tip did to texture.

    ``repeat``: by how much it raised the autocorrelation of bumps anywhere beyond 3 pixels; ``break``: by how much (in
    powers of e) curvature along the lines changes where the tip does, over what the clean scan does there.
    """
    repeat = max(float((_doubles(ideal, side) - _doubles(clean, side)).max()) for side in (9, 25))
    found = {"repeat": repeat, "break": 0.0}
    rows = ideal.shape[0]
    for event in twin.tip_changes:
        if max(8, rows // 10) <= event.row <= rows - max(8, rows // 10):
            after, before = _sharpness(ideal, event.row, noise) - _sharpness(clean, event.row, noise)
            found["break"] = max(found["break"], abs(float(after - before)))
    return found


def _doubles(z: Heights, side: int) -> Heights:
    """Autocorrelation of what stands out of its surroundings, 3 pixels and more aside."""
    import cv2

    from afmend.artifacts.gate.tip_features import FAR_PX, autocorrelation

    some = np.asarray(z, np.float32)
    bump = some - cv2.blur(some, (side, side))
    part = autocorrelation(np.clip(bump, *np.quantile(bump, (0.01, 0.99))))
    reach = np.arange(-FAR_PX, FAR_PX + 1)
    return np.where(np.hypot(reach[:, None], reach[None, :]) >= 3, part, 0.0)


def _sharpness(z: Heights, row: int, noise: float) -> NDArray[np.float64]:
    """Logarithm of curvature along the lines, after and before a line, as far as it stands out of the noise."""
    curl = np.abs(z[:, 2:] - 2 * z[:, 1:-1] + z[:, :-2])
    return np.log([curl[part].mean() + noise for part in (slice(row + 1, None), slice(0, row))])


def prepare(
    folder: Path, box: str, seeds: Iterable[int], *, workers: int = 1, watch: Callable[[int, int], None] | None = None
) -> None:
    """Simulate scans into a folder, one file each; what is there already is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    orders = [(str(folder), box, seed) for seed in seeds if not path_of(folder, box, seed).exists()]
    for_each(_prepare_one, orders, workers, watch)


def path_of(folder: Path, box: str, seed: int) -> Path:
    """Where the example of a seed is kept; the name holds the versions of the twin and of the mixes."""
    return folder / f"{box}-v{VERSION}.{SCENES}-{seed}.npz"


def _prepare_one(order: tuple[str, str, int]) -> None:
    folder, box, seed = order
    one = make_example(box, seed)
    path = path_of(Path(folder), box, seed)
    facts = json.dumps(
        {
            "effects": dict(one.effects),
            "early": dict(one.early),
            "back": dict(one.back.effects),
            "family": one.family,
            "mix": one.mix,
            "seed": one.seed,
            "draws": one.draws,
        }
    )
    with whole(path) as partial:
        np.savez(
            partial, heights=one.heights, opposite=one.opposite, error=one.error, missing=np.packbits(one.missing),
            cells=one.cells, early_cells=one.early_cells, back_error=one.back.error,
            back_missing=np.packbits(one.back.missing), back_cells=one.back.cells, facts=facts,
        )  # fmt: skip


def load_example(folder: Path, box: str, seed: int) -> Example:
    """Read what `prepare` wrote."""
    with np.load(path_of(folder, box, seed)) as kept:
        heights, facts = kept["heights"], json.loads(str(kept["facts"]))
        missing, missing_back = (
            np.unpackbits(kept[name], count=heights.size).reshape(heights.shape).astype(np.bool_)
            for name in ("missing", "back_missing")
        )
        back = Back(kept["back_error"], missing_back, facts["back"], kept["back_cells"])
        return Example(
            heights, kept["opposite"], kept["error"], missing, facts["effects"], facts["early"], kept["cells"],
            kept["early_cells"], back, facts["family"], facts["mix"], facts["seed"], facts["draws"],
        )  # fmt: skip
