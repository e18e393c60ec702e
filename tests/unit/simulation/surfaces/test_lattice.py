import numpy as np
import pytest

from afmend.errors import BadParameterError
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces import make_surface
from afmend.simulation.surfaces.lattice import Lattice

CANVAS = Canvas((90, 120), (0.03, 0.02), (4, 6))


def perfect(**more):
    return Lattice(
        **{"constant_nm": 0.3, "corrugation_nm": 0.05, "vacancies": 0, "adatoms": 0, "angle_deg": 0.0} | more
    )


@pytest.mark.parametrize(("symmetry", "second"), [("square", (10, 0)), ("triangular", None)])
def test_sites_and_range(symmetry, second):
    z = CANVAS.scan_part(make_surface(perfect(symmetry=symmetry), CANVAS))
    for col in (0, 15, 30, 45):
        assert z[0, col] == pytest.approx(0.05, abs=1e-12)
    assert z.min() >= -1e-12
    assert z.min() < 0.002
    assert z.max() <= 0.05 + 1e-12
    if second:
        assert z[second] == pytest.approx(0.05, abs=1e-12)


def test_triangular_lines_are_shifted_by_half():
    canvas = Canvas((5, 3), (0.3 * np.sqrt(0.75) / 4, 0.075))
    z = make_surface(perfect(), canvas)
    assert z[4, 2] == pytest.approx(0.05, abs=1e-12)  # half a constant along, one line across
    assert z[4, 0] < 0.03  # a bridge between two sites


def test_turned_by_its_angle():
    canvas = Canvas((3, 200), (0.1, 0.3 * np.cos(np.pi / 6) / 4))
    z = make_surface(perfect(symmetry="square", angle_deg=30.0), canvas)
    along, across = canvas.x_nm[0] * np.cos(np.pi / 6), canvas.x_nm[0] * np.sin(np.pi / 6)
    law = 0.05 * (0.5 + 0.25 * (np.cos(2 * np.pi * along / 0.3) + np.cos(2 * np.pi * across / 0.3)))
    assert z[0] == pytest.approx(law, abs=1e-9)


@pytest.mark.parametrize("symmetry", ["square", "triangular"])
def test_vacancies_and_adatoms_sit_on_sites(symmetry):
    whole = make_surface(perfect(symmetry=symmetry), CANVAS)
    flawed = make_surface(perfect(symmetry=symmetry, vacancies=0.1, adatoms=0.05, seed=1), CANVAS)
    difference = flawed - whole
    assert difference.min() < -0.045
    assert difference.max() > 0.03
    row, col = np.unravel_index(np.argmin(difference), difference.shape)
    assert whole[row, col] > 0.045
    narrow = Canvas(CANVAS.scan_shape, CANVAS.pixel_nm)
    again = make_surface(perfect(symmetry=symmetry, vacancies=0.1, adatoms=0.05, seed=1), narrow)
    assert np.abs(CANVAS.scan_part(flawed) - again).max() < 1e-4  # tails of sites in the margin, cut at 4 sigma


def test_herringbone_raises_ridges():
    flat = make_surface(perfect(), CANVAS)
    ridged = make_surface(perfect(herringbone_nm=0.02, herringbone_period_nm=1.0), CANVAS)
    added = ridged - flat
    assert added.min() >= -1e-12
    assert added.max() == pytest.approx(0.02, abs=1e-3)


def test_refuses_a_lattice_that_pixels_cannot_show():
    with pytest.raises(BadParameterError, match=r"cannot be seen with pixels of 4 nm"):
        make_surface(perfect(), Canvas((8, 9), (4.0, 2.0)))
