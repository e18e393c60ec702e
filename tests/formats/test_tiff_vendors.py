"""JPK and Park images, from tiny non-square files."""

import numpy as np
import pytest
from tiny_images import (
    RAW,
    SHAPE,
    jpk,
    jpk_channel,
    jpk_thumbnail,
    park_bytes,
    picture,
    slot,
    text,
    tiff,
)  # fmt: skip

import afmend
from afmend.errors import AfmendError, CorruptFileError, NotAnImageError, UnsupportedFileError
from afmend.formats import identify
from afmend.formats.hostile import FileBytes
from afmend.formats.park.reader import FIRST_VERSION
from afmend.formats.tifftags import Window, first_page, pages
from support import SCANS, assert_heights_close, realdata


def saved(tmp_path, data, name="x.tif"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def read_jpk(tmp_path, *pages_):
    return afmend.read(saved(tmp_path, tiff(list(pages_), ">"), "x.jpk"))


def test_jpk_reads_default_slot_direction_size_and_orientation(tmp_path):
    jpk(tmp_path / "a.bin")
    assert identify(tmp_path / "a.bin").id == "jpk"
    scan = afmend.read(tmp_path / "a.bin")
    assert [str(key) for key in scan.channels] == ["height/trace", "height/retrace"]
    trace, retrace = scan.channels.values()
    assert trace.unit == "nm"
    assert_heights_close(trace.values, 500.0 - RAW[::-1], atol_nm=1e-9)
    assert_heights_close(retrace.values, 2.0 * RAW[::-1], atol_nm=1e-9)
    assert scan.grid.shape == SHAPE
    assert scan.grid.size_nm == pytest.approx((1000.0, 700.0))
    assert scan.grid.angle_deg == pytest.approx(28.6478897565)
    assert (scan.grid.offset_slow_nm, scan.grid.offset_fast_nm) == pytest.approx((2000.0, 1000.0))
    facts = scan.acquisition
    assert (facts.mode, facts.date, facts.scan_direction, facts.line_rate_hz) == ("ac", "2020-01-01", "down", 4.0)
    assert (facts.setpoint, facts.setpoint_unit, facts.integral_gain, facts.proportional_gain) == (1.5, "V", -34, -0.1)
    assert scan.header["one.key"] == "1"
    assert scan.header["two"] == "x y"
    assert scan.header["2.default-slot"] == "nominal"
    assert scan.header["grid.ilength"] == "7"


def test_jpk_reflected_grid_is_not_turned(tmp_path):
    scan = read_jpk(tmp_path, jpk_thumbnail() | {0x8045: (8, [1])}, jpk_channel())
    assert_heights_close(scan.channel().values, 500.0 - RAW, atol_nm=1e-9)


@pytest.mark.parametrize("channel", [jpk_channel(default="raw"), jpk_channel(default=None)])
def test_jpk_without_calibration_is_loud(tmp_path, channel):
    scan = read_jpk(tmp_path, jpk_thumbnail(), channel)
    assert not scan.calibrated
    assert scan.channel().unit == ""
    assert_heights_close(scan.channel().values, RAW[::-1].astype(float), atol_nm=0)


def test_jpk_without_size_is_loud(tmp_path):
    scan = read_jpk(tmp_path, jpk_thumbnail() | {0x8042: (12, [float("nan")])}, jpk_channel())
    assert not scan.grid.calibrated
    assert scan.channel().calibrated


@pytest.mark.parametrize(
    ("pages_", "error"),
    [
        ([jpk_thumbnail()], CorruptFileError),
        ([jpk_thumbnail(), jpk_channel(default="lost")], CorruptFileError),
        ([jpk_thumbnail(), jpk_channel() | slot(2, "calibrated", "m", 1, 0, style="Spline")], UnsupportedFileError),
        ([jpk_thumbnail(), jpk_channel() | slot(2, "calibrated", "m", float("inf"), 0)], CorruptFileError),
        ([jpk_thumbnail(), jpk_channel() | slot(2, "calibrated", "m", 1e300, 0)], CorruptFileError),
        ([jpk_thumbnail(), jpk_channel(), jpk_channel(np.zeros((4, 7)))], UnsupportedFileError),
        ([jpk_thumbnail(), jpk_channel() | {259: (3, [5])}], UnsupportedFileError),
        ([jpk_thumbnail(), picture(np.zeros((5, 7, 3), np.uint8), ">")], UnsupportedFileError),
        ([jpk_thumbnail(), jpk_channel() | {278: (4, [2])}], CorruptFileError),
        ([jpk_thumbnail(), jpk_channel() | {256: (4, [70000]), 257: (4, [70000])}], CorruptFileError),
        ([jpk_thumbnail(), jpk_channel() | {256: (4, [1000])}], CorruptFileError),
        ([jpk_thumbnail(), jpk_channel() | {256: (12, [0.5])}], CorruptFileError),
        ([jpk_thumbnail(), jpk_channel() | {256: (7, b"1234567")}], CorruptFileError),
        ([jpk_thumbnail() | {0x8017: text("x" * (1 << 21))}, jpk_channel()], CorruptFileError),
    ],
)
def test_jpk_damage_is_one_clear_error(tmp_path, pages_, error):
    with pytest.raises(error, match=r"x\.jpk"):
        read_jpk(tmp_path, *pages_)


def test_jpk_header_larger_than_any_header_is_refused(tmp_path):
    many = {0x9000 + i: text("y" * 1_000_000) for i in range(5)}
    with pytest.raises(CorruptFileError, match="larger than any header"):
        read_jpk(tmp_path, jpk_thumbnail() | many, jpk_channel())


def test_jpk_channels_that_share_their_pixels_are_refused(tmp_path):
    page = jpk_channel(np.zeros((60, 70)))
    assert len(read_jpk(tmp_path, jpk_thumbnail(), *[page] * 3).channels) == 3
    shared = page | {273: (4, [16])}
    with pytest.raises(CorruptFileError, match="overlap"):
        read_jpk(tmp_path, jpk_thumbnail(), page, *[shared] * 20)


@pytest.mark.parametrize("name", ["a.jpk-force", "a.jpk-qi-data", "a.zip"])
def test_jpk_force_archive_is_not_an_image(tmp_path, name):
    data = b"PK\x03\x04" + bytes(26) + b"header.properties"
    with pytest.raises(NotAnImageError, match="force curves"):
        afmend.read(saved(tmp_path, data, name))


def test_another_archive_is_none_of_ours(tmp_path):
    with pytest.raises(AfmendError):
        afmend.read(saved(tmp_path, b"PK\x03\x04" + bytes(40), "x.zip"))


def test_park_reads_heights_size_and_facts(tmp_path):
    path = saved(tmp_path, park_bytes())
    assert identify(path).id == "park"
    scan = afmend.read(path)
    channel = scan.channel("height/trace")
    assert_heights_close(channel.values, 1.0 * (2.0 * RAW + 3.0), atol_nm=1e-9)
    assert scan.grid.size_nm == pytest.approx((500.0, 1400.0))
    facts = scan.acquisition
    assert (facts.mode, facts.scan_direction, facts.line_rate_hz) == ("NCM", "down", 1.0)
    assert (facts.setpoint, facts.setpoint_unit, facts.proportional_gain) == (2.0, "V", 0.7)
    assert facts.date == "2022:10:15"
    assert scan.header["comment"] == "a comment"
    assert scan.header["source_name"] == "Z Height"


@pytest.mark.parametrize(("dtype", "code"), [("<i2", 0), ("<i4", 1), ("<f4", 2)])
def test_park_data_types(tmp_path, dtype, code):
    scan = afmend.read(saved(tmp_path, park_bytes(dtype=dtype, data_type=code, z_scale=0.0, z_offset=0.0)))
    assert_heights_close(scan.channel().values, 1.0 * RAW, atol_nm=1e-9)


def test_park_first_version_has_16_bit_data_and_no_servo_gain(tmp_path):
    data = park_bytes(dtype="<i2", version=FIRST_VERSION, z_unit="", forward=0, scan_up=1, source_name="Z Detector")
    scan = afmend.read(saved(tmp_path, data))
    assert str(next(iter(scan.channels))) == "height_sensor/retrace"
    assert scan.channel().unit == "nm"
    assert scan.acquisition.scan_direction == "up"
    assert scan.acquisition.proportional_gain is None


def test_park_other_units_and_no_size(tmp_path):
    scan = afmend.read(saved(tmp_path, park_bytes(z_unit="mV", source_name="Error Signal", x_size_um=0.0)))
    channel = scan.channel("error")
    assert channel.unit == "V"
    assert channel.values[0, 0] == pytest.approx(0.001 * (2.0 * RAW[0, 0] + 3.0) * 1e-3)
    assert not scan.grid.calibrated


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"image_type": 1}, NotAnImageError),
        ({"compression": 1}, UnsupportedFileError),
        ({"data_type": 7}, UnsupportedFileError),
        ({"rows": 6}, CorruptFileError),
        ({"rows": -6}, CorruptFileError),
        ({"magic": 5}, CorruptFileError),
        ({"version": 0x01000009}, UnsupportedFileError),
        ({"data_gain": 0.0}, CorruptFileError),
        ({"z_offset": float("nan")}, CorruptFileError),
    ],
)
def test_park_damage_is_one_clear_error(tmp_path, changes, error):
    with pytest.raises(error, match=r"x\.tif"):
        afmend.read(saved(tmp_path, park_bytes(**changes)))


def test_park_short_header_and_lost_data(tmp_path):
    thumb = picture(np.zeros((2, 3), np.uint8), tags={50432: (4, [0x0E031301]), 50433: (4, [0x01000002])})
    with pytest.raises(CorruptFileError, match="header has"):
        afmend.read(saved(tmp_path, tiff([thumb | {50435: (7, bytes(20))}])))
    from tiny_images import park_header

    with pytest.raises(CorruptFileError, match="have 0 bytes"):
        afmend.read(saved(tmp_path, tiff([thumb | {50435: (7, park_header())}])))


def test_tiff_directories_in_a_circle_and_none_at_all(tmp_path):
    data = bytearray(tiff([picture(np.zeros((2, 3), np.uint8))]))
    first = data[4:8]
    data[-4:] = first
    with pytest.raises(CorruptFileError, match="circle"):
        list(pages(FileBytes(saved(tmp_path, bytes(data)))))
    data[4:8] = bytes(4)
    with pytest.raises(CorruptFileError, match="no picture"):
        list(pages(FileBytes(saved(tmp_path, bytes(data)))))
    with pytest.raises(CorruptFileError, match="not a TIFF"):
        list(pages(FileBytes(saved(tmp_path, b"nothing at all"))))


def test_a_window_is_bounded_and_a_lost_file_has_no_page(tmp_path):
    path = saved(tmp_path, b"II*\0\xff\xff\xff\x7f")
    assert first_page(path.read_bytes(), path) is None
    assert first_page(path.read_bytes(), tmp_path / "lost") is None
    with pytest.raises(CorruptFileError):
        Window(path).take(4, 8)


def test_tiff_values_of_odd_kinds(tmp_path):
    tags = {400: (5, [(1, 0), (3, 2)]), 401: (7, bytes(3)), 402: (11, [float("inf")]), 403: (3, [1])}
    page = first_page(b"II*\0", saved(tmp_path, tiff([picture(np.zeros((2, 3), np.uint8), tags=tags)])))
    assert page is not None
    assert page.numbers(400)[1] == 1.5
    assert np.isnan(page.number(400))
    assert page.number(999) is None
    assert page.blob(999) is None
    assert page.text(403) is None
    for code in (401, 402):
        with pytest.raises(CorruptFileError):
            page.whole(code, 0)


class TestRealData:
    pytestmark = realdata

    def test_no_reader_of_plain_pictures_takes_a_vendors_file(self):
        assert identify(SCANS / "park/example_ps.tiff").id == "park"
        assert identify(SCANS / "jpk/sample_0.jpk").id == "jpk"

    def test_jpk_trace_and_retrace_belong_together(self):
        scan = afmend.read(SCANS / "jpk/sample_0.jpk")
        trace, retrace = scan.channel("height/trace"), scan.channel("height/retrace")
        assert np.corrcoef(trace.values.ravel(), retrace.values.ravel())[0, 1] > 0.95
        assert scan.acquisition.setpoint == pytest.approx(1.7387439435)
