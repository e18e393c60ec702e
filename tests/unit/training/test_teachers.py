"""A network learns the mean answer of earlier ones beside the truth."""

from __future__ import annotations

from pathlib import Path

import torch

from afmend.artifacts.learned_inputs import INPUTS, KINDS
from afmend.training.masks.items import PLANES, Data
from afmend.training.masks.task import MaskTask
from afmend.training.networks import LineUNet


def test_teachers_are_heard_beside_the_truth() -> None:
    torch.manual_seed(0)
    planes = torch.randint(0, 255, (2, PLANES, 24, 96), dtype=torch.uint8)
    task = MaskTask(Data(Path(), range(0)))
    by_truth = task.ready((planes, torch.tensor(5)))
    assert len(by_truth) == 3
    task.teachers += [LineUNet(len(INPUTS), len(KINDS)).eval() for _ in range(2)]
    with torch.no_grad():
        task.teachers[0].head.bias.fill_(4.0)
        task.teachers[1].head.bias.fill_(-2.0)
        for teacher in task.teachers:
            teacher.head.weight.zero_()
    heard = task.ready((planes, torch.tensor(5)))
    assert torch.equal(heard[0], by_truth[0])
    assert heard[3].shape == heard[1].shape
    assert torch.allclose(heard[3], torch.sigmoid(torch.tensor(1.0)), atol=1e-2)  # the mean of the logits
    nearer, farther = (torch.full(heard[1].shape, value) for value in (1.0, -1.0))
    gain = float(task.loss(farther, heard) - task.loss(nearer, heard))
    without = float(task.loss(farther, by_truth) - task.loss(nearer, by_truth))
    assert gain > 0.5 * without + 1
