import numpy as np
import pytest

from afmend.errors import BadScanError
from afmend.tip import dilate, erode
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
