"""Tuning: it must find what is truly better where the data can tell, and say so where they cannot."""

import numpy as np
import pytest

import afmend
from afmend.apps.cli import tune as tune_cli
from afmend.errors import StepError
from afmend.evaluation import tuning
from afmend.evaluation.metrics.gauge import gauge_free_rmse
from afmend.evaluation.tuning import AS_IS, independent_share, named, tune
from afmend.pipeline import Recipe, StepUse
from afmend.recipes import load_recipe, mark
from afmend.scan import Channel, Grid, Masks, Scan
from e2e_cli import cli
from support import rough, scan_of

SHAPE = (96, 80)


def pair(seed, *, shared=0.0, apart=0.5, holes=False):
    """A scan of a smooth surface; its lines jitter alike in both directions, or independently."""
    rng = np.random.default_rng(seed)
    truth = rough(SHAPE, seed, sq_nm=2.0, smooth_px=5.0)
    common = shared * rng.standard_normal((SHAPE[0], 1))
    mask = np.zeros(SHAPE, bool)
    if holes:
        for row in range(6, 90, 9):
            mask[row : row + 2, 10:60] = True
    channels = []
    for way in ("trace", "retrace"):
        z = truth + common + apart * rng.standard_normal((SHAPE[0], 1)) + 0.05 * rng.standard_normal(SHAPE)
        masks = Masks(artifact={"scar": mask}) if holes else Masks()
        channels.append(Channel("height", way, z, "nm", masks=masks))
    return Scan.of(Grid(*SHAPE, 2.0, 3.0), channels), truth


def recipe_of(*uses):
    return Recipe(name="poor", steps=tuple(StepUse(step=step, params=params) for step, params in uses))


POOR = recipe_of(("level.rows", {"method": "polynomial", "degree": 3}), ("fill.laplace", {}))


def true_error(scan, truth, recipe):
    return gauge_free_rmse(mark(scan, recipe, "height/trace").channel("height/trace").values, truth)


def test_leveling_is_replaced_by_one_that_is_truly_better():
    made = [pair(seed) for seed in range(3)]
    tuned = tune([scan for scan, _ in made], POOR)
    level = tuned.verdicts[0]
    assert (level.part, level.decided) == ("leveling", True)
    assert level.chosen != AS_IS
    for scan, truth in made:
        assert true_error(scan, truth, tuned.recipe) < 0.8 * true_error(scan, truth, POOR)
    assert tuned.recipe.steps[-1].step == "fill.laplace"  # there was no hole to try a fill on
    assert not tuned.verdicts[1].decided


def test_noise_that_both_directions_share_is_left_undecided():
    made = [pair(seed, shared=1.0, apart=0.2)[0] for seed in range(3)]
    verdict = tune(made, POOR).verdicts[0]
    assert (verdict.chosen, verdict.decided) == (AS_IS, False)
    assert "cannot be told apart" in verdict.reason
    assert independent_share(made[0], made[0].find()) < 0.2
    assert independent_share(pair(0)[0], made[0].find()) > 0.3


def test_a_single_direction_is_left_undecided():
    tuned = tune([scan_of(rough(SHAPE))], POOR)
    assert "no scan has both" in tuned.verdicts[0].reason
    assert tuned.recipe == POOR
    with pytest.raises(StepError):
        independent_share(scan_of(rough(SHAPE)), scan_of(rough(SHAPE)).find())


def test_filling_is_replaced_by_one_that_fills_better():
    scans = [pair(seed, apart=0.0, holes=True)[0] for seed in range(5)]
    few = tune(scans[:1], recipe_of(("level.plane", {}), ("fill.laplace", {}))).verdicts[1]
    assert not few.decided
    assert "too few" in few.reason
    tuned = tune(scans, recipe_of(("level.plane", {}), ("fill.laplace", {})))
    fill = tuned.verdicts[1]
    assert fill.decided
    assert fill.chosen in ("auto", "kriging", "biharmonic")
    assert fill.risks[0].relative < 0.8
    assert fill.risks[0].against.high < 0
    assert tuned.recipe.steps[-1].step == f"fill.{fill.chosen}"


def test_a_recipe_that_nothing_beats_stays():
    scans = [pair(seed, apart=0.0, holes=True)[0] for seed in range(5)]
    best = tune(scans, recipe_of(("level.plane", {}), ("fill.laplace", {}))).recipe
    again = tune(scans, best)
    assert again.recipe == best
    assert again.verdicts[1].decided
    assert again.verdicts[1].chosen == AS_IS


def test_two_fills_cannot_be_judged():
    twice = recipe_of(("level.plane", {}), ("fill.linear", {}), ("fill.laplace", {}))
    assert not tune([pair(1, apart=0.0, holes=True)[0]], twice).verdicts[1].decided


def test_blocks_keep_their_places():
    good = np.ones((48, 10), bool)
    good[16:32] = False
    blocks = tuning._blocks(np.ones((48, 10)), good)
    assert blocks[[0, 2]].tolist() == [1.0, 1.0]
    assert np.isnan(blocks[1])


def test_recipes_without_leveling_or_fill_and_ways_that_fail(monkeypatch):
    only = recipe_of(
        ("mark.spikes", {}),
    )
    assert [v.reason for v in tune([pair(0)[0]], only).verdicts] == [
        "the recipe has no step level.*", "the recipe has no step fill.*",
    ]  # fmt: skip
    far = {"points": [[999, 1], [1, 999], [5, 5]]}
    monkeypatch.setattr(tuning, "LEVELINGS", {"broken": (StepUse(step="level.three_point", params=far),)})
    verdict = tune([pair(0)[0]], POOR).verdicts[0]
    assert [(risk.name, risk.failed) for risk in verdict.risks] == [(AS_IS, 0), ("broken", 1)]


def test_a_tuned_recipe_says_where_it_is_from():
    recipe = named(load_recipe("auto"), "mine")
    assert recipe.name == "mine"
    assert "tuned" in recipe.description


def test_command(tmp_path):
    (tmp_path / "scans").mkdir()
    for seed in range(2):
        afmend.write(pair(seed)[0], tmp_path / "scans" / f"{seed}.h5")
    (tmp_path / "poor.yaml").write_text(POOR.to_yaml())
    out = tmp_path / "new" / "tuned.yaml"
    done = cli("tune", tmp_path / "scans", "-o", out, "--recipe", tmp_path / "poor.yaml")
    assert done.returncode == 0, done.stderr
    assert "leveling: " in done.stdout
    assert "the data cannot decide" in done.stdout  # about filling: there are no holes
    assert load_recipe(out).name == "tuned"
    (tmp_path / "scans" / "bad.spm").write_bytes(b"nothing")
    done = cli("tune", tmp_path / "scans", "-o", out, "--json")
    assert done.returncode == 1
    assert '"verdicts"' in done.stdout
    assert cli("tune", tmp_path / "scans" / "bad.spm").returncode == 2


def test_too_few_blocks_decide_nothing():
    few = tune([pair(1, apart=0.0, holes=False)[0]], recipe_of(("level.plane", {}), ("fill.linear", {}))).verdicts[1]
    assert few.blocks == 0
    one, own = np.full(4, 1.2), np.full(4, 1.0)
    risk = tuning._risk("worse", {"worse": [one], AS_IS: [own]})
    best = tuning._risk(AS_IS, {AS_IS: [own]})
    assert np.isnan(risk.against.high)
    assert tuning._too_few([best, risk])
    assert tuning._too_few([risk, best])
    assert not tuning._too_few([best])
    assert "too few blocks" in tune_cli._line(risk)


def test_an_interval_that_holds_one_says_so():
    rng = np.random.default_rng(0)
    own = np.ones(60)
    risk = tuning._risk("other", {"other": [own + rng.normal(-0.01, 1.0, 60)], AS_IS: [own]})
    assert risk.against.low < 0 < risk.against.high
    assert "its interval of times the risk holds 1" in tuning._why(risk, 60)
    assert "times the risk" in tune_cli._line(risk)


def test_the_basis_is_told():
    made = [pair(seed)[0] for seed in range(2)]
    level = tune([*made, scan_of(rough(SHAPE))], POOR).verdicts[0]
    assert level.scans == 2
    assert level.blocks == 24
    assert 0.8 < level.jitter_apart <= 1.0
    assert "2 of 3 images could be used" in tune_cli._basis(level, 3)
    assert "of the jitter of their lines differs" in tune_cli._basis(level, 3)
    assert tune_cli._pooled(made) == ""
    assert "sizes: 2, instruments: 1" in tune_cli._pooled([*made, scan_of(rough((40, 56)))])


def test_nothing_is_written_when_nothing_changed(tmp_path):
    afmend.write(scan_of(rough(SHAPE)), tmp_path / "one.h5")
    out = tmp_path / "tuned.yaml"
    done = cli("tune", tmp_path / "one.h5", "-o", out)
    assert done.returncode == 0, done.stderr
    assert "Same as auto: nothing was written." in done.stdout
    assert not out.exists()
    out.write_text("old")
    assert "is of an earlier run" in " ".join(cli("tune", tmp_path / "one.h5", "-o", out).stdout.split())
    assert out.read_text() == "old"
