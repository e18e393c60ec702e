import math

import numpy as np
import pytest

from afmend.errors import BadParameterError, BadScanError
from afmend.pipeline import Field
from afmend.scan.masks import Masks
from afmend.tip import dilate, erode
from afmend.tip.correct import correct, gap_scale, side_error
from afmend.tip.estimate import estimate_tip
from afmend.tip.features import find_peaks, noise_nm
from afmend.tip.measure import apex_radius_nm, area_function, depth_of, roughness_of, tip_wear, width_at
from afmend.tip.peak_kernels import largest_ball
from afmend.tip.regularized import fit_free_tip
from afmend.tip.shapes import LARGEST_PX, Parabola, SphereCone, largest_tip_array, tip_array
from afmend.tip.steps import TipCorrection, Untouched, tip_correct, untouched
from support import assert_heights_close, rough

PIXEL = (2.0, 2.4)
TRUE = SphereCone(radius_nm=8.0, half_angle_deg=20.0)


def spiky(shape=(150, 171), seed=0, count=220):
    """Needles of all heights on rough ground."""
    rng = np.random.default_rng(seed)
    z = rough(shape, seed, 0.3, 1.5)
    z[rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)] += rng.uniform(4, 25, count)
    return z


def imaged(z, shape=TRUE, noise=0.05, seed=1):
    image = dilate(z, largest_tip_array(shape, PIXEL, float(np.ptp(z))))
    return image + noise * np.random.default_rng(seed).standard_normal(z.shape)


class TestEstimate:
    def test_needles_show_the_radius(self):
        found = estimate_tip([imaged(spiky())], PIXEL)
        assert found.verdict == "confident"
        assert found.radius_nm == pytest.approx(8.0, rel=0.15)
        assert found.interval_nm[0] < 8.0 < found.interval_nm[1]
        assert found.facts["verdict"] == "confident"
        assert not found.advice

    def test_frames_add_up(self):
        frames = [imaged(spiky((60, 71), seed, 40), seed=seed) for seed in range(3)]
        one, all_ = estimate_tip(frames[:1], PIXEL), estimate_tip(frames, PIXEL)
        assert all_.peaks > 2 * one.peaks
        assert all_.radius_nm == pytest.approx(8.0, rel=0.2)

    @pytest.mark.parametrize(
        ("surface", "why"),
        [
            (np.zeros((64, 75)), "peaks stand out"),
            (rough((128, 140), 3, 2.0, 9.0), "no sharp features|peaks stand out"),
            (np.kron(rough((12, 14), 1, 3.0), np.ones((12, 12))), "alike|ridges|no sharp|peaks"),
        ],
    )
    def test_abstains(self, surface, why):
        found = estimate_tip([imaged(surface, SphereCone(radius_nm=5.0))], PIXEL)
        assert found.verdict != "confident"
        assert found.shape is None
        assert found.advice
        import re

        assert re.search(why, found.reason)
        assert found.interval_nm[0] == 0
        with pytest.raises(BadParameterError, match="the tip is not known"):
            found.tip(PIXEL, 10.0)

    def test_particles_of_one_size_are_no_needles(self):
        z = np.zeros((160, 170))
        y, x = np.mgrid[:160, :170]
        rng = np.random.default_rng(0)
        for _ in range(40):
            a, b = rng.uniform(0, 160), rng.uniform(0, 170)
            square = ((y - a) * PIXEL[0]) ** 2 + ((x - b) * PIXEL[1]) ** 2
            z = np.maximum(z, np.where(square < 100, 10 + np.sqrt(np.maximum(100 - square, 0)), 0))
        assert estimate_tip([imaged(z, SphereCone(radius_nm=3.0))], PIXEL).verdict != "confident"

    def test_a_tip_sharper_than_pixels_changes_nothing(self):
        found = estimate_tip([spiky() + 0.01 * np.random.default_rng(0).standard_normal((150, 171))], PIXEL)
        assert found.verdict == "bound"
        assert "the tip is sharper" in found.reason

    def test_bad_pixels_are_not_asked(self):
        image = imaged(spiky())
        spoiled = image.copy()
        spoiled[::8, ::7] += 40
        usable = np.ones(image.shape, bool)
        usable[::8, ::7] = False
        found = find_peaks(spoiled, PIXEL, usable)
        assert found.radius_px.size == 0  # no window is free of them

    def test_refuses(self):
        with pytest.raises(BadScanError, match="at least one image"):
            estimate_tip([], PIXEL)
        with pytest.raises(BadScanError, match="10 x 40"):
            estimate_tip([np.zeros((10, 40))], PIXEL)


def test_noise_of_white_noise():
    z = 0.3 * np.random.default_rng(0).standard_normal((200, 230)) + np.linspace(0, 50, 230)
    assert noise_nm(z) == pytest.approx(0.3, rel=0.03)
    assert noise_nm(z, np.zeros(z.shape, bool)) == 0.0


def test_the_largest_ball_under_a_ball_is_that_ball():
    y, x = np.mgrid[:60, :50]
    for radius, (top_y, top_x) in ((12.0, (30.3, 24.6)), (9.0, (30.0, 25.0)), (30.0, (29.7, 25.5))):
        square = ((y - top_y) * PIXEL[0]) ** 2 + ((x - top_x) * PIXEL[1]) ** 2
        inside = square < (0.95 * radius) ** 2
        z = np.where(inside, np.sqrt(np.maximum(radius**2 - square, 0)) - radius, -radius)
        found = find_peaks(z, PIXEL)
        assert found.radius_px.size > 0
        assert found.radius_px * float(np.sqrt(PIXEL[0] * PIXEL[1])) == pytest.approx(radius, rel=0.08)
    beyond = np.zeros((2,))
    flat = np.zeros((20, 20))
    largest_ball(flat, np.array([0, 19]), np.array([0, 19]), np.array(PIXEL), np.array([1.0, 9.0]),
                 np.array([0.0, 0.8, 2.0, 4]), beyond)  # fmt: skip
    assert beyond == pytest.approx(9.0)  # nothing is known beyond the edges


def test_largest_tip_array_cuts_what_does_not_fit():
    whole = tip_array(TRUE, PIXEL, 20.0)
    assert_heights_close(np.maximum(largest_tip_array(TRUE, PIXEL, 20.0), -20.0), np.maximum(whole, -20.0), atol_nm=0)
    assert max(largest_tip_array(Parabola(radius_nm=1e4), PIXEL, 1e4).shape) == LARGEST_PX


class TestCorrection:
    def test_bound_certainty_and_interval(self):
        z = spiky()
        image = imaged(z, noise=0.0)
        tip = largest_tip_array(TRUE, PIXEL, float(np.ptp(image)))
        found = correct(image, tip, PIXEL, noise=0.0)
        assert found.bias_nm == 0
        assert_heights_close(found.heights, erode(image, tip), atol_nm=0.0)
        inner = (slice(20, -20),) * 2
        assert (found.heights - z)[inner].min() >= -1e-9
        error = np.sqrt(np.mean((found.heights - z)[inner] ** 2))
        assert error < 0.7 * np.sqrt(np.mean((image - z)[inner] ** 2))
        off = np.abs(found.heights - z) > 3 * found.sigma + 1e-9
        assert off[inner][found.certain[inner]].mean() < 0.03
        inside = (z >= found.lower) & (z <= found.upper)
        assert inside[inner].mean() > 0.9
        assert 0 < found.facts["certain_share"] < 1

    def test_noise_bias_is_taken_off(self):
        flat = np.zeros((120, 131)) + 0.2 * np.random.default_rng(0).standard_normal((120, 131))
        tip = tip_array(Parabola(radius_nm=60.0), PIXEL, 1.0)
        found = correct(flat, tip, PIXEL)
        assert erode(flat, tip).mean() < -0.2
        assert abs(found.heights.mean()) < 0.05
        assert found.bias_nm > 0.2

    def test_the_bias_is_no_pattern_of_one_noise(self):
        rng, tip = np.random.default_rng(1), tip_array(Parabola(radius_nm=60.0), PIXEL, 1.0)
        flat = 0.2 * rng.standard_normal((120, 131))
        added = [correct(flat, tip, PIXEL, noise=0.2, seed=k).heights - erode(flat, tip) for k in (0, 1)]
        assert (
            np.std(added[0] - added[1]) < 0.03 * 0.2
        )  # whatever noise it was measured with: hardly more than a constant
        z = np.zeros((120, 131))
        z[:, 60:] = 0.02 * (np.arange(131 - 60) - 35.0) ** 2  # a valley: fewer pixels compete where it is steep
        again = dilate(z, tip)
        means = np.mean(
            [erode(again, tip) - erode(again + 0.2 * rng.standard_normal(z.shape), tip) for _ in range(40)], axis=(0, 1)
        )
        found = correct(again, tip, PIXEL, noise=0.2)
        bias = np.mean(found.heights - erode(again, tip), axis=0)
        assert means[20:50].mean() > 1.5 * means[64:70].mean()
        assert np.abs(bias - means)[np.r_[10:50, 70:120]].max() < 0.1

    def test_doubt_about_the_tip_is_in_the_error(self):
        image = imaged(spiky())
        depth = float(np.ptp(image))
        tips = [largest_tip_array(SphereCone(radius_nm=r), PIXEL, depth) for r in (4.0, 8.0, 14.0)]
        sure, unsure = correct(image, tips[1], PIXEL), correct(image, tips[1], PIXEL, limits=(tips[0], tips[2]))
        assert (unsure.sigma >= sure.sigma).all()
        assert unsure.sigma.mean() > sure.sigma.mean()

    def test_parts(self):
        z = np.zeros((5, 7))
        z[:, 4:] = 3.0
        assert side_error(z)[2, 3] == pytest.approx(3 / math.sqrt(3))
        assert side_error(z)[2, 2] == pytest.approx(3 / math.sqrt(3) / math.sqrt(3))  # a third of the pixels around
        assert side_error(z)[2, 0] == 0
        assert gap_scale(z, np.ones(z.shape, bool), np.zeros((1, 3)))[2, 4] == pytest.approx(3.0)

    def test_refuses_noise(self):
        with pytest.raises(BadParameterError, match="noise"):
            correct(np.zeros((20, 20)), np.zeros((1, 1)), PIXEL, noise=-1.0)


class TestNumbers:
    def test_of_a_tip(self):
        tip = tip_array(Parabola(radius_nm=15.0), PIXEL, 30.0)
        assert apex_radius_nm(tip, PIXEL, 8.0) == pytest.approx(15.0)
        area = area_function(tip, PIXEL, np.array([0.0, 10.0, 20.0]))
        assert area[0] == PIXEL[0] * PIXEL[1]
        assert area[2] == pytest.approx(2 * math.pi * 15 * 20, rel=0.05)  # pi rho^2 with rho^2 = 2 R d
        with pytest.raises(BadParameterError, match="pixels of the tip"):
            apex_radius_nm(tip, PIXEL, 1e-3)

    def test_of_features(self):
        z = np.zeros((60, 71))
        y, x = np.mgrid[:60, :71]
        disk = ((y - 30) * PIXEL[0]) ** 2 + ((x - 35) * PIXEL[1]) ** 2 < 20**2
        z[disk] = 12.0
        image = imaged(z, noise=0.0)
        found = correct(image, largest_tip_array(TRUE, PIXEL, 12.0), PIXEL, noise=0.0)
        whole = np.ones(z.shape, bool)
        width = width_at(found, PIXEL, whole, 6.0)
        raw = 2 * math.sqrt((image >= 6).sum() * PIXEL[0] * PIXEL[1] / math.pi)
        assert width.low <= width.value <= width.high
        assert abs(width.value - 40) < abs(raw - 40)
        hole = correct(imaged(-z, noise=0.0), largest_tip_array(TRUE, PIXEL, 12.0), PIXEL, noise=0.0)
        depth = depth_of(hole, disk, 0.0)
        assert depth.low <= depth.value <= depth.high
        assert depth.value == pytest.approx(12.0)
        rms = roughness_of(found)
        assert rms.low <= rms.value <= rms.high

    def test_wear(self):
        top, bottom = imaged(spiky((80, 171))), imaged(spiky((80, 171), 5), SphereCone(radius_nm=14.0))
        radii = [radius for radius, _ in tip_wear(np.vstack([top, bottom]), PIXEL, 2)]
        assert radii[1] > 1.3 * radii[0]
        with pytest.raises(BadParameterError, match="stripes"):
            tip_wear(top, PIXEL, 10)


class TestFreeTip:
    def test_explains_frames_better_than_nothing(self):
        rng = np.random.default_rng(0)
        surfaces = [spiky((30, 34), seed, 12) for seed in range(4)]
        tip = tip_array(Parabola(radius_nm=4.0), (1.0, 1.0), 4.0)
        frames = [dilate(z, tip) + 0.05 * rng.standard_normal(z.shape) for z in surfaces]
        found = fit_free_tip(frames, (9, 9), rounds=60)
        assert found.tip.max() == 0
        assert np.unravel_index(found.tip.argmax(), found.tip.shape) == (4, 4)
        after = np.mean([(erode(f, found.tip) - z) ** 2 for f, z in zip(frames, surfaces, strict=True)])
        before = np.mean([(f - z) ** 2 for f, z in zip(frames, surfaces, strict=True)])
        assert after < 0.8 * before

    def test_one_image_is_cut_and_flat_ones_say_nothing(self):
        assert not fit_free_tip([np.zeros((24, 26))], (5, 5), rounds=3).informative

    def test_refuses_sizes(self):
        with pytest.raises(BadParameterError, match="Odd sides"):
            fit_free_tip([np.zeros((24, 26))], (4, 5))


class TestSteps:
    def test_corrects_and_marks(self):
        z = spiky()
        field = Field(imaged(z), pixel_nm=PIXEL)
        found, marked = tip_correct(field, TipCorrection()), untouched(field, Untouched())
        assert found.facts["verdict"] == "confident"
        assert np.mean((found.heights - z) ** 2) < np.mean((field.heights - z) ** 2)
        assert marked.name == "untouched"
        assert 0.05 < marked.mask.mean() < 0.95

    def test_given_tip_and_holes(self):
        z = spiky()
        image = imaged(z)
        holes = np.zeros(z.shape, bool)
        holes[40:44, 30:60] = True
        image[holes] = -500.0  # a placeholder
        field = Field(image, holes, PIXEL, masks=Masks(artifact={"scar": holes}))
        found = tip_correct(field, TipCorrection(source="given", radius_nm=8.0))
        assert (found.heights[holes] == -500).all()
        assert found.heights[~holes].min() > -20

    @pytest.mark.parametrize(
        ("field", "why"),
        [
            (Field(spiky(), unit="V"), "topography only"),
            (Field(spiky(), calibrated=False), "size of the pixels"),
            (Field(np.zeros((8, 40))), "fewer than"),
            (Field(np.zeros((40, 50))), "peaks stand out"),
        ],
    )
    def test_changes_nothing_and_says_why(self, field, why):
        found, marked = tip_correct(field, TipCorrection()), untouched(field, Untouched())
        assert why in found.facts["skipped"]
        assert np.array_equal(found.heights, field.heights)
        assert not marked.mask.any()

    def test_no_usable_pixel(self):
        mask = np.ones((20, 30), bool)
        field = Field(np.zeros((20, 30)), mask, masks=Masks(artifact={"scar": mask}))
        assert "no pixel" in tip_correct(field, TipCorrection()).facts["skipped"]
