"""Lines with hardly a usable column in common with their neighbors: where they are laid, and what is known of it."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.leveling.auto import Auto, level_auto
from afmend.leveling.line_strays import place_strays
from afmend.pipeline import Field
from support import assert_heights_close, rough

ROWS, COLS = 90, 130
ROW, CUT = 47, 45


def interlocking(overlap: int = 0) -> np.ndarray:
    """Hide the right of one row, the left of the four before and two after it, and two rows in between whole."""
    skip = np.zeros((ROWS, COLS), bool)
    skip[ROW, CUT:] = True
    skip[ROW - 4 : ROW, : CUT - overlap] = True
    skip[ROW + 1 : ROW + 3] = True
    skip[ROW + 3 : ROW + 5, : CUT - overlap] = True
    return skip


def noisy(offset: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a rough surface, and the same with line noise, one line of which lies ``offset`` off."""
    rng = np.random.default_rng(seed)
    surface = 0.2 * rough((ROWS, COLS)) + 0.02 * rng.standard_normal((ROWS, COLS))
    lines = rng.standard_normal(ROWS)
    lines[ROW] += offset
    return surface, surface + lines[:, None]


def error(heights: np.ndarray, surface: np.ndarray) -> float:
    """How far the usable part of the row lies off, compared with the lines beyond it."""
    off = heights - surface
    near = np.r_[ROW - 9 : ROW - 4, ROW + 5 : ROW + 10]
    return float(np.mean(off[ROW, :CUT]) - np.mean(off[near, :CUT]))


@pytest.mark.parametrize("overlap", [0, 2, 12])
@pytest.mark.parametrize("mirrored", [False, True])
def test_interlocking_masks_leave_no_bar(overlap: int, mirrored: bool) -> None:
    surface, z = noisy(3.0)
    skip = interlocking(overlap)
    if mirrored:
        done = level_auto(Field(z[::-1, ::-1], skip[::-1, ::-1], (1.0, 0.7)), Auto())
        heights, sigma = done.heights[::-1, ::-1], done.facts["line_sigma_nm"][::-1]
    else:
        done = level_auto(Field(z, skip, (1.0, 0.7)), Auto())
        heights, sigma = done.heights, done.facts["line_sigma_nm"]
    assert abs(error(heights, surface)) < min(0.2, 3.0 * sigma[ROW])
    # The error bar grows there, and where nothing is known it is that of line noise.
    assert sigma[ROW] > 1.3 * float(np.median(sigma))
    assert sigma[ROW + 1] > 0.5
    assert sigma[ROW] < 0.3


def trial(left: np.ndarray, skip: np.ndarray, noise: float) -> tuple[float, float, int]:
    """Offset and variance of the row, and how many others are strays."""
    lines = np.flatnonzero(np.count_nonzero(~skip, axis=1) > 60)
    coefs = np.zeros((ROWS, 2))
    coefs[:, 0] = noise * np.random.default_rng(5).standard_normal(ROWS)
    found = place_strays(left, skip, lines, coefs)
    at = int(np.flatnonzero(found.rows == ROW)[0])
    return float(found.offset[at]), float(found.variance[at]), found.rows.size - 1


def test_a_line_is_moved_as_far_as_its_pixels_and_their_reach_support() -> None:
    left = 0.3 * rough((ROWS, COLS)) + 0.01 * np.random.default_rng(1).standard_normal((ROWS, COLS))
    left[ROW] += 1.0
    variances = []
    for kept in (45, 12, 2):
        skip = interlocking()
        skip[ROW, kept:] = True
        offset, variance, others = trial(left, skip, noise=1.0)
        assert others == 2
        assert abs(offset - 1.0) < 3.0 * np.sqrt(variance)
        variances.append(variance)
    assert variances[0] < variances[1] < variances[2]


def test_without_line_noise_only_what_is_beyond_all_doubt_moves_a_line() -> None:
    left = 0.3 * rough((ROWS, COLS))
    skip = interlocking()
    assert trial(left, skip, noise=0.0)[:2] == (0.0, 0.0)
    left[ROW] += 40.0
    offset, variance, _ = trial(left, skip, noise=0.0)
    assert abs(offset - 40.0) < 3.0 * np.sqrt(variance)
    assert 0.0 < variance < 1.0


def test_a_line_without_any_pixel_to_compare_with_stays_between_its_neighbors() -> None:
    skip = interlocking()
    skip[np.arange(ROWS) != ROW, :CUT] = True
    left = rough((ROWS, COLS))
    left[ROW] += 5.0
    offset, variance, _ = trial(left, skip, noise=2.0)
    assert offset == 0.0
    assert 1.0 < variance < 20.0


@pytest.mark.parametrize("row", [0, ROWS - 1])
def test_the_first_and_the_last_line_are_laid_beside_their_only_neighbor(row: int) -> None:
    left = 0.01 * rough((ROWS, COLS))
    left[row] -= 2.0
    skip = np.zeros((ROWS, COLS), bool)
    skip[row, 10:] = True
    lines = np.setdiff1d(np.arange(ROWS), [row])
    coefs = np.random.default_rng(2).standard_normal((ROWS, 1))
    found = place_strays(left, skip, lines, coefs)
    assert found.rows.tolist() == [row]
    assert_heights_close(found.offset, np.array([-2.0]), atol_nm=0.05)


def test_few_lines_or_one_pixel_tell_less() -> None:
    left = np.zeros((4, 7))
    left[1] = 3.0 + np.arange(7) % 2
    skip = np.zeros((4, 7), bool)
    coefs = np.array([[0.0], [0.0], [4.0], [0.0]])
    lines = np.array([0, 2, 3])
    assert place_strays(left, skip, lines, coefs).variance[0] > 0.0
    skip[1, 1:] = True
    found = place_strays(left, skip, lines, coefs)
    assert found.offset[0] == 0.0
    assert found.variance[0] > 0.0
