"""Parts of the automatic leveler: evidence, background, terraces, ground."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.leveling import background, line_anchor, line_kernels, line_model
from afmend.leveling.evidence import detrend, judge
from afmend.leveling.features import from_both_ends, ground_of
from afmend.leveling.settling import Sample
from afmend.leveling.terraces import facet_polynomial
from support import assert_heights_close, rough


def path_and_leaks(lines: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    walks = np.cumsum(rng.standard_normal((lines, 6)), axis=0)
    return walks[:, 0], walks[:, 1:]


def test_a_smooth_wave_is_no_line_noise_unless_the_lines_jitter() -> None:
    _, leaks = path_and_leaks()
    wave = 6.0 * np.cos(4 * np.pi * (np.arange(120) + 0.5) / 120)
    assert not judge(wave, 0.3 * leaks, aspect=1e-9, degree=2, shrink=True).correction.any()
    walk = np.cumsum(np.random.default_rng(3).standard_normal(120))
    verdict = judge(walk, 0.02 * leaks, aspect=1e-9, degree=2, shrink=True)
    assert float(np.std(verdict.correction - detrend(walk, 2))) < 0.1 * float(np.std(walk))


def test_no_path_is_no_noise() -> None:
    verdict = judge(np.zeros(40), np.zeros((40, 5)), aspect=1.0, degree=2, shrink=True)
    assert (verdict.noise, verdict.variance, verdict.jumps) == (0.0, 0.0, 0)
    assert not verdict.correction.any()


def test_a_path_no_stronger_than_its_leaks_is_left_alone() -> None:
    path, leaks = path_and_leaks()
    verdict = judge(path, leaks, aspect=1e-9, degree=2, shrink=True)
    assert float(np.std(verdict.correction)) < 0.35 * float(np.std(detrend(path, 2)))


def test_white_line_noise_is_taken_and_the_second_look_finds_nothing() -> None:
    path, leaks = path_and_leaks()
    noise = 10 * np.random.default_rng(1).standard_normal(path.size)
    verdict = judge(path + noise, leaks, aspect=1e-9, degree=2, shrink=True)
    assert float(np.std(verdict.correction - detrend(noise, 2))) < 3.5
    assert verdict.noise == pytest.approx(100, rel=0.4)
    again = judge(path + noise - verdict.correction, leaks, aspect=1e-9, degree=2, shrink=True)
    assert float(np.max(np.abs(again.correction))) < 1e-6


def test_a_single_jump_is_removed_whole() -> None:
    path, leaks = path_and_leaks()
    jump = 40.0 * (np.arange(path.size) >= 50)
    verdict = judge(path + jump, leaks, aspect=1e-9, degree=2, shrink=True)
    assert verdict.jumps == 1
    assert float(np.diff(verdict.correction)[49]) == pytest.approx(40, abs=5)


def test_heights_too_small_to_be_squared_choose_a_constant() -> None:
    z = 1e-310 * rough((40, 57))
    assert background.choose_degree(background.collect(z, np.zeros(z.shape, bool), 2), 2) == 0


def test_the_background_is_found_and_its_tiles_choose_the_degree() -> None:
    shape = (40, 57)
    y, x = np.linspace(-1, 1, 40)[:, None], np.linspace(-1, 1, 57)[None, :]
    z = 2 + 3 * x - y + 0.5 * x * y + 0.01 * rough(shape)
    skip = np.zeros(shape, bool)
    skip[5:20, 30:] = True
    z[skip] = 1e6
    sums = background.collect(z, skip, 3)
    assert background.choose_degree(sums, 3) == 2
    fit = background.solve(sums, 2)
    found = line_kernels.residuals(z, background.per_line(fit, sums.powers, 40), x[0])
    assert float(np.max(np.abs(found[~skip]))) < 0.06


def test_edges_are_the_same_from_either_end() -> None:
    for count in (1, 2, 3, 10, 57):
        edges = background.mirror_edges(count, 7)
        assert edges[0] == 0
        assert (count - edges[::-1] == edges).all()
        assert (np.diff(edges) > 0).all()


def test_facets_need_enough_pixels_and_some_relief() -> None:
    start = np.zeros(6)
    z = rough((30, 40))
    skip = np.zeros(z.shape, bool)
    assert facet_polynomial(z[:5], skip[:5], 2, start)[1] == -np.inf
    skip[:, 10:] = True
    assert facet_polynomial(z, skip, 2, start)[1] == -np.inf
    flat = np.zeros(z.shape)
    assert facet_polynomial(flat, np.zeros(z.shape, bool), 2, start)[1] == -np.inf


def test_ground_of_equal_heights_with_outliers() -> None:
    ground = ground_of(np.array([1.0] * 90 + [5.0] * 10), 3.0)
    assert ground.level == 1.0
    assert ground.sigma < 1.0


def test_ground_of_quantized_heights_is_the_same_upside_down() -> None:
    reach = 2.0 / 1.4826
    for seed in range(40):
        rng = np.random.default_rng(seed)
        heights = np.round(1.5 * rng.standard_normal(301) + 0.4 * rng.exponential(1.0, 301))
        up, down = ground_of(heights, reach), ground_of(-heights, reach)
        assert (up.level, up.sigma) == (-down.level, down.sigma)


def test_ground_of_a_large_image_is_thinned_the_same_from_every_side() -> None:
    z = np.random.default_rng(0).standard_normal((401, 502))
    skip = np.zeros(z.shape, bool)
    a, b = (ground_of(Sample.of(seen, skip).heights.ravel(), 3.0) for seen in (z, np.ascontiguousarray(z[::-1, ::-1])))
    assert (a.level, a.sigma) == (b.level, b.sigma)
    assert a.sigma == pytest.approx(1.0, abs=0.04)
    assert (from_both_ends(10, 3) == [0, 3, 6, 9]).all()


def test_differences_survive_a_step_that_most_pixels_take() -> None:
    rng = np.random.default_rng(0)
    z = 0.1 * rng.standard_normal((30, 200))
    z[15, 70:] += 10.0
    z[16:] += 10.0
    tests = line_model.test_functions(np.linspace(-1, 1, 200))
    path = line_model.follow(z, np.zeros(z.shape, bool), np.arange(30), tests, with_slope=False)
    assert float(np.max(np.abs(np.diff(path.offset)))) < 0.2


def test_the_anchor_stops_the_walk_and_is_dropped_where_it_misleads() -> None:
    rng = np.random.default_rng(0)
    shape = (200, 90)
    z = 0.3 * rng.standard_normal(shape)
    skip = np.zeros(shape, bool)
    tests = line_model.test_functions(np.linspace(-1, 1, 90))
    path = line_model.follow(z, skip, np.arange(200), tests, with_slope=False)
    left = line_kernels.residuals(z, path.coefficients(200, tests), np.linspace(-1, 1, 90))

    def anchored_to(heights: np.ndarray) -> line_anchor.Anchored:
        return line_anchor.anchor(path, line_anchor.means_of_ground(heights, skip, none, np.inf, tests)[1])

    none = np.zeros((200, 1))
    anchored = anchored_to(left)
    assert float(np.std(anchored.offset)) < float(np.std(path.offset))
    misled = anchored_to(left + 5.0 * np.sin(np.arange(200) / 9)[:, None])
    assert_heights_close(misled.offset[None], path.offset[None], atol_nm=0.0)


def test_interpolated_lines() -> None:
    out = line_model.spread(np.array([1, 3]), np.array([2.0, 4.0]), 5)
    assert_heights_close(out[None], np.array([[2.0, 2.0, 3.0, 4.0, 4.0]]), atol_nm=0.0)
