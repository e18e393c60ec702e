import zlib

import numpy as np
import pytest
from make_createc import counts, createc

import afmend
from afmend.errors import CorruptFileError
from support import assert_heights_close

VOLT = 20 / 2**20


@pytest.fixture
def read(tmp_path):
    def _read(data):
        path = tmp_path / "scan.dat"
        path.write_bytes(data)
        return afmend.read(path)

    return _read


@pytest.mark.parametrize("magic", ["[Parameter]", "[Paramet32]", "[Paramco32]"])
def test_forward_channels_then_backward_ones(read, magic):
    raw = counts()
    scan = read(createc(raw, magic=magic))
    assert [str(key) for key in scan.channels] == ["height/trace", "current/trace", "height/retrace", "current/retrace"]
    # 0.001 angstrom a count at gain 10
    assert_heights_close(scan.channel("height/trace").values, raw[0] * 1e-3, atol_nm=1e-9)
    assert_heights_close(scan.channel("height/retrace").values, raw[2] * 1e-3, atol_nm=1e-9)
    assert_heights_close(scan.channel("current/trace").values * 1e9, raw[1] * VOLT, atol_nm=1e-12)
    assert scan.channel("current/trace").unit == "A"
    assert scan.grid.size_nm == pytest.approx((50.0, 70.0))
    assert scan.grid.angle_deg == 15.0
    assert scan.header["GainPre 10^"] == scan.header["Gainpreamp"] == "9"


def test_acquisition(read):
    facts = read(createc(counts())).acquisition
    assert (facts.bias_v, facts.setpoint, facts.setpoint_unit) == (0.25, 1e-10, "A")
    assert (facts.line_rate_hz, facts.frame_time_s, facts.scan_direction) == (2.0, 2.5, "down")


def test_sparse_header(read):
    absent = dict.fromkeys(("Sec/line:", "Sec/Image:", "Current[A]", "BiasVoltage / BiasVolt.[mV]", "Length x[A]"))
    scan = read(createc(counts(), changes=absent))
    assert scan.acquisition.to_json() == {"instrument": "Createc", "scan_direction": "down"}
    assert not scan.grid.calibrated


def test_height_from_the_piezo_constant(read):
    raw = counts()
    for dialect, bits in (("[Parameter]", 16), ("[Paramco32]", 20)):
        changes = {"Dacto[A]z": None, "ZPiezoconst": "19.2", "DAC-Type": None}
        values = read(createc(raw, magic=dialect, changes=changes)).channel("height/trace").values
        assert_heights_close(values, raw[0] * (20 / 2**bits * 19.2), atol_nm=1e-9)


def test_other_numbers_of_channels(read):
    changes = {"Channels / Channels": "5", "Chan(1,2,4) / Chan(1,2,4)": None, "Gainpreamp / GainPre 10^": None}
    scan = read(createc(counts(5), changes=changes))
    assert [str(key) for key in scan.channels] == ["height", "current", "adc1", "adc2", "channel_4"]
    assert scan.channel("current").unit == "V"
    assert not scan.channel("channel_4").calibrated


def test_nan_is_missing(read):
    raw = counts().astype(float)
    raw[0, 1, 2] = np.nan
    assert read(createc(raw)).channel("height/trace").missing.sum() == 1


def test_truncated(read):
    with pytest.raises(CorruptFileError, match="image 4: the header promises 5 lines, the file holds 4"):
        read(createc(counts(), magic="[Paramet32]")[:-5])
    with pytest.raises(CorruptFileError, match="promises 5 lines"):
        read(createc(counts())[:-40])
    with pytest.raises(CorruptFileError, match="the header should stand"):
        read(createc(counts())[:1000])


def test_damaged_packing(read):
    with pytest.raises(CorruptFileError, match="packed data are damaged"):
        read(createc(counts())[:16384] + b"not zlib at all" * 40)
    bomb = zlib.compress(bytes(50_000_000))
    assert read(createc(counts())[:16384] + bomb).grid.shape == (5, 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Num.X / Num.X": "0"}, "5 x 0 pixels"),
        ({"Num.X / Num.X": None}, "no 'Num.X'"),
        ({"Num.X / Num.X": "5000", "Num.Y / Num.Y": "5000"}, "cannot hold"),
        ({"Channels / Channels": "0"}, "promises 0 channels"),
        ({"GainZ / GainZ": None}, "no 'GainZ'"),
        ({"GainZ / GainZ": "0"}, "one unit is 0"),
        ({"Gainpreamp / GainPre 10^": "99"}, "Gainpreamp is 99"),
        ({"DAC-Type": "900bit"}, "DAC-Type is '900bit'"),
    ],
)
def test_lying_header(read, changes, message):
    with pytest.raises(CorruptFileError, match=message):
        read(createc(counts(), changes=changes))
