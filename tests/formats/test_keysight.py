import pytest
from make_keysight import counts, keysight, text

import afmend
from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from afmend.formats.keysight import reader
from support import assert_heights_close


@pytest.fixture
def read(tmp_path):
    def _read(data):
        path = tmp_path / "scan.mi"
        path.write_bytes(data)
        return afmend.read(path)

    return _read


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_sixteen_bits(read, newline):
    raw = counts()
    scan = read(keysight(raw, newline=newline))
    assert [str(key) for key in scan.channels] == ["height/trace", "friction/retrace"]
    assert_heights_close(scan.channel("height").values, raw[0] * 0.1, atol_nm=1e-9)
    assert_heights_close(scan.channel("friction").values, raw[1] * (10 / 32768), atol_nm=1e-12)
    assert scan.channel("friction").unit == "V"
    assert scan.grid.size_nm == pytest.approx((500.0, 700.0))
    assert (scan.grid.angle_deg, scan.grid.offset_fast_nm) == (15.0, pytest.approx(30.0))
    assert scan.header["buffer 2/bufferUnit"] == "V"
    assert scan.header["xNonlinearity2"] == "1.0"


def test_an_empty_encoding_means_sixteen_bits(read):
    raw = counts()
    assert_heights_close(read(keysight(raw, encoding="")).channel().values, raw[0] * 0.1, atol_nm=1e-9)


def test_thirty_two_bits(read):
    raw = counts() * 60000
    data = keysight(raw, encoding="BINARY_32", dtype="<i4")
    assert_heights_close(read(data).channel().values, raw[0] * (3276.8 / 2**31), atol_nm=1e-9)


def test_text(read):
    raw = counts()
    data = keysight(raw, encoding="ASCII", body=text(raw))
    assert_heights_close(read(data).channel().values, raw[0] * 0.1, atol_nm=1e-9)


def test_acquisition(read):
    facts = read(keysight(counts())).acquisition
    assert (facts.mode, facts.date, facts.scan_direction) == ("Contact AFM", "2014-02-18T15:00:51", "up")
    assert (facts.setpoint, facts.setpoint_unit, facts.bias_v) == (-2.0, "V", 0.5)
    assert (facts.integral_gain, facts.proportional_gain, facts.line_rate_hz) == (10.0, 3.0, 2.5)


def test_dialect_without_length_is_loud(read):
    scan = read(keysight(counts(), xLength=None, servoSetpoint=None, scanUp=None))
    assert not scan.grid.calibrated
    assert scan.acquisition.setpoint_unit is None


@pytest.mark.parametrize("encoding", ["BINARY", "ASCII"])
def test_truncated(read, encoding):
    raw = counts()
    data = keysight(raw, encoding=encoding, body=text(raw) if encoding == "ASCII" else None)
    with pytest.raises(CorruptFileError, match="image 2: the header promises 5 lines, the file holds 4"):
        read(data[:-6])


def test_spectra_are_not_an_image(read):
    with pytest.raises(NotAnImageError, match="holds Spectroscopy"):
        read(keysight(counts(), fileType="Spectroscopy"))
    with pytest.raises(NotAnImageError, match="no image"):
        read(keysight(counts(), buffers=()))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"xPixels": "0"}, "5 x 0 pixels"),
        ({"xPixels": None}, "no 'xPixels'"),
        ({"xLength": "wide"}, "xLength"),
        ({"buffers": ({"bufferLabel": "Topography", "bufferUnit": "um"},)}, "no 'bufferRange'"),
        ({"buffers": ({"bufferLabel": "Topography", "bufferRange": "0"},)}, "one count is 0"),
    ],
)
def test_lying_header(read, facts, message):
    with pytest.raises(CorruptFileError, match=message):
        read(keysight(counts(), **facts))


@pytest.mark.parametrize(
    ("encoding", "body", "message"),
    [("BINARY_64", None, "BINARY_64"), ("ASCII", b"1.5 " * 70, "16-bit"), ("ASCII", b"40000 " * 70, "16-bit")],
)
def test_unknown_encoding(read, encoding, body, message):
    with pytest.raises(UnsupportedFileError, match=message):
        read(keysight(counts(), encoding=encoding, body=body))


def test_huge_text_is_refused(read, monkeypatch):
    monkeypatch.setattr(reader, "MAX_TEXT", 100)
    with pytest.raises(UnsupportedFileError, match="too many"):
        read(keysight(counts(), encoding="ASCII", body=text(counts())))


def test_header_without_end(read):
    with pytest.raises(CorruptFileError, match="no end"):
        read(keysight(counts()).split(b"data  ")[0])
