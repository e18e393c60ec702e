import math

import numpy as np
import pytest

from afmend.errors import BadParameterError, BadScanError, StepError
from afmend.evaluation.metrics.seed import mean_gradient, rmse_line, sigma_bg, tilt_removal
from support import rough

SHAPE = (23, 41)


def background() -> np.ndarray:
    mask = np.random.default_rng(0).random(SHAPE) < 0.8
    mask[7] = False
    mask[8, 2:] = False
    return mask


def test_sigma_bg_is_the_spread_of_the_background():
    z, mask = rough(SHAPE) + 5.0, background()
    assert sigma_bg(z) == pytest.approx(1.0)
    assert sigma_bg(np.where(mask, z, np.nan), background=mask) == pytest.approx(z[mask].std())
    assert sigma_bg(np.full(SHAPE, 3.0)) == 0  # the perfect score of no surface at all


@pytest.mark.parametrize("order", [0, 1, 3])
def test_rmse_line_against_polyfit(order):
    z, mask = rough(SHAPE, 1, 3.0), background()
    for along, heights, counts in (("fast", z, mask), ("slow", z.T, mask.T)):
        want = []
        for line, there in zip(heights, counts, strict=True):
            x = np.flatnonzero(there)
            if x.size > order:
                rest = line[x] - np.polyval(np.polyfit(x / 20, line[x], order), x / 20)
                want.append(np.sqrt(np.mean(rest**2)))
        got = rmse_line(np.where(mask, z, np.nan), order=order, along=along, background=mask)
        assert got == pytest.approx(np.mean(want), abs=1e-10)


def test_rmse_line_rewards_every_higher_order():
    z = rough(SHAPE)
    values = [rmse_line(z, order=order, along="fast") for order in range(6)]
    assert values == sorted(values, reverse=True)
    assert math.isnan(rmse_line(z, order=1, along="fast", background=np.zeros(SHAPE, bool)))


def test_mean_gradient_of_a_plane_per_pixel():
    z = np.add.outer(0.3 * np.arange(SHAPE[0]), 0.4 * np.arange(SHAPE[1]))
    assert mean_gradient(z) == pytest.approx(0.5)
    mask = background()
    rng = np.random.default_rng(1)
    z += rng.random(SHAPE)
    slow, fast = np.gradient(z)
    assert mean_gradient(z, background=mask) == pytest.approx(np.mean(np.sqrt(slow**2 + fast**2)[mask]))
    far = np.zeros(SHAPE, bool)
    far[10:] = True
    z[0, 0] = np.inf
    assert mean_gradient(z, background=far) > 0


def test_tilt_removal_of_planes():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    before = 3.0 * y + 8.0 * x  # pixels of 1 nm x 2 nm: slopes of 3 and 4
    after = 2.0 * x + 50.0
    mask = background()
    for counts in (None, mask):
        got = tilt_removal(before, after, pixel_nm=(1.0, 2.0), background=counts)
        assert got == pytest.approx(1 - 1 / 5)
    assert tilt_removal(before, np.zeros(SHAPE), pixel_nm=(1.0, 2.0)) == 1
    assert tilt_removal(before, 2 * before, pixel_nm=(1.0, 2.0)) == pytest.approx(-1)
    assert math.isnan(tilt_removal(np.zeros(SHAPE), after, pixel_nm=(1.0, 2.0)))


def test_bad_input_is_refused():
    z = rough(SHAPE)
    none = np.zeros(SHAPE, bool)
    with pytest.raises(BadParameterError, match="along is 'rows'"):
        rmse_line(z, order=1, along="rows")
    with pytest.raises(BadParameterError, match="order is -1"):
        rmse_line(z, order=-1, along="fast")
    with pytest.raises(StepError, match="no pixel to measure"):
        sigma_bg(z, background=none)
    with pytest.raises(StepError, match="no pixel with a gradient"):
        mean_gradient(z, background=none)
    with pytest.raises(StepError, match="no pixel with a gradient"):
        mean_gradient(z[:1])
    with pytest.raises(BadScanError, match="shape"):
        tilt_removal(z, z[1:], pixel_nm=(1.0, 1.0))
    for call in (
        sigma_bg,
        lambda h: rmse_line(h, order=1, along="fast"),
        mean_gradient,
        lambda h: tilt_removal(z, h, pixel_nm=(1.0, 1.0)),
    ):
        with pytest.raises(StepError, match="not finite"):
            call(z * np.nan)
