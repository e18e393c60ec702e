import math

import numpy as np
import pytest

from afmend.errors import BadParameterError, BadScanError, StepError
from afmend.evaluation.metrics.spectrum import anisotropy_excess, psd_ratio
from support import rough

SHAPE = (96, 160)
PIXEL_NM = (3.0, 2.0)


def waves(slow: int, fast: int) -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.sin(2 * np.pi * (slow * y / SHAPE[0] + fast * x / SHAPE[1]))


def isotropic(seed: int, shape: tuple[int, int] = SHAPE, falling: float = 2.0) -> np.ndarray:
    """Gaussian noise with a spectrum that depends on the length of the frequency alone."""
    k = np.hypot(np.fft.fftfreq(shape[0], PIXEL_NM[0])[:, None], np.fft.rfftfreq(shape[1], PIXEL_NM[1]))
    white = np.fft.rfft2(np.random.default_rng(seed).standard_normal(shape))
    z = np.fft.irfft2(white * (0.02**2 + k * k) ** (-falling / 2), shape)
    return z / z.std()


def test_each_wave_falls_into_its_band():
    # Nyquist: 80 periods along the fast axis; of both 53.3, for the slow pixel is the larger one.
    truth = sum(waves(0, f) for f in (4, 12, 24, 48)) + sum(waves(s, 0) for s in (3, 9, 18, 40))
    heights = sum(a * waves(0, f) for a, f in zip((1, 2, 3, 4), (4, 12, 24, 48), strict=True))
    heights = heights + sum(a * waves(s, 0) for a, s in zip((5, 6, 7, 8), (3, 9, 18, 40), strict=True))
    got = psd_ratio(heights, truth, pixel_nm=PIXEL_NM, degree=0)
    # Along single lines waves of the other axis are constants, which are subtracted.
    assert got.fast == pytest.approx((1, 4, 9, 16), rel=1e-3)
    assert got.slow == pytest.approx((25, 36, 49, 64), rel=1e-3)
    k_fast = [2 * np.pi * f / (SHAPE[1] * PIXEL_NM[1]) / (np.pi / 3) for f in (4, 12, 24, 48)]
    assert k_fast == pytest.approx([0.075, 0.225, 0.45, 0.9])
    assert got.radial == pytest.approx(((1 + 25) / 2, (4 + 36) / 2, (9 + 49) / 2, (16 + 64) / 2), rel=0.01)


def test_what_a_background_does_not_change():
    truth = rough(SHAPE)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    got = psd_ratio(truth + 0.2 * y - 0.1 * x + 3.0, truth, pixel_nm=PIXEL_NM)
    assert [*got.radial, *got.fast, *got.slow] == pytest.approx([1] * 12)
    half = psd_ratio(0.5 * truth, truth, pixel_nm=PIXEL_NM, degree=None)
    assert [*half.radial, *half.fast, *half.slow] == pytest.approx([0.25] * 12)
    nothing = psd_ratio(truth, np.full(SHAPE, 0.1), pixel_nm=PIXEL_NM)
    assert all(math.isnan(v) for v in (*nothing.radial, *nothing.fast, *nothing.slow))


@pytest.mark.parametrize("falling", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("shape", [(96, 160), (200, 120)])
def test_isotropic_surfaces_have_no_excess(shape, falling):
    means = [anisotropy_excess(isotropic(s, shape, falling), pixel_nm=PIXEL_NM).geometric_mean for s in range(12)]
    assert 0.85 < np.exp(np.mean(np.log(means))) < 1.2


def test_line_noise_is_excess_and_row_means_are_missing():
    z = isotropic(1)
    noisy = z + 0.3 * np.random.default_rng(0).standard_normal((SHAPE[0], 1))
    got = anisotropy_excess(noisy, pixel_nm=PIXEL_NM)
    assert got.geometric_mean > 10
    assert got.k_slow[-1] == pytest.approx(np.pi / 3)
    assert (np.diff(got.k_slow) > 0).all()
    assert got.k_slow.shape == got.excess.shape
    assert got.excess[-1] > got.excess[0]
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(SHAPE[1]) + 0.5) / SHAPE[1])
    over = z - (z @ taper / taper.sum())[:, None]
    assert anisotropy_excess(over, pixel_nm=PIXEL_NM, degree=None).geometric_mean < 1e-6


def test_maps_without_an_answer():
    assert math.isnan(anisotropy_excess(np.full(SHAPE, 0.1), pixel_nm=PIXEL_NM).geometric_mean)
    assert math.isnan(anisotropy_excess(rough((4, 5)), pixel_nm=PIXEL_NM).geometric_mean)
    for shape in ((1, 40), (40, 1), (1, 1)):
        got = anisotropy_excess(np.ones(shape), pixel_nm=PIXEL_NM, degree=None)
        assert math.isnan(got.geometric_mean)
        assert got.k_slow.size == 0


def test_exactly_nothing_on_the_line_is_zero(monkeypatch):
    from afmend.evaluation.metrics import spectrum

    made = spectrum._power(rough(SHAPE))
    made[:, 0] = 0.0
    monkeypatch.setattr(spectrum, "_power", lambda _: made)
    assert anisotropy_excess(rough(SHAPE), pixel_nm=PIXEL_NM).geometric_mean == 0


def test_bad_input_is_refused():
    z = rough(SHAPE)
    with pytest.raises(BadParameterError, match="pixels of"):
        anisotropy_excess(z, pixel_nm=(0.0, 1.0))
    with pytest.raises(BadScanError, match="shape"):
        psd_ratio(z, z[1:], pixel_nm=PIXEL_NM)
    with pytest.raises(StepError, match="not finite"):
        psd_ratio(z * np.inf, z, pixel_nm=PIXEL_NM)
