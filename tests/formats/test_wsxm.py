import numpy as np
import pytest
from make_wsxm import counts, wsxm

import afmend
from afmend.errors import CorruptFileError, UnsupportedFileError
from support import assert_heights_close


@pytest.fixture
def read(tmp_path):
    def _read(data):
        path = tmp_path / "scan.stp"
        path.write_bytes(data)
        return afmend.read(path)

    return _read


@pytest.mark.parametrize(("kind", "dtype"), [("short", "<i2"), ("double", "<f8"), ("float", "<f4")])
def test_heights_span_the_amplitude(read, kind, dtype):
    raw = counts()
    channel = read(wsxm(raw, kind=kind, dtype=dtype)).channel()
    assert (str(channel.key), channel.unit, channel.name) == ("height/trace", "nm", "Topography")
    assert_heights_close(channel.values, raw * 60.0 / np.ptp(raw), atol_nm=1e-9)


def test_grid_and_acquisition(read):
    scan = read(wsxm(counts()))
    assert scan.grid.size_nm == pytest.approx((500.0, 700.0))
    assert (scan.grid.angle_deg, scan.grid.offset_fast_nm, scan.grid.offset_slow_nm) == (15.0, -30.0, 0.4)
    facts = scan.acquisition
    assert (facts.mode, facts.date, facts.scan_direction) == ("AFM", "2021-06-18T14:12:26.398000", "up")
    assert (facts.setpoint, facts.setpoint_unit, facts.bias_v) == (-2.44, "V", pytest.approx(0.1))
    assert (facts.integral_gain, facts.proportional_gain, facts.line_rate_hz) == (9.5, 17.75, 1.085)
    assert scan.header["Control/Angle"] == "15"


def test_flat_image_is_flat(read):
    assert_heights_close(read(wsxm(np.full((5, 7), 300))).channel().values, np.zeros((5, 7)), atol_nm=0.0)
    assert_heights_close(read(wsxm(counts(), Z_Amplitude="0 nm")).channel().values, np.zeros((5, 7)), atol_nm=0.0)


def test_nan_is_missing(read):
    raw = counts().astype(float)
    raw[1, 2] = np.nan
    assert read(wsxm(raw, kind="double", dtype="<f8")).channel().missing.sum() == 1
    nothing = read(wsxm(np.full((5, 7), np.nan), kind="double", dtype="<f8")).channel()
    assert nothing.missing.all()


def test_backward_current(read):
    scan = read(wsxm(counts(), Acquisition_channel="Current", X_scanning_direction="Backward", Z_Amplitude="2 nA",
                     Y_scanning_direction=None))  # fmt: skip
    channel = scan.channel("current/retrace")
    assert channel.unit == "A"
    assert float(np.ptp(channel.values)) == pytest.approx(2e-9)
    assert scan.acquisition.scan_direction is None


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"Number_of_rows": "-5"}, "-5 x 7 pixels"),
        ({"Number_of_rows": None}, "no 'General Info/Number of rows'"),
        ({"Z_Amplitude": "high"}, "Z Amplitude is 'high'"),
        ({"X_Amplitude": "7 V"}, "not a length"),
        ({"end": ""}, "no end"),
        ({"size": 10}, "within the header"),
        ({"size": 999999}, "the file holds 0"),
    ],
)
def test_lying_header(read, facts, message):
    with pytest.raises(CorruptFileError, match=message):
        read(wsxm(counts(), **facts))


def test_truncated(read):
    with pytest.raises(CorruptFileError, match="Topography: the header promises 5 lines, the file holds 4"):
        read(wsxm(counts())[:-3])


def test_unknown_type(read):
    with pytest.raises(UnsupportedFileError, match="type of the numbers"):
        read(wsxm(counts(), kind="complex"))
