import math

import numpy as np
import pytest
from scipy.ndimage import zoom

from afmend.errors import BadParameterError
from afmend.pipeline import Field
from afmend.tip import certainty_map, dilate, tip_array
from afmend.tip.correct import SUNK, correct, ghost_floor
from afmend.tip.double import (
    NONE,
    SUSPICION,
    THRESHOLD,
    First,
    Ghost,
    deblur,
    double_tip,
    find_ghost,
    without_ghost,
)
from afmend.tip.ghost_evidence import edges
from afmend.tip.ghost_moves import Moved
from afmend.tip.ghost_views import correlation, is_period, view_of
from afmend.tip.ghosts import candidates, evidence
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


def test_what_a_ghost_casts_in_turn_is_hidden_though_the_ghost_comes_from_outside():
    y, x = np.mgrid[:90, :140].astype(float)
    z = 30.0 * np.exp(-((y - 30) ** 2 + (x - 128) ** 2) / 20) - 12.0 * np.exp(-((y - 46) ** 2 + (x - 98) ** 2) / 20)
    drawn = 4.0
    ghosts = np.full(z.shape, -np.inf)
    ghosts[8:, :-15] = z[:-8, 15:] - drawn
    added = np.maximum(ghosts - z, 0.0)[:, :120]
    image = np.maximum(z, ghosts)[:, :120] + 0.02 * np.random.default_rng(3).standard_normal((90, 120))
    ghost = Ghost(found=True, score=1.0, offset_px=(8.0, -15.0), offset_nm=(16.0, -30.0), depth_nm=drawn, features=9)
    first = without_ghost(image, ghost, noise=0.02)
    assert first.beyond is not None
    seen = (added > 0.5) & ~first.beyond
    assert seen[44:49, 96:101].all()  # the pit: what lies at its source is hidden by the ghost of a hill outside
    assert first.hidden[seen].all()
    assert 0.005 < first.hidden.mean() < 0.03


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
    assert ghost.offset_px == pytest.approx((8, -15), abs=0.2)  # a ghost appears where the apex is not
    assert ghost.offset_nm == pytest.approx((16.0, -30.0), abs=0.4)
    assert ghost.depth_nm == pytest.approx(4.0, abs=0.3)
    assert ghost.facts["double_tip"]
    tip = tip_array(ONE, PIXEL, 20.0)
    first = without_ghost(image, ghost)
    assert (first.likely <= first.bound + 1e-9).all()
    assert (first.bound <= image).all()
    assert np.array_equal(first.likely[~first.hidden], image[~first.hidden])
    done = correct(image, tip, PIXEL, ghosts=first)
    assert (done.expected <= done.heights + 1e-9).all()
    before, after = (np.sqrt(np.mean((h - z)[20:-20, 20:-20] ** 2)) for h in (image, done.expected))
    assert after < 0.5 * before
    made = tip_correct(Field(image, pixel_nm=PIXEL), TipCorrection())
    assert made.facts["double_tip"]
    assert np.mean((made.heights - z) ** 2) < np.mean((image - z) ** 2)
    bound = tip_correct(Field(image, pixel_nm=PIXEL), TipCorrection(untouched="bound"))
    assert (made.heights <= bound.heights + 1e-9).all()
    assert made.heights.mean() < bound.heights.mean()


def test_finds_ghosts_between_pixels_and_those_of_gratings():
    z = zoom(blobs(2), 2, order=3)
    seen = np.maximum(z, np.roll(z, (25, -11), axis=(0, 1)) - 3.0)[::2, ::2]
    noise = 0.05 * np.random.default_rng(3).standard_normal(seen.shape)
    ghost = find_ghost(seen + noise, PIXEL)
    assert ghost.found
    assert ghost.offset_px == pytest.approx((12.5, -5.5), abs=0.1)
    assert ghost.depth_nm == pytest.approx(3.0, abs=0.1)
    y, x = np.mgrid[:120, :150]

    def lines(move):
        return 10 / (1 + np.exp(-4 * (np.sin(0.2 * (x - move) + 0.02 * y) - 0.5)))

    seen = np.maximum(lines(0), lines(12) - 4.0) + 0.02 * np.random.default_rng(3).standard_normal(y.shape)
    ghost = find_ghost(seen, PIXEL)
    assert ghost.found
    assert ghost.depth_nm == pytest.approx(4.0, abs=0.2)


def test_what_a_ghost_hides_is_not_certain():
    z = blobs(4)
    tip = tip_array(ONE, PIXEL, 20.0)
    image = dilate(z, tip)
    hidden = np.zeros(z.shape, bool)
    hidden[60:90, 50:100] = True
    plain, without = certainty_map(image, tip), certainty_map(image, tip, hidden=hidden)
    assert not (without & ~plain).any()
    assert np.count_nonzero(without) < np.count_nonzero(plain)
    far = np.ones(z.shape, bool)
    far[40:110, 30:120] = False
    assert np.array_equal(without[far], plain[far])


def test_under_ghosts_surfaces_lie_below_what_is_drawn_on_from_around():
    z = blobs()
    image = image_of(z, DOUBLE)
    first = without_ghost(image, find_ghost(image, PIXEL))
    tip = tip_array(ONE, PIXEL, 20.0)
    drawn, done = (correct(image, tip, PIXEL, ghosts=first, sunk=sunk) for sunk in (0.0, SUNK))
    sunk = drawn.expected - done.expected
    assert (sunk[~first.hidden] == 0.0).all()
    deep = np.maximum(drawn.expected - ghost_floor(drawn.heights, first.hidden, tip), 0.0)
    assert_heights_close(sunk, np.where(drawn.certain, 0.0, SUNK * deep), atol_nm=1e-9)
    assert sunk.max() > 1.0
    before, after = (np.sqrt(np.mean((one.expected - z)[first.hidden] ** 2)) for one in (drawn, done))
    assert after < 0.97 * before
    for name in ("heights", "certain", "lower", "upper"):
        assert np.array_equal(getattr(drawn, name), getattr(done, name))
    assert (done.lower <= done.expected).all()


def test_where_ghosts_would_come_from_outside_nothing_is_certain():
    image = image_of(blobs(), DOUBLE)
    first = without_ghost(image, find_ghost(image, PIXEL))
    assert first.beyond is not None
    assert first.beyond[:8].all()
    assert first.beyond[:, -15:].all()
    assert not first.beyond[12:, :-20].any()
    assert (first.doubtful == (first.hidden | first.beyond)).all()
    bare = First(first.likely, first.bound, first.hidden)
    assert bare.doubtful is bare.hidden
    tip = tip_array(ONE, PIXEL, 20.0)
    sure, unsure = (correct(image, tip, PIXEL, ghosts=one).certain for one in (bare, first))
    assert sure[:5].mean() > 5 * unsure[:5].mean()


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
    with pytest.raises(BadParameterError, match="second apex"):
        without_ghost(np.zeros((30, 40)), NONE)
    ghost = Ghost(found=True, score=1.0, offset_px=(2.1, -2.8), offset_nm=(4.0, -6.0), depth_nm=1.5, features=9)
    tip = double_tip(np.zeros((1, 1)), ghost)
    needle = np.zeros((21, 23))
    needle[10, 10] = 9.0
    image = dilate(needle, tip)
    assert image[10, 10] == 9.0
    assert image[12, 7] == 7.5
    assert not without_ghost(np.zeros((30, 40)), ghost).hidden.any()  # flat: nothing is known


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


def bars(places, amplitude=0.1, shape=(150, 170)):
    """Bars 60 nm high, each with a ledge 12 pixels wide and 40 nm lower, on a surface with roughness of its own."""
    y, x = np.mgrid[: shape[0], : shape[1]]

    def edge(at):
        return 1 / (1 + np.exp((x - at - 0.1 * y) / 0.8))

    z = rough(shape, 1, amplitude) + 0.05 * np.random.default_rng(1).standard_normal(shape)
    return z + sum(60 * (edge(at) - edge(at - 14)) + 20 * (edge(at + 12) - edge(at)) for at in places)


class TestOneStraightEdge:
    """Along one the offset cannot be known, and the ledge may be the sample's."""

    @pytest.mark.parametrize("amplitude", [0.1, 0.2])
    def test_a_ledge_along_one_is_suspected_only_and_stays(self, amplitude):
        image = bars([60], amplitude)
        ghost = find_ghost(image, PIXEL)
        assert ghost.score >= 2 * THRESHOLD  # as before: the score is what it was
        assert ghost.suspected
        assert not ghost.found
        assert ghost.facts["suspicion"] == SUSPICION
        assert not ghost.facts["double_tip"]
        field = Field(image, pixel_nm=PIXEL)
        made = tip_correct(field, TipCorrection(untouched="expected"))
        without = tip_correct(field, TipCorrection(untouched="expected", double_tip=False))
        assert made.facts["suspicion"] == SUSPICION
        assert np.array_equal(made.heights, without.heights)

    def test_ghosts_of_three_separate_features_are_found(self):
        y, x = np.mgrid[:150, :170]
        z = rough(y.shape, 1, 0.1)
        for a, b, h in ((30, 40, 60.0), (80, 110, 50.0), (115, 50, 45.0)):
            z = np.maximum(z, h * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 18))
        ghost = find_ghost(image_of(z, DOUBLE), PIXEL)
        assert ghost.found
        assert not ghost.suspected
        assert "suspicion" not in ghost.facts
        assert ghost.offset_px == pytest.approx((8, -15), abs=0.2)

    def test_the_same_beside_several_edges_is_found(self):
        ghost = find_ghost(bars([30, 80, 130]), PIXEL)
        assert ghost.found
        assert abs(ghost.offset_px[1] - 0.1 * ghost.offset_px[0]) == pytest.approx(12, abs=2)

    def test_what_is_no_ghost_is_not_suspected(self):
        ghost = find_ghost(image_of(blobs(), ONE), PIXEL)
        assert ghost.score < THRESHOLD
        assert not ghost.suspected

    def test_edges_are_counted_across_and_short_ones_count_less(self):
        rows = np.arange(100)
        lines = [np.stack([rows, 20 * k + rows // 2], axis=1) for k in range(3)]
        along = np.array([2.0, 1.0]) / math.sqrt(5)
        assert edges(lines[0], along) == 1.0
        assert edges(np.concatenate(lines), along) == pytest.approx(3.0, abs=1e-9)
        assert edges(np.concatenate([lines[0], lines[1][:10]]), -along) == pytest.approx(110**2 / 10100, abs=1e-9)


class TestPeriods:
    def alike(self, z):
        view = view_of(z, np.ones(z.shape, bool))
        assert view is not None
        return correlation(view.image, view.good, view.noise, 30)

    def test_a_lattice_repeats_itself_altogether_at_its_periods_only(self):
        y, x = np.mgrid[:120, :150]
        z = np.cos(2 * np.pi * y / 12) + np.cos(2 * np.pi * x / 17) + 0.02 * rough(y.shape)
        alike = self.alike(z)
        assert alike.shape == (61, 61)
        assert alike[30 + 12, 30 + 17] == pytest.approx(1, abs=0.05)
        for offset in ((12, 17), (-11, 16), (0, 17), (24, 1)):
            assert is_period(alike, np.array(offset, float)), offset
        assert not is_period(alike, np.array([6.0, 8.0]))

    def test_a_ghost_is_no_period_and_smooth_images_have_none(self):
        ghosts = self.alike(image_of(blobs(), DOUBLE))
        assert not is_period(ghosts, np.array([8.0, -15.0]))
        assert ghosts[30 + 8, 30 - 15] > ghosts[30 + 8, 30 + 15]
        y, x = np.mgrid[:120, :150]
        smooth = self.alike(50 * np.exp(-((y - 60) ** 2 + (x - 70) ** 2) / 900.0))
        assert not is_period(smooth, np.array([3.0, 3.0]))

    def test_periods_are_no_candidates(self):
        y, x = np.mgrid[:120, :150]
        z = 20 * (np.cos(2 * np.pi * y / 12) + np.cos(2 * np.pi * x / 17)) + 0.02 * rough(y.shape)
        view = view_of(z, np.ones(z.shape, bool))
        assert view is not None
        assert all(not is_period(view.alike, np.array(start, float)) for start, _ in candidates(view))

    def test_evidence_is_largest_at_the_ghost_with_and_without_textures(self):
        view = view_of(image_of(blobs(), DOUBLE), np.ones(blobs().shape, bool))
        assert view is not None
        moved, places = Moved(view), np.argwhere(view.good)[::3]
        depth = next(depth for start, depth in candidates(view) if start == (8, -15))
        for textures in (False, True):
            at, beside = (evidence(view, moved, (np.array(offset), depth), places, textures=textures)
                          for offset in ((8.0, -15.0), (5.0, -11.0)))  # fmt: skip
            assert at > 2 * beside

    def test_a_triangular_grating_has_no_ghosts(self):
        y, x = np.mgrid[:150, :160]
        phase = (y + 0.04 * x) % 22.3
        z = 3.4 * np.minimum(phase, 22.3 - phase) + 1e-3 * np.random.default_rng(0).standard_normal(y.shape)
        assert not find_ghost(z, PIXEL).found
