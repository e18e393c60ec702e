"""The functions most users call."""

from dataclasses import replace

import numpy as np
import pytest

import afmend
from afmend.errors import BadParameterError, BadRecipeError, ReplayError
from afmend.recipes import built_in_recipes, load_recipe
from afmend.scan import Channel, Masks, Scan
from support import assert_heights_close, rough, scan_of


def damaged():
    z = rough((48, 70), 5) + np.linspace(0, 30, 70)
    z[20, 10:60] += 12
    return scan_of(z)


def test_mark_invents_nothing_and_repair_fills_it():
    scan = damaged()
    marked = afmend.mark(scan)
    assert marked.main.artifact[20, 10:60].mean() > 0.9
    assert not marked.main.invented.any()
    mended = afmend.repair(scan)
    assert mended.main.invented[20, 10:60].mean() > 0.9
    assert abs(mended.main.values[20, 10:60].mean() - mended.main.values[18:23, 10:60].mean()) < 1.0
    assert scan.history == ()


def test_without_error_bars_the_same_pixels_are_filled_and_have_none():
    scan = damaged()
    mended, bare = afmend.repair(scan), afmend.repair(scan, error_bars=False)
    assert (bare.main.invented == mended.main.invented).all()
    assert np.isinf(bare.main.uncertainty[bare.main.invented]).all()
    assert np.isfinite(mended.main.uncertainty[mended.main.invented]).all()
    assert bare.history[-1].params["error_bars"] is False
    assert_heights_close(bare.main.values, mended.main.values, atol_nm=0.5)
    with pytest.raises(BadRecipeError, match="no step has error bars"):
        afmend.repair(scan, "gwyddion", error_bars=False)


def test_level_and_apply_step():
    scan = damaged()
    flat = afmend.level(scan, "plane").main.values
    assert abs(flat[:, :10].mean() - flat[:, -10:].mean()) < 1.5
    assert afmend.level(scan).history[-1].step == "level.auto"
    shifted = afmend.apply_step(scan, "level.shift", reference="minimum").main.values
    assert_heights_close(shifted.min(keepdims=True), np.zeros((1, 1)), atol_nm=1e-12)
    with pytest.raises(BadParameterError, match="degree"):
        afmend.level(scan, "rows", degree=99)
    assert afmend.level(scan, "rows", method="median").history[-1].params["method"] == "median"
    with pytest.raises(BadParameterError, match="channel"):
        afmend.apply_step(scan, "level.rows", channel="height", step=1, scan=2)


def test_recipes_of_a_user(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: mine\nsteps: [{step: level.plane}, {step: mark.spikes, params: {lam: 8}}]\n")
    done = afmend.repair(damaged(), str(mine))
    assert [record.step for record in done.history] == ["level.plane", "mark.spikes"]
    assert done.history[1].params["lam"] == 8
    assert afmend.repair(damaged(), load_recipe(mine)) == done
    assert afmend.repair(damaged(), mine) == done
    assert afmend.mark(damaged(), mine) == done


def flat_scan():
    scan = damaged()
    z = scan.main.values
    both = Scan.of(scan.grid, [scan.main, Channel("phase", "unknown", z[::-1].copy(), "deg")])
    return both, afmend.apply_step(both, "level.plane")


def changed(scan, **parts):
    return replace(scan, channels={**scan.channels, scan.main.key: replace(scan.main, _digests={}, **parts)})


def test_replay_gives_the_result_again():
    raw, done = flat_scan()
    assert afmend.replay(done, raw).channels == done.channels


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda raw, _: (raw, raw), "no history"),
        (lambda raw, done: (replace(done, grid=replace(raw.grid, angle_deg=1.0)), raw), "grid differs"),
        (lambda raw, done: (done, Scan.of(raw.grid, [raw.main])), "no channel phase"),
        (lambda raw, done: (done, Scan.of(raw.grid, [raw.channel("phase")])), "no channel height"),
        (lambda raw, done: (done.with_channel(raw.main), raw), "values of channel height differ"),
        (lambda raw, done: (changed(done, uncertainty=np.ones(raw.grid.shape)), raw), "error bars of"),
        (lambda raw, done: (changed(done, unit="V"), raw), "name or unit of"),
        (lambda raw, done: (done, raw.with_channel(replace(raw.channel("phase"), name="x"))), "of channel phase"),
    ],
)
def test_replay_names_what_differs(spoil, says):
    result, raw = spoil(*flat_scan())
    with pytest.raises(ReplayError, match=says):
        afmend.replay(result, raw)


def test_replay_compares_masks():
    raw, done = flat_scan()
    mask = np.zeros(raw.grid.shape, bool)
    mask[2, 3] = True
    with pytest.raises(ReplayError, match="the masks of channel height"):
        afmend.replay(changed(done, masks=Masks(artifact={"scar": mask})), raw)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("name: x\nsteps: []", BadRecipeError, "no steps"),
        ("[1, 2]", BadRecipeError, "mapping"),
        ("name: x\nsteps: [{step: level.plain}]", BadRecipeError, "level.plane"),
        ("name: x\nsteps: [{step: level.plane, params: {degree: 3}}]", BadParameterError, "degree"),
        ("name: x\nsteps: {", BadRecipeError, "YAML"),
        ("name: x\nsteps: [{stop: level.plane}]", BadRecipeError, "steps.0.step"),
        ("name: x\nsteps: [{step: mark.spikes, params: {lam: .nan}}]", BadParameterError, "lam"),
    ],
)
def test_bad_recipes(tmp_path, text, error, says):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(error, match=says):
        load_recipe(path)


def test_absent_recipes():
    assert {"auto", "seed", "gwyddion", "topostats", "experts"} <= set(built_in_recipes())
    with pytest.raises(BadRecipeError, match="Did you mean 'auto'"):
        load_recipe("outo")
    with pytest.raises(BadRecipeError, match="cannot be read"):
        load_recipe("absent.yaml")


def test_a_recipe_object_is_checked():
    bad = afmend.Recipe.from_mapping({"name": "x", "steps": [{"step": "no.step"}]})
    with pytest.raises(BadRecipeError, match="no step"):
        afmend.repair(damaged(), bad)
    with pytest.raises(AttributeError, match="nothing"):
        _ = afmend.nothing
    assert "repair" in dir(afmend)


def test_one_thread_gives_the_same_bits_as_two(monkeypatch):
    z = rough((320, 330), seed=3)
    z[40, 30:120] += 30.0
    scan = scan_of(z + np.random.default_rng(1).normal(0, 1.0, (320, 1)))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = afmend.repair(scan)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert afmend.repair(scan).main == alone.main
