"""Bad lines: stuck and wild ones are marked, everything that a good scan may hold is not."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.artifacts.line_shapes import wild_bands
from afmend.artifacts.lines import Lines, lines
from afmend.artifacts.repeats import equality_is_unusual, has_noise
from afmend.pipeline import Field
from support import assert_heights_close, rough

SHAPE = (96, 130)


def measured(seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    line_offsets = rng.standard_normal(SHAPE[0])[:, None]
    return rough(SHAPE, seed, 1.5, 6) + 0.1 * x - 0.05 * y + line_offsets + 0.05 * rng.standard_normal(SHAPE)


def marked(z: np.ndarray, excluded: np.ndarray | None = None, **params: float) -> list[int]:
    found = lines(Field(z, excluded), Lines(**params))
    assert found.name == "bad_line"
    assert found.facts["lines"] == np.flatnonzero(found.mask.any(axis=1)).tolist()
    return found.facts["lines"]


def damaged() -> tuple[np.ndarray, list[int]]:
    z, rng = measured(), np.random.default_rng(9)
    z[20] += 4 * rng.standard_normal(SHAPE[1])
    z[40:44] += 4 * rng.standard_normal((4, SHAPE[1]))
    z[60:62] = 7.0
    return z, [20, 40, 41, 42, 43, 60, 61]


def test_marks_wild_and_constant_lines() -> None:
    z, bad = damaged()
    assert marked(z) == bad
    assert marked(3 * z + 40) == bad
    assert marked(z[::-1]) == [SHAPE[0] - 1 - row for row in reversed(bad)]


def test_of_repeated_lines_the_one_that_fits_stays() -> None:
    z = rough(SHAPE, 4, 1.5, 6) + 0.01 * np.random.default_rng(1).standard_normal(SHAPE)
    z[31:35] = z[30]
    assert marked(z) == [31, 32, 33, 34]
    assert marked(z[::-1]) == [SHAPE[0] - 1 - row for row in (34, 33, 32, 31)]
    z = measured()
    z[0:2] = z[2]
    assert marked(z) == [0, 1]


def test_offsets_slopes_edges_and_ridges_are_not_bad() -> None:
    z = measured()
    z[30] += 50
    z[50:] += 30
    z[70] += np.linspace(-3, 3, SHAPE[1])
    assert marked(z) == []
    rng = np.random.default_rng(5)
    y = np.arange(SHAPE[0])[:, None]
    edge = 48.5 + 0.4 * rng.standard_normal(SHAPE[1])
    ragged = 5 * np.clip(y - edge + 0.5, 0, 1) + 0.05 * rng.standard_normal(SHAPE)
    assert marked(ragged) == []
    top = 5 + 2 * rough((1, SHAPE[1]), 2, 1, 2)
    ridge = top * np.exp(-((y - 40) ** 2) / 2) + 0.05 * rng.standard_normal(SHAPE)
    assert marked(ridge) == []
    strip = 0.05 * rng.standard_normal(SHAPE)
    strip[50:56] += rough((6, SHAPE[1]), 3, 2, 2)
    assert marked(strip) == []


def test_a_first_or_last_line_is_compared_with_the_two_beside_it() -> None:
    z, rng = measured(), np.random.default_rng(2)
    z[0] += 5 * rng.standard_normal(SHAPE[1])
    z[-1] += 5 * rng.standard_normal(SHAPE[1])
    assert marked(z) == [0, SHAPE[0] - 1]


def test_lines_that_differ_regularly_or_everywhere_are_how_the_scan_looks() -> None:
    rng = np.random.default_rng(2)
    z = 0.05 * rng.standard_normal(SHAPE)
    z[4::10] += 2 * rng.standard_normal(z[4::10].shape)
    assert marked(z) == []
    z[2::4] += 2 * rng.standard_normal(z[2::4].shape)
    assert marked(z) == []


def test_synthetic_images_stay_unmarked() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    cap = np.sqrt(np.maximum(900.0 - (y - 48) ** 2 - (x - 65) ** 2, 0))
    grating = np.where(y % 16 < 8, 5.0, 0.0)
    for z in (
        cap,
        cap + 0.1 * x,
        grating,
        grating + 0.1 * x,
        np.round(10 * rough(SHAPE)),
        np.where(x % 16 < 8, 1.0, 0.0),
    ):
        assert marked(z) == []
    ridge = np.exp(-((y - 48) ** 2) / 30) * (1 + 0.5 * rough(SHAPE)) * (np.abs(y - 48) < 30)
    assert marked(ridge + np.random.default_rng(0).standard_normal((SHAPE[0], 1))) == []


def test_excluded_pixels_do_not_steer_and_are_not_marked() -> None:
    z, bad = damaged()
    excluded = np.zeros(SHAPE, bool)
    excluded[30:33, 20:90] = True
    excluded[41] = True
    one = lines(Field(z, excluded), Lines()).mask
    two = lines(Field(np.where(excluded, 1e6, z), excluded), Lines()).mask
    assert np.array_equal(one, two)
    assert not (one & excluded).any()
    assert one[20].all()
    assert one[60].all()
    assert bad


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 4), (6, 40), (40, 9)])
def test_tiny_and_constant_images_stay_unmarked(shape: tuple[int, int]) -> None:
    assert marked(np.zeros(shape)) == []
    assert marked(np.arange(shape[0] * shape[1], dtype=float).reshape(shape)) == []
    assert marked(np.zeros(shape), np.ones(shape, bool)) == []


def test_a_scan_without_any_change_has_no_wild_lines() -> None:
    assert not wild_bands(np.zeros((20, 64)), 6.25, 8, 0.75).any()


def test_too_little_data_prove_nothing() -> None:
    assert not has_noise(np.eye(3), np.array([True, False, False]))
    assert not equality_is_unusual(np.array([0.0, np.nan]), np.zeros(5))
    assert marked(np.concatenate([np.zeros((30, 130)), measured()[:20]])) == []


def test_equal_lines_at_the_same_distance_from_both_sides_are_both_marked() -> None:
    z = measured()
    z[30] = z[31]
    z[29], z[32] = z[30] + np.arange(130) % 7, z[31] + np.arange(130) % 7
    assert {30, 31} <= set(marked(z))


def test_pieces_of_lines_against_numpy():
    from afmend.artifacts import line_shape_kernels as kernels

    rng = np.random.default_rng(9)
    z = rng.normal(0, 1, (23, 70))
    starts, across = np.array([0, 30, 50]), np.arange(20) - 9.5
    pieces = np.stack([z[:, start : start + 20] for start in starts], axis=1)
    means, slopes = kernels.offsets_and_slopes(z, starts, across)
    assert_heights_close(means, pieces.mean(axis=2), atol_nm=1e-12)
    assert_heights_close(slopes, pieces @ across / np.sum(across**2), atol_nm=1e-12)
    slope = np.median(slopes, axis=1)
    rest = pieces - means[:, :, None] - slope[:, None, None] * across
    assert kernels.tallest(z, starts, across, means, slope) == pytest.approx(np.abs(rest).max(), abs=1e-12)
    cut = np.empty(rest.shape, np.float32)
    kernels.cut_out(z, starts, across, means, slope, 0.5, cut)
    assert_heights_close(cut, 0.5 * rest, atol_nm=1e-6)
    one, other = np.array([3, 22, 0, 0]), np.array([4, 0, 22, 0])
    roots = np.mean(np.sqrt(np.abs(cut[one] - cut[other])), axis=2)
    assert_heights_close(kernels.mean_roots(cut, one, other), roots, atol_nm=1e-6)


def test_a_quick_look_for_repeats_sees_every_one_of_its_pixels():
    from afmend.artifacts.line_shape_kernels import any_repeats, smallest_step

    rng = np.random.default_rng(4)
    z, excluded = rng.normal(0, 1, (11, 30)), np.zeros((11, 30), bool)
    assert not any_repeats(z, excluded, 4)
    for lost in (False, True):
        copied, constant, gone = z.copy(), z.copy(), excluded.copy()
        copied[10, ::4] = copied[9, ::4]
        constant[10, ::4] = 3.0
        assert any_repeats(copied, gone, 4)
        assert any_repeats(constant, gone, 4)
        copied[9, 28] = constant[10, 28] = 9.0
        gone[10, 28] = lost  # a pixel that tells nothing
        assert any_repeats(copied, gone, 4) == lost
        assert any_repeats(constant, gone, 4) == lost
    steps = np.round(z * 8) / 8
    sizes = np.abs(np.diff(steps[::3], axis=1))
    assert smallest_step(steps, 3) == sizes[sizes > 0].min()
    assert smallest_step(np.ones((4, 7)), 1) == 0.0
