import numpy as np
import pytest

from afmend.errors import CorruptFileError, NotAnImageError
from afmend.formats.assemble import ABSURD, calibrated, measured, scans_of
from afmend.formats.quantity import fact, fact_with_unit, iso_date, length_nm, offset_nm, quantity
from afmend.scan import Acquisition


def test_quantities():
    assert quantity("-.5e1 nm") == (-5.0, "nm")
    assert quantity("1e999 nm") is None
    assert quantity(None) is None
    assert fact_with_unit("3", "nA") == (pytest.approx(3e-9), "A")
    assert fact_with_unit("1e308 GV") == (None, None)
    assert fact("x") is None
    assert length_nm("2", "size", "um") == 2000.0
    assert offset_nm("3 V") == 0.0
    assert offset_nm("1e305 m") == 0.0
    assert iso_date(" ", "%Y") is None


@pytest.mark.parametrize("text", ["wide", "3 V", None])
def test_not_a_length(text):
    with pytest.raises(CorruptFileError, match="size is"):
        length_nm(text, "size")


def test_absurd_numbers_are_missing():
    values = measured(np.array([[1.0, np.nan, np.inf, -1e31]]), 2.0)
    assert np.isnan(values[0, 1:]).all()
    assert values[0, 0] == 2.0


@pytest.mark.parametrize("factor", [0.0, np.nan, np.inf, 2 * ABSURD])
def test_absurd_calibration(factor):
    with pytest.raises(CorruptFileError, match="one unit is"):
        measured(np.ones((1, 1)), factor)
    with pytest.raises(CorruptFileError, match="one count is"):
        calibrated(np.ones((1, 1), np.int16), factor)


def test_no_images():
    with pytest.raises(NotAnImageError):
        scans_of([], Acquisition(), {})
