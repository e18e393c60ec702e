import math

import numpy as np
import pytest

from afmend.errors import BadScanError, StepError
from afmend.evaluation.metrics.metrology import (
    roughness_bias,
    step_height_in,
    step_height_in_error,
    terrace_areas,
)
from support import rough

SHAPE = (64, 96)
PIXEL_NM = (2.0, 3.0)


def wave(amplitude: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Eight whole periods along the fast axis: Sq is amplitude / sqrt 2."""
    return np.tile(amplitude * np.sin(2 * np.pi * 8 * (np.arange(shape[1]) + 0.5) / shape[1]), (shape[0], 1))


def tilted(heights: np.ndarray, slow: float = 0.3, fast: float = -0.2) -> np.ndarray:
    return heights + np.add.outer(slow * np.arange(heights.shape[0]), fast * np.arange(heights.shape[1])) + 100.0


def test_roughness_bias_of_a_flattened_wave():
    got = roughness_bias(tilted(wave(0.8)), wave(1.0), pixel_nm=PIXEL_NM)
    assert got.Sq_percent == pytest.approx(-20, abs=1e-9)
    assert got.Sdq_percent == pytest.approx(-20, abs=1e-9)
    as_is = roughness_bias(wave(0.8) + 5.0, wave(1.0), degree=None)
    assert as_is.Sq_percent == pytest.approx(-20, abs=1e-9)
    assert math.isnan(as_is.Sdq_percent)
    assert roughness_bias(tilted(wave(1.0)), wave(1.0), degree=None).Sq_percent > 100


def test_skewness_bias():
    truth = np.exp(rough(SHAPE, 1))
    usable = np.random.default_rng(0).random(SHAPE) < 0.9
    got = roughness_bias(-truth, truth, usable=usable)
    assert got.Ssk_percent == pytest.approx(-200)
    z = truth[usable] - truth[usable].mean()
    plain = roughness_bias(-truth, truth, usable=usable, degree=0)
    assert plain.Ssk_difference == pytest.approx(-2 * np.mean(z**3) / np.mean(z**2) ** 1.5)


def test_a_flat_truth_has_no_bias():
    got = roughness_bias(rough(SHAPE), tilted(np.zeros(SHAPE)), pixel_nm=PIXEL_NM)
    assert all(math.isnan(v) for v in (got.Sq_percent, got.Ssk_percent, got.Sdq_percent, got.Ssk_difference))


def stairs(step: float = 0.5, noise: float = 0.03) -> tuple[np.ndarray, np.ndarray]:
    levels = np.floor(np.add.outer(0.3 * np.arange(SHAPE[0]), np.arange(SHAPE[1])) / 40)
    return step * levels + np.random.default_rng(0).normal(0, noise, SHAPE), levels


def test_terraces_of_a_known_surface():
    truth, levels = stairs()
    usable = np.ones(SHAPE, bool)
    usable[:, 90:] = False
    truth[20:23, 60:63] += 5.0
    areas = terrace_areas(truth, usable)
    assert len(areas) == 3
    for k, area in enumerate(areas):
        assert 0.6 * (usable & (levels == k)).sum() < area.sum()
        assert (levels[area] == k).all()
        assert not area[:, 90:].any()
        assert not area[18:25, 58:65].any(), "a particle is no terrace, nor is its rim"
    assert terrace_areas(rough(SHAPE)) == ()


def test_step_between_known_areas_whatever_the_tilt():
    exact, levels = stairs(noise=0.0)
    upper, lower = levels == 1, levels == 0
    assert abs(step_height_in(tilted(exact), upper, lower) - 0.5) < 1e-10
    noisy, _ = stairs()
    assert abs(step_height_in(tilted(noisy), upper, lower) - 0.5) < 0.01
    assert step_height_in_error(tilted(1.2 * exact), exact, upper, lower) == pytest.approx(20)
    outlier = exact.copy()
    outlier[3, 4] += 5.0
    assert abs(step_height_in(outlier, upper, lower) - 0.5) < 0.02


def test_step_of_areas_on_single_lines():
    z = tilted(np.zeros(SHAPE), slow=0.0)
    z[4] += 1.5
    upper, lower = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    upper[4, 3:50], lower[9, 20:90] = True, True
    assert abs(step_height_in(z, upper, lower) - 1.5) < 1e-10
    assert math.isnan(step_height_in(z, upper, np.zeros(SHAPE, bool)))
    assert math.isnan(step_height_in(z, np.zeros(SHAPE, bool), lower))
    assert math.isnan(step_height_in_error(z, np.zeros(SHAPE), upper, lower))


def test_bad_input_is_refused():
    z = rough(SHAPE)
    area = z > 0
    with pytest.raises(BadScanError, match="overlap"):
        step_height_in(z, area, area)
    with pytest.raises(BadScanError, match="'lower'"):
        step_height_in(z, area, area[1:])
    broken = z.copy()
    broken[2, 3] = np.nan
    with pytest.raises(StepError, match="not finite"):
        step_height_in(broken, area, ~area)
    with pytest.raises(StepError, match="not finite"):
        roughness_bias(broken, z)
    with pytest.raises(StepError, match="true heights"):
        roughness_bias(z, broken, degree=None)
    with pytest.raises(StepError, match="not finite"):
        terrace_areas(broken)
    with pytest.raises(BadScanError, match="shape"):
        step_height_in_error(z, z[1:], area, ~area)
