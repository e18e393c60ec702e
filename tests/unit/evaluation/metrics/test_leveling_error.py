import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from afmend.errors import BadParameterError
from afmend.evaluation.metrics.gauge import gauge_free_difference, gauge_free_rmse
from afmend.evaluation.metrics.leveling import details_of, leveling_error, split_lines
from support import rough

SHAPE = (40, 64)


def by_lstsq(error: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Fit polynomials of degree 2 of all rows and columns at once, the slow way."""
    rows, cols = error.shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : cols * 1j]
    i, j = np.mgrid[:rows, :cols]
    columns = [np.where(i == k, x**p, 0)[usable] for k in range(rows) for p in range(3)]
    columns += [np.where(j == k, y**p, 0)[usable] for k in range(cols) for p in range(3)]
    made = np.stack(columns, axis=1)
    found = np.zeros(error.shape)
    found[usable] = made @ np.linalg.lstsq(made, error[usable], rcond=None)[0]
    return found


@pytest.mark.parametrize("holes", [False, True])
def test_lines_are_what_least_squares_over_all_rows_and_columns_finds(holes):
    error = rough(SHAPE, 4, 1.0)
    usable = np.ones(SHAPE, bool)
    if holes:
        usable[7:10, 5:50] = usable[20:, 30:33] = False
    lines, rest = split_lines(error, usable)
    assert np.abs(lines + rest - np.where(usable, error, 0)).max() < 1e-12
    assert np.abs(lines - by_lstsq(error, usable)).max() < (0.02 if holes else 1e-10), "three turns are close"


def test_what_leveling_can_do_is_seen_whole():
    truth = rough(SHAPE, 1, 3.0)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    usable = rng.random(SHAPE) > 0.2
    usable[3] = False
    usable[4, 9:] = False  # too few pixels: no fit
    rows, columns = rng.normal(0, 0.5, (3, SHAPE[0], 1)), rng.normal(0, 0.5, (3, 1, SHAPE[1]))
    for wrong in (
        rows[0] + rows[1] * x,
        rows[2] * x**2,
        columns[0] + columns[1] * y,
        0.4 * x**3 * y - 0.2 * y**5 + 0 * x,
    ):
        heights = truth + np.where(np.arange(SHAPE[0])[:, None] == 4, 0, wrong)
        full = gauge_free_rmse(heights, truth, usable=usable)
        found = leveling_error(heights, truth, usable=usable)
        assert found.total == pytest.approx(full, rel=0.05)
        assert found.lines == pytest.approx(full, rel=0.05)
    y, x = y * 1e3, x * 1e3
    assert leveling_error(truth + 3 * x - y + 0.1 * x * y, truth, usable=usable).total < 1e-6


def test_noise_hardly_counts_and_blur_gains_nothing_from_it():
    truth = rough((120, 140), 3, 4.0)
    noise = np.random.default_rng(1).normal(0, 0.6 * truth.std(), truth.shape)
    noisy, blurred = truth + noise, gaussian_filter(truth + noise, 1.5)
    assert gauge_free_rmse(blurred, truth) < 0.7 * gauge_free_rmse(noisy, truth), "the full error falls for it"
    plain, smooth = leveling_error(noisy, truth), leveling_error(blurred, truth)
    assert plain.lines < 0.3 * plain.rest
    assert smooth.topography > 3 * plain.topography
    assert smooth.total > plain.total
    whole = gauge_free_difference(noisy, truth)
    parts = plain.lines**2 + plain.topography**2 + plain.rest**2
    assert parts == pytest.approx(np.mean(whole**2))


def test_details_are_made_once():
    truth = rough(SHAPE, 1, 3.0)
    usable = np.ones(SHAPE, bool)
    usable[5:9] = False
    details = details_of(truth, usable)
    assert np.abs(details @ details.T - np.eye(len(details))).max() < 1e-12
    heights = gaussian_filter(truth, 2)
    assert leveling_error(heights, truth, usable=usable) == leveling_error(
        heights, truth, usable=usable, details=details
    )
    assert details_of(np.zeros(SHAPE)).shape == (0, truth.size)
    assert leveling_error(heights, np.zeros(SHAPE)).topography == 0
    with pytest.raises(BadParameterError, match="same mask"):
        leveling_error(heights, truth, details=details)
