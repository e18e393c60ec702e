"""Which wrong stretches of lines an expert could find."""

from __future__ import annotations

import numpy as np

from afmend.evaluation.metrics.detectable import detectable
from support import rough

SHAPE = (60, 144)
NOISE = 0.1


def background(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    offsets = 3.0 * rng.standard_normal((SHAPE[0], 1))
    return rough(SHAPE, seed, 1.0, 12) + NOISE * rng.standard_normal(SHAPE) + offsets


def seen(change: np.ndarray, z: np.ndarray | None = None, good: np.ndarray | None = None):
    everywhere = np.ones(SHAPE, bool) if good is None else good
    return detectable(change, background() if z is None else z, change != 0, everywhere)


def test_a_clear_scar_is_wanted_and_a_streak_in_the_noise_is_neither_right_nor_wrong() -> None:
    change = np.zeros(SHAPE)
    change[12, 20:60], change[40, 20:60] = 1.0, 0.02
    found = seen(change)
    assert found.wanted[12, 20:60].all()
    assert not found.wanted[40].any()
    assert found.unsure[40, 20:60].all()
    assert not (found.wanted & found.unsure).any()
    assert not found.unsure[[5, 30, 55]].any()


def test_many_faint_pixels_are_seen_together_but_not_below_the_noise_of_one() -> None:
    long, short, weak = np.zeros((3, *SHAPE))
    long[20, 20:70] = short[20, 20:24] = 1.8 * NOISE
    weak[20, 20:70] = 0.5 * NOISE
    assert seen(long).wanted[20, 24:66].mean() > 0.9
    assert not seen(short).wanted.any()
    assert not seen(weak).wanted.any()


def test_the_offset_of_a_whole_line_is_not_damage_and_the_shorter_part_takes_the_blame_in_doubt() -> None:
    whole, most = np.zeros((2, *SHAPE))
    whole[20], most[20, :100] = 2.0, 2.0
    assert not seen(whole).wanted.any()
    found = seen(most)
    assert not found.wanted.any()
    assert found.unsure[20, :100].all()
    assert found.unsure[20, 106:].all()


def test_inner_lines_of_a_bundle_that_deviates_as_one_need_more_than_its_rims() -> None:
    run = np.sin(np.arange(SHAPE[1]) / 9)
    alike, unlike = np.zeros((2, *SHAPE))
    alike[20:31] = 0.6 * run
    unlike[20:31] = 0.6 * run * (-1.0) ** np.arange(11)[:, None]
    assert seen(alike).wanted[25].sum() < 0.5 * seen(alike).wanted[20].sum()
    assert seen(unlike).wanted[25].mean() > 0.7


def test_noise_is_that_of_the_neighborhood_and_other_damage_does_not_raise_it() -> None:
    z, change = background(), np.zeros(SHAPE)
    change[30, 20:60] = 0.5
    loud = z + 2.0 * np.random.default_rng(1).standard_normal(SHAPE)
    good = np.ones(SHAPE, bool)
    assert not seen(change, loud).wanted.any()
    assert seen(change, z).wanted[30, 20:60].all()
    spoiled = z.copy()
    spoiled[26], good[26] = loud[26], False
    assert seen(change, spoiled, good).wanted[30, 20:60].all()


def test_units_do_not_matter() -> None:
    change = np.zeros(SHAPE)
    change[12, 20:60], change[30:33, 70:] = 0.3, 0.2
    one, other = seen(change), seen(1e-3 * change, 1e-3 * background())
    assert np.array_equal(one.wanted, other.wanted)
    assert one.wanted.any()
