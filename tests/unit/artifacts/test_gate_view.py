"""What the gate measures scans by: the range of the surface, and both directions without the bow of the scanner."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.artifacts.gate.area_features import line_correlation
from afmend.artifacts.gate.view import Measured, View, half_range
from support import rough

NONE = np.zeros((128, 160), bool)


def surfaces_without_bow() -> dict[str, np.ndarray]:
    y, x = np.mgrid[:128, :160]
    found = {
        "grating across": 10.0 * (x // 20 % 2), "grating along": 10.0 * (y // 24 % 2), "step": 10.0 * (x > 90),
        "rough": rough((128, 160), 4, 3.0, 5.0), "spots": 10.0 * ((y % 40 - 20) ** 2 + (x % 40 - 20) ** 2 < 60),
    }  # fmt: skip
    return {name: z + 0.1 * np.random.default_rng(2).standard_normal(z.shape) for name, z in found.items()}


@pytest.mark.parametrize("name", list(surfaces_without_bow()))
def test_the_range_is_that_of_the_surface_without_bow_scars_and_what_was_not_scanned(name: str) -> None:
    z = surfaces_without_bow()[name]
    y, x = np.mgrid[-1:1:128j, -1:1:160j]
    truth = np.ptp(np.quantile(z, (0.002, 0.998))) / 2
    bowed = z + 80 * x * x - 50 * y * y + 30 * x
    scarred = bowed.copy()
    scarred[[20, 57, 90], 20:140] += 400
    unfinished = bowed.copy()
    unfinished[80:] = -900
    gone = np.zeros(z.shape, bool)
    gone[80:] = True
    least = 0.35 if name in ("grating along", "grating across", "step") else 0.6
    for heights, missing in ((z, None), (bowed, None), (scarred, None), (unfinished, gone)):
        seen = View(Measured(heights, NONE if missing is None else missing)).half_range
        assert least * truth < seen < 1.6 * truth
    assert half_range(View(Measured(bowed, NONE)).flat) > 2.5 * truth


def test_both_directions_are_compared_without_bow_and_one_bad_area_bends_nothing() -> None:
    z = surfaces_without_bow()["rough"]
    noise = 0.1 * np.random.default_rng(8).standard_normal((2, *z.shape))
    x = np.linspace(-1, 1, 160)
    other = z + noise[0] + 60 * x * x
    lost = z + noise[1] - 90 * x * x
    lost[40:50, :70] += 20_000
    view = View(Measured(lost, NONE, other))
    assert view.straight is not None
    rows = line_correlation(*view.straight)
    assert np.delete(rows, range(40, 50)).min() > 0.9 > rows[40:50].max()
    assert View(Measured(z, NONE)).straight is None


def test_columns_of_which_nothing_was_measured_spoil_nothing() -> None:
    z = surfaces_without_bow()["rough"]
    missing = np.zeros(z.shape, bool)
    missing[:, 70:72] = True
    z[missing] = np.nan
    view = View(Measured(z, missing, z.copy(), missing))
    assert np.isfinite(view.raw).all()
    assert view.half_range == pytest.approx(np.ptp(np.nanquantile(z, (0.002, 0.998))) / 2, rel=0.3)
    assert line_correlation(*view.straight).min() > 0.99
