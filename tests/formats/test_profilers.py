"""Gwyddion Simple Field, Digital Surf and BCR files."""

import struct

import numpy as np
import pytest
from files_b import bcr, gsf, sur

import afmend
from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from support import assert_heights_close

RAW = np.arange(15).reshape(3, 5) * 100 - 400


@pytest.fixture
def read(tmp_path):
    def read(raw, name="x.dat"):
        path = tmp_path / name
        path.write_bytes(raw)
        scan = afmend.read(path)
        (channel,) = scan.channels.values()
        return scan, channel

    return read


# ---------------------------------------------------------------- Gwyddion Simple Field
@pytest.mark.parametrize("title", ["", "T", "Ti", "Tit", "Titl"])
def test_gsf_finds_the_data_after_any_padding(read, title):
    scan, channel = read(gsf(RAW, f"Title = {title}", "XReal = 5", "YReal = 6", "XYUnits = um", "ZUnits = nm"))
    assert_heights_close(channel.values, RAW.astype(float), atol_nm=0)
    assert scan.grid.size_nm == (6000.0, 5000.0)
    assert channel.name == title
    assert (channel.kind == "height") == (not title)


def test_gsf_offsets_are_corners(read):
    scan, _ = read(gsf(RAW, "XReal = 5", "YReal = 6", "XYUnits = nm", "XOffset = 1", "YOffset=-3", "ZUnits = V"))
    assert (scan.grid.offset_fast_nm, scan.grid.offset_slow_nm) == (3.5, 0.0)


@pytest.mark.parametrize("lines", [[], ["XReal = 3", "YReal = 3"], ["XReal = 3", "XYUnits = m"]])
def test_gsf_without_size_is_uncalibrated(read, lines):
    scan, channel = read(gsf(RAW, *lines))
    assert not scan.grid.calibrated
    assert not channel.calibrated


def test_gsf_nan_is_missing(read):
    z = RAW.astype(float)
    z[1, 2] = np.nan
    _, channel = read(gsf(z, "ZUnits = m"))
    assert np.argwhere(channel.missing).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "raw",
    [
        gsf(RAW)[:-1],
        gsf(RAW).replace(b"XRes = 5", b"XRes = 9"),
        gsf(RAW).replace(b"XRes = 5", b"XRes = x"),
        gsf(RAW).replace(b"XRes = 5", b"Xres = 5"),
        gsf(RAW).replace(b"XRes = 5", b"XRes = 1e9"),
        gsf(RAW, "XReal = -1", "YReal = 1", "XYUnits = m"),
        b"Gwyddion Simple Field 1.0\nXRes = 3\n",
    ],
)
def test_gsf_damage_is_one_clear_error(read, raw):
    with pytest.raises(CorruptFileError):
        read(raw)


# ---------------------------------------------------------------- Digital Surf
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [16, 32])
def test_surf_reads_heights(read, order, bits):
    scan, channel = read(sur(RAW, order=order, bits=bits, scale=0.5, offset=0.25))
    assert_heights_close(channel.values, (RAW * 0.5 + 0.25) * 1000, atol_nm=1e-9)
    assert (channel.key, channel.unit, channel.calibrated) == (("height", "unknown"), "nm", True)
    assert scan.grid.pixel_nm == (3.0, 2.0)
    assert scan.acquisition.date == "2020-01-02 03:04:05"
    assert scan.header["z name"] == "Z"


def test_surf_points_that_were_not_measured_are_missing(read):
    holed = RAW.copy()
    holed[0, 1] = -402
    raw = bytearray(sur(holed, special=1))
    struct.pack_into("<i", raw, 100, -400)
    _, channel = read(bytes(raw))
    assert np.argwhere(channel.missing).tolist() == [[0, 1]]
    assert abs(channel.values[0, 1]) < 400_000


def test_surf_without_units_is_uncalibrated(read):
    scan, channel = read(sur(RAW, text180="", text212="", at318=1, at314=13))
    assert not scan.grid.calibrated
    assert not channel.calibrated
    assert channel.kind == "height"
    assert scan.acquisition.date is None


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (sur(RAW)[:-1], CorruptFileError),
        (sur(RAW)[:300], CorruptFileError),
        (sur(RAW, at116=16), CorruptFileError),
        (sur(RAW, at98=8), CorruptFileError),
        (sur(RAW, at108=-5), CorruptFileError),
        (sur(RAW, at128=float("nan")), CorruptFileError),
        (sur(RAW, at120=float("inf")), CorruptFileError),
        (sur(RAW, at334=-2), CorruptFileError),
        (sur(RAW)[:18] + b"\1\0" + sur(RAW)[20:], NotAnImageError),
        (b"DSCOMPRESSED" + sur(RAW)[12:], UnsupportedFileError),
    ],
)
def test_surf_damage_is_one_clear_error(read, raw, error):
    with pytest.raises(error):
        read(raw)


# ---------------------------------------------------------------- BCR
@pytest.mark.parametrize("order", ["<", ">"])
def test_bcr_integers(read, order):
    scan, channel = read(bcr(RAW, "bit2nm = 0.5\nxoffset = 7\nbias = 0.2\ncurrent = 3\nmode = constant", order=order))
    assert_heights_close(channel.values, RAW * 0.5, atol_nm=1e-9)
    assert scan.grid.size_nm == (300.0, 700.0)
    assert scan.grid.offset_fast_nm == 7.0
    assert (scan.acquisition.bias_v, scan.acquisition.setpoint_unit, scan.acquisition.mode) == (0.2, "A", "constant")
    assert scan.header["ypixels"] == "3"
    assert "a remark" not in " ".join(scan.header)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("coding", ["ascii", "utf-16-le"])
def test_bcr_floats_in_both_codings(read, order, coding):
    kind = "bcrf" if coding == "ascii" else "bcrf_unicode"
    z = RAW + 0.25
    z[2, 1] = 3.4028234e38
    _, channel = read(bcr(z, "zunit = um\nvoidpixels = 1\n", kind=kind, order=order, coding=coding))
    assert np.argwhere(channel.missing).tolist() == [[2, 1]]
    kept = ~channel.missing
    assert_heights_close(channel.values[kept], z[kept] * 1000, atol_nm=1e-9)


def test_bcr_zmin_says_where_the_lowest_pixel_is(read):
    _, channel = read(bcr(RAW, "bit2nm = 0.5\nzmin = 7\n"))
    assert_heights_close(channel.values, (RAW + 400) * 0.5 + 7, atol_nm=1e-9)


@pytest.mark.parametrize(("extra", "lost"), [("", 1), ("voidpixels = 1\n", 1), ("voidpixels = 0\n", 0)])
def test_bcr_void_integers(read, extra, lost):
    z = RAW.copy()
    z[0, 0] = 32767
    _, channel = read(bcr(z, f"bit2nm = 1\n{extra}"))
    assert channel.missing.sum() == lost


def test_bcr_all_void(read):
    _, channel = read(bcr(np.full((3, 5), 32767), "bit2nm = 1\nzmin = 3\n"))
    assert channel.missing.all()


def test_bcr_without_scale_or_length_is_uncalibrated(read):
    scan, channel = read(bcr(RAW).replace(b"xlength = 700", b"xlength = 0  "))
    assert (channel.unit, channel.calibrated, scan.grid.calibrated) == ("", False, False)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (bcr(RAW)[:-1], CorruptFileError),
        (bcr(RAW).replace(b"xpixels = 5", b"xpixels = 6"), CorruptFileError),
        (bcr(RAW).replace(b"xpixels = 5", b"xpixels = ?"), CorruptFileError),
        (bcr(RAW).replace(b"headersize = 2048", b"headersize = 9e99"), CorruptFileError),
        (bcr(RAW, "bit2nm = nan\n"), CorruptFileError),
        (bcr(RAW, "forcecurve = 1\n"), NotAnImageError),
    ],
)
def test_bcr_damage_is_one_clear_error(read, raw, error):
    with pytest.raises(error):
        read(raw)
