"""Scores of a gate against known verdicts, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.judge import EXPORT, LOOK, action_for
from afmend.artifacts.gate.model import Opinion
from afmend.artifacts.gate.verdicts import GOOD, VERDICTS

DRAWS = 400
BINS = 15
Numbers = NDArray[np.float64]


def proportion(hits: int, count: int, z: float = 1.959964) -> list[float]:
    """Return a share and its 95 % interval (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    if count == 0:
        return [float("nan"), 0.0, 1.0]
    p = hits / count
    middle, width = p + z * z / (2 * count), z * np.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return [
        round(x, 4) for x in (p, max(0.0, float((middle - width) / scale)), min(1.0, float((middle + width) / scale)))
    ]


def confusion(said: NDArray[np.int64], true: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return counts: row = what it is, column = what was said."""
    out = np.zeros((classes, classes), np.int64)
    np.add.at(out, (true, said), 1)
    return out


def precision_recall_f1(counts: NDArray[np.int64]) -> Numbers:
    """Return (classes, 3): precision, recall and F1 of a confusion matrix; 0 where nothing was said or is."""
    hits = np.diag(counts).astype(float)
    precision = hits / np.maximum(counts.sum(axis=0), 1)
    recall = hits / np.maximum(counts.sum(axis=1), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return np.stack([precision, recall, f1], axis=1)


def macro_f1(said: NDArray[np.int64], true: NDArray[np.int64], classes: int) -> float:
    """Mean F1 of the classes that occur."""
    f1 = precision_recall_f1(confusion(said, true, classes))[:, 2]
    return float(np.mean(f1[np.isin(np.arange(classes), true)]))


def weighted_f1(said: NDArray[np.int64], true: NDArray[np.int64], classes: int) -> float:
    """Mean F1 of the classes, weighted by how often they occur."""
    counts = confusion(said, true, classes)
    return float(np.average(precision_recall_f1(counts)[:, 2], weights=counts.sum(axis=1)))


def calibration_error(probabilities: Numbers, true: NDArray[np.int64]) -> float:
    """Return the expected calibration error of the most probable class: 15 bins of equal counts."""
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == true
    parts = np.array_split(np.argsort(sure, kind="stable"), min(BINS, max(1, sure.size // 10)))
    return float(sum(abs(sure[p].mean() - right[p].mean()) * p.size for p in parts if p.size) / sure.size)


def bootstrapped(count: int, of: Callable[[NDArray[np.int64]], float], seed: int = 0) -> list[float]:
    """Return a figure of all scans and its 95 % interval from a bootstrap over scans."""
    rng = np.random.default_rng(seed)
    drawn = [of(rng.integers(0, count, count)) for _ in range(DRAWS)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return [round(float(x), 4) for x in (of(np.arange(count)), low, high)]


def score(said: Sequence[Opinion], true: Sequence[str]) -> dict[str, Any]:
    """Score opinions.

    Parameters
    ----------
    said : sequence of Opinion
    true : sequence of str
        The verdict that each scan deserves.

    Returns
    -------
    dict
        Figures as [value, low, high] with 95 % intervals: ``accuracy``, ``macro_f1``, ``exported``: share of the scans
        with artifacts whose action is "export unchanged"; ``good_exported``: share of the good ones; ``abstention``:
        share of the scans that it is not sure of, ``decided``: share of the others whose verdict is right,
        ``looked_at``: share whose action is "look at it" (with both directions), ``strange``, ``covered``: share of
        the sets that hold the truth; ``calibration_error``; ``classes``: precision, recall, F1 and number per
        verdict; ``confusion``.
    """
    labels = np.array([VERDICTS.index(name) for name in true])
    shown = np.array([[one.probabilities[name] for name in VERDICTS] for one in said])
    picks = shown.argmax(axis=1)
    n = labels.size
    actions = np.array([action_for(one) for one in said])
    passed, sure = actions == EXPORT, np.array([one.is_sure for one in said])
    bad = labels != VERDICTS.index(GOOD)
    counts = confusion(picks, labels, len(VERDICTS))
    table = precision_recall_f1(counts)
    return {
        "scans": n, "accuracy": proportion(int(np.count_nonzero(picks == labels)), n),
        "macro_f1": bootstrapped(n, lambda some: macro_f1(picks[some], labels[some], len(VERDICTS))),
        "exported": proportion(int(np.count_nonzero(passed & bad)), int(np.count_nonzero(bad))),
        "good_exported": proportion(int(np.count_nonzero(passed & ~bad)), int(np.count_nonzero(~bad))),
        "abstention": proportion(int(np.count_nonzero(~sure)), n),
        "decided": proportion(int(np.count_nonzero(sure & (picks == labels))), int(np.count_nonzero(sure))),
        "looked_at": proportion(int(np.count_nonzero(actions == LOOK)), n),
        "strange": proportion(sum(one.is_strange for one in said), n),
        "covered": proportion(sum(name in one.plausible for one, name in zip(said, true, strict=True)), n),
        "calibration_error": bootstrapped(n, lambda some: calibration_error(shown[some], labels[some])),
        "classes": {
            name: [*(round(float(x), 3) for x in table[k]), int(counts[k].sum())] for k, name in enumerate(VERDICTS)
        },
        "confusion": counts.tolist(),
    }  # fmt: skip
