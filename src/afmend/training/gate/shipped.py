"""What is exported of the gate: perceptrons, trees and the network on maps together, calibrated."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from afmend.training.gate.effects import TARGETS
from afmend.training.gate.head import Head, JointNet, Usual
from afmend.training.gate.trees import Trees


class Shipped(nn.Module):
    """What is exported: calibrated probabilities, how strange the scan is, and where something is wrong."""

    center: Tensor
    whitening: Tensor

    def __init__(self, head: Head, trees: Trees, joint: JointNet, usual: Usual, heat: Sequence[float]) -> None:
        super().__init__()
        self.head, self.trees, self.joint, self.heat = head, trees, joint, tuple(heat)
        self.register_buffer("center", torch.from_numpy(usual.center))
        self.register_buffer("whitening", torch.from_numpy(usual.whitening))

    def forward(self, features: Tensor, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return probabilities (scans, classes), mean squared distances (scans,), evidence by place.

        The evidence for Not Tracking is that the loop is astray there, for Tip Contamination a satellite, for Imaging
        Artifacts clear damage, for Good none of these.
        """
        logits, cells, _ = self.joint(maps, features)
        parts = (self.head(features), self.trees(features), logits)
        logits = parts[0] * self.heat[0] + parts[1] * self.heat[1] + parts[2] * self.heat[2]
        clear, astray, ghosts = (cells[:, TARGETS.index(name)] for name in ("clear", "astray", "ghosts"))
        good = -torch.maximum(torch.maximum(clear, astray), ghosts)
        where = torch.stack((good, astray, ghosts, clear), dim=1)
        return torch.softmax(logits, dim=1), self.strangeness(features), where

    def strangeness(self, features: Tensor) -> Tensor:
        """Return how far features are from the usual, as a mean square in usual deviations."""
        away = (self.head.scaled(features) - self.center) @ self.whitening
        return (away * away).mean(dim=1)
