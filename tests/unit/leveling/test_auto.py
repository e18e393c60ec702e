"""The automatic leveler: what it removes, what it leaves alone, and the laws it keeps."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.catalogue import find_step
from afmend.errors import StepError
from afmend.leveling.auto import Auto, four_digits, level_auto
from afmend.pipeline import Field
from afmend.pipeline.run import run_step
from support import assert_heights_close, rough, scan_of

SHAPE = (60, 84)
NOISE_NM = 0.05


def axes(shape: tuple[int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    return np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])[None, :]


def background(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    y, x = axes(shape)
    return 100 + 4 * x - 3 * y + 1.5 * x**2 + 0.7 * x * y - y**2


def particles(shape: tuple[int, int] = SHAPE, sign: float = 1.0, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    z = np.zeros(shape)
    for _ in range(9):
        d2 = (y - rng.uniform(0, shape[0])) ** 2 + (x - rng.uniform(0, shape[1])) ** 2
        z = np.maximum(z, np.sqrt(np.maximum(25 - d2, 0)))
    return sign * z


def noise(shape: tuple[int, int] = SHAPE, seed: int = 1) -> np.ndarray:
    return NOISE_NM * np.random.default_rng(seed).standard_normal(shape)


def line_noise(rows: int = SHAPE[0], seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(rows) + 3 * (np.arange(rows) > rows // 3))[:, None]


def gauge_rms(difference: np.ndarray, use: np.ndarray | None = None) -> float:
    y, x = axes(difference.shape)
    basis = np.stack([np.broadcast_to(x**a * y**b, difference.shape) for a in range(3) for b in range(3 - a)], -1)
    use = np.ones(difference.shape, bool) if use is None else use
    fit = np.linalg.lstsq(basis[use], difference[use], rcond=None)[0]
    return float(np.sqrt(np.mean((difference[use] - basis[use] @ fit) ** 2)))


def leveled(z: np.ndarray, excluded: np.ndarray | None = None, **knobs: object) -> np.ndarray:
    return level_auto(Field(z, excluded), Auto(**knobs)).heights


def hard_scan(seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Particles, background, line noise and a masked scar."""
    z = particles(seed=seed) + background() + line_noise(seed=seed) + noise(seed=seed)
    excluded = np.zeros(SHAPE, bool)
    excluded[20:22, 10:70] = True
    z[excluded] += 7.0
    return z, excluded


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_particles_and_pits_on_noisy_lines_come_back(sign: float) -> None:
    truth = particles(sign=sign)
    out = level_auto(Field(truth + background() + line_noise() + noise()), Auto())
    assert gauge_rms(out.heights - truth) < 1.3 * NOISE_NM
    # The ground is zero, the features are found on either side.
    assert_heights_close(out.heights[truth == 0], np.zeros(np.count_nonzero(truth == 0)), atol_nm=0.3)
    assert out.foreground is not None
    assert (out.foreground == (np.abs(truth) > 0.5))[np.abs(np.abs(truth) - 0.3) > 0.3].all()
    assert out.facts["line_model"] == "offset"
    assert len(out.facts["line_sigma_nm"]) == SHAPE[0]


def test_it_beats_the_row_median_beside_particles() -> None:
    truth = particles()
    z = truth + background() + line_noise() + noise()
    assert gauge_rms(leveled(z) - truth) < 0.3 * gauge_rms(z - np.median(z, axis=1, keepdims=True) - truth)


@pytest.mark.parametrize("truth", [particles(), rough(SHAPE, smooth_px=3), 5.0 * (np.mgrid[:60, :84][1] % 20 < 9)])
def test_a_clean_scan_keeps_its_lines(truth: np.ndarray) -> None:
    z = truth + background() + noise()
    assert gauge_rms(leveled(z) - truth) < 1.2 * gauge_rms(z - truth) + 0.02


def test_without_shrinking_the_whole_path_is_removed() -> None:
    truth = rough(SHAPE, smooth_px=6)
    z = truth + noise()
    assert gauge_rms(leveled(z, shrink=False) - truth) > 2 * gauge_rms(leveled(z) - truth)


def test_no_line_model_leaves_every_line_alone() -> None:
    z = particles() + line_noise()
    out = level_auto(Field(z), Auto(line_model="none", max_degree=0))
    assert_heights_close(out.heights - out.heights[0, 0], z - z[0, 0], atol_nm=1e-12)
    assert out.facts["line_model"] == "none"
    assert out.facts["line_sigma_max_nm"] == 0.0


@pytest.mark.parametrize("model", ["auto", "offset_slope"])
def test_slopes_of_lines_are_removed_where_they_exist(model: str) -> None:
    truth = particles()
    slopes = np.random.default_rng(8).standard_normal((SHAPE[0], 1)) * axes()[1]
    z = truth + background() + line_noise() + slopes + noise()
    out = level_auto(Field(z), Auto(line_model=model))
    assert out.facts["line_model"] == "offset_slope"
    assert gauge_rms(out.heights - truth) < 2 * NOISE_NM
    assert gauge_rms(leveled(z, line_model="offset") - truth) > 0.3


def test_suspected_slopes_that_do_not_narrow_the_differences_are_not_taken() -> None:
    truth = rough(SHAPE, smooth_px=2, sq_nm=5)
    slopes = 0.15 * np.random.default_rng(8).standard_normal((SHAPE[0], 1)) * axes()[1]
    out = level_auto(Field(truth + slopes + line_noise()), Auto())
    assert out.facts["line_model"] == "offset"


def test_a_grating_a_little_off_the_fast_axis_is_not_flipped() -> None:
    y, x = np.mgrid[:150, :120]
    truth = 8.0 * (((y + 0.012 * x) / 15 % 1) < 0.5)
    z = truth + noise(truth.shape)
    differences = np.concatenate([[0.0], np.cumsum(np.median(np.diff(z, axis=0), axis=1))])
    assert gauge_rms(z - differences[:, None] - truth) > 3.0
    assert gauge_rms(leveled(z) - truth) < 0.3


def test_edges_that_widen_the_differences_and_recur_are_no_line_jumps() -> None:
    y, x = np.mgrid[:160, :120].astype(float)
    truth = 4.0 * np.tanh(6 * np.sin(2 * np.pi * (y + 0.012 * x) / 20))
    z = truth + noise(truth.shape)
    assert gauge_rms(leveled(z) - truth) < 1.5


def test_a_jump_in_the_middle_of_a_line_is_mended_in_all_lines_after_it() -> None:
    shape = (90, 140)
    truth = 0.3 * rough(shape, smooth_px=2)
    z = truth + noise(shape)
    z[40, 70:] += 25.0
    z[41:] += 25.0
    whole = np.ones(shape, bool)
    whole[40] = False
    assert gauge_rms(leveled(z) - truth, whole) < 2.5 * NOISE_NM


def test_slopes_and_bends_of_lines_are_taken_where_they_are_noise() -> None:
    shape = (120, 140)
    truth = rough(shape, smooth_px=2)
    rng = np.random.default_rng(8)
    x = axes(shape)[1]
    wander = rng.standard_normal((120, 1)) + 0.4 * rng.standard_normal((120, 1)) * x
    wander = wander + 0.4 * rng.standard_normal((120, 1)) * x**2
    out = level_auto(Field(truth + wander + noise(shape)), Auto())
    assert out.facts["line_degree"] >= 2
    only_offsets = gauge_rms(leveled(truth + wander + noise(shape), line_model="offset") - truth)
    assert gauge_rms(out.heights - truth) < 0.8 * only_offsets
    assert level_auto(Field(truth + noise(shape)), Auto()).facts["line_degree"] == 0


def test_terraces_are_laid_flat_not_the_staircase() -> None:
    y, x = np.mgrid[:120, :90].astype(float)
    truth = np.floor((0.8 * y + 0.6 * x) / 31) * 1.2
    z = truth + 0.02 * x + 0.3 * y + noise(truth.shape)
    out = level_auto(Field(z), Auto())
    assert out.facts["background"] == "facets"
    step = out.heights - truth
    assert float(np.std(step)) < 1.3 * NOISE_NM


def test_the_degree_follows_the_background() -> None:
    y, x = axes()
    flat = noise()
    assert level_auto(Field(flat), Auto()).facts["degree"] == 0
    assert level_auto(Field(flat + x - y), Auto()).facts["degree"] == 1
    assert level_auto(Field(flat + x**2), Auto()).facts["degree"] == 2
    assert level_auto(Field(flat + x**3), Auto(max_degree=3)).facts["degree"] == 3


def test_references() -> None:
    z = particles() + 50
    assert float(np.mean(leveled(z, reference="mean"))) == pytest.approx(0.0, abs=1e-9)
    assert float(np.mean(leveled(z, reference="none"))) == pytest.approx(float(np.mean(z)), abs=1e-9)


def test_units_other_than_nm_are_not_called_nm() -> None:
    facts = level_auto(Field(noise(), unit="V"), Auto()).facts
    assert "line_sigma_median" in facts
    assert "line_sigma_median_nm" not in facts


def test_levels_that_cover_much_of_the_scan_are_no_foreground() -> None:
    z = 5.0 * (np.mgrid[:60, :84][1] % 20 < 9) + noise()
    out = level_auto(Field(z), Auto())
    assert out.foreground is not None
    assert not out.foreground.any()


# ------------------------------------------------------------------ laws
def test_masked_pixels_cannot_steer() -> None:
    z, excluded = hard_scan()
    out = level_auto(Field(z, excluded), Auto())
    wild = z.copy()
    wild[excluded] = 1e12 * np.random.default_rng(0).standard_normal(np.count_nonzero(excluded))
    again = level_auto(Field(wild, excluded), Auto())
    assert (out.heights == again.heights)[~excluded].all()
    assert out.foreground is not None
    assert (out.foreground == again.foreground).all()
    assert not out.foreground[excluded].any()
    assert out.facts == again.facts


@pytest.mark.parametrize("seed", range(4))
def test_leveling_twice_is_leveling_once(seed: int) -> None:
    z, excluded = hard_scan(seed)
    once = level_auto(Field(z, excluded), Auto())
    twice = leveled(once.heights, excluded)
    assert_heights_close(twice, once.heights, atol_nm=1e-3 * float(np.std(once.heights)))
    with_features = leveled(once.heights, excluded | once.foreground)
    assert_heights_close(with_features, once.heights, atol_nm=0.02 * float(np.std(once.heights)))


@pytest.mark.parametrize("factor", [-1.0, 3.7, -2e-9, 1e6])
def test_scaled_heights_give_scaled_results(factor: float) -> None:
    z, excluded = hard_scan()
    out = leveled(z, excluded)
    assert_heights_close(leveled(factor * (z + 11), excluded) / factor, out, atol_nm=1e-6 * float(np.ptp(z)))


@pytest.mark.parametrize("turn", [np.s_[::-1], np.s_[:, ::-1], np.s_[::-1, ::-1]])
def test_mirrored_scans_give_mirrored_results(turn: tuple[slice, ...]) -> None:
    z, excluded = hard_scan()
    assert_heights_close(leveled(z[turn], excluded[turn])[turn], leveled(z, excluded), atol_nm=1e-6 * float(np.ptp(z)))


def test_polynomials_added_change_nothing() -> None:
    z, excluded = hard_scan()
    assert_heights_close(leveled(z + 3 * background(), excluded), leveled(z, excluded), atol_nm=2e-3)


def test_input_is_left_alone_and_the_result_is_the_same_every_time() -> None:
    z, excluded = hard_scan()
    before = z.copy()
    assert (leveled(z, excluded) == leveled(z, excluded)).all()
    assert (z == before).all()


def test_the_catalogue_knows_it() -> None:
    done = run_step(scan_of(particles() + line_noise() + noise()), find_step("level.auto"), Auto())
    channel = done.channels[done.find(None)]
    assert channel.masks.foreground["features"].any()
    assert done.history[-1].step == "level.auto"


# ------------------------------------------------------------------ odd scans
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 40), (40, 1), (2, 30), (3, 30), (30, 2), (30, 3), (5, 7), (300, 4)], ids=str
)
@pytest.mark.parametrize("knobs", [{}, {"line_model": "offset_slope", "max_degree": 3}, {"shrink": False}], ids=str)
def test_small_scans_stay_finite(shape: tuple[int, int], knobs: dict[str, object]) -> None:
    z = np.random.default_rng(4).standard_normal(shape) + np.arange(shape[0])[:, None]
    out = leveled(z, **knobs)
    assert out.shape == shape
    assert np.isfinite(out).all()


@pytest.mark.parametrize("value", [0.0, -7.25])
def test_a_constant_scan_becomes_zero(value: float) -> None:
    out = level_auto(Field(np.full(SHAPE, value)), Auto())
    assert_heights_close(out.heights, np.zeros(SHAPE), atol_nm=1e-12)
    assert out.foreground is not None
    assert not out.foreground.any()


def test_a_constant_scan_with_line_offsets_becomes_zero() -> None:
    out = leveled(np.broadcast_to(line_noise(), SHAPE))
    assert_heights_close(out, np.zeros(SHAPE), atol_nm=1e-9)


@pytest.mark.parametrize("seed", [0, 2, 6])
def test_quantized_heights_are_leveled_to_a_fraction_of_the_quantum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (70, 120)
    truth = 0.4 * particles(shape)
    z = np.round(truth + 0.8 * rng.standard_normal((70, 1)) + 0.35 * rng.standard_normal(shape))
    ideal = np.sqrt(0.35**2 + 1 / 12)
    assert gauge_rms(leveled(z) - truth) < 1.15 * ideal


def test_mostly_equal_heights_with_a_few_particles() -> None:
    z = np.round(2 * particles())
    out = level_auto(Field(z), Auto())
    assert_heights_close(out.heights, z, atol_nm=0.01)
    assert out.foreground is not None
    assert (out.foreground == (z > 0)).all()


def test_masked_lines_break_no_chain_and_are_laid_beside_their_neighbors() -> None:
    rng = np.random.default_rng(7)
    truth = particles()
    offsets = np.cumsum(rng.standard_normal(SHAPE[0]))
    z = truth + offsets[:, None] + noise()
    excluded = np.zeros(SHAPE, bool)
    excluded[[0, 25, 26, 59]] = True
    excluded[40, 5:] = True
    z[26, ::2] = np.nan
    z[40, :5] += 3.0
    out = leveled(z, excluded)
    assert gauge_rms(out - truth, ~excluded) < 1.3 * NOISE_NM
    beside = np.isfinite(z) & excluded
    beside[40] = False
    assert abs(float(np.median((out - truth)[beside]) - np.median((out - truth)[~excluded]))) < NOISE_NM
    assert gauge_rms(out - truth, beside | ~excluded) < 3 * NOISE_NM


def test_three_usable_lines_are_enough_and_none_is_refused() -> None:
    z, _ = hard_scan()
    excluded = np.ones(SHAPE, bool)
    excluded[[4, 30, 31]] = False
    assert np.isfinite(leveled(z, excluded)).all()
    with pytest.raises(StepError, match="no usable pixel"):
        leveled(z, np.ones(SHAPE, bool))


def test_lines_that_share_no_pixel() -> None:
    z, _ = hard_scan()
    excluded = np.zeros(SHAPE, bool)
    excluded[:30, :42] = True
    excluded[30:, 42:] = True
    assert np.isfinite(leveled(z, excluded)).all()


def test_one_usable_pixel_off_the_thinned_grid() -> None:
    excluded = np.ones((400, 402), bool)
    excluded[101, 103] = False
    assert float(leveled(np.full(excluded.shape, 3.0), excluded)[101, 103]) == 0.0


def test_error_bars_of_lines_are_honest() -> None:
    truth = rough((128, 150), smooth_px=2)
    inside = []
    for seed in range(6):
        offsets = np.random.default_rng(seed).standard_normal(128)
        out = level_auto(Field(truth + offsets[:, None] + noise(truth.shape, seed)), Auto(max_degree=0))
        error = np.mean(out.heights - truth, axis=1)
        error -= np.polynomial.Polynomial.fit(np.arange(128), error, 2)(np.arange(128))
        inside.append(np.abs(error) < 2 * np.array(out.facts["line_sigma_nm"]))
    assert 0.8 < float(np.mean(inside)) <= 1.0


@pytest.mark.slow
def test_a_large_scan() -> None:
    z = np.tile(particles((128, 160)), (8, 8)) + line_noise(1024) + noise((1024, 1280))
    assert gauge_rms(leveled(z) - np.tile(particles((128, 160)), (8, 8))) < 1.1 * NOISE_NM


def test_lines_without_a_column_in_common_do_not_lose_a_jump():
    """A jump at two half-masked neighbors: the chain leads around the one that its neighbor says nothing about."""
    z = rough((60, 80), 3, sq_nm=0.2, smooth_px=8.0) + np.random.default_rng(0).normal(0, 0.02, (60, 80))
    mask = np.zeros(z.shape, dtype=bool)
    mask[30, :30] = True
    mask[31, 29:] = True
    jump = np.where(np.arange(60) >= 31, 4.0, 0.0)[:, None]
    leveled = level_auto(Field(z + jump, mask), Auto()).heights
    plain = level_auto(Field(z, mask), Auto()).heights
    offsets = np.median((leveled - plain)[:, 40:], axis=1)
    assert np.ptp(offsets[np.arange(60) != 31]) < 0.3


def test_four_digits_are_those_that_are_written():
    values = np.concatenate([10 ** np.random.default_rng(0).uniform(-15, 15, 3000), [0.0, 9.9999, 99996.0, 1e-3, 1e40]])
    assert four_digits(values).tolist() == [float(f"{value:.4g}") for value in values.tolist()]
