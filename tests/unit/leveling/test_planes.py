"""Planes, polynomials, facets, three points: closed forms."""

import os
import subprocess
import sys

import numpy as np
import pytest

from afmend.catalogue import find_step
from afmend.errors import BadParameterError, StepError
from afmend.leveling.moments import basis, line_moments, positions, products
from afmend.pipeline import Field, Leveled
from support import ROOT, assert_heights_close, rough

SHAPE = (31, 46)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)


def run(step: str, heights: np.ndarray, mask: np.ndarray | None = None, **params: object) -> Leveled:
    found = find_step(step)
    return found.kernel(Field(heights, mask, (2.0, 3.0)), found.params.parse(params))


def test_moments_are_sums_over_usable_pixels():
    heights, usable = rough(SHAPE), np.random.default_rng(1).random(SHAPE) < 0.7
    usable[4] = True
    data, mass = line_moments(heights, usable, 2)
    along = basis(SHAPE[1], 4)
    assert_heights_close(data, np.einsum("rc,kc->rk", heights * usable, along[:3]), atol_nm=1e-12)
    assert_heights_close(mass, np.einsum("rc,kc->rk", usable.astype(float), along), atol_nm=1e-12)
    assert_heights_close(along[1] * along[2], products(2)[1, 2] @ along, atol_nm=1e-14)
    assert positions(1).tolist() == [0.0]


@pytest.mark.parametrize("method", ["least_squares", "robust"])
def test_plane_is_removed_and_its_slopes_are_told(method):
    mask = (X > 20) & (Y > 15)
    heights = 70 + 0.3 * X - 0.2 * Y + 40.0 * mask
    done = run("level.plane", heights, mask, method=method)
    assert_heights_close(done.heights, 40.0 * mask, atol_nm=1e-11)
    assert done.facts["slope_fast_per_px"] == pytest.approx(0.3)
    assert done.facts["slope_slow_per_px"] == pytest.approx(-0.2)


def test_robust_plane_does_not_see_a_fifth_of_features():
    rng = np.random.default_rng(3)
    features = (X > 30) & (Y > 10)
    assert features.mean() > 0.2
    heights = 0.3 * X - 0.2 * Y + 20 * features + rng.normal(0, 0.1, SHAPE)
    slope = [run("level.plane", heights, method=m).facts["slope_fast_per_px"] for m in ("least_squares", "robust")]
    assert abs(slope[0] - 0.3) > 0.2
    assert abs(slope[1] - 0.3) < 0.003


def test_plane_of_gwyddion_turns_about_half_the_size():
    heights = 70 + 0.3 * X - 0.2 * Y
    done = run("level.plane", heights, constant="gwyddion").heights
    assert_heights_close(done, np.full(SHAPE, 70 + 0.3 * SHAPE[1] / 2 - 0.2 * SHAPE[0] / 2), atol_nm=1e-11)


def test_single_line_has_no_slow_slope():
    done = run("level.plane", 5 + 0.5 * X[:1])
    assert_heights_close(done.heights, np.zeros((1, SHAPE[1])), atol_nm=1e-12)
    assert done.facts["slope_slow_per_px"] == 0


@pytest.mark.parametrize("step", ["level.plane", "level.polynomial"])
@pytest.mark.parametrize("usable", [np.zeros(SHAPE, bool), Y == 3, (X == 3) & (Y < 2)])
def test_too_few_pixels_are_an_error(step, usable):
    with pytest.raises(StepError, match="do not determine a background of"):
        run(step, rough(SHAPE), ~usable)


@pytest.mark.parametrize("degree", [0, 1, 2, 5, 11])
@pytest.mark.parametrize("degrees", ["total", "independent"])
def test_polynomial_of_any_degree_is_removed(degree, degrees):
    rng = np.random.default_rng(degree)
    x, y = positions(SHAPE[1]), positions(SHAPE[0])[:, None]
    heights = sum(
        rng.normal() * x**i * y**j
        for i in range(degree + 1)
        for j in range(degree + 1)
        if degrees == "independent" or i + j <= degree
    ) + np.zeros(SHAPE)
    mask = rng.random(SHAPE) < 0.3
    done = run("level.polynomial", heights + 9 * mask, mask, degrees=degrees, degree_fast=degree, degree_slow=degree)
    assert_heights_close(done.heights, 9.0 * mask, atol_nm=1e-9)


def test_polynomial_far_from_its_pixels_is_refined():
    mask = (X > 22) | (Y > 14)
    heights = 1e3 + 2e-5 * X**3 * Y - 0.01 * Y**3
    done = run("level.polynomial", heights, mask, degrees="total", degree_fast=4)
    assert_heights_close(done.heights[~mask], np.zeros(int((~mask).sum())), atol_nm=1e-9)


def test_degree_beyond_eleven_is_refused():
    with pytest.raises(BadParameterError, match="degree_fast"):
        find_step("level.polynomial").params.parse({"degree_fast": 12})


def test_facet_levels_terraces_where_a_plane_does_not():
    terraces = np.floor((X + 0.01 * Y) / 12) * 0.31
    heights = terraces + 0.05 * X - 0.02 * Y + np.random.default_rng(0).normal(0, 1e-3, SHAPE)
    done = run("level.facet", heights)
    assert done.facts["slope_fast_per_px"] == pytest.approx(0.05, abs=5e-4)
    assert done.facts["slope_slow_per_px"] == pytest.approx(-0.02, abs=5e-4)
    assert abs(run("level.plane", heights).facts["slope_fast_per_px"] - 0.05) > 0.02


def test_facet_of_a_perfect_plane_and_of_nothing():
    done = run("level.facet", 0.5 * X + 0.25 * Y)
    assert np.ptp(done.heights) < 1e-9
    assert done.facts["iterations"] <= 2
    assert run("level.facet", np.zeros(SHAPE)).facts["iterations"] == 0
    assert run("level.facet", rough(SHAPE), iterations=3).facts["iterations"] == 3
    with pytest.raises(StepError, match="2 x 2"):
        run("level.facet", rough(SHAPE), (X % 2 == 0))


def test_three_point_plane_goes_through_the_points():
    bump = (abs(X - 20) < 5) & (abs(Y - 15) < 5)
    heights = 4 + 0.3 * X - 0.2 * Y + 9 * bump
    points = [[0, 0], [40, 3], [6, 29]]
    done = run("level.three_point", heights, points=points, radius_px=3)
    assert_heights_close(done.heights, 9.0 * bump, atol_nm=1e-12)
    assert done.facts["points"] == points
    kept = run("level.three_point", heights, radius_px=3, constant="keep_mean").heights
    assert kept.mean() == pytest.approx(heights.mean())
    assert np.ptp(kept - 9 * bump) < 1e-9


@pytest.mark.parametrize(
    ("points", "reason"),
    [([[0, 0], [10, 10], [20, 20]], "on one line"), ([[0, 0], [46, 3], [3, 20]], "outside the image"),
     ([[1, 5], [44, 3], [3, 20]], "no usable pixel")],
)  # fmt: skip
def test_three_bad_points(points, reason):
    with pytest.raises(StepError, match=reason):
        run("level.three_point", rough(SHAPE), (Y == 5), points=points)


@pytest.mark.parametrize(("fast", "slow", "expected"), [(0.5, 0.1, "rows"), (0.1, 0.5, "columns"), (0.0, 0.0, "rows")])
def test_smart_flatten_follows_the_dominant_slope(fast, slow, expected):
    mask = (abs(X - 20) < 5) & (abs(Y - 15) < 5)
    heights = fast * X + slow * Y + 30 * mask
    done = run("level.smart_flatten", heights, mask, degree=1)
    assert done.facts["direction"] == expected
    flat = heights[~mask].mean()
    assert_heights_close(done.heights[~mask], np.full(int((~mask).sum()), flat), atol_nm=1e-10)


def test_smart_flatten_both_ways_removes_what_one_way_leaves():
    x, y = positions(SHAPE[1]), positions(SHAPE[0])[:, None]
    rows = np.random.default_rng(0).normal(0, 1, (SHAPE[0], 1))
    heights = 5 * x**2 + rows * x + 3 * y
    one = run("level.smart_flatten", heights, direction="columns", degree=1).heights
    both = run("level.smart_flatten", heights, direction="columns", degree=2, bidirectional=True)
    assert np.ptp(one) > 0.5
    assert np.ptp(both.heights) < 1e-9
    assert both.facts == {"direction": "columns", "lines_borrowed": 0}


def test_topostats_finds_bumps_and_keeps_their_height():
    bump = (abs(X - 20) < 4) & (abs(Y - 15) < 4)
    noise = np.random.default_rng(0).normal(0, 0.05, SHAPE)
    rows = np.random.default_rng(1).normal(0, 2, (SHAPE[0], 1))
    heights = 0.2 * X + 0.002 * (X - 23) ** 2 + rows + 5 * bump + noise
    absolute = {"threshold_method": "absolute", "threshold_absolute_below": -2.5, "threshold_absolute_above": 2.5}
    for params in ({}, {"threshold_method": "otsu"}, absolute):
        done = run("level.topostats", heights, **params)
        assert np.mean(done.foreground == bump) > 0.995
        ground = done.heights[~bump]
        assert done.heights[bump].mean() - ground.mean() == pytest.approx(5, abs=0.1)
        assert ground.std() < 0.1
    assert "threshold_below" not in run("level.topostats", heights, threshold_method="otsu").facts


def test_topostats_leaves_a_row_without_usable_pixels_and_needs_some_lines():
    heights = rough(SHAPE)
    mask = Y == 7
    assert np.isfinite(run("level.topostats", heights, mask, row_alignment_quantile=0.3).heights).all()
    with pytest.raises(StepError, match="too few lines"):
        run("level.topostats", heights, X > 1)


def test_looking_at_parameters_loads_no_compiler():
    code = (
        "import sys; from afmend.catalogue import BUILT_IN, find_step\n"
        "[find_step(s) for s in BUILT_IN if s.startswith(('level.', 'filter.'))]\n"
        "assert not {'numba', 'scipy', 'cv2'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
