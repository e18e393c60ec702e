"""The networks of the learned correction: ours, and what the seed says of its three autoencoders."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional


def _block(ins: int, outs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(ins, outs, 3, stride, 1, bias=False), nn.BatchNorm2d(outs), nn.ReLU(inplace=True)
    )  # fmt: skip


class TipNet(nn.Module):
    """A small U-Net whose three answers start at zero: likely height, lower and upper limit, over a scale.

    Parameters
    ----------
    ins : int
        Maps seen.
    widths : four int
        Channels of the four levels.
    """

    def __init__(self, ins: int, widths: tuple[int, int, int, int] = (16, 24, 32, 48)) -> None:
        super().__init__()
        self.stem = nn.Sequential(_block(ins, widths[0]), _block(widths[0], widths[0]))
        self.down = nn.ModuleList(
            nn.Sequential(_block(a, b, stride=2), _block(b, b)) for a, b in itertools.pairwise(widths)
        )
        self.bottom = _block(widths[-1], widths[-1])
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.join = nn.ModuleList(_block(a, a) for a in widths[:-1])
        self.head = nn.Conv2d(widths[0], 3, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]  # it has a bias

    def forward(self, maps: Tensor) -> Tensor:
        """Return (batch, 3, rows, cols): likely, lower, upper, of maps whose sides are multiples of 8."""
        levels = [self.stem(maps)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = self.bottom(levels.pop())
        for narrow, join in zip(reversed(self.narrow), reversed(self.join), strict=True):
            x = join(functional.interpolate(narrow(x), scale_factor=2.0, mode="nearest") + levels.pop())
        likely, below, above = self.head(x).split(1, dim=1)
        return torch.cat([likely, likely - functional.softplus(below), likely + functional.softplus(above)], dim=1)


class SeedOne(nn.Module):
    """The seed's first model: like a U-Net, without skips; it predicts image minus surface."""

    difference = True

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        self.net = _autoencoder(widths)

    def forward(self, image: Tensor) -> Tensor:
        """Return image minus surface, (batch, 1, rows, cols)."""
        out: Tensor = self.net(image)
        return out


class SeedTwo(nn.Module):
    """The seed's second model: an autoencoder of 33 thousand parameters."""

    difference = False

    def __init__(self) -> None:
        super().__init__()
        down = [nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
                nn.Conv2d(32, 40, 3, 1, 1), nn.ReLU()]  # fmt: skip
        up = [nn.Conv2d(40, 32, 3, 1, 1), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(32, 16, 3, 1, 1), nn.ReLU(),
              nn.Upsample(scale_factor=2), nn.Conv2d(16, 1, 3, 1, 1)]  # fmt: skip
        self.net = nn.Sequential(*down, *up)

    def forward(self, image: Tensor) -> Tensor:
        """Return the surface, (batch, 1, rows, cols)."""
        out: Tensor = self.net(image)
        return out


class SeedThree(nn.Module):
    """The seed's third model: a U-Net with skips of 6.7 million parameters."""

    difference = False

    def __init__(self, widths: tuple[int, ...] = (30, 60, 120, 240, 470)) -> None:
        super().__init__()
        self.enter = nn.Sequential(_block(1, widths[0]), _block(widths[0], widths[0]))
        self.down = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), _block(a, b), _block(b, b)) for a, b in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in itertools.pairwise(widths))
        self.join = nn.ModuleList(nn.Sequential(_block(2 * a, a), _block(a, a)) for a in widths[:-1])
        self.leave = nn.Conv2d(widths[0], 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return the surface, (batch, 1, rows, cols)."""
        levels = [self.enter(image)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up, join in zip(reversed(self.up), reversed(self.join), strict=True):
            x = join(torch.cat([up(x), levels.pop()], dim=1))
        out: Tensor = self.leave(x)
        return out


def _autoencoder(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = [_block(1, widths[0])]
    for a, b in itertools.pairwise(widths):
        layers += [nn.MaxPool2d(2), _block(a, b), _block(b, b)]
    for a, b in itertools.pairwise(reversed(widths)):
        layers += [nn.Upsample(scale_factor=2), _block(a, b), _block(b, b)]
    return nn.Sequential(*layers, nn.Conv2d(widths[0], 1, 1))


def ssim_loss(one: Tensor, other: Tensor, window: int = 7) -> Tensor:
    """Return one minus the mean structural similarity of images of range 1 (Wang 2004, doi:10.1109/TIP.2003.819861)."""

    def mean(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, window, 1)

    a, b = mean(one), mean(other)
    aa, bb, ab = mean(one * one) - a * a, mean(other * other) - b * b, mean(one * other) - a * b
    first, second = 0.01**2, 0.03**2
    alike = (2 * a * b + first) * (2 * ab + second) / ((a * a + b * b + first) * (aa + bb + second))
    return 1 - alike.mean()


def gradient_loss(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean absolute difference of the slopes along both axes."""
    down = (one[:, :, 1:] - one[:, :, :-1]) - (other[:, :, 1:] - other[:, :, :-1])
    right = (one[..., 1:] - one[..., :-1]) - (other[..., 1:] - other[..., :-1])
    return down.abs().mean() + right.abs().mean()
