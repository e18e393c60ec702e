"""The axis of the scan lines: found where columns hold the noise, and never invented."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.leveling.auto import Auto, level_auto
from afmend.leveling.line_axis import find_line_axis
from afmend.pipeline import Field
from support import assert_heights_close, rough

SHAPE = (110, 160)


def noise(seed: int = 1, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return 0.05 * np.random.default_rng(seed).standard_normal(shape)


def lines(seed: int = 2, rows: int = SHAPE[0], *, walk: bool = False) -> np.ndarray:
    steps = np.random.default_rng(seed).standard_normal((rows, 1))
    return np.cumsum(steps, axis=0) if walk else steps


def axis_of(z: np.ndarray) -> str:
    return find_line_axis(z, np.zeros(z.shape, dtype=bool), sigmas=3.0, aspect=z.shape[0] / z.shape[1])


@pytest.mark.parametrize("walk", [False, True])
def test_a_turned_scan_is_leveled_like_the_scan_itself(walk):
    z = 0.3 * rough(SHAPE, smooth_px=3) + noise() + lines(walk=walk)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[20:24, 30:60] = True
    upright = level_auto(Field(z, mask, (2.0, 3.0)), Auto())
    turned = level_auto(Field(np.ascontiguousarray(z.T), mask.T, (3.0, 2.0)), Auto())
    assert upright.facts["line_axis"] == "rows"
    assert turned.facts["line_axis"] == "columns"
    assert_heights_close(turned.heights.T, upright.heights, atol_nm=1e-9)
    assert turned.foreground is not None
    assert upright.foreground is not None
    assert np.array_equal(turned.foreground.T, upright.foreground)


@pytest.mark.parametrize("period", [3.0, 7.5, 16.0, 40.0])
@pytest.mark.parametrize("degrees", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("sharp", [0.2, 8.0])
def test_a_clean_grating_never_turns_the_lines(period, degrees, sharp):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    across = np.tanh(sharp * np.sin(2 * np.pi * (x + np.tan(np.radians(degrees)) * y + 0.3) / period))
    assert axis_of(4 * across + noise()) == "rows"
    assert axis_of(4 * np.ascontiguousarray(across[:, : SHAPE[0]].T) + noise(shape=(SHAPE[0], SHAPE[0]))) == "rows"


@pytest.mark.parametrize("smooth", [0.5, 2.0, 8.0])
def test_a_clean_rough_surface_never_turns_the_lines(smooth):
    assert axis_of(rough(SHAPE, smooth_px=smooth) + noise()) == "rows"


def test_edges_along_the_columns_do_not_turn_the_lines():
    x = np.arange(SHAPE[1])
    stairs = np.searchsorted([11, 30, 44, 80, 97, 131], x) * 0.5
    assert axis_of(stairs + noise()) == "rows"


def test_noise_in_rows_outweighs_noise_in_columns():
    z = noise() + lines() + 0.7 * lines(5, SHAPE[1]).T
    assert axis_of(z) == "rows"


def test_a_small_or_flat_scan_has_rows():
    assert axis_of(np.zeros((20, 30))) == "rows"
    assert axis_of(noise(shape=(9, 12)) + lines(3, 12).T) == "rows"


@pytest.mark.parametrize("stored", [np.float64, np.float32])
def test_rounding_is_no_line_noise(stored):
    ramp = np.tile(0.37 * np.arange(60.0), (50, 1)).astype(stored).astype(float)
    for z in (ramp, np.tile(np.arange(60.0), (50, 1))):
        done = level_auto(Field(z), Auto())
        assert done.facts["line_axis"] == "rows"
        assert np.abs(done.heights).max() < 1e-5


def test_who_knows_the_axis_says_so():
    z = noise() + lines()
    facts = level_auto(Field(z), Auto(line_axis="columns")).facts
    assert facts["line_axis"] == "columns"
    turned = level_auto(Field(np.ascontiguousarray(z.T)), Auto(line_axis="rows"))
    assert turned.facts["line_axis"] == "rows"
    assert turned.heights.T.mean(axis=1).std() > 0.5


def test_without_a_line_model_there_is_nothing_to_turn():
    z = np.ascontiguousarray((noise() + lines()).T)
    assert level_auto(Field(z), Auto(line_model="none")).facts["line_axis"] == "rows"


def test_the_mean_is_kept_on_request_in_either_direction():
    z = np.ascontiguousarray((noise() + lines() + 40).T)
    done = level_auto(Field(z), Auto(reference="none"))
    assert done.facts["line_axis"] == "columns"
    assert abs(done.heights.mean() - z.mean()) < 1e-9
