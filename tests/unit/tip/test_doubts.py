"""Radii that the image forbids, or that no tip has; the kernel of the soft minimum."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from afmend.pipeline import Field
from afmend.tip.doubts import given_doubts, size_doubts
from afmend.tip.estimate import TipEstimate
from afmend.tip.morphology import erode
from afmend.tip.softness_kernels import FARTHEST, softness
from afmend.tip.steps import TipCorrection, Untouched, tip_correct, untouched
from support import assert_heights_close, rough


def estimate(most_nm: float, verdict: str = "bound") -> TipEstimate:
    return TipEstimate(verdict, most_nm, (0.0, most_nm), 20.0, None, 9, 0.01, "why")


def test_a_given_radius_is_held_against_the_image():
    assert given_doubts(5.0, estimate(5.1)) == []
    assert given_doubts(5.0, estimate(math.nan, "none")) == []
    (said,) = given_doubts(5.0, estimate(0.29))
    assert "sharper than a tip of 5 nm" in said
    assert "at most 0.29 nm" in said


def test_smaller_than_an_atom_is_said():
    assert size_doubts(0.2, None, math.nan) == []
    (said,) = size_doubts(3.0, 0.00783)
    assert "0.0078 nm is smaller than an atom" in said
    assert len(given_doubts(0.05, estimate(0.01))) == 2


def test_steps_warn():
    sharp = Field(rough((64, 80), 1, 3.0, 0.6), pixel_nm=(2.0, 3.0))
    blunt = {"source": "given", "radius_nm": 500.0, "double_tip": False}
    for facts in (tip_correct(sharp, TipCorrection(**blunt)).facts, untouched(sharp, Untouched(**blunt)).facts):
        assert "sharper than a tip of 500 nm" in facts["warnings"][0]
    assert "warnings" not in untouched(sharp, Untouched(**(blunt | {"radius_nm": 1.0}))).facts


@pytest.mark.parametrize("shape", [(5, 7), (4, 6)])
def test_the_soft_minimum_is_that_of_all_heights_within_reach(shape):
    rng = np.random.default_rng(3)
    tip, image = -np.abs(rng.standard_normal(shape)), rng.standard_normal((30, 70))
    tip[1, 2], tip[0, 0] = 0.0, -np.inf
    low = erode(image, tip)
    odd = np.pad(tip, [(0, 1 - n % 2) for n in shape], constant_values=-np.inf)[::-1, ::-1]
    padded = np.pad(image, [(n // 2, n // 2) for n in odd.shape], mode="edge")
    places = itertools.product(*map(range, odd.shape))
    above = np.stack([padded[i : i + 30, j : j + 70] - odd[i, j] - low for i, j in places]) / 0.3
    wanted = 0.3 * np.log(np.sum(np.exp(-above, where=above < FARTHEST, out=np.zeros(above.shape)), axis=0))
    assert wanted.max() > 0.1
    assert_heights_close(softness(image, low, tip, 0.3), wanted, atol_nm=1e-12)
