"""Networks."""

from __future__ import annotations

import itertools

from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Sequential):
    """Convolution, normalization, rectification: folded into one convolution at export."""

    def __init__(self, ins: int, outs: int, *, stride: int = 1, size: tuple[int, int] = (3, 3)) -> None:
        around = (size[0] // 2, size[1] // 2)
        super().__init__(
            nn.Conv2d(ins, outs, size, stride, padding=around, bias=False), nn.BatchNorm2d(outs), nn.ReLU(inplace=True)
        )


class LineUNet(nn.Module):
    """A small U-Net for images made of lines: every line at full resolution, four pixels of a line at a time.

    An artifact one line high must not be blurred with its neighbors, while along the line nothing happens within a
    pixel: the first layer packs four pixels of a line into channels, the last unpacks them. Costs as much as a net
    at half resolution.

    Parameters
    ----------
    ins, outs : int
        Maps seen and kinds told apart.
    widths : four int
        Channels of the four levels.
    more : three int
        Further convolutions of the three coarse levels, where they cost little.
    """

    PACK = 4
    MULTIPLE = (8, 32)
    """Rows and columns of the input must be multiples of these."""

    def __init__(
        self, ins: int, outs: int, widths: tuple[int, int, int, int] = (16, 40, 80, 128),
        more: tuple[int, int, int] = (0, 1, 1),
    ) -> None:  # fmt: skip
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(ins, widths[0], (1, self.PACK), (1, self.PACK), bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        self.fine = nn.Sequential(Block(widths[0], widths[0]), Block(widths[0], widths[0], size=(1, 7)))
        self.down = nn.ModuleList(
            nn.Sequential(Block(a, b, stride=2), *(Block(b, b) for _ in range(1 + extra)))
            for (a, b), extra in zip(itertools.pairwise(widths), more, strict=True)
        )
        self.bottom = Block(widths[-1], widths[-1])
        # Narrowed before they are spread, and added instead of stacked: the finest level is what costs.
        self.narrow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.join = nn.ModuleList(Block(a, a) for a in widths[:-1])
        self.head = nn.Conv2d(widths[0], outs * self.PACK, 1)
        nn.init.constant_(self.head.bias, -4.0)  # type: ignore[arg-type]  # artifacts are rare
        self.outs = outs

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits (batch, outs, rows, cols) of maps (batch, ins, rows, cols)."""
        levels = self.levels(maps)
        return self.unpacked(self.head(self.joined(self.bottom(levels.pop()), levels)))

    def levels(self, maps: Tensor) -> list[Tensor]:
        """Return what each level sees, the finest first."""
        levels = [self.fine(self.stem(maps))]
        for down in self.down:
            levels.append(down(levels[-1]))
        return levels

    def joined(self, coarse: Tensor, levels: list[Tensor]) -> Tensor:
        """Bring what the coarsest level knows to the finest of some others."""
        x = coarse
        for narrow, join in zip(reversed(self.narrow), reversed(self.join), strict=True):
            x = functional.interpolate(narrow(x), scale_factor=2.0, mode="nearest")
            x = join(x + levels.pop())
        return x

    def unpacked(self, packed: Tensor) -> Tensor:
        """Spread channels over the pixels of a line again."""
        batch, _, rows, cols = packed.shape
        spread = packed.reshape(batch, self.outs, self.PACK, rows, cols).permute(0, 1, 3, 4, 2)
        logits: Tensor = spread.reshape(batch, self.outs, rows, cols * self.PACK)
        return logits
