import numpy as np
import pytest

from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces import make_surface
from afmend.simulation.surfaces.rough import Exponential, Fractal, Gaussian

CANVAS = Canvas((300, 200), (2.0, 3.0), (10, 6))


def ensemble(make, canvas=CANVAS, seeds=24):
    return np.array([make_surface(make(seed), canvas) for seed in range(seeds)])


def measured_acf(fields, lag_nm, axis, pixel_nm):
    """Mean over the ensemble, without subtracting the mean of each picture."""
    lag = round(lag_nm / pixel_nm[axis - 1])
    n = fields.shape[axis]
    return float(np.mean(np.take(fields, range(n - lag), axis) * np.take(fields, range(lag, n), axis)))


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("lag", [0.0, 6.0, 12.0, 24.0])
def test_gaussian_autocorrelation(axis, lag):
    fields = ensemble(lambda seed: Gaussian(sq_nm=2.0, correlation_nm=15.0, seed=seed))
    law = 4.0 * np.exp(-((lag / 15.0) ** 2))
    assert measured_acf(fields, lag, axis, CANVAS.pixel_nm) == pytest.approx(law, abs=0.12)  # 3 % of Sq squared


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("lag", [0.0, 6.0, 12.0, 30.0, 60.0])
def test_exponential_autocorrelation(axis, lag):
    fields = ensemble(lambda seed: Exponential(sq_nm=2.0, correlation_nm=15.0, seed=seed))
    law = 4.0 * np.exp(-lag / 15.0)
    assert measured_acf(fields, lag, axis, CANVAS.pixel_nm) == pytest.approx(law, abs=0.16)


def test_exponential_keeps_its_detail_at_coarse_pixels():
    fields = ensemble(lambda seed: Exponential(sq_nm=1.0, correlation_nm=5.0, seed=seed), Canvas((90, 120), (8.0, 5.0)))
    assert measured_acf(fields, 0, 1, (8.0, 5.0)) == pytest.approx(1.0, abs=0.02)
    assert measured_acf(fields, 5.0, 2, (8.0, 5.0)) == pytest.approx(np.exp(-1), abs=0.02)
    assert measured_acf(fields, 8.0, 1, (8.0, 5.0)) == pytest.approx(np.exp(-1.6), abs=0.02)


def test_fractal_roughness_and_slope_of_the_spectrum():
    canvas = Canvas((256, 384), (3.0, 2.0))
    make = lambda seed: Fractal(sq_nm=2.0, hurst=0.7, rolloff_nm=120.0, seed=seed)  # noqa: E731
    fields = ensemble(make, canvas)
    assert np.sqrt(np.mean(fields**2)) == pytest.approx(2.0, abs=0.1)
    # Along a line the spectrum of a self-affine surface falls as k^-(1 + 2 H).
    for axis, pixel in ((1, 3.0), (2, 2.0)):
        window = np.hanning(fields.shape[axis]).reshape((-1, 1) if axis == 1 else (1, -1))
        power = np.mean(np.abs(np.fft.rfft(fields * window, axis=axis)) ** 2, axis=(0, 3 - axis))
        k = np.fft.rfftfreq(fields.shape[axis], pixel)
        band = (k > 4 / 120) & (k < 0.25 / pixel)
        slope = np.polyfit(np.log(k[band]), np.log(power[band]), 1)[0]
        assert slope == pytest.approx(-2.4, abs=0.15)


def test_cutoff_takes_the_finest_waves():
    whole = make_surface(Fractal(hurst=0.4, seed=2), CANVAS)
    cut = make_surface(Fractal(hurst=0.4, cutoff_nm=30.0, seed=2), CANVAS)
    assert np.abs(np.diff(cut)).mean() < 0.5 * np.abs(np.diff(whole)).mean()


@pytest.mark.parametrize("params", [Gaussian(seed=3), Exponential(seed=3), Fractal(seed=3)], ids=lambda p: p.kind)
def test_opposite_edges_do_not_continue_each_other(params):
    z = make_surface(params.model_copy(update={"sq_nm": 1.0}), Canvas((256, 300), (4.0, 4.0)))
    assert z.shape == (256, 300)
    inside = np.abs(np.diff(z, axis=0)).mean()
    assert np.abs(z[0] - z[-1]).mean() > 3 * inside


def test_no_roughness_is_flat():
    assert not make_surface(Gaussian(sq_nm=0.0), CANVAS).any()
