import numpy as np
import pytest

from afmend.errors import AfmendError, BadParameterError, BadScanError
from afmend.formats import write
from afmend.scan import Channel, Grid, Masks, Scan
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces import make_surface
from afmend.simulation.surfaces.measured import Measured
from support import assert_heights_close, rough, scan_of


@pytest.fixture
def base():
    """Heights whose best plane is 0, (24, 37) pixels of 2 nm x 3 nm."""
    z = rough()
    y, x = np.arange(24)[:, None] - 11.5, np.arange(37)[None, :] - 18.0
    z = z - z.mean()
    return z - y * (y * z).sum() / (37 * (y * y).sum()) - x * (x * z).sum() / (24 * (x * x).sum())


@pytest.fixture
def path(base, tmp_path):
    tilted = base + 0.2 * np.arange(24)[:, None] - 0.1 * np.arange(37) + 5
    return write(scan_of(tilted), tmp_path / "clean.h5")


def test_own_pixels_come_back_without_the_plane(base, path):
    params = Measured.of(path)
    assert params.height_nm == pytest.approx(base.std(), abs=1e-9)
    z = make_surface(params, Canvas((24, 37), (2.0, 3.0)))
    assert_heights_close(z, base, atol_nm=1e-9)


def test_mirrored_beyond_its_edges(base, path):
    z = make_surface(Measured.of(path), Canvas((24, 37), (2.0, 3.0), (30, 5)))
    assert_heights_close(z[30:-30, 5:-5], base, atol_nm=1e-9)
    assert_heights_close(z[6:30, 5:-5], base[::-1], atol_nm=1e-9)
    assert_heights_close(z[30:-30, :5], base[:, 4::-1], atol_nm=1e-9)


def test_other_pixels_are_interpolated(base, path):
    z = make_surface(Measured.of(path, offset_nm=(4.0, 0.0)), Canvas((20, 20), (1.0, 1.5)))
    assert_heights_close(z[::2, ::2], base[2:12, :10], atol_nm=1e-9)
    assert_heights_close(z[::2, 1:19:2], (base[2:12, :9] + base[2:12, 1:10]) / 2, atol_nm=1e-9)


def test_one_line(tmp_path):
    params = Measured.of(write(scan_of(np.arange(5.0)[None, :] ** 2), tmp_path / "line.h5"))
    z = make_surface(params, Canvas((3, 5), (2.0, 3.0)))
    assert np.array_equal(z[0], z[2])


def test_a_changed_file_is_refused(path):
    params = Measured.of(path)
    write(scan_of(rough(seed=1)), path)
    fresh = params.model_copy(update={"channel": "height"})  # not in the memory of this process
    with pytest.raises(BadParameterError, match="not the one"):
        make_surface(fresh, Canvas((4, 5), (2.0, 3.0)))


def test_refuses_what_is_no_base(tmp_path):
    with pytest.raises(BadParameterError, match="cannot be opened"):
        Measured.of(tmp_path / "absent.h5")
    holes = np.zeros((24, 37), bool)
    holes[3, 4] = True
    with pytest.raises(BadScanError, match="missing pixels"):
        Measured.of(write(scan_of(rough(), masks=Masks(missing=holes)), tmp_path / "holes.h5"))
    grid = Grid(24, 37, calibrated=False)
    scan = Scan.of(grid, [Channel("height", "trace", rough(), "nm")])
    with pytest.raises(BadScanError, match="not a height in nm"):
        Measured.of(write(scan, tmp_path / "loose.h5"))
    with pytest.raises(AfmendError, match="no channel"):
        Measured.of(write(scan_of(rough()), tmp_path / "clean.h5"), channel="moon")
