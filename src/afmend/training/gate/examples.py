"""Examples for the gate: scans of the twin, with the size of every effect as far as anybody could see it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError, BadScanError
from afmend.evaluation.metrics.visible import visible
from afmend.pipeline.workers import for_each
from afmend.scan import Scan
from afmend.scan.arrays import Heights, Mask
from afmend.simulation.access import artifact_masks, ideal_of
from afmend.simulation.box import Box, load_box
from afmend.simulation.params import Twin
from afmend.simulation.recording import Way
from afmend.simulation.twin import VERSION, simulate
from afmend.training.gate.scenes import TIP, mix_of, scene, shape_of, without_tip

PLAIN = ("dropout", "saturation", "stuck_line", "unfinished")
"""Wrong by its form, not by its height: visible at any noise."""
PARTS = (0.03, 0.1, 0.25)
"""Of the relief."""
ANOTHER = 10_000_019
"""Added to the seed of a scan that cannot be simulated."""
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
    family, mix : str
        Kind of surface; which mix of problems the scan was drawn from.
    seed : int
    """

    heights: Map
    opposite: Map
    error: Map
    missing: Mask
    effects: Mapping[str, float]
    early: Mapping[str, float]
    family: str
    mix: str
    seed: int


def early_lines(rows: int) -> int:
    """How many lines a running scan is judged by."""
    return max(24, rows // 10)


def make_example(box: str, seed: int, shape: tuple[int, int] | None = None, mix: str | None = None) -> Example:
    """Simulate one scan, once more with a clean tip if something happened to its tip, and measure what is wrong."""
    chance, mix = _box(box), mix or mix_of(seed)
    drawn = seed
    while True:
        twin = scene(chance, drawn, shape or shape_of(seed), mix)
        try:
            scan = simulate(twin)
            clean = None
            if set(twin.artifacts) & set(TIP):
                clean = ideal_of(simulate(without_tip(chance, twin, drawn))).values
            break
        except (BadParameterError, BadScanError):  # too large a tip, too slow a loop: another draw, always the same one
            drawn += ANOTHER
    arrays = [
        np.asarray(scan.channels[scan.find(name)].values, np.float32)
        for name in ("height/trace", "height/retrace", "error/trace")
    ]
    missing = scan.channels[scan.find("height/trace")].missing
    effects = effects_of(scan, twin, clean)
    early = effects_of(scan, twin, clean, lines=early_lines(twin.shape[0]))
    return Example(arrays[0], arrays[1], arrays[2], missing, effects, early, twin.surface.kind, mix, seed)


@lru_cache(maxsize=4)
def _box(name: str) -> Box:
    """Read a box once: parsing its YAML takes longer than a scan."""
    return load_box(name)


def effects_of(
    scan: Scan, twin: Twin, clean: Heights | None, way: Way = "trace", lines: int | None = None
) -> dict[str, float]:
    """Measure what is wrong with one scan direction.

    Parameters
    ----------
    scan : Scan
        Simulated.
    twin : Twin
        Its parameters.
    clean : (rows, cols) float64 or None
        What would have been recorded with a tip that nothing happened to; None = nothing happened to it.
    way : "trace" or "retrace"
    lines : int, optional
        Only of the first lines.

    Returns
    -------
    dict of str to float
        ``KIND`` and ``KIND R``: share of the pixels that are visibly wrong, and wrong by more than R times the relief
        (half of the height range of the surface); ``missing`` share, the unscanned end of the scan not counted;
        ``unscanned`` share; ``noise`` (scatter), ``hum`` and ``fringes`` (amplitudes) over the relief, and
        ``hum white`` and ``fringes white`` over the white noise; what `_tip_effects` says.
    """
    channel = scan.channels[scan.find(f"height/{way}")]
    heights, missing, ideal = channel.values, channel.missing, ideal_of(scan, way).values
    masks = artifact_masks(scan, way)
    bad = missing.copy()
    for mask in masks.values():
        bad |= mask
    damage = heights - ideal
    seen = visible(damage, heights, bad)
    low, high = np.quantile(_leveled(ideal), (0.002, 0.998))
    relief = float(high - low) / 2 + 1e-12
    left = _leveled(damage)
    left = left - np.median(left, axis=1, keepdims=True)
    found: dict[str, float] = {}
    for kind, mask in masks.items():
        sure = (mask if kind in PLAIN else mask & seen)[:lines]
        found[kind] = float(np.mean(sure))
        for part in PARTS:
            found[f"{kind} {part}"] = float(np.mean(sure & (np.abs(left[:lines]) > part * relief)))
    found["unscanned"], found["missing"] = _missing(missing[:lines])
    good = left[~bad] if np.count_nonzero(~bad) > bad.size / 10 else left
    found["noise"] = float(1.4826 * np.median(np.abs(good))) / relief
    white = twin.electronics.white_nm + 1e-12
    hum = float(np.sqrt(sum(h.amplitude_nm**2 for h in twin.electronics.hum)))
    fringes = sum(m.height_nm for m in twin.mishaps if m.kind == "fringes")
    found |= {
        "hum": hum / relief,
        "hum white": hum / white,
        "fringes": fringes / relief,
        "fringes white": fringes / white,
    }
    if clean is not None:
        found |= _tip_effects(ideal, clean, relief, max(3 * _sigma(heights), 0.05 * relief), twin, lines)
    return found


def _missing(missing: Mask) -> tuple[float, float]:
    """Return the shares that were not scanned at the end (or start), and missing within what was scanned."""
    there = np.flatnonzero(~missing.all(axis=1))
    if there.size == 0:
        return (1.0, 0.0)
    part = slice(there[0], there[-1] + 1)
    inner = float(np.count_nonzero(missing[part]) / missing.size)
    return (float(np.mean(missing)) - inner, inner)


def _tip_effects(
    ideal: Heights, clean: Heights, relief: float, limit: float, twin: Twin, lines: int | None
) -> dict[str, float]:
    """Measure what the tip did: how much it changed, and whether that can be seen without knowing the clean scan.

    ``tip``: share of the pixels that it changed by more than noise and a twentieth of the relief; ``tip rms`` over the
    relief; ``ghost``: by how much it raised the autocorrelation of bumps anywhere beyond 3 pixels; ``break``: by how
    much (in powers of e) sharpness along the lines changes where the tip does, over what the clean scan does there.
    """
    change = ideal - clean
    change = change - np.median(change, axis=1, keepdims=True)
    found = {
        "tip": float(np.mean(np.abs(change[:lines]) > limit)),
        "tip rms": float(np.sqrt(np.mean(np.square(change)))) / relief,
        "ghost": max(float((_doubles(ideal, side) - _doubles(clean, side)).max()) for side in (9, 25)), "break": 0.0,
    }  # fmt: skip
    for event in twin.tip_changes:
        if 8 <= event.row <= (lines or ideal.shape[0]) - 8:
            after, before = _sharpness(ideal, event.row, limit) - _sharpness(clean, event.row, limit)
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


def _sharpness(z: Heights, row: int, limit: float) -> NDArray[np.float64]:
    """Logarithm of curvature over slope along the lines, after and before a line."""
    curl = np.abs(z[:, 2:] - 2 * z[:, 1:-1] + z[:, :-2])
    slope = np.abs(z[:, 2:] - z[:, :-2])
    parts = (slice(row + 1, None), slice(0, row))
    return np.log([(curl[p].mean() + 0.05 * limit) / (slope[p].mean() + 0.05 * limit) for p in parts])


def _sigma(heights: Heights) -> float:
    """Scatter of lines about the mean of their neighbors, as that of one line."""
    bend = heights[1:-1] - 0.5 * (heights[:-2] + heights[2:])
    bend = bend - np.median(bend, axis=1, keepdims=True)
    return float(1.4826 * np.median(np.abs(bend)) / np.sqrt(1.5)) + 1e-12


def _leveled(heights: Heights) -> Heights:
    rows, cols = heights.shape
    y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, cols)[None, :]
    z: Heights = heights - np.mean(heights)
    for term in (y, x):
        z = z - term * (np.mean(z * term) / np.mean(np.square(term)))
    return z


def prepare(
    folder: Path, box: str, seeds: Iterable[int], *, workers: int = 1, watch: Callable[[int, int], None] | None = None
) -> None:
    """Simulate scans into a folder, one file each; what is there already is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    orders = [(str(folder), box, seed) for seed in seeds if not path_of(folder, box, seed).exists()]
    for_each(_prepare_one, orders, workers, watch)


def path_of(folder: Path, box: str, seed: int) -> Path:
    """Where the example of a seed is kept; the name holds the version of the twin."""
    return folder / f"{box}-v{VERSION}-{seed}.npz"


def _prepare_one(order: tuple[str, str, int]) -> None:
    folder, box, seed = order
    one = make_example(box, seed)
    path = path_of(Path(folder), box, seed)
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    facts = json.dumps(
        {"effects": dict(one.effects), "early": dict(one.early), "family": one.family, "mix": one.mix, "seed": one.seed}
    )
    np.savez(
        partial, heights=one.heights, opposite=one.opposite, error=one.error, missing=np.packbits(one.missing),
        facts=facts,
    )  # fmt: skip
    partial.replace(path)


def load_example(folder: Path, box: str, seed: int) -> Example:
    """Read what `prepare` wrote."""
    with np.load(path_of(folder, box, seed)) as kept:
        heights, facts = kept["heights"], json.loads(str(kept["facts"]))
        missing = np.unpackbits(kept["missing"], count=heights.size).reshape(heights.shape).astype(np.bool_)
        return Example(
            heights, kept["opposite"], kept["error"], missing, facts["effects"], facts["early"],
            facts["family"], facts["mix"],
            facts["seed"],
        )  # fmt: skip
