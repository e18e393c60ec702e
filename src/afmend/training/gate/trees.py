"""Boosted trees on the gate's features: they find limits of single numbers that perceptrons smooth over."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afmend.errors import BadParameterError, ModelError
from afmend.training.gate.head import GateTraining

Table = NDArray[np.float32]
COMPARED, DIFFERENCE = 500, 0.02
"""Scans on which trees are compared with those of the library, and by how much half of the answers may differ."""


class Trees(nn.Module):
    """Many small regression trees, a group of them per verdict; their sums are logits; or per number to guess.

    Both ways from a node lead to neighbors: the left one, and the one behind it. A leaf leads to itself. Thresholds and
    values are kept as half precision has them, because that is how they are shipped.

    Parameters
    ----------
    feature, left : (trees, nodes) int16
        What a node asks for, and where it leads if the feature is at most the threshold.
    threshold, value : (trees, nodes) float32
        Infinite, and the answer, at leaves.
    start : (numbers,) float
        What the trees add to; tree number k belongs to number k modulo how many there are.
    deepest : int
        Questions on the longest way.
    """

    feature: Tensor
    left: Tensor
    threshold: Tensor
    value: Tensor
    start: Tensor

    def __init__(
        self, feature: NDArray[np.int16], left: NDArray[np.int16], threshold: Table, value: Table,
        start: NDArray[np.floating], deepest: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.numbers, self.deepest, self.nodes = start.size, deepest, feature.shape[1]
        for name, whole in (("feature", feature), ("left", left)):
            self.register_buffer(name, torch.from_numpy(whole).reshape(-1))
        for name, real in (("threshold", threshold), ("value", value)):
            self.register_buffer(name, torch.from_numpy(real.astype(np.float16).astype(np.float32)).reshape(-1))
        self.register_buffer("start", torch.from_numpy(np.ravel(start).astype(np.float32)))
        self.register_buffer("first", torch.arange(feature.shape[0], dtype=torch.int32) * self.nodes)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits or guesses (scans, numbers) of features (scans, features)."""
        first = self.first.long()  # type: ignore[operator]  # a buffer
        at = first[None].expand(features.shape[0], -1)
        for _ in range(self.deepest):
            asked = torch.gather(features, 1, self.feature[at].long())
            at = first[None] + self.left[at].long() + (asked > self.threshold[at]).long()
        sums = self.value[at].reshape(features.shape[0], -1, self.numbers)
        return self.start + sums.sum(dim=1)


class Forked(nn.Module):
    """Trees of their own for scans of which both directions are known, as others are judged by other features.

    Parameters
    ----------
    both, single : Trees
        For scans of which both directions are known, and for those of which one is.
    paired : int
        Which feature is 1 if both are.
    """

    def __init__(self, both: Trees, single: Trees, paired: int) -> None:
        super().__init__()
        self.both, self.single, self.paired = both, single, paired

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (scans, verdicts) of features (scans, features)."""
        there = features[:, self.paired : self.paired + 1] > 0.5
        return torch.where(there, self.both(features), self.single(features))


def grow(features: Table, labels: NDArray[np.int64], classes: int, config: GateTraining | None = None) -> Trees:
    """Grow trees one after the other, each on what the ones before got wrong.

    Friedman 2001, doi:10.1214/aos/1013203451; on histograms of the features (scikit-learn's
    HistGradientBoostingClassifier).

    Parameters
    ----------
    features : (scans, features) float32
    labels : (scans,) int64
        Of all classes from 0 on.
    classes : int
    config : GateTraining, optional

    Raises
    ------
    BadParameterError
        If a class has no example.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    config = config or GateTraining()
    if np.unique(labels).size < max(classes, 3):  # two classes would share one group of trees
        raise BadParameterError("there is no scan of some verdict to learn from", now="Take more scans.")
    grown = HistGradientBoostingClassifier(max_iter=config.trees, **_how(config)).fit(features, labels)
    turns, start = _inside(grown)
    planted = _planted([[trees[k] for trees in turns] for k in range(classes)], start)
    _compare(planted, features, grown.decision_function(features[:COMPARED]))
    return planted


def grow_for_sizes(features: Table, sizes: Table, config: GateTraining | None = None) -> Trees:
    """Grow trees that guess several numbers, each by trees of its own; see `grow`.

    Parameters
    ----------
    features : (scans, features) float32
    sizes : (scans, numbers) float32
    config : GateTraining, optional
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    config = config or GateTraining()
    every = [
        HistGradientBoostingRegressor(max_iter=config.guesses, **_how(config)).fit(features, wanted)
        for wanted in sizes.T
    ]
    groups = [[trees[0] for trees in _inside(grown)[0]] for grown in every]
    planted = _planted(groups, np.array([_inside(grown)[1][0] for grown in every]))
    _compare(planted, features, np.stack([grown.predict(features[:COMPARED]) for grown in every], axis=1))
    return planted


def _compare(planted: Trees, features: Table, wanted: NDArray[np.float64]) -> None:
    """Refuse trees that were not understood: thresholds in half precision move few scans over a limit."""
    away = np.abs(said_by(planted, features[:COMPARED]) - wanted)
    if float(np.median(away)) > DIFFERENCE:
        raise ModelError("scikit-learn keeps its trees in another way now", now="Install another version of it.")


def _inside(grown: Any) -> tuple[list[list[Any]], NDArray[np.float64]]:
    """Return a library's trees, turn by turn, and what they add to: no public name leads there."""
    return grown._predictors, np.ravel(grown._baseline_prediction)  # noqa: SLF001


def _how(config: GateTraining) -> dict[str, Any]:
    return {
        "learning_rate": config.tree_rate, "max_leaf_nodes": config.leaves, "min_samples_leaf": config.fewest,
        "max_features": config.asked, "random_state": config.seed, "early_stopping": False,
    }  # fmt: skip


def _planted(groups: list[list[Any]], start: NDArray[np.floating]) -> Trees:
    """Take the trees of a library's groups, one per number, into our order."""
    every = [tree.nodes for turn in zip(*groups, strict=True) for tree in turn]
    shape = (len(every), max(nodes.size for nodes in every))
    feature, left = np.zeros(shape, np.int16), np.zeros(shape, np.int16)
    threshold, value = np.full(shape, np.inf, np.float32), np.zeros(shape, np.float32)
    for k, nodes in enumerate(every):
        below = np.where(nodes["is_leaf"], -1, nodes["left"].astype(np.int64)), nodes["right"].astype(np.int64)
        order = _neighbors(*below)
        place = {node: at for at, node in enumerate(order)}
        for at, node in enumerate(order):
            leaf = below[0][node] < 0
            left[k, at] = at if leaf else place[int(below[0][node])]
            if leaf:
                value[k, at] = nodes["value"][node]
            else:
                feature[k, at], threshold[k, at] = nodes["feature_idx"][node], nodes["num_threshold"][node]
    return Trees(feature, left, threshold, value, start, max(int(nodes["depth"].max()) for nodes in every))


def _neighbors(left: NDArray[np.int64], right: NDArray[np.int64]) -> list[int]:
    """Order the nodes of a tree so that the two ways from a node lead to neighbors."""
    order = [0]
    for node in order:  # grows while it is read
        if left[node] >= 0:
            order += [int(left[node]), int(right[node])]
    return order


@torch.no_grad()
def said_by(trees: nn.Module, features: Table) -> NDArray[np.float64]:
    """Return logits or guesses of many scans."""
    pieces = np.array_split(features, max(1, len(features) // 512))
    parts = [trees(torch.from_numpy(piece)).double().numpy() for piece in pieces]
    out: NDArray[np.float64] = np.concatenate(parts)
    return out
