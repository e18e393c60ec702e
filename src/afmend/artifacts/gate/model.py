"""The gate's model: calibrated probabilities, a set of plausible verdicts, and how strange a scan is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.features import VERSION
from afmend.artifacts.gate.sight import sight_digest
from afmend.artifacts.gate.verdicts import GOOD, VERDICTS
from afmend.errors import ModelError
from afmend.inference.model import Model, load_model

TASK = "gate"
SHORT = 64
"""Fewer lines are judged as those of a running scan."""
STRANGE = 0.01
"""A scan is unlike what the gate was calibrated on if so few of the calibration scans were as far out."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the model says of one scan.

    Attributes
    ----------
    probabilities : mapping of str to float
        Calibrated; sum 1.
    plausible : tuple of str
        The conformal set: every verdict that cannot be excluded, best first; may be empty.
    familiarity : float
        Conformal p-value: share of the calibration scans that were at least as far from the usual.
    is_decided : bool
        The verdict is as probable as those of which 95 % are right.
    """

    probabilities: dict[str, float]
    plausible: tuple[str, ...]
    familiarity: float
    is_decided: bool = False

    @property
    def verdict(self) -> str:
        """The most probable one."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])

    @property
    def is_strange(self) -> bool:
        """Whether the scan is unlike what the gate was calibrated on."""
        return self.familiarity < STRANGE

    @property
    def is_sure(self) -> bool:
        """Whether the verdict is decided and plausible, for a scan of a kind that the gate knows; else it abstains."""
        return self.is_decided and not self.is_strange and self.verdict in self.plausible


def load_gate(name: str = TASK) -> Model:
    """Load a gate by name or by the path of its card.

    Raises
    ------
    ModelError
        If it is missing, for another task, made for other features than this afmend measures, or calibrated without
        the limits of what it is sure of.
    """
    model = load_model(name, TASK, precision="fp32")
    if model.card.outputs != VERDICTS or model.card.inputs_version != VERSION:
        raise ModelError(
            "the model was made for other features than this afmend measures", where=model.card.name,
            now="Train it again: `afmend train gate`.",
        )  # fmt: skip
    if model.card.calibration.get("sight") != sight_digest():
        raise ModelError(
            "the gate learned to look through other networks than those that come with this afmend",
            where=model.card.name, now="Train it again: `afmend train gate`.",
        )  # fmt: skip
    if not all(isinstance(view.get("decided"), dict) for view in model.card.calibration["views"].values()):
        raise ModelError(
            "the gate was calibrated by an earlier afmend, which did not measure of each verdict when it is sure",
            where=model.card.name, now="Train it again: `afmend train gate`.",
        )  # fmt: skip
    return model


def kind_of(lines: int, *, paired: bool) -> str:
    """Name what is known of a scan: each kind of view has its own calibration."""
    return "early" if lines < SHORT else "full" if paired else "alone"


def opinion(model: Model, vector: NDArray[np.float32], names: tuple[str, ...], kind: str) -> Opinion:
    """Ask the model.

    Parameters
    ----------
    model : Model
        From `load_gate`.
    vector : (features,) float32
    names : tuple of str
        What the numbers are.
    kind : str
        From `kind_of`.

    Raises
    ------
    ModelError
        If the model expects other features.
    """
    if model.card.inputs != names:
        raise ModelError(
            "the model was made for other features than this afmend measures", where=model.card.name,
            now="Train it again: `afmend train gate`.",
        )  # fmt: skip
    answer = model.run({"features": vector[None]})
    shown = [float(p) for p in answer["probability"][0]]
    return conclude(shown, float(answer["strangeness"][0]), model.card.calibration, kind)


def conclude(
    probabilities: list[float], strangeness: float, calibration: dict[str, Any], kind: str = "full"
) -> Opinion:
    """Turn probabilities into a set of plausible verdicts, and a distance into a p-value.

    Parameters
    ----------
    probabilities : list of float
        In the order of `VERDICTS`.
    strangeness : float
    calibration : dict
        ``views``, by kind of view: ``power`` of the probabilities that calibrates them; ``limits``: probability per
        verdict that keeps 95 % of its scans in the set (class-conditional split conformal prediction, Vovk 2012,
        arXiv:1209.2673); ``good``: probability above which hardly any scan with artifacts lies (``passed``);
        ``decided``: per verdict, probability from which on 95 % of the scans that get it as the most probable one
        deserve it (Geifman 2017, arXiv:1705.08500).
        ``strangeness``: sorted quantiles of the ``scans`` calibration scans.
    kind : str
        From `kind_of`.
    """
    view = calibration["views"][kind]
    power = np.maximum(probabilities, 1e-12) ** view["power"]
    named = dict(zip(VERDICTS, (float(p) for p in power / power.sum()), strict=True))
    limits = {**view["limits"]}
    limits[GOOD] = min(limits[GOOD], view["good"])
    kept = [name for name in VERDICTS if named[name] >= limits[name]]
    if kept == [GOOD] and named[GOOD] < view["good"]:
        # A scan with artifacts must not pass for good: its next best reading stays plausible.
        kept.append(max((name for name in VERDICTS if name != GOOD), key=lambda name: named[name]))
    known = calibration["strangeness"]
    farther = len(known) - int(np.searchsorted(known, strangeness, side="left"))
    count = calibration["scans"]
    familiarity = (1 + farther / max(len(known), 1) * count) / (count + 1)
    return Opinion(
        named, tuple(sorted(kept, key=lambda name: -named[name])), familiarity if math.isfinite(strangeness) else 0.0,
        max(named.values()) >= view["decided"][max(named, key=lambda name: named[name])],
    )  # fmt: skip
