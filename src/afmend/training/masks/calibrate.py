"""Calibration of the learned masks on held-out scans: honest probabilities, and from which one on a pixel is marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afmend.artifacts.learned_inputs import KINDS, Map
from afmend.training.masks.examples import Example
from afmend.training.networks import LineUNet

Numbers = NDArray[np.float64]
Answer = tuple[Map, NDArray[np.uint8], NDArray[np.uint8], Example]
LEVELS = (0.005, 0.007, 0.01, 0.014, 0.02, 0.03, 0.04, 0.05, 0.07, *(round(0.1 + 0.05 * k, 2) for k in range(18)))
CLEAN_SHARE, HARD_SHARE = 1e-3, 3e-3
"""So much of clean scans, and of those that look as if they had artifacts, may be marked: by scars and lines together,
and by every other kind."""
PRECISION = 0.5
"""Such a share of the marks must be right."""
AS_GOOD = 0.005
"""Of the levels whose Dice is within this of the best, the lowest is taken: real scans are less like the twin's than
held-out ones are, and answers to what is unlike what was learned are less sure."""
LINES = [KINDS.index(kind) for kind in ("scar", "line")]
SAMPLE = 2_000_000


class Calibrated(nn.Module):
    """A network whose answers are calibrated probabilities; this is what is exported."""

    def __init__(self, network: LineUNet, slopes: Sequence[float], shifts: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        pack = network.PACK
        with torch.no_grad():
            slope = torch.tensor(slopes).repeat_interleave(pack)
            network.head.weight.mul_(slope[:, None, None, None])
            if network.head.bias is not None:
                network.head.bias.mul_(slope).add_(torch.tensor(shifts).repeat_interleave(pack))

    def forward(self, maps: Tensor) -> Tensor:
        """Return probabilities (batch, kinds, rows, cols)."""
        return torch.sigmoid(self.network(maps))


def platt(answers: Sequence[Answer], seed: int = 0) -> tuple[list[float], list[float]]:
    """Fit, per kind, p = sigmoid(slope * logit + shift) to what was really wrong (Platt 1999), on sampled pixels."""
    rng = np.random.default_rng(seed)
    slopes, shifts = [], []
    for k in range(len(KINDS)):
        logits = np.concatenate([a[0][k][a[2][k] == 0] for a in answers])
        wrong = np.concatenate([a[1][k][a[2][k] == 0] for a in answers])
        if logits.size > SAMPLE:
            chosen = rng.choice(logits.size, SAMPLE, replace=False)
            logits, wrong = logits[chosen], wrong[chosen]
        slope, shift = _logistic(logits.astype(np.float64), wrong.astype(np.float64))
        slopes.append(slope)
        shifts.append(shift)
    return slopes, shifts


def _logistic(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Fit a logistic line by Newton's method; a little held to (1, 0), so that rare kinds do not run away."""
    at, hold = np.array([1.0, 0.0]), 1.0
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(at[0] * x + at[1], -40, 40)))
        weight, left = p * (1 - p), p - y
        slope = np.array([left @ x, left.sum()]) + hold * (at - (1.0, 0.0))
        bend = np.array([[weight @ (x * x) + hold, weight @ x], [weight @ x, weight.sum() + hold]])
        step = np.linalg.solve(bend, slope)
        at = at - np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-6:
            break
    return (float(np.clip(at[0], 0.2, 5)), float(np.clip(at[1], -5, 5)))


def probabilities(answers: Sequence[Answer], slopes: Sequence[float], shifts: Sequence[float]) -> list[Answer]:
    """Replace logits by calibrated probabilities."""
    slope, shift = (np.array(one, np.float32)[:, None, None] for one in (slopes, shifts))
    return [((1 / (1 + np.exp(-(slope * a[0] + shift)))).astype(np.float32), *a[1:]) for a in answers]


def thresholds(
    shown: Sequence[Answer], hard: Sequence[Answer] = ()
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Choose the lowest probabilities with about the best Dice among those that spare clean scans and are mostly right.

    Scars and lines, which are told apart by their length only, are marked from the same probability on, the best one
    for both together; every other kind has its own. Dice is that of all pixels together; what is marked one line
    beside the truth, or on artifacts of other kinds, is neither right nor wrong. At most `CLEAN_SHARE` of clean and
    `HARD_SHARE` of hard scans may be marked, and `PRECISION` of the marks must be right; where no level does, the
    highest is taken.

    Parameters
    ----------
    shown : sequence of (probabilities, wrong, unsure, example)
    hard : the same
        Of scans without artifacts that look as if they had some.

    Returns
    -------
    chosen : dict of kind to probability
    worth : dict
        How good they are, for lines and scars together and for every other kind.
    """
    groups = {"lines and scars": LINES, **{kind: [k] for k, kind in enumerate(KINDS) if k not in LINES}}
    levels, worth = {}, {}
    for name, group in groups.items():
        curve = _Curve.of(shown, hard, group)
        at = _level(curve)
        levels.update(dict.fromkeys(group, LEVELS[at]))
        worth[name] = curve.at(at)
    return {kind: levels[k] for k, kind in enumerate(KINDS)}, worth


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """What a group of kinds is worth at each of `LEVELS`."""

    dice: Numbers
    precision: Numbers
    recall: Numbers
    clean: Numbers
    hard: Numbers

    @classmethod
    def of(cls, shown: Sequence[Answer], hard: Sequence[Answer], group: Sequence[int]) -> _Curve:
        """Count pixels."""
        right, vain = np.zeros(len(LEVELS)), np.zeros(len(LEVELS))
        kinds, real = list(group), 0
        for probability, wrong, unsure, _ in shown:
            p, counts = probability[kinds].max(axis=0), (unsure[kinds] == 0).all(axis=0)
            true = wrong[kinds].max(axis=0) > 0
            near = true.copy()
            near[1:] |= true[:-1]
            near[:-1] |= true[1:]
            others = np.delete(wrong, kinds, axis=0).max(axis=0) > 0
            right += _at_least(p[true & counts])
            vain += _at_least(p[counts & ~near & ~others])
            real += int(np.count_nonzero(true & counts))
        return cls(
            2 * right / np.maximum(right + vain + real, 1), right / np.maximum(right + vain, 1), right / max(real, 1),
            _share([a[0][kinds] for a in shown if a[3].clean]), _share([a[0][kinds] for a in hard]),
        )  # fmt: skip

    def at(self, level: int) -> dict[str, float]:
        """Return the numbers of one level."""
        numbers = {
            "iou": self.dice[level] / (2 - self.dice[level]), "dice": self.dice[level],
            "precision": self.precision[level], "recall": self.recall[level],
            "false on clean, %": 100 * self.clean[level], "false on hard, %": 100 * self.hard[level],
        }  # fmt: skip
        return {key: round(float(value), 5) for key, value in numbers.items()}


def _share(maps: Sequence[Map]) -> Numbers:
    """Return which share of these scans is marked at each of `LEVELS`."""
    marked = sum((_at_least(p.max(axis=0)) for p in maps), np.zeros(len(LEVELS)))
    return np.asarray(marked / max(sum(p[0].size for p in maps), 1))


def _level(curve: _Curve) -> int:
    allowed = (curve.clean <= CLEAN_SHARE) & (curve.hard <= HARD_SHARE) & (curve.precision >= PRECISION)
    dice = np.where(allowed, curve.dice, -1)
    return int(np.argmax(dice >= dice.max() - AS_GOOD)) if dice.max() > 0 else len(LEVELS) - 1


def _at_least(values: Map) -> NDArray[np.float64]:
    """Count the values from each level on."""
    bins, _ = np.histogram(values[values >= LEVELS[0]], (*LEVELS, np.inf))
    return np.asarray(np.cumsum(bins[::-1])[::-1], np.float64)
