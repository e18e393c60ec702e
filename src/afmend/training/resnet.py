"""ResNet-18, with the parameter names of the usual ImageNet weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from afmend.errors import BadParameterError, CorruptFileError

BLOCKS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, ins: int, outs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outs)
        self.conv2 = nn.Conv2d(outs, outs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or ins != outs:
            self.downsample = nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, outs, rows / stride, cols / stride)."""
        around = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.relu(self.bn2(self.conv2(x)) + around)
        return out


class ResNet18(nn.Module):
    """ResNet-18 (He 2016, doi:10.1109/CVPR.2016.90) for pictures of three colors.

    Parameters
    ----------
    classes : int
        Size of the head.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        ins = 64
        for number, outs in enumerate(BLOCKS, start=1):
            blocks = [BasicBlock(ins, outs, 1 if number == 1 else 2), BasicBlock(outs, outs, 1)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            ins = outs
        self.fc = nn.Linear(ins, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, x: Tensor) -> Tensor:
        """Return the last maps, (batch, 512, rows / 32, cols / 32)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, len(BLOCKS) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (batch, classes) of pictures (batch, 3, rows, cols)."""
        out: Tensor = self.fc(self.maps(x).mean(dim=(2, 3)))
        return out


def load_weights(network: ResNet18, path: Path) -> None:
    """Load ImageNet weights from a file of torch; the head, which is for other classes, is left as it is.

    Raises
    ------
    CorruptFileError
        If it is no file of weights.
    BadParameterError
        If its parameters are not those of a ResNet-18.
    """
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CorruptFileError(
            f"cannot be read as weights ({type(error).__name__})", where=str(path), now="Give a state dict of torch."
        ) from error
    weights = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else {}
    own = network.state_dict()
    body = {name for name in own if not name.startswith("fc.") and not name.endswith("num_batches_tracked")}
    wrong = sorted(name for name in body if name not in weights or weights[name].shape != own[name].shape)
    if wrong:
        raise BadParameterError(
            f"{len(wrong)} parameters of a ResNet-18 are missing or of another size ({wrong[0]} ...)",
            where=str(path), now="Give the weights of a ResNet-18.",
        )  # fmt: skip
    network.load_state_dict({name: weights[name] for name in body}, strict=False)


def freeze(network: ResNet18, trained: tuple[str, ...]) -> None:
    """Let only the parameters of these parts learn ("layer4", "fc"); frozen normalizations keep their statistics."""
    for name, module in network.named_children():
        learns = name in trained
        for parameter in module.parameters():
            parameter.requires_grad = learns
        module.train(learns)
