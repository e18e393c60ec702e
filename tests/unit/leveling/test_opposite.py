"""Line offsets that only one scan direction shows go, where edges along the lines forbid the others."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.leveling.auto import Auto, level_auto
from afmend.leveling.opposite import offsets_apart
from afmend.pipeline import Field
from support import rough

SHAPE = (140, 170)
PIXEL_NM = (2.0, 3.0)
NOISE_NM = 0.05


def noise(seed: int) -> np.ndarray:
    return NOISE_NM * np.random.default_rng(seed).standard_normal(SHAPE)


def offsets(seed: int, nm: float = 0.6) -> np.ndarray:
    return nm * np.random.default_rng(seed).standard_normal(SHAPE[0])[:, None]


def grating() -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    return 5.0 * np.tanh(8.0 * np.sin(2 * np.pi * (y + 0.004 * x) / 17))


def nowhere() -> np.ndarray:
    return np.zeros(SHAPE, dtype=bool)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean((values - values.mean()) ** 2)))


def level(z: np.ndarray, opposite: np.ndarray | None, bad: np.ndarray | None = None, **knobs: object):
    done = level_auto(Field(z, None, PIXEL_NM, opposite=opposite, opposite_excluded=bad), Auto(max_degree=0, **knobs))
    return done.heights, dict(done.facts)


def pair(seed: int = 1, common: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = grating() + common * offsets(9)
    return truth, truth + noise(seed) + offsets(2), truth + noise(seed + 1) + offsets(3)


def test_half_of_what_the_directions_differ_by_goes_where_edges_run_along_the_lines():
    truth, trace, retrace = pair()
    alone, facts = level(trace, None)
    assert facts["line_doubt"] == "edges_along_lines"
    assert facts["line_apart_nm"] == 0.0
    both, facts = level(trace, retrace)
    assert facts["line_model"] == "offset"
    assert facts["line_apart_share"] == pytest.approx(0.5, abs=0.15)
    assert rms(both - truth) < 0.8 * rms(alone - truth)
    assert facts["line_sigma_median_nm"] > 0.0
    off, facts = level(trace, retrace, use_opposite=False)
    assert facts["line_apart_nm"] == 0.0
    assert np.array_equal(off, alone)


def test_columns_are_lines_as_well():
    truth, trace, retrace = pair()
    done = level_auto(
        Field(trace.T.copy(), None, PIXEL_NM[::-1], opposite=retrace.T.copy()), Auto(max_degree=0, line_axis="columns")
    )
    assert np.array_equal(done.heights.T, level(trace, retrace, line_axis="rows")[0])
    assert rms(done.heights.T - truth) < 0.6


def test_what_the_directions_share_stays():
    _, trace, retrace = pair(common=1.0)
    lines = offsets_apart(trace, retrace, nowhere(), 1.0).offset
    assert abs(np.corrcoef(lines, offsets(9)[:, 0])[0, 1]) < 0.2


def test_an_edge_displaced_by_hysteresis_is_no_line_offset():
    surface = 3.0 * rough(SHAPE, smooth_px=2) + 8.0 * (np.arange(SHAPE[1]) > 90 + 0.2 * np.arange(SHAPE[0])[:, None])
    lines = offsets_apart(surface + noise(1), np.roll(surface, 3, axis=1) + noise(2), nowhere(), 1.0)
    assert not lines.offset.any()


@pytest.mark.parametrize("how", ["other noise", "masked", "few lines", "the same", "lost"])
def test_a_bad_opposite_does_no_harm(how):
    truth, trace, _ = pair()
    retrace, bad = truth + noise(8) + offsets(3, 20.0), nowhere()
    if how == "masked":
        retrace[:, ::2] = np.nan
        bad[:] = True
    elif how == "few lines":
        bad[10:] = True
    elif how == "the same":
        retrace = trace.copy()
    elif how == "lost":
        retrace = truth + noise(8)
        retrace[30:34] += 900.0
    alone, _ = level(trace, None)
    both, facts = level(trace, retrace, bad)
    assert rms(both - truth) < 1.05 * rms(alone - truth)
    assert 0.0 <= facts["line_apart_share"] <= 1.0


def test_the_clean_direction_is_not_blamed():
    truth = 0.2 * rough(SHAPE, smooth_px=4)
    apart = offsets_apart(truth + noise(1), truth + noise(2) + offsets(3, 2.0), nowhere(), 1.0)
    assert apart.share < 0.05
    apart = offsets_apart(truth + noise(1) + offsets(3, 2.0), truth + noise(2), nowhere(), 1.0)
    assert apart.share > 0.95
