"""Judging a scan: verdict, probabilities, reasons, action, advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.advice import advice
from afmend.artifacts.gate.detectors import detect
from afmend.artifacts.gate.evidence import evidence, reasons
from afmend.artifacts.gate.features import as_vector, features
from afmend.artifacts.gate.model import TASK, Opinion, kind_of, load_gate, opinion
from afmend.artifacts.gate.sight import activation
from afmend.artifacts.gate.verdicts import GOOD, IMAGING, NOT_TRACKING, TIP
from afmend.artifacts.gate.view import SMALLEST, Measured, View
from afmend.errors import StepError
from afmend.inference.model import Model
from afmend.scan import Channel, ChannelKey, Scan

EXPORT, REPAIR, RESCAN, LOOK = "export unchanged", "repair", "rescan", "look at it"
ACTIONS = (EXPORT, REPAIR, RESCAN, LOOK)
ERRORS = ("error", "height_error", "amplitude_error", "deflection_error", "z_error")
"""Kinds of channel that hold the loop's error signal."""
HOPELESS = 0.9
"""How probable it must be that no repair helps, of this one scan, before another one is asked for."""
ALONE = "one direction does not show whether the tip followed the surface: record both to know"
PROBABLE = "probable, but not enough to ask for another scan: look at it first"
EARLY = 0.1
"""Share of the lines after which a running scan can be judged."""
FEWEST_EARLY = 24


@dataclass(frozen=True, slots=True)
class Judgment:
    """What the gate says of one channel of a scan.

    Attributes
    ----------
    verdict : str
        One of `verdicts.VERDICTS`: the most probable.
    action : str
        "export unchanged", "repair", "rescan", or "look at it" where the gate cannot decide.
    is_sure : bool
        As probable as verdicts of which 95 % were right, and the scan is not strange. Where it is not sure, the action
        follows from all verdicts that are plausible.
    probabilities : mapping of str to float
    plausible : tuple of str
        The verdicts that cannot be excluded (95 % of the calibration scans of each kind kept theirs).
    familiarity : float
        Share of the calibration scans that were at least as unusual; below 0.01 ``is_strange``.
    is_strange : bool
        Unlike anything the gate was calibrated on.
    reasons, advice : tuple of str
        In plain words; what to change at the instrument.
    evidence : mapping
        Numbers behind the reasons, JSON types.
    lines : int
        How many lines were judged.
    channel, model : str
    activation : (verdicts, rows / 8, cols / 8) float32
        Where what speaks for each verdict is (`sight.activation`), in the order of time.
    """

    verdict: str
    action: str
    is_sure: bool
    probabilities: Mapping[str, float]
    plausible: tuple[str, ...]
    familiarity: float
    is_strange: bool
    reasons: tuple[str, ...]
    advice: tuple[str, ...]
    evidence: Mapping[str, Any]
    lines: int
    channel: str
    model: str
    activation: NDArray[np.float32] = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "verdict": self.verdict, "action": self.action, "sure": self.is_sure,
            "probabilities": {name: round(p, 4) for name, p in self.probabilities.items()},
            "plausible": list(self.plausible), "familiarity": round(self.familiarity, 4), "strange": self.is_strange,
            "reasons": list(self.reasons), "advice": list(self.advice), "evidence": dict(self.evidence),
            "lines": self.lines, "channel": self.channel, "model": self.model,
        }  # fmt: skip


def gate(
    scan: Scan, channel: str | ChannelKey | None = None, *, model: str = TASK, lines: int | None = None
) -> Judgment:
    """Decide what should happen to a scan.

    Parameters
    ----------
    scan : Scan
        As measured: before leveling, and best with both scan directions and the error signal.
    channel : str or ChannelKey, optional
        The topography if not given.
    model : str
        The gate that comes with afmend, or the path of the card (.json) of one that you trained.
    lines : int, optional
        Judge a scan that is still running by so many of its first lines.

    Returns
    -------
    Judgment

    Raises
    ------
    MissingChannelError, ModelError
    StepError
        If there are fewer than 8 lines or 16 pixels in a line, or nothing was measured.

    Notes
    -----
    When not to use it: on leveled, smoothed or otherwise processed heights, on optical profiles, on maps of other
    quantities than height. Its verdicts hold on simulated scans; "unlike anything" warns of others, not always.
    """
    key = scan.find(channel)
    loaded = load_gate(model)
    measured = measured_of(scan, key, lines)
    return judge(measured, loaded, str(key))


def early_lines(rows: int) -> int:
    """How many lines of a running scan are enough for a first judgment: a tenth, at least 24."""
    return min(rows, max(FEWEST_EARLY, int(np.ceil(EARLY * rows))))


def measured_of(scan: Scan, key: ChannelKey, lines: int | None = None) -> Measured:
    """Take one channel, its other direction and its error signal out of a scan, in the order of time.

    Raises
    ------
    StepError
        If there is too little to judge.
    """
    channel, opposite = scan.channels[key], scan.opposite(key)
    turn = slice(None, None, -1 if key.direction == "retrace" else 1)
    part = (slice(None, lines), turn)
    error = next((scan.channels[k] for k in _error_keys(key) if k in scan.channels), None)
    missing = channel.missing[part]
    if missing.shape[0] < SMALLEST[0] or missing.shape[1] < SMALLEST[1] or missing.all():
        raise StepError(
            f"{missing.shape[0]} x {missing.shape[1]} pixels, {missing.mean():.0%} missing, are too little to judge",
            now=f"The gate needs at least {SMALLEST[0]} lines of {SMALLEST[1]} pixels.",
        )
    known = channel.values[part][~missing]
    if (known == known[0]).all():
        raise StepError("all heights are the same", where=str(key), now="There is nothing to judge in this channel.")
    return Measured(
        channel.values[part], missing, None if opposite is None else opposite.values[part],
        None if opposite is None else opposite.missing[part], None if error is None else _whole(error)[part],
    )  # fmt: skip


def _error_keys(key: ChannelKey) -> tuple[ChannelKey, ...]:
    return tuple(ChannelKey(kind, key.direction) for kind in ERRORS)


def _whole(channel: Channel) -> np.ndarray[tuple[int, ...], np.dtype[np.floating[Any]]]:
    if channel.masks.missing is None:
        return channel.values
    return np.where(channel.missing, np.median(channel.values), channel.values)


def judge(measured: Measured, model: Model, channel: str = "") -> Judgment:
    """Judge one channel with a model at hand; see `gate`."""
    view, found = View(measured), detect(measured)
    numbers = features(view, found)
    paired = measured.opposite is not None
    kind = kind_of(measured.heights.shape[0], paired=paired)
    said = opinion(model, as_vector(numbers), tuple(numbers), kind)
    facts = evidence(view, found, numbers)
    action, why = action_for(said, paired=paired), reasons(said.verdict, facts)
    if said.verdict == GOOD and action == REPAIR:
        why += ("good, but not beyond doubt: the whole recipe runs, and mends what it finds, if anything",)
    if action == LOOK and said.is_sure and said.verdict in (NOT_TRACKING, TIP):
        alone = said.verdict == NOT_TRACKING and not paired
        why += (ALONE if alone else PROBABLE,)
    return Judgment(
        said.verdict, action, said.is_sure, said.probabilities, said.plausible, said.familiarity,
        said.is_strange, why, advice(said.verdict, facts), facts,
        measured.heights.shape[0], channel, f"{model.card.name} {model.card.version}", activation(view.sight),
    )  # fmt: skip


def action_for(said: Opinion, *, paired: bool = True) -> str:
    """Say what to do: only a scan that is good beyond doubt is exported unchanged.

    What may be repaired is: if imaging artifacts, or nothing, are the worst that is plausible, the recipe runs.
    Where other verdicts remain plausible, the most probable one counts if it is decided. Where only less probable ones
    are plausible, nothing does. Another scan costs the user more than a look: it is asked for only if decided and if
    verdicts that no repair helps are as probable as `HOPELESS` (95 % of all that is decided are right; of those at its
    limit far fewer), and for lost tracking only with both directions at hand (``paired``): a flat sample looks alike
    in one.
    """
    if said.is_strange or said.verdict not in said.plausible:
        return LOOK
    if said.plausible == (GOOD,):
        return EXPORT
    for some in (set(said.plausible), {said.verdict} if said.is_decided else set()):
        if some and some <= {GOOD, IMAGING}:
            return REPAIR
        if some and not some & {GOOD, IMAGING} and said.is_decided:
            hopeless = said.probabilities[NOT_TRACKING] + said.probabilities[TIP]
            return RESCAN if hopeless >= HOPELESS and (paired or said.verdict == TIP) else LOOK
    return LOOK
