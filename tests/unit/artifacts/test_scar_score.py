"""Noise and steps of lines, against plain statements of the same in numpy."""

import numpy as np
import pytest

from afmend.artifacts.noise_kernels import line_differences, ranked, split_lines, tile_noise
from afmend.artifacts.scar_kernels import turned
from afmend.artifacts.scar_score import local_noise


@pytest.mark.parametrize("count", [1, 2, 7, 256])
def test_numbers_of_a_rank(count: int):
    numbers = np.random.default_rng(count).integers(0, 1 << 31, count).astype(np.uint32)
    numbers[: count // 3] = numbers[0]  # ties
    assert [ranked(numbers, rank) for rank in range(count)] == np.sort(numbers).tolist()
    assert ranked(np.array([0, 0, (1 << 31) - 1], np.uint32), 2) == (1 << 31) - 1


def test_noise_of_tiles_is_a_rank_of_the_known_bends():
    rng = np.random.default_rng(1)
    ground = rng.normal(0, 1, (70, 90)).astype(np.float32)
    usable = rng.random(ground.shape) < 0.8
    usable[:40, 60:] = False
    usable[20:40, 60:62] = True
    ground[50:60, :20] = 2.0
    row_edges, col_edges = np.array([0, 31, 50, 68]), np.array([0, 9, 20, 30])
    found = np.full((3, 3), np.nan, np.float32)
    tile_noise(ground, usable, 3, row_edges, col_edges, found, 0, 1)
    assert np.isnan(found[1:]).all()
    tile_noise(ground, usable, 3, row_edges, col_edges, found, 1, 3)
    part, known = ground[:, ::3], usable[:, ::3]
    bends = np.abs(part[1:-1] - np.float32(0.5) * (part[:-2] + part[2:]))
    known = known[1:-1] & known[:-2] & known[2:]
    expected = np.full((3, 3), np.nan, np.float32)
    for a in range(3):
        for b in range(3):
            tile = np.s_[row_edges[a] : row_edges[a + 1], col_edges[b] : col_edges[b + 1]]
            values = np.sort(bends[tile][known[tile]])
            if values.size >= bends[tile].size // 4:
                expected[a, b] = values[35 * (values.size - 1) // 100]
    assert 0 < np.isnan(expected).sum() < 3
    assert np.array_equal(found, expected, equal_nan=True)


def test_local_noise_of_noise_is_its_size():
    rng = np.random.default_rng(2)
    ground = (rng.normal(0, 1, (96, 130)) * np.linspace(1, 3, 130)).astype(np.float32)
    noise = local_noise(ground, np.ones(ground.shape, bool))
    assert noise.shape == ground.shape
    assert noise[:, :10].mean() == pytest.approx(1.22, abs=0.3)  # a bend of white noise, root of 1.5
    assert noise[:, -10:].mean() > 1.6 * noise[:, :10].mean()


def test_lines_split_at_the_middle_of_their_range():
    rng = np.random.default_rng(3)
    heights = rng.normal(0, 1, (9, 67)).astype(np.float32)
    heights[4, 10:50] += 7
    steps = line_differences(heights, 2)
    assert (steps == np.diff(heights[:, ::2], axis=0)).all()
    ordered = np.sort(steps, axis=1)
    middle, quartiles, below, above, lower, low_ends = split_lines(ordered, steps[:, [0, -1]])
    wide = ordered.astype(float)
    cut = 0.5 * (wide[:, 1] + wide[:, -2])
    assert (middle == np.median(wide, axis=1)).all()
    assert (quartiles == wide[:, 33 - 8] - wide[:, 8]).all()
    assert (lower == np.sum(wide < cut[:, None], axis=1)).all()
    assert (low_ends == np.sum(steps[:, [0, -1]] < cut[:, None], axis=1)).all()
    for line, size in enumerate(lower.astype(int)):
        assert below[line] == wide[line, (size - 1) // 2]
        assert above[line] == wide[line, (size + 34) // 2]
    flat = np.zeros((2, 40), np.float32)
    assert (split_lines(flat, flat[:, :2]) == 0).all()


def test_a_part_turned_by_a_quarter_without_offsets():
    rng = np.random.default_rng(5)
    heights = rng.normal(0, 1, (31, 50)).astype(np.float32)
    offsets = rng.normal(0, 1, (31, 1)).astype(np.float32)
    part = turned(heights, offsets, (2, 30), (7, 44))
    assert part.flags.c_contiguous
    assert np.array_equal(part, (heights - offsets)[2:30, 7:44].T)
