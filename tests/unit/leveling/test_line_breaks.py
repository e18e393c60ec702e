"""Lines that jump on their way are given two offsets, whatever part of them is masked."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.leveling import line_search
from afmend.leveling.auto import Auto, level_auto
from afmend.leveling.line_breaks import breaks_of, mended
from afmend.leveling.settling import Sample
from afmend.leveling.structure import Doubt
from afmend.pipeline import Field
from support import assert_heights_close, rough

SHAPE = (90, 140)
PIXEL_NM = (3.0, 2.0)
NOISE_NM = 0.05
NONE = np.zeros(SHAPE, dtype=bool)
LINES = np.arange(SHAPE[0])


def surface() -> np.ndarray:
    return 0.3 * rough(SHAPE, smooth_px=2) + np.random.default_rng(1).normal(0, NOISE_NM, SHAPE)


def jump(row: int, col: int, height: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Everything from one moment on lies higher."""
    return np.where(np.arange(shape[0] * shape[1]).reshape(shape) >= row * shape[1] + col, height, 0.0)


def error(z: np.ndarray, truth: np.ndarray, masked: np.ndarray | None = None) -> float:
    """Root mean square over all usable pixels, without polynomials of degree 2."""
    use = np.ones(z.shape, bool) if masked is None else ~masked
    difference = level_auto(Field(z, masked, PIXEL_NM), Auto()).heights - truth
    y, x = (np.linspace(-1, 1, n) for n in z.shape)
    basis = np.stack([np.outer(y**a, x**b) for a in range(3) for b in range(3 - a)], axis=-1)
    fit = np.linalg.lstsq(basis[use], difference[use], rcond=None)[0]
    return float(np.sqrt(np.mean((difference[use] - basis[use] @ fit) ** 2)))


@pytest.mark.parametrize("col", [12, 30, 70, 110, 128])
@pytest.mark.parametrize("height", [9.0, -25.0])
def test_the_line_that_jumps_is_mended_too(col: int, height: float) -> None:
    truth = surface()
    assert error(truth + jump(40, col, height), truth) < 2 * NOISE_NM


@pytest.mark.parametrize("visible", [range(0, 140, 2), range(38, 140), range(100), range(8, 132)])
def test_masks_over_a_line_that_jumps_do_not_lose_the_jump(visible: range) -> None:
    """What is left of one of its parts may be a minority that the chain of differences used to follow."""
    truth = surface()
    masked = NONE.copy()
    masked[40] = True
    masked[40, visible] = False
    for col in range(50, 91, 10):
        assert error(truth + jump(40, col, 9.0), truth, masked) < 2 * NOISE_NM


def test_lines_along_the_columns_and_jumps_in_several_lines() -> None:
    truth = surface()
    z = truth + jump(20, 50, 9.0) + jump(50, 90, -12.0) + jump(70, 20, 15.0)
    done = level_auto(Field(np.ascontiguousarray(z.T), None, PIXEL_NM[::-1]), Auto(line_axis="columns"))
    assert done.facts["line_breaks"] == [[20, 50], [50, 90], [70, 20]]
    assert error(z, truth) < 2 * NOISE_NM


def test_height_and_place_of_a_jump() -> None:
    z = surface() + jump(40, 30, 9.0) + np.random.default_rng(4).normal(0, 1.0, (SHAPE[0], 1))
    (found,) = breaks_of(z, NONE, LINES)
    assert (found.row, found.first, found.stop) == (40, 0, 30)
    assert found.height == pytest.approx(-9.0, abs=4 * NOISE_NM)
    level = mended(z, (found,))
    assert_heights_close(np.delete(level, 40, axis=0), np.delete(z, 40, axis=0), atol_nm=0.0)
    assert_heights_close(level[40, :30] - z[40, :30], np.full(30, -found.height), atol_nm=1e-12)
    sample = Sample.of(z, NONE)
    assert_heights_close(sample.mended((found,)).heights, Sample.of(level, NONE).heights, atol_nm=1e-12)
    assert breaks_of(level, NONE, LINES) == ()


def test_edges_of_the_sample_are_no_jumps() -> None:
    """A terrace that ends in the middle of the image, its edge along a line: the lines beside differ in a part only."""
    z = surface()
    z[40:, :60] += 9.0
    assert breaks_of(z, NONE, LINES) == ()
    z[70:, 60:] += 9.0
    assert breaks_of(z, NONE, LINES) == ()


def test_jumps_that_recur_with_the_same_height_may_be_edges() -> None:
    z = surface()
    for k, row in enumerate(range(10, 80, 10)):
        z = z + jump(row, 30 + 10 * k, 9.0 * (-1) ** k)
    assert breaks_of(z, NONE, LINES) == ()
    assert len(breaks_of(surface() + jump(10, 30, 9.0) + jump(20, 40, -9.0), NONE, LINES)) == 2


def test_nothing_breaks_where_nothing_can_be_told() -> None:
    z = surface() + jump(40, 70, 9.0)
    assert breaks_of(np.zeros(SHAPE), NONE, LINES) == ()
    assert breaks_of(z, NONE, LINES[39:41]) == ()
    few = np.ones(SHAPE, bool)
    few[:, 60:80] = False
    assert breaks_of(z, few, LINES) == ()
    assert len(breaks_of(z, NONE, LINES)) == 1


def test_lines_that_stay_keep_their_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the correction of lines is doubted, that of a broken one is not made either."""
    z = surface() + jump(40, 70, 9.0)
    assert level_auto(Field(z, None, PIXEL_NM), Auto()).facts["line_breaks"] == [[40, 70]]
    monkeypatch.setattr(line_search, "doubt_about", lambda *_: Doubt(sheared=True))
    done = level_auto(Field(z, None, PIXEL_NM), Auto(max_degree=0))
    assert done.facts["line_doubt"] == "edges_along_lines"
    assert done.facts["line_breaks"] == []
    assert_heights_close(done.heights - done.heights.mean(), z - z.mean(), atol_nm=1e-9)
