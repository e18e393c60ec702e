"""Roughness and noise from the pair."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.errors import StepError
from afmend.fusion.agreement import _warnings, agreement, cross_spectrum, drawn_again, level_alike
from afmend.scan import Masks
from support import assert_heights_close, rough, scan_of

SHAPE = (120, 180)


def pair(noise_nm: float, sq_nm: float = 1.0, common_nm: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    z = rough(SHAPE, 4, sq_nm, 3.0) + common_nm * rng.standard_normal(SHAPE)
    return z + noise_nm * rng.standard_normal(SHAPE), z + noise_nm * rng.standard_normal(SHAPE)


@pytest.mark.parametrize("noise", [0.2, 1.0])
def test_noise_does_not_count_as_roughness(noise: float) -> None:
    trace, retrace = pair(noise)
    found = agreement(scan_of(trace, opposite=retrace), line_degree=None)
    assert found.sq == pytest.approx(1.0, rel=0.02)
    assert found.sq_trace == pytest.approx(np.hypot(1.0, noise), rel=0.02)
    assert found.noise_trace == pytest.approx(noise, rel=0.05)
    assert found.noise_retrace == pytest.approx(noise, rel=0.05)
    assert found.correlation == pytest.approx(1 / (1 + noise**2), abs=0.02)
    assert found.interval is not None
    assert found.interval[0] < 1.0 < found.interval[1]
    assert not found.warnings
    assert "density" not in found.to_json()


def test_offsets_of_lines_and_tilt_do_not_matter() -> None:
    trace, retrace = pair(0.3)
    rng = np.random.default_rng(1)
    trace = trace + rng.standard_normal((SHAPE[0], 1)) * 3 + np.linspace(0, 20, SHAPE[1])
    retrace = retrace + rng.standard_normal((SHAPE[0], 1)) * 3 + np.linspace(0, 20, SHAPE[1])
    found = agreement(scan_of(trace, opposite=retrace))
    assert found.sq == pytest.approx(0.98, rel=0.03)


def test_a_bow_of_one_direction_is_not_its_noise() -> None:
    trace, retrace = pair(0.3)
    u = np.linspace(-1, 1, SHAPE[1])
    plain = agreement(scan_of(trace, opposite=retrace))
    bent = agreement(scan_of(trace, opposite=retrace + 15 * u - 3 * u * u))
    assert bent.sq == pytest.approx(plain.sq, rel=0.02)
    assert bent.noise_retrace == pytest.approx(plain.noise_retrace, rel=0.05)


def test_common_noise_is_taken_for_the_sample() -> None:
    trace, retrace = pair(0.1, common_nm=0.5)
    assert agreement(scan_of(trace, opposite=retrace)).sq == pytest.approx(np.hypot(1, 0.5), rel=0.03)


def test_nothing_in_common_is_said() -> None:
    trace, retrace = pair(0.1)
    good = np.ones(SHAPE, dtype=bool)
    assert "nothing in common" in _warnings(trace, retrace, good, np.zeros(SHAPE[1]), (0.0, 0.1))[0]
    z = rough(SHAPE, 4, 1.0, 15.0)  # wider than the shifts that are looked for
    found = agreement(scan_of(z, opposite=-0.5 * z), line_degree=None)
    assert found.sq is None
    assert found.interval is None
    assert "nothing in common" in found.warnings[0]


def test_the_cross_spectrum_has_the_power_of_the_surface() -> None:
    trace, retrace = pair(1.0)
    good = np.ones(SHAPE, dtype=bool)
    k, density, own = cross_spectrum(trace, retrace, good, 3.0)
    half = 2 * (k[1] - k[0])  # one-sided
    assert float(density.sum() * half) == pytest.approx(1.0, rel=0.1)
    assert float(own.sum() * half) == pytest.approx(2.0, rel=0.1)
    beyond = k > 1.2 / 3
    assert float(np.abs(density[beyond].mean())) < 0.05 * float(own[beyond].mean())
    good[::2, 50:] = False
    _, holes, _ = cross_spectrum(trace, retrace, good, 3.0)
    assert float(holes.sum() * half) == pytest.approx(1.0, rel=0.15)


def test_leveling_alike_is_a_projection() -> None:
    z = rough((20, 50))
    good = np.ones(z.shape, dtype=bool)
    good[3] = False
    once = level_alike(z, good, 1, 1)
    assert_heights_close(level_alike(once, good, 1, 1)[good.any(axis=1)], once[good.any(axis=1)], atol_nm=1e-9)


def test_a_line_with_too_few_pixels_for_its_polynomial_loses_their_mean() -> None:
    z = rough((20, 50)) + 7.0
    good = np.ones(z.shape, dtype=bool)
    good[3], good[3, [10, 30]] = False, True
    made = level_alike(z, good, 0, 2)
    assert_heights_close(made[[3]][:, good[3]].mean(axis=1), np.zeros(1), atol_nm=1e-9)
    away = z[3] - made[3]
    assert_heights_close(away, np.full(50, away[0]), atol_nm=1e-9)
    terms = np.vander(np.linspace(-1, 1, 50), 3)
    exact = z[0] - terms @ np.linalg.lstsq(terms, z[0], rcond=None)[0]
    assert_heights_close(made[0], exact, atol_nm=1e-9)


def test_blocks_of_lines_are_drawn_again_as_a_whole() -> None:
    sums = np.repeat(np.array([[1.0, 10.0], [100.0, 1000.0]]), 6, axis=0)
    drawn = drawn_again(sums, 2, 200)
    assert drawn.shape == (200, 2)
    assert set(drawn[:, 0]) == {12.0, 606.0, 1200.0}
    assert_heights_close(drawn[:, 1], 10 * drawn[:, 0], atol_nm=1e-9)


def test_too_little_is_an_error() -> None:
    trace, retrace = pair(0.1)
    holes = np.ones(SHAPE, dtype=bool)
    holes[:2] = False
    with pytest.raises(StepError, match="too little"):
        agreement(scan_of(trace, opposite=retrace, masks=Masks(artifact={"scar": holes})))
    holes[:] = True
    holes[:, :20] = False
    with pytest.raises(StepError, match="nearly everywhere"):
        agreement(scan_of(trace, opposite=retrace, masks=Masks(artifact={"scar": holes})))


def test_few_pixels_and_a_doubtful_shift_are_warned_of() -> None:
    trace, retrace = pair(0.1)
    holes = np.zeros(SHAPE, dtype=bool)
    holes[:, 70:] = True
    found = agreement(scan_of(trace, opposite=retrace, masks=Masks(artifact={"scar": holes})))
    assert any("half" in text for text in found.warnings)
    good = np.ones(SHAPE, dtype=bool)
    assert any("shift" in text for text in _warnings(trace, retrace, good, np.full(SHAPE[1], 2.0), (0.9, 1.1)))
