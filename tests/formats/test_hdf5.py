"""HDF5 files that lie about their content."""

import zlib

import h5py
import numpy as np
import pytest

from afmend.errors import CorruptFileError
from afmend.formats import hdf5


@pytest.fixture
def make(tmp_path):
    """Write a file with a function, open it with `hdf5.opened`, and ask."""

    def ask(fill, question):
        path = tmp_path / "x.h5"
        with h5py.File(path, "w") as file:
            fill(file)
        with hdf5.opened(path) as file:
            return question(file)

    return ask


def test_reads_numbers_in_native_order(make):
    values = np.arange(6.0).reshape(2, 3)

    def fill(file):
        file["big"] = values.astype(">f4")
        file["one"] = 7

    found = make(fill, lambda file: (hdf5.dataset(file, "big"), hdf5.dataset(file, "one"), hdf5.names(file)))
    assert found[0].dtype == np.dtype("=f4")
    assert found[0].tolist() == values.tolist()
    assert found[1] == 7
    assert found[2] == ["big", "one"]


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (lambda file: file.create_dataset("d", data=["text"]), "not an array of numbers"),
        (lambda file: file.create_dataset("d", (2, 2, 1, 1, 1), "f4"), "not an array of numbers"),
        (lambda file: file.create_dataset("d", data=h5py.Empty("f4")), "not an array of numbers"),
        (lambda file: file.create_dataset("d", (0, 3), "f4"), "promises 0 x 3"),
        (lambda file: file.create_dataset("d", (1 << 20, 1 << 20), "f4"), "promises 1048576 x 1048576"),
        (lambda file: file.create_dataset("d", (3000, 3000), "f4", chunks=(10, 10)), "are there"),
        (lambda file: file.create_dataset("d", (3000, 3000), "f4"), "are there"),
        (lambda file: file.create_dataset("d", (9, 9), "f8", chunks=(9000, 9000), maxshape=(None, None)), "are there"),
        (lambda file: file.create_dataset("d", (2, 3), "f4", external=[("elsewhere", 0, 24)]), "another file"),
        (lambda file: file.create_group("d"), "not a dataset"),
        (lambda file: file.clear(), "no member"),
        (lambda file: file.__setitem__("d", h5py.ExternalLink("elsewhere.h5", "/x")), "no member"),
        (lambda file: file.__setitem__("d", h5py.SoftLink("/d")), "no member"),
        (lambda file: file.create_dataset("d", (4, 4), "f4", compression=32015, allow_unknown_filter=True), "filters"),
    ],
)  # fmt: skip
def test_refuses_datasets_that_lie(make, fill, words):
    with pytest.raises(CorruptFileError, match=words):
        make(fill, lambda file: hdf5.dataset(file, "d"))


@pytest.mark.parametrize("kind", ["<f8", ">f4", "<i2", "u1"])
@pytest.mark.parametrize("shape", [(7, 11), (4, 3), (13,), (3, 5, 2)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_unpacks_as_the_library_does(make, kind, shape, shuffle):
    values = (np.arange(np.prod(shape)).reshape(shape) % 100).astype(kind)
    chunks = (4, 3, 2)[: len(shape)] if shape[0] != 3 else (3, 2, 2)

    def fill(file):
        packed = {"compression": "gzip", "shuffle": shuffle}
        file.create_dataset("whole", data=values, chunks=chunks, **packed)
        file.create_dataset("holes", shape, kind, chunks=chunks, fillvalue=7, **packed)[0] = values[0]
        file.create_dataset("other", data=values, chunks=chunks, fletcher32=True, **packed)

    def ask(file):
        return [(hdf5.dataset(file, name), file[name][()]) for name in file]

    for mine, libraries in make(fill, ask):
        assert mine.dtype == np.dtype(kind).newbyteorder("=")
        assert np.array_equal(mine, libraries)


@pytest.mark.parametrize(
    ("packed", "mask"),
    [
        (zlib.compress(bytes(1 << 24)), 0),
        (zlib.compress(bytes(100)), 0),
        (zlib.compress(bytes(128))[:-1], 0),
        (b"nothing", 0),
        (bytes(128), 1),
    ],
)
def test_a_chunk_that_unpacks_to_something_else_is_refused(make, packed, mask):
    def fill(file):
        made = file.create_dataset("d", (4, 4), "f8", chunks=(4, 4), compression="gzip")
        made.id.write_direct_chunk((0, 0), packed, mask)

    with pytest.raises(CorruptFileError, match="chunk"):
        make(fill, lambda file: hdf5.dataset(file, "d"))


def test_a_virtual_dataset_is_refused(make):
    def fill(file):
        layout = h5py.VirtualLayout((2, 3), "f4")
        layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (2, 3))
        file.create_virtual_dataset("d", layout)

    with pytest.raises(CorruptFileError, match="another file"):
        make(fill, lambda file: hdf5.dataset(file, "d"))


@pytest.mark.parametrize(
    "value",
    ["µm", np.array("µm".encode(), h5py.string_dtype("utf-8", 8)), np.array(["µm"], h5py.string_dtype())],
)
def test_reads_texts(make, value):
    assert make(lambda file: file.create_dataset("t", data=value), lambda file: hdf5.text(file, "t")) == "µm"


@pytest.mark.parametrize(
    "fill",
    [
        lambda file: file.create_dataset("t", data=3.0),
        lambda file: file.create_dataset("t", data=["a", "b"]),
        lambda file: file.create_dataset("t", (), h5py.string_dtype("utf-8", 1 << 27)),
        lambda file: file.create_dataset("t", data="long enough"),
        lambda file: file.create_dataset("t", data=np.array(b"long enough", "S11")),
        lambda file: file.create_dataset("t", (), h5py.vlen_dtype(np.float64)),
    ],
)
def test_refuses_texts_that_are_none(make, fill):
    with pytest.raises(CorruptFileError):
        make(fill, lambda file: hdf5.text(file, "t", max_bytes=5))


def test_reads_attributes(make):
    def fill(file):
        file.attrs["text"] = "µm"
        file.attrs["fixed"] = np.bytes_(b"ab")
        file.attrs["yes"] = True
        file.attrs["number"] = 1.5
        file.attrs["several"] = [1, 2]

    found = make(fill, hdf5.attributes)
    assert found.pop("several").tolist() == [1, 2]
    assert found == {"text": "µm", "fixed": "ab", "yes": True, "number": 1.5}
    assert make(fill, lambda file: hdf5.attribute(file, "absent")) is None


@pytest.mark.parametrize("value", [h5py.Empty("f4"), np.zeros(5000), np.zeros(2, [("a", "f4"), ("b", "f4")])])
def test_refuses_odd_attributes(make, value):
    with pytest.raises(CorruptFileError, match="attribute"):
        make(lambda file: file.attrs.__setitem__("a", value), lambda file: hdf5.attribute(file, "a"))


def test_refuses_crowds(make):
    def fill(file):
        for i in range(5):
            file.create_group(f"g{i}").attrs["a"] = i
            file.attrs[f"a{i}"] = i

    with pytest.raises(CorruptFileError, match="5 members"):
        make(fill, lambda file: hdf5.names(file, 4))
    with pytest.raises(CorruptFileError, match="5 attributes"):
        make(fill, lambda file: hdf5.attributes(file, 4))
    assert make(fill, lambda file: hdf5.group(file, "g1").name) == "/g1"
    assert make(fill, lambda file: hdf5.has(file, "g9")) is False


def test_a_dataset_is_no_group(make):
    with pytest.raises(CorruptFileError, match="not a group"):
        make(lambda file: file.create_dataset("d", data=1), lambda file: hdf5.group(file, "d"))


def test_what_is_no_hdf5_file_is_corrupt(tmp_path):
    path = tmp_path / "x.h5"
    path.write_bytes(hdf5.SIGNATURE + b"nothing")
    with pytest.raises(CorruptFileError, match="HDF5 library"), hdf5.opened(path):
        pass
    with pytest.raises(CorruptFileError), hdf5.opened(tmp_path / "absent.h5"):
        pass
