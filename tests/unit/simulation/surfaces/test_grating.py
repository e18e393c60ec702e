import numpy as np
import pytest

from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces import make_surface
from afmend.simulation.surfaces.grating import Grating
from support import assert_heights_close

CANVAS = Canvas((60, 90), (5.0, 2.0))


def upright(**more):
    return Grating(**{"wall_deg": 90.0, "edge_nm": 0.0, "phase": (0.0, 0.0), "pitch_nm": 60.0, "angle_deg": 0.0} | more)


def test_lines_along_the_slow_axis():
    z = make_surface(upright(depth_nm=7.0, duty=0.3), CANVAS)
    x = CANVAS.x_nm[0]
    ridge = np.abs(x - 60 * np.round(x / 60)) <= 9
    assert_heights_close(z, np.broadcast_to(np.where(ridge, 7.0, 0.0), z.shape), atol_nm=1e-12)


def test_lines_at_an_angle_have_the_pitch_in_nm():
    z = make_surface(upright(profile="sine", depth_nm=4.0, angle_deg=30.0), CANVAS)
    u = CANVAS.x_nm * np.cos(np.pi / 6) + CANVAS.y_nm * np.sin(np.pi / 6)
    assert_heights_close(z, 2 + 2 * np.cos(2 * np.pi * u / 60), atol_nm=1e-9)


def test_triangle():
    z = make_surface(upright(profile="triangle", depth_nm=6.0, angle_deg=90.0), CANVAS)
    y = CANVAS.y_nm
    law = 6 * (1 - 2 * np.abs(y / 60 - np.round(y / 60)))
    assert_heights_close(z, np.broadcast_to(law, z.shape), atol_nm=1e-9)


def test_walls_lean_and_keep_the_width_at_half_height():
    fine = Canvas((2, 1200), (1.0, 0.1))
    z = make_surface(upright(wall_deg=45.0, depth_nm=10.0, duty=0.5), fine)[0]
    x = fine.x_nm[0]
    slope = np.diff(z)[(x[1:] > 11) & (x[1:] < 19)] / 0.1
    assert_heights_close(slope, np.full(slope.shape, -1.0), atol_nm=1e-6)
    assert z[x == pytest.approx(15.0, abs=1e-9)] == pytest.approx(5.0, abs=1e-9)


@pytest.mark.parametrize(("form", "middle", "corner"), [("pillars", 5.0, 5.0), ("holes", 0.0, 0.0), ("dots", 5.0, 0.0)])
def test_two_dimensional_forms(form, middle, corner):
    canvas = Canvas((25, 31), (4.0, 2.0))
    z = make_surface(upright(form=form, depth_nm=5.0, pitch_nm=40.0, duty=0.5), canvas)
    assert z[0, 0] == middle
    assert z[2, 4] == corner  # (8, 8) nm: inside a square of half side 10, outside a circle of radius 10
    assert z[5, 10] == 5.0 - z[0, 0] if form == "holes" else z[5, 10] == 0.0  # (20, 20): in between
    assert z[10, 20] == middle  # one pitch on, along both axes


def test_holes_with_a_sine():
    canvas = Canvas((25, 31), (4.0, 2.0))
    z = make_surface(upright(form="holes", profile="sine", depth_nm=5.0, pitch_nm=40.0), canvas)
    law = 1 - (0.5 + 0.5 * np.cos(np.pi * canvas.x_nm / 20)) * (0.5 + 0.5 * np.cos(np.pi * canvas.y_nm / 20))
    assert_heights_close(z, 5 * law, atol_nm=1e-9)
