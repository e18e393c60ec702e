"""Line jumps are listed; only lines that jump on their way get marks."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.artifacts.jumps import Jumps, jumps
from afmend.pipeline import Field
from support import rough

SHAPE = (60, 80)


def measured() -> np.ndarray:
    return rough(SHAPE, 1, 0.5, 5) + 0.05 * np.random.default_rng(1).standard_normal(SHAPE)


def test_a_jump_between_lines_is_a_fact_and_no_mark() -> None:
    z = measured()
    z[25:] += 10
    found = jumps(Field(z), Jumps())
    (jump,) = found.facts["jumps"]
    assert (jump["row"], jump["column"]) == (25, None)
    assert jump["height"] == pytest.approx(10, abs=0.5)
    assert found.name == "jump"
    assert not found.mask.any()


@pytest.mark.parametrize(("column", "part"), [(30, slice(0, 30)), (55, slice(55, 80))])
def test_a_jump_inside_a_line_marks_its_shorter_part(column: int, part: slice) -> None:
    z = measured()
    z[26:] += 10
    z[25, column:] += 10
    found = jumps(Field(z), Jumps())
    assert found.mask[25, part].all()
    assert found.mask.sum() == found.mask[25, part].sum()
    assert {"row": 25, "column": column} in [{k: j[k] for k in ("row", "column")} for j in found.facts["jumps"]]
    assert np.array_equal(jumps(Field(3 * z[::-1] + 1), Jumps()).mask[::-1], found.mask)
    assert not jumps(Field(z), Jumps(min_length=40)).mask.any()


def test_lines_that_return_are_no_jumps() -> None:
    z = measured()
    z[25, 40:] += 10
    z[26:40] += 10
    z[40, :40] += 10
    assert not jumps(Field(z), Jumps()).mask.any()
    z = measured()
    z[25] += 10
    assert jumps(Field(z), Jumps()).facts["jumps"] == []


def test_excluded_pixels_do_not_steer() -> None:
    z = measured()
    z[26:] += 10
    z[25, 30:] += 10
    excluded = np.zeros(SHAPE, bool)
    excluded[24:27, 5:20] = excluded[50] = True
    one = jumps(Field(z, excluded), Jumps())
    two = jumps(Field(np.where(excluded, -1e5, z), excluded), Jumps())
    assert np.array_equal(one.mask, two.mask)
    assert one.facts == two.facts
    assert one.mask.any()


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (20, 9)])
def test_tiny_constant_and_excluded_images(shape: tuple[int, int]) -> None:
    for field in (Field(np.zeros(shape)), Field(np.zeros(shape), np.ones(shape, bool))):
        found = jumps(field, Jumps())
        assert not found.mask.any()
        assert found.facts["jumps"] == []
