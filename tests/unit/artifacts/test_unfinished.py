"""Lines that were never scanned."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.artifacts.unfinished import Unfinished, unfinished
from afmend.pipeline import Field
from afmend.scan import Masks
from support import rough

SHAPE = (60, 80)


def measured() -> np.ndarray:
    return rough(SHAPE, 1, 1.5, 4) + 0.05 * np.random.default_rng(1).standard_normal(SHAPE)


def test_marks_constant_blocks_at_both_ends() -> None:
    z = measured()
    z[:7] = 0.0
    z[50:] = -3.0
    found = unfinished(Field(z), Unfinished())
    assert (found.name, found.role, found.facts["lines"]) == ("missing", "missing", 17)
    assert np.flatnonzero(found.mask.all(axis=1)).tolist() == [*range(7), *range(50, 60)]
    assert found.mask.sum() == 17 * SHAPE[1]
    assert np.array_equal(unfinished(Field(2 * z[::-1] + 5), Unfinished()).mask[::-1], found.mask)


def test_of_a_repeated_line_the_scanned_one_stays() -> None:
    z = measured()
    z[41:] = z[40]
    rows = np.flatnonzero(unfinished(Field(z), Unfinished()).mask.any(axis=1))
    assert rows.tolist() == list(range(41, 60))


def test_the_rest_of_a_line_that_breaks_off_is_missing() -> None:
    z = measured()
    z[40:] = 9.0
    z[39, 30:] = 9.0
    mask = unfinished(Field(z), Unfinished()).mask
    assert mask[39, 30:].all()
    assert not mask[39, :30].any()
    assert not mask[:39].any()


def test_what_is_missing_stays_missing_and_is_looked_past() -> None:
    z = measured()
    z[:5] = 4.0
    z[5:9] = 0.0
    missing = np.zeros(SHAPE, bool)
    missing[:5] = missing[30, 3:6] = True
    found = unfinished(Field(z, missing, masks=Masks(missing=missing)), Unfinished())
    assert found.mask[:9].all()
    assert found.mask[30, 3:6].all()
    assert found.facts["lines"] == 4
    assert found.mask.sum() == 9 * SHAPE[1] + 3


def test_good_and_synthetic_scans_stay_unmarked() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    cap = np.sqrt(np.maximum(400.0 - (y - 30) ** 2 - (x - 40) ** 2, 0))
    wide = np.exp(-((y - 30) ** 2) / 60) * (np.abs(y - 30) < 20) * (2 + rough(SHAPE))
    for z in (
        measured(),
        cap,
        wide,
        np.round(2 * rough(SHAPE)),
        np.where(x % 8 < 4, 1.0, 0.0),
        np.where(y % 8 < 4, 1.0, 0.0),
    ):
        assert not unfinished(Field(z), Unfinished()).mask.any()


def test_few_lines_are_left_to_the_knob() -> None:
    z = measured()
    z[:2] = 0.0
    assert unfinished(Field(z), Unfinished(min_lines=2)).mask.any()
    assert not unfinished(Field(z), Unfinished(min_lines=3)).mask.any()


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (3, 20), (20, 20)])
def test_tiny_constant_and_excluded_images(shape: tuple[int, int]) -> None:
    assert not unfinished(Field(np.zeros(shape)), Unfinished()).mask.any()
    assert not unfinished(Field(np.zeros(shape), np.ones(shape, bool)), Unfinished()).mask.any()


def test_excluded_pixels_do_not_steer() -> None:
    z = measured()
    z[:6] = 0.0
    excluded = np.zeros(SHAPE, bool)
    excluded[2:4, 10:30] = excluded[20, 5:50] = True
    one = unfinished(Field(z, excluded), Unfinished()).mask
    two = unfinished(Field(np.where(excluded, 77.0, z), excluded), Unfinished()).mask
    assert np.array_equal(one, two)
    assert one[:6].all()
