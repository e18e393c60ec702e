"""High-speed AFM and JPK movies, TopoStats results, from tiny non-square files."""

import numpy as np
import pytest
from tiny_images import RAW, asd_bytes, h5_jpk, topostats

import afmend
from afmend.errors import CorruptFileError, NotAnImageError, UnknownFormatError, UnsupportedFileError
from afmend.formats import hsafm, identify
from afmend.formats.hostile import FileBytes
from afmend.formats.hsafm.header import header_of
from support import SCANS, assert_heights_close, realdata


def asd_file(tmp_path, **changes):
    path = tmp_path / "x.asd"
    path.write_bytes(asd_bytes(**changes))
    return path


@pytest.mark.parametrize("version", [0, 1, 2])
def test_asd_bipolar_heights_in_every_version(tmp_path, version):
    path = asd_file(tmp_path, version=version)
    assert identify(path).id == "hsafm"
    scans = afmend.read_all(path)
    assert [(scan.source.index, scan.source.count) for scan in scans] == [(0, 2), (1, 2)]
    for frame, scan in enumerate(scans):
        # +-5 V over 12 bits, inverted; 20 nm/V behind a gain of 2; the second channel 10 nm/V.
        volts = 5.0 - 10.0 * (RAW + 300 + 10 * frame) / 4096
        assert_heights_close(scan.channel("height/trace").values, volts * 40.0, atol_nm=1e-9)
        error = scan.channel("error/trace")
        assert error.unit == "nm"
        assert_heights_close(error.values, -(volts - 10.0 * 100 / 4096) * 10.0, atol_nm=1e-9)
        assert scan.grid.size_nm == pytest.approx((100.0, 70.0))
        assert scan.header["frame.number"] == str(frame)
        assert scan.header["user"] == "Ann"
        assert scan.header["comment"] == "hello"
        assert scan.acquisition.frame_time_s == pytest.approx(0.5)
        assert scan.acquisition.line_rate_hz == pytest.approx(10.0)
        assert scan.acquisition.date == "2020-02-03 00:00:00"


def test_asd_unipolar_heights_fall_with_voltage(tmp_path):
    scan = afmend.read_all(asd_file(tmp_path, adc_range=1, scan_direction=2, frame_time_ms=float("nan")))[0]
    assert_heights_close(scan.channel("height/retrace").values, -(RAW + 300) / 4096 * 40.0, atol_nm=1e-9)
    assert scan.acquisition.frame_time_s is None


def test_asd_phase_and_no_size(tmp_path):
    scan = afmend.read_all(asd_file(tmp_path, channels=("PH",), x_size_nm=0, scan_direction=9))[0]
    assert scan.channel("phase").unit == "deg"
    assert not scan.grid.calibrated


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"frames": 2, "rows": 6}, CorruptFileError),
        ({"rows": -6}, CorruptFileError),
        ({"header_size": 1 << 30}, CorruptFileError),
        ({"comment_size": 1 << 20}, CorruptFileError),
        ({"user_size": -1}, CorruptFileError),
        ({"adc_bits": 40}, CorruptFileError),
        ({"adc_range": 0x800000}, UnsupportedFileError),
        ({"z_gain": float("inf")}, CorruptFileError),
    ],
)
def test_asd_damage_is_one_clear_error(tmp_path, changes, error):
    with pytest.raises(error, match=r"x\.asd"):
        afmend.read_all(asd_file(tmp_path, **changes))


def test_asd_frames_promised_but_not_there(tmp_path):
    path = asd_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptFileError, match="promises 2 frames"):
        afmend.read_all(path)


def test_asd_foreign_files_are_not_recognised(tmp_path):
    for changes in ({"file_version": 7}, {"channel_1": "XX"}, {"frame_header_size": 5}):
        path = asd_file(tmp_path, **changes)
        assert hsafm.recognise(path.read_bytes(), path) is afmend.formats.Verdict.NO
        with pytest.raises(UnsupportedFileError):
            hsafm.read(path)
    assert hsafm.recognise(b"\1\0\0\0", path) is afmend.formats.Verdict.NO


def test_asd_a_movie_too_long_to_open_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("afmend.formats.hsafm.reader.MAX_VALUES", 100)
    with pytest.raises(UnsupportedFileError, match="too many"):
        afmend.read_all(asd_file(tmp_path))


def test_asd_texts_in_the_files_own_encoding(tmp_path):
    path = asd_file(tmp_path, user="高速", user_size=6)
    assert header_of(FileBytes(path))["user"] == "高速"


def test_h5_jpk_frames_channels_units_and_orientation(tmp_path):
    h5_jpk(tmp_path / "x.h5-jpk")
    assert identify(tmp_path / "x.h5-jpk").id == "jpk_h5"
    scans = afmend.read_all(tmp_path / "x.h5-jpk")
    assert len(scans) == 3
    for frame, scan in enumerate(scans):
        assert [str(key) for key in scan.channels] == ["height/trace", "height/retrace", "phase/retrace"]
        assert_heights_close(scan.channel().values, 500.0 - (RAW + frame)[::-1], atol_nm=1e-9)
        phase = scan.channel("phase")
        assert not phase.calibrated
        assert_heights_close(phase.values, (RAW + frame)[::-1].astype(float), atol_nm=0)
        assert scan.grid.size_nm == pytest.approx((1000.0, 700.0))
        assert scan.acquisition.line_rate_hz == 10.0
        assert scan.acquisition.frame_time_s == 0.5
        assert scan.acquisition.scan_direction == "down"
        assert (scan.acquisition.setpoint, scan.acquisition.setpoint_unit) == (1.0, "V")
        assert scan.header["frame"] == str(frame)
        assert scan.header["channel 1.retrace"] == "true"


def test_h5_jpk_reflected(tmp_path):
    h5_jpk(tmp_path / "x.h5-jpk", reflect="true")
    assert_heights_close(afmend.read_all(tmp_path / "x.h5-jpk")[0].channel().values, 500.0 - RAW, atol_nm=1e-9)


def _lose(name):
    def change(file):
        del file[name]

    return change


def _set(where, key, value):
    def change(file):
        if value is None:
            del file[where].attrs[key]
        else:
            file[where].attrs[key] = value

    return change


def _empty(file):
    for name in ("Height", "thumbnail"):
        del file["Measurement_000/Channel_000"][name]


def _short(file):
    group = file["Measurement_000/Channel_001"]
    del group["Height"]
    group["Height"] = np.zeros((35, 2), np.int32)


def _flat(file):
    group = file["Measurement_000/Channel_001"]
    del group["Height"]
    group["Height"] = np.zeros(35, np.int32)


def _no_channels(file):
    for number in range(3):
        del file[f"Measurement_000/Channel_{number:03d}"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (_lose("Measurement_000"), NotAnImageError),
        (lambda file: file.create_group("Measurement_001"), UnsupportedFileError),
        (_set("Measurement_000", "position-pattern.grid.ilength", None), NotAnImageError),
        (_set("Measurement_000", "position-pattern.grid.ilength", 8), CorruptFileError),
        (_set("Measurement_000", "position-pattern.grid.ilength", "many"), NotAnImageError),
        (_set("Measurement_000/Channel_001", "net-encoder.scaling.multiplier", float("nan")), CorruptFileError),
        (_empty, CorruptFileError),
        (_short, CorruptFileError),
        (_flat, CorruptFileError),
        (_no_channels, CorruptFileError),
    ],
)
def test_h5_jpk_damage_is_one_clear_error(tmp_path, change, error):
    h5_jpk(tmp_path / "x.h5-jpk", change=change)
    with pytest.raises(error, match=r"x\.h5-jpk"):
        afmend.read_all(tmp_path / "x.h5-jpk")


def test_h5_jpk_without_size_or_names_is_loud(tmp_path):
    def change(file):
        file["Measurement_000"].attrs["position-pattern.grid.unit.unit"] = "furlong"
        del file["Measurement_000"].attrs["timing-settings.scanRate"]
        file["Measurement_000/Channel_000"].move("Height", "Other")

    h5_jpk(tmp_path / "x.h5-jpk", change=change)
    scan = afmend.read_all(tmp_path / "x.h5-jpk")[0]
    assert not scan.grid.calibrated
    assert scan.acquisition.frame_time_s is None
    assert_heights_close(scan.channel().values, 500.0 - RAW[::-1], atol_nm=1e-9)


def test_h5_jpk_bombs(tmp_path, monkeypatch):
    h5_jpk(tmp_path / "x.h5-jpk")
    monkeypatch.setattr("afmend.formats.jpk_h5.reader.MAX_VALUES", 100)
    with pytest.raises(UnsupportedFileError, match="too many"):
        afmend.read_all(tmp_path / "x.h5-jpk")
    monkeypatch.undo()
    monkeypatch.setattr("afmend.formats.jpk_h5.reader.PACKING", 0)
    monkeypatch.setattr("afmend.formats.jpk_h5.reader._SLACK_VALUES", 10)
    with pytest.raises(CorruptFileError, match="cannot stand"):
        afmend.read_all(tmp_path / "x.h5-jpk")


@pytest.mark.parametrize("write", [h5_jpk, topostats])
def test_a_cut_hdf5_file_is_corrupt(tmp_path, write):
    path = tmp_path / "x"
    write(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CorruptFileError, match="HDF5"):
        afmend.read_all(path)


def test_another_hdf5_file_is_none_of_ours(tmp_path):
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = [1, 2]
    with pytest.raises(UnknownFormatError):
        afmend.read_all(tmp_path / "x.h5")


@pytest.mark.parametrize(("version", "grains"), [("2.4", "grains class 1"), ("0.2", "grains above")])
def test_topostats_image_scale_and_masks(tmp_path, version, grains):
    topostats(tmp_path / "x.topostats", version)
    assert identify(tmp_path / "x.topostats").id == "topostats"
    scan = afmend.read(tmp_path / "x.topostats")
    channel = scan.channel()
    assert channel.name == "image"
    assert channel.unit == "nm"
    assert_heights_close(channel.values, RAW / 100, atol_nm=0)
    assert_heights_close(scan.channel("image_original").values, RAW / 50, atol_nm=0)
    assert scan.grid.pixel_nm == (2.5, 2.5)
    assert list(channel.masks.foreground) == [grains]
    assert channel.masks.foreground[grains].sum() == 6
    assert channel.masks.foreground[grains][1, 4]
    assert scan.header["filename"] == "tiny"
    assert scan.header["config.cores"] == "2"
    assert scan.header["config.filter.method"] == "median"


def _cube(file):
    del file["image"]
    file["image"] = np.zeros((2, 3, 4))


def _other_shape(file):
    del file["image_original"]
    file["image_original"] = np.zeros((7, 5))


def _other_mask(file):
    del file["full_mask_tensor"]
    file["full_mask_tensor"] = np.zeros((7, 5, 2))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (_lose("image"), CorruptFileError),
        (_cube, UnsupportedFileError),
        (_other_shape, CorruptFileError),
        (_other_mask, CorruptFileError),
    ],
)
def test_topostats_damage_is_one_clear_error(tmp_path, change, error):
    topostats(tmp_path / "x.topostats", change=change)
    with pytest.raises(error, match=r"x\.topostats"):
        afmend.read(tmp_path / "x.topostats")


def test_topostats_without_scale_is_loud(tmp_path):
    def change(file):
        file["pixel_to_nm_scaling"][...] = -1.0

    topostats(tmp_path / "x.topostats", change=change)
    assert not afmend.read(tmp_path / "x.topostats").grid.calibrated


class TestRealData:
    pytestmark = realdata

    def test_asd_lattice(self):
        scans = afmend.read_all(SCANS / "hsafm/lattice_32_frames.asd")
        assert len(scans) == 32
        assert scans[0].grid.size_nm == pytest.approx((100.0, 100.0))
        spread = [float(np.ptp(scan.channel().values)) for scan in scans]
        # A protein lattice, one or two nanometers high, until the tip loses it in frame 22.
        assert 1 < min(spread[:22]) < max(spread[:22]) < 3
        # In frame 29 the height comes back from saturation line by line, and frame 30 goes on from there:
        # the lines run upwards.
        low, high = (scans[29].channel().values[row].mean() for row in (-1, 0))
        assert low < high - 100
        assert abs(high - scans[30].channel().values[-1].mean()) < 5
        assert scans[0].channel().values.max() < 0

    def test_h5_jpk_video(self):
        scans = afmend.read_all(SCANS / "jpk/video_4_frames.h5-jpk")
        assert len(scans) == 4
        assert len(scans[0].channels) == 9
        assert scans[0].grid.size_nm == pytest.approx((150.0, 150.0))
        trace, retrace = (scans[0].channel(f"height/{way}").values for way in ("trace", "retrace"))
        assert np.corrcoef(trace.ravel(), retrace.ravel())[0, 1] > 0.9
        sensor = scans[0].channel("height_sensor/trace").values
        assert np.corrcoef(trace.ravel(), sensor.ravel())[0, 1] > 0.7

    def test_topostats_minicircle(self):
        scan = afmend.read(SCANS / "topostats/minicircle_small.topostats")
        assert scan.grid.size_nm[1] == pytest.approx(126.46475)
        assert scan.channel().values.max() < 10
        mask = scan.channel().masks.foreground["grains class 1"]
        assert scan.channel().values[mask].mean() > scan.channel().values[~mask].mean() + 0.5
