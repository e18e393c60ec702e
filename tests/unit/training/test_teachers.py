"""A network learns the mean answer of earlier ones beside the truth."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from afmend.artifacts.learned_inputs import INPUTS, KINDS
from afmend.training.masks.items import PLANES, Data
from afmend.training.masks.task import FIRST, TOLD, MaskTask
from afmend.training.networks import LineUNet

BATCH = (torch.randint(0, 255, (2, PLANES, 24, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
         torch.tensor(5))  # fmt: skip


def teacher(says: float) -> tuple[LineUNet, dict[str, str]]:
    """A network that says the same everywhere."""
    network = LineUNet(len(INPUTS), len(KINDS)).eval()
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.fill_(says)
    return network, {"weights": str(says)}


def test_teachers_are_heard_beside_the_truth() -> None:
    alone, taught = (
        MaskTask(Data(Path(), range(0))),
        MaskTask(Data(Path(), range(0)), teachers=[teacher(4), teacher(-2)]),
    )
    by_truth, heard = alone.ready(BATCH), taught.ready(BATCH)
    assert len(by_truth) == 3
    assert all(torch.equal(mine, its) for mine, its in zip(by_truth, heard[:3], strict=True))
    assert heard[3].shape == heard[1].shape
    said = float(torch.sigmoid(torch.tensor(1.0)))  # the mean of the logits, not of the probabilities
    assert float((heard[3] - said).abs().max()) < 2e-3
    logits = torch.full(heard[1].shape, 0.5)
    entropy = -(said * torch.nn.functional.logsigmoid(logits) + (1 - said) * torch.nn.functional.logsigmoid(-logits))
    by_teachers = 10 * len(KINDS) * float((by_truth[2] * entropy).mean())
    wanted = (1 - TOLD) * float(alone.loss(logits, by_truth)) + TOLD * by_teachers
    assert float(taught.loss(logits, heard)) == pytest.approx(wanted, rel=1e-3)
    assert abs(by_teachers - float(alone.loss(logits, by_truth))) > 0.1 * by_teachers


def test_what_is_learned_from_is_part_of_the_run() -> None:
    assert MaskTask(Data(Path(), range(FIRST, FIRST + 9))).identity == {}
    other = MaskTask(Data(Path(), range(FIRST + 5, FIRST + 9)), teachers=[teacher(4), teacher(-2)])
    assert other.identity == {"first": FIRST + 5, "teachers": ["-2", "4"]}
