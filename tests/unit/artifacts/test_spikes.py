import numpy as np
import pytest

from afmend.artifacts.spikes import Spikes, spikes
from afmend.pipeline import Field
from support import rough


def ground(seed=0, shape=(60, 83), noise=0.1):
    return rough(shape, seed, sq_nm=1.0, smooth_px=4.0) + np.random.default_rng(seed).normal(0, noise, shape)


def marked(z, excluded=None, **params):
    return spikes(Field(z, excluded), Spikes(**params)).mask


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("win", [3, 5, 7])
def test_finds_spikes_of_one_to_three_pixels_and_nothing_else(sign, win):
    z = ground()
    truth = np.zeros(z.shape, bool)
    for spot in [(10, 12), (30, 40), (30, 41), (50, 70), (51, 70), (51, 71), (0, 5), (59, 82)]:
        truth[spot] = True
    z[truth] += sign * 8
    found = marked(z, win=win)
    assert (found & truth).sum() >= truth.sum() - 1
    assert (found & ~truth).sum() == 0
    assert not marked(z, win=win, polarity="negative" if sign > 0 else "positive")[truth].any()


def test_spares_corners_edges_fibers_and_particles():
    y, x = np.mgrid[:60, :83]
    z = np.zeros((60, 83))
    z[10:20, 10:30] = 50.0
    z[40, 5:60] = 20.0
    z += 30 * np.exp(-((y - 45) ** 2 + (x - 70) ** 2) / 8.0)
    z += np.random.default_rng(1).normal(0, 0.05, z.shape)
    assert marked(z).sum() == 0
    assert marked(z, max_px=0).sum() > 0, "the plain rule marks corners"


def test_quantized_constant_and_tiny_images():
    z = np.round(ground() * 4) / 4
    z[20, 20] += 10
    found = marked(z)
    assert found[20, 20]
    assert found.sum() == 1
    assert marked(np.ones((5, 7))).sum() == 0
    assert marked(np.zeros((1, 1))).sum() == 0
    assert marked(np.zeros((2, 3))).sum() == 0


def test_rounding_is_no_spike():
    z = np.zeros((60, 70))
    z[10:30, 20:40] = 1.6
    z[45, 5:66:10] = 2.2e-16
    assert not spikes(Field(z), Spikes()).mask.any()
    z[50, 33] = 0.4
    assert np.argwhere(spikes(Field(z), Spikes()).mask).tolist() == [[50, 33]]


def test_excluded_pixels_are_neither_marked_nor_asked():
    z = ground()
    z[20, 20] += 10
    excluded = np.zeros(z.shape, bool)
    excluded[20, 20] = excluded[40:44, 50:60] = True
    wild = z.copy()
    wild[excluded] = 1e6
    assert not marked(wild, excluded)[excluded].any()
    z[22, 21] += 10
    wild[22, 21] += 10
    assert marked(wild, excluded)[22, 21]
    lonely = np.ones(z.shape, bool)
    lonely[22, 21] = False
    assert marked(z, lonely).sum() == 0


def test_commutes_with_scale_and_shift():
    z = ground()
    z[33, 44] += 9
    assert np.array_equal(marked(z), marked(3.0 * z + 100.0))
    assert np.array_equal(marked(z, polarity="positive"), marked(-z, polarity="negative"))


def test_what_the_other_direction_shows_is_a_feature():
    z = ground()
    z[20, 20] += 10
    z[40, 50] += 10
    other = ground(noise=0.12)
    other[40, 54] += 9
    found = spikes(Field(z, opposite=other), Spikes())
    assert found.mask[20, 20]
    assert not found.mask[40, 50]
    assert found.facts["spared_by_opposite"] == 1
    assert spikes(Field(z, opposite=other), Spikes(max_px=0)).mask[40, 50]
    assert spikes(Field(ground(), opposite=other), Spikes()).mask.sum() == 0


def test_single_precision_heights_their_size_and_what_is_far_out():
    from afmend.artifacts.spike_kernels import beyond, centered

    z = ground(shape=(31, 45))
    z[30, 44] = -9.0
    small = np.empty(z.shape, np.float32)
    assert centered(z, 0.25, small) == 9.0
    assert (small == (z - 0.25).astype(np.float32)).all()
    for low, high in ((-1, 0.5), (-np.inf, 0.0), (-np.inf, np.inf), (-2, np.inf)):
        expected = np.nonzero((small < low) | (small > high))
        assert np.array_equal(beyond(small, np.float32(low), np.float32(high)), np.array(expected))
    assert beyond(small[:1, :1].copy(), np.float32(9), np.float32(9)).tolist() == [[0], [0]]


@pytest.mark.parametrize("win", [3, 5])
def test_medians_of_the_usable_pixels_of_a_window(win):
    from afmend.artifacts.spike_kernels import window_medians

    z = ground(shape=(13, 17))
    excluded = np.random.default_rng(1).random(z.shape) < 0.45
    row, col = np.nonzero(np.ones(z.shape))
    around = np.pad(z, win // 2, mode="edge")
    unusable = np.pad(excluded, win // 2, mode="edge")
    expected = z.copy()
    for i, j in zip(row, col, strict=True):
        values = around[i : i + win, j : j + win][~unusable[i : i + win, j : j + win]]
        if values.size > win * win // 2:
            expected[i, j] = np.median(values)
    assert (expected == z).any()
    found = window_medians(z, excluded, row, col, win).reshape(z.shape)
    assert np.max(np.abs(found - expected)) <= 1e-12


def test_a_tall_spike_is_found_on_ground_rougher_than_the_noise():
    z = ground(noise=0.01)
    grain = np.random.default_rng(3).normal(0, 0.5, z.shape)
    z[20:40, 20:50] += grain[20:40, 20:50]
    assert not marked(z)[25:35, 25:45].any(), "the grain itself is no spike"
    z[30, 35:37] += [40.0, 80.0]
    assert np.argwhere(marked(z)[25:35, 25:45]).tolist() == [[5, 10], [5, 11]]
