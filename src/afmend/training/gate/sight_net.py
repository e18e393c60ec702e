"""The network that the gate looks with: a U-Net on lines, told about the whole scan where it is coarsest."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from afmend.artifacts.gate.sight import TARGETS
from afmend.artifacts.gate.verdicts import ASKED, VERDICTS
from afmend.training.networks import Block, LineUNet

WIDTHS = (16, 40, 96, 160)
HIDDEN, DROPPED = 96, 0.3
PATCH_PX = 8
"""Sides of the patches of which the worst is told to the verdict."""


class SightNet(LineUNet):
    """Where what is wrong, how the questions behind the verdict are answered, and the verdict.

    What a satellite is only the other features tell, and what damage is large only the relief of all of the scan: so
    the mean and the largest of every coarse channel are added to every place before the fine levels are built.

    Parameters
    ----------
    ins : int
        Maps seen.
    """

    def __init__(self, ins: int) -> None:
        super().__init__(ins, len(TARGETS), WIDTHS)
        coarse, fine = WIDTHS[-1], WIDTHS[0]
        self.context = nn.Linear(2 * coarse, coarse)
        nn.init.zeros_(self.context.weight)
        nn.init.zeros_(self.context.bias)
        self.after = Block(coarse, coarse)
        self.drop = nn.Dropout(DROPPED)
        self.first = nn.Linear(2 * coarse + 2 * fine + 3 * len(TARGETS), HIDDEN)
        self.asked = nn.Linear(HIDDEN, len(ASKED))
        self.last = nn.Linear(HIDDEN + len(ASKED), len(VERDICTS))

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]  # says more
        """Return logits (batch, targets, rows, cols), of questions (batch, 8), of verdicts (batch, 4)."""
        levels = self.levels(maps)
        coarse = self.bottom(levels.pop())
        coarse = self.after(coarse + self.context(_pooled(coarse))[:, :, None, None])
        fine = self.joined(coarse, levels)
        logits = self.unpacked(self.head(fine))
        shown = torch.sigmoid(logits.float())
        mean, worst = shown.mean(dim=(2, 3)), functional.avg_pool2d(shown, PATCH_PX).amax(dim=(2, 3))
        amounts = (torch.log(mean + 1e-4), torch.log(worst + 1e-3), 4 * mean)
        seen = torch.cat((_pooled(coarse).float(), _pooled(fine).float(), *amounts), dim=1)
        hidden = torch.relu(self.first(self.drop(seen)))
        asked = self.asked(hidden)
        return logits, asked, self.last(torch.cat((hidden, asked / 4), dim=1))


def _pooled(x: Tensor) -> Tensor:
    return torch.cat((x.mean(dim=(2, 3)), x.amax(dim=(2, 3))), dim=1)


class Exported(nn.Module):
    """What is exported: probabilities by place, and all that is said of the whole scan."""

    def __init__(self, network: SightNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return (batch, targets, rows, cols) probabilities and (batch, 12) logits."""
        logits, asked, verdicts = self.network(maps)
        return torch.sigmoid(logits), torch.cat((asked, verdicts), dim=1)
