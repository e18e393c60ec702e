import math
import struct

import pytest
from make_rhk import STRINGS, counts, rhk

import afmend
from afmend.errors import CorruptFileError, NotAnImageError
from support import SCANS, assert_heights_close, realdata


@pytest.fixture
def read(tmp_path):
    def _read(data):
        path = tmp_path / "scan.sm4"
        path.write_bytes(data)
        return afmend.read(path)

    return _read


def test_pages_become_channels(read):
    right, left, current = counts(), counts(seed=1), counts(seed=2)
    named = ("Current", *STRINGS[1:9], "A")
    scan = read(rhk([(0, 0, right, {}, STRINGS), (0, 1, left, {}, STRINGS), (0, 2, current, {}, named)]))
    assert [str(key) for key in scan.channels] == ["height/trace", "height/retrace", "current"]
    assert_heights_close(scan.channel("height/trace").values, right * 1e-3 + 5, atol_nm=1e-6)
    assert_heights_close(scan.channel("height/retrace").values, left * 1e-3 + 5, atol_nm=1e-6)
    assert scan.channel("current").unit == "A"
    assert scan.grid.pixel_nm == pytest.approx((0.2, 0.1))
    assert scan.grid.offset_fast_nm == pytest.approx(30.0)
    assert scan.header["page 1/date"] == "08/12/21"
    facts = scan.acquisition
    assert (facts.date, facts.bias_v) == ("2021-08-12T15:01:33", 0.5)
    assert (facts.setpoint, facts.setpoint_unit) == (pytest.approx(1e-10), "A")


@pytest.mark.parametrize(
    ("x_scale", "y_scale", "rows", "cols"),
    [(1e-10, -2e-10, 1, 1), (-1e-10, -2e-10, 1, -1), (1e-10, 2e-10, -1, 1), (-1e-10, 2e-10, -1, -1)],
)
def test_the_sign_of_a_pixel_mirrors(read, x_scale, y_scale, rows, cols):
    raw = counts()
    scan = read(rhk([(0, 3, raw, {"x_scale": x_scale, "y_scale": y_scale}, STRINGS)]))
    assert_heights_close(scan.channel().values, raw[::rows, ::cols] * 1e-3 + 5, atol_nm=1e-6)
    assert scan.acquisition.scan_direction == "down"


def test_curves_are_left_out(read):
    curve = (1, 0, counts(2, 9), {}, STRINGS)
    assert len(read(rhk([curve, (0, 0, counts(), {}, STRINGS)])).channels) == 1
    with pytest.raises(NotAnImageError, match="spectra"):
        read(rhk([curve]))


def test_unknown_units_are_loud(read):
    scan = read(rhk([(0, 0, counts(), {}, None)]))
    (channel,) = scan.channels.values()
    assert not scan.grid.calibrated
    assert not channel.calibrated
    assert channel.kind == "unnamed"


@pytest.mark.parametrize(
    ("floats", "message"),
    [
        ({"z_scale": 0.0}, "one count is 0"),
        ({"x_scale": 0.0}, "a pixel is 0"),
        ({"bias": math.nan}, "bias is nan"),
    ],
)
def test_lying_numbers(read, floats, message):
    with pytest.raises(CorruptFileError, match=message):
        read(rhk([(0, 0, counts(), floats, STRINGS)]))


def test_truncated(read):
    with pytest.raises(CorruptFileError, match="Topography: the header promises 5 lines, the file holds 4"):
        read(rhk([(0, 0, counts(), {}, STRINGS)])[:-5])


def test_lying_counts(read):
    page = (0, 0, counts(), {}, STRINGS)
    with pytest.raises(CorruptFileError, match="promises 99999 pages"):
        read(rhk([page], page_count=99999))
    with pytest.raises(CorruptFileError, match="promises 999 objects"):
        read(rhk([page], objects=999))
    with pytest.raises(CorruptFileError, match="an object of type 1 is missing"):
        read(rhk([page], objects=0))
    with pytest.raises(CorruptFileError, match="should stand at bytes"):
        read(rhk([page])[:100])


def test_strings_may_end_early(read):
    data = bytearray(rhk([(0, 0, counts(), {}, STRINGS)]))
    listed = data.index(struct.pack("<H", 10) + "Topography".encode("utf-16-le")) - 12
    data[listed + 8 : listed + 12] = struct.pack("<I", 22)
    scan = read(bytes(data))
    assert scan.header["page 1/label"] == "Topography"
    assert "page 1/date" not in scan.header


class TestRealFiles:
    pytestmark = realdata

    def test_image_pages_beside_line_spectra(self):
        # Six pages say that they are images (8 lines of 512), two are spectra and are left out.
        scan = afmend.read(SCANS / "rhk" / "line_spectrum_not_an_image.sm4")
        assert scan.grid.shape == (8, 512)
        assert len(scan.channels) == 6
