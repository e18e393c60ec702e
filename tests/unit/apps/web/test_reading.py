import io
import json
import struct
import time

import numpy as np
import pytest
from PIL import Image

from afmend.apps.web import wire
from afmend.apps.web.reading import Library, Reader
from afmend.errors import BadScanError, CorruptFileError, StepError, UnknownFormatError
from afmend.formats import write
from afmend.recipes import repair
from afmend.scan import Channel, Grid, Masks, Scan
from support import scan_of
from web_server import damaged


@pytest.fixture(scope="module")
def reader():
    reader = Reader()
    yield reader
    reader.close()


def test_a_scan_travels_whole():
    lost = np.zeros((96, 128), bool)
    lost[:3] = True
    scan = repair(scan_of(damaged(), masks=Masks(missing=lost), opposite=damaged(seed=4)), "gwyddion")
    stream = io.BytesIO()
    wire.send(stream, {"scan": wire.pack(scan)[0]}, wire.pack(scan)[1])
    stream.seek(0)
    facts, arrays = wire.receive(stream)
    again = wire.unpack(facts["scan"], arrays)
    assert again.channels == scan.channels
    assert again.history == scan.history
    assert (again.grid, again.source, dict(again.header)) == (scan.grid, scan.source, dict(scan.header))


def headed(text):
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "data",
    [
        b"", b"123", struct.pack("<Q", 1 << 40), struct.pack("<Q", 100) + b"{}", headed(b'{"arrays": [["f8", [-1]]]}'),
        headed(b'{"arrays": [["f8", [99999999999]]]}'), headed(b'{"arrays": [["f8", [2]]]}') + b"x",
    ],
)  # fmt: skip
def test_what_is_no_message_ends_the_stream(data):
    with pytest.raises(EOFError):
        wire.receive(io.BytesIO(data))


def test_what_is_no_scan_is_refused():
    facts, arrays = wire.pack(scan_of(damaged()))
    for wrong in ({}, {**facts, "grid": {}}, {**facts, "channels": [{"kind": "x"}]}):
        with pytest.raises(BadScanError):
            wire.unpack(wrong, arrays)
    with pytest.raises(BadScanError):
        wire.unpack(json.loads(json.dumps(facts)), [])


def test_library_reads_once_and_again_when_the_file_changes(reader, tmp_path):
    path = write(scan_of(damaged()), tmp_path / "a.h5")
    library = Library(reader)
    first = library.open(path)
    assert library.open(path) is first
    assert first.count == 1
    write(scan_of(damaged(seed=9)), path)
    second = library.open(path)
    assert second is not first
    assert second.scan.main != first.scan.main
    small = Library(reader, limit_bytes=1)
    assert small.open(path).scan.main == second.scan.main


def test_errors_of_readers_arrive_as_they_are(reader, tmp_path):
    (tmp_path / "x.bin").write_bytes(b"\0\1\2")
    with pytest.raises(UnknownFormatError, match="no reader"):
        reader.ask(tmp_path / "x.bin", want="scan")
    with pytest.raises(CorruptFileError):
        Library(reader).open(tmp_path / "none.h5")


def test_a_slow_file_is_given_up_and_the_next_one_is_read(tmp_path):
    import os

    path = write(scan_of(damaged()), tmp_path / "a.h5")
    slow = Reader(timeout_s=0.05)
    with pytest.raises(CorruptFileError, match="longer than"):
        slow.ask(path, want="scan")
    slow.close()
    fast = Reader(timeout_s=60)
    fast.ask(path, want="scan")
    os.kill(fast._process.pid, 9)
    time.sleep(0.2)
    assert fast.ask(path, want="scan")[0]["count"] == 1  # it died before: not because of this file
    fast.close()


def test_an_answer_that_cannot_be_read_is_not_given_to_the_next_file(tmp_path, monkeypatch):
    first = write(scan_of(damaged()), tmp_path / "a.h5")
    second = write(scan_of(damaged((60, 70))), tmp_path / "b.h5")
    reader = Reader()
    with monkeypatch.context() as patch:
        patch.setattr(wire, "receive", lambda _: struct.unpack("<Q", b""))
        with pytest.raises(CorruptFileError, match="died"):
            reader.ask(first, want="thumb", size=50)
    assert reader.ask(second, want="thumb", size=50)[0]["rows"] == 60
    reader.close()


def test_a_clock_that_rings_just_after_the_answer_harms_no_next_file(tmp_path, monkeypatch):
    path = write(scan_of(damaged()), tmp_path / "a.h5")
    reader = Reader(timeout_s=20)
    reader.ask(path, want="thumb", size=50)
    reader._timeout_s = 0.3
    receive = wire.receive
    with monkeypatch.context() as patch:
        patch.setattr(wire, "receive", lambda stream: (receive(stream), time.sleep(0.6))[0])
        assert reader.ask(path, want="thumb", size=50)[0]["rows"] == 96
    assert reader._process is None
    reader._timeout_s = 20
    assert reader.ask(path, want="thumb", size=50)[0]["rows"] == 96
    reader.close()


def test_a_greedy_file_meets_the_limit_of_memory(tmp_path):
    np.save(tmp_path / "big.npy", np.zeros((4000, 4000)))
    reader = Reader(memory_mb=500)
    with pytest.raises(CorruptFileError, match=r"memory|died"):
        reader.ask(tmp_path / "big.npy", want="scan")
    reader.close()


def test_thumbs(reader, tmp_path):
    path = write(scan_of(damaged((80, 120))), tmp_path / "a.gwy")
    facts, arrays = reader.ask(path, want="thumb", size=100)
    assert bytes.fromhex(facts["png"]).startswith(b"\x89PNG")
    assert (facts["rows"], facts["cols"], arrays) == (80, 120, [])


def test_thumbs_of_flat_scans_show_no_rounding(reader, tmp_path):
    heights = -2.5 + 1e-9 * np.random.default_rng(2).normal(size=(80, 120))
    path = write(scan_of(heights), tmp_path / "flat.h5")
    picture = Image.open(io.BytesIO(bytes.fromhex(reader.ask(path, want="thumb", size=100)[0]["png"])))
    assert np.ptp(np.asarray(picture.convert("RGB")).astype(int), axis=(0, 1)).max() <= 2


def test_a_verdict_comes_with_its_evidence(reader, tmp_path):
    heights = damaged()
    write(scan_of(heights, opposite=heights + 0.01), tmp_path / "a.h5")
    both = {
        direction: reader.ask(tmp_path / "a.h5", want="gate", channel=f"height/{direction}")[0]
        for direction in ("trace", "retrace")
    }
    for facts in both.values():
        judged, activation = facts["judged"], facts["activation"]
        assert judged["verdict"] in judged["probabilities"]
        assert set(activation["maps"]) == set(judged["probabilities"])
        rows, cols = activation["shape"]
        values = np.frombuffer(bytes.fromhex(activation["maps"][judged["verdict"]]), np.int8)
        assert values.size == rows * cols
        assert 0 < np.abs(values.astype(int)).max() <= 127
    write(scan_of(heights[:6]), tmp_path / "low.h5")
    with pytest.raises(StepError, match="too little to judge"):
        reader.ask(tmp_path / "low.h5", want="gate", channel=None)


def test_evidence_of_a_retrace_lies_where_the_picture_does(reader, tmp_path):
    rng = np.random.default_rng(2)
    heights = rng.normal(0, 0.2, (96, 128))
    heights[:, :40] += 40.0 * (rng.random((96, 40)) > 0.8)
    mirrored = {}
    for direction, shown in (("trace", heights), ("retrace", heights[:, ::-1])):
        scan = Scan.of(Grid(96, 128, 2.0, 3.0), [Channel("height", direction, np.ascontiguousarray(shown), "nm")])
        write(scan, tmp_path / f"{direction}.h5")
        facts = reader.ask(tmp_path / f"{direction}.h5", want="gate", channel=None)[0]
        rows, cols = facts["activation"]["shape"]
        name = facts["judged"]["verdict"]
        mirrored[direction] = np.frombuffer(bytes.fromhex(facts["activation"]["maps"][name]), np.int8).reshape(
            rows, cols
        )
    assert (mirrored["retrace"] == mirrored["trace"][:, ::-1]).all()
