"""The scar detector: finds scars under noise and beside tall features, spares everything else."""

import numpy as np
import pytest

from afmend.artifacts.runs import Runs, bridge, find_runs, grow_along_rows, paint_runs, run_sums
from afmend.artifacts.scar_score import filled_from_lines, line_steps, regular
from afmend.artifacts.scars import Scars, scars
from afmend.pipeline import Field

SHAPE = (128, 150)


def scene(seed, *, width=1, noise=0.1, tall=0.0, count=5, lengths=(30, 90)):
    """Scars of height 1 and their true mask."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    z = tall * np.exp(-((y - 60) ** 2 + (x - 80) ** 2) / 300.0)
    truth = np.zeros(SHAPE, bool)
    for row in 10 + 22 * np.arange(count):
        length = rng.integers(*lengths)
        start = rng.integers(0, SHAPE[1] - length)
        z[row : row + width, start : start + length] += rng.choice((-1, 1))
        truth[row : row + width, start : start + length] = True
    return z + noise * rng.standard_normal(SHAPE), truth


def quality(found, truth):
    hit = np.count_nonzero(found & truth)
    return hit / truth.sum(), hit / max(1, found.sum())


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("tall", [0.0, 10.0])
@pytest.mark.parametrize(("noise", "bar"), [(0.02, 0.95), (0.1, 0.95), (0.3, 0.8)])
def test_finds_scars(width, tall, noise, bar):
    for seed in (11, 12):
        z, truth = scene(seed, width=width, noise=noise, tall=tall)
        recall, precision = quality(scars(Field(z), Scars()).mask, truth)
        assert recall >= bar
        assert precision >= bar


def test_lines_with_offsets_and_tilt():
    z, truth = scene(13, noise=0.05)
    rng = np.random.default_rng(1)
    z += 0.3 * rng.standard_normal(SHAPE[0])[:, None] + 0.05 * np.arange(SHAPE[0])[:, None] + 0.1 * np.arange(SHAPE[1])
    recall, precision = quality(scars(Field(z), Scars()).mask, truth)
    assert recall >= 0.95
    assert precision >= 0.95


def test_a_scar_of_a_whole_line_is_found():
    z, truth = scene(14, lengths=(149, 150))
    recall, precision = quality(scars(Field(z), Scars()).mask, truth)
    assert recall >= 0.98
    assert precision >= 0.98


def grating(period, turn, noise):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    phase = (y * np.cos(turn) + x * np.sin(turn)) / period % 1
    return 7 * np.clip(0.5 + (0.25 - np.abs(phase - 0.5)) * period, 0, 1) + noise * np.random.default_rng(
        0
    ).standard_normal(SHAPE)


def bumps():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return sum(
        9 * np.exp(-((y - r) ** 2 + (x - c) ** 2) / s) for r, c, s in ((30, 40, 90), (80, 100, 300), (100, 20, 60))
    )


@pytest.mark.parametrize(
    "z",
    [
        np.random.default_rng(3).standard_normal(SHAPE),
        bumps(),
        bumps() + 0.05 * np.random.default_rng(3).standard_normal(SHAPE),
        grating(16, 0, 0.05),
        grating(8, 0, 0.0),
        grating(24, 0.02, 0.05),
        grating(24, 0.3, 0.05),
        np.floor(np.arange(SHAPE[0]) / 31.0)[:, None] + 0.05 * np.random.default_rng(4).standard_normal(SHAPE),
        np.floor(np.arange(SHAPE[1]) / 31.0)[None, :] + 0.05 * np.random.default_rng(4).standard_normal(SHAPE),
    ],
    ids=[
        "noise",
        "bumps",
        "noisy bumps",
        "grating",
        "fine grating",
        "slanted grating",
        "oblique grating",
        "steps along",
        "steps across",
    ],
)
def test_clean_scans_stay_unmarked(z):
    assert scars(Field(z), Scars()).mask.mean() <= 0.002


def test_missing_lines_do_not_make_scars():
    z, truth = scene(15)
    excluded = np.zeros(SHAPE, bool)
    excluded[50:60] = True
    excluded[:, 70] = True
    excluded[120:] = True
    z[excluded] = 40.0
    found = scars(Field(z, excluded), Scars()).mask
    assert not found[excluded].any()
    recall, precision = quality(found & ~excluded, truth & ~excluded)
    assert recall >= 0.9
    assert precision >= 0.95


def test_single_lines_among_missing_ones_have_no_noise_of_their_own():
    z, _ = scene(17)
    excluded = np.ones(SHAPE, bool)
    excluded[::2] = False
    assert not scars(Field(z, excluded), Scars()).mask[1::2].any()


def test_facts_count_the_scars():
    z, _ = scene(16)
    assert scars(Field(z), Scars()).facts["scars"] == 5


def test_fill_along_columns_is_linear():
    z = np.outer(np.arange(9.0), np.ones(5)).astype(np.float32)
    excluded = np.zeros(z.shape, bool)
    excluded[3:6, 1] = excluded[:2, 2] = excluded[7:, 3] = excluded[:, 4] = True
    broken = np.where(excluded, np.float32(99), z)
    filled = filled_from_lines(broken, excluded)
    assert np.max(np.abs(filled[:, :2] - z[:, :2])) < 1e-5
    assert (filled[:2, 2] == 2).all()
    assert (filled[7:, 3] == 6).all()
    assert (filled[:, 4] == 99).all()


def test_line_steps_see_offsets_and_ignore_scars():
    rng = np.random.default_rng(5)
    offsets = rng.standard_normal(40)
    z = (offsets[:, None] + 0.01 * rng.standard_normal((40, 120))).astype(np.float32)
    z[12, 10:95] += 9
    assert np.max(np.abs(line_steps(z, 4) - np.diff(offsets))) < 0.05


def test_whole_lines_that_come_back_are_no_offsets():
    rng = np.random.default_rng(8)
    offsets = np.cumsum(0.3 * rng.standard_normal(60))
    z = (offsets[:, None] + 0.02 * rng.standard_normal((60, 120))).astype(np.float32)
    true = np.diff(offsets)
    z[20] += 8
    z[33:35] -= 8
    z[50:] += 8  # this one stays
    true[49] += 8
    steps = line_steps(z, 4)
    usual = float(np.median(true))
    inside = [19, 20, 32, 33, 34]
    outside = np.setdiff1d(np.arange(59), inside)
    assert np.max(np.abs(steps[outside] - true[outside])) < 0.05
    assert np.max(np.abs(steps[inside] - usual)) < 0.2
    every_eighth = z.copy()
    every_eighth[4::8] += 8  # lines of a grating are not scars: their steps stay
    assert np.max(line_steps(every_eighth, 4)) > 6


def test_regular_places():
    assert regular([3, 11, 19, 27, 35, 43])
    assert not regular([3, 11, 19])
    assert not regular([3, 5, 30, 31, 60, 99])


def test_runs_round_trip():
    mask = np.random.default_rng(6).random((7, 11)) > 0.5
    runs = find_runs(mask)
    assert (paint_runs(runs, mask.shape) == mask).all()
    assert (run_sums(mask, runs) == runs.length).all()
    none = find_runs(np.zeros((3, 4), bool))
    assert none.row.size == 0
    assert run_sums(mask, none).size == 0
    assert not paint_runs(none, (3, 4)).any()
    assert bridge(none, 3).row.size == 0


def test_runs_grow_and_bridge():
    weak = np.array([[1, 1, 0, 1, 1, 1, 0, 0, 0, 1]], bool)
    strong = np.array([[0, 0, 0, 0, 1, 0, 0, 0, 0, 0]], bool)
    runs = grow_along_rows(strong, weak)
    assert (runs.start.tolist(), runs.stop.tolist()) == ([3], [6])
    joined = bridge(find_runs(weak), 1)
    assert (joined.start.tolist(), joined.stop.tolist()) == ([0, 9], [6, 10])
    two_rows = Runs(np.array([0, 1]), np.array([0, 1]), np.array([1, 2]))
    assert bridge(two_rows, 9).row.size == 2


def test_what_the_other_direction_shows_is_surface():
    z, truth = scene(17, width=2, noise=0.05)
    rng = np.random.default_rng(5)
    offsets = rng.standard_normal(z.shape[0])[:, None]
    calm = rng.normal(0, 0.05, z.shape)
    trace = z + offsets
    only_trace = scars(Field(trace, opposite=calm + offsets), Scars())
    recall, precision = quality(only_trace.mask, truth)
    assert min(recall, precision) >= 0.95
    shifted = np.roll(z, 4, axis=1) - z.mean() + rng.normal(0, 0.05, z.shape)
    both = scars(Field(trace, opposite=shifted + 0.5 * offsets), Scars())
    assert both.mask.sum() <= 0.15 * truth.sum()
    assert both.facts["spared_by_opposite"] > 0
    assert np.array_equal(
        scars(Field(trace, opposite=np.zeros(z.shape)), Scars()).mask, scars(Field(trace), Scars()).mask
    )


def alike_both_ways(rng: np.random.Generator) -> np.ndarray:
    z = np.zeros((160, 170))
    for _ in range(14):
        y, x = rng.integers(0, 120, 2)
        h, w = rng.integers(12, 40, 2)
        z[y : y + h, x : x + w] = rng.uniform(0.5, 2)
        z[y + 3 : y + 6, x + 2 : x + 2 + max(10, w - 4)] += 0.7
        z[y + 2 : y + 2 + max(10, h - 4), x + 3 : x + 6] += 0.7
    return z


def test_structure_that_looks_the_same_across_the_lines_is_left_alone_where_the_middle_is_missing():
    rng = np.random.default_rng(4)
    z = np.hstack([alike_both_ways(rng), np.zeros((160, 290)), alike_both_ways(rng)])
    z += rng.normal(0, 0.01, z.shape)
    lost = np.zeros(z.shape, dtype=bool)
    lost[:, 170:460] = True
    assert scars(Field(z, lost), Scars()).mask.mean() <= 0.002


def test_structure_that_looks_the_same_across_the_lines_is_left_alone():
    rng = np.random.default_rng(3)
    z = alike_both_ways(rng)
    z += rng.normal(0, 0.01, z.shape)
    assert scars(Field(z), Scars()).mask.mean() <= 0.003
    z[30:32, 20:150] += 20.0
    found = scars(Field(z), Scars()).mask
    assert found[30:32, 20:150].mean() >= 0.95
    assert found.mean() <= 0.02
