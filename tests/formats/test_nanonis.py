import numpy as np
import pytest
from make_nanonis import images, nanonis

import afmend
from afmend.errors import CorruptFileError, UnsupportedFileError
from support import SCANS, assert_heights_close, realdata


@pytest.fixture
def read(tmp_path):
    def _read(data):
        path = tmp_path / "scan.sxm"
        path.write_bytes(data)
        return afmend.read(path)

    return _read


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_orientation_of_a_scan_that_went_down(read, newline):
    raw = images()
    scan = read(nanonis(raw, newline=newline))
    assert [str(key) for key in scan.channels] == ["height/trace", "height/retrace", "current/trace"]
    assert_heights_close(scan.channel("height/trace").values, raw[0] * 1e9, atol_nm=1e-6)
    assert_heights_close(scan.channel("height/retrace").values, raw[1, :, ::-1] * 1e9, atol_nm=1e-6)
    assert scan.channel("current").unit == "A"
    assert scan.grid.size_nm == pytest.approx((50.0, 70.0))
    assert (scan.grid.angle_deg, scan.grid.offset_fast_nm) == (30.0, pytest.approx(100.0))
    assert scan.header["COMMENT"] == "two\nlines"


def test_orientation_of_a_scan_that_went_up(read):
    raw = images()
    scan = read(nanonis(raw, SCAN_DIR="up"))
    assert_heights_close(scan.channel("height/trace").values, raw[0, ::-1] * 1e9, atol_nm=1e-6)
    assert_heights_close(scan.channel("height/retrace").values, raw[1, ::-1, ::-1] * 1e9, atol_nm=1e-6)


def test_acquisition(read):
    facts = read(nanonis(images())).acquisition
    assert facts.date == "2021-02-24T23:29:37"
    assert (facts.scan_direction, facts.line_rate_hz) == ("down", pytest.approx(4.0))
    assert (facts.setpoint, facts.setpoint_unit, facts.bias_v) == (2e-9, "A", 0.5)
    assert (facts.proportional_gain, facts.integral_gain, facts.frame_time_s) == (7e-11, 7e-8, 490.2)


def test_sparse_header(read):
    sparse = dict.fromkeys(("Z_CONTROLLER", "SCAN_TIME", "SCAN_OFFSET", "SCAN_DIR", "REC_DATE", "REC_TIME"))
    facts = read(nanonis(images(), **sparse)).acquisition
    assert facts.to_json() == {"instrument": "Nanonis", "bias_v": 0.5, "frame_time_s": 490.2}


def test_lines_never_recorded_are_missing(read):
    raw = images()
    raw[:, 3:] = np.nan
    raw[1, 2, :2] = np.inf
    channel = read(nanonis(raw)).channel("height/retrace")
    assert channel.missing[3:].all()
    assert channel.missing.sum() == 16


@pytest.mark.parametrize(("kind", "dtype"), [("FLOAT LSBFIRST", "<f4"), ("DOUBLE MSBFIRST", ">f8")])
def test_types(read, kind, dtype):
    raw = images()
    scan = read(nanonis(raw, SCANIT_TYPE=kind, dtype=dtype))
    assert_heights_close(scan.channel("height/trace").values, raw[0] * 1e9, atol_nm=1e-6)


def test_unit_less_channel_is_uncalibrated(read):
    table = "\tChannel\tName\tUnit\tDirection\n\t3\tOdd one\t\tbackward\n"
    (channel,) = read(nanonis(images(1), DATA_INFO=table)).channels.values()
    assert (str(channel.key), channel.unit, channel.calibrated) == ("odd_one/retrace", "", False)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"SCAN_PIXELS": "7"}, "SCAN_PIXELS is '7'"),
        ({"SCAN_PIXELS": "7 99999999"}, "promises an image"),
        ({"SCAN_RANGE": "nan 1"}, "SCAN_RANGE"),
        ({"DATA_INFO": ""}, "lists no channels"),
        ({"DATA_INFO": "\tName\tDirection\n\tZ\tsideways\n"}, "a channel is listed as"),
        ({"mark": b"\x1a\x05"}, "no end"),
    ],
)
def test_lying_header(read, entries, message):
    with pytest.raises(CorruptFileError, match=message):
        read(nanonis(images(), **entries))


def test_unknown_type(read):
    with pytest.raises(UnsupportedFileError, match="INT MSBFIRST"):
        read(nanonis(images(), SCANIT_TYPE="INT MSBFIRST"))


def test_truncated_file_names_the_lines(read):
    with pytest.raises(CorruptFileError, match=r"Current \(trace\): the header promises 5 lines, the file holds 3"):
        read(nanonis(images())[:-50])


class TestLostBytes:
    """A transfer as text turned CR LF into LF within the floats."""

    TABLE = "\tName\tUnit\tDirection\n\tZ\tm\tboth\n\tCurrent\tA\tboth\n"

    def _damaged(self, *, cols=100, rows=80, lose_in=2, calm=True):
        raw = images(4, rows, cols).astype(">f4")
        raw[:, -5:] = np.nan
        # Plenty of line feeds, but no CR LF, as after such a transfer.
        data = bytearray(raw.tobytes())
        if calm:
            for n in range(0, 3000, 4):
                data[n + 3 : n + 4] = b"\n"
        body = bytes(data).replace(b"\r", b"\x0c")
        at = (lose_in * rows + 10) * cols * 4 + 1
        head = nanonis([], DATA_INFO=self.TABLE, SCAN_PIXELS=f"{cols} {rows}")
        return head + body[:at] + body[at + 1 :]

    def test_images_before_the_loss_are_kept(self, read):
        scan = read(self._damaged())
        assert [str(key) for key in scan.channels] == ["height/trace", "height/retrace"]
        assert scan.channel("height/retrace").missing.sum() == 500
        assert scan.header["afmend/lost"].endswith("left out: Current (trace), Current (retrace)")

    def test_nothing_is_kept_if_the_first_image_lost_bytes(self, read):
        with pytest.raises(CorruptFileError, match="promises 80 lines, the file holds 79"):
            read(self._damaged(lose_in=0))

    def test_a_cut_file_is_refused(self, read):
        whole = nanonis(images(4, 80, 100), DATA_INFO=self.TABLE, SCAN_PIXELS="100 80")
        with pytest.raises(CorruptFileError, match="the file holds 79"):
            read(whole[:-3])
        with pytest.raises(CorruptFileError, match="the file holds 79"):
            read(whole.replace(b"\r", b"\x0c").replace(b"\x0b", b"\n").replace(b"\x1d", b"\n")[:-3])
        with pytest.raises(CorruptFileError, match="the file holds 79"):
            read(self._damaged(calm=False, rows=80, cols=20))


class TestRealFiles:
    pytestmark = realdata

    def test_unfinished_scan(self):
        scan = afmend.read(SCANS / "nanonis" / "unfinished_0251.sxm")
        height = scan.channel()
        # It went up and stopped 15 lines below the top.
        assert height.missing[:15].all()
        assert not height.missing[15:].any()
        assert set(scan.channels) == {("height", "trace"), ("height", "retrace")}
        assert float(np.ptp(height.values)) < 1.0
