"""Learned masks: a small network, trained on the twin, marks what is wrong, kind by kind."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from afmend.artifacts.learned_inputs import INPUTS, KINDS, SMALLEST, VERSION, Map, measured_lines, model_inputs
from afmend.inference.model import Model, load_made_for
from afmend.inference.tiling import Tiling, run_tiled
from afmend.pipeline import Field, FoundKinds, Knob, Params, step
from afmend.scan.arrays import Mask

TASK = "masks"
MULTIPLE = (8, 32)
TILING = Tiling(MULTIPLE, tile=(1024, 1024), margin=(80, 320))
"""The network looks 72 lines and 308 pixels far."""
NAMES = {
    "scar": "scar", "line": "bad_line", "jump": "jump", "spike": "spike", "parachute": "parachute",
    "chatter": "chatter", "lost": "lost_tracking",
}  # fmt: skip
"""Kind of the model -> name of the mask, the same as that of the classical detectors where there is one."""
LINES = ("scar", "line")


class Learned(Params):
    """Mark artifacts of every kind with a trained network."""

    model: str = Knob(
        "masks",
        "A model that comes with afmend, or the path of the card (.json) of one that you trained.",
        advanced=True,
    )
    thr: float = Knob(
        0.0, "Probability from which a pixel is marked, for all kinds; 0 = as the model's card says, kind by kind.",
        ge=0, le=1, step=0.05, recommended=(0.3, 0.9),
    )  # fmt: skip
    thr_rest: float = Knob(
        0.0,
        "The same for kinds other than scars and lines, if these are marked; 0 = as thr. A high one spares more.",
        ge=0, le=1, step=0.05, recommended=(0.6, 0.9),
    )  # fmt: skip
    min_pix: int = Knob(
        0, "Smaller regions are dropped, except spikes; larger spares more.", unit="px", ge=0, le=100_000,
        recommended=(0, 20),
    )  # fmt: skip
    scars: bool = Knob(default=True, help="Mark scars and streaks.")
    lines: bool = Knob(default=True, help="Mark lines whose shape differs from that of their neighbors.")
    jumps: bool = Knob(default=False, help="Mark lines and parts of lines that are only offset; leveling mends most.")
    spikes: bool = Knob(default=False, help="Mark spikes; mark.spikes finds more of them.")
    parachuting: bool = Knob(
        default=False,
        help="Mark tails behind steep edges; too often wrong where trace and retrace differ for other reasons.",
    )
    chatter: bool = Knob(
        default=False, help="Mark where the feedback loop oscillates; too often wrong on rough surfaces."
    )
    lost: bool = Knob(
        default=False,
        help="Mark where the tip did not follow the surface; too often wrong where lines differ everywhere.",
    )


@step("mark.learned", Learned, version="4")
def learned(field: Field, params: Learned) -> FoundKinds:
    """Mark artifacts with a network that was trained on simulated scans.

    It sees heights, steps, bends and textures in units of what is usual in the scan, and the other scan direction
    where that was recorded. Its card (``afmend steps mark.learned`` names the model) says how sure it is, and where
    not to trust it. Probabilities are those of `probabilities`.

    Kinds that mark too much of what is good on held-out simulated scans are off unless you switch them on.

    Not for structures that nobody simulated: look at the masks of a new kind of sample before you believe them.
    """
    if field.shape[0] < SMALLEST[0] or field.shape[1] < SMALLEST[1]:
        return FoundKinds({}, facts={"pixels": 0})
    model = load_masks_model(params.model)
    shown = probabilities(field, model)
    wanted = dict(zip(KINDS, (params.scars, params.lines, params.jumps, params.spikes, params.parachuting,
                              params.chatter, params.lost), strict=True))  # fmt: skip
    masks: dict[str, Mask] = {}
    for kind, map_ in shown.items():
        if wanted[kind]:
            told = params.thr if kind in LINES else params.thr_rest or params.thr
            threshold = told or model.card.thresholds[kind]
            masks[NAMES[kind]] = _large_enough(map_ >= threshold, 0 if kind == "spike" else params.min_pix)
    marked = {name: int(np.count_nonzero(mask)) for name, mask in masks.items()}
    facts = {"model": model.card.name, "model_version": model.card.version, "marked": marked}
    return FoundKinds(masks, facts=facts)


def load_masks_model(name: str = "masks") -> Model:
    """Load a model for the learned masks.

    Raises
    ------
    ModelError
        If it is missing, for another task, or made for other inputs than this afmend makes.
    """
    return load_made_for(name, TASK, (INPUTS, KINDS, VERSION), "Train it again.")


def probabilities(field: Field, model: Model | None = None) -> Mapping[str, Map]:
    """Return, per kind, how probable it is that a pixel is wrong; 0 where nothing was measured.

    Unmeasured lines at the beginning and the end of an unfinished scan do not take part at all.

    Parameters
    ----------
    field : Field
        At least 4 x 16 pixels.
    model : Model, optional
        From `load_masks_model`; the one that comes with afmend if not given.

    Returns
    -------
    mapping of kind to (rows, cols) float32
        In the order of `KINDS`; calibrated on simulated scans.

    Raises
    ------
    ModelError
        See `load_masks_model`.
    """
    turned = slice(None, None, -1 if field.direction == "retrace" else 1)
    answer = np.zeros((len(KINDS), *field.shape), np.float32)
    lines = measured_lines(field.heights, field.excluded)
    if lines.stop - lines.start >= SMALLEST[0]:
        seen = (lines, turned)
        maps = model_inputs(
            field.heights[seen], field.excluded[seen], None if field.opposite is None else field.opposite[seen],
            field.opposite_excluded[seen],
        )  # fmt: skip
        answer[:, lines] = run_tiled(model or load_masks_model(), maps, TILING)[:, :, turned]
        answer[:, field.excluded] = 0
    return dict(zip(KINDS, answer, strict=True))


def _large_enough(mask: Mask, fewest: int) -> Mask:
    if fewest <= 1 or not mask.any():
        return mask
    from afmend.artifacts.components import find_components

    parts = find_components(mask)
    return parts.paint(parts.area >= fewest)
