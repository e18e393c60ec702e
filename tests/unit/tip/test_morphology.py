import numpy as np
import pytest
from scipy.ndimage import grey_dilation, grey_erosion

from afmend.errors import BadScanError
from afmend.tip import dilate, erode, tip_array
from afmend.tip.shapes import Pyramid
from support import REAL, assert_heights_close, realdata, rough


def brute(surface, tip, sign):
    tip = tip - tip.max()
    out = np.empty_like(surface)
    rows, cols = surface.shape
    for i in range(rows):
        for j in range(cols):
            seen = []
            for u in range(tip.shape[0]):
                for v in range(tip.shape[1]):
                    y = np.clip(i + sign * (u - tip.shape[0] // 2), 0, rows - 1)
                    x = np.clip(j + sign * (v - tip.shape[1] // 2), 0, cols - 1)
                    seen.append(surface[y, x] + sign * tip[u, v])
            out[i, j] = max(seen) if sign > 0 else min(seen)
    return out


@pytest.mark.parametrize("shape", [(3, 5), (4, 3), (4, 6)])
def test_definition(shape):
    z, tip = rough((9, 12)), np.random.default_rng(1).uniform(0, 2, shape)
    assert_heights_close(dilate(z, tip), brute(z, tip, 1), atol_nm=0.0)
    assert_heights_close(erode(z, tip), brute(z, tip, -1), atol_nm=0.0)


def peers(z, tip):
    """SciPy's dilation and erosion by the same tip."""
    mirrored = (tip - tip.max())[::-1, ::-1]
    where = {"mode": "nearest", "origin": tuple(0 if n % 2 else -1 for n in tip.shape)}
    return grey_dilation(z, structure=mirrored, **where), grey_erosion(z, structure=mirrored, **where)


@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (4, 7), (8, 6), (21, 33), (60, 3)])
@pytest.mark.parametrize("deep", [0.5, 5.0, 500.0])
def test_no_bit_differs_from_scipy(shape, deep):
    z = rough((45, 270), seed=shape[1], sq_nm=2.0)  # more than one tile
    tip = np.random.default_rng(shape[0]).uniform(-deep, 0, shape)
    dilated, eroded = peers(z, tip)
    assert np.array_equal(dilate(z, tip), dilated)
    assert np.array_equal(erode(z, tip), eroded)


def test_minus_infinity_is_no_tip():
    z = rough((14, 19))
    tip = np.array([[-np.inf, -0.5, 0.0], [-0.1, -np.inf, -np.inf]])
    filled = np.where(np.isfinite(tip), tip, -1e6)
    assert_heights_close(dilate(z, tip), dilate(z, filled), atol_nm=0.0)
    assert_heights_close(erode(z, tip), erode(z, filled), atol_nm=0.0)


def test_erosion_bounds_from_above():
    z = rough((31, 44))
    tip = tip_array(Pyramid(radius_nm=6), (2.0, 3.0), float(np.ptp(z)))
    assert (erode(dilate(z, tip), tip) - z).min() >= -1e-12  # rounding


def test_refuses_a_tip_without_apex():
    z = np.zeros((3, 4))
    for tip in (np.full((3, 3), -np.inf), np.array([[np.nan, 0.0]]), np.array([[np.inf]]), np.zeros(3)):
        with pytest.raises(BadScanError, match="apex"):
            erode(z, tip)


def test_refuses_nan():
    with pytest.raises(BadScanError, match="finite"):
        dilate(np.array([[np.nan, 1.0]]), np.zeros((1, 1)))


class TestParity:
    pytestmark = realdata

    @pytest.mark.parametrize("tip", ["parabola", "double", "even"])
    def test_gwyddion(self, tip):
        with np.load(REAL / "parity.npz") as oracle:
            keys = [k for k in oracle.files if "/gwyddion/tip/" in k and k.endswith(f"/{tip}") and "certainty" not in k]
            assert keys
            for key in keys:
                name, surface = key.split("/")[0], key.split("/")[3]
                if surface != "raw" or (tip == "even" and "erosion" in key):
                    continue  # Gwyddion's erosion by an even tip is not the adjoint of its dilation
                z, t = oracle[f"{name}/input/z_m"], oracle[f"tips/{tip}_m"]
                found = (dilate if "dilation" in key else erode)(z, t)
                assert_heights_close(found * 1e9, oracle[key] * 1e9, atol_nm=1e-9)
