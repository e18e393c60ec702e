import numpy as np
import pytest
from make_bruker import SCAN, START, bruker, counts, old

import afmend
from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from support import SCANS, assert_heights_close, realdata


@pytest.fixture
def read(tmp_path):
    def _read(data):
        path = tmp_path / "scan.spm"
        path.write_bytes(data)
        return afmend.read_all(path)

    return _read


def test_heights_are_count_times_hard_value_times_sensitivity(read):
    (scan,) = read(bruker())
    channel = scan.channel()
    assert (channel.kind, channel.direction, channel.unit, channel.name) == ("height", "trace", "nm", "Height")
    # 327.68 V / 65536 = 5 mV a count, 12.5 nm/V
    assert_heights_close(channel.values, counts() * 0.0625, atol_nm=1e-9)
    assert scan.grid.size_nm == pytest.approx((500.0, 700.0))
    assert scan.grid.angle_deg == pytest.approx(90.0)
    assert (scan.grid.offset_fast_nm, scan.grid.offset_slow_nm) == (30.0, -40.0)
    assert scan.calibrated
    assert scan.header["Ciao image list/Samps/line"] == "7"


def test_acquisition(read):
    facts = read(bruker())[0].acquisition
    assert facts.instrument == "Toy"
    assert facts.mode == "Tapping"
    assert facts.date == "2016-01-12T09:57:48"
    assert (facts.scan_direction, facts.line_rate_hz) == ("down", 1.5)
    assert (facts.setpoint, facts.setpoint_unit) == (pytest.approx(0.6), "V")
    assert (facts.integral_gain, facts.proportional_gain, facts.bias_v) == (0.5, 2.5, 0.25)


def test_nothing_is_made_up_about_the_acquisition(read):
    facts = read(bruker([({"Frame direction": None}, counts())], scan={"Operating mode": "Image"}))[0].acquisition
    assert facts.to_json() == {"instrument": "Toy", "mode": "Image", "date": "2016-01-12T09:57:48"}


def test_second_image_is_numbered_in_the_header_and_paired(read):
    second = counts(seed=1)
    (scan,) = read(bruker([({}, counts()), ({"Line Direction": "Retrace"}, second)]))
    assert scan.header["Ciao image list 2/Line Direction"] == "Retrace"
    assert_heights_close(scan.channel("height/retrace").values, second * 0.0625, atol_nm=1e-9)


def test_second_pass_is_another_kind_unless_interleaving_is_off(read):
    images = [({}, counts()), ({"Scan Line": "Interleave"}, counts(seed=1))]
    lifted = SCAN | {"@InterleaveList": 'S [LiftMode] "Lift"'}
    assert [str(key) for key in read(bruker(images, scan=lifted))[0].channels] == [
        "height/trace",
        "height_interleave/trace",
    ]
    assert [str(key) for key in read(bruker(images))[0].channels] == ["height/trace", "height_2/trace"]


def test_images_of_different_shape_become_several_scans(read):
    small = ({"Samps/line": "4", "Number of lines": "3"}, counts(3, 4))
    assert [scan.grid.shape for scan in read(bruker([({}, counts()), small]))] == [(5, 7), (3, 4)]


@pytest.mark.parametrize(
    ("declared", "gain", "bits"),
    [("4", 70001, 32), ("4", 1, 32), ("2", 1, 16), ("2", 70001, 32)],
    ids=["32 bits", "small counts of 32 bits", "16 bits in 4 bytes", "32 bits, and the header says 16"],
)
def test_four_bytes_a_pixel_even_if_the_header_says_two(read, declared, gain, bits):
    raw = (counts().astype("<i4") * gain).astype("<i4")
    data = bruker([({"Bytes/pixel": declared}, raw)], version="0x09400202")
    assert_heights_close(read(data)[0].channel().values, raw * (327.68 * 12.5 / 2.0**bits), atol_nm=1e-6)


@pytest.mark.parametrize(
    ("z_scale", "unit", "factor", "known"),
    [
        ("V [Sens. Amplitude Error] (0.06 mV/LSB) 65.536 mV", "V", 1e-3, False),
        ("V [Sens. Friction] (0.06 V/LSB) 65.536 V", "V", 1e-3, True),
        ("V [Sens. AmplSens] (0.06 mV/LSB) 65.536 mV", "nm", 20e-6, True),
        ("V [Sens. Nowhere] (0.06 V/LSB) 65.536 mV", "V", 1e-6, False),
        ("V [Sens. Odd] (0.06 V/LSB) 65.536 V", "nm", 2e-3, False),
        ("V (0.005493164 \xba/LSB) 65.536 \xba", "deg", 1e-3, True),
        ("V [Sens. Friction] (0.0004 log(Arb)/LSB) 65.536 log(Arb)", "log(Arb)", 1e-3, True),
    ],
)
def test_soft_scale(read, z_scale, unit, factor, known):
    (scan,) = read(bruker([({"@2:Z scale": z_scale, "@2:Image Data": 'S [Other] "Other"'}, counts())]))
    (channel,) = scan.channels.values()
    assert (channel.unit, channel.calibrated) == (unit, known)
    np.testing.assert_allclose(channel.values, counts() * factor, rtol=1e-9)


@pytest.mark.parametrize(
    ("entries", "size"),
    [
        ({"Scan Size": "2 1 ~m"}, (1000, 2000)),
        ({"Scan Size": "10 10 ~m", "Aspect Ratio": "2:1"}, (5000, 10000)),
        ({"Scan Size": "10 5 ~m", "Aspect Ratio": "2:1"}, (5000, 10000)),
        ({"Scan Size": "300 nm", "Aspect Ratio": None}, (300, 300)),
        ({"Scan Size": None}, (700, 700)),
    ],
)
def test_size(read, entries, size):
    scan = read(bruker([(entries, counts())], scan={"Scan size": "700 nm"}))[0]
    assert scan.grid.size_nm == pytest.approx(size)


@pytest.mark.parametrize("size", [None, "0 0 nm"])
def test_no_size_is_loud(read, size):
    assert not read(bruker([({"Scan Size": size}, counts())], scan={}))[0].grid.calibrated


def test_old_header(read):
    raw = counts()
    (scan,) = read(old(raw))
    assert_heights_close(scan.channel("height/retrace").values, raw * 0.002, atol_nm=1e-9)
    assert scan.grid.size_nm == pytest.approx((175.0, 350.0))
    assert_heights_close(read(old(raw, **{"Z scale": "131.072 nm"}))[0].channel().values, raw * 0.002, atol_nm=1e-9)


def test_unnamed_image(read):
    (channel,) = read(bruker([({"@2:Image Data": None}, counts())]))[0].channels.values()
    assert (channel.kind, channel.name) == ("unnamed", "")


def test_truncated_file_names_the_lines(read):
    with pytest.raises(CorruptFileError, match=r"scan\.spm: image 1 \(Height\): .* promises 5 lines, the file holds 3"):
        read(bruker()[:-20])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"Samps/line": "0"}, "5 x 0 pixels"),
        ({"Samps/line": "99999999999"}, "promises an image"),
        ({"Number of lines": "five"}, "not a number"),
        ({"Number of lines": "6"}, "promises 6 lines, and data for 5"),
        ({"Data offset": "-1"}, "the file holds 0"),
        ({"Data offset": None}, "has no 'Data offset'"),
        ({"@2:Z scale": "V [Sens. Zsens] (0.006 V/LSB) 0 V"}, "one count is 0"),
        ({"@2:Z scale": "V [Sens. Zsens] (0.006 V/LSB) 1e300 V"}, "one count is"),
        ({"@2:Z scale": "V [Sens. Zsens]"}, "says no value"),
        ({"@2:Z scale": None}, "no 'Z scale'"),
        ({"@2:Z scale": None, "Z scale": "big"}, "says no value"),
        ({"@2:Z scale": None, "Z scale": "3 nm (0)"}, "Z scale is"),
        ({"Scan Size": "a b nm"}, "not a length"),
        ({"Scan Size": "3 3 V"}, "not a length"),
        ({"Scan Size": "3 3 nm", "Aspect Ratio": "0:1"}, "Aspect Ratio"),
    ],
)
def test_lying_header(read, entries, message):
    with pytest.raises(CorruptFileError, match=message):
        read(bruker([(entries, counts())]))


def test_many_images_on_the_same_bytes(read):
    again = ({"Data offset": "0", "Data length": None, "Number of lines": "500"}, counts(1, 1))
    with pytest.raises(CorruptFileError, match="more images than the file holds"):
        read(bruker([({"Data offset": str(START)}, counts(100, 100)), *[again] * 9]))
    with pytest.raises(CorruptFileError, match="describes 257 images"):
        read(b"\\*File list\r\n" + b"\\*Ciao image list\r\n\\a: b\r\n" * 257 + b"\x1a")


def test_unknown_width(read):
    with pytest.raises(UnsupportedFileError, match="3 bytes per pixel"):
        read(bruker([({"Bytes/pixel": "3"}, counts())]))


def test_header_without_end(read):
    with pytest.raises(CorruptFileError, match="no end"):
        read(b"\\*File list\r\n\\Version: 1\r\n")


def test_header_may_end_without_control_z(read):
    assert read(bruker(end=""))[0].grid.shape == (5, 7)


def test_force_curves_are_not_an_image(read):
    with pytest.raises(NotAnImageError, match="force curves"):
        read(b"\\*Force file list\r\n\\Version: 1\r\n\\*Ciao force image list\r\n\\Data offset: 8192\r\n\x1a")
    with pytest.raises(CorruptFileError, match="describes no image"):
        read(b"\\*File list\r\nnoise\r\n\\Version: 1\r\n\x1a")


class TestRealFiles:
    pytestmark = realdata

    def test_truncated(self):
        with pytest.raises(CorruptFileError, match="promises 256 lines, the file holds 107"):
            afmend.read(SCANS / "broken" / "truncated.spm")

    def test_unitless_sensitivity_in_millivolts_is_uncalibrated(self):
        scan = afmend.read(SCANS / "bruker" / "di-1.spm")
        assert not scan.channel("amplitude_error/trace").calibrated
        assert scan.calibrated
