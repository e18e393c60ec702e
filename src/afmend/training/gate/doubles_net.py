"""A network that correlates learned maps of a scan with each other, and judges the peaks."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from afmend.artifacts.gate.doubles import INPUTS
from afmend.training.networks import Block

REACH = (13, 20)
"""Shifts in lines and pixels of the scan made smaller."""
WIDTHS, CHANNELS, READ, HIDDEN = (16, 24, 24), 8, 24, 48
LOUD = 8.0
"""Correlations are small: so many times larger they are read."""


class DoublesNet(nn.Module):
    """From maps (batch, 6, rows, cols) to logits (batch,).

    Parameters
    ----------
    exported : bool
        Correlate with matrices in place of the fast transform, which has no counterpart in ONNX.
    """

    def __init__(self, *, exported: bool = False) -> None:
        super().__init__()
        a, b, c = WIDTHS
        self.exported = exported
        self.body = nn.Sequential(Block(len(INPUTS), a), Block(a, b), Block(b, c))
        self.features, self.copies = nn.Conv2d(c, CHANNELS, 1), nn.Conv2d(c, CHANNELS, 1)
        self.read = nn.Sequential(Block(CHANNELS, READ), Block(READ, READ))
        self.last = nn.Sequential(
            nn.Linear(2 * (READ + CHANNELS + c), HIDDEN), nn.ReLU(), nn.Dropout(0.3), nn.Linear(HIDDEN, 1)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits."""
        body = self.body(maps)
        first, second = (_normal(part(body).float()) for part in (self.features, self.copies))
        shared = by_matrices(first, second) if self.exported else by_transform(first, second)
        peaks = self.read(LOUD * shared)
        seen = (
            peaks.mean(dim=(2, 3)), peaks.amax(dim=(2, 3)), shared.amax(dim=(2, 3)), shared.amin(dim=(2, 3)),
            body.mean(dim=(2, 3)), body.amax(dim=(2, 3)),
        )  # fmt: skip
        answer: Tensor = self.last(torch.cat([part.float() for part in seen], dim=1))[:, 0]
        return answer


def _normal(x: Tensor) -> Tensor:
    x = x - x.mean(dim=(2, 3), keepdim=True)
    return x / (x.square().mean(dim=(2, 3), keepdim=True) + 1e-3).sqrt()


def by_transform(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean products of maps (batch, maps, rows, cols) at all shifts up to `REACH`: (batch, maps, 27, 41)."""
    rows, cols = first.shape[2:]
    down, along = REACH
    size = tuple(n + -n % 16 for n in (rows + down, cols + along))  # small factors: fast
    whole = torch.fft.irfft2(torch.fft.rfft2(first, s=size) * torch.fft.rfft2(second, s=size).conj(), s=size)
    whole = torch.cat((whole[:, :, -down:], whole[:, :, : down + 1]), dim=2)
    return torch.cat((whole[..., -along:], whole[..., : along + 1]), dim=3) / (rows * cols)


def by_matrices(first: Tensor, second: Tensor) -> Tensor:
    """Return the same, from real products of matrices alone."""
    rows, cols = first.shape[2], first.shape[3]
    down, along = _angles(rows, REACH[0]), _angles(cols, REACH[1])
    (ar, ai), (br, bi) = (_spectrum(maps, down, along) for maps in (first, second))
    real, imaginary = ar * br + ai * bi, ai * br - ar * bi
    up, back = (_shifts(n, reach) for n, reach in ((rows, REACH[0]), (cols, REACH[1])))
    turned = (up[0] @ real - up[1] @ imaginary, up[0] @ imaginary + up[1] @ real)
    out = turned[0] @ back[0].T - turned[1] @ back[1].T
    return out / (rows * cols) / ((rows + REACH[0]) * (cols + REACH[1]))


def _angles(size: int, reach: int) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the transform of ``size`` numbers, padded by ``reach``: (frequencies, size)."""
    turn = torch.arange(size + reach)[:, None] * torch.arange(size)[None] % (size + reach)
    angle = turn.float() * (-2 * math.pi) / (size + reach)
    return torch.cos(angle), torch.sin(angle)


def _shifts(size: int, reach: int) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the transform back, at shifts up to ``reach``: (shifts, frequencies)."""
    shift = torch.arange(2 * reach + 1) - reach + size + reach
    angle = (
        (shift[:, None] * torch.arange(size + reach)[None] % (size + reach)).float() * (2 * math.pi) / (size + reach)
    )
    return torch.cos(angle), torch.sin(angle)


def _spectrum(maps: Tensor, down: tuple[Tensor, Tensor], along: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    real, imaginary = maps @ along[0].T, maps @ along[1].T
    return down[0] @ real - down[1] @ imaginary, down[0] @ imaginary + down[1] @ real
