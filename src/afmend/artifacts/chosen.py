"""Which masks a step works on, and the connected components of a mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.pipeline import Field, Knob, Params
from afmend.scan.arrays import Mask
from afmend.scan.masks import Masks


class MaskChoice(Params):
    """Which masks a step changes."""

    role: Literal["artifact", "foreground", "missing"] = Knob("artifact", "Role of the masks to change.")
    name: str = Knob("", 'Name of the mask to change ("scar", "features", ...); all of the role if empty.')


def reshaped(field: Field, choice: MaskChoice, change: Callable[[Mask], Mask]) -> Masks:
    """Apply a change to every chosen mask; masks of other roles and names stay."""
    masks = field.masks
    for role, name, mask in field.masks.items():
        if role == choice.role and choice.name in ("", name):
            masks = masks.with_mask(role, name, change(mask))
    return masks


def components(mask: Mask, *, connectivity: Literal[4, 8] = 8) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Label connected pixels: (labels, stats); stats rows are left, top, width, height, area; row 0 is the ground."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    return np.asarray(labels, dtype=np.int32), np.asarray(stats, dtype=np.int32)
