"""Row leveling: closed forms, lines with few usable pixels."""

import numpy as np
import pytest

from afmend.catalogue import find_step
from afmend.errors import StepError
from afmend.leveling import lines
from afmend.pipeline import Field, Leveled
from support import assert_heights_close, rough

SHAPE = (27, 64)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
OFFSET_METHODS = ("median", "mean", "trimmed_mean", "modus", "matching", "median_difference", "trimmed_mean_difference")


def run(heights: np.ndarray, mask: np.ndarray | None = None, **params: object) -> Leveled:
    found = find_step("level.rows")
    return found.kernel(Field(heights, mask, (2.0, 3.0)), found.params.parse(params))


def offsets(seed: int = 0) -> np.ndarray:
    """Row offsets that hold neither a mean nor a straight line."""
    values, y = np.random.default_rng(seed).normal(0, 5, SHAPE[0]), np.arange(SHAPE[0])
    return (values - np.polyval(np.polyfit(y, values, 1), y))[:, None]


def test_centers_of_sorted_lines():
    heights = np.array([[4.0, 1, 3, 2], [9, 9, 9, 9], [5, 1, 0, 7]])
    usable = np.array([[True] * 4, [False] * 4, [True, True, False, False]])
    ordered, counts = lines.sorted_usable(heights, usable)
    assert counts.tolist() == [4, 0, 2]
    assert lines.medians(ordered, counts)[[0, 2]].tolist() == [2.5, 3.0]
    assert lines.medians(ordered, counts, upper=True)[[0, 2]].tolist() == [3.0, 5.0]
    assert np.isnan(lines.medians(ordered, counts)[1])
    assert lines.trimmed_means(ordered, counts, 0.25)[0] == 2.5
    assert lines.trimmed_means(ordered, counts, 0.5, upper=True)[0] == 3.0
    assert lines.upper_median(np.array([3.0, 1.0, 2.0, 9.0])) == 3.0


def test_mode_is_the_densest_stretch_whatever_the_unit():
    values = np.array([0.0, 1, 2, 3, 10, 10.1, 10.2, 30, 40, 50])
    assert lines.modes(values[None], np.array([10]))[0] == pytest.approx(10.1)
    steps = np.repeat(np.arange(6.0), 4)[None] * 0.1
    for unit in (1.0, 1e-9, 3.0):
        assert lines.modes(steps * unit, np.array([24]))[0] / unit == pytest.approx(
            lines.modes(steps, np.array([24]))[0]
        )


@pytest.mark.parametrize(
    ("method", "convention"),
    # Gwyddion's matching lets the right pixel of a pair steer, masked or not.
    [(m, c) for m in OFFSET_METHODS for c in ("afmend", "gwyddion") if (m, c) != ("matching", "gwyddion")],
)
def test_offsets_are_removed(method, convention):
    line = rough((1, SHAPE[1]), 4)
    mask = (abs(X - 20) < 6) & (abs(Y - 15) < 5)
    done = run(line + offsets() + 30 * mask, mask, method=method, convention=convention).heights
    if method.endswith("difference"):
        assert np.ptp(done[~mask] - np.broadcast_to(line, SHAPE)[~mask]) < 1e-10
    else:  # masked lines have fewer pixels of the line, and so another center
        clear = ~mask.any(axis=1)
        assert np.ptp((done - line)[clear]) < 1e-10


def test_ignoring_the_mask_lets_a_feature_sink_its_lines():
    mask = (X < 40) & (abs(Y - 15) < 5)
    heights = 9.0 * mask
    assert np.ptp(run(heights, mask).heights[~mask]) == 0
    assert np.ptp(run(heights, mask, use_mask=False).heights[~mask]) == 9


def test_vertical_and_both():
    tall = rough(SHAPE, 2)
    columns = run(tall, direction="vertical").heights
    assert_heights_close(columns, run(tall.T).heights.T, atol_nm=0)
    both = run(tall, direction="both").heights
    assert_heights_close(both, run(run(tall).heights, direction="vertical").heights, atol_nm=0)


@pytest.mark.parametrize("method", ["median", "mean", "polynomial"])
def test_lines_with_few_pixels_take_what_their_neighbors_have(method):
    drift = 0.1 * (Y - SHAPE[0] // 2)
    mask = (Y == 10) | (Y == 0) | ((Y == 20) & (X > 2))
    done = run(drift + 30 * mask, mask, method=method, degree=2).heights
    assert done[10, 5] - done[9, 5] == pytest.approx(30)
    assert done[20, 30] - done[19, 30] == pytest.approx(30)


@pytest.mark.parametrize("method", OFFSET_METHODS)
def test_lines_with_few_pixels_as_gwyddion_has_them(method):
    heights = rough(SHAPE, 3) + offsets(2)
    mask = (Y == 10) | ((Y == 20) & (X > 2))
    ours, theirs = (run(heights, mask, method=method, convention=c).heights for c in ("afmend", "gwyddion"))
    assert np.isfinite(theirs).all()
    assert np.abs(ours - theirs)[10].max() > 1e-6


def test_neighbors_without_a_common_pixel_are_compared_by_their_medians():
    mask = (X < 32) ^ (Y % 2 == 0)
    heights = offsets() + np.zeros(SHAPE)
    for method in ("median_difference", "matching"):
        assert np.ptp(run(heights, mask, method=method).heights) < 1e-10


@pytest.mark.parametrize("unit", ["dimensionless", "nm"])
def test_only_the_dimensionless_weight_does_not_know_the_unit(unit):
    heights = rough(SHAPE, 3, smooth_px=1.0) + offsets()
    done = run(heights, method="matching", weight_unit=unit).heights
    thousandth = run(heights / 1000, method="matching", weight_unit=unit).heights * 1000
    worst = np.abs(done - thousandth).max()
    assert worst < 1e-9 if unit == "dimensionless" else worst > 1e-3


def test_in_meters_all_pixels_weigh_the_same():
    heights = rough(SHAPE, 3, smooth_px=1.0) + offsets()
    step = np.mean((np.diff(heights, axis=0)[:, 1:] + np.diff(heights, axis=0)[:, :-1]) / 2, axis=1)
    removed = (heights - run(heights, method="matching", weight_unit="m").heights)[:, 0]
    assert np.abs(np.diff(removed) - step).max() < 1e-6


def test_line_polynomials_borrow_their_shape_rather_than_run_wild():
    shape = 0.01 * (X - 20) ** 2
    noise = np.random.default_rng(0).normal(0, 0.1, SHAPE)
    heights = shape + offsets() + noise
    mask = (Y == 12) & ((X < 30) | (X > 40))
    done = run(heights, mask, method="polynomial", degree=3)
    assert done.facts["lines_borrowed"] == 1
    assert np.ptp(done.heights) < 2
    wild = run(heights, mask, method="polynomial", degree=3, convention="gwyddion").heights
    assert np.ptp(wild) > 20


def test_line_polynomials_without_a_line_that_carries_one_are_offsets():
    mask = X > 12
    done = run(offsets() + np.zeros(SHAPE), mask, method="polynomial", degree=5)
    assert done.facts["lines_borrowed"] == SHAPE[0]
    assert np.ptp(done.heights) < 1e-10


def test_gwyddion_raises_lines_without_fit_by_the_mean_of_the_image():
    heights = 50 + rough(SHAPE)
    mask = Y == 10
    done = run(heights, mask, method="polynomial", convention="gwyddion").heights
    assert_heights_close(done[10], heights[10] + heights.mean(), atol_nm=1e-10)
    flat = run(heights, mask, method="polynomial", degree=0, convention="gwyddion").heights
    assert_heights_close(flat, run(heights, mask, method="mean", convention="gwyddion").heights, atol_nm=0)


def test_facet_tilt_turns_lines_and_keeps_offsets():
    slopes = np.random.default_rng(0).normal(0, 0.2, (SHAPE[0], 1))
    middle = (SHAPE[1] - 1) / 2
    terraces = 2.0 * (X > 40)
    mask = (Y == 5) & (X > 3)
    heights = terraces + slopes * (X - middle) + offsets()
    done = run(heights, mask, method="facet_tilt").heights
    kept = Y != 5
    assert_heights_close(done[kept[:, 0]], (terraces + offsets())[kept[:, 0]], atol_nm=1e-6)
    assert_heights_close(done[5], heights[5], atol_nm=0)
    assert_heights_close(run(heights * 0, method="facet_tilt").heights, heights * 0, atol_nm=0)


@pytest.mark.parametrize("method", ["median", "polynomial", "median_difference"])
@pytest.mark.parametrize("convention", ["afmend", "gwyddion"])
def test_no_usable_line_is_an_error(method, convention):
    mask = X > 2
    if convention == "gwyddion" and method != "median":
        assert np.isfinite(run(rough(SHAPE), mask, method=method, convention=convention).heights).all()
        return
    with pytest.raises(StepError, match="usable pixels that an offset needs"):
        run(rough(SHAPE), mask, method=method, convention=convention)
