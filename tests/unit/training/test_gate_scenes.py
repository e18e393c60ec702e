"""What scans the gate learns from: mixes, regular surfaces, artifacts that the boxes do not know."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

from afmend.apps.cli.train import train_app
from afmend.apps.cli.train_gate import FIRST_SEED, seeds_of
from afmend.artifacts.gate.verdicts import GOOD, IMAGING
from afmend.errors import BadParameterError
from afmend.simulation.box import load_box
from afmend.simulation.mishaps.fringes import Fringes
from afmend.training.gate import scenes, sight_items
from afmend.training.gate.effects import fringes_left
from afmend.training.gate.examples import BLOCK, make_example
from afmend.training.gate.finish import runs_of
from afmend.training.gate.labels import label_of
from afmend.training.gate.scenes import (
    FIRST_ODD,
    FIRST_REGULAR,
    FURTHER_ODD,
    LAST_FURTHER_ODD,
    LAST_ODD,
    LAST_REGULAR,
    MIXES,
    REGULAR,
    TRACKING,
    is_odd,
    mix_of,
    regular_of,
    scene,
)
from afmend.training.masks.task import FIRST as MASKS_FIRST

SMALL = (64, 80)


def test_scenes_hold_what_their_mix_says() -> None:
    box = load_box("train")
    chosen = {seed: set(scene(box, seed, SMALL).artifacts) for seed in range(40)}
    for seed, names in chosen.items():
        mix = mix_of(seed)
        assert (mix == "tip") <= bool(names & set(scenes.TIP))
        assert (mix == "tracking") <= bool(names & set(TRACKING))
        assert (mix == "good") <= (names <= set(scenes.HARMLESS))
    assert {mix_of(seed) for seed in range(5)} == set(MIXES)


def test_some_seeds_are_of_regular_surfaces_whatever_their_mix_and_view() -> None:
    box = load_box("train")
    seeds = range(FIRST_REGULAR, FIRST_REGULAR + 900)
    for seed in seeds[:15]:
        twin = scene(box, seed, surface=regular_of(seed))
        assert regular_of(seed) in (None, twin.surface.kind)
    for early in (0, 1):
        some = [(mix_of(seed), regular_of(seed)) for seed in seeds if (seed % 3 == 0) == (early == 1)]
        shares = {(mix, surface): some.count((mix, surface)) for mix in MIXES for surface in REGULAR}
        assert max(shares.values()) <= 1.05 * min(count for (mix, _), count in shares.items() if mix != "tip")
        assert all(shares["tip", surface] for surface in REGULAR)
        assert {mix for mix, surface in some if surface is None} == {"tip"}
    assert not any(regular_of(seed) for seed in (0, FIRST_REGULAR - 1, LAST_REGULAR))


def test_seeds_are_never_used_twice() -> None:
    most = {"scans": 100_000, "regular": 5_000, "odd": 50_000}
    for name, count in most.items():
        assert CliRunner().invoke(train_app, ["gate", f"--{name}", str(count + 1)]).exit_code == 2
    ranges = [(0, 5_000), *sight_items.SEEDS.values(), (MASKS_FIRST, MASKS_FIRST + 500_000)]
    for kind, count in most.items():
        found = runs_of(np.array(seeds_of(**{kind: count})))
        assert sum(end - first for first, end in found) == count
        ranges += [(first, end) for first, end in found]
        edges = [seed for first, end in found for seed in (first, end - 1)]
        assert all(is_odd(seed) == (kind == "odd") for seed in edges)
        assert kind == "regular" or not any(map(regular_of, edges))
        with pytest.raises(BadParameterError, match=f"{count} such scans"):
            seeds_of(**{kind: count + 1})
    assert all(one[1] <= other[0] for one, other in pairwise(sorted(ranges)))
    assert seeds_of(scans=2, odd=1) == [FIRST_SEED, FIRST_SEED + 1, FIRST_ODD]
    assert [first for first, _ in runs_of(np.array(seeds_of(scans=15_001)))] == [FIRST_SEED, 4_000_010]
    assert [is_odd(seed) for seed in (FURTHER_ODD - 1, FURTHER_ODD, LAST_FURTHER_ODD)] == [0, 1, 0]
    for kind, (first, end) in sight_items.SEEDS.items():
        assert first % BLOCK == end % BLOCK == 0
        last = end - BLOCK
        assert all(is_odd(seed) == (kind == "odd") for seed in (first, last))
        assert any(regular_of(seed) for seed in range(first, first + BLOCK)) == (kind == "regular")
    assert [is_odd(seed) for seed in (FIRST_SEED, FIRST_ODD - 1, FIRST_ODD, LAST_ODD - 1, LAST_ODD)] == [0, 0, 1, 1, 0]


def test_odd_scans_have_displaced_lines_or_fringes_and_others_never() -> None:
    box = load_box("wide")
    odd = set(scenes._ODD)
    seen = Counter(
        (mix_of(seed), name)
        for seed in range(FIRST_ODD, FIRST_ODD + 200) for name in scene(box, seed, SMALL, odd=True).artifacts
        if name in odd
    )  # fmt: skip
    assert seen["imaging", "odd_lines"] > 6 < seen["imaging", "odd_waves"]
    assert seen["imaging", "odd_lines"] + seen["imaging", "odd_waves"] >= 40
    assert seen["box", "odd_lines"] > 5 < seen["box", "odd_waves"]
    assert 0 < seen["good", "odd_waves"] < 15
    assert all(5 < seen[mix, "odd_calm"] < 20 for mix in MIXES if mix != "box")
    assert seen["good", "odd_lines"] == 0
    assert not any(set(scene(box, seed, SMALL).artifacts) & odd for seed in range(60))


def test_an_odd_scan_measures_what_is_odd() -> None:
    found = [make_example("train", seed, SMALL).effects for seed in range(FIRST_ODD + 3, FIRST_ODD + 43, 5)]
    assert max(one["fringes"] for one in found) > 0.12
    assert max(one.get("clear line_shift", 0.0) for one in found) > 0.003
    assert np.isfinite([one["fringes"] for one in found]).all()


def test_of_fringes_counts_what_leveling_leaves() -> None:
    twin = scene(load_box("train"), 10, SMALL, "good")
    side = SMALL[1] * twin.pixel_nm[1]

    rng = np.random.default_rng(0)

    def left(periods: float, angle: float, lines: int | None = None, rough: float = 0.1) -> tuple[float, float]:
        fringes = Fringes(height_nm=2.0, period_nm=side / periods, angle_deg=angle)
        changed = twin.model_copy(update={"mishaps": (fringes,)})
        return fringes_left(changed, rough * rng.standard_normal(SMALL), lines)

    assert left(6, 0)[0] == pytest.approx(2.0, rel=0.15)
    assert left(0.5, 0)[0] < 0.1, "a parabola of each line takes it off"
    assert left(6, 90)[0] < 1e-6, "so does an offset of each line"
    assert 0.1 < left(1.2, 0)[0] < 2.0
    assert left(6, 0, lines=20)[0] == pytest.approx(left(6, 0)[0], rel=1e-6)
    assert left(6, 0)[1] > 1000
    assert left(6, 0, rough=100.0)[1] < 1
    assert fringes_left(twin.model_copy(update={"mishaps": ()}), np.zeros(SMALL)) == (0, 0)


def test_fringes_that_the_surface_hides_have_no_label() -> None:
    twin = make_example("train", 10, SMALL, "good").effects
    waved = {**twin, "fringes": 0.3, "fringes white": 9.0}
    assert label_of(twin) == GOOD
    assert label_of({**waved, "fringes over surface": 20.0}) == IMAGING
    assert label_of({**waved, "fringes over surface": 0.5}) is None
    assert label_of({**waved, "fringes": 0.02, "fringes over surface": 0.5}) == GOOD
    assert label_of({**waved, "hum": 0.3, "hum white": 9.0, "fringes over surface": 0.5}) == IMAGING
