"""Cases: what methods see, and what they must not see."""

from dataclasses import replace

import numpy as np
import pytest

from afmend.errors import BadParameterError, BadScanError, MissingChannelError
from afmend.evaluation.bench.cases import KEY, UnfitScanError, case_of, cases_in, family_of
from afmend.evaluation.bench.holes import HOLE_KINDS, make_holes
from afmend.evaluation.bench.makers import make_cases
from afmend.evaluation.bench.methods import TASKS
from afmend.evaluation.bench.page_tables import skipped_sentences
from afmend.evaluation.bench.plan import Settings, Unit, settings_of, units_of
from afmend.evaluation.bench.results import document
from afmend.evaluation.bench.run import run_units
from afmend.formats import write
from afmend.formats.afmend_h5.writer import write_all
from afmend.scan import Channel, ChannelKey, Grid, Masks, Scan
from support import rough, scan_of

from .standin import SHAPE, folder_of, twin_scan


def test_a_method_sees_nothing_of_the_truth():
    scan = twin_scan(1)
    case = case_of(scan)
    assert {key.kind for key in case.measured.channels} == {"height", "error"}
    assert not case.measured.channels[KEY].masks.artifact
    assert case.measured.history == ()
    assert (case.name, case.family, case.groups) == ("twin-1", "particles", {"family": "particles"})
    assert case.damaged.sum() == 45 + 40
    assert case.missing.sum() == 3 * SHAPE[1]
    assert not (case.usable & (case.damaged | case.missing)).any()
    assert abs(case.noise_nm - 0.1) < 0.01
    assert not case.clean
    assert case_of(twin_scan(2, clean=True)).clean
    assert not case.hopeless
    assert replace(case, masks={"ringing": np.ones(SHAPE, bool)}).hopeless


def test_what_is_no_case_is_told():
    with pytest.raises(MissingChannelError, match="ideal/trace"):
        case_of(Scan.of(Grid(24, 37, 2.0, 3.0), [Channel("height", "trace", rough(), "nm")]))
    with pytest.raises(MissingChannelError, match="height/trace"):
        case_of(scan_of(rough()))
    grid = Grid.uncalibrated((24, 37))
    channels = [Channel(kind, "trace", rough(), "nm") for kind in ("height", "ideal")]
    with pytest.raises(BadScanError, match="not calibrated"):
        case_of(Scan.of(grid, channels))
    own = Scan.of(Grid(24, 37, 2.0, 3.0), channels, header={"family": "my gratings"})
    assert family_of(own) == "my gratings"
    assert family_of(Scan.of(grid, channels)) == "unknown"
    assert case_of(own, name="x").clean
    assert np.isnan(case_of(Scan.of(Grid(3, 1), [Channel(k, "trace", np.ones((3, 1)), "nm")
                                                 for k in ("height", "ideal")])).noise_nm)  # fmt: skip


def test_a_folder_of_files(tmp_path):
    folder = folder_of(tmp_path / "data", 4)
    assert [path.name for path, _, _ in cases_in(folder)] == [f"scan0{k}.h5" for k in range(4)]
    settings = settings_of("quick", data=folder)
    assert (settings.count, settings.data) == (4, str(folder))
    assert settings_of("quick", data=folder, count=2).count == 2
    (case,) = make_cases(settings, Unit("level", 1))
    assert (case.name, case.family) == ("scan01.h5", "particles")
    with pytest.raises(UnfitScanError, match=r"scan01\.h5: it is not clean"):
        make_cases(settings, Unit("harm", 1))
    assert len(make_cases(settings, Unit("harm", 2))) == 1
    shards = tmp_path / "shards"
    shards.mkdir()
    (shards / "b").mkdir()
    write_all([twin_scan(seed) for seed in (3, 4)], shards / "shard-0.h5")
    write_all([twin_scan(seed) for seed in (3, 4)], shards / "b" / "shard-0.h5")
    many = settings_of("quick", data=shards)
    assert many.count == 4
    names = [make_cases(many, Unit("level", k))[0].name for k in range(4)]
    assert names == ["b/shard-0.h5[0]", "b/shard-0.h5[1]", "shard-0.h5[0]", "shard-0.h5[1]"]
    (shards / "shard-1.h5").write_bytes(b"nothing")
    cases_in.cache_clear()
    damaged = settings_of("quick", data=shards)
    assert damaged.count == 5
    with pytest.raises(UnfitScanError, match=r"^UnfitScanError: shard-1\.h5: "):
        make_cases(damaged, Unit("level", 4))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingChannelError, match=r"no \.h5 file"):
        settings_of("quick", data=tmp_path / "empty")


def test_scans_that_cannot_be_used_are_left_out_with_their_reason(tmp_path):
    folder = folder_of(tmp_path / "data", 3)
    good = twin_scan(2, clean=True)
    ideal = good.channels[ChannelKey("ideal", "trace")]
    everything = Masks(artifact={"scar": np.ones(SHAPE, bool)})
    quiet = Channel("height", "trace", ideal.values, "nm")
    write(good.with_channel(ideal.evolve(values=np.full(SHAPE, 3.0))), folder / "flat.h5")
    write(good.with_channel(ideal.evolve(masks=everything)), folder / "lost.h5")
    write(good.with_channel(quiet), folder / "quiet.h5")
    write(twin_scan(2, clean=True, shape=(20, 64)), folder / "tiny.h5")
    write(scan_of(rough()), folder / "untrue.h5")
    (folder / "wrong.h5").write_bytes(b"nothing")
    cases_in.cache_clear()
    settings = settings_of("quick", data=folder, tasks=["level", "fill", "harm"])
    found = document(settings, run_units(settings, 1), 1.0, 1)
    assert {table["task"]: table["scans"] for table in found["tables"]} == {"level": 4, "fill": 5, "harm": 1}
    reasons = {(skip["task"], skip["case"]): skip["reason"] for skip in found["skipped"]}
    assert reasons["level", "flat.h5"] == reasons["fill", "flat.h5"] == "its surface is flat"
    assert reasons["level", "lost.h5"] == "less than 10% was measured rightly"
    assert ("fill", "lost.h5") not in reasons
    assert reasons["harm", "quiet.h5"] == "it has no noise"
    assert reasons["level", "tiny.h5"] == "smaller than 32 x 32 px"
    assert "there is no ideal/trace" in reasons["level", "untrue.h5"] or "height/trace" in reasons["level", "untrue.h5"]
    assert ("level", "wrong.h5") in reasons
    said = skipped_sentences(found)
    assert "level: 1 of 9 scans left out, its surface is flat: flat.h5" in said
    assert found["failures"] == []


def test_fill_cases_have_every_kind_of_hole(tmp_path):
    settings = settings_of("quick", data=folder_of(tmp_path / "data", 1))
    made = make_cases(settings, Unit("fill", 0))
    assert [case.groups["hole"] for case in made] == list(HOLE_KINDS)
    for case in made:
        assert list(case.measured.channels) == [KEY]
        outside = ~case.holes
        rest = (case.heights - case.ideal)[outside]
        assert abs(rest.std() / case.sq_nm - 0.05) < 0.005
        assert case.heights[case.holes].min() > case.heights[outside].max(), "peeking is punished"


@pytest.mark.parametrize("kind", HOLE_KINDS)
def test_holes(kind):
    holes = make_holes(kind, (90, 131), 4)
    assert np.array_equal(holes, make_holes(kind, (90, 131), 4))
    assert not np.array_equal(holes, make_holes(kind, (90, 131), 5))
    assert 0.01 < holes.mean() < 0.35
    assert not holes[:4].any()
    assert not holes[-4:].any()
    if kind.endswith(("line", "lines")):
        edges = np.flatnonzero(np.diff(holes[:, 0].astype(int)))
        assert set(np.diff(edges)[::2]) == {int(kind[0])}
        assert np.array_equal(holes.all(axis=1), holes.any(axis=1))


def test_settings():
    settings = settings_of("full", tasks=["fill", "level"], seed=3)
    assert settings.tasks == ("level", "fill")
    assert (settings.count, settings.sizes) == (204, (256, 384, 512))
    assert [settings.shape(k) for k in range(4)] == [(256, 256), (384, 384), (384, 512), (256, 256)]
    assert settings.seed_of(5) == 3_000_005
    assert [unit.task for unit in units_of(Settings(count=1))] == list(TASKS)
    assert settings_of("quick", size=64, count=3).sizes == (64,)
    for wrong in ({"tasks": ["levels"]}, {"size": 8}, {"count": 0}):
        with pytest.raises(BadParameterError):
            settings_of("quick", **wrong)


def test_ideal_and_truth_are_only_in_the_scan():
    assert ChannelKey("truth", "unknown") in twin_scan(0).channels
