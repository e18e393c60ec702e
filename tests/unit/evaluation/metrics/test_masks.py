import math

import numpy as np
import pytest

from afmend.errors import BadParameterError, BadScanError, StepError
from afmend.evaluation.metrics.masks import (
    average_precision,
    false_marked_share,
    mask_overlap,
    object_recall,
)

SHAPE = (12, 31)


def drawn(*boxes: tuple[slice, slice], shape: tuple[int, int] = SHAPE) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for box in boxes:
        mask[box] = True
    return mask


def test_strict_overlap_is_that_of_the_sets():
    rng = np.random.default_rng(0)
    found, true = rng.random(SHAPE) < 0.3, rng.random(SHAPE) < 0.2
    got = mask_overlap(found, true, tolerance_lines=0)
    both = (found & true).sum()
    assert got.precision == pytest.approx(both / found.sum())
    assert got.recall == pytest.approx(both / true.sum())
    assert got.iou == pytest.approx(both / (found | true).sum())
    assert got.dice == pytest.approx(2 * both / (found.sum() + true.sum()))
    assert (got.found_px, got.true_px) == (found.sum(), true.sum())


def test_one_line_off_is_right_one_column_off_is_not():
    true = drawn(np.s_[5, 4:14])
    for shift in (-1, 1):
        got = mask_overlap(np.roll(true, shift, axis=0), true)
        assert (got.precision, got.recall, got.iou, got.dice) == (1, 1, 1, 1)
        got = mask_overlap(np.roll(true, shift, axis=1), true)
        assert got.precision == pytest.approx(0.9)
    got = mask_overlap(np.roll(true, 2, axis=0), true)
    assert (got.precision, got.recall, got.iou, got.dice) == (0, 0, 0, 0)
    assert mask_overlap(np.roll(true, 2, axis=0), true, tolerance_lines=2).iou == 1
    assert mask_overlap(drawn(np.s_[0, :], shape=(2, 5)), drawn(np.s_[1, :], shape=(2, 5)), tolerance_lines=9).iou == 1


def test_overlap_against_loops_with_tolerance_and_unusable_pixels():
    rng = np.random.default_rng(3)
    found, true, usable = rng.random(SHAPE) < 0.1, rng.random(SHAPE) < 0.1, rng.random(SHAPE) < 0.8
    got = mask_overlap(found, true, usable=usable)

    def near(mask: np.ndarray, r: int, c: int) -> bool:
        return any(mask[k, c] for k in range(max(r - 1, 0), min(r + 2, SHAPE[0])))

    places = [(r, c) for r in range(SHAPE[0]) for c in range(SHAPE[1]) if usable[r, c]]
    right = [near(true, r, c) for r, c in places if found[r, c]]
    hit = [near(found, r, c) for r, c in places if true[r, c]]
    p, r = np.mean(right), np.mean(hit)
    assert got.precision == pytest.approx(p)
    assert got.recall == pytest.approx(r)
    assert got.dice == pytest.approx(2 / (1 / p + 1 / r))
    assert got.iou == pytest.approx(p * r / (p + r - p * r))


def test_overlap_of_nothing():
    some, none = drawn(np.s_[2:4, 3:9]), drawn()
    got = mask_overlap(none, none)
    assert all(math.isnan(v) for v in (got.precision, got.recall, got.iou, got.dice))
    got = mask_overlap(some, none)
    assert (got.precision, got.iou, got.dice) == (0, 0, 0)
    assert math.isnan(got.recall)
    got = mask_overlap(none, some)
    assert (got.recall, got.iou, got.dice) == (0, 0, 0)
    assert math.isnan(got.precision)


def test_objects_count_if_more_than_half_is_covered():
    true = drawn(np.s_[1, 2:12], np.s_[4:6, 20:24], np.s_[6, 24], np.s_[9, 3])
    found = drawn(np.s_[1, 2:7], np.s_[4:6, 20:22], np.s_[6, 24], np.s_[9, 3])
    got = object_recall(found, true)
    assert (got.hit, got.objects) == (2, 3)  # exactly half of the first does not do; 5 of 9 do
    assert got.recall == pytest.approx(2 / 3)
    assert object_recall(found, true, usable=~drawn(np.s_[1, :])).objects == 2
    assert math.isnan(object_recall(found, drawn()).recall)


def test_false_marked_share():
    true, found = drawn(np.s_[:2]), drawn(np.s_[1:3, :10])
    assert false_marked_share(found, true) == pytest.approx(10 / (10 * 31))
    assert false_marked_share(found, drawn()) == pytest.approx(20 / (12 * 31))
    assert false_marked_share(found, true, usable=~drawn(np.s_[5:])) == pytest.approx(10 / (3 * 31))
    assert math.isnan(false_marked_share(found, ~drawn()))


@pytest.mark.parametrize("levels", [3, 10, 100_000])
def test_average_precision_against_every_threshold(levels):
    rng = np.random.default_rng(levels)
    true = rng.random(SHAPE) < 0.15
    scores = np.round((rng.random(SHAPE) + 0.5 * true) * levels)
    usable = rng.random(SHAPE) < 0.9
    total, area, last = (true & usable).sum(), 0.0, 0.0
    for threshold in np.unique(scores)[::-1]:
        marked = (scores >= threshold) & usable
        if not marked.any():
            continue
        right = (marked & true).sum()
        area += (right / total - last) * right / marked.sum()
        last = right / total
    assert average_precision(scores, true, usable=usable) == pytest.approx(area)


def test_average_precision_of_perfect_blind_and_pointless_scores():
    true = drawn(np.s_[2:5, 3:20])
    assert average_precision(true.astype(float), true) == 1
    assert average_precision(np.zeros(SHAPE), true) == pytest.approx(true.mean())
    assert math.isnan(average_precision(np.zeros(SHAPE), drawn()))


def test_average_precision_agrees_with_scikit_learn():
    from sklearn import metrics

    rng = np.random.default_rng(5)
    true = rng.random(SHAPE) < 0.15
    scores = np.round((rng.random(SHAPE) + 0.5 * true) * 20)
    want = metrics.average_precision_score(true.ravel(), scores.ravel())
    assert average_precision(scores, true) == pytest.approx(want)


def test_bad_input_is_refused():
    none = drawn()
    with pytest.raises(BadParameterError, match="tolerance_lines is -1"):
        mask_overlap(none, none, tolerance_lines=-1)
    with pytest.raises(BadScanError, match="'true'"):
        mask_overlap(none, none[1:])
    with pytest.raises(BadScanError, match="'found'"):
        object_recall(none.astype(int), none)
    with pytest.raises(BadScanError, match="two axes"):
        false_marked_share(none[0], none[0])
    with pytest.raises(BadScanError, match="'true'"):
        average_precision(np.zeros(SHAPE), none.astype(float))
    with pytest.raises(StepError, match="scores that count"):
        average_precision(np.full(SHAPE, np.nan), ~none)
