"""Distances to data and the system of the plate, against slower ways."""

import numpy as np
import pytest
from scipy import ndimage

from afmend.filling.holes import distance_to_data, first_good
from support import assert_heights_close


@pytest.mark.parametrize("share", [0.02, 0.6])
def test_distances_are_those_of_scipy(share: float):
    known = np.random.default_rng(1).random((37, 53)) > share
    rows, cols = np.nonzero(~known)
    expected = ndimage.distance_transform_edt(~known)
    assert_heights_close(distance_to_data(known, rows, cols), expected[rows, cols], atol_nm=1e-6)


def test_distances_in_a_vast_hole_are_those_of_scipy():
    known = np.zeros((61, 43), dtype=bool)
    known[5, 7] = True
    rows, cols = np.nonzero(~known)
    expected = ndimage.distance_transform_edt(~known)
    assert_heights_close(distance_to_data(known, rows, cols), expected[rows, cols], atol_nm=1e-5)


def test_first_good_height_is_the_first_in_reading_order():
    z = np.arange(15.0).reshape(3, 5)
    assert first_good(z, z > 6) == 7.0
