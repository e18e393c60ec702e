"""Law 6: reader(writer(scan)) = scan, as far as the format can hold it."""

import math

import numpy as np
from hypothesis import given, settings
from scans_b import full_scan, scans

from afmend.formats import afmend_h5, gsf, gwyddion
from afmend.scan import Scan

ONE_ROUNDING = 5e-16
"""Relative error of dividing by 1e9 and multiplying by it."""


def close(a, b, rtol):
    """Fail unless every number agrees within its own rounding."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert np.array_equal(np.isfinite(a), np.isfinite(b))
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    same = np.abs(a - b) <= rtol * np.abs(b)
    assert same.all(), f"{a[~same][:3]} and {b[~same][:3]}"


@settings(deadline=None, max_examples=20)
@given(scan=scans())
def test_afmend_h5_gives_back_every_bit(scan, tmp_path_factory):
    path = tmp_path_factory.mktemp("h5") / "x.h5"
    afmend_h5.write(scan, path)
    (found,) = afmend_h5.read(path)
    assert found == scan
    assert list(found.channels) == list(scan.channels)
    for key, channel in scan.channels.items():
        assert found.channels[key].digest() == channel.digest()
        assert found.channels[key].values.tobytes() == channel.values.tobytes()


@settings(deadline=None, max_examples=25)
@given(scan=scans())
def test_gwyddion_gives_back_all_but_rounding_and_source(scan, tmp_path_factory):
    path = tmp_path_factory.mktemp("gwy") / "x.gwy"
    gwyddion.write(scan, path)
    (found,) = gwyddion.read(path)
    assert found.grid == scan.grid
    assert found.history == scan.history
    assert found.acquisition == scan.acquisition
    assert found.header == scan.header
    assert list(found.channels) == list(scan.channels)
    for key, channel in scan.channels.items():
        back = found.channels[key]
        facts = ("unit", "name", "calibrated", "masks")
        assert [getattr(back, fact) for fact in facts] == [getattr(channel, fact) for fact in facts]
        assert back.values.dtype == channel.values.dtype
        close(back.values, channel.values, ONE_ROUNDING)
        assert (back.uncertainty is None) == (channel.uncertainty is None)
        if channel.uncertainty is not None:
            close(back.uncertainty, channel.uncertainty, ONE_ROUNDING)


@settings(deadline=None, max_examples=25)
@given(scan=scans())
def test_gsf_gives_back_one_channel_in_single_precision(scan, tmp_path_factory):
    path = tmp_path_factory.mktemp("gsf") / "x.gsf"
    gsf.write(scan, path)
    (found,) = gsf.read(path)
    (back,) = found.channels.values()
    channel = scan.main
    assert found.grid.calibrated == scan.grid.calibrated
    close(found.grid.pixel_nm, scan.grid.pixel_nm, 4 * ONE_ROUNDING)
    extent = max(*scan.grid.size_nm, abs(scan.grid.offset_slow_nm), abs(scan.grid.offset_fast_nm))
    assert math.dist(
        (found.grid.offset_slow_nm, found.grid.offset_fast_nm), (scan.grid.offset_slow_nm, scan.grid.offset_fast_nm)
    ) <= 1e-14 * extent  # fmt: skip
    assert (back.direction, back.unit) == (channel.direction, channel.unit)
    lost = channel.missing if channel.uncertainty is None else channel.missing & (channel.uncertainty == 0)
    assert np.array_equal(back.missing, lost)
    close(back.values[~lost], channel.values[~lost], 1e-7)


def test_gsf_keeps_a_header_that_fits(tmp_path):
    scan = full_scan()
    header = {"Rate": "1 Hz", "a=b": "x", "two\nlines": "x", "y": "two\nlines", " z": "x", "Title": "no", "e": ""}
    scan = Scan.of(scan.grid, scan.channels.values(), header=header)
    gsf.write(scan, tmp_path / "x.gsf")
    found = gsf.read(tmp_path / "x.gsf")[0].header
    assert (found["Rate"], found["e"], found["Title"]) == ("1 Hz", "", "Height (Trace)")
    assert set(found) - {"Rate", "e"} == {
        "XRes", "YRes", "XReal", "YReal", "XYUnits", "XOffset", "YOffset", "Title", "ZUnits"
    }  # fmt: skip
