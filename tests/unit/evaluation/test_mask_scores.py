"""Scores of masks: what counts, what is forgiven, and how sure the figures are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from afmend.evaluation.mask_scores import (
    interval,
    jumping_lines,
    labeled,
    mean_of,
    pooled,
    score,
    simulated,
    without_events,
)
from afmend.evaluation.metrics.visible import visible
from afmend.simulation import artifact_masks, draw, load_box, simulate
from support import rough

SHAPE = (40, 64)


def scar_scan():
    twin = draw(load_box("train"), 5, shape=(64, 96), surface="gaussian", artifacts=["scar", "spike"])
    return simulate(twin)


def test_the_truth_scores_one_and_other_kinds_do_not_count() -> None:
    scan = scar_scan()
    judged = simulated(scan)
    masks = scan.channels[("ideal", "trace")].masks.artifact
    assert judged.wanted.any()
    assert not judged.clean
    row = score(judged, judged.wanted | masks.get("spike", np.zeros((64, 96), bool)))
    assert row["iou"] == pytest.approx(1.0, abs=1e-9)
    assert row["false_percent"] == 0
    assert judged.family == "gaussian"


def test_only_visible_damage_is_asked_for_if_so_wished() -> None:
    scan = scar_scan()
    every, seen = simulated(scan), simulated(scan, seen_only=True)
    assert seen.wanted.sum() <= every.wanted.sum()
    assert not (seen.wanted & ~every.wanted).any()


def test_which_part_of_a_line_that_jumps_is_wrong_is_not_asked() -> None:
    scan = simulate(draw(load_box("train"), 5, shape=(48, 80), surface="gaussian", artifacts=("line_jump", "scar")))
    masks = artifact_masks(scan, "trace")
    jumps = masks["line_jump"].any(axis=1)
    assert jumps.any()
    assert not jumps.all()
    every, seen = simulated(scan), simulated(scan, seen_only=True)
    assert (every.counts & ~masks["scar"])[jumps].any()
    assert not (seen.counts & ~seen.wanted)[jumps].any()
    assert np.array_equal(jumping_lines(masks, every.counts.shape), np.broadcast_to(jumps[:, None], (48, 80)))


def test_without_its_events_a_scan_is_the_same_elsewhere() -> None:
    scan = scar_scan()
    calm = without_events(scan)
    change = scan.channels[("height", "trace")].values - calm.channels[("height", "trace")].values
    scars = scan.channels[("ideal", "trace")].masks.artifact["scar"]
    step = scan.history[0].params["electronics"]["adc_step_nm"]
    assert np.abs(change[scars]).mean() > 10 * np.abs(change[~scars]).mean() + step
    clean = simulate(draw(load_box("train"), 6, shape=(64, 96), surface="gaussian", artifacts=()))
    assert without_events(clean) is clean


def test_a_clean_scan_has_no_overlap_but_false_marks() -> None:
    scan = simulate(draw(load_box("train"), 6, shape=(64, 96), surface="gaussian", artifacts=()))
    judged = simulated(scan)
    assert judged.clean
    found = np.zeros((64, 96), bool)
    found[3] = True
    row = score(judged, found)
    assert math.isnan(row["iou"])
    assert row["false_percent"] == pytest.approx(100 / 64, abs=1e-9)


def test_hand_labels_ignore_what_is_not_labeled() -> None:
    label = np.zeros(SHAPE, np.uint8)
    label[5:9], label[5, 10:60], label[20:30] = 2, 1, 3
    judged = labeled(rough(SHAPE), label, "scan", direction="trace")
    assert judged.wanted.sum() == 50
    assert judged.counts.sum() == 50 + 10 * 64
    found = np.zeros(SHAPE, bool)
    found[5, 10:60], found[7], found[22, :8] = True, True, True
    row = score(judged, found)
    assert row["recall"] == 1.0
    assert row["false_percent"] == pytest.approx(100 * 8 / 640, abs=1e-9)
    strict = labeled(rough(SHAPE), label, "scan", unlabeled_is_good=True)
    assert strict.counts.sum() == label.size - 4 * 64 + 50


def test_pooled_numbers_and_intervals() -> None:
    rows = [{"hit_px": 50.0, "true_px": 100.0, "right_px": 50.0, "found_px": 50.0, "iou": 0.5}] * 3
    rows.append({"hit_px": 0.0, "true_px": 0.0, "right_px": 0.0, "found_px": 0.0, "iou": math.nan})
    assert pooled(rows)["iou"] == pytest.approx(0.5, abs=1e-9)
    assert pooled(rows[3:]) == {"iou": 0.0, "dice": 0.0, "precision": 0.0, "recall": 0.0}
    middle, low, high = interval(rows, mean_of("iou"), draws=50)
    assert (middle, low, high) == (0.5, 0.5, 0.5)
    assert all(math.isnan(x) for x in interval([], mean_of("iou")))


def test_visible_damage_stands_out_of_the_noise() -> None:
    rng = np.random.default_rng(0)
    ideal, noise = rough(SHAPE, 1, 2.0, 8), 0.1 * rng.standard_normal(SHAPE)
    damage = np.zeros(SHAPE)
    damage[10, 10:50], damage[20, 30], damage[30, 10:50] = 1.0, 2.0, 0.02
    bad = damage > 0
    tilt = 0.5 * np.arange(SHAPE[0])[:, None] + 0.2 * np.arange(SHAPE[1])
    seen = visible(damage + tilt, ideal + noise + damage + tilt, bad)
    assert seen[10, 10:50].all()
    assert seen[20, 30]
    assert not seen[30, 14:46].any()
    whole = np.ones(SHAPE, bool)
    assert visible(damage, ideal + noise + damage, whole)[10, 10:50].all()
