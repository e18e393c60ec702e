"""Roughness and noise from the pair."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.errors import StepError
from afmend.fusion.agreement import _warnings, agreement, cross_spectrum, level_alike
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


def test_common_noise_is_taken_for_the_sample() -> None:
    trace, retrace = pair(0.1, common_nm=0.5)
    assert agreement(scan_of(trace, opposite=retrace)).sq == pytest.approx(np.hypot(1, 0.5), rel=0.03)


def test_nothing_in_common_is_said() -> None:
    trace, retrace = pair(0.1)
    good = np.ones(SHAPE, dtype=bool)
    assert "nothing in common" in _warnings(trace, retrace, good, np.zeros(SHAPE[1]), (0.0, 0.1))[0]
    found = agreement(scan_of(trace, opposite=0.3 * retrace - trace), line_degree=None)
    assert found.sq is None or found.sq < 0.7


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
