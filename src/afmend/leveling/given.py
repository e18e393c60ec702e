"""Leveling by a plane that is given."""

from __future__ import annotations

from afmend.leveling.background import centered
from afmend.pipeline import Field, Knob, Leveled, Params, step


class Given(Params):
    """Subtract a plane that is given: frames of a movie are brought to one level with it."""

    offset: float = Knob(0.0, "Height of the plane in the middle, in the unit of the heights.", ge=-1e12, le=1e12)
    rise_slow: float = Knob(0.0, "Height that the plane gains from the first line to the last.", ge=-1e12, le=1e12)
    rise_fast: float = Knob(0.0, "Height that the plane gains along a line.", ge=-1e12, le=1e12)


@step("level.given", Given, version="1")
def level_given(field: Field, params: Given) -> Leveled:
    """Subtract a plane that is given, in the unit of the heights.

    When not to use it: to find the tilt of a scan; `level.plane` and `level.auto` do that.
    """
    y, x = centered(field.shape[0])[:, None], centered(field.shape[1])
    return Leveled(field.heights - (params.offset + 0.5 * params.rise_slow * y + 0.5 * params.rise_fast * x))
