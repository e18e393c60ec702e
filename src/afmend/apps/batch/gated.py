"""What the gate changes in a batch: nothing is filled in good scans, every scan gets its verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from afmend.errors import StepError
from afmend.scan import ChannelKey, Scan

if TYPE_CHECKING:
    from afmend.artifacts.gate.judge import Judgment
    from afmend.evaluation.report_facts import Card


def judged_by(model: str | None, scan: Scan, key: ChannelKey) -> Judgment | None:
    """Ask the gate; None without a gate, or where there is too little to judge."""
    if model is None:
        return None
    from afmend.artifacts.gate.judge import gate

    try:
        return gate(scan, key, model=model)
    except StepError:
        return None


def levels_only(judged: Judgment) -> bool:
    """Whether nothing may be filled: the scan is good."""
    from afmend.artifacts.gate.judge import EXPORT

    return judged.action == EXPORT


def row_of(judged: Judgment) -> dict[str, Any]:
    """Return the columns of the summary."""
    return {
        "verdict": judged.verdict, "action": judged.action, "reasons": "; ".join(judged.reasons),
        "probability": round(judged.probabilities[judged.verdict], 4), "sure": judged.is_sure,
        "strange": judged.is_strange,
    }  # fmt: skip


def with_verdict(card: Card, judged: Judgment | None) -> Card:
    """Put the verdict, its reasons and the advice on top of a card."""
    if judged is None:
        return card
    from afmend.evaluation.report_facts import safe

    if judged.is_strange:
        doubt = "unfamiliar, "
        said = f"unlike anything it was calibrated on: no probability holds. The nearest verdict is {judged.verdict}"
    else:
        doubt = "unsure, " if not judged.is_sure else ""
        said = ", ".join(f"{name} {p:.0%}" for name, p in judged.probabilities.items())
    lists = ""
    for title, items in (("What it saw:", judged.reasons), ("At the instrument:", judged.advice)):
        points = "".join(f"<li>{safe(one, 2000)}</li>" for one in items)
        lists += f'<p class="facts">{title}</p><ul class="reasons">{points}</ul>' if points else ""
    action = f"{doubt}{judged.action}"
    verdict = safe(f"Gate, not yet to be relied on: {judged.verdict}: {action} ({said}).", 2000)
    html = f'<p class="facts verdict">{verdict}</p>{lists}'
    return replace(card, verdict=judged.verdict, action=action, html=f"{html}\n{card.html}")
