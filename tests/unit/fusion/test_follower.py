"""The shift between trace and retrace from a model of the loop."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from afmend.fusion.follower import Follower
from afmend.fusion.follower_kernels import misfits
from afmend.fusion.registration import register_lines
from support import rough

SHAPE = (48, 200)
FALL = 0.4


def steps(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    z = np.zeros(shape)
    for n, row in enumerate(range(0, shape[0], 12)):
        for start in range(30 + 5 * n, shape[1] - 40, 60):
            z[row : row + 10, start : start + 22 - 3 * n] = 5 + n
    return gaussian_filter1d(z, 1.2, axis=1) + rough(shape, 4, 0.3, 6.0)


def followed(surface: np.ndarray, lag: float, fall: float = FALL) -> np.ndarray:
    """What a loop makes of a surface; time runs to the right."""
    out = surface.copy()
    for j in range(1, surface.shape[1]):
        out[:, j] = out[:, j - 1] + np.maximum((surface[:, j] - out[:, j - 1]) / (1 + lag), -fall)
    return out


def directions(lag: float, noise_nm: float, shape: tuple[int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    z = steps(shape)
    rng = np.random.default_rng(2)
    trace, retrace = followed(z, lag), followed(z[:, ::-1], lag)[:, ::-1]
    offsets = 0.5 * rng.standard_normal((shape[0], 1))
    return trace + noise_nm * rng.standard_normal(shape), retrace + offsets + noise_nm * rng.standard_normal(shape)


@pytest.mark.parametrize(("lag", "noise_nm"), [(0.0, 0.03), (1.5, 0.003)])
def test_tails_are_not_taken_for_a_shift(lag: float, noise_nm: float) -> None:
    trace, retrace = directions(lag, noise_nm)
    shift = register_lines(trace, retrace).shift_px
    assert float(np.max(np.abs(shift + 2 * lag))) < 0.35
    plain = [float(np.mean(np.abs(trace[:, 20:-20] - np.roll(retrace, -s, axis=1)[:, 20:-20]))) for s in range(-9, 10)]
    assert int(np.argmin(plain)) - 9 < -2 * lag - 1.5


def test_the_true_loop_explains_both_directions_and_no_other() -> None:
    trace, retrace = directions(0.0, 0.0)
    gone = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    offset = np.median(trace - retrace, axis=1)
    falls = np.array([0.5 * FALL, FALL, 2 * FALL, 1e12])
    found, share = misfits(trace, retrace, gone, offset, 0.0, falls, (1, SHAPE[1] - 1))
    assert share == 1.0
    assert found[1] < 0.02
    assert (found[[0, 2, 3]] > 5 * found[1]).all()


def test_what_is_not_known_does_not_count() -> None:
    trace, retrace = directions(0.0, 0.03)
    known = np.ones(SHAPE, dtype=bool)
    known[:, 90:97] = False
    known[5] = False
    trace[~known] = 1e3
    found = Follower(trace, retrace, known).found()
    assert found is not None
    assert float(np.max(np.abs(found[0]))) < 0.35


def test_noise_alone_tells_no_shift() -> None:
    rng = np.random.default_rng(4)
    everywhere = np.ones(SHAPE, dtype=bool)
    assert Follower(rng.standard_normal(SHAPE), rng.standard_normal(SHAPE), everywhere).found() is None


def test_long_lines_are_binned() -> None:
    trace, retrace = directions(0.0, 0.03, (24, 1040))
    assert float(np.max(np.abs(register_lines(trace, retrace).shift_px))) < 1.0


def test_what_one_direction_knows_alone_is_not_compared() -> None:
    trace, retrace = directions(0.0, 0.0)
    gone = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    gone[0][:, :100], gone[1][:, 100:] = True, True
    found, share = misfits(trace, retrace, gone, np.zeros(SHAPE[0]), 0.0, np.array([1e12]), (1, SHAPE[1] - 1))
    assert share == 0.0
    assert found.tolist() == [0.0]
    assert Follower(trace, retrace, ~(gone[0] | gone[1])).found() is None


def test_a_shift_that_leaves_too_little_to_compare_explains_nothing() -> None:
    trace, retrace = directions(0.0, 0.03)
    strip = np.zeros(SHAPE, dtype=bool)
    strip[:, 85:103] = True
    follower, falls = Follower(trace, retrace, strip), np.array([FALL])
    right, far = (float(follower.surprise(np.array([s, 0.0, 0.0]), 0.0, falls, 1e-9)[0]) for s in (0.0, 12.0))
    assert far > right + 50
    assert follower.found() is None
