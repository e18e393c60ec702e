import numpy as np
import pytest
from make_nanosurf import counts, nanosurf

import afmend
from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from support import assert_heights_close


@pytest.fixture
def read(tmp_path):
    def _read(data):
        path = tmp_path / "scan.nid"
        path.write_bytes(data)
        return afmend.read(path)

    return _read


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_groups_give_directions(read, encoding):
    forth, phase, back = counts(), counts(seed=1), counts(seed=2)
    friction = {"Dim2Name": "Friction force", "Dim2Unit": "V"}
    groups = [[({}, forth), (friction, phase)], [({"Frame": "Scan backward"}, back)]]
    scan = read(nanosurf(groups, encoding=encoding))
    assert [str(key) for key in scan.channels] == ["height/trace", "friction/trace", "height/retrace"]
    assert_heights_close(scan.channel("height/trace").values, forth * 1e-3, atol_nm=1e-9)
    assert_heights_close(scan.channel("height/retrace").values, back * 1e-3, atol_nm=1e-9)
    assert scan.grid.size_nm == pytest.approx((500.0, 700.0))
    assert (scan.grid.angle_deg, scan.grid.offset_fast_nm) == (15.0, pytest.approx(30.0))
    assert scan.header["DataSet-Info/Rotation"] == "15 °"


def test_acquisition(read):
    facts = read(nanosurf([[({}, counts())]])).acquisition
    assert (facts.instrument, facts.mode, facts.date) == ("Toy", "Lateral Force", "2022-11-03T11:46:25")
    assert (facts.setpoint, facts.setpoint_unit) == (pytest.approx(1e-8), "N")
    assert (facts.scan_direction, facts.line_rate_hz, facts.bias_v) == ("up", 2.0, 0.5)
    assert (facts.integral_gain, facts.proportional_gain) == (1000.0, 3.0)


def test_sparse_header(read):
    facts = read(nanosurf([[({}, counts())]], info={})).acquisition
    assert facts.to_json() == {"instrument": "Nanosurf"}


@pytest.mark.parametrize(
    ("dtype", "bits", "sign", "order"),
    [
        ("<u2", "16", "Unsigned", "Intel"),
        (">i4", "32", "Signed", "Motorola"),
        ("<i4", "32", "Signed", "Intel"),
        ("u1", "8", "Unsigned", "Intel"),
    ],
)
def test_types_span_the_range(read, dtype, bits, sign, order):
    info = np.iinfo(dtype)
    raw = np.array([[info.min, info.max, 0]] * 2, dtype)
    facts = {"Points": "3", "Lines": "2", "SaveBits": bits, "SaveSign": sign, "SaveOrder": order}
    values = read(nanosurf([[(facts, raw)]])).channel().values
    step = 65.536 / 2.0 ** int(bits)
    assert_heights_close(values[:, :2], np.array([[-32.768, 32.768 - step]] * 2), atol_nm=1e-9)


def test_unknown_size_is_loud(read):
    scan = read(nanosurf([[({"Dim1Unit": "s", "Frame": "Scan"}, counts())]]))
    assert not scan.grid.calibrated
    assert scan.channel().direction == "unknown"


def test_spectra_are_left_out(read):
    spectrum = ({"Frame": "Spec forward", "Lines": "1", "Points": "4"}, counts(1, 4))
    raw = counts()
    scan = read(nanosurf([[spectrum], [({}, raw)]]))
    assert_heights_close(scan.channel().values, raw * 1e-3, atol_nm=1e-9)
    with pytest.raises(NotAnImageError, match="spectra"):
        read(nanosurf([[spectrum]]))


def test_truncated(read):
    with pytest.raises(CorruptFileError, match=r"Z-Axis \(Scan forward\): the header promises 5 lines, .* holds 4"):
        read(nanosurf([[({}, counts())]])[:-2])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"Lines": "0"}, "0 x 7 pixels"),
        ({"Lines": None}, "no 'Lines'"),
        ({"Dim2Range": "0"}, "one count is 0"),
        ({"Dim2Min": "low"}, "Dim2Min"),
        ({"Dim1Range": None}, "no 'Dim1Range'"),
    ],
)
def test_lying_header(read, entries, message):
    with pytest.raises(CorruptFileError, match=message):
        read(nanosurf([[(entries, counts())]]))


def test_lying_index(read):
    with pytest.raises(CorruptFileError, match="no section 'Elsewhere'"):
        read(nanosurf([[({}, counts())]], index={"Gr0-Ch0": "Elsewhere"}))
    endless = {"GroupCount": "999999999"} | {f"Gr{n}-Count": "999999999" for n in range(1, 9)}
    assert read(nanosurf([[({}, counts())]], index=endless)).grid.shape == (5, 7)


@pytest.mark.parametrize("entries", [{"SaveBits": "24"}, {"SaveMode": "Ascii"}])
def test_unknown_encoding(read, entries):
    with pytest.raises(UnsupportedFileError, match="are unknown"):
        read(nanosurf([[(entries, counts())]]))


def test_header_without_end(read):
    with pytest.raises(CorruptFileError, match="no end"):
        read(nanosurf([[({}, counts())]], mark="\r\n"))
