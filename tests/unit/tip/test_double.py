import numpy as np
import pytest

from afmend.errors import BadParameterError
from afmend.pipeline import Field
from afmend.tip import dilate, erode, tip_array
from afmend.tip.double import NONE, Ghost, deblur, double_tip, find_ghost
from afmend.tip.shapes import Multiple, Placed, SphereCone
from afmend.tip.steps import TipCorrection, tip_correct
from support import assert_heights_close, rough

PIXEL = (2.0, 2.0)
ONE = SphereCone(radius_nm=4.0)


def blobs(seed=0, shape=(150, 170), count=25):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    z = rough(shape, seed, 0.1)
    for _ in range(count):
        a, b, r, h = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(2, 4), rng.uniform(10, 20)
        z = np.maximum(z, h * np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * r * r)))
    return z


def image_of(z, shape, noise=0.05):
    return dilate(z, tip_array(shape, PIXEL, float(np.ptp(z)))) + noise * np.random.default_rng(9).standard_normal(
        z.shape
    )


DOUBLE = Multiple(first=ONE, others=(Placed(shape=ONE, offset_nm=(-16.0, 30.0), drop_nm=4.0),))


def test_finds_the_ghost_and_takes_it_off():
    z = blobs()
    image = image_of(z, DOUBLE)
    ghost = find_ghost(image, PIXEL)
    assert ghost.found
    assert ghost.offset_px == (8, -15)  # a ghost appears where the apex is not
    assert ghost.offset_nm == (16.0, -30.0)
    assert ghost.depth_nm == pytest.approx(4.0, abs=0.3)
    assert ghost.facts["double_tip"]
    tip = double_tip(tip_array(ONE, PIXEL, 20.0), ghost)
    before, after = (np.sqrt(np.mean((h - z)[20:-20, 20:-20] ** 2)) for h in (image, erode(image, tip)))
    assert after < 0.6 * before
    made = tip_correct(Field(image, pixel_nm=PIXEL), TipCorrection())
    assert made.facts["double_tip"]
    assert np.mean((made.heights - z) ** 2) < np.mean((image - z) ** 2)


def test_single_tips_lattices_and_pairs_are_no_ghosts():
    assert not find_ghost(image_of(blobs(), ONE), PIXEL).found
    y, x = np.mgrid[:128, :140]
    lattice = np.cos(x * 0.5) * np.cos(y * 0.45) + 0.05 * np.random.default_rng(0).standard_normal(y.shape)
    assert not find_ghost(lattice, PIXEL).found
    grating = 10.0 * (np.sin(x * 0.3 + 0.02 * y) > 0.2) + 0.1 * np.random.default_rng(0).standard_normal(y.shape)
    assert not find_ghost(grating, PIXEL).found


def test_says_nothing_about_nothing():
    assert find_ghost(np.zeros((40, 50)), PIXEL) == NONE
    assert find_ghost(np.zeros((8, 50)), PIXEL) == NONE
    assert find_ghost(blobs(), PIXEL, np.zeros((150, 170), bool)) == NONE
    one = np.zeros((60, 70))
    one[30, 30] = 5
    assert find_ghost(one, PIXEL) == NONE


def test_double_tip_needs_an_offset_and_puts_the_apex_against_the_ghost():
    with pytest.raises(BadParameterError, match="second apex"):
        double_tip(np.zeros((3, 3)), NONE)
    ghost = Ghost(found=True, score=1.0, offset_px=(2, -3), offset_nm=(4.0, -6.0), depth_nm=1.5, features=9)
    tip = double_tip(np.zeros((1, 1)), ghost)
    needle = np.zeros((21, 23))
    needle[10, 10] = 9.0
    image = dilate(needle, tip)
    assert image[10, 10] == 9.0
    assert image[12, 7] == 7.5


def test_currents_add_up_and_are_undone():
    z = rough((60, 75), 2) + 5
    blurred = z.copy()
    blurred[3:, :-4] += 0.4 * z[:-3, 4:]
    blurred[:3] += 0.4 * 5
    blurred[3:, -4:] += 0.4 * 5
    found = deblur(blurred, (3, -4), 0.4)
    assert_heights_close(found[30:, :-40], z[30:, :-40], atol_nm=0.01)
    assert_heights_close(deblur(z, (3, 4), 0.0), z, atol_nm=0.0)
    with pytest.raises(BadParameterError, match="share"):
        deblur(z, (3, 4), 1.0)
