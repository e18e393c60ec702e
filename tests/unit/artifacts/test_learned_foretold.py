"""What lines around a line do not foretell, and finding the other direction again."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.artifacts.learned_foretold import aligned_to, nearby, unforeseen
from support import rough

SHAPE = (72, 160)


def surface(seed: int = 0, length: float = 5.0) -> np.ndarray:
    return rough(SHAPE, seed, 1.0, length).astype(np.float32)


def test_a_smooth_surface_is_foretold_and_a_scar_is_not() -> None:
    z = surface() + np.float32(0.002) * np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    scarred = z.copy()
    scarred[30, 50:90] += 0.1
    left, clean = unforeseen(scarred, 1, 2), unforeseen(z, 1, 2)
    assert np.abs(clean[4:-4]).mean() < 0.05 * np.abs(z).mean()
    assert np.abs(left[30, 50:90]).mean() > 4 * np.abs(np.delete(left, range(26, 35), axis=0)[4:-4]).mean()


def test_lines_farther_away_see_a_bundle_as_a_whole() -> None:
    z = surface(1, 12.0)
    z[30:33, 40:100] += 0.3
    near, far = unforeseen(z, 1, 2), unforeseen(z, 3, 4)
    assert np.abs(far[31, 45:95]).mean() > 2 * np.abs(near[31, 45:95]).mean()


@pytest.mark.parametrize("shape", [(4, 16), (5, 40), (40, 17)])
def test_tiny_and_flat_scans_are_finite(shape) -> None:
    z = np.zeros(shape, np.float32)
    assert not unforeseen(z, 3, 4).any()
    z[2, 3:9] = 1
    assert np.isfinite(unforeseen(z, 1, 2)).all()
    assert np.isfinite(aligned_to(z, z)).all()


def test_usual_is_usual_nearby() -> None:
    z = np.ones(SHAPE, np.float32)
    z[:, 80:] = 3
    around = nearby(z, np.float32(1))
    assert float(around[30, 10]) == pytest.approx(1.2533, abs=1e-3)
    assert float(around[30, 150]) == pytest.approx(3 * 1.2533, abs=1e-2)
    assert float(nearby(np.zeros(SHAPE, np.float32), np.float32(1)).min()) == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.parametrize("far", [-7.4, 0.0, 4.0, 9.5])
def test_the_other_direction_is_found_again(far) -> None:
    wide = rough((SHAPE[0], SHAPE[1] + 40), 3, 1.0, 4)
    place = np.arange(SHAPE[1]) + 20
    z = wide[:, place].astype(np.float32)
    other = np.stack([np.interp(place + far, np.arange(wide.shape[1]), line) for line in wide]).astype(np.float32)
    moved = aligned_to(other, z)
    inner = slice(15, -15)
    assert np.abs(moved - z)[:, inner].mean() < 0.1 * z.std()


def test_what_does_not_agree_stays_where_it_is() -> None:
    rng = np.random.default_rng(0)
    z, other = rng.standard_normal((2, *SHAPE)).astype(np.float32)
    assert np.array_equal(aligned_to(other, z), other)
    assert np.array_equal(aligned_to(other[:, :24], z[:, :24]), other[:, :24])
