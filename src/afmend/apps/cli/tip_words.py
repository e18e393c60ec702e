"""What ``afmend tip`` says: radii, ghosts, certainty, in words and under pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from afmend.pictures.numerals import ghosts_at, nm

if TYPE_CHECKING:
    from afmend.pictures.maps import Pixels
    from afmend.scan.arrays import Mask

BLUE, STRIPES = "#00a0ff", 16
"""Color of what was not touched; distance of the stripes where nothing is certain, px."""
FONT_PX = 15


def corrected(facts: Mapping[str, Any]) -> str:
    """Say what `tip.correct` did, from its facts."""
    if facts.get("skipped"):
        done = f"nothing corrected: {facts['skipped']}"
    elif facts.get("unsure"):
        likely = nm(facts["likely_nm"])
        done = f"corrected as far as is better on average: the radius is likely {likely}; no pixel is certain"
    else:
        done = f"{100 * facts['certain_share']:.0f} % of the pixels are certain"
    if facts.get("error_bars_share"):
        done += f"; {100 * facts['error_bars_share']:.0f} % are a guess and have an error bar"
    if facts.get("double_tip"):
        done += f"; ghosts of a second apex taken off, {ghosts_at(facts['offset_nm'], facts['depth_nm'])}"
    elif facts.get("suspicion"):
        done += f"; {facts['suspicion']}"
    return done


def certain_where(facts: Mapping[str, Any]) -> str:
    """Say what the picture of certainty shows, from the facts of `mark.untouched`."""
    if facts.get("skipped"):
        return f"striped = not known whether the tip touched, here everywhere: {facts['skipped']}"
    if facts.get("unsure"):
        return (
            f"striped = no pixel is certain: the scan does not show the radius (likely {nm(facts['likely_nm'])}); "
            "blue = what a tip of that radius did not touch"
        )
    return "blue = not known to be touched: an upper bound"


def certainty_picture(picture: Pixels, untouched: Mask | None, facts: Mapping[str, Any]) -> Pixels:
    """Draw over a map what was not touched, and stripes where nothing is certain; say below what they mean.

    Parameters
    ----------
    picture : (height, width, 3) uint8
    untouched : (rows, cols) bool or None
        What `mark.untouched` marked.
    facts : mapping
        Of that step.
    """
    import numpy as np

    from afmend.pictures.colormaps import rgb
    from afmend.pictures.maps import tint

    if facts.get("skipped") or facts.get("unsure"):
        y, x = np.ogrid[: picture.shape[0], : picture.shape[1]]
        striped = ((x + y) % STRIPES) < STRIPES // 5
        picture = np.where(striped[..., None], np.array(rgb(BLUE), np.uint8), picture)
    if untouched is not None:
        picture = tint(picture, untouched, BLUE, strength=0.6)
    return captioned(picture, [certain_where(facts), *facts.get("warnings", ())])


def captioned(picture: Pixels, lines: list[str]) -> Pixels:
    """Write lines of text below a picture, wrapped to its width."""
    import textwrap

    import numpy as np
    from PIL import Image, ImageDraw

    from afmend.pictures.typeset import font, writable

    room = max(20, int(picture.shape[1] / (0.55 * FONT_PX)))
    rows = [row for line in lines for row in textwrap.wrap(writable(line), room)]
    below = Image.new("RGB", (picture.shape[1], int(1.4 * FONT_PX * len(rows)) + 8), "white")
    ImageDraw.Draw(below).multiline_text((4, 4), "\n".join(rows), fill="black", font=font(FONT_PX), spacing=4)
    return np.concatenate([picture, np.asarray(below)])
