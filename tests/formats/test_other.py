"""The fallback to SurfaceTopography, with a stand-in for it."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import afmend
from afmend.errors import CorruptFileError, NotAnImageError, UnknownFormatError, UnsupportedFileError
from afmend.formats import other

X_BY_Y = np.arange(15.0).reshape(5, 3)


class _ReadFileError(Exception):
    pass


def _entry(name="Default", unit="µm", sizes=(5.0, 6.0), heights=X_BY_Y, dim=2, **more):
    def topography(**sized):
        assert bool(sized) == (sizes is None)
        facts = {"acquisition_time": "2020", "instrument": {"name": "N"}, "raw_metadata": {"a": 1}}
        return SimpleNamespace(unit=unit, heights=lambda: heights, physical_sizes=sizes, info=facts)

    return SimpleNamespace(name=name, nb_grid_pts=(5, 3), physical_sizes=sizes, dim=dim, topography=topography, **more)


@pytest.fixture
def install(monkeypatch):
    def install(entries=(), error=None, detects=True):
        module, package = ModuleType("SurfaceTopography.IO"), ModuleType("SurfaceTopography")

        def detect(path):
            assert path.endswith("x.dat")
            if not detects:
                raise _ReadFileError("unknown")
            return "xyz"

        def open_topography(path):
            assert path.endswith("x.dat")
            if error:
                raise error
            return SimpleNamespace(channels=entries)

        module.ReadFileError, module.detect_format, module.open_topography = _ReadFileError, detect, open_topography
        package.IO = module
        monkeypatch.setitem(sys.modules, "SurfaceTopography", package)
        monkeypatch.setitem(sys.modules, "SurfaceTopography.IO", module)

    return install


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.dat"
    path.write_bytes(b"something unknown")
    return path


def test_without_the_extra_the_error_names_it(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "SurfaceTopography", None)
    monkeypatch.setitem(sys.modules, "SurfaceTopography.IO", None)
    with pytest.raises(UnknownFormatError, match=r"pip install 'afmend\[formats\]'"):
        afmend.read(path)
    with pytest.raises(UnsupportedFileError, match="extra"):
        other.read(path)


def test_with_the_extra_an_unknown_file_is_said_to_be_unknown(path, install):
    install(detects=False)
    with pytest.raises(UnknownFormatError, match="SurfaceTopography does not read it either"):
        afmend.read(path)


def test_reads_rows_top_first(path, install):
    holed = np.ma.masked_array(X_BY_Y, X_BY_Y == 4)
    install([_entry(), _entry("Phase (Trace)", ("µm", None)), _entry("Lines", dim=1), _entry("", heights=holed)])
    scan = afmend.read(path)
    assert [str(key) for key in scan.channels] == ["height", "phase/trace", "height_2"]
    channel = scan.channel("height")
    assert (channel.unit, channel.values[0, 1], channel.shape) == ("nm", 3000.0, (3, 5))
    assert scan.grid.size_nm == (6000.0, 5000.0)
    assert not scan.channel("phase").calibrated
    assert np.argwhere(scan.channel("height_2").missing).tolist() == [[1, 1]]
    assert (scan.source.format, dict(scan.header)) == ("other", {"a": "1"})
    assert (scan.acquisition.instrument, scan.acquisition.date) == ("N", "2020")


def test_the_unit_of_the_data_wins(path, install):
    install([_entry("Deflection", "m", data_unit="mV")])
    assert abs(afmend.read(path).channel("deflection").values[2, 4] - 0.014) < 1e-12


def test_without_size_it_is_uncalibrated(path, install):
    install([_entry(unit=None, sizes=None), _entry("b", unit=None)])
    scan = afmend.read(path)
    assert not scan.grid.calibrated
    assert len(scan.channels) == 2


def test_other_sizes_are_other_scans(path, install):
    install([_entry(), _entry(sizes=(1.0, 1.0))])
    assert len(afmend.read_all(path)) == 2


def test_profiles_are_not_images(path, install):
    install([_entry(dim=1)])
    with pytest.raises(NotAnImageError):
        afmend.read(path)


@pytest.mark.parametrize("error", [_ReadFileError("odd\nfile"), KeyError("x"), ValueError(), ZeroDivisionError()])
def test_whatever_it_raises_is_one_clear_error(path, install, error):
    install(error=error)
    with pytest.raises(CorruptFileError, match="SurfaceTopography cannot read it"):
        afmend.read(path)
