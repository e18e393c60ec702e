"""Leveling by a polynomial surface."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.leveling.moments import surface_coefficients, without_surface
from afmend.pipeline import Field, Knob, Leveled, Params, step


class Polynomial(Params):
    """Subtract a polynomial surface."""

    degrees: Literal["total", "independent"] = Knob(
        "total",
        "'total': terms x^i y^j with i + j up to the larger degree; 'independent': i and j each up to its own.",
    )
    degree_fast: int = Knob(2, "Highest degree along the fast axis; larger follows more bow.", ge=0, le=11, step=1,
                            recommended=(1, 3))  # fmt: skip
    degree_slow: int = Knob(2, "Highest degree along the slow axis; larger follows more bow.", ge=0, le=11, step=1,
                            recommended=(1, 3))  # fmt: skip


@step("level.polynomial", Polynomial, version="1")
def polynomial(field: Field, params: Polynomial) -> Leveled:
    """Fit a polynomial to the usable pixels and subtract it from all; their mean becomes zero.

    Exact least squares in Legendre polynomials. High degrees bend around features that are not masked, and run wild
    under large masks: mark the features first, and keep the degree low.

    Raises
    ------
    StepError
        If the usable pixels do not determine so many terms.
    """
    slow, fast = params.degree_slow, params.degree_fast
    if params.degrees == "total":
        slow = fast = max(slow, fast)
    i, j = np.arange(fast + 1), np.arange(slow + 1)[:, None]
    terms = i + j <= fast if params.degrees == "total" else np.ones((slow + 1, fast + 1), dtype=np.bool_)
    return Leveled(without_surface(field.heights, surface_coefficients(field.heights, field.usable, terms)))
