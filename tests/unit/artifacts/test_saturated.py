"""Plateaux at the end of the range."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.artifacts.saturated import Saturated, saturated
from afmend.pipeline import Field
from support import rough

SHAPE = (60, 80)


def measured() -> np.ndarray:
    return rough(SHAPE, 1, 1.5, 4) + 0.02 * np.random.default_rng(1).standard_normal(SHAPE)


def test_marks_plateaux_at_both_ends() -> None:
    z = np.clip(measured(), -2.0, 2.2)
    found = saturated(Field(z), Saturated())
    assert found.facts == {"high": 2.2, "low": -2.0}
    assert found.name == "saturated"
    wanted = (z == 2.2) | (z == -2.0)
    assert not (found.mask & ~wanted).any()
    assert found.mask.sum() > 0.9 * wanted.sum()
    assert np.array_equal(saturated(Field(4 * z[::-1] - 3), Saturated()).mask[::-1], found.mask)


def test_good_and_synthetic_scans_stay_unmarked() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    cap = np.sqrt(np.maximum(900.0 - (y - 30) ** 2 - (x - 40) ** 2, 0))
    many = np.maximum(cap, 3.0 * (x % 20 < 14))
    eight_bit = np.round(255 * (measured() - measured().min()) / np.ptp(measured()))
    offset = np.where(x % 16 < 8, 1.0, 0.0) + np.random.default_rng(0).standard_normal((SHAPE[0], 1))
    lone = measured()
    lone[20] = lone.max() + 1
    lone[30, 4:20] = lone[20, 0]
    for z in (
        measured(),
        cap,
        -cap,
        many,
        eight_bit,
        np.round(2 * rough(SHAPE)),
        offset,
        lone,
        np.where(y % 8 < 4, 1.0, 0.0),
    ):
        assert not saturated(Field(z), Saturated()).mask.any()


def test_a_level_that_its_neighbors_explain_is_not_saturated() -> None:
    z = measured()
    for step in range(4):
        z[20:24, 4 + 12 * step : 10 + 12 * step] = z.max() + 1
    assert not saturated(Field(z), Saturated()).mask.any()


def test_excluded_pixels_do_not_steer() -> None:
    z = np.minimum(measured(), 1.8)
    excluded = np.zeros(SHAPE, bool)
    excluded[5:9, 3:40] = True
    one = saturated(Field(z, excluded), Saturated()).mask
    two = saturated(Field(np.where(excluded, 99.0, z), excluded), Saturated()).mask
    assert np.array_equal(one, two)
    assert one.any()
    assert not (one & excluded).any()


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (8, 8)])
def test_tiny_constant_and_excluded_images(shape: tuple[int, int]) -> None:
    assert not saturated(Field(np.zeros(shape)), Saturated()).mask.any()
    assert not saturated(Field(np.zeros(shape), np.ones(shape, bool)), Saturated()).mask.any()
    two_levels = np.zeros(shape)
    two_levels[0, 0] = 1.0
    assert not saturated(Field(two_levels), Saturated()).mask.any()
