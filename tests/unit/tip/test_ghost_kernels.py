"""The compiled parts of the search for ghosts, against what they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from afmend.tip.ghost_kernels import agreement, roughly_equal, vote_by_texture
from afmend.tip.ghost_moves import Moved
from afmend.tip.ghost_views import texture_of, view_of
from afmend.tip.ghosts import compared, polished, texture_candidates
from support import assert_heights_close, rough

SHAPE = (70, 90)


def hills(seed: int = 0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return 20 * gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 2.0)


def doubled(seed: int = 3, shape: tuple[int, int] = (120, 150)) -> np.ndarray:
    """Hills seen twice, 5.5 rows up and 8.25 columns right, 3 nm lower, with some noise."""
    fine = 30 * gaussian_filter(np.random.default_rng(seed).standard_normal((4 * shape[0], 4 * shape[1])), 9.0) * 4
    seen = np.maximum(fine, np.roll(fine, (-22, 33), axis=(0, 1)) - 3.0)[::4, ::4]
    return seen + 0.02 * np.random.default_rng(seed + 1).standard_normal(shape)


class TestTexture:
    @pytest.mark.parametrize("window", [5, 7])
    def test_it_is_what_a_plane_leaves(self, window: int) -> None:
        z, half = hills() + 100.0, window // 2
        found = texture_of(z, window)
        y, x = np.mgrid[-half : half + 1, -half : half + 1].reshape(2, -1)
        design = np.stack([np.ones(y.size), y, x], axis=1)
        for row, col in ((10, 20), (40, 70), (66 - half, 86 - half)):
            part = z[row - half : row + half + 1, col - half : col + half + 1].ravel()
            left = part - design @ np.linalg.lstsq(design, part, rcond=None)[0]
            assert found[row, col] == pytest.approx(np.mean(left**2), abs=1e-9)
        assert found.shape == SHAPE
        assert texture_of(np.add.outer(2.0 * np.arange(30), 3.0 * np.arange(40)), window)[8, 9] < 1e-9


class TestMoved:
    @pytest.mark.parametrize("offset", [(-3.3, 5.75), (4.0, -6.0), (0.5, 0.0)])
    def test_heights_and_slopes_are_those_of_splines(self, offset: tuple[float, float]) -> None:
        z, move = hills(1), np.array(offset)
        good = np.ones(SHAPE, bool)
        good[30:33, 40:44] = False
        view = view_of(z, good)
        assert view is not None
        moved = Moved(view)
        rows, cols = (k.ravel() for k in np.indices(SHAPE))
        here = np.stack([rows - move[0], cols - move[1]])
        expected = map_coordinates(spline_filter(z, 3), here, order=3, prefilter=False, mode="nearest")
        found, dy, dx, inside = moved.at(rows, cols, move)
        assert_heights_close(found, expected, atol_nm=1e-9)
        assert_heights_close(moved.heights(rows, cols, move), expected, atol_nm=1e-9)
        for slope, way in ((dy, 0), (dx, 1)):
            assert_heights_close(
                slope, map_coordinates(np.gradient(z, axis=way), here, order=1, mode="nearest"), atol_nm=1e-9
            )
        known = (here[0] >= 1) & (here[1] >= 1) & (here[0] <= SHAPE[0] - 2) & (here[1] <= SHAPE[1] - 2)
        assert np.array_equal(inside, known)
        whole, slope, sure = moved.whole(move)
        assert_heights_close(whole.ravel(), expected, atol_nm=1e-9)
        assert_heights_close(slope, np.hypot(*np.gradient(whole)), atol_nm=1e-9)
        near = [np.clip(np.round(k), 0, n - 1).astype(int) for k, n in zip(here, SHAPE, strict=True)]
        assert np.array_equal(sure.ravel(), known & good[near[0], near[1]])


class TestAgreement:
    def test_it_counts_as_masks_do(self) -> None:
        rng = np.random.default_rng(5)
        miss, lowered = rng.normal(0, 2, SHAPE), rng.normal(0, 3, SHAPE)
        slope, left, texture = (np.abs(rng.standard_normal(SHAPE)) for _ in range(3))
        known, inner = rng.random(SHAPE) < 0.9, rng.random(SHAPE) < 0.8
        rows, cols = np.clip(np.arange(70) - 3, 0, 69), np.clip(np.arange(90) + 5, 0, 89)
        scale, wrong, ground, same = 0.2, 0.5, 0.3, 0.4
        equal, low, counts = np.empty(SHAPE, bool), np.empty(SHAPE, bool), np.empty(5, np.int64)
        agreement(miss, lowered, slope, known, inner, left, texture, rows, cols,
                  np.array([scale, wrong, ground, same]), equal, low, counts)  # fmt: skip
        allowed = 2.5 * scale + wrong * slope
        alike = inner & (texture > (2 * scale) ** 2) & (left < same * texture + 1.6 * scale**2)
        close, from_ghost = alike & (np.abs(miss) <= allowed), (miss <= allowed)[np.ix_(rows, cols)]
        assert np.array_equal(equal, close)
        assert counts.tolist() == [
            np.count_nonzero(close), np.count_nonzero(close & close[np.ix_(rows, cols)]),
            np.count_nonzero(alike & ~close & (np.abs(miss) <= 3 * allowed)),
            np.count_nonzero(alike & (np.abs(miss) > 3 * allowed)),
            np.count_nonzero(known & (lowered > ground + allowed) & (miss < -allowed) & ~from_ghost),
        ]  # fmt: skip
        assert min(counts) > 20

    def test_roughly(self) -> None:
        z, slope, good = hills(2), np.abs(hills(3)), np.ones(SHAPE, bool)
        good[10:20] = False
        places = np.argwhere(np.ones(SHAPE, bool))
        close = np.empty(len(places), bool)
        roughly_equal(z, slope, good, places, np.array((4, -7)), np.array([0.5, 1.5]), close)
        expected = np.zeros(SHAPE, bool)
        back = (slice(0, 66), slice(7, 90))
        miss = z[4:, :83] - z[back] + 1.5
        expected[4:, :83] = (np.abs(miss) < 0.5 + 1.2 * slope[back]) & good[back]
        assert np.array_equal(close.reshape(SHAPE), expected)
        assert 0.05 < expected.mean() < 0.95


class TestTextureVotes:
    def test_a_copy_is_heard_at_its_depth_and_elsewhere_nothing(self) -> None:
        z = rough((60, 80), 4) * 5
        z[30:40, 50:66] = z[20:30, 20:36] - 2.5
        places = np.argwhere(np.ones((60, 80), bool))
        places = places[(places >= 2).all(axis=1) & (places < (58, 78)).all(axis=1)]
        texture, wide = texture_of(z, 5), np.full(z.shape, 0.05)
        votes = []
        for move in ((10, 30), (10, 28), (-10, -30)):
            score = np.zeros(1)
            depth = vote_by_texture(z, texture, np.ones(z.shape, bool), wide, places, np.array(move),
                                    np.array([5, 0.1, 1e-3, 0.5, 10]), score)  # fmt: skip
            votes.append((score[0], depth))
        assert votes[0][1] == pytest.approx(2.5, abs=1e-9)
        assert votes[0][0] > 5 * max(votes[1][0], votes[2][0])
        asked = 46 * 46  # windows whose source lies in the image
        assert votes[0][0] * asked == pytest.approx(6 * 12, abs=8)  # those that lie in the copy altogether

    def test_the_true_offset_comes_first_and_polishing_hits_it(self) -> None:
        z = doubled()
        view = view_of(z, np.ones(z.shape, bool))
        assert view is not None
        (start, depth), *more = texture_candidates(view)
        assert start in {(-5, 8), (-6, 8)}
        assert depth == pytest.approx(3.0, abs=0.6)
        assert len(more) < 12
        moved, off = Moved(view), (np.array([-5.3, 8.5]), 2.8)
        offset, found = polished(view, moved, off)
        assert offset == pytest.approx((-5.5, 8.25), abs=0.03)
        assert found == pytest.approx(3.0, abs=0.03)
        assert compared(view, moved, offset, found).score > compared(view, moved, *off).score + 0.2

    def test_nothing_to_go_by(self) -> None:
        flat = np.zeros((60, 70))
        flat[30, 30] = 5.0
        view = view_of(flat, np.ones(flat.shape, bool))
        assert view is None or texture_candidates(view) == []
