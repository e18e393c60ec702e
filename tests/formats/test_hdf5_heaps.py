"""Damaged heaps are found before libhdf5 loops over them."""

import struct

import pytest
from tiny_images import h5_jpk

from afmend.errors import CorruptFileError
from afmend.formats.hdf5_heaps import check_heaps


def heap(*objects, size=None):
    body = b"".join(struct.pack("<HH4xQ", index, 1, length) + bytes(stored) for index, length, stored in objects)
    return b"GCOL\1\0\0\0" + struct.pack("<Q", 16 + len(body) if size is None else size) + body


@pytest.mark.parametrize(
    "data", [b"", b"nothing", heap((1, 5, 8), (0, 32, 16)), heap((1, 8, 8), (2, 1, 8)), b"x" + heap((1, 5, 8)) * 2]
)
def test_sound_heaps(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    check_heaps(tmp_path / "x")


@pytest.mark.parametrize(
    "data",
    [
        heap((1, 5, 8), (0, 0, 16)),
        heap((1, 5, 8), (0, 33, 16)),
        heap((1, 500, 8)),
        heap((1, 5, 8), size=1000),
        b"GCOL\1\0\0\0",
    ],
)
def test_damaged_heaps(tmp_path, data):
    (tmp_path / "x").write_bytes(b"before" + data)
    with pytest.raises(CorruptFileError, match="heap"):
        check_heaps(tmp_path / "x")


def test_a_file_that_hung_the_library(tmp_path):
    path = tmp_path / "x.h5-jpk"
    h5_jpk(path)
    data = bytearray(path.read_bytes())
    at = data.find(b"GCOL")
    data[at + 16 + 9] = 8  # the first text claims 2048 bytes more: the next object is of size zero
    path.write_bytes(data)
    with pytest.raises(CorruptFileError, match="heap"):
        check_heaps(path)
