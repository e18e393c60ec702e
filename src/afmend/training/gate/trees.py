"""Boosted trees on the gate's features: they find limits of single numbers that perceptrons smooth over."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afmend.errors import BadParameterError
from afmend.training.gate.head import GateTraining

Table = NDArray[np.float32]


class Trees(nn.Module):
    """Many small regression trees, a group of them per verdict; their sums are logits.

    Both ways from a node lead to neighbors: the left one, and the one behind it. A leaf leads to itself. Thresholds and
    values are kept as half precision has them, because that is how they are shipped.

    Parameters
    ----------
    feature, left : (trees, nodes) int16
        What a node asks for, and where it leads if the feature is at most the threshold.
    threshold, value : (trees, nodes) float32
        Infinite, and the answer, at leaves.
    classes : int
        Tree number k belongs to class k modulo this.
    deepest : int
        Questions on the longest way.
    """

    feature: Tensor
    left: Tensor
    threshold: Tensor
    value: Tensor

    def __init__(
        self, feature: NDArray[np.int16], left: NDArray[np.int16], threshold: Table, value: Table, classes: int,
        deepest: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.classes, self.deepest, self.nodes = classes, deepest, feature.shape[1]
        for name, whole in (("feature", feature), ("left", left)):
            self.register_buffer(name, torch.from_numpy(whole).reshape(-1))
        for name, real in (("threshold", threshold), ("value", value)):
            self.register_buffer(name, torch.from_numpy(real.astype(np.float16).astype(np.float32)).reshape(-1))
        self.register_buffer("first", torch.arange(feature.shape[0], dtype=torch.int32) * self.nodes)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (scans, classes) of features (scans, features)."""
        first = self.first.long()  # type: ignore[operator]  # a buffer
        at = first[None].expand(features.shape[0], -1)
        for _ in range(self.deepest):
            asked = torch.gather(features, 1, self.feature[at].long())
            at = first[None] + self.left[at].long() + (asked > self.threshold[at]).long()
        sums = self.value[at].reshape(features.shape[0], -1, self.classes)
        return sums.sum(dim=1)


def grow(features: Table, labels: NDArray[np.int64], classes: int, config: GateTraining | None = None) -> Trees:
    """Grow trees one after the other, each on what the ones before got wrong.

    Friedman 2001, doi:10.1214/aos/1013203451. Every tree sees half of the scans and a tenth of the features (Friedman
    2002, doi:10.1016/S0167-9473(01)00065-2).

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
    from sklearn.ensemble import GradientBoostingClassifier

    config = config or GateTraining()
    if np.unique(labels).size < max(classes, 3):  # two classes would share one group of trees
        raise BadParameterError("there is no scan of some verdict to learn from", now="Take more scans.")
    grown = GradientBoostingClassifier(
        n_estimators=config.trees, learning_rate=config.tree_rate, max_leaf_nodes=config.leaves, max_depth=None,
        max_features=0.1, subsample=0.5, min_samples_leaf=5, init="zero", random_state=config.seed,
    ).fit(features, labels)  # fmt: skip
    every = [tree.tree_ for tree in grown.estimators_.ravel()]
    shape = (len(every), max(tree.node_count for tree in every))
    feature, left = np.zeros(shape, np.int16), np.zeros(shape, np.int16)
    threshold, value = np.full(shape, np.inf, np.float32), np.zeros(shape, np.float32)
    for k, tree in enumerate(every):
        order = _neighbors(tree.children_left, tree.children_right)
        place = {int(node): at for at, node in enumerate(order)}
        for at, node in enumerate(order):
            leaf = tree.children_left[node] < 0
            left[k, at] = at if leaf else place[int(tree.children_left[node])]
            if leaf:
                value[k, at] = config.tree_rate * tree.value[node, 0, 0]
            else:
                feature[k, at], threshold[k, at] = tree.feature[node], tree.threshold[node]
    return Trees(feature, left, threshold, value, classes, max(tree.max_depth for tree in every))


def _neighbors(left: NDArray[np.int64], right: NDArray[np.int64]) -> list[int]:
    """Order the nodes of a tree so that the two ways from a node lead to neighbors."""
    order = [0]
    for node in order:  # grows while it is read
        if left[node] >= 0:
            order += [int(left[node]), int(right[node])]
    return order


@torch.no_grad()
def tree_logits(trees: Trees, features: Table) -> NDArray[np.float64]:
    """Return logits of many scans."""
    pieces = np.array_split(features, max(1, len(features) // 512))
    parts = [trees(torch.from_numpy(piece)).double().numpy() for piece in pieces]
    out: NDArray[np.float64] = np.concatenate(parts)
    return out
