"""The 3-D view."""

import numpy as np
import pytest

from afmend.pictures.surface3d import PAPER, View, exaggeration, surface
from afmend.scan import Grid
from support import rough

VIEW = View(width=120)


def drawn(image):
    """Pixels above the footer that are not paper."""
    return (np.abs(np.asarray(image).astype(int)[:-24] - PAPER) > 6).any(axis=2)


@pytest.mark.parametrize("span", [1e-3, 0.3, 20.0, 1e5])
def test_exaggeration_is_round_and_fills_the_relief(span):
    grid = Grid(64, 96, 10.0, 10.0)
    factor = exaggeration((0.0, span), grid)
    assert float(f"{factor:.1e}") == pytest.approx(factor)
    assert 0.7 < factor * span / (0.14 * 960) < 1.4


def test_before_and_after_have_the_same_frame_whatever_their_heights():
    grid, limits = Grid(40, 56, 5.0, 5.0), (-2.0, 2.0)
    z = rough((40, 56))
    spiked = z.copy()
    spiked[20, 20] = 1e4
    assert surface(z, grid, limits, view=VIEW).size == surface(spiked, grid, limits, view=VIEW).size


def test_a_wall_hides_what_lies_behind_it():
    grid, limits = Grid(60, 90, 5.0, 5.0), (0.0, 10.0)
    hill = np.zeros((60, 90))
    wall = hill.copy()
    wall[40:44] = 10.0  # in front: late lines are near the eye
    with_pit = wall.copy()
    with_pit[33:37, 10:80] = 5.0  # close behind the wall, lower than it
    seen = np.asarray(surface(with_pit, grid, limits, view=VIEW))
    assert (seen != np.asarray(surface(wall, grid, limits, view=VIEW))).any(axis=2).mean() < 0.01
    open_pit = hill.copy()
    open_pit[33:37, 10:80] = 5.0
    assert (np.asarray(surface(open_pit, grid, limits, view=VIEW))
            != np.asarray(surface(hill, grid, limits, view=VIEW))).any(axis=2).mean() > 0.02  # fmt: skip


@pytest.mark.parametrize("shape", [(8, 256), (256, 8), (300, 210), (1, 5), (5, 1)])
def test_the_whole_block_is_inside_the_picture(shape):
    image = surface(
        rough(shape, smooth_px=1) if min(shape) > 1 else np.zeros(shape), Grid(*shape, 2, 2), (-2.0, 2.0), view=VIEW
    )
    inside = drawn(image)
    assert inside.mean() > 0.03
    assert not inside[0].any()
    assert not inside[-1].any()
    assert inside[:, [0, -1]].mean() < 0.05


def test_missing_is_gray_and_invented_is_blue():
    z, grid = rough((40, 56)), Grid(40, 56, 5.0, 5.0)
    mask = np.zeros(z.shape, bool)
    mask[10:25] = True
    plain = np.asarray(surface(z, grid, (-2.0, 2.0), view=VIEW)).astype(int)
    gray = np.asarray(surface(z, grid, (-2.0, 2.0), valid=~mask, view=VIEW)).astype(int)
    blue = np.asarray(surface(z, grid, (-2.0, 2.0), invented=mask, view=VIEW)).astype(int)
    changed = np.abs(gray - plain).sum(axis=2) > 40
    assert np.ptp(gray[changed], axis=1).mean() < 12
    tinted = np.abs(blue - plain).sum(axis=2) > 40
    assert (blue[tinted][:, 2] > blue[tinted][:, 0]).mean() > 0.9


def test_uncalibrated_states_no_exaggeration():
    z = rough((40, 56))
    known = np.asarray(surface(z, Grid(40, 56, 5.0, 5.0), (-2.0, 2.0), view=VIEW))[-24:]
    unknown = np.asarray(surface(z, Grid.uncalibrated((40, 56)), (-2.0, 2.0), calibrated=False, view=VIEW))[-24:]
    assert known.shape == unknown.shape
    assert (known != unknown).any()
