"""Igor binary waves."""

import struct

import numpy as np
import pytest
from files_b import ibw, old_ibw, signed

import afmend
from afmend.errors import CorruptFileError, NotAnImageError
from afmend.formats import asylum
from afmend.formats.asylum.image import parse_note
from afmend.formats.register import Verdict
from support import SCANS, assert_heights_close, realdata

LAYERS = np.arange(30.0).reshape(2, 3, 5) * 1e-9
NOTE = (
    "ScanSize: 2e-06\rFastScanSize: 1e-05\rSlowScanSize: 6e-06\rScanAngle: 90\rXOffset: 1e-06\rScanDown: 1\r"
    "ScanRate: 1.5\rImagingMode:AC Mode\rAmplitudeSetpointVolts: 0.5\rUserIn0Unit: °\rDate:2020-01-02\rTime:3 PM\r"
    "MicroscopeModel:Cypher\rScanRate: 2\rno colon\r: no name\rIntegralGain: nan\rProportionalGain: x\r"
)


@pytest.fixture
def read(tmp_path):
    def read(raw):
        path = tmp_path / "x.ibw"
        path.write_bytes(raw)
        return afmend.read(path)

    return read


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_reads_channels_top_row_first(read, order, dtype):
    scan = read(ibw(LAYERS, ["HeightTrace", "UserIn0Retrace"], note=NOTE, order=order, dtype=dtype))
    assert [str(key) for key in scan.channels] == ["height/trace", "user_in0/retrace"]
    assert [channel.name for channel in scan.channels.values()] == ["HeightTrace", "UserIn0Retrace"]
    assert [channel.unit for channel in scan.channels.values()] == ["nm", "deg"]
    assert_heights_close(scan.channel().values, np.arange(15.0).reshape(3, 5)[::-1], atol_nm=1e-5)
    assert scan.grid.shape == (3, 5)
    assert_heights_close(np.array(scan.grid.pixel_nm), np.array([2.0, 3.0]), atol_nm=1e-9)
    assert (scan.grid.angle_deg, scan.grid.offset_slow_nm) == (90.0, 0.0)
    assert abs(scan.grid.offset_fast_nm - 1000) < 1e-9
    assert scan.calibrated


def test_reads_the_note(read):
    scan = read(ibw(LAYERS, ["HeightTrace", "UserIn0Retrace"], note=NOTE))
    facts = scan.acquisition
    assert (facts.instrument, facts.mode, facts.date) == ("Cypher", "AC Mode", "2020-01-02 3 PM")
    assert (facts.scan_direction, facts.line_rate_hz, facts.setpoint, facts.setpoint_unit) == ("down", 1.5, 0.5, "V")
    assert facts.integral_gain is None
    assert facts.proportional_gain is None
    assert (scan.header["ScanRate"], scan.header["ScanRate (2)"]) == ("1.5", "2")
    assert "no colon" not in scan.header


def test_a_note_that_repeats_itself_stays_small():
    assert len(parse_note("a: 1\r" * 500)) == 101


def test_the_scan_size_replaces_a_missing_pixel_size(read):
    scan = read(ibw(LAYERS, ["Height", "Z"], units=("", ""), note="FastScanSize: 1e-05\rSlowScanSize: 6e-06\r"))
    assert_heights_close(np.array(scan.grid.pixel_nm), np.array([2000.0, 2000.0]), atol_nm=1e-9)


def test_without_names_and_units_it_is_uncalibrated(read):
    scan = read(ibw(LAYERS[:1], units=("", ""), data_unit="", dims=(5, 3, 0, 0)))
    (channel,) = scan.channels.values()
    assert (channel.kind, channel.unit, channel.calibrated) == ("unnamed", "", False)
    assert not scan.grid.calibrated
    assert not scan.calibrated


@pytest.mark.parametrize(
    ("name", "unit"),
    [("ZSensorTrace", "nm"), ("CurrentRetrace", "A"), ("PhaseTrace", "deg"), ("NapPotential", "V"), ("Odd", "A")],
)
def test_units_follow_from_the_name_then_from_the_wave(read, name, unit):
    (channel,) = read(ibw(LAYERS[:1], [name], data_unit="pA")).channels.values()
    assert channel.unit == unit


@pytest.mark.parametrize(
    "raw",
    [
        ibw(LAYERS[:1], units=("", "s")),
        ibw(LAYERS[:1], columns=["Raw", "Defl", "ZSnsr"]),
        ibw(LAYERS[:1, :1]),
        ibw(LAYERS[:1], dims=(15, 0, 0, 0)),
        ibw(LAYERS, dims=(5, 3, 1, 2)),
        old_ibw(1, 9),
        old_ibw(2, 9),
        old_ibw(3, 9, ">"),
        signed(ibw(LAYERS)[:80] + struct.pack("<h", 0) + ibw(LAYERS)[82:384]) + bytes(120),
        signed(ibw(LAYERS)[:80] + struct.pack("<h", 3) + ibw(LAYERS)[82:384]) + bytes(120),
    ],
)
def test_curves_and_text_are_not_images(read, raw):
    with pytest.raises(NotAnImageError):
        read(raw)


@pytest.mark.parametrize(
    "raw",
    [
        ibw(LAYERS)[:500],
        ibw(LAYERS)[:390],
        ibw(LAYERS, dims=(5, 3, 20, 0)),
        ibw(LAYERS, dims=(1 << 30, 1 << 30, 1 << 30, 1 << 30)),
        ibw(LAYERS, dims=(5, -3, 2, 0)),
        ibw(LAYERS, dims=(5, 0, 2, 0)),
        ibw(LAYERS, wave_bytes=-5),
        ibw(LAYERS, wave_bytes=5),
        ibw(LAYERS, wave_bytes=1 << 30),
        ibw(LAYERS, steps=(0.0, 1e-9)),
        ibw(LAYERS, steps=(float("nan"), 1e-9)),
    ],
)
def test_damage_is_one_clear_error(read, raw):
    with pytest.raises(CorruptFileError):
        read(raw)


def test_a_broken_checksum_is_not_read(tmp_path):
    raw = bytearray(ibw(LAYERS))
    raw[100] ^= 1
    (tmp_path / "x.ibw").write_bytes(raw)
    assert asylum.recognise(bytes(raw), tmp_path) is Verdict.NO
    with pytest.raises(CorruptFileError, match="checksum"):
        asylum.read(tmp_path / "x.ibw")


@pytest.mark.parametrize("head", [b"", b"\5", b"\5\0", b"\5\0" + bytes(400), b"\0" * 500])
def test_other_files_are_not_claimed(tmp_path, head):
    assert asylum.recognise(head, tmp_path) is Verdict.NO


@pytest.mark.realdata
@realdata[1]
def test_the_force_curve_is_not_an_image():
    with pytest.raises(NotAnImageError, match="1261 x 3"):
        afmend.read(SCANS / "broken" / "force_curve_not_an_image.ibw")
