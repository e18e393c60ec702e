"""Sets of scans: resumable, independent of shards and workers, guarded by hashes."""

import json

import pytest

from afmend.errors import BadRecipeError, CorruptFileError, WriteError
from afmend.simulation import dataset
from afmend.simulation.dataset import Order, read_set, write_set

ORDER = Order("train", 5, first_seed=3, shape=(24, 32), per_shard=2)


def digests(manifest):
    return [scan["digests"] for shard in manifest["shards"] for scan in shard["scans"]]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    return folder, write_set(ORDER, folder)


def test_a_set_holds_what_its_manifest_says(written):
    folder, manifest = written
    assert manifest["scans"] == 5
    assert [shard["file"] for shard in manifest["shards"]] == [f"shard-0000{k}.h5" for k in range(3)]
    scans = list(read_set(folder))
    assert [scan.source.file for scan in scans] == [f"train-{seed}" for seed in range(3, 8)]
    for scan, expected in zip(scans, digests(manifest), strict=True):
        assert {str(key): channel.digest() for key, channel in scan.channels.items()} == expected
    assert scans[0].channel("truth").values.dtype.name == "float32"


def test_shards_and_workers_do_not_matter(written, tmp_path):
    whole = write_set(Order("train", 5, 3, (24, 32), per_shard=3), tmp_path, workers=2)
    assert digests(whole) == digests(written[1])


def test_a_broken_set_is_finished_and_what_is_whole_is_kept(written, tmp_path, monkeypatch):
    write_set(ORDER, tmp_path)
    (tmp_path / "shard-00001.h5").write_bytes(b"cut")
    (tmp_path / "shard-00002.json").unlink()
    made = []
    real = dataset._write_shard
    monkeypatch.setattr(dataset, "_write_shard", lambda *args: made.append(args[2]) or real(*args))
    seen = []
    manifest = write_set(ORDER, tmp_path, watch=lambda done, of: seen.append((done, of)))
    assert made == [1, 2]
    assert seen == [(2, 5), (4, 5), (5, 5)]
    assert digests(manifest) == digests(written[1])


def test_a_longer_set_goes_on(written, tmp_path):
    write_set(Order("train", 4, 3, (24, 32), per_shard=2), tmp_path)
    assert digests(write_set(ORDER, tmp_path)) == digests(written[1])


def test_two_sets_do_not_mix(tmp_path):
    write_set(Order("train", 1, shape=(16, 16)), tmp_path)
    with pytest.raises(WriteError, match="another set"):
        write_set(Order("shifted", 1, shape=(16, 16)), tmp_path)
    (tmp_path / "set.json").write_text("{")
    with pytest.raises(WriteError, match="another set"):
        write_set(Order("train", 1, shape=(16, 16)), tmp_path)


def test_double_precision_keeps_every_digit(tmp_path):
    write_set(Order("train", 1, shape=(16, 20), single_precision=False), tmp_path)
    (scan,) = read_set(tmp_path)
    assert scan.channel("truth").values.dtype.name == "float64"


def test_reading_checks(tmp_path):
    with pytest.raises(CorruptFileError, match="no manifest"):
        list(read_set(tmp_path))
    for text in ("{", "[1]", '{"shards": [1]}', '{"shards": [{"file": "x"}]}'):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(CorruptFileError, match="no manifest"):
            list(read_set(tmp_path))
    write_set(Order("train", 1, shape=(16, 16)), tmp_path)
    (tmp_path / "shard-00000.h5").write_bytes(b"other")
    with pytest.raises(CorruptFileError, match="differs"):
        list(read_set(tmp_path))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["shards"][0]["file"] = "../shard-00000.h5"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CorruptFileError, match="differs"):
        list(read_set(tmp_path, check=False))


def test_a_set_is_never_shortened(tmp_path):
    write_set(Order("train", 3, shape=(16, 16), per_shard=2), tmp_path)
    with pytest.raises(WriteError, match="holds 3 scans"):
        write_set(Order("train", 2, shape=(16, 16), per_shard=2), tmp_path)
    assert len(list(read_set(tmp_path))) == 3


def test_places_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "sub"):
        with pytest.raises(WriteError):
            write_set(Order("train", 1, shape=(16, 16)), place)
    (tmp_path / "odd" / "set.json").mkdir(parents=True)
    with pytest.raises(WriteError):
        write_set(Order("train", 1, shape=(16, 16)), tmp_path / "odd")

    def full(_scans, _path):
        raise RuntimeError("file write failed")

    monkeypatch.setattr(dataset.afmend_h5, "write_all", full)
    with pytest.raises(WriteError, match="disk full"):
        write_set(Order("train", 1, shape=(16, 16)), tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["set.json"]


def test_nonsense_is_refused(tmp_path):
    with pytest.raises(BadRecipeError):
        write_set(Order("train", 0), tmp_path)
    with pytest.raises(BadRecipeError, match="no artifact"):
        write_set(Order("train", 1, artifacts=("moon",)), tmp_path)


def test_a_worker_that_fails_ends_the_set(tmp_path):
    with pytest.raises(BadRecipeError, match="no surface"):
        write_set(Order("train", 4, surface="moon", per_shard=1), tmp_path, workers=2)
