"""The learned correction: what it sees, and what is accepted of its answer."""

from dataclasses import replace

import numpy as np
import pytest

from afmend.tip import learned
from afmend.tip.correct import contact_tolerance, correct
from afmend.tip.double import First
from afmend.tip.learned import INPUTS, accepted, learned_correction, mean_correction, model_inputs
from afmend.tip.morphology import dilate, erode
from afmend.tip.shapes import Parabola, SphereCone, largest_tip_array, tip_array
from support import assert_heights_close

PIXEL = (2.0, 3.0)


def needles(shape: tuple[int, int] = (60, 71)) -> np.ndarray:
    rng = np.random.default_rng(3)
    z = np.zeros(shape)
    for _ in range(25):
        z[rng.integers(5, shape[0] - 5), rng.integers(5, shape[1] - 5)] = rng.uniform(5, 20)
    return z


class TestAcceptance:
    tip = tip_array(Parabola(radius_nm=8.0), PIXEL, 21.0)

    def test_the_truth_is_accepted_as_it_is(self):
        z = needles()
        image = dilate(z, self.tip)
        surface, kept = accepted(z, image, erode(image, self.tip), self.tip, 1e-9)
        assert_heights_close(surface, z, atol_nm=0.0)
        assert kept.all()

    def test_what_is_too_high_is_cut_off(self):
        image = dilate(needles(), self.tip)
        bound = erode(image, self.tip)
        surface, kept = accepted(bound + 5, image, bound, self.tip, 0.25)
        assert_heights_close(surface, bound + 0.25, atol_nm=1e-12)
        assert kept.all()
        assert (dilate(surface, self.tip) <= image + 0.25 + 1e-9).all()

    def test_what_is_too_low_is_put_back_and_no_more(self):
        z = needles()
        image = dilate(z, self.tip)
        bound = erode(image, self.tip)
        surface, kept = accepted(bound - 50, image, bound, self.tip, 0.1)
        assert_heights_close(surface[~kept], bound[~kept], atol_nm=0.0)
        assert_heights_close(surface[kept], bound[kept] - 50, atol_nm=0.0)
        assert np.abs(dilate(surface, self.tip) - image).max() <= 0.1 + 1e-9
        assert 0 < np.count_nonzero(~kept) < z.size
        assert not kept[z > 5].any()  # every needle is a contact

    def test_of_several_contacts_the_nearest_is_raised(self):
        flat, tip = np.zeros((5, 7)), np.zeros((1, 3))
        answer = np.full(flat.shape, -9.0)
        answer[2, 4] = -1.0
        asked = np.zeros(flat.shape, bool)
        asked[2, 3] = True
        surface, kept = accepted(answer, flat, flat, tip, 0.5, asked)
        assert surface[2, 4] == 0
        assert np.argwhere(~kept).tolist() == [[2, 4]]

    def test_a_tip_that_is_too_blunt_leaves_the_bound(self):
        image = needles()  # no parabola shows needles
        bound = erode(image, self.tip)
        surface, kept = accepted(bound - 3.0, image, bound, self.tip, 0.1)
        assert not kept.all()
        assert (surface <= bound).all()

    def test_pixels_that_are_not_asked_need_no_contact(self):
        image = dilate(needles(), self.tip)
        bound = erode(image, self.tip)
        surface, kept = accepted(bound - 50, image, bound, self.tip, 0.1, np.zeros(image.shape, bool))
        assert kept.all()
        assert_heights_close(surface, bound - 50, atol_nm=0.0)


class TestInputs:
    def seen(self, scale: float, ghosts: First | None = None):
        rng = np.random.default_rng(0)
        pixel = (PIXEL[0] * scale, PIXEL[1] * scale)
        z = needles()
        tip = largest_tip_array(SphereCone(radius_nm=8.0, half_angle_deg=20), PIXEL, 25.0)
        image = dilate(z, tip) + 0.05 * rng.standard_normal(z.shape)
        done = correct(image * scale, tip * scale, pixel, noise=0.05 * scale, ghosts=ghosts)
        return done, model_inputs(image * scale, done, tip * scale, pixel, 0.05 * scale, ghosts)

    def test_shape_and_finite(self):
        done, seen = self.seen(1.0)
        assert seen.maps.shape == (len(INPUTS), 60, 71)
        assert seen.maps.dtype == np.float32
        assert np.isfinite(seen.maps).all()
        assert (seen.scale > 0).all()
        assert (seen.maps[INPUTS.index("certain")] > 0).sum() == done.certain.sum()
        assert not seen.maps[INPUTS.index("hidden by ghosts")].any()

    def test_units_do_not_matter(self):
        _, one = self.seen(1.0)
        _, other = self.seen(1024.0)
        assert np.abs(one.maps - other.maps).max() < 1e-4
        assert np.abs(other.scale / one.scale - 1024).max() < 1e-3

    def test_ghosts_are_told(self):
        rng = np.random.default_rng(1)
        z = dilate(needles(), largest_tip_array(SphereCone(radius_nm=8.0), PIXEL, 25.0))
        hidden = rng.random(z.shape) < 0.1
        _, seen = self.seen(1.0, First(z, z, hidden))
        assert (seen.maps[INPUTS.index("hidden by ghosts")] > 0).sum() == hidden.sum()

    def test_a_needle_and_a_flat_image_are_finite(self):
        flat = np.zeros((20, 24))
        needle = np.array([[-np.inf, -np.inf, -np.inf], [-np.inf, 0.0, -np.inf], [-np.inf, -np.inf, -np.inf]])
        done = correct(flat, needle, PIXEL, noise=0.0)
        seen = model_inputs(flat, done, needle, PIXEL, 0.0, None)
        assert np.isfinite(seen.maps).all()


class TestMean:
    tip = largest_tip_array(SphereCone(radius_nm=8.0, half_angle_deg=20), PIXEL, 25.0)

    def image(self) -> np.ndarray:
        z = needles()
        return dilate(z, self.tip) + 0.05 * np.random.default_rng(0).standard_normal(z.shape)

    def ways(self, ghosts: First | None = None):
        image = self.image()
        return [undo(image, self.tip, PIXEL, noise=0.05, ghosts=ghosts)
                for undo in (mean_correction, correct, learned_correction)]  # fmt: skip

    def test_what_was_touched_is_as_measured_and_the_rest_between(self):
        both, plain, said = self.ways()
        assert 0 < plain.certain.mean() < 1
        assert_heights_close(both.expected[plain.certain], plain.heights[plain.certain], atol_nm=0.0)
        assert np.abs(said.expected - plain.heights)[plain.certain].max() > 0.01  # that smooths what was measured
        least = np.minimum(plain.expected, said.expected)
        assert (both.expected >= least - 1e-9).all()
        assert (both.expected <= plain.heights + 1e-9).all()
        middle = (plain.expected + np.minimum(said.expected, plain.heights)) / 2
        rest = ~plain.certain
        assert np.mean(np.abs(both.expected - middle)[rest] < 1e-9) > 0.5
        for one in (plain, said):
            assert np.abs(both.expected - one.expected)[rest].mean() > 0.01

    def test_it_gives_back_the_image(self):
        both, plain, _ = self.ways()
        tolerance = contact_tolerance(self.tip, np.sqrt(PIXEL[0] * PIXEL[1]), 0.05)
        given = dilate(plain.heights, self.tip) >= self.image() - tolerance
        assert given.mean() > 0.99
        assert (dilate(both.expected, self.tip)[given] >= (self.image() - tolerance)[given] - 1e-9).all()

    def test_the_interval_holds_it_and_the_rest_is_the_same(self):
        both, plain, said = self.ways()
        assert (both.lower <= both.expected).all()
        assert (both.expected <= both.upper).all()
        assert (both.lower <= said.lower).all()
        for name in ("heights", "certain", "sigma"):
            assert np.array_equal(getattr(both, name), getattr(plain, name))

    def test_under_ghosts(self):
        image = self.image()
        hidden = np.zeros(image.shape, bool)
        hidden[20:40, 30:50] = True
        both, plain, said = self.ways(First(image - 2.0 * hidden, image, hidden))
        assert not both.certain[30, 40]
        assert np.abs(both.expected - plain.expected)[hidden].max() > 0.01
        assert np.abs(both.expected - said.expected)[hidden].max() > 0.01
        middle = (plain.expected + np.minimum(said.expected, plain.heights)) / 2
        assert np.mean(np.abs(both.expected - middle)[hidden & ~plain.certain] < 1e-9) > 0.5

    def test_a_network_that_is_far_off_is_not_believed(self, monkeypatch):
        image = self.image()
        hidden = np.zeros(image.shape, bool)
        hidden[20:40, 30:50] = True

        def low(*args):
            found = args[5].heights - 5.0
            return replace(args[5], expected=found, lower=found, upper=found)

        monkeypatch.setattr(learned, "_asked", low)
        tolerance = contact_tolerance(self.tip, np.sqrt(PIXEL[0] * PIXEL[1]), 0.05)
        for ghosts in (None, First(image, image, hidden)):
            plain = correct(image, self.tip, PIXEL, noise=0.05, ghosts=ghosts)
            both = mean_correction(image, self.tip, PIXEL, noise=0.05, ghosts=ghosts)
            guess = np.where(plain.certain, plain.heights, (plain.expected + plain.heights - 5.0) / 2)
            given = dilate(plain.heights, self.tip) >= image - tolerance
            assert (dilate(guess, self.tip) < image - tolerance)[given].any()
            asked = given if ghosts is None else given & ~hidden
            assert (dilate(both.expected, self.tip) >= image - tolerance - 1e-9)[asked].all()
            assert (both.lower <= both.expected).all()
            assert (both.expected <= both.upper).all()
            kept = np.abs(both.expected - guess) < 1e-9
            if ghosts is not None:
                assert kept[27:33, 37:43].mean() > 0.9  # what ghosts hide need not be given back

    def test_doubt_about_the_tip_is_passed_on(self):
        image = self.image()
        limits = tuple(largest_tip_array(SphereCone(radius_nm=r, half_angle_deg=20), PIXEL, 25.0) for r in (5.0, 9.0))
        both = mean_correction(image, self.tip, PIXEL, limits=limits, noise=0.05)
        assert_heights_close(both.sigma, correct(image, self.tip, PIXEL, limits=limits, noise=0.05).sigma, atol_nm=0.0)
        assert (both.sigma - correct(image, self.tip, PIXEL, noise=0.05).sigma).max() > 0.1

    def test_it_is_the_same_whatever_else_is_asked(self):
        image = self.image()
        one, other = (mean_correction(image, self.tip, PIXEL) for _ in range(2))
        assert_heights_close(one.expected, other.expected, atol_nm=0.0)


def test_contact_tolerance_is_three_sigmas_and_a_shift():
    tip = tip_array(Parabola(radius_nm=8.0), (2.0, 2.0), 21.0)
    assert contact_tolerance(tip, 2.0, 0.1) == pytest.approx(0.3 + 0.25 * 2 * 0.25)
