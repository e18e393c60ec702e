import numpy as np

from afmend.filling.biharmonic import Biharmonic, biharmonic, plate
from afmend.filling.laplace import membrane
from afmend.pipeline import Field
from support import assert_heights_close, rough


def test_planes_are_continued_even_at_the_image_edges():
    y, x = np.mgrid[:40, :57]
    plane = 0.3 * y - 0.2 * x + 40
    holes = np.zeros(plane.shape, dtype=bool)
    holes[:4], holes[20:26, 30:], holes[30:33, 10:30] = True, True, True
    filled = biharmonic(Field(np.where(holes, 0, plane), holes), Biharmonic())
    assert_heights_close(filled.heights, plane, atol_nm=1e-5)
    assert filled.facts == {"wider_pixels": 0}


def test_every_filled_pixel_inside_solves_the_13_point_equation():
    z = rough((32, 45), smooth_px=4)
    holes = np.zeros(z.shape, dtype=bool)
    holes[10:14, 8:30] = True
    f = plate(np.where(holes, 0, z), ~holes, holes)
    stencil = {(0, 0): 20, (0, 1): -8, (1, 1): 2, (0, 2): 1}
    for y, x in np.argwhere(holes):
        total = 0.0
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                total += stencil.get(tuple(sorted((abs(dy), abs(dx)))), 0) * f[y + dy, x + dx]
        assert abs(total) < 1e-7


def test_it_beats_the_membrane_on_smooth_ground():
    z = rough((60, 83), smooth_px=4)
    holes = np.zeros(z.shape, dtype=bool)
    holes[10:50:8], holes[11:51:8] = True, True
    bent = plate(z, ~holes, holes) - z
    stretched = membrane(z, ~holes, holes)[0] - z
    assert bent.std() < 0.3 * stretched.std()


def test_wider_holes_are_filled_by_laplace_or_left_open_never_silently():
    z = rough((60, 70))
    holes = np.zeros(z.shape, dtype=bool)
    holes[10:41, 10:41], holes[50:52, 5:60] = True, True
    wide = holes.copy()
    wide[50:52] = False
    done = biharmonic(Field(z, holes), Biharmonic(max_gap_px=8))
    assert done.facts == {"wider_pixels": 31 * 31, "wider": "laplace"}
    assert done.left_open is None
    assert_heights_close(done.heights[wide], membrane(z, ~holes, wide)[0][wide], atol_nm=1e-9)
    kept = biharmonic(Field(z, holes), Biharmonic(max_gap_px=8, wider="leave_open"))
    assert (kept.left_open == wide).all()
    only_wide = biharmonic(Field(z, wide), Biharmonic(max_gap_px=8, wider="leave_open"))
    assert (only_wide.left_open == wide).all()
