"""What is exported of the gate: guesses of sizes, perceptrons and trees together, calibrated."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from afmend.training.gate.head import Head, Usual
from afmend.training.gate.trees import Forked, Trees


class Shipped(nn.Module):
    """What is exported: calibrated probabilities, and how strange the scan is."""

    center: Tensor
    whitening: Tensor

    def __init__(self, guesses: Trees, head: Head, trees: Forked, usual: Usual, heat: Sequence[float]) -> None:
        super().__init__()
        self.guesses, self.head, self.trees, self.heat = guesses, head, trees, tuple(heat)
        self.register_buffer("center", torch.from_numpy(usual.center))
        self.register_buffer("whitening", torch.from_numpy(usual.whitening))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities (scans, classes) and mean squared distances (scans,)."""
        seen = torch.cat((features, self.guesses(features)), dim=1)
        logits = self.head(seen) * self.heat[0] + self.trees(seen) * self.heat[1]
        return torch.softmax(logits, dim=1), self.strangeness(seen)

    def strangeness(self, seen: Tensor) -> Tensor:
        """Return how far features and guesses are from the usual, as a mean square in usual deviations."""
        away = (self.head.scaled(seen) - self.center) @ self.whitening
        return (away * away).mean(dim=1)
