import numpy as np
import pytest

from afmend.catalogue import find_step
from afmend.errors import StepError
from afmend.leveling.filter_kernels import network
from afmend.pipeline import Field
from support import assert_heights_close, rough

SHAPE = (13, 22)


def run(step: str, heights: np.ndarray, **params: object) -> np.ndarray:
    found = find_step(step)
    return found.kernel(Field(heights), found.params.parse(params)).heights


def windows(heights: np.ndarray, size: int) -> list[np.ndarray]:
    reach = size // 2
    return [
        heights[max(r - reach, 0) : r + reach + 1, max(c - reach, 0) : c + reach + 1]
        for r in range(heights.shape[0])
        for c in range(heights.shape[1])
    ]


@pytest.mark.parametrize("count", [9, 25, 49, 81])
def test_network_brings_the_median_to_its_place(count):
    values = np.random.default_rng(count).random((200, count))
    values[:100] = values[:100] > 0.5  # a network that sorts zeros and ones sorts everything
    expected = np.sort(values, axis=1)[:, count // 2]
    for low, high in network(count):
        pair = values[:, [low, high]]
        values[:, low], values[:, high] = pair.min(axis=1), pair.max(axis=1)
    assert np.array_equal(values[:, count // 2], expected)


@pytest.mark.parametrize("size", [1, 3, 5, 7, 9, 11, 31])
@pytest.mark.parametrize("shape", [SHAPE, (2, 5), (1, 1)])
def test_median_is_exact(size, shape):
    heights = np.round(np.random.default_rng(size).normal(0, 3, shape), 1)
    expected = [np.sort(w, axis=None)[w.size // 2] for w in windows(heights, size)]
    assert np.array_equal(run("filter.median", heights, size_px=size).ravel(), expected)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_mean_of_clipped_windows(size):
    heights = rough(SHAPE)
    expected = np.array([w.mean() for w in windows(heights, size)]).reshape(SHAPE)
    assert_heights_close(run("filter.mean", heights, size_px=size), expected, atol_nm=1e-13)


def test_conservative_clips_spikes_and_nothing_else():
    heights = np.round(rough(SHAPE), 3)
    heights[5, 7] = 90
    heights[0, 0] = -90
    done = run("filter.conservative", heights, size_px=3)
    others = np.delete(heights[4:7, 6:9].ravel(), 4)
    assert done[5, 7] == others.max()
    assert done[0, 0] == min(heights[0, 1], heights[1, 0], heights[1, 1])
    assert np.ptp(done) < 10


@pytest.mark.parametrize("mode", ["reflect", "nearest"])
def test_gaussian_keeps_a_plane_inside_and_a_constant_everywhere(mode):
    plane = 0.3 * np.arange(40.0) + 0.1 * np.arange(30.0)[:, None]
    done = run("filter.gaussian", plane, sigma_px=1.5, mode=mode)
    assert_heights_close(done[8:-8, 8:-8], plane[8:-8, 8:-8], atol_nm=1e-12)
    assert_heights_close(run("filter.gaussian", np.full(SHAPE, 7.0), mode=mode), np.full(SHAPE, 7.0), atol_nm=1e-12)


@pytest.mark.parametrize("step", ["filter.median", "filter.mean", "filter.conservative"])
def test_even_windows_are_refused(step):
    with pytest.raises(StepError, match="no central pixel"):
        run(step, rough(SHAPE), size_px=4)


def test_conservative_needs_surroundings():
    with pytest.raises(StepError, match="no surroundings"):
        run("filter.conservative", np.zeros((1, 1)))
