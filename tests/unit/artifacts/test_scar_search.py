"""The compiled search for scars and its guards, against plain statements of the same rules in numpy."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from afmend.artifacts.band_kernels import NEAR, any_begins, any_goes_on, candidates, candidates_again, line_scores
from afmend.artifacts.components import components_of
from afmend.artifacts.guard_kernels import evidence, mark, not_connected, not_crowded, of_side
from afmend.artifacts.runs import Runs, bridge, find_runs, paint_runs
from afmend.artifacts.scar_guards import seen_both_ways
from afmend.artifacts.scar_kernels import changed_boxes, fill_columns, fill_taken, take_strongest
from afmend.artifacts.scars import Scars, scars
from afmend.pipeline import Field

SHAPE = (61, 44)
RULE = (3.0, np.float32(1.2), 4, np.float32(0.5))
one = np.float32


def scene(seed: int, shape: tuple[int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rough ground with scars, its noise, and what is allowed."""
    rng = np.random.default_rng(seed)
    ground = rng.normal(0, 1, shape).astype(np.float32)
    for _ in range(shape[0] // 3):
        row, start, length = rng.integers(0, shape[0] - 2), rng.integers(0, shape[1] - 3), rng.integers(3, shape[1])
        ground[row : row + rng.integers(1, 5), start : start + length] += one(rng.choice((-6, 6)))
    noise = rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return ground, noise, rng.random(shape) < 0.97


def plain_scores(ground: np.ndarray, width: int) -> np.ndarray:
    """Best band through each pixel, above the surface."""
    rows = ground.shape[0]
    scores = np.zeros_like(ground)
    for i in range(1, rows - 1):
        for k in range(1, min(width, rows - 1 - i) + 1):
            above, below = ground[i - 1], ground[i + k]
            over = (above - ground[i - 4]) * one(1 / 3) if i >= 4 else 0 * above
            under = (ground[i + k + 3] - below) * one(1 / 3) if i + k + 3 < rows else 0 * below
            common = np.maximum(0, np.minimum(over, under)) + np.minimum(0, np.maximum(over, under))
            best = ground[i] - above - np.maximum(common, over)
            best = np.minimum(best, ground[i + k - 1] - below + np.minimum(common, under))
            for line in range(1, k - 1):
                best = np.minimum(best, ground[i + line] - above - one(line + 1) / one(k + 1) * (below - above))
            scores[i : i + k] = np.maximum(scores[i : i + k], best)
    return scores


def plain_candidates(ground: np.ndarray, noise: np.ndarray, allowed: np.ndarray, width: int) -> np.ndarray:
    hard, soft, min_length, sharpness = RULE
    scores = plain_scores(ground, width)
    strong = np.zeros(ground.shape, bool)
    for row, start, stop in zip(*find_runs((scores > noise * soft) & (scores > 1e-5) & allowed), strict=True):
        part, loud = (values[row, start:stop].astype(float) for values in (scores, noise))
        mean = part.sum() / loud.sum()
        if mean * np.sqrt(min(stop - start, 40) / 10) > hard and mean > 0.6 * hard:
            strong[row, start:stop] = part >= one(0.35 * part.mean())
    runs = bridge(find_runs(strong), 3)
    kept = []
    for row, start, stop in zip(*runs.keep(runs.length >= min_length), strict=True):
        sides = [
            one(0.5) * (ground[a, start:stop] + ground[b, start:stop])
            for a, b in ((row - width - 1, row - width - 2), (row + width + 1, row + width + 2))
            if min(a, b) >= 0 and max(a, b) < ground.shape[0]
        ]
        rise = ground[row, start:stop] - np.maximum.reduce(sides) if sides else np.zeros(stop - start, np.float32)
        if np.mean(scores[row, start:stop] >= sharpness * rise) >= 0.5:
            kept.append((row, start, stop))
    return np.array(kept).reshape(-1, 3).astype(np.int64).T


@pytest.mark.parametrize("width", [1, 2, 4, 7])
@pytest.mark.parametrize("shape", [SHAPE, (9, 40), (40, 9)])
def test_candidates_are_the_strong_and_sharp_runs_of_the_best_bands(width: int, shape: tuple[int, int]):
    ground, noise, allowed = scene(width, shape)
    scores = np.empty((2, *shape), np.float32)
    found = candidates(ground, noise, allowed, width, RULE, 0, shape[0], scores)
    assert (scores[0] == plain_scores(ground, width)).all()
    assert (scores[1] == plain_scores(-ground, width)).all()
    for side in (0, 1):
        expected = plain_candidates(ground if side == 0 else -ground, noise, allowed, width)
        assert expected.size or shape != SHAPE
        assert np.array_equal(of_side(found, side), expected)
    for row in (0, 1, shape[0] // 2, shape[0] - 1):
        columns = np.array([shape[1] - 1, 3, 0])
        assert (line_scores(ground, width, row, columns) == scores[:, row, columns]).all()


def test_candidates_do_not_depend_on_the_parts():
    ground, noise, allowed = scene(5)
    whole, parts = np.empty((2, *SHAPE), np.float32), np.empty((2, *SHAPE), np.float32)
    found = candidates(ground, noise, allowed, 4, RULE, 0, SHAPE[0], whole)
    cuts = [(0, 2), (2, 30), (30, 60), (60, 61)]
    pieces = [candidates(ground, noise, allowed, 4, RULE, *cut, parts) for cut in cuts]
    assert np.array_equal(np.concatenate(pieces), found)
    assert (whole == parts).all()


def plain_continuing(runs: Runs, ground: np.ndarray, scores: np.ndarray, width: int) -> np.ndarray:
    """Tell which runs are part of something longer."""
    mask, (rows, cols), far = paint_runs(runs, ground.shape), ground.shape, width + 2

    def ridge(row: int, col: int, reach: int) -> float:
        line = ground[np.clip(np.arange(row - far, row + far + 1), 0, rows - 1), col]
        return float(line[far - reach : far + reach + 1].max() - max(line[0], line[-1]))

    def end(row: int, at: int, way: int, score: float, height: float) -> tuple[bool, bool, bool]:
        beyond = [at + way * k for k in (2, 4, 6) if 0 <= at + way * k < cols]
        stepped = False
        for near in (row - 1, row + 1):
            if 0 <= near < rows and not any(mask[near, np.clip(at - way * k, 0, cols - 1)] for k in (0, 2, 4)):
                stepped |= sum(scores[near, col] for col in beyond) / max(len(beyond), 1) > 0.5 * score
        top = sum(ridge(row, col, 2) for col in beyond) / max(len(beyond), 1)
        outside = not 0 <= at + 2 * way < cols
        return stepped, outside or abs(top - height) < 0.35 * height, outside

    goes_on = np.zeros(runs.row.size, bool)
    for n, (row, start, stop) in enumerate(zip(*runs, strict=True)):
        length = stop - start
        score = float(np.mean(scores[row, start:stop].astype(float)))
        height = np.mean([ridge(row, start + int(length * share), 0) for share in (0.1, 0.3, 0.5, 0.7, 0.9)])
        step_r, ridge_r, out_r = end(row, stop - 1, 1, score, height)
        step_l, ridge_l, out_l = end(row, start, -1, score, height)
        slanted = (step_r and (step_l or out_l)) or (step_l and out_r) or ((step_r or step_l) and length < 64)
        goes_on[n] = slanted or (ridge_r and ridge_l and not (out_r and out_l) and length < 64)
    label = components_of(runs)
    longest = [max(runs.length[(label == number) & goes_on], default=0) for number in label]
    return runs.length <= 1.5 * np.array(longest, float)


@pytest.mark.parametrize("seed", range(4))
def test_runs_that_go_on_or_climb_are_dropped(seed: int):
    shape = (70, 150)
    ground, noise, allowed = scene(seed, shape)
    for step in range(14):  # a fiber that climbs, and one that does not but goes on
        ground[20 + step // 2, 10 + 8 * step : 19 + 8 * step] += 9
    ground[50, 30:60] += 9
    ground[51:53, 60:90] += 9
    ground = np.ascontiguousarray(ground if seed < 3 else ground[:, ::-1])
    scores, mask = np.empty((2, *shape), np.float32), np.zeros(shape, bool)
    found = candidates(ground, noise, allowed, 2, RULE, 0, shape[0], scores)
    for side in (0, 1):
        runs = Runs(*of_side(found, side))
        sign = one(1 - 2 * side)
        kept = runs.keep(~plain_continuing(runs, sign * ground, scores[side], 2))
        label = components_of(kept)
        tall = np.array([np.ptp(kept.row[label == number]) >= 3 for number in label], bool)
        expected = kept.keep(~(tall & (kept.length < 64)))
        assert expected.row.size < runs.row.size
        assert np.array_equal(not_connected(np.array(runs), mask, ground, scores[side], sign, 2), np.array(expected))
        assert not mask.any()


def test_crowds_are_dropped_and_runs_cut_to_what_is_allowed():
    rng = np.random.default_rng(2)
    mask = np.zeros((120, 45), bool)
    mask[:50:2, 3:30] = True
    mask[[80, 81, 100], 2:41] = True
    runs = find_runs(mask)
    allowed = rng.random(mask.shape) < 0.8
    crowd = uniform_filter(mask.astype(float), (41, 17), mode="reflect") > 0.33
    kept = runs.keep(~np.array([crowd[row, start:stop].any() for row, start, stop in zip(*runs, strict=True)]))
    assert 3 < kept.row.size < runs.row.size
    expected = np.array(find_runs(paint_runs(kept, mask.shape) & allowed))
    runs = np.array(runs)
    assert np.array_equal(not_crowded(runs, mask, allowed), expected)
    nothing = not_crowded(runs, mask, np.zeros_like(mask))
    assert nothing.shape == (3, 0)


def test_evidence_is_shared_by_the_lines_of_a_scar():
    scores = np.zeros((5, 20), np.float32)
    runs = np.array([[1, 2, 2, 4], [2, 4, 14, 0], [11, 8, 20, 16]])
    for (row, start, stop), value in zip(runs.T, (4, 5, 1, 2), strict=True):
        scores[row, start:stop] = value
    # Lines 1 and 2 touch, but what stands beside them at a third of their evidence keeps its own.
    assert evidence(runs, scores).tolist() == pytest.approx([12, 12 if 10 > 0.6 * 12 else 10, 6**0.5, 8])
    painted = np.zeros(scores.shape, bool)
    mark(painted, runs, True)
    assert np.array_equal(painted, scores > 0)


def test_the_strongest_of_what_lies_above_each_other_is_taken_and_filled():
    rng = np.random.default_rng(7)
    runs = np.array(find_runs(rng.random(SHAPE) < 0.3))
    proof_of = rng.uniform(1, 2, runs.shape[1]).astype(np.float32)
    room, proof = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    taken, found, allowed = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    level = np.zeros(SHAPE, np.float32)
    for (row, start, stop), value in zip(runs.T, proof_of, strict=True):
        level[row, start:stop] = value
    best = np.stack([level[max(i - 3, 0) : i + 4].max(axis=0) for i in range(SHAPE[0])])
    expected = (level >= one(0.97) * best) & (level > 0)
    left = take_strongest(runs, proof_of, 3, room, taken, found, proof, allowed)
    assert left == np.count_nonzero(level) - np.count_nonzero(expected)
    assert not room.any()
    assert all((mask == expected).all() for mask in (taken, found, ~allowed))
    assert (proof == np.where(expected, level, 0)).all()
    taken[:, 5] = found[:, 5] = True  # a column without anything to fill from
    taken[:4, 6] = found[:4, 6] = taken[-3:, 6] = found[-3:, 6] = True
    heights = rng.normal(0, 1, SHAPE).astype(np.float32)
    filled = heights.copy()
    fill_taken(filled, np.array(find_runs(taken)), taken)
    assert (filled == fill_columns(heights, found)).all()
    assert not taken.any()


def long_scar(shape: tuple[int, int], stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Quiet ground, its noise, what is allowed beside a long scar, and the scar."""
    rng = np.random.default_rng(1)
    ground, noise = rng.normal(0, 0.1, shape).astype(np.float32), np.full(shape, 0.1, np.float32)
    allowed = np.ones(shape, bool)
    allowed[20, stop - 50 : stop] = False
    return ground, noise, allowed, np.array([[20], [stop - 50], [stop]])


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    ("start", "length", "begins"),
    [(0, 20, True), (1, 20, True), (2, 20, False), (0, 3, False), (0, 90, True), (0, 0, False)],
)
def test_whether_a_run_begins_where_a_long_one_ends(start: int, length: int, begins: bool, flip: bool):
    shape, rule = (41, 200), (5.0, one(2.2), 10, one(0.5))
    ground, noise, allowed, run = long_scar(shape, 80)
    ground[20, 80 + start : 80 + start + length] -= 3
    ground[20, 28] += 3  # one pixel away from the other end, and short
    if flip:
        ground, allowed = np.ascontiguousarray(ground[:, ::-1]), np.ascontiguousarray(allowed[:, ::-1])
        run = np.array([[20], [120], [170]])
    assert any_begins(ground, noise, allowed, 8, run, rule) == begins
    found = of_side(candidates(ground, noise, allowed, 8, rule, 0, 41, np.empty((2, *shape), np.float32)), 1)
    assert bool(found.size) == (length >= 10)
    goes_on = any_goes_on(ground, noise, allowed, 8, run, 10, 10.0)
    assert goes_on == (length >= 10)


@pytest.mark.parametrize("far", [NEAR - 1, NEAR, NEAR + 1, 4 * NEAR, 5 * NEAR])
def test_a_run_that_goes_on_farther_than_is_looked_first(far: int):
    shape, rule = (41, 200), (5.0, one(2.2), 12, one(0.5))
    ground, noise, allowed, run = long_scar(shape, 80)
    ground[20, 88 : 80 + far] += 3
    ground[20, 80:83] += 3
    assert not any_begins(ground, noise, allowed, 8, run, rule)
    ground[20, 83:85] += 3  # no more than three pixels from the rest: one run
    found = of_side(candidates(ground, noise, allowed, 8, rule, 0, 41, np.empty((2, *shape), np.float32)), 0)
    assert found[:, 0].tolist() == [20, 80, 80 + far]
    assert any_begins(ground, noise, allowed, 8, run, rule)


def test_nothing_begins_beyond_the_border():
    ground, noise, allowed, run = long_scar((41, 200), 200)
    assert not any_begins(ground, noise, allowed, 8, run, (5.0, one(2.2), 10, one(0.5)))


def test_scars_on_scars_are_found_along_the_line():
    rng = np.random.default_rng(4)
    z = rng.normal(0, 0.1, (90, 160))
    truth = np.zeros(z.shape, bool)
    truth[40:43, 20:120] = truth[38:45, 120:150] = True
    z[truth] += 4
    found = scars(Field(z), Scars()).mask
    assert (found == truth).mean() > 0.999
    assert found[38:45, 120:150].mean() > 0.95
    assert np.array_equal(scars(Field(z), Scars(polarity="positive")).mask, found)
    assert not scars(Field(z), Scars(polarity="negative")).mask.any()


@pytest.mark.parametrize("rows", [3, 4, 5, 7])
def test_what_both_directions_show_in_an_image_of_few_lines(rows: int):
    z = np.random.default_rng(3).normal(0, 0.01, (rows, 60)).astype(np.float32)
    marks = np.zeros(z.shape, bool)
    marks[1, 10:40] = True
    high = z + one(3) * marks
    assert np.array_equal(seen_both_ways(marks, high, high, np.zeros_like(marks)), marks)
    assert not seen_both_ways(marks, high, z, np.zeros_like(marks)).any()


@pytest.mark.parametrize(("width", "marks"), [(1, 2), (4, 3), (4, 14), (7, 3)])
def test_what_is_searched_again_is_what_a_new_search_finds(width, marks):
    ground, noise, allowed = scene(width, (150, 97))
    scores = np.empty((2, *ground.shape), np.float32)
    before = candidates(ground, noise, allowed, width, RULE, 0, 150, scores)
    chosen = np.random.default_rng(0).choice(len(before), marks, replace=False)
    taken = np.zeros(ground.shape, dtype=bool)
    for _, row, start, stop in before[chosen]:
        taken[row, start : (start + stop + 1) // 2] = True  # not all of it
    runs = np.array(find_runs(paint_runs(Runs(*before[np.sort(chosen), 1:].T), ground.shape)))
    boxes = changed_boxes(runs, taken, width)
    allowed &= ~taken
    fill_taken(ground, runs, taken)
    pieces = [
        candidates_again(ground, noise, allowed, width, RULE, *cut, scores, before, boxes)
        for cut in ((0, 70), (70, 150))
    ]
    fresh = np.empty_like(scores)
    expected = candidates(ground, noise, allowed, width, RULE, 0, 150, fresh)
    assert np.array_equal(np.concatenate(pieces), expected)
    assert np.array_equal(scores, fresh)
    assert not np.array_equal(expected, before)


def test_many_changed_pixels_are_one_box():
    mask = np.zeros((40, 30), dtype=bool)
    mask[1::2, 4:26] = True
    assert changed_boxes(np.array(find_runs(mask)), mask, 4).tolist() == [[0, 40, 0, 30]]
    mask[3:] = False
    assert changed_boxes(np.array(find_runs(mask)), mask, 4).tolist() == [[-6, 9, 4, 26]]
    assert changed_boxes(np.array(find_runs(mask)), np.zeros_like(mask), 4).size == 0
