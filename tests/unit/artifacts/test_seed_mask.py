"""The seed's first mask with a classical response."""

import numpy as np
import pytest

from afmend.artifacts.seed_mask import SeedMask, response, seed_mask, spikes
from afmend.pipeline import Field
from support import rough


def damaged(shape=(48, 70)):
    z = rough(shape, 3, smooth_px=4.0) + np.random.default_rng(1).normal(0, 0.05, shape)
    z[20, 10:40] += 6.0
    z[33, 50] -= 8.0
    return z


def test_scars_and_spikes_are_marked_and_little_else():
    found = seed_mask(Field(damaged()), SeedMask())
    assert (found.name, found.role) == ("suspicious", "artifact")
    assert found.mask[20, 10:40].all()
    assert found.mask[33, 50]
    rest = found.mask.copy()
    rest[18:23, 8:42] = False
    rest[31:36, 48:53] = False
    assert rest.mean() < 0.005
    assert found.facts["by_response"] >= 30
    assert found.facts["by_spikes"] >= 1


def test_the_response_is_one_half_at_six_standard_deviations():
    heights = np.zeros((41, 60))
    heights[::2] = np.where(np.arange(60) % 2, 0.5, -0.5)
    flat = response(heights, np.ones(heights.shape, bool))
    assert flat.min() >= 0
    bend = np.abs(heights[1] - 0.5 * (heights[0] + heights[2]))
    expected = bend**2 / (bend**2 + (6 * 1.4826 * 0.5) ** 2)
    assert np.max(np.abs(flat[1] - expected)) < 1e-12


def test_a_larger_threshold_marks_less():
    sizes = [seed_mask(Field(damaged()), SeedMask(thr=thr, lam=15)).mask.sum() for thr in (0.05, 0.3, 0.8, 1.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2] > 0
    assert sizes[3] == 0


def test_a_spike_beside_a_flat_ground_is_found_by_its_window():
    heights = np.zeros((15, 22))
    heights[7, 11] = 3.0
    mask = spikes(heights, 5, 4.0)
    assert mask[7, 11]
    assert mask.sum() == 1
    assert spikes(heights, 5, 5.10).any()  # one pixel of 25 is 25 / sqrt(24) = 5.103 standard deviations away
    assert not spikes(heights, 5, 5.11).any()


def test_even_windows_are_rounded_up():
    field = Field(damaged())
    assert np.array_equal(seed_mask(field, SeedMask(win=6)).mask, seed_mask(field, SeedMask(win=7)).mask)


@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 0.0), (3.7, 120.0), (1e6, -5e6)])
def test_scale_offset_and_mirror(scale, shift):
    z = damaged()
    first = seed_mask(Field(z), SeedMask()).mask
    assert np.array_equal(seed_mask(Field(z * scale + shift), SeedMask()).mask, first)
    assert np.array_equal(seed_mask(Field(-z), SeedMask()).mask, first)
    assert np.array_equal(seed_mask(Field(z[::-1]), SeedMask()).mask[::-1], first)
    assert np.array_equal(seed_mask(Field(z[:, ::-1]), SeedMask()).mask[:, ::-1], first)


def test_excluded_pixels_steer_nothing_and_are_not_marked():
    z = damaged()
    excluded = np.zeros(z.shape, bool)
    excluded[5:9, 3:30] = True
    excluded[:, 60] = True
    masks = []
    for junk in (0.0, 1e12, -7.0):
        found = seed_mask(Field(np.where(excluded, junk, z), excluded), SeedMask())
        assert not found.mask[excluded].any()
        masks.append(found.mask)
    assert np.array_equal(masks[0], masks[1])
    assert np.array_equal(masks[0], masks[2])


@pytest.mark.parametrize("shape", [(1, 1), (1, 12), (12, 1), (2, 2), (9, 14)])
def test_flat_tilted_and_excluded_images_have_nothing_to_mark(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    for heights in (np.full(shape, 0.1), np.full(shape, 1e9)):
        assert not seed_mask(Field(heights), SeedMask()).mask.any()
    assert not seed_mask(Field(0.1 * x + 1e3), SeedMask(thr=0.01)).mask.any()
    assert seed_mask(Field(0.1 * y + 0.3 * x), SeedMask()).mask.shape == shape
    nothing = seed_mask(Field(np.zeros(shape), np.ones(shape, bool)), SeedMask())
    assert not nothing.mask.any()
