"""Compiled loops of the automatic leveler against plain numpy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import xlogy

from afmend.leveling import background, line_anchor, line_kernels, line_model, settling
from afmend.leveling.evidence_kernels import fit_spectrum, line_noise
from afmend.leveling.features import ground_of, median, quantum
from afmend.leveling.finish_kernels import far_from, median_near
from afmend.leveling.finishing import finish
from afmend.leveling.ground_kernels import block_parts, block_steps, block_sums, line_counts, near_ground, thin
from afmend.leveling.line_scales import pair_scales, scales_of, sorted_differences
from afmend.leveling.settling import Sample
from afmend.leveling.solve_kernels import solve_all
from afmend.leveling.spread_kernels import entropy_of_ordered, steps_along
from afmend.leveling.terrace_kernels import over, slopes
from support import assert_heights_close, rough

SHAPE = (23, 37)


def masked(share: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Heights that are NaN where they must not be looked at."""
    z, skip = rough(SHAPE), np.random.default_rng(1).random(SHAPE) < share
    skip[4] = True
    z[skip] = np.nan
    return z, skip


def close(found: np.ndarray, expected: np.ndarray, atol: float = 1e-12) -> None:
    assert_heights_close(np.asarray(found, float), np.asarray(expected, float), atol_nm=atol)


def test_ground_in_turns_is_that_of_numpy() -> None:
    values = np.concatenate([np.random.default_rng(0).standard_normal(400), np.linspace(8, 20, 60)])
    kept = values
    for _ in range(5):
        level = np.median(kept)
        sigma = 1.4826 * np.median(np.abs(kept - level))
        kept = values[np.abs(values - level) <= 3.0 * sigma]
    found = ground_of(values, 3.0)
    assert found.level == pytest.approx(level, abs=1e-12)
    assert found.sigma == pytest.approx(sigma, abs=1e-12)


def test_settling_is_a_polynomial_fitted_to_the_ground_in_turns() -> None:
    z, skip = masked()
    y, x = np.linspace(-1, 1, 23)[:, None], np.linspace(-1, 1, 37)
    z = 0.05 * z + 3 + x - 2 * y + 0.5 * x * y
    z[8:12, 5:15] += 9.0
    lines = np.random.default_rng(2).standard_normal((23, 2))
    raw = z + lines[:, :1] + lines[:, 1:] * x
    terms, used = np.stack([x**a * y**b + 0 * y for a, b in background.monomials(2)], axis=-1), ~skip
    coefs = np.linalg.lstsq(terms[used], z[used], rcond=None)[0]
    for _ in range(4):
        rest = z - terms @ coefs
        ground = ground_of(rest[used], 3.0)
        near = used & (np.abs(rest - ground.level) <= 3.0 * ground.sigma)
        move = np.linalg.lstsq(terms[near], rest[near], rcond=None)[0]
        coefs += move
        if np.max(np.abs(move)) <= 0.01 * ground.sigma:
            break
    rest = z - terms @ coefs
    ground = ground_of(rest[used], 3.0)
    settled = settling.settle(Sample.of(raw, skip), lines, 3.0)
    assert settled.sigma == pytest.approx(ground.sigma, abs=1e-10)
    close(settled.heights, np.sort(rest[used]) - ground.level, 1e-10)
    left = line_kernels.residuals(raw, settled.coefs, background.centered(37))
    close(left[used], rest[used] - ground.level, 1e-10)
    near = used & (np.abs(left) <= 3.0 * settled.sigma)
    assert (settling.ground_of(raw, skip, settled, 3.0) == near).all()


def test_polynomial_of_a_sample_is_that_of_least_squares() -> None:
    z, skip = masked()
    y, x = np.linspace(-1, 1, 23)[:, None], np.linspace(-1, 1, 37)
    terms = np.stack([x**a * y**b + 0 * y for a, b in background.monomials(2)], axis=-1)[~skip]
    expected = np.linalg.lstsq(terms, z[~skip], rcond=None)[0]
    sample = Sample.of(z, skip)
    close(sample.polynomial(sample.heights), expected)
    per_line = settling.per_line(expected, 23)
    close(
        per_line @ np.stack([x**0, x, x**2]),
        sum(c * x**a * y**b for c, (a, b) in zip(expected, background.monomials(2), strict=True)),
    )


def test_a_sample_of_masked_lines_is_the_whole_image() -> None:
    z = rough((300, 400))
    skip = np.ones(z.shape, dtype=bool)
    skip[1::2] = False
    few = Sample.of(z, skip)
    assert few.heights.shape == (150, 200)
    assert few.skip.sum() == 75 * 200
    skip[:] = True
    skip[1, 3] = False
    whole = Sample.of(z, skip)
    assert whole.heights.shape == z.shape
    assert (whole.heights[~whole.skip] == z[1, 3]).all()


def test_thinned_heights_and_counts_are_those_of_numpy() -> None:
    z, skip = masked()
    few, gone = thin(z, skip, np.array([0, 3, 22]), np.array([1, 36]))
    assert (gone == skip[[0, 3, 22]][:, [1, 36]]).all()
    close(few[~gone], z[[0, 3, 22]][:, [1, 36]][~gone])
    own, shared = line_counts(skip)
    assert (own == (~skip).sum(axis=1)).all()
    assert (shared == (~skip[1:] & ~skip[:-1]).sum(axis=1)).all()
    assert line_counts(skip[:1])[1].size == 0


def test_means_of_the_ground_are_those_of_numpy() -> None:
    z, skip = masked()
    x = background.centered(37)
    coefs = np.random.default_rng(3).standard_normal((23, 3))
    tests = line_model.test_functions(x)
    ground, means = line_anchor.means_of_ground(z, skip, coefs, 1.5, tests)
    left = z - coefs @ np.stack([x**0, x, x**2])
    assert (ground == (~skip & (np.abs(left) <= 1.5))).all()
    assert (near_ground(z, skip, coefs, x, 1.5) == ground).all()
    for i in range(23):
        inside = left[i][ground[i]]
        assert means.number[i] == inside.size
        mean = inside.mean() if inside.size else 0.0
        assert means.mean[i] == pytest.approx(mean, abs=1e-12)
        sums = tests[1:6][:, ground[i]] @ (inside - mean) / max(inside.size, 1)
        close(means.modulated[i], sums)


def test_heights_are_leveled_in_place_as_elsewhere() -> None:
    z, _ = masked()
    coefs, x = np.random.default_rng(3).standard_normal((23, 4)), background.centered(37)
    expected = line_kernels.residuals(z, coefs, x)
    line_kernels.take_off(z, coefs, x)
    assert z.tobytes() == expected.tobytes()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.95])
def test_spreads_of_pairs_are_those_of_numpy(share: float) -> None:
    z, skip = masked(share)
    z = np.round(z, 1)
    lines = np.array([0, 1, 3, 4, 9, 10, 11, 22])
    ordered, count = sorted_differences(z, skip, lines[:-1], lines[1:])
    found = pair_scales(z, skip, lines)
    for i, (one, other) in enumerate(pairwise(lines)):
        steps = np.sort((z[other] - z[one])[~skip[one] & ~skip[other]])
        n = steps.size
        assert count[i] == n
        close(ordered[i, :n], steps)
        assert np.isinf(ordered[i, n:]).all()
        if n == 0:
            assert [float(values[i]) for values in found] == [0.0, 0.0, 0.0]
            continue
        away = np.sort(np.abs(steps - np.median(steps)))
        close(found[0][i], np.median(steps))
        close(found[1][i], max(1.4826 * np.median(away), 0.4 * away[min(3 * n // 4, n - 1)]))
        reach = n // 4
        close(found[2][i], np.min(steps[reach:] - steps[: n - reach]) / 0.637 if reach >= 2 else 0.0)


def test_scales_of_wide_lines_are_those_of_some_columns() -> None:
    z = rough((20, 300))
    skip = np.zeros(z.shape, dtype=bool)
    some = np.minimum(np.arange(300), np.arange(300)[::-1]) % 2 == 0
    wide, narrow = scales_of(z, skip, np.arange(20)), pair_scales(z[:, some], skip[:, some], np.arange(20))
    close(wide[0], narrow[0])
    close(wide[1], narrow[1])


def test_entropy_is_that_of_numpy() -> None:
    values = np.sort(np.random.default_rng(0).standard_normal(501))
    expected = 0.0
    for shift in (0.25, -0.25):
        bins = np.floor((values - np.median(values)) / 0.2 + shift)
        p = np.unique(bins, return_counts=True)[1] / values.size
        expected -= 0.5 * float(np.sum(xlogy(p, p)))
    assert entropy_of_ordered(values, 0.2) == pytest.approx(expected, abs=1e-12)
    assert entropy_of_ordered(np.zeros(1), 1.0) == 0.0
    # Bins as narrow as rounding, whose numbers no integer holds: every height has its own.
    assert entropy_of_ordered(values, 1e-60) == pytest.approx(np.log(501), abs=1e-12)


def test_steps_along_lines_are_those_of_numpy() -> None:
    z, skip = masked()
    lines = np.array([0, 4, 20])
    steps = np.diff(z[lines], axis=1)[~(skip[lines, 1:] | skip[lines, :-1])]
    close(steps_along(z, skip, lines), steps)
    assert quantum(z, np.ones(SHAPE, dtype=bool)) == 0.0
    assert quantum(np.round(rough((60, 70)), 1), np.zeros((60, 70), dtype=bool)) == pytest.approx(0.1, abs=1e-9)
    assert quantum(np.zeros((60, 70)), np.zeros((60, 70), dtype=bool)) == 0.0


def test_blocks_and_their_steps_are_those_of_numpy() -> None:
    z, skip = masked(0.45)
    x, edges = background.centered(37), np.array([0, 9, 22, 37])
    mean, powers, both = block_parts(block_sums(z, skip, x, edges), edges)
    coefs = np.random.default_rng(3).standard_normal((23, 3))
    left = np.full((23, 3), np.nan)
    for b in range(3):
        part = slice(edges[b], edges[b + 1])
        for i in range(23):
            usable = ~skip[i, part]
            if usable.sum() >= 0.5 * usable.size:
                left[i, b] = np.mean((z[i] - np.polyval(coefs[i, ::-1], x))[part][usable])
                close(powers[i, b], [np.mean(x[part][usable] ** k) for k in range(4)])
    known = ~np.isnan(left)
    assert 0 < known.sum() < known.size
    assert (both == (known[1:] & known[:-1])).all()
    assert not mean[~known].any()
    close(block_steps(mean, powers, both, coefs), np.where(both, np.diff(left, axis=0), 0.0))


@pytest.mark.parametrize("laws", [(False, False), (True, False), (False, True), (True, True)])
def test_spectra_are_fitted_to_the_greatest_posterior_density(laws: tuple[bool, bool]) -> None:
    order = np.arange(1.0, 301.0)
    leak, walk = 1e-3 + np.exp(-order / 20), order**-2
    power = (0.7 * leak + 0.02 * laws[0] + 3.0 * laws[1] * walk) * np.random.default_rng(0).chisquare(1, 300)

    def density(kappa: float, level: float, step: float) -> float:
        mean = kappa * leak + level + step * walk
        law = np.log(mean) + 6.0 * np.log1p(power / 0.7333 / (5.0 * mean))
        return float(-0.5 * np.sum(law) - 0.5 * (np.log(kappa) / 0.5) ** 2)

    score, found = fit_spectrum(power, leak, walk, *laws)
    assert score == pytest.approx(density(*found), abs=1e-9)
    assert [value > 0 for value in found] == [True, *laws]
    for k in range(3):
        for factor in (0.9, 1.1):
            other = found.copy()
            other[k] *= factor
            assert density(*other) <= score + 0.02


def test_line_noise_is_told_from_leaks() -> None:
    rng = np.random.default_rng(0)
    expected = 1e-4 * np.ones(201)
    seen = rng.standard_normal(201)
    kept = seen.copy()
    found, variance, noise = line_noise(kept, expected, 2, 1)
    assert found
    assert kept[0] == 0.0
    close(kept[1:], seen[1:], 0.01)
    assert noise == pytest.approx(200.0, rel=0.2)
    assert 0 < variance < 200 * 1.5e-4
    assert not line_noise(np.sqrt(1e-4) * seen, expected, 2, 3)[0]
    assert line_noise(np.zeros(201), expected, 2, 3) == (False, 0.0, 0.0)


def test_slopes_of_blocks_are_those_of_numpy() -> None:
    mean, skip = masked()
    alive, terms = ~skip, np.random.default_rng(5).standard_normal((2, *SHAPE))
    for axis in (0, 1):
        there = alive[1:] & alive[:-1] if axis == 0 else alive[:, 1:] & alive[:, :-1]
        found, design = slopes(mean, alive, axis, terms)
        close(found, np.diff(mean, axis=axis)[there])
        close(design, np.diff(terms, axis=axis + 1)[:, there])
    close(over(mean, alive, terms, np.array([1.0, 2.0, -3.0])), (mean - 1 - 2 * terms[0] + 3 * terms[1])[alive])
    close(over(mean, alive, terms, np.array([1.0])), mean[alive] - 1)


def test_counts_near_the_ground_are_those_of_numpy() -> None:
    z, skip = masked()
    far = np.empty(SHAPE, dtype=bool)
    far_from(z, skip, 0.2, 1.0, far)
    assert (far == (~skip & (np.abs(z - 0.2) > 1.0))).all()
    used = z[~skip & ~far]
    count, below, near = median_near(z, skip, far, -0.1, 0.3)
    assert (count, below) == (used.size, (used < -0.1).sum())
    close(near, used[(used >= -0.1) & (used <= 0.3)])


@pytest.mark.parametrize("surface", ["flat", "terraces", "skewed"])
@pytest.mark.parametrize("reference", ["background", "mean", "none"])
def test_the_last_pass_marks_features_and_moves_the_zero(surface: str, reference: str) -> None:
    rng = np.random.default_rng(0)
    z = 0.1 * rng.standard_normal(SHAPE) + 7.0
    if surface == "flat":
        z[3:6, 4:9] += 5.0
    if surface == "terraces":
        z[:, 20:] += 5.0
    if surface == "skewed":  # the ground's median is far from that of the whole
        z += 0.14 * rng.exponential(1.0, SHAPE)
    skip = rng.random(SHAPE) < 0.1
    coefs = rng.standard_normal((23, 3))
    raw = z + coefs @ np.stack([background.centered(37) ** k for k in range(3)])
    features = finish(raw, skip, coefs, 3.0, reference)
    ground = ground_of(z[~skip], 3.0)
    expected = ~skip & (np.abs(z - ground.level) > 3.0 * ground.sigma)
    if surface == "terraces":
        expected[:] = False
    assert (features == expected).all()
    zero = {"background": median(z[~skip & ~expected]), "mean": z[~skip].mean(), "none": 0.0}[reference]
    close(raw, z - zero)


@pytest.mark.parametrize("size", [1, 3, 6])
def test_normal_equations_are_solved_as_far_as_the_data_fix_them(size: int) -> None:
    rng = np.random.default_rng(size)
    design = rng.standard_normal((4, 20, size)) * 10.0 ** rng.uniform(-3, 3, size)
    design[1, :, -1] = design[1, :, 0]  # two columns say the same
    design[2, 3:] = 0.0  # too few equations for six
    design[3] = 0.0
    heights = np.einsum("nik,k->ni", design, rng.standard_normal(size))
    normal, right = np.einsum("nij,nik->njk", design, design), np.einsum("nij,ni->nj", design, heights)
    found = solve_all(normal, right)
    close(np.einsum("nij,nj->ni", design, found) / np.abs(heights).max(), heights / np.abs(heights).max(), 1e-9)
    close(found[3], np.zeros(size))
    if size > 1:  # columns of one length share what they cannot tell apart
        assert found[1, -1] == pytest.approx(found[1, 0], rel=1e-6)


@pytest.mark.parametrize("with_slope", [False, True])
def test_differences_are_located_where_redescending_weights_leave_no_pull(with_slope: bool) -> None:
    rng = np.random.default_rng(0)
    z, skip = rng.standard_normal(SHAPE), rng.random(SHAPE) < 0.2
    z[5:, 3:9] += 12.0
    skip[11], skip[3] = True, False
    z[skip] = np.nan
    tests = line_model.test_functions(background.centered(37))
    lines = np.arange(23)
    guess, scale = np.zeros(22), np.ones(22)
    offset, slope, leak = line_kernels.pair_fit(z, skip, lines, guess, scale, 1.0, tests, with_slope)
    for i in range(22):
        known = ~(skip[i] | skip[i + 1])
        if not known.any():
            assert offset[i] == slope[i] == 0.0
            assert not leak[i].any()
            continue
        rest = (z[i + 1] - z[i] - offset[i] - slope[i] * tests[0])[known]
        t2 = (rest / 2.0) ** 2
        weight, curvature = (1 + t2) ** -2, np.sum((1 + t2) ** -3 * (1 - 3 * t2))
        assert np.sum(weight * rest) == pytest.approx(0.0, abs=1e-7)
        if with_slope:
            assert np.sum(weight * rest * tests[0, known]) == pytest.approx(0.0, abs=1e-7)
        bottom = max(curvature, 0.3 * np.sum(weight))
        close(leak[i], tests[:, known] @ (weight * rest) / bottom, 1e-12)
    assert (slope != 0).any() == with_slope


def test_lines_are_located_as_their_differences_from_nothing() -> None:
    z, skip = masked()
    tests = line_model.test_functions(background.centered(37))
    lines = np.array([0, 2, 4, 22])
    offset, leak = line_kernels.line_locations(z, skip, lines, tests)
    assert offset[2] == 0.0
    for k in (0, 1, 3):
        values = z[lines[k]][~skip[lines[k]]]
        scale = 1.4826 * np.median(np.abs(values - np.median(values)))
        both = np.stack([np.zeros(37), z[lines[k]]])
        gone = np.stack([skip[lines[k]]] * 2)
        one = line_kernels.pair_fit(
            both, gone, np.arange(2), np.array([np.median(values)]), np.array([scale]), np.inf, tests, False
        )
        close(offset[k], one[0][0])
        close(leak[k], one[2][0])


def test_lines_whose_scatter_has_no_reciprocal_are_located_at_the_guess() -> None:
    z = 1e-310 * rough((9, 23), 2)
    skip, lines, tests = np.zeros(z.shape, bool), np.arange(9), np.ones((2, 23))
    found = line_kernels.pair_fit(z, skip, lines, np.zeros(8), np.full(8, 1e-310), 1.0, tests, False)
    found += line_kernels.line_locations(z, skip, lines, tests)
    assert all(np.isfinite(part).all() for part in found)
    assert not found[0].any()
