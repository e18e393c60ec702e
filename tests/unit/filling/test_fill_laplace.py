import numpy as np
import pytest
from scipy.sparse import csc_array
from scipy.sparse.linalg import spsolve

from afmend.errors import StepError
from afmend.filling import laplace as module
from afmend.filling.laplace import Laplace, laplace, membrane
from afmend.pipeline import Field
from support import REAL, assert_heights_close, realdata, rough


def direct(z, known, wanted):
    """The same equations, written pixel by pixel, solved by scipy."""
    number = {tuple(place): k for k, place in enumerate(np.argwhere(wanted))}
    rows, cols, values, right = [], [], [], np.zeros(len(number))
    for (y, x), k in number.items():
        for yy, xx in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
            if not (0 <= yy < z.shape[0] and 0 <= xx < z.shape[1]):
                continue
            rows.append(k), cols.append(k), values.append(1.0)
            if (yy, xx) in number:
                rows.append(k), cols.append(number[yy, xx]), values.append(-1.0)
            elif known[yy, xx]:
                right[k] += z[yy, xx]
    out = z.copy()
    out[wanted] = spsolve(csc_array((values, (rows, cols))), right)
    return out


@pytest.mark.parametrize("wide", [False, True])
def test_solution_is_that_of_the_direct_solver(wide):
    z = rough((61, 83)) + 0.1 * np.arange(83)
    rng = np.random.default_rng(0)
    holes = rng.random(z.shape) < 0.3
    if wide:
        holes[10:50, 12:70] = True
        holes[:, :5] = True
    done = laplace(Field(z, holes), Laplace())
    assert_heights_close(done.heights, direct(z, ~holes, holes), atol_nm=1e-10)
    assert done.facts["rounds"] < 40


def test_a_wide_hole_on_a_plane_is_exact():
    y, x = np.mgrid[:150, :210]
    plane = 0.3 * y - 0.2 * x + 40
    holes = np.zeros(plane.shape, dtype=bool)
    holes[10:140, 8:199] = True
    filled, rounds = membrane(np.where(holes, 0, plane), ~holes, holes)
    assert_heights_close(filled, plane, atol_nm=1e-9)
    assert rounds < 40


def test_no_slope_at_the_image_edge_and_no_overshoot():
    z = rough((20, 31), sq_nm=5)
    holes = np.zeros(z.shape, dtype=bool)
    holes[14:, :] = True
    filled = laplace(Field(z, holes), Laplace()).heights
    assert filled.max() <= z[:14].max()
    assert np.ptp(filled[-1]) < np.ptp(z[13])


def test_a_solver_that_does_not_converge_says_so(monkeypatch):
    monkeypatch.setattr(module, "_ROUNDS", 1)
    holes = np.zeros((40, 50), dtype=bool)
    holes[5:30, 5:40] = True
    with pytest.raises(StepError, match="did not converge"):
        laplace(Field(rough((40, 50)), holes), Laplace())


@pytest.mark.parametrize("case", [pytest.param(name, marks=realdata) for name in "ABCP"])
def test_parity_with_gwyddion(case):
    stored = np.load(REAL / "parity.npz")
    z, mask = stored[f"{case}/input/z_nm"], stored[f"{case}/input/mask"]
    filled = laplace(Field(z, mask), Laplace()).heights[mask]
    exact = stored[f"{case}/gwyddion/laplace/qprec10/values_in_mask"] * 1e9
    quick = stored[f"{case}/gwyddion/laplace/qprec1/values_in_mask"] * 1e9
    assert_heights_close(filled, exact, atol_nm=1e-9)
    assert_heights_close(filled, quick, atol_nm=1e-6)


@pytest.mark.parametrize("case", [pytest.param(name, marks=realdata) for name in "AB"])
def test_parity_with_gwyddion_remove_scars(case):
    stored = np.load(REAL / "parity.npz")
    z = stored[f"{case}/input/z_nm"]
    mask = stored[f"{case}/gwyddion/scars/width4/both/mask"]
    filled = laplace(Field(z, mask), Laplace()).heights[mask]
    assert_heights_close(
        filled, stored[f"{case}/gwyddion/scars_removed/width4/both/values_in_mask"] * 1e9, atol_nm=1e-6
    )


@pytest.mark.parametrize("case", [pytest.param(name, marks=realdata) for name in "AB"])
def test_parity_of_linear_with_topostats_remove_scars(case):
    from afmend.filling.lines import Linear, linear

    stored = np.load(REAL / "parity.npz")
    z = stored[f"{case}/input/z_nm"]
    mask = stored[f"{case}/topostats/remove_scars_raw/iter1/mask"]
    inner = mask.copy()
    # TopoStats fills a scar on row 0 from the last row, and fails on the last: only inner scars are comparable.
    inner[:5], inner[-5:] = False, False
    if not inner.any():
        pytest.skip("no scar away from the edge")
    filled = linear(Field(z, mask), Linear()).heights
    theirs = z.copy()
    theirs[mask] = stored[f"{case}/topostats/remove_scars_raw/iter1/values_in_mask"]
    assert_heights_close(filled[inner], theirs[inner], atol_nm=1e-6)
