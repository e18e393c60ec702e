"""What every fill promises, whatever its method."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afmend.catalogue import BUILT_IN, find_step
from afmend.errors import StepError
from afmend.pipeline import Field, run_step
from afmend.scan import Masks
from support import assert_heights_close, rough, scan_of

FILLS = sorted(name for name in BUILT_IN if name.startswith("fill."))
BY_SINGLE_PRECISION = {"fill.telea", "fill.navier_stokes", "fill.seed"}
BLIND = [name for name in FILLS if name != "fill.smooth"]  # smoothing works on what stands in the holes


def fill(name, heights, holes, **params):
    step = find_step(name)
    return step.kernel(Field(heights, holes, (2.0, 3.0)), step.params(**params))


def some_holes(shape=(34, 47), seed=0):
    rng = np.random.default_rng(seed)
    holes = np.zeros(shape, dtype=bool)
    for _ in range(4):
        y, x = rng.integers(shape[0]), rng.integers(shape[1])
        holes[y : y + rng.integers(1, 4), x : x + rng.integers(2, 20)] = True
    holes[int(rng.integers(shape[0]))] = True
    return holes


@pytest.mark.parametrize("name", FILLS)
def test_only_holes_change_and_each_filled_pixel_has_an_error_bar_or_says_it_has_none(name):
    z, holes = rough((34, 47)), some_holes()
    missing, artifact = holes.copy(), holes.copy()
    missing[::2], artifact[1::2] = False, False
    foreground = np.zeros_like(holes)
    foreground[5:9] = True
    masks = Masks(missing=missing, artifact={"scar": artifact}, foreground={"features": foreground})
    scan = scan_of(np.where(holes, 7.5, z), masks=masks)
    step = find_step(name)
    done = run_step(scan, step, step.params())
    channel = done.channel()
    assert channel.values[~holes].tobytes() == scan.channel().values[~holes].tobytes()
    assert (channel.values[holes] != 7.5).any()
    assert (channel.invented == holes).all()
    assert not np.isnan(channel.uncertainty).any()
    assert (channel.uncertainty[~holes] == 0).all()
    assert channel.masks == scan.channel().masks
    assert done.grid == scan.grid
    assert len(done.history) == 1
    json.dumps(done.history[0].facts, allow_nan=False)


@pytest.mark.parametrize("name", BLIND)
def test_what_stands_under_the_holes_never_matters(name):
    z, holes = rough((34, 47)), some_holes()
    first = fill(name, np.where(holes, 0.0, z), holes)
    for junk in (np.full(z.shape, 1e30), np.random.default_rng(1).standard_normal(z.shape) * 1e6):
        again = fill(name, np.where(holes, junk, z), holes)
        assert first.heights[holes].tobytes() == again.heights[holes].tobytes()
        assert (first.sigma is None) == (again.sigma is None)
        assert first.sigma is None or first.sigma[holes].tobytes() == again.sigma[holes].tobytes()


@pytest.mark.parametrize("name", FILLS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([1e-3, 0.37, 1.0, 1e4]),
    shift=st.sampled_from([0.0, -3.0, 250.0]),
)
def test_scaling_and_shifting_heights_scales_and_shifts_fills(name, seed, scale, shift):
    z, holes = rough((34, 47), seed), some_holes(seed=seed)
    plain, other = fill(name, z, holes), fill(name, scale * z + scale * shift, holes)
    allowed = 1e-5 if name in BY_SINGLE_PRECISION else 1e-9
    assert_heights_close(other.heights[holes] / scale - shift, plain.heights[holes], atol_nm=allowed)
    if plain.sigma is not None:
        assert_heights_close(other.sigma[holes] / scale, plain.sigma[holes], atol_nm=allowed)


@pytest.mark.parametrize("name", [name for name in FILLS if name not in BY_SINGLE_PRECISION])
@pytest.mark.parametrize("flip", [np.s_[::-1], np.s_[:, ::-1]])
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_a_mirrored_image_gives_the_mirrored_fill(name, flip, seed):
    z, holes = rough((34, 47), seed), some_holes(seed=seed)
    plain, other = fill(name, z, holes), fill(name, z[flip], holes[flip])
    filled = holes if plain.left_open is None else holes & ~plain.left_open
    assert_heights_close(other.heights[flip][filled], plain.heights[filled], atol_nm=1e-9)
    assert (plain.left_open is None) == (other.left_open is None)
    assert plain.left_open is None or (other.left_open[flip] == plain.left_open).all()
    if plain.sigma is not None:
        assert_heights_close(other.sigma[flip][filled], plain.sigma[filled], atol_nm=1e-9)


@pytest.mark.parametrize("name", FILLS)
def test_nothing_to_fill_changes_nothing(name):
    z = rough((9, 14))
    done = fill(name, z, np.zeros(z.shape, dtype=bool))
    assert done.heights.tobytes() == z.tobytes()


@pytest.mark.parametrize("name", BLIND)
def test_nothing_to_fill_from_is_refused(name):
    with pytest.raises(StepError, match="every pixel is a hole"):
        fill(name, rough((5, 8)), np.ones((5, 8), dtype=bool))


def _corner_cases():
    line = np.zeros((1, 40), dtype=bool)
    line[0, 3:7] = line[0, 38:] = True
    one_good = np.ones((7, 9), dtype=bool)
    one_good[4, 6] = False
    frame = np.ones((30, 41), dtype=bool)
    frame[4:-3, 5:-6] = False
    checker = np.indices((12, 17)).sum(axis=0) % 2 == 0
    one_bad = np.zeros((1, 2), dtype=bool)
    one_bad[0, 0] = True
    return {
        "one line": line, "one column": line.T, "one good pixel": one_good, "frame": frame, "checker": checker,
        "two pixels": one_bad,
    }  # fmt: skip


@pytest.mark.parametrize("case", _corner_cases())
@pytest.mark.parametrize("name", FILLS)
@pytest.mark.parametrize("surface", ["rough", "constant", "quantized"])
def test_corner_cases_give_finite_heights_within_reason(name, case, surface):
    holes = _corner_cases()[case]
    z = np.random.default_rng(3).standard_normal(holes.shape) + 100
    z = {"rough": z, "constant": np.full(z.shape, 100.1), "quantized": np.round(z)}[surface]
    done = fill(name, z, holes)
    filled = done.heights[holes if done.left_open is None else holes & ~done.left_open]
    assert np.isfinite(filled).all()
    assert np.abs(filled - 100).max(initial=0) < 40
    if surface == "constant":
        assert_heights_close(filled, np.full(filled.shape, 100.1), atol_nm=1e-9)
    if done.sigma is not None:
        assert (done.sigma[holes if done.left_open is None else holes & ~done.left_open] > 0).all()


@pytest.mark.parametrize("name", FILLS)
def test_a_constant_surface_has_tiny_error_bars_or_none(name):
    holes = some_holes()
    done = fill(name, np.full(holes.shape, -12.5), holes)
    if done.sigma is not None:
        # What adapts to the surface has learned nothing from a constant one, and says so.
        adapts = name in {"fill.auto", "fill.kriging"}
        assert np.isinf(done.sigma[holes]).all() if adapts else done.sigma[holes].max() < 1e-9
