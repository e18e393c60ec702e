import numpy as np
import pytest

from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces import make_surface
from afmend.simulation.surfaces.cells import Cells
from afmend.simulation.surfaces.grains import Grains
from afmend.simulation.surfaces.porous import Porous
from afmend.simulation.surfaces.scatter import cells, place_numbers
from support import assert_heights_close

CANVAS = Canvas((100, 140), (8.0, 5.0), (6, 9))


def skewness(z):
    return float(np.mean((z - z.mean()) ** 3) / z.std() ** 3)


@pytest.mark.parametrize("form", ["dome", "facet"])
def test_grains_are_the_highest_of_their_domes(form):
    params = Grains(size_nm=90.0, relief_nm=4.0, spread=1.5, form=form, waviness_nm=0, roughness_nm=0, seed=2)
    i, j = cells((-600.0, -600.0), (1500.0, 1500.0), 90.0)
    drawn = place_numbers(2, i, j, 4)
    law = np.full(CANVAS.shape, -np.inf)
    for at_y, at_x, height, turn in zip(
        *(a.ravel() for a in ((i + drawn[0]), (j + drawn[1]), drawn[2], drawn[3])), strict=True
    ):
        dy, dx = CANVAS.y_nm / 90 - at_y, CANVAS.x_nm / 90 - at_x
        c, s = np.cos(np.pi * turn), np.sin(np.pi * turn)
        away = 4 * (dy**2 + dx**2) if form == "dome" else 2 * np.maximum(abs(dx * c + dy * s), abs(dy * c - dx * s))
        law = np.maximum(law, 6.0 * (height - 0.5) - 4 * away)
    assert_heights_close(make_surface(params, CANVAS), law, atol_nm=1e-9)


def test_pores_stay_where_they_are():
    params = Porous(film_sq_nm=0.0)
    narrow = Canvas(CANVAS.scan_shape, CANVAS.pixel_nm)
    assert_heights_close(make_surface(params, narrow), CANVAS.scan_part(make_surface(params, CANVAS)), atol_nm=1e-9)


def test_ordered_pores_in_closed_form():
    canvas = Canvas((301, 401), (0.6, 0.5))
    params = Porous(
        order=1.0, sigma=0.0, elongation=1.0, film_sq_nm=0.0, rim_nm=0.0, radius_nm=20.0, porosity=0.3, depth_nm=9.0
    )
    z = make_surface(params, canvas)
    assert z.min() == -9.0
    assert z.max() == 0.0
    inside = canvas.x_nm[0][:30]
    law = -9.0 * np.minimum(2 * (1 - (inside / 20) ** 2), 1.0)
    assert_heights_close(z[:1, :30], law[None, :], atol_nm=1e-9)
    wide = make_surface(params, Canvas((500, 400), (3.0, 4.0)))
    assert np.mean(wide < 0) == pytest.approx(0.3, abs=0.01)
    assert skewness(wide) < -0.5


def test_rims_stand_above_the_film():
    params = Porous(order=1.0, film_sq_nm=0.0, rim_nm=3.0, porosity=0.1, sigma=0.0, elongation=1.0)
    assert make_surface(params, Canvas((120, 140), (2.0, 1.5))).max() == pytest.approx(3.0, abs=0.05)


def test_a_round_cell_in_closed_form():
    params = Cells(
        radius_nm=200.0,
        size_spread=0,
        coverage=0,
        elongation=1,
        lobes=0,
        nucleus=0,
        ruffle_nm=0,
        ground_sq_nm=0,
        height_nm=90,
    )
    z = make_surface(params, CANVAS)
    assert np.count_nonzero(z > 0) > 100
    row, col = np.unravel_index(np.argmax(z), z.shape)
    assert z.max() == pytest.approx(90, abs=0.5)
    q = np.hypot(CANVAS.y_nm - CANVAS.y_nm[row], CANVAS.x_nm - CANVAS.x_nm[0, col]) / 200
    law = 90 * np.maximum(1 - q**2, 0) ** 0.65
    central = q < 0.9
    assert_heights_close(z[central], law[central], atol_nm=6.0)  # the center is within half a pixel


def test_cells_have_nucleus_ruffles_and_stay_above_ground():
    canvas = Canvas((200, 260), (20.0, 15.0))
    smooth = make_surface(Cells(ruffle_nm=0, ground_sq_nm=0), canvas)
    ruffled = make_surface(Cells(ruffle_nm=8.0, ground_sq_nm=0), canvas)
    assert smooth.min() == 0
    assert ruffled.min() == 0
    assert np.array_equal(ruffled[smooth == 0], smooth[smooth == 0])
    high = smooth > 200
    assert np.std((ruffled - smooth)[high]) == pytest.approx(8.0, rel=0.3)
    assert np.mean(smooth > 0) == pytest.approx(0.5, abs=0.2)
