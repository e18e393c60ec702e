import math

import numpy as np
import pytest
from pydantic import TypeAdapter

from afmend.errors import BadParameterError
from afmend.tip import TipShape, dilate, tip_array, tip_heights
from afmend.tip.shapes import LARGEST_PX, Blunt, Contaminated, Multiple, Parabola, Placed, Pyramid, SphereCone
from support import assert_heights_close

ALL = [
    SphereCone(),
    Parabola(),
    Pyramid(),
    Pyramid(sides=3, rotation_deg=20),
    Blunt(),
    Multiple(),
    Contaminated(),
    Contaminated(base=Pyramid(), count=1, seed=3),
]


def at(shape, y, x):
    return float(tip_heights(shape, np.array([[float(y)]]), np.array([[float(x)]]))[0, 0])


@pytest.mark.parametrize("shape", ALL, ids=lambda s: s.kind)
def test_array_is_odd_with_apex_0_and_large_enough(shape):
    pixel, depth = (4.0, 2.5), 40.0
    tip = tip_array(shape, pixel, depth)
    n, m = tip.shape
    assert n % 2
    assert m % 2
    assert tip.max() == 0.0
    # One ring more holds nothing that could touch; the outermost rows and columns hold something.
    y = (np.arange(n + 2) - (n + 2) // 2)[:, None] * pixel[0]
    x = (np.arange(m + 2) - (m + 2) // 2)[None, :] * pixel[1]
    wider = tip_heights(shape, y, x)
    top = wider.max()
    assert_heights_close(wider[1:-1, 1:-1] - top, tip, atol_nm=1e-12)
    ring = np.concatenate([wider[0], wider[-1], wider[:, 0], wider[:, -1]]) - top
    assert ring.max() < -depth
    assert max(tip[0].max(), tip[-1].max()) >= -depth
    assert max(tip[:, 0].max(), tip[:, -1].max()) >= -depth


@pytest.mark.parametrize("shape", ALL, ids=lambda s: s.kind)
def test_parameters_travel_as_json(shape):
    adapter = TypeAdapter(TipShape)
    assert adapter.validate_json(adapter.dump_json(shape)) == shape


@pytest.mark.parametrize("shape", ALL[:6], ids=lambda s: s.kind)
def test_no_jump_anywhere(shape):
    fine = np.linspace(-60, 60, 4801)  # 0.025 nm apart
    steepest = 1 / math.tan(math.radians(18)) if shape.kind in {"sphere_cone", "multiple"} else 60 / 8
    for angle in np.linspace(0, math.pi, 13):
        line = tip_heights(shape, (fine * math.sin(angle))[None, :], (fine * math.cos(angle))[None, :])[0]
        assert np.abs(np.diff(line)).max() <= 0.025 * steepest * 1.001


def test_sphere_cone_in_closed_form():
    shape = SphereCone(radius_nm=10, half_angle_deg=30)
    assert at(shape, 0, 0) == 0
    assert at(shape, 3, 4) == pytest.approx(math.sqrt(75) - 10, abs=1e-12)  # the ball
    touch = 10 * math.cos(math.radians(30))
    assert at(shape, 0, touch) == pytest.approx(-5, abs=1e-12)  # where cone and ball meet
    assert at(shape, touch + 7, 0) == pytest.approx(-5 - 7 * math.sqrt(3), abs=1e-12)


def test_parabola_and_blunt_in_closed_form():
    assert at(Parabola(radius_nm=5), 6, 8) == pytest.approx(-10, abs=1e-12)
    blunt = Blunt(radius_nm=20, half_angle_deg=45)
    assert at(blunt, 12, 16) == pytest.approx(0, abs=1e-12)
    assert at(blunt, 0, -27) == pytest.approx(-7, abs=1e-12)


@pytest.mark.parametrize("sides", [3, 4])
def test_pyramid_is_a_sharp_one_rolled_by_a_ball(sides):
    shape = Pyramid(sides=sides, radius_nm=10, half_angle_deg=25, rotation_deg=13)
    grid = np.arange(-60, 61) * 0.5
    normals = np.radians(13) + 2 * np.pi * np.arange(sides) / sides
    away = np.max([grid[None, :] * np.cos(a) + grid[:, None] * np.sin(a) for a in normals], axis=0)
    ball = grid[40:81]
    square = ball[:, None] ** 2 + ball[None, :] ** 2
    ball = np.where(square <= 100, np.sqrt(np.maximum(100 - square, 0)) - 10, -np.inf)
    rolled = dilate(-away / math.tan(math.radians(25)), ball)
    found = tip_heights(shape, grid[:, None], grid[None, :])
    inner = slice(25, -25)
    difference = (found - rolled)[inner, inner]
    assert difference.min() >= -1e-12  # a ball on the grid of pixels touches a little later
    assert difference.max() <= 0.4


def test_pyramid_faces_edges_and_symmetry():
    shape = Pyramid(sides=4, radius_nm=5, half_angle_deg=30)
    steep = math.sqrt(3)
    assert at(shape, 0, 40) - at(shape, 0, 41) == pytest.approx(steep, abs=1e-12)  # a face along the fast axis
    assert at(shape, 0, 40) == pytest.approx(at(shape, -40, 0), abs=1e-12)
    half = math.sqrt(0.5)
    edge = at(shape, 40 * half, 40 * half) - at(shape, 41 * half, 41 * half)
    assert edge == pytest.approx(steep * half, abs=1e-12)
    turned = Pyramid(sides=4, radius_nm=5, half_angle_deg=30, rotation_deg=45)
    assert at(turned, 40 * half, 40 * half) == pytest.approx(at(shape, 0, 40), abs=1e-12)


def test_double_tip_images_a_needle_twice():
    shape = Multiple(first=SphereCone(radius_nm=3), others=(Placed(offset_nm=(-12.0, 20.0), drop_nm=4.0),))
    needle = np.zeros((41, 61))
    needle[20, 30] = 50.0
    image = dilate(needle, tip_array(shape, (3.0, 2.0), 50.0))
    assert image[20, 30] == 50.0
    assert image[20 + 4, 30 - 10] == pytest.approx(46.0, abs=1e-12)  # where the other apex meets the needle


def test_dirt_only_adds_and_a_seed_repeats():
    grid = np.arange(-20.0, 20.5)
    clean, dirty = SphereCone(), Contaminated(seed=5)
    heights = tip_heights(dirty, grid[:, None], grid[None, :])
    assert (heights >= tip_heights(clean, grid[:, None], grid[None, :])).all()
    assert np.array_equal(heights, tip_heights(Contaminated(seed=5), grid[:, None], grid[None, :]))
    assert not np.array_equal(heights, tip_heights(Contaminated(seed=6), grid[:, None], grid[None, :]))


def test_refuses_what_does_not_fit():
    with pytest.raises(BadParameterError, match=f"more than {LARGEST_PX} pixels"):
        tip_array(Parabola(radius_nm=1000), (1.0, 1.0), 100.0)
    with pytest.raises(BadParameterError, match="more than"):
        tip_array(Multiple(others=(Placed(offset_nm=(0.0, 500.0)),)), (2.0, 2.0), 10.0)
    with pytest.raises(BadParameterError, match="no tip fits"):
        tip_array(Parabola(), (1.0, 0.0), 10.0)
    with pytest.raises(BadParameterError, match="no tip fits"):
        tip_array(Parabola(), (1.0, 1.0), -1.0)


def test_flat_surface_needs_one_pixel():
    assert tip_array(SphereCone(), (4.0, 2.0), 0.0).shape == (1, 1)
