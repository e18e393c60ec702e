"""Calibration of the gate on scans that it did not learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.verdicts import GOOD, VERDICTS

Numbers = NDArray[np.float64]
COVERAGE = 0.95
"""Share of the scans of each verdict whose set holds it."""
PASSED = 0.005
"""Largest share of the scans with artifacts that may be exported as good; of other kinds of scans more will be."""
QUANTILES = 400
RIGHT, DOUBT = 0.95, 0.1
"""Share of each verdict, where it is decided, that is right; promised but for a chance of one in ten."""


def softmax(logits: Numbers) -> Numbers:
    """Return probabilities."""
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    out: Numbers = power / power.sum(axis=1, keepdims=True)
    return out


def temperature(logits: Numbers, labels: NDArray[np.int64]) -> float:
    """Return the temperature with the least negative log-likelihood (Guo 2017, arXiv:1706.04599)."""
    grid = np.exp(np.linspace(np.log(0.2), np.log(5), 161))
    losses = [-float(np.mean(np.log(softmax(logits / t)[np.arange(labels.size), labels] + 1e-12))) for t in grid]
    return float(grid[int(np.argmin(losses))])


def temperatures(parts: Sequence[Numbers], labels: NDArray[np.int64]) -> tuple[float, ...]:
    """Return the factors, none below 0, of sets of logits with the least negative log-likelihood of their sum."""
    from scipy.optimize import minimize

    every = np.stack(parts)
    rows = np.arange(labels.size)

    def loss(factors: Numbers) -> tuple[float, Numbers]:
        said = softmax(np.tensordot(factors, every, 1))
        off = said.copy()
        off[rows, labels] -= 1
        return -float(np.mean(np.log(said[rows, labels] + 1e-12))), np.einsum("krc,rc->k", every, off) / labels.size

    start = np.full(len(every), 1 / len(every))
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(every))
    return tuple(float(factor) for factor in best.x)


def limits(probabilities: Numbers, labels: NDArray[np.int64], coverage: float = COVERAGE) -> dict[str, float]:
    """Return per verdict the probability that a share of its scans reach: class-conditional split conformal sets.

    With n scans of a verdict the k-th smallest probability is taken, k = floor((n + 1) (1 - coverage)): a new scan of
    that verdict lies at or above it with at least the probability asked for. With too few scans, 0: always in the set.
    """
    found = {}
    for k, name in enumerate(VERDICTS):
        mine = np.sort(probabilities[labels == k, k])
        rank = int(np.floor((mine.size + 1) * (1 - coverage) + 1e-9))
        found[name] = float(mine[rank - 1]) if rank >= 1 else 0.0
    return found


def good_from(probabilities: Numbers, labels: NDArray[np.int64], passed: float = PASSED) -> float:
    """Return the probability of Good at and above which at most a share ``passed`` of other scans lies.

    One-sided split conformal: the smallest t with (number of other scans with p >= t, plus 1) / (n + 1) <= passed;
    2 (never) where there are too few scans to promise it.
    """
    good = VERDICTS.index(GOOD)
    others = np.sort(probabilities[labels != good, good])[::-1]
    allowed = int(np.floor(passed * (others.size + 1) + 1e-9)) - 1
    if allowed < 0:
        return 2.0
    return float(np.nextafter(others[allowed], 2.0)) if allowed < others.size else 0.0


def decided_from(
    probabilities: Numbers, labels: NDArray[np.int64], right: float = RIGHT, doubt: float = DOUBT
) -> float:
    """Return the least probability of the most probable verdict from which on so many are right.

    Selective classification with a guaranteed risk (Geifman 2017, arXiv:1705.08500): the lower end of a one-sided
    exact binomial interval of the share that is right among all scans at or above it; 2 (never) where no part of the
    scans gets there. Scans that are as probable stand or fall together.
    """
    from scipy.stats import beta

    sure = probabilities.max(axis=1)
    order = np.argsort(-sure, kind="stable")
    hits = np.cumsum(probabilities.argmax(axis=1)[order] == labels[order])
    count = np.arange(1, labels.size + 1)
    last = np.diff(sure[order], append=-1.0) < 0
    enough = np.flatnonzero(last & (beta.ppf(doubt, hits, count - hits + 1) >= right))
    return float(sure[order[enough[-1]]]) if enough.size else 2.0


def calibration_of(
    probabilities: Numbers, labels: NDArray[np.int64], kinds: NDArray[np.str_], strangeness: Numbers,
    heat: Sequence[float],
) -> Mapping[str, Any]:  # fmt: skip
    """Gather what `afmend.artifacts.gate.model.conclude` needs, each kind of view for itself."""
    known = np.quantile(strangeness, np.linspace(0, 1, min(QUANTILES, strangeness.size)), method="nearest")
    views = {}
    for kind in np.unique(kinds):
        mine, wanted = probabilities[kinds == kind], labels[kinds == kind]
        heated = temperature(np.log(mine + 1e-12), wanted)
        shown = softmax(np.log(mine + 1e-12) / heated)
        views[str(kind)] = {
            "power": 1 / heated, "limits": limits(shown, wanted), "good": good_from(shown, wanted),
            "decided": {
                name: decided_from(shown[top], wanted[top])
                for name, top in zip(VERDICTS, np.eye(len(VERDICTS), dtype=bool)[:, shown.argmax(axis=1)], strict=True)
            },
            "scans": int(wanted.size), "scans_with_artifacts": int(np.count_nonzero(wanted != VERDICTS.index(GOOD))),
        }  # fmt: skip
    return {
        "factors": list(heat), "views": views, "coverage": COVERAGE, "passed": PASSED, "scans": int(labels.size),
        "strangeness": [round(float(x), 5) for x in np.sort(known)],
    }  # fmt: skip
