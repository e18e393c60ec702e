"""Items made unlike each other whenever they are drawn; runs where the network learns."""

from __future__ import annotations

import torch
from torch import Tensor

from afmend.artifacts.learned_inputs import INPUTS, KINDS
from afmend.training.masks.items import SCALE

UNSIGNED = ("fine texture along the line", "unrest of the line", "unforeseen, compared with the scan",
            "other direction: there")  # fmt: skip
"""Maps that stay what they are when heights change their sign; all others change theirs."""
SIGNED = [k for k, name in enumerate(INPUTS) if name not in UNSIGNED]
PAIR = [k for k, name in enumerate(INPUTS) if name.startswith("other direction")]
STEPS = [INPUTS.index(name) for name in ("step to the line above", "offset of the line")]
"""Differences to the line before: with the lines in the other order they belong to the line after, with other signs."""
SLOPE = INPUTS.index("slope along the line")
ALONE, TURNED, LINES_TURNED, MIRRORED = 0.25, 0.25, 0.5, 0.2
"""How often the other scan direction is taken away, heights are turned upside down, lines are put in the other order,
and how often lines are mirrored."""
GAIN, LEFT_OUT = 0.08, 0.015
"""Maps are this much too large or small: what is usual in a scan is never known exactly. So often one is left out: no
single one may be relied on."""
STEPS_PX = (8, 32)
"""The network sees a window up to so many lines and pixels aside."""
TAILS = 1 << KINDS.index("parachute")
"""They fall, they never rise."""
AFTER = sum(1 << KINDS.index(kind) for kind in ("parachute", "chatter", "lost"))
"""Kinds that follow something steep, in the order of time."""


def unlike(planes: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Unpack a batch of items and change it by chance.

    Parameters
    ----------
    planes : (batch, planes, rows, cols) uint8
        See `items`.
    seed : int

    Returns
    -------
    inputs : (batch, maps, rows - 8, cols - 32) float32
    wrong, unsure : (batch, kinds, rows - 8, cols - 32) uint8
        0 and 1.
    """
    chance = torch.Generator().manual_seed(seed)
    top, left = (int(torch.randint(step + 1, (), generator=chance)) for step in STEPS_PX)
    rows, cols = planes.shape[2] - STEPS_PX[0], planes.shape[3] - STEPS_PX[1]
    count, device = len(planes), planes.device
    happens = torch.rand((4, count), generator=chance)
    gain = 1 + GAIN * torch.randn((count, len(INPUTS)), generator=chance)
    gain[torch.rand(gain.shape, generator=chance) < LEFT_OUT] = 0
    gain[:, -1] = 1
    gain[(happens[0] < ALONE)[:, None] & torch.tensor([k in PAIR for k in range(len(INPUTS))])] = 0
    # What depends on the items stays where they are: to ask a GPU for an answer is to wait for it.
    happens, gain = happens.to(device), gain.to(device)
    turned, mirrored = (happens[k] < often for k, often in ((1, TURNED), (2, MIRRORED)))
    mirrored &= (planes[:, -2] & AFTER).amax(dim=(1, 2)) == 0
    turned &= (planes[:, -2] & TAILS).amax(dim=(1, 2)) == 0
    lines_turned = happens[3] < LINES_TURNED
    for which, maps in ((lines_turned, STEPS), (mirrored, [SLOPE]), (turned, SIGNED)):
        gain *= torch.where(which[:, None] & _among(maps, device), -1.0, 1.0)
    planes = _turned(planes, lines_turned, mirrored)[:, :, top : top + rows, left : left + cols]
    bits = torch.arange(len(KINDS), dtype=torch.uint8, device=device)[:, None, None]
    wrong, unsure = ((planes[:, plane, None] >> bits) & 1 for plane in (-2, -1))
    inputs = planes[:, :-2].view(torch.int8).float() * (gain / SCALE)[:, :, None, None]
    return (inputs, wrong, unsure)


def _among(maps: list[int], device: torch.device) -> Tensor:
    return torch.tensor([k in maps for k in range(len(INPUTS))]).to(device)


def _turned(planes: Tensor, lines_turned: Tensor, mirrored: Tensor) -> Tensor:
    """Put lines in the other order, and mirror lines; signs are left as they were."""
    other = planes.flip(2)
    for k in STEPS:
        other[:, k] = other[:, k].roll(1, dims=1)
        other[:, k, 0] = 0
    planes = torch.where(lines_turned[:, None, None, None], other, planes)
    return torch.where(mirrored[:, None, None, None], planes.flip(3), planes)
