import math

import numpy as np
import pytest

from afmend.errors import BadParameterError, BadScanError, StepError
from afmend.evaluation.metrics.similarity import psnr, robust_peak, ssim, vif
from support import rough

SHAPE = (71, 96)


def waves() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A truth and three results, made without random numbers, so that their values stay."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    coarse = 30 * np.sin(x / 7.0) + 20 * np.cos(y / 5.0 + 0.3)
    truth = coarse + 12 * np.sin((x * y) / 90.0) + 6 * np.cos(x * 2.1 + y * 1.3)
    blurred = coarse + 9 * np.sin((x * y) / 90.0)
    return truth, {"blurred": blurred, "contrast": 1.3 * truth - 4.0, "lines": truth + 8 * np.sin(y * 2.7)}


# vifp of sewar 0.4.10 on the maps scaled to 0..255 by the truth's robust range; structural_similarity of scikit-image
# 0.26.0 with gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range = robust range.
PUBLISHED = {
    "blurred": (0.4660240012141912, 0.8318905003400268),
    "contrast": (1.0866070785964597, 0.8459169317583269),
    "lines": (0.4613817410285971, 0.8519853286010423),
}


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_values_of_published_implementations(name):
    truth, results = waves()
    assert vif(results[name], truth) == pytest.approx(PUBLISHED[name][0], abs=1e-10)
    assert ssim(results[name], truth, range_nm=robust_peak(truth)) == pytest.approx(PUBLISHED[name][1], abs=1e-10)


def test_peak_and_psnr():
    truth = np.linspace(0.0, 100.0, 5000).reshape(50, 100)
    assert robust_peak(truth) == pytest.approx(99.8)
    spike = truth.copy()
    spike[3, 3] = 1e6
    assert robust_peak(spike) == pytest.approx(99.8, rel=1e-3)
    assert psnr(truth + 1.0, truth, peak_nm=100.0) == pytest.approx(40.0)
    assert psnr(truth, truth, peak_nm=1.0) == math.inf
    usable = truth < 50.0
    assert robust_peak(truth, usable=usable) == pytest.approx(49.9, abs=0.05)
    assert psnr(np.where(usable, truth + 0.1, 1e9), truth, peak_nm=1.0, usable=usable) == pytest.approx(20.0)
    assert math.isnan(psnr(truth, truth, peak_nm=1.0, usable=np.zeros(truth.shape, bool)))


def window(size: int, sigma: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size // 2
    made = np.exp(-(x * x + y * y) / (2 * sigma**2))
    return made / made.sum()


def moments(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    from scipy.signal import convolve2d

    mx, my, xx, yy, xy = (convolve2d(z, w, mode="valid") for z in (x, y, x * x, y * y, x * y))
    return mx, my, xx - mx * mx, yy - my * my, xy - mx * my


def test_ssim_straight_from_the_formula():
    truth, made = rough((23, 31), 1, 3.0), rough((23, 31), 2, 3.0)
    mx, my, vx, vy, xy = moments(made, truth, window(11, 1.5))
    c1, c2 = (0.01 * 20) ** 2, (0.03 * 20) ** 2
    want = np.mean((2 * mx * my + c1) * (2 * xy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    assert ssim(made, truth, range_nm=20.0) == pytest.approx(want, abs=1e-12)
    assert ssim(truth, truth, range_nm=20.0) == pytest.approx(1)


def test_ssim_agrees_with_scikit_image():
    from skimage import metrics

    truth, made = rough(SHAPE, 1, 3.0), rough(SHAPE, 2, 3.0)
    want = metrics.structural_similarity(
        truth, made, data_range=20.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(made, truth, range_nm=20.0) == pytest.approx(want, abs=1e-12)


def plain_vif(x: np.ndarray, y: np.ndarray) -> float:
    """The formulas pixel by pixel, for maps on the scale from 0 to 255; x is the truth."""
    from scipy.signal import convolve2d

    kept = total = 0.0
    for scale in range(1, 5):
        size = 2 ** (5 - scale) + 1
        w = window(size, size / 5)
        if scale > 1:
            x, y = (convolve2d(z, w, mode="valid")[::2, ::2] for z in (x, y))
        _, _, vx, vy, xy = moments(x, y, w)
        for sx, sy, sxy in zip(vx.ravel(), vy.ravel(), xy.ravel(), strict=True):
            g = sxy / sx
            if g < 0:
                g = 0.0
            rest = sy - g * sxy
            kept += math.log2(1 + g * g * sx / (rest + 2.0))
            total += math.log2(1 + sx / 2.0)
    return kept / total


def test_vif_straight_from_the_formulas():
    truth, made = rough((48, 67), 1, 3.0), rough((48, 67), 1, 2.0) + 0.5 * rough((48, 67), 5, 1.0)
    low, high = np.quantile(truth, [0.001, 0.999])
    want = plain_vif(255 * (truth - low) / (high - low), 255 * (made - low) / (high - low))
    assert vif(made, truth) == pytest.approx(want, abs=1e-6)
    assert vif(made * 7 - 3, truth * 7 - 3) == pytest.approx(want, abs=1e-6)


def test_vif_of_equal_flat_and_half_flat_maps():
    truth = rough(SHAPE)
    assert vif(truth, truth) == pytest.approx(1)
    assert vif(np.zeros(SHAPE), truth) == pytest.approx(0, abs=1e-9)
    assert vif(-truth, truth) < 0.1
    assert math.isnan(vif(truth, np.ones(SHAPE)))
    half = truth.copy()
    half[:, :50] = 0.0
    assert 0 < vif(truth, half) <= 1 + 1e-9
    vif(rough((41, 41)), rough((41, 41)))


def test_bad_input_is_refused():
    z = rough(SHAPE)
    for peak in (0.0, math.inf, math.nan):
        with pytest.raises(BadParameterError, match="peak_nm"):
            psnr(z, z, peak_nm=peak)
        with pytest.raises(BadParameterError, match="range_nm"):
            ssim(z, z, range_nm=peak)
    with pytest.raises(StepError, match="no room for a window of 11"):
        ssim(z[:10], z[:10], range_nm=1.0)
    with pytest.raises(StepError, match="no room"):
        vif(z[:40], z[:40])
    with pytest.raises(StepError, match="not finite"):
        vif(z * np.nan, z)
    with pytest.raises(StepError, match="no pixel"):
        robust_peak(z, usable=np.zeros(SHAPE, bool))
    with pytest.raises(BadScanError, match="shape"):
        ssim(z, z[1:], range_nm=1.0)
