"""The way from a path to a reader and back: what is refused, and which file an error names."""

import errno
import os

import pytest

import afmend
from afmend.errors import CorruptFileError, UnsupportedFileError, WriteError
from afmend.formats import identify, write
from support import rough, scan_of


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.spm")
    for path in (tmp_path / "pipe.spm", tmp_path):
        with pytest.raises(CorruptFileError, match=f"{path.name}: is not a regular file"):
            identify(path)


def test_frames_are_counted_from_zero(tmp_path):
    path = write(scan_of(rough((5, 7))), tmp_path / "x.gsf")
    assert afmend.read(path, frame=0).grid.shape == (5, 7)
    for frame in (-1, 1):
        with pytest.raises(UnsupportedFileError, match=f"no image {frame}"):
            afmend.read(path, frame=frame)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("cannot close {}"), OSError("cannot open {}"), OSError(errno.ENOSPC, "No space left"),
     WriteError("cannot hold that")],
    ids=["h5py closing", "h5py opening", "disk full", "writer"],
)  # fmt: skip
def test_errors_name_the_file_that_was_asked_for(tmp_path, monkeypatch, error):
    def fail(_scan, path):
        if not getattr(error, "errno", None) and error.args:
            error.args = (error.args[0].format(path), *error.args[1:])
        raise error

    monkeypatch.setattr("afmend.formats.afmend_h5.write", fail)
    (tmp_path / "x.h5").write_bytes(b"old")
    with pytest.raises(WriteError, match=r"x\.h5: cannot") as caught:
        write(scan_of(rough((5, 7))), tmp_path / "x.h5")
    assert ".afmend-" not in str(caught.value)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x.h5", b"old")]
    if not isinstance(error, WriteError):
        assert "Is the disk full?" in str(caught.value)


def test_a_writer_that_refuses_does_not_name_the_temporary_file(tmp_path):
    with pytest.raises(WriteError, match=r"^WriteError: x\.npy: a \.npy file"):
        write(scan_of(rough((5, 7))), tmp_path / "x.npy")
