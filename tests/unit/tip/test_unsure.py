"""What is done with a tip whose radius is not known: a distribution, and a correction as far as it pays."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest

from afmend.errors import BadScanError, ModelError
from afmend.inference.card import find_card
from afmend.pipeline import Field, run_step
from afmend.scan import Channel, Grid, Masks, Scan
from afmend.tip import unsure
from afmend.tip.bluntness import INPUTS, LEVELS, SMALLEST_PX, bluntness, bluntness_inputs
from afmend.tip.correct import Z95, correct, error_bar, ghost_floor
from afmend.tip.double import First
from afmend.tip.estimate import FLANK_DEG, estimate_tip, steepest
from afmend.tip.features import noise_nm
from afmend.tip.learned import learned_correction, mean_correction
from afmend.tip.morphology import dilate
from afmend.tip.shapes import Parabola, SphereCone, largest_tip_array, tip_array
from afmend.tip.steps import TipCorrection, Untouched, tip_correct, untouched
from afmend.tip.unsure import LEAST_LEFT, LEFT, SHOWN_PX, TRIED, best_weights, correct_unsure, shares, undo_unsure
from support import assert_heights_close

PIXEL = (2.0, 3.0)
SIDE = math.sqrt(6.0)


def tip_of(radius_nm: float, pixel: tuple[float, float] = PIXEL, depth: float = 60.0) -> np.ndarray:
    return largest_tip_array(SphereCone(radius_nm=radius_nm, half_angle_deg=20.0), pixel, depth)


def rough(seed: int = 0, shape: tuple[int, int] = (96, 120)) -> np.ndarray:
    """A rough surface, as rough up as down."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    parts = [weight * gaussian_filter(rng.standard_normal(shape), scale) * scale
             for scale, weight in ((0.8, 1.5), (2.0, 2.0), (6.0, 3.0))]  # fmt: skip
    return np.sum(parts, axis=0) * 4


class TestInputs:
    def test_there_is_a_number_for_every_name(self):
        found = bluntness_inputs(rough(), PIXEL)
        assert found.shape == (len(INPUTS),)
        assert np.isfinite(found).all()

    def test_units_do_not_matter(self):
        z = rough()
        one = bluntness_inputs(z, PIXEL)
        other = bluntness_inputs(7 * z, (14.0, 21.0))
        assert np.abs(one - other).max() < 1e-6

    def test_the_curvature_of_peaks_is_bounded_by_the_tip_and_that_of_valleys_is_not(self):
        image = dilate(0.5 * rough(), tip_array(Parabola(radius_nm=5 * SIDE), PIXEL, 100.0))
        found = dict(zip(INPUTS, bluntness_inputs(image, PIXEL), strict=True))
        assert np.sinh(found["curvature 0.002 over 2"]) / 3 >= -1 / 5 - 1e-9
        assert found["curvature 0.998 over 2"] > -found["curvature 0.002 over 2"]
        upside_down = dict(zip(INPUTS, bluntness_inputs(-image, PIXEL), strict=True))
        assert upside_down["closing 3.3"] == pytest.approx(found["opening 3.3"], abs=1e-9)
        assert found["closing 3.3"] > found["opening 3.3"] + 0.5
        assert upside_down["radius 0.5 of valleys"] == pytest.approx(found["radius 0.5 of peaks"], abs=1e-9)

    def test_bad_pixels_do_not_count(self):
        z = rough()
        usable = np.ones(z.shape, bool)
        usable[20:30, 40:52] = False
        one, other = z.copy(), z.copy()
        one[~usable], other[~usable] = 900.0, -900.0
        assert np.array_equal(bluntness_inputs(one, PIXEL, usable), bluntness_inputs(other, PIXEL, usable))

    def test_a_flat_image_has_no_peaks(self):
        assert np.isfinite(bluntness_inputs(np.zeros((40, 50)), PIXEL)).all()

    @pytest.mark.parametrize(("image", "usable"), [(np.zeros((31, 80)), None), (rough(), np.zeros((96, 120), bool))])
    def test_refuses(self, image, usable):
        with pytest.raises(BadScanError):
            bluntness_inputs(image, PIXEL, usable)


class TestBluntness:
    def test_blunter_tips_look_blunter_and_needles_sharp(self):
        said = [bluntness(dilate(rough(3), tip_of(r * SIDE)), PIXEL).likely_nm / SIDE for r in (0.1, 2.5, 6.0)]
        assert said[0] < 1.0 < said[1] < said[2]

    def test_quantiles_do_not_fall_and_obey_the_bound(self):
        image = dilate(rough(4), tip_of(4 * SIDE))
        found, capped = bluntness(image, PIXEL), bluntness(image, PIXEL, bound_nm=2 * SIDE)
        assert len(found.radii_nm) == len(LEVELS)
        assert list(found.radii_nm) == sorted(found.radii_nm)
        assert max(capped.radii_nm) <= 2 * SIDE
        assert min(found.radii_nm) >= SMALLEST_PX * SIDE * (1 - 1e-9)
        assert found.interval_nm == (found.radii_nm[0], found.radii_nm[-1])
        assert found.facts["quantile_10_nm"] == found.low_nm <= found.likely_nm

    def test_a_model_for_other_inputs_is_refused(self, tmp_path):
        path = find_card("bluntness")
        for file in path.parent.glob("bluntness.*"):
            shutil.copy(file, tmp_path)
        card = json.loads((tmp_path / "bluntness.json").read_text())
        card["inputs_version"] = 99
        (tmp_path / "bluntness.json").write_text(json.dumps(card))
        with pytest.raises(ModelError, match="inputs of version 99"):
            bluntness(rough(), PIXEL, model=str(tmp_path / "bluntness.json"))


class TestCorrection:
    z = rough(5)
    image = dilate(z, tip_of(4 * SIDE))

    def test_tips_around_the_true_one_make_it_better_and_nothing_certain(self):
        tips = [tip_of(r * SIDE) for r in (2.0, 3.0, 4.0, 5.0, 6.0)]
        done, touched = correct_unsure(self.image, tips, PIXEL, noise=0.0)
        inner = (slice(20, -20), slice(20, -20))
        assert (done.heights <= self.image + 1e-9)[inner].all()
        assert (done.heights >= self.z - 1e-9)[inner].all()
        assert not done.certain.any()
        assert np.array_equal(touched, correct(self.image, tips[2], PIXEL, noise=0.0).certain)
        inside = (self.z >= done.lower) & (self.z <= done.upper)
        assert inside[inner].mean() > 0.93
        assert (done.lower <= done.expected).all()
        assert (done.expected <= done.upper).all()
        left, raw = (np.std((z - self.z)[inner]) for z in (done.expected, self.image))
        assert left < 0.72 * raw

    def test_tips_of_one_kind_are_that_tip(self):
        tips = [tip_of(3 * SIDE)] * len(TRIED)
        ghosts = First(self.image - 1.0, self.image, np.zeros(self.image.shape, bool))
        for given in ({}, {"ghosts": ghosts}):
            done, _ = correct_unsure(self.image, tips, PIXEL, **given)
            assert_heights_close(done.expected, correct(self.image, tips[0], PIXEL, **given).expected, atol_nm=1e-9)

    def test_under_ghosts_the_mean_is_taken(self):
        tips = [tip_of(r * SIDE) for r in (0.5, 0.6, 0.7, 0.8, 6.0)]
        ghosts = First(self.image, self.image, np.zeros(self.image.shape, bool))
        done, _ = correct_unsure(self.image, tips, PIXEL, ghosts=ghosts)
        each = [correct(self.image, tip, PIXEL, ghosts=ghosts).expected for tip in tips]
        mean = np.average(each, axis=0, weights=shares())
        assert_heights_close(done.expected, np.clip(mean, done.lower, done.upper), atol_nm=1e-9)
        alone, _ = correct_unsure(self.image, tips, PIXEL)
        assert np.abs(alone.expected - done.expected).max() > 0.1

    def test_a_tip_that_may_be_sharp_leaves_nearly_everything(self):
        blunt = tip_of(6 * SIDE)
        sharp, _ = correct_unsure(self.image, [None, None, None, None, blunt], PIXEL, noise=0.01)
        even, touched = correct_unsure(self.image, [None, blunt, blunt, blunt, blunt], PIXEL, noise=0.01)
        changed = [np.std(done.expected - self.image) for done in (sharp, even)]
        assert changed[0] < 0.02 * changed[1]
        assert_heights_close(sharp.heights, self.image, atol_nm=0.0)
        assert not touched.all()
        for done in (sharp, even):
            assert (done.upper >= self.image).all()
            assert (done.lower <= correct(self.image, blunt, PIXEL, noise=0.01).lower).mean() == float(done is even)

    def test_the_network_is_asked_for_all(self):
        tips = [tip_of(r * SIDE) for r in (2.0, 3.0, 4.0, 5.0, 6.0)]
        done, _ = correct_unsure(self.image, tips, PIXEL, undo=learned_correction)
        both, _ = correct_unsure(self.image, tips, PIXEL, undo=mean_correction)
        plain, _ = correct_unsure(self.image, tips, PIXEL)
        assert np.std(done.expected - self.z) < np.std(self.image - self.z)
        assert np.std(both.expected - self.z) < np.std(self.image - self.z)
        assert np.abs(done.expected - plain.expected).max() > 0.1
        between = np.abs(both.expected - plain.expected)
        assert between.max() > 0.05
        assert between.mean() < np.abs(done.expected - plain.expected).mean()

    def test_under_ghosts_the_lowest_height_around_counts(self):
        bound = np.full((40, 50), 7.0)
        bound[:, :20] = 3.0
        hidden = np.zeros(bound.shape, bool)
        hidden[10:20, 18:26] = True
        floor = ghost_floor(bound, hidden, tip_of(SIDE))
        assert (floor[12:18, 18:23] == 3.0).all()
        assert (floor[hidden] <= 7.0).all()
        assert_heights_close(floor[~hidden], bound[~hidden], atol_nm=0.0)
        everything = ghost_floor(bound, np.ones(bound.shape, bool), tip_of(SIDE))
        assert_heights_close(everything, bound, atol_nm=0.0)


class TestWeights:
    likely = np.array([0.3, 0.3, 0.4])

    def test_shares_are_those_of_the_quantiles(self):
        assert shares().sum() == pytest.approx(1.0, abs=1e-12)
        assert shares() == pytest.approx([0.175, 0.2, 0.25, 0.2375, 0.1375], abs=1e-12)

    def test_no_mean_is_better_by_what_is_expected(self):
        rng = np.random.default_rng(4)
        changes = rng.standard_normal((3, 6, 9)) * np.array([0.1, 1.0, 3.0])[:, None, None]

        def expected(weights: np.ndarray) -> float:
            middle = np.tensordot(weights, changes, axes=1)
            left = np.mean((changes - middle) ** 2, axis=(1, 2))
            sizes = np.mean(changes**2, axis=(1, 2))
            floor = 0.2**2 + LEFT**2 * np.maximum(sizes, LEAST_LEFT**2 * sizes.max())
            return float(self.likely @ np.log(left + floor))

        found = best_weights(changes, self.likely, 0.2)
        assert found.sum() == pytest.approx(1.0, abs=1e-9)
        others = rng.dirichlet((0.5, 0.5, 0.5), size=3000)
        assert expected(found) <= min(expected(one) for one in others) + 1e-4
        assert expected(found) < expected(self.likely) - 0.01

    def test_what_agrees_wins_over_what_is_alone_and_nothing_over_nothing(self):
        changes = np.zeros((3, 6, 9))
        changes[:2], changes[2] = 1.0, 9.0
        assert best_weights(changes, self.likely, 0.0)[2] < 0.1
        assert best_weights(np.zeros((3, 6, 9)), self.likely, 0.0) == pytest.approx(self.likely, abs=1e-9)


def ridges(pixel: tuple[float, float] = PIXEL) -> tuple[np.ndarray, np.ndarray]:
    """Domes of one size, and what a blunt tip makes of them: no estimate is confident."""
    y, x = np.mgrid[:96, :120].astype(float)
    z = np.zeros(y.shape)
    rng = np.random.default_rng(2)
    for _ in range(40):
        square = ((y - rng.uniform(0, 96)) * pixel[0]) ** 2 + ((x - rng.uniform(0, 120)) * pixel[1]) ** 2
        z = np.maximum(z, np.sqrt(np.maximum(10.0**2 - square, 0)))
    tip = largest_tip_array(SphereCone(radius_nm=12.0, half_angle_deg=20.0), pixel, 10.0)
    return z, dilate(z, tip) + 0.02 * rng.standard_normal(z.shape)


class TestSteps:
    def test_what_is_not_known_is_undone_as_far_as_it_pays(self):
        z, image = ridges()
        assert estimate_tip([image], PIXEL).shape is None
        field = Field(image, pixel_nm=PIXEL)
        done = tip_correct(field, TipCorrection(double_tip=False))
        assert done.facts["unsure"]
        assert done.facts["verdict"] == "bound"
        assert done.facts["likely_nm"] > SHOWN_PX * SIDE
        assert done.facts["certain_share"] == 0.0
        assert np.std(done.heights - z) < np.std(image - z)
        marked = untouched(field, Untouched(double_tip=False))
        assert 0 < marked.mask.mean() < 1

    def test_it_can_be_left_alone(self):
        _, image = ridges()
        field = Field(image, pixel_nm=PIXEL)
        done = tip_correct(field, TipCorrection(double_tip=False, unsure="leave"))
        assert "skipped" in done.facts
        assert_heights_close(done.heights, image, atol_nm=0.0)
        assert not untouched(field, Untouched(double_tip=False, unsure="leave")).mask.any()

    def test_a_sharp_tip_and_a_small_image_are_left_alone(self):
        image = rough(7)
        estimate = estimate_tip([image], PIXEL)
        assert undo_unsure(image, PIXEL, estimate) is None
        assert undo_unsure(image[:31], PIXEL, estimate_tip([image[:31]], PIXEL)) is None
        flat = np.zeros((40, 50))
        assert undo_unsure(flat, PIXEL, estimate_tip([flat], PIXEL)) is None

    def test_the_network_is_named_and_so_is_what_was_returned(self):
        _, image = ridges()
        done = {}
        for way, more in (("mean", {}), ("learned", {"untouched": "learned"}), ("expected", {"untouched": "expected"})):
            done[way] = tip_correct(Field(image, pixel_nm=PIXEL), TipCorrection(double_tip=False, **more))
            assert done[way].facts["untouched"] == way
            assert done[way].facts.get("model") == (None if way == "expected" else "tip")
        for way in ("mean", "learned"):
            with pytest.raises(ModelError, match="no-such"):
                tip_correct(
                    Field(image, pixel_nm=PIXEL), TipCorrection(double_tip=False, untouched=way, model="no-such")
                )
        heights = [done[way].heights for way in ("mean", "learned", "expected")]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert np.abs(heights[one] - heights[other]).max() > 0.01


class TestFlank:
    def test_walls_bound_it(self):
        y = np.arange(80.0)[:, None] * PIXEL[0]
        z = np.broadcast_to(np.abs((y % 40) - 20) * 5.0, (80, 90)).copy()  # 11.3 degrees from upright
        assert steepest(z, PIXEL) == pytest.approx(5.0, abs=1e-9)
        assert estimate_tip([z], PIXEL).half_angle_deg == pytest.approx(math.degrees(math.atan(0.2)), abs=1e-6)
        assert estimate_tip([z / 20], PIXEL).half_angle_deg == FLANK_DEG

    def test_spikes_and_bad_pixels_do_not(self):
        z = np.zeros((40, 50))
        z[10, 10] = 500.0
        assert steepest(z, PIXEL) == 0.0
        z[:, 20:26] = 500.0
        usable = np.ones(z.shape, bool)
        usable[:, 20:26] = False
        assert steepest(z, PIXEL) > 1.0
        assert steepest(z, PIXEL, usable) == 0.0


def test_what_would_be_lost_in_the_noise_is_not_changed(monkeypatch):
    _, image = ridges()
    estimate = estimate_tip([image], PIXEL)
    undone = undo_unsure(image, PIXEL, estimate)
    assert undone is not None
    share = np.quantile(np.abs(undone.correction.expected - image), 0.999) / noise_nm(image)
    monkeypatch.setattr(unsure, "WORTH", 1.01 * share)
    assert undo_unsure(image, PIXEL, estimate) is None
    monkeypatch.setattr(unsure, "WORTH", 0.99 * share)
    assert undo_unsure(image, PIXEL, estimate) is not None


class TestErrorBars:
    """What tip.correct guessed carries an error bar to the channel; what the tip touched has none."""

    def test_where_certain_it_is_sigma_and_elsewhere_it_reaches_the_farther_limit(self):
        z = rough(5)
        done = correct(dilate(z, tip_of(4 * SIDE)), tip_of(4 * SIDE), PIXEL, noise=0.05)
        bars = error_bar(done, done.expected)
        assert_heights_close(bars[done.certain], done.sigma[done.certain], atol_nm=1e-9)
        inside = (done.expected - Z95 * bars <= done.lower + 1e-9) & (done.expected + Z95 * bars >= done.upper - 1e-9)
        assert inside[~done.certain].all()
        assert (bars[~done.certain] > done.sigma[~done.certain]).mean() > 0.9

    @pytest.mark.parametrize("given", [{"source": "given", "radius_nm": 12.0}, {}])
    def test_they_reach_the_channel_and_hold(self, given):
        z, image = ridges()
        holes = np.zeros(image.shape, bool)
        holes[30:34, 40:60] = True
        channel = Channel("height", "trace", image, "nm", masks=Masks(artifact={"scar": holes}))
        scan = Scan.of(Grid(*image.shape, *PIXEL), [channel])
        params = TipCorrection(double_tip=False, **given)
        done = run_step(scan, tip_correct.step, params).main
        assert done.uncertainty is not None
        touched = ~untouched(Field(image, holes, PIXEL, masks=channel.masks), Untouched(double_tip=False, **given)).mask
        assert np.array_equal(done.invented, ~touched & ~holes)
        assert 0.05 < done.invented.mean() < 0.99
        there = done.invented
        assert (np.abs(done.values - z) <= Z95 * done.uncertainty)[there].mean() > 0.9

    def test_they_join_those_that_are_there_in_squares(self):
        _, image = ridges()
        old = np.zeros(image.shape)
        old[:20], old[20:30] = 3.0, np.inf
        bare = Channel("height", "trace", image, "nm")
        params = TipCorrection(double_tip=False, source="given", radius_nm=12.0)
        grid = Grid(*image.shape, *PIXEL)
        alone, both = (
            run_step(Scan.of(grid, [channel]), tip_correct.step, params).main.uncertainty
            for channel in (bare, bare.evolve(uncertainty=old))
        )
        assert_heights_close(both[:20], np.hypot(alone[:20], 3.0), atol_nm=1e-9)
        assert np.isinf(both[20:30]).all()
        assert_heights_close(both[30:], alone[30:], atol_nm=0.0)

    def test_none_where_nothing_was_corrected(self):
        _, image = ridges()
        scan = Scan.of(Grid(*image.shape, *PIXEL), [Channel("height", "trace", image, "nm")])
        done = run_step(scan, tip_correct.step, TipCorrection(double_tip=False, unsure="leave")).main
        assert done.uncertainty is None
