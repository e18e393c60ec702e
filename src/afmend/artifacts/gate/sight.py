"""The gate's sight: a network that says pixel by pixel what is wrong with a scan.

It was taught by the truth behind simulated scans: where damage is clear, where it is faint, where the loop was astray,
where satellites of a bad tip stand (`TARGETS`).
A second network looks for doubles of everything (`doubles`). The learned masks of `mark.learned` are looked through as
well: what they find, by kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.doubles import INPUTS as DOUBLES_INPUTS
from afmend.artifacts.gate.doubles import load_doubles, satellites
from afmend.artifacts.gate.verdicts import ASKED, GOOD, IMAGING, NOT_TRACKING, TIP, VERDICTS
from afmend.artifacts.gate.view import Floats, Map, Measured, View, sampled, spread
from afmend.artifacts.learned import load_masks_model
from afmend.artifacts.learned_inputs import INPUTS as LINE_INPUTS
from afmend.artifacts.learned_inputs import KINDS, SMALLEST, measured_lines, model_inputs
from afmend.errors import ModelError
from afmend.inference.model import Model, load_made_for
from afmend.inference.tiling import Tiling, each_tile, run_tiled

TASK = "sight"
TARGETS = ("clear", "faint", "astray", "ghosts")
"""What it tells pixel by pixel."""
SAID = (*ASKED, *VERDICTS)
"""What it tells of all of the scan."""
DOUBLES = ("doubles: satellites", "doubles: satellites of the other direction", "doubles: satellites of both")
MORE = ("bend of the relief", "slope of the relief", "difference of the relief", "error", "equal along", "measured")
INPUTS = (*LINE_INPUTS, *MORE)
"""What the network sees: what the learned masks see, and what tells how large things are against the relief."""
VERSION = 2
"""Of the inputs; a model says in its card for which it was made."""
TILING = Tiling((8, 32), tile=(1024, 1024), margin=(80, 320))
PLAIN = 0.1
"""Of the relief: what is plain to see."""
MOST = 10.0
"""Inputs are squeezed so as never to exceed this."""
SHARES = (0.001, 0.003, 0.01, 0.1)
"""Of the pixels: the probability that so many reach."""
WORST = (0, 50, 8)
"""Lines: the worst, the worst but a fiftieth, but an eighth of all."""
LEAST = 1e-4
AGAIN = "Train it again: `afmend train sight`."
AROUND_PX, CROWDS = 33, (0.1, 0.25)
"""Astray pixels make some area, or surely one, where they are such a share of their surroundings."""
PATCH_PX = 8
"""Sides of the patches of `activation`."""
FARTHEST = 8.0
"""Logits are cut off here."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What the network says.

    Attributes
    ----------
    where : (4, rows, cols) float32
        Probabilities, in the order of `TARGETS`.
    said : (12,) float32
        Logits of the answers to `verdicts.ASKED` and of `verdicts.VERDICTS`, of all of the scan.
    satellites : (2,) float32
        Logits: another network's answer to whether a bad tip set satellites (`doubles`), for the scan direction and the
        other one; twice the same where there is none.
    marks : (7, rows, cols) float32
        Probabilities of the learned masks, in the order of `learned_inputs.KINDS`. The scan direction is judged by
        itself: whether there is another changes what is known of a mark, not what it is.
    """

    where: Map
    said: Floats
    satellites: Floats
    marks: Map


def sight_inputs(view: View) -> Map:
    """Return what the network sees, (23, rows, cols) float32 in the order of `INPUTS`; 0 where nothing was measured."""
    measured = view.measured
    z = np.asarray(measured.heights, np.float64)
    out = np.zeros((len(INPUTS), *z.shape), np.float32)
    lines = measured_lines(z, measured.missing)
    if lines.stop - lines.start < SMALLEST[0] or z.shape[1] < SMALLEST[1]:
        return out
    opposite = opposite_missing = None
    if measured.opposite is not None:
        opposite = np.asarray(measured.opposite, np.float64)[lines]
        missing = measured.opposite_missing
        opposite_missing = np.zeros(opposite.shape, np.bool_) if missing is None else missing[lines]
    count = len(LINE_INPUTS)
    out[:count, lines] = model_inputs(z[lines], measured.missing[lines], opposite, opposite_missing)
    for k, values in enumerate(_of_the_relief(view)):
        out[count + k, lines] = values[lines]
    return out


def _of_the_relief(view: View) -> list[Map]:
    """Return the maps of `MORE`."""
    measured, plain = view.measured, PLAIN * view.half_range
    shape = measured.heights.shape
    bend, slope, differs, error, equal = (np.zeros(shape, np.float32) for _ in MORE[:-1])
    bend[1:-1] = view.bend
    slope[:, 1:] = view.bowless[:, 1:] - view.bowless[:, :-1]
    if view.disagreement is not None:
        differs = view.disagreement
    size = 0.0
    if measured.error is not None and not measured.missing.all():
        error = np.asarray(measured.error, np.float32)
        known = sampled(error[~measured.missing])
        error = error - np.float32(np.median(known))
        size = spread(known - np.float32(np.median(known)))
    raw = np.asarray(measured.heights)
    equal[:, 1:] = raw[:, 1:] == raw[:, :-1]
    squeezed = [_squeezed(values, plain) for values in (bend, slope, differs)]
    told = _squeezed(error, size) if size > 0 else np.zeros(shape, np.float32)
    return [*squeezed, told, equal, np.asarray(~measured.missing, np.float32)]


def _squeezed(values: Floats, unit: float) -> Map:
    x = values * np.float32(1 / max(unit, 1e-12))
    return np.asarray(x / (1 + np.abs(x) / np.float32(MOST)), np.float32)


def look(view: View) -> Sight:
    """Ask all three networks.

    Raises
    ------
    ModelError
        See `load_sight`, `doubles.load_doubles` and `artifacts.learned.load_masks_model`.
    """
    return seen(sight_inputs(view), load_sight(), _turned(view))


def _turned(view: View) -> Map | None:
    """Return what the network sees of the other direction as a scan of its own, time from left to right."""
    measured = view.measured
    if measured.opposite is None:
        return None
    missing = measured.missing if measured.opposite_missing is None else measured.opposite_missing
    return sight_inputs(View(Measured(measured.opposite[:, ::-1], missing[:, ::-1])))


def seen(inputs: Map, model: Model, turned: Map | None = None) -> Sight:
    """Ask the networks about inputs at hand, of the scan and of its other direction."""
    unmeasured = inputs[INPUTS.index("measured")] == 0
    where, said = _asked(model, inputs, ~unmeasured)
    alone = inputs[: len(LINE_INPUTS)].copy()
    alone[[k for k, name in enumerate(LINE_INPUTS) if name.startswith("other direction")]] = 0
    marks = run_tiled(load_masks_model(), alone, TILING)
    where[:, unmeasured] = marks[:, unmeasured] = 0
    asked = [INPUTS.index(name) for name in DOUBLES_INPUTS]
    one = satellites(inputs[asked])
    other = one if turned is None else satellites(turned[asked])
    return Sight(where, said, np.array((one, other), np.float32), marks)


def _asked(model: Model, inputs: Map, measured: NDArray[np.bool_]) -> tuple[Map, Floats]:
    """Return both outputs; answers of tiles count by how much was measured there."""
    where = np.empty((len(TARGETS), *measured.shape), np.float32)
    said, weight = np.zeros(len(SAID), np.float32), 0
    for place, (answer, logits) in each_tile(model, inputs, TILING):
        where[:, *place] = answer
        pixels = int(np.count_nonzero(measured[place]))
        if not pixels:
            continue
        if not np.isfinite(logits).all():
            raise ModelError("the network says what is no number", where=TASK, now=AGAIN)
        said += np.float32(pixels) * logits
        weight += pixels
    return where, said / np.float32(max(weight, 1))


def load_sight(name: str = TASK) -> Model:
    """Load the network by name or by the path of its card.

    Raises
    ------
    ModelError
        If it is missing, for another task, or made for other inputs than this afmend makes.
    """
    return load_made_for(name, TASK, (INPUTS, TARGETS, VERSION), AGAIN)


def sight_digest() -> str:
    """Return the hashes of the models' files: the gate learns through these three and no others."""
    models = ((load_sight(), "int8"), (load_masks_model(), "int8"), (load_doubles(), "fp32"))
    return " ".join(model.card.files[precision].sha256 for model, precision in models)


def sight_features(sight: Sight) -> dict[str, float]:
    """Return how much is wrong by target and kind, as powers of ten, how crowded, and whether there are doubles."""
    found: dict[str, float] = {}
    for names, maps in ((TARGETS, sight.where), (KINDS, sight.marks)):
        prefix = "sight" if names is TARGETS else "learned"
        for name, values in zip(names, maps, strict=True):
            found |= {f"{prefix} {name} {what}": _power(value) for what, value in _amounts(values).items()}
    found |= {f"sight crowds {share:g}": _power(value) for share, value in _crowds(sight.where).items()}
    found["sight satellites"] = _count(sight.where[TARGETS.index("ghosts")] > 0.5)
    told = np.clip(sight.said, -FARTHEST, FARTHEST)
    found |= {f"sight says {name}": float(logit) for name, logit in zip(SAID, told, strict=True)}
    one, other = (float(logit) for logit in np.clip(sight.satellites, -FARTHEST, FARTHEST))
    return found | dict(zip(DOUBLES, (one, other, (one + other) / 2), strict=True))


def _power(value: float) -> float:
    return float(np.log10(LEAST + value)) - float(np.log10(LEAST))


def _amounts(values: Map) -> dict[str, float]:
    """Return the share on average, from 0.5 and 0.1 on, in places, in lines."""
    lines = np.sort(values.mean(axis=1))[::-1]
    ranks = [int(share * values.size) for share in SHARES]
    ordered = np.partition(values.ravel(), [values.size - 1 - rank for rank in ranks])
    return {
        "mean": float(values.mean()), "clear": float(np.mean(values > 0.5)), "faint": float(np.mean(values > 0.1)),
        **{f"top {100 * share:g} %": float(ordered[-1 - rank]) for share, rank in zip(SHARES, ranks, strict=True)},
        **{f"line {part}": float(lines[lines.size // part if part else 0]) for part in WORST},
    }  # fmt: skip


def _crowds(where: Map) -> dict[float, float]:
    """Return the shares of the pixels that are astray together with so many around them."""
    import cv2

    astray = (where[TARGETS.index("astray")] > 0.5).astype(np.float32)
    around = cv2.blur(astray, (AROUND_PX, AROUND_PX), borderType=cv2.BORDER_REFLECT_101)
    return {share: float(np.mean((astray > 0) & (around >= share))) for share in CROWDS}


def _count(there: NDArray[np.bool_]) -> float:
    """Return the logarithm of one more than the number of patches."""
    import cv2

    return float(np.log10(cv2.connectedComponents(there.astype(np.uint8))[0]))


def activation(sight: Sight) -> Map:
    """Return where what speaks for each verdict is, (verdicts, rows / 8, cols / 8) float32 from -1 to 1.

    Of each patch of 8 x 8 pixels the most probable one counts: for Not Tracking that the loop is astray there, for
    Imaging Artifacts clear damage; for Good that there is neither (from -1). For Tip Contamination there is no map (0):
    satellites are told by all of the scan, and the network does not find them one by one.
    """
    rows, cols = (-(-n // PATCH_PX) * PATCH_PX for n in sight.where.shape[1:])
    padded = np.zeros((len(TARGETS), rows, cols), np.float32)
    padded[:, : sight.where.shape[1], : sight.where.shape[2]] = sight.where
    patches = padded.reshape(len(TARGETS), rows // PATCH_PX, PATCH_PX, cols // PATCH_PX, PATCH_PX).max(axis=(2, 4))
    clear, astray = (patches[TARGETS.index(name)] for name in ("clear", "astray"))
    found = {NOT_TRACKING: astray, TIP: np.zeros_like(clear), IMAGING: clear, GOOD: -np.maximum(clear, astray)}
    return np.stack([found[verdict] for verdict in VERDICTS])
