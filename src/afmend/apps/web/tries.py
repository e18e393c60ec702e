"""What a parameter does: the same part of the scan with a low, the present, and a high value."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from afmend.apps.web.compose import Wish
from afmend.apps.web.desk import Desk, Stop
from afmend.apps.web.engine import Engine
from afmend.apps.web.parts import Box
from afmend.apps.web.requests import Answer, parsed
from afmend.catalogue import find_step
from afmend.errors import AfmendError
from afmend.pipeline import StepUse
from afmend.scan import Channel, Grid
from afmend.scan.arrays import Mask

MOST_TRIES = 5
SIDE_PX = 84


class TryWish(BaseModel):
    """Which parameter of which step, and the values to try."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    wish: Wish
    index: int = Field(ge=0, le=100)
    param: str = Field(max_length=100)
    values: tuple[float, ...] = Field(min_length=1, max_length=MOST_TRIES)
    part: Box


class Tries:
    """Answers what parameters do.

    Parameters
    ----------
    engine : Engine
    desk : Desk
    """

    def __init__(self, engine: Engine, desk: Desk) -> None:
        self._engine = engine
        self._desk = desk

    def routes(self) -> list[Route]:
        """List the routes."""
        return [Route("/api/tries", self.tries, methods=["POST"])]

    async def tries(self, request: Request) -> Response:
        """Run one step with several values of one parameter; send a small picture of each."""
        asked = await parsed(request, TryWish)
        return Answer({"tries": await self._desk.do(request, lambda stop: self._tried(asked, stop))})

    def _tried(self, asked: TryWish, stop: Stop) -> list[dict[str, Any]]:
        if asked.index >= len(asked.wish.steps):
            return []
        use = asked.wish.steps[asked.index]
        kind = find_step(use.step).kind
        found: list[tuple[float, Channel | None, Grid | None, str]] = []
        for value in asked.values:
            tried = StepUse(step=use.step, params={**use.params, asked.param: value})
            wish = asked.wish.model_copy(update={"steps": (*asked.wish.steps[: asked.index], tried)})
            try:
                channel, grid = self._engine.glance(wish, asked.part, stop)
            except AfmendError as error:
                found.append((value, None, None, error.what))
            else:
                found.append((value, channel, grid, ""))
        limits = _limits([channel for _, channel, _, _ in found if channel is not None])
        return [_drawn(value, channel, grid, limits, kind, problem) for value, channel, grid, problem in found]


def _limits(channels: list[Channel]) -> tuple[float, float]:
    """Return one range of colors for all of them: what differs must not hide in the colors."""
    from afmend.pictures.maps import robust_range

    ranges = [robust_range(np.asarray(one.values, np.float64), ~one.still_missing) for one in channels] or [(0.0, 1.0)]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _drawn(
    value: float, channel: Channel | None, grid: Grid | None, limits: tuple[float, float], kind: str, problem: str
) -> dict[str, Any]:
    if channel is None or grid is None:
        return {"value": value, "problem": problem}
    from PIL import Image

    from afmend.pictures.annotate import encoded
    from afmend.pictures.maps import fit, kind_colors, paint, tint

    marks = kind in ("detect", "reshape")
    size = fit(channel.shape, grid.pixel_nm, SIDE_PX, 24)
    heights = np.asarray(channel.values, np.float64)
    picture = paint(heights, size, limits, valid=~channel.still_missing, cmap="gray" if marks else "afm")
    shown: Mask = channel.holes if marks else channel.invented
    if marks:
        for name, color in kind_colors(list(channel.masks.artifact)).items():
            picture = tint(picture, channel.masks.artifact[name], color)
    elif kind == "repair":
        picture = tint(picture, shown, "#00d1f2", strength=0.3)
    return {
        "value": value, "share": float(np.mean(shown)), "marks": marks,
        "png": base64.b64encode(encoded(Image.fromarray(picture))).decode("ascii"),
    }  # fmt: skip
