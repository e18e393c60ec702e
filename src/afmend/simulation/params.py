"""Every number of one simulated scan."""

from __future__ import annotations

from pydantic import field_validator

from afmend.pipeline import Knob, Params
from afmend.simulation.electronics import Electronics
from afmend.simulation.loop import Loop
from afmend.simulation.mishaps import Mishap
from afmend.simulation.saved import Saved
from afmend.simulation.scanner import Scanner
from afmend.simulation.surfaces import Surface
from afmend.tip.shapes import TipShape

MAX_PIXELS = 4096 * 4096
FEWEST_PIXELS = 4
SMALLEST_NM, LARGEST_NM = 1e-4, 1e6


class TipChange(Params):
    """From one pixel on, another tip: dirt picked up, a broken or cleaned apex."""

    row: int = Knob(0, "Line in which it happens (on the trace).", ge=0, le=10**6)
    col: int = Knob(0, "Pixel at which it happens.", ge=0, le=10**6)
    tip: TipShape = Knob(..., "The tip from there on.")
    offset_nm: float = Knob(
        0.0, "How much longer the new tip is; every height rises by as much.", unit="nm", ge=-1e6, le=1e6
    )


class Drag(Params):
    """A particle that the tip pushes away while it is being imaged."""

    seed: int = Knob(0, "Chooses the particle.", ge=0)
    at: float = Knob(0.5, "Where in the particle it gives way, as a fraction of its lines.", ge=0.05, le=0.95)
    shift_px: int = Knob(0, "How far along the line it is carried; 0 = out of the scan.", ge=-(10**6), le=10**6)


class Twin(Params):
    """A simulated scan."""

    shape: tuple[int, int] = Knob((256, 256), "Lines, and pixels of a line.", unit="px")
    pixel_nm: tuple[float, float] = Knob((4.0, 4.0), "Pixel size along the slow and the fast axis.", unit="nm")
    surface: Surface = Knob(..., "What is scanned.")
    tip: TipShape | None = Knob(None, "The tip; none = infinitely sharp.")
    tip_changes: tuple[TipChange, ...] = Knob((), "Changes of the tip, in the order of time.")
    drags: tuple[Drag, ...] = Knob((), "Particles that are pushed away.")
    scanner: Scanner = Knob(Scanner(), "Errors of the scanner.")
    loop: Loop = Knob(Loop(), "The feedback loop.")
    electronics: Electronics = Knob(Electronics(), "Noise, hum, digitization.")
    mishaps: tuple[Mishap, ...] = Knob((), "What goes wrong in the recorded signal.")
    saved: Saved = Knob(Saved(), "What the instrument's program did before it saved the data.")
    artifacts: tuple[str, ...] = Knob((), "Names of what was switched on; informative.")
    name: str = Knob("twin", "Name of the scan.")

    @field_validator("shape")
    @classmethod
    def _shape_is_a_scan(cls, shape: tuple[int, int]) -> tuple[int, int]:
        if min(shape) < FEWEST_PIXELS or shape[0] * shape[1] > MAX_PIXELS:
            raise ValueError(f"a scan has at least {FEWEST_PIXELS} x {FEWEST_PIXELS} and at most {MAX_PIXELS} pixels")
        return shape

    @field_validator("pixel_nm")
    @classmethod
    def _pixels_have_a_size(cls, pixel_nm: tuple[float, float]) -> tuple[float, float]:
        if not all(SMALLEST_NM <= size <= LARGEST_NM for size in pixel_nm):
            raise ValueError(f"pixels are {SMALLEST_NM} to {LARGEST_NM} nm large")
        return pixel_nm
