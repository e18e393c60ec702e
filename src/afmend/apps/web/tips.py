"""The tip of the image in sight: what the scan says about it, and what the mended heights look like without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from afmend.apps.web import frames
from afmend.apps.web.compose import Wish
from afmend.apps.web.desk import Desk, Stop
from afmend.apps.web.engine import Engine
from afmend.apps.web.measures import finite
from afmend.apps.web.requests import parsed
from afmend.pictures.numerals import ghosts_at
from afmend.pipeline import StepUse
from afmend.scan import Grid

STEPS = ("mark.untouched", "tip.correct")
SHOWN_RADII = 3.0
"""The tip is drawn so many radii deep."""
POINTS = 121


class TipWish(BaseModel):
    """Which image, and which tip."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    wish: Wish
    source: Literal["estimate", "given"] = "estimate"
    radius_nm: float = Field(10.0, gt=0, le=1e6)
    half_angle_deg: float = Field(20.0, ge=2, le=80)
    double_tip: bool = True
    cmap: str = Field("afm", max_length=40)


class Tips:
    """Answers what is asked about tips.

    Parameters
    ----------
    engine : Engine
        Mends; the two steps about the tip come after the recipe's own, so that nothing is computed twice.
    desk : Desk
    """

    def __init__(self, engine: Engine, desk: Desk) -> None:
        self._engine = engine
        self._desk = desk

    def routes(self) -> list[Route]:
        """List the routes."""
        return [Route("/api/tip", self.tip, methods=["POST"])]

    async def tip(self, request: Request) -> Response:
        """Estimate the tip (or take a given one), take it off, and send heights, marks and pictures."""
        asked = await parsed(request, TipWish)
        data = await self._desk.do(request, lambda stop: self._answer(asked, stop))
        return Response(data, media_type="application/octet-stream")

    def _answer(self, asked: TipWish, stop: Stop) -> bytes:
        params = asked.model_dump(include={"source", "radius_nm", "half_angle_deg", "double_tip"})
        uses = tuple(StepUse(step=name, params=params) for name in STEPS)
        bare = tuple(use for use in asked.wish.steps if use.step not in STEPS)
        done = self._engine.mend(asked.wish.model_copy(update={"steps": (*bare, *uses)}), stop=stop)
        channel, grid = done.channel("mended"), done.opened.scan.grid
        facts = finite({**done.mended.history[-2].facts, **done.mended.history[-1].facts})
        corrected = "skipped" not in facts
        head = {
            "t": "tip", "facts": facts, "corrected": corrected, "steps": [use.model_dump() for use in uses],
            "pictures": tip_pictures(facts, asked.cmap), "ghosts": said_of_ghosts(facts),
        }  # fmt: skip
        parts = [frames.message(head)]
        if corrected:
            parts += [frames.heights_frame("tip", channel, grid), frames.flags_frame(channel, grid, panel="tip_flags")]
        return b"".join(parts)


def said_of_ghosts(facts: Mapping[str, Any]) -> str:
    """Say in a sentence where ghosts were, or are suspected; nothing if there are none."""
    if facts.get("double_tip"):
        return f"Double tip: ghosts {ghosts_at(facts['offset_nm'], facts['depth_nm'])}."
    suspicion: str = facts.get("suspicion", "")
    return f"{suspicion[:1].upper()}{suspicion[1:]}." if suspicion else ""


def tip_pictures(facts: Mapping[str, Any], cmap: str) -> dict[str, Any] | None:
    """Draw a tip from above and in three dimensions, as PNG in base 64; None if its radius is not known at all.

    What is drawn of a tip that was not estimated with confidence is the bluntest that the scan allows.
    """
    import base64

    from PIL import Image

    from afmend.pictures.annotate import encoded
    from afmend.pictures.maps import fit, paint
    from afmend.pictures.surface3d import View, surface
    from afmend.tip.shapes import Multiple, Placed, SphereCone, TipShape, tip_heights

    radius = facts.get("radius_nm")
    if not radius:
        return None
    one = SphereCone(radius_nm=radius, half_angle_deg=facts.get("half_angle_deg") or 20.0)
    shape: TipShape = one
    reach, depth = 2.5 * radius, SHOWN_RADII * radius
    if facts.get("double_tip"):
        # Ghosts appear where the second apex looks when the first one is elsewhere: mirrored.
        dy, dx = facts["offset_nm"]
        shape = Multiple(first=one, others=(Placed(shape=one, offset_nm=(-dy, -dx), drop_nm=facts["depth_nm"]),))
        reach, depth = max(reach, 1.4 * max(abs(dy), abs(dx))), depth + facts["depth_nm"]
    steps = np.linspace(-reach, reach, POINTS)
    heights = np.maximum(tip_heights(shape, steps[:, None], steps[None, :]), -depth)
    grid = Grid(POINTS, POINTS, float(steps[1] - steps[0]), float(steps[1] - steps[0]))
    above = Image.fromarray(paint(heights, fit(grid.shape, grid.pixel_nm, 120, 120), (-depth, 0.0), cmap=cmap))
    solid = surface(heights, grid, (-depth, 0.0), view=View(width=240, relief=min(0.6, depth / (2 * reach)), cmap=cmap))
    text = [base64.b64encode(encoded(picture)).decode("ascii") for picture in (above, solid)]
    return {"above": text[0], "solid": text[1], "side_nm": 2 * reach, "depth_nm": depth}
