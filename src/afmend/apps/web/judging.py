"""What the gate says of scans, computed in a reader process that stands back for everything else."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from afmend.apps.web.desk import Desk
from afmend.apps.web.measures import finite
from afmend.apps.web.reading import Reader, state_of
from afmend.apps.web.requests import Answer, parsed
from afmend.apps.web.roots import Roots

PATIENCE_S = 240.0
"""The first judgment after an installation compiles its loops."""
MOST_KEPT = 500


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    ref: str = Field(max_length=5000)
    frame: int = Field(0, ge=0, le=100_000)
    channel: str | None = Field(None, max_length=200)


class Judging:
    """Judges images, one at a time, and remembers what was said.

    Parameters
    ----------
    roots : Roots
    memory_mb : int
        For the process that reads and judges.
    """

    def __init__(self, roots: Roots, memory_mb: int) -> None:
        self._roots = roots
        self._reader = Reader(PATIENCE_S, memory_mb, yields=10)
        self._kept: OrderedDict[tuple[Any, ...], dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._desk = Desk(1)

    def routes(self) -> list[Route]:
        """List the routes."""
        return [Route("/api/gate", self.gate, methods=["POST"])]

    def close(self) -> None:
        """End the process."""
        self._desk.close()
        self._reader.close()

    async def gate(self, request: Request) -> Response:
        """Judge one image: verdict, reasons, advice, and where the network looks."""
        asked = await parsed(request, _Asked)
        path = self._roots.path(asked.ref)
        return Answer(await self._desk.do(request, lambda _: self._judge(path, asked.frame, asked.channel)))

    def _judge(self, path: Path, frame: int, channel: str | None) -> dict[str, Any]:
        key = (*state_of(path), frame, channel)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found, _ = self._reader.ask(path, want="gate", frame=frame, channel=channel)
        answer: dict[str, Any] = finite(found)
        if answer.get("judged"):
            answer["judged"]["why"] = why(answer["judged"])
        with self._lock:
            self._kept[key] = answer
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return answer


def why(judged: Mapping[str, Any]) -> str:
    """Say what is likeliest, and what speaks against it."""
    verdict, chance = judged["verdict"], judged["probabilities"]
    if judged["strange"]:
        share = judged["familiarity"] or 0.0
        few = "none" if share < 0.001 else f"{share:.1%}"
        return (
            f"unlike what the gate was calibrated on ({few} of those scans were as unusual): no probability holds, "
            f"{verdict} is a guess"
        )
    others = [
        f"{name} ({chance[name]:.0%})" if chance[name] >= 0.01 else f"{name} (under 1%)"
        for name in judged["plausible"]
        if name != verdict
    ]
    doubt = ", which is too little for a verdict" if not judged["sure"] else ""
    if others:
        doubt = f", but {' and '.join(others)} cannot be excluded"
    return f"most likely {verdict} ({chance[verdict]:.0%}){doubt}"
