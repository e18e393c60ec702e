"""afmend's own HDF5 files."""

import json

import h5py
import numpy as np
import pytest
from scans_b import full_scan

import afmend
from afmend.errors import AfmendError, CorruptFileError, UnsupportedFileError, WriteError
from afmend.formats import afmend_h5
from afmend.formats.register import Verdict, identify
from afmend.scan import Channel, Grid, Scan


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.h5"
    afmend_h5.write_all([full_scan(), full_scan((5, 7))], path)
    return path


def test_recognises_and_reads_several_scans(path):
    assert identify(path).id == "afmend_h5"
    assert [scan.grid.shape for scan in afmend.read_all(path)] == [(24, 37), (5, 7)]
    assert afmend_h5.read(path) == [full_scan(), full_scan((5, 7))]


def test_the_same_scan_gives_the_same_file(path):
    first = path.read_bytes()
    afmend_h5.write_all([full_scan(), full_scan((5, 7))], path)
    assert path.read_bytes() == first


def test_other_programs_find_metres(path):
    with h5py.File(path) as file:
        values = file["scans/00000/channels/000/values"]
        assert (values.attrs["unit"], values.attrs["si_unit"], values.attrs["si_factor"]) == (b"nm", b"m", 1e-9)
        assert file["scans/00000/channels/000/masks/000"].attrs["role"] == b"missing"
        assert json.loads(file["scans/00000/header"][()])["Größe"] == "1"


def test_metres_could_not_come_back_bit_for_bit():
    z = np.linspace(0.1, 100, 1001)
    assert not np.array_equal(z / 1e9 * 1e9, z)
    assert not np.array_equal(z * 1e-9 * 1e9, z)


def test_a_lone_surrogate_in_the_header_survives(tmp_path):
    scan = Scan.of(Grid(2, 3), [Channel("height", "trace", np.ones((2, 3)), "nm")], header={"a\udcff": "\0"})
    afmend_h5.write(scan, tmp_path / "x.h5")
    assert afmend_h5.read(tmp_path / "x.h5") == [scan]


@pytest.mark.parametrize("name", ["a\0b", "a\udcff", "long" * 5000])
def test_a_name_that_attributes_cannot_hold_is_refused(tmp_path, name):
    scan = Scan.of(Grid(2, 3), [Channel("height", "trace", np.ones((2, 3)), "nm", name)])
    with pytest.raises(WriteError, match="name"):
        afmend.formats.write(scan, tmp_path / "x.h5")
    assert not list(tmp_path.iterdir())


def test_no_scan_is_no_file(tmp_path):
    with pytest.raises(WriteError, match="no scan"):
        afmend_h5.write_all([], tmp_path / "x.h5")


def _change(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def test_a_changed_number_is_noticed(path):
    def change(file):
        file["scans/00001/channels/000/values"][2, 3] += 1e-9

    with pytest.raises(CorruptFileError, match="fingerprint"):
        afmend_h5.read(_change(path, change))


def test_a_change_on_purpose_is_read(path):
    def change(file):
        del file["scans/00000"].attrs["fingerprint"]
        file["scans/00000/channels/000/values"][2, 3] = 4.5

    assert afmend_h5.read(_change(path, change))[0].channel().values[2, 3] == 4.5


SCAN = "scans/00000"
CHANNEL = f"{SCAN}/channels/000"


def _replace(name, value):
    def change(file):
        del file[name]
        file[name] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file[SCAN]["grid"].attrs.__setitem__("rows", 25),
        lambda file: file[SCAN]["grid"].attrs.__setitem__("rows", 1 << 40),
        lambda file: file[SCAN]["grid"].attrs.__setitem__("rows", 3.0),
        lambda file: file[SCAN]["grid"].attrs.__setitem__("pixel_fast_nm", -1.0),
        lambda file: file[CHANNEL].attrs.__delitem__("kind"),
        lambda file: file[CHANNEL].attrs.__setitem__("direction", "up"),
        lambda file: file[f"{CHANNEL}/masks/000"].attrs.__setitem__("role", "guest"),
        lambda file: file[f"{CHANNEL}/values"].__setitem__((0, 0), np.nan),
        lambda file: file[f"{CHANNEL}/uncertainty"].__setitem__((0, 0), -1),
        lambda file: file.__delitem__(f"{CHANNEL}/values"),
        lambda file: file.__delitem__(f"{SCAN}/history"),
        _replace(f"{CHANNEL}/values", np.zeros((37, 24))),
        _replace(f"{SCAN}/history", "{}"),
        _replace(f"{SCAN}/history", "[{}]"),
        _replace(f"{SCAN}/history", "[3]"),
        _replace(f"{SCAN}/history", "[" * 100_000),
        _replace(f"{SCAN}/header", "no json"),
        _replace(f"{SCAN}/header", '{"a": 1}'),
        _replace(f"{SCAN}/acquisition", '{"mode": 1}'),
        _replace(f"{SCAN}/acquisition", '{"size": 1}'),
        lambda file: [file["scans"].__delitem__(name) for name in list(file["scans"])],
    ],
)  # fmt: skip
def test_damage_is_one_clear_error(path, change):
    def damage(file):
        for scan in file["scans"].values():
            del scan.attrs["fingerprint"]
        change(file)

    with pytest.raises(AfmendError) as caught:
        afmend.read_all(_change(path, damage))
    assert caught.value.where == "x.h5"
    assert caught.value.now


def test_a_newer_layout_is_not_guessed(path):
    with pytest.raises(UnsupportedFileError, match="layout 2"):
        afmend_h5.read(_change(path, lambda file: file.attrs.__setitem__("layout", 2)))


def test_other_hdf5_files_are_not_claimed(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["a"] = 1
    assert afmend_h5.recognise(path.read_bytes(), path) is Verdict.NO
    path.write_bytes(path.read_bytes()[:300])
    assert afmend_h5.recognise(path.read_bytes(), path) is Verdict.NO
    assert afmend_h5.recognise(b"GWYP", path) is Verdict.NO


def test_a_truncated_file_is_claimed_and_refused(path):
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(CorruptFileError):
        afmend.read_all(path)
