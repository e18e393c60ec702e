import numpy as np
import pytest

from afmend.errors import StepError
from afmend.filling.opencv import NavierStokes, Telea, navier_stokes, telea
from afmend.filling.seed import Seed, seed
from afmend.filling.windows import Median, Smooth, blur_inside, median, smooth
from afmend.pipeline import Field
from support import assert_heights_close, rough


def test_median_is_exact_over_good_neighbors_only():
    z = rough((20, 31)) + 1 / 3
    holes = np.random.default_rng(0).random(z.shape) < 0.2
    done = median(Field(z, holes), Median(win=5))
    assert done.left_open is None
    for y, x in np.argwhere(holes):
        box = np.s_[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
        assert abs(done.heights[y, x] - np.median(z[box][~holes[box]])) < 1e-12


def test_median_leaves_pixels_without_good_neighbors_open():
    holes = np.zeros((21, 30), dtype=bool)
    holes[5:15, 5:15] = True
    done = median(Field(rough((21, 30)), holes), Median(win=4))
    assert done.left_open.sum() == done.facts["open_pixels"] == 36
    assert done.left_open[7:13, 7:13].all()


def test_smooth_blends_the_holes_and_nothing_else():
    z = rough((24, 37), smooth_px=0.5)
    holes = np.zeros(z.shape, dtype=bool)
    holes[8:14, 6:30] = True
    done = smooth(Field(z, holes), Smooth(sigma_px=1.5))
    assert done.heights[~holes].tobytes() == z[~holes].tobytes()
    assert done.heights[9:13, 8:28].std() < 0.6 * z[9:13, 8:28].std()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_smooth_refuses_what_overflows():
    z = np.full((9, 12), 1.7e308)
    z[0, 0] = -1.7e308
    holes = np.ones(z.shape, dtype=bool)
    with pytest.raises(StepError, match="too large"):
        smooth(Field(z, holes), Smooth())


@pytest.mark.parametrize(("kernel", "params"), [(telea, Telea()), (navier_stokes, NavierStokes())])
def test_opencv_neither_rounds_heights_nor_adds_its_garbage(kernel, params):
    y, x = np.mgrid[:60, :85].astype(float)
    plane = (0.01 * y + 0.013 * x) * 1e-2 + 5  # nm; a range far below one unit
    holes = np.zeros(plane.shape, dtype=bool)
    holes[20, 10:70] = True
    holes[40, 40] = True
    filled = kernel(Field(np.where(holes, 1e30, plane), holes), params).heights
    # Telea itself leans to one side near the ends of a line; a hole of one pixel shows the scaling alone.
    assert abs(filled[40, 40] - plane[40, 40]) < 1e-3 * np.ptp(plane)
    assert abs(filled[20, 40] - plane[20, 40]) < 5e-3 * np.ptp(plane)
    assert len(np.unique(filled[20, 10:70])) > 50


def test_seed_uses_neighbors_for_blobs_and_telea_for_stripes():
    z = rough((40, 61))
    holes = np.zeros(z.shape, dtype=bool)
    holes[5:9, 5:9], holes[20:22, 10:50] = True, True
    done = seed(Field(z, holes), Seed(sigma_px=0))
    assert done.facts == {"stripes": 1, "holes": 2}
    smoothed = seed(Field(z, holes), Seed())
    assert_heights_close(smoothed.heights, blur_inside(done.heights, holes, 1.0), atol_nm=0)
    blob = holes.copy()
    blob[20:22] = False
    alone = seed(Field(z, blob), Seed(sigma_px=0))
    assert alone.facts["stripes"] == 0
    assert_heights_close(alone.heights[blob], done.heights[blob], atol_nm=1e-12)
    stripe = telea(Field(z, holes & ~blob), Telea(radius=5)).heights
    assert_heights_close(done.heights[20:22], stripe[20:22], atol_nm=1e-4)


@pytest.mark.parametrize(("kernel", "params"), [(telea, Telea()), (navier_stokes, NavierStokes())])
def test_one_line_is_filled_the_same_whatever_lies_in_memory(kernel, params):
    z = np.round(np.random.default_rng(3).standard_normal((1, 40)))
    holes = np.zeros(z.shape, dtype=bool)
    holes[0, 3:7] = holes[0, 38:] = True
    results = set()
    for number in range(50):
        junk = np.full(500 + 7 * number, np.float32(np.nan if number % 2 else 1e20))
        del junk
        results.add(kernel(Field(z, holes), params).heights.tobytes())
    assert len(results) == 1
    filled = kernel(Field(z, holes), params).heights
    assert z[~holes].min() - 0.5 <= filled.min() <= filled.max() <= z[~holes].max() + 0.5
