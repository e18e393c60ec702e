"""Lines that jump on their way: one part belongs to the line before, the other to the line after.

No offset fits such a line, and which of its parts the chain of differences follows decides about all lines after it:
hidden pixels turn that vote. Such a line is given two offsets instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.features import from_both_ends
from afmend.leveling.line_model import recur
from afmend.leveling.line_scales import spreads_of, typical
from afmend.scan.arrays import Heights, Mask

_LEAST = 6.0
"""Lowest jump that is looked for, in scales of the densest quarter of the differences of adjacent lines."""


_PAIRS = 64
"""So many pairs of lines tell how wide their differences are."""


@dataclass(frozen=True, slots=True)
class Break:
    """A jump within a line: the shorter part, columns ``first`` to ``stop``, lies ``height`` above the rest."""

    row: int
    first: int
    stop: int
    height: float


def breaks_of(z: Heights, skip: Mask, lines: NDArray[np.int64]) -> tuple[Break, ...]:
    """Find lines that jump once on their way.

    The heights of such a line above the mean of its neighbors take one value from its start to the jump and another
    from there to its end, while the two neighbors differ by the same everywhere: beside an edge of the sample they
    would not. Jumps that recur with the same height may be edges all the same, and are left.

    Parameters
    ----------
    z : (rows, cols)
        Heights, whatever the offsets of the lines.
    skip : (rows, cols) bool
        Pixels that must not be looked at.
    lines : (n,)
        Rows with enough usable pixels.
    """
    from afmend.leveling import line_break_kernels as kernels

    if lines.size < 3:
        return ()
    some = from_both_ends(lines.size - 1, max(1, lines.size // _PAIRS))
    _, _, core = spreads_of(z, skip, lines[some], lines[some + 1])
    narrow = typical(core)
    if narrow <= 0.0:
        return ()
    found = []
    for k in np.flatnonzero(kernels.ends_differ(z, skip, lines, 0.75 * _LEAST * narrow)):
        first, stop, height = kernels.split(z, skip, lines[k], lines[k + 1], lines[k + 2], narrow, _LEAST)
        if stop > first:
            found.append(Break(int(lines[k + 1]), first, stop, height))
    return () if recur(np.array([abs(one.height) for one in found])) else tuple(found)


def take_off(z: Heights, breaks: Sequence[Break]) -> None:
    """Lay both parts of each line that jumps level, in place."""
    for one in breaks:
        z[one.row, one.first : one.stop] -= one.height


def mended(z: Heights, breaks: Sequence[Break]) -> Heights:
    """Return heights whose lines that jump are laid level."""
    z = z.copy()
    take_off(z, breaks)
    return z
