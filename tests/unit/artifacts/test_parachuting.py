"""Tails behind downward steps."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.artifacts.parachuting import Parachuting, parachuting
from afmend.pipeline import Field
from support import rough

SHAPE = (60, 150)


def follow(surface: np.ndarray, fall: float) -> np.ndarray:
    x = np.arange(surface.shape[1]) * fall
    return np.maximum.accumulate(surface + x, axis=1) - x


def surface() -> np.ndarray:
    z = rough(SHAPE, 2, 0.1, 5)
    z[10:30, 30:50] += 8
    z[35:50, 80:100] += 8
    return z


def pair(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = surface()
    trace, retrace = follow(z, 0.5), follow(z[:, ::-1], 0.5)[:, ::-1]
    noisy = [t + 0.03 * rng.standard_normal(SHAPE) + rng.standard_normal((SHAPE[0], 1)) for t in (trace, retrace)]
    return noisy[0], noisy[1], trace - z > 0.15


def test_marks_tails_of_the_trace() -> None:
    trace, retrace, wrong = pair()
    found = parachuting(Field(trace, opposite=retrace, direction="trace"), Parachuting())
    assert found.name == "parachute"
    assert (found.mask & wrong).sum() > 0.85 * wrong.sum()
    assert (found.mask & wrong).sum() > 0.85 * found.mask.sum()
    assert found.facts["fall_per_px"] == pytest.approx(0.5, rel=0.2)
    again = parachuting(Field(3 * trace[::-1] + 7, opposite=3 * retrace[::-1] + 7, direction="trace"), Parachuting())
    assert np.array_equal(again.mask[::-1], found.mask)


def test_a_retrace_is_a_mirrored_trace() -> None:
    trace, retrace, _ = pair()
    one = parachuting(Field(trace, opposite=retrace, direction="trace"), Parachuting()).mask
    two = parachuting(Field(trace[:, ::-1], opposite=retrace[:, ::-1], direction="retrace"), Parachuting()).mask
    assert one.any()
    assert np.array_equal(one, two[:, ::-1])


@pytest.mark.parametrize("shift", [1, 3, 8])
def test_shifted_edges_and_friction_stay_unmarked(shift: int) -> None:
    z, rng = surface(), np.random.default_rng(4)
    other = np.roll(z, -shift, axis=1) + 0.5 * (z > 4) + 0.03 * rng.standard_normal(SHAPE)
    z = z + 0.03 * rng.standard_normal(SHAPE)
    for direction in ("trace", "retrace"):
        assert not parachuting(Field(z, opposite=other, direction=direction), Parachuting()).mask.any()


def test_says_why_nothing_can_be_marked() -> None:
    trace, retrace, _ = pair()
    for field, reason in (
        (Field(trace), "no channel"),
        (Field(trace, opposite=retrace), "direction is unknown"),
        (Field(trace, opposite=trace, direction="trace"), "equal"),
        (Field(np.zeros((1, 1)), opposite=np.zeros((1, 1)), direction="trace"), "too few"),
        (Field(trace, np.ones(SHAPE, bool), opposite=retrace, direction="trace"), "too few"),
    ):
        found = parachuting(field, Parachuting())
        assert not found.mask.any()
        assert reason in found.facts["skipped"]


def test_pure_noise_has_no_tails() -> None:
    rng = np.random.default_rng(0)
    field = Field(rng.standard_normal(SHAPE), opposite=rng.standard_normal(SHAPE), direction="trace")
    assert parachuting(field, Parachuting()).facts == {"tails": 0}
    assert not parachuting(field, Parachuting(lam=2.0)).mask.any()


def test_excluded_pixels_do_not_steer() -> None:
    trace, retrace, _ = pair()
    excluded = np.zeros(SHAPE, bool)
    excluded[15:18, 40:70] = excluded[40] = True
    one = parachuting(Field(trace, excluded, opposite=retrace, direction="trace"), Parachuting()).mask
    two = parachuting(
        Field(np.where(excluded, 1e4, trace), excluded, opposite=retrace, direction="trace"), Parachuting()
    )
    assert np.array_equal(one, two.mask)
    assert one.any()
    assert not (one & excluded).any()


def test_sparse_usable_pixels() -> None:
    trace, retrace, _ = pair()
    excluded = np.ones(SHAPE, bool)
    excluded[1, 1] = False
    found = parachuting(Field(trace, excluded, opposite=retrace, direction="trace"), Parachuting())
    assert not found.mask.any()
