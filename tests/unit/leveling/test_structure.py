"""Edges along the lines are left alone, and real line noise is not; large objects do not lead the lines astray."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.leveling import structure
from afmend.leveling.auto import Auto, level_auto
from afmend.leveling.structure import Blocks, Doubt
from afmend.leveling.structure_kernels import power_when_turned
from afmend.pipeline import Field
from support import rough

SHAPE = (120, 150)
NOISE_NM = 0.05
PIXEL_NM = (2.0, 3.0)


def ridges(period: float, degrees: float, *, sharp: float = 8.0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A grating of 5 nm whose ridges run along the lines but for an angle (of pixels)."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    return 2.5 * np.tanh(sharp * np.sin(2 * np.pi * (y + np.tan(np.radians(degrees)) * x) / period))


def noise(seed: int = 1, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return NOISE_NM * np.random.default_rng(seed).standard_normal(shape)


def offsets(seed: int = 2, rows: int = SHAPE[0]) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(rows)[:, None]


def gauge_rms(difference: np.ndarray) -> float:
    y, x = np.linspace(-1, 1, difference.shape[0])[:, None], np.linspace(-1, 1, difference.shape[1])
    parts = [np.broadcast_to(x**a * y**b, difference.shape).ravel() for a in range(3) for b in range(3 - a)]
    basis = np.stack(parts, axis=1)
    rest = difference.ravel() - basis @ np.linalg.lstsq(basis, difference.ravel(), rcond=None)[0]
    return float(np.sqrt(np.mean(rest**2)))


def run(z: np.ndarray, **knobs: object) -> tuple[np.ndarray, dict[str, object]]:
    done = level_auto(Field(z, None, PIXEL_NM), Auto(**knobs))
    return done.heights, dict(done.facts)


@pytest.mark.parametrize(
    ("period", "degrees", "sharp"),
    [(17, 0.0, 8.0), (17, 0.1, 8.0), (23.5, 0.4, 8.0), (23.5, -0.9, 8.0), (14, 1.3, 0.3), (30, 0.0, 0.3)],
)
def test_a_clean_grating_along_the_lines_stays(period, degrees, sharp):
    truth = ridges(period, degrees, sharp=sharp)
    heights, facts = run(truth + noise())
    assert gauge_rms(heights - truth) < 1.2 * NOISE_NM
    assert facts["line_model"] == "none" or facts["line_doubt"] == ""


def test_doubt_is_told_with_the_size_of_what_may_be_noise():
    truth = ridges(17, 0.1)
    _, facts = run(truth + noise())
    assert facts["line_doubt"] == "edges_along_lines"
    assert facts["line_model"] == "none"
    assert 0.5 < facts["line_sigma_median_nm"] < 5.0


@pytest.mark.parametrize("walk", [False, True])
def test_line_noise_on_flat_ground_is_not_doubted(walk):
    lines = np.cumsum(offsets(), axis=0) if walk else offsets()
    truth = 0.2 * rough(SHAPE, smooth_px=3)
    heights, facts = run(truth + noise() + lines)
    assert facts["line_doubt"] == ""
    assert gauge_rms(heights - truth) < 1.5 * NOISE_NM


@pytest.mark.parametrize("period", [17.0, 17.4])
@pytest.mark.parametrize("nm", [0.3, 0.6, 1.2])
def test_no_grating_is_taken_for_moderate_line_noise(period, nm):
    truth = 2 * ridges(period, 0.23, shape=(140, 170))
    ratios, doubts = [], 0
    for seed in range(14):
        z = truth + noise(seed + 50, truth.shape) + nm * offsets(seed, truth.shape[0])
        heights, facts = run(z, max_degree=0)
        ratios.append(np.std(heights - truth) / np.std(z - truth))
        doubts += facts["line_doubt"] == "edges_along_lines"
    assert max(ratios) < 1.1
    assert doubts >= 10


@pytest.mark.parametrize("period", [7.3, 17.0, 31.4])
def test_periodic_line_noise_on_flat_ground_goes(period):
    y = np.arange(SHAPE[0])[:, None]
    truth = 0.2 * rough(SHAPE, smooth_px=3)
    for seed in range(5):
        lines = 0.3 * offsets(seed) + 0.3 * np.sin(2 * np.pi * y / period + seed)
        heights, facts = run(truth + noise(seed + 50) + lines)
        assert facts["line_doubt"] == ""
        assert gauge_rms(heights - truth) < 0.5 * gauge_rms(lines + np.zeros(SHAPE))


def test_line_noise_over_a_grating_across_the_lines_goes():
    truth = ridges(19, 0.0, shape=SHAPE[::-1]).T
    heights, facts = run(truth + noise() + offsets())
    assert facts["line_doubt"] == ""
    assert gauge_rms(heights - truth) < 2 * NOISE_NM


def test_two_jumps_in_mid_line_are_no_edge():
    truth = 0.3 * rough(SHAPE, smooth_px=2)
    z = truth + noise()
    for row, col in ((40, 70), (81, 30)):
        z[row, col:] += 9.0
        z[row + 1 :] += 9.0
    heights, facts = run(z)
    assert facts["line_doubt"] == ""
    assert gauge_rms(np.delete(heights - truth, [40, 81], axis=0)) < 3 * NOISE_NM


def doubt_about(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> Doubt:
    flat = np.zeros((before.shape[0], 1))
    steps = (Blocks.of(np.ascontiguousarray(z), mask).steps(flat) for z in (before, after))
    return structure.doubt_about(*steps, np.sort(before[~mask]), np.sort(after[~mask]))


def test_a_large_object_does_not_lead_the_lines_astray():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    truth = 0.4 * rough(SHAPE, smooth_px=1.0)
    truth += 20 * np.maximum(1 - ((y - 12) / 45) ** 2 - ((x - 60) / 55) ** 2, 0)
    heights, _ = run(truth + noise())
    assert gauge_rms(heights - truth) < 3 * NOISE_NM


def test_what_spreads_the_heights_is_doubted():
    truth = rough(SHAPE, smooth_px=1.0)
    lines = 2 * offsets(7)
    doubt = doubt_about(truth, truth + lines, np.zeros(SHAPE, dtype=bool))
    assert doubt.blurred
    assert str(doubt) == "blurred_heights"
    better = doubt_about(truth + lines, truth, np.zeros(SHAPE, dtype=bool))
    assert not better
    assert str(better) == ""


def test_doubt_has_its_reasons():
    mask = np.zeros(SHAPE, dtype=bool)
    lines = offsets()
    truth = rough(SHAPE)
    assert not doubt_about(truth, truth.copy(), mask)
    assert not doubt_about(truth[:9] + lines[:9], truth[:9], mask[:9])
    assert not doubt_about(np.broadcast_to(lines, SHAPE).copy(), np.zeros(SHAPE), mask)
    profile = ridges(17, 0.0)
    assert doubt_about(profile + noise(), noise(), mask).repeating
    tilted = ridges(120.0, 1.5) + ridges(71.0, 1.5) + ridges(47.0, 1.5) + noise()
    means = tilted.mean(axis=1, keepdims=True)
    assert doubt_about(tilted, tilted - means, mask).sheared
    assert str(Doubt(sheared=True, blurred=True)) == "edges_along_lines"


def test_who_asks_for_offsets_gets_them():
    _, facts = run(ridges(17, 0.1) + noise(), line_model="offset")
    assert facts["line_model"] == "offset"
    assert facts["line_doubt"] == ""


def test_power_of_turned_blocks_is_that_of_numpy():
    rng = np.random.default_rng(0)
    real, imaginary = rng.standard_normal((2, 3, 5, 17))
    weight, angles = rng.random(17), rng.uniform(-3, 3, (4, 5, 17))
    found = power_when_turned(real, imaginary, weight, np.cos(angles), np.sin(angles))
    assert found.shape == (3, 8)
    for t in range(3):
        for s in range(8):
            turned = (real[t] + 1j * imaginary[t]) * np.exp((1 if s < 4 else -1) * 1j * angles[s % 4])
            assert found[t, s] == pytest.approx(np.sum(weight * np.abs(turned.sum(axis=0)) ** 2), abs=1e-9)


def test_flat_ground_that_becomes_uneven_is_blurred():
    rng = np.random.default_rng(6)
    one, other = rng.standard_normal((2, 119, 9))
    flat = np.sort(1e-60 * rng.standard_normal(2000))  # what rounding leaves of equal heights
    uneven = np.sort(1e-6 * rng.standard_normal(2000))
    assert structure.doubt_about(one, other, flat, uneven).blurred
    assert not structure.doubt_about(one, other, uneven, flat).blurred
