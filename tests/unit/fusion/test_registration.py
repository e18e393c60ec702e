"""The shift between trace and retrace."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.errors import BadScanError
from afmend.fusion.registration import Shift, outside, register_lines, shifted, shifted_mask
from afmend.simulation.loop import Loop
from afmend.simulation.params import Twin
from afmend.simulation.scanner import Scanner, travel
from afmend.simulation.surfaces.rough import Gaussian
from afmend.simulation.twin import simulate
from support import assert_heights_close, rough

SHAPE = (60, 160)


def bowed(shape: tuple[int, int]) -> np.ndarray:
    u = np.linspace(-1, 1, shape[1])
    return -1.3 + 0.2 * u - 2.5 * (1 - u * u)


def pair(noise_nm: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A surface, and the same read at x - s approximately: known shift, known noise."""
    rng = np.random.default_rng(seed)
    wide = rough((SHAPE[0], SHAPE[1] * 8), seed, 1.0, 24.0)
    x = np.arange(SHAPE[1])
    s = bowed(SHAPE)
    base = 40 + np.arange(SHAPE[1]) * 7.0
    retrace = np.array([np.interp(base, np.arange(wide.shape[1]), line) for line in wide])
    places = np.interp(x + s, x, base, left=np.nan, right=np.nan)
    places = np.where(np.isnan(places), base[0] + (x + s) * 7.0, places)
    trace = np.array([np.interp(places, np.arange(wide.shape[1]), line) for line in wide])
    offsets = rng.standard_normal((SHAPE[0], 1))
    return (
        trace + noise_nm * rng.standard_normal(SHAPE),
        retrace + offsets + noise_nm * rng.standard_normal(SHAPE),
        s,
    )


def test_a_known_shift_is_found_within_its_error() -> None:
    trace, retrace, s = pair(0.05)
    found = register_lines(trace, retrace)
    error = found.shift_px - s
    assert float(np.max(np.abs(error))) < 0.15
    assert float(np.sqrt(np.mean(error**2))) < 4 * float(np.mean(found.error_px)) + 0.03
    assert set(found.to_json()) == {"shift_px", "shift_error_px", "shift_known"}


def test_masked_pixels_do_not_count() -> None:
    trace, retrace, s = pair(0.05, 3)
    usable = np.ones(SHAPE, dtype=bool)
    usable[5:30, 40:90] = False
    trace[~usable] = 50.0
    assert float(np.max(np.abs(register_lines(trace, retrace, usable).shift_px - s))) < 0.2


def test_without_structure_the_shift_is_nothing_with_a_wide_error() -> None:
    rng = np.random.default_rng(1)
    flat = register_lines(rng.standard_normal(SHAPE), rng.standard_normal(SHAPE))
    assert float(np.max(np.abs(flat.shift_px))) < 5
    same = rough(SHAPE)
    assert not register_lines(same, same).shift_px.any()
    nowhere = register_lines(same, same + 1.0, np.zeros(SHAPE, dtype=bool))
    assert float(nowhere.error_px.min()) > 2


def test_hysteresis_and_delay_of_the_twin() -> None:
    """Smooth surface, no tails: the bow is the scanner's hysteresis, the constant twice the delay of the loop."""
    rows, cols = 96, 192
    loop = Loop(mode="contact", line_rate_hz=1.0, integral_hz=300.0, free_nm=1e4, pushed_nm=1e4)
    surface = Gaussian(seed=3, correlation_nm=80.0, sq_nm=5.0)
    twin = Twin(shape=(rows, cols), pixel_nm=(6.0, 5.0), surface=surface, loop=loop, scanner=Scanner(hysteresis=0.012))
    scan = simulate(twin)
    found = register_lines(
        np.array(scan.channel("height/trace").values), np.array(scan.channel("height/retrace").values)
    )
    over, substeps = loop.overscan_px(cols), loop.samples_per_pixel(cols)
    path = travel(twin.scanner, twin.shape, twin.pixel_nm, 1.0, over, substeps)
    half = path.x_px.size // 2
    nominal = (np.arange(half) + 0.5) / substeps - 0.5 - over
    lag = (1 / (loop.integral_hz * loop.pixel_s(cols) / substeps) - 1) / substeps  # samples of a discrete integrator
    columns = np.arange(cols, dtype=float)
    true_trace = np.interp(columns - lag, nominal, path.x_px[:half])
    everywhere = np.arange(-over, cols + over, dtype=float)
    true_retrace = np.interp(everywhere + lag, nominal, path.x_px[half:][::-1])
    expected = np.interp(true_trace, true_retrace, everywhere) - columns
    assert float(np.ptp(expected)) > 1.5
    assert float(np.max(np.abs(found.shift_px - expected))) < 0.25


def test_reading_between_pixels() -> None:
    x = np.arange(40.0)
    wave = np.sin(x / 4)[None, :] * np.array([[1.0], [2.0], [-1.0]])
    moved = shifted(wave, np.full(40, 0.37))
    exact = np.sin((x + 0.37) / 4)[None, :] * np.array([[1.0], [2.0], [-1.0]])
    assert_heights_close(moved[:, 5:-5], exact[:, 5:-5], atol_nm=1e-3)
    assert_heights_close(shifted(wave, np.zeros(40)), wave, atol_nm=0.0)
    mask = np.zeros((2, 6), dtype=bool)
    mask[0, 3] = True
    assert shifted_mask(mask, np.full(6, 0.5))[0].tolist() == [False, False, True, True, False, False]
    assert outside(np.full(6, -1.2)).tolist() == [True, False, False, False, False, False]


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(BadScanError, match="cannot register"):
        register_lines(np.zeros((4, 20)), np.zeros((4, 21)))
    with pytest.raises(BadScanError, match="16 columns"):
        register_lines(np.zeros((4, 9)), np.zeros((4, 9)))


def test_the_error_of_a_shift_is_that_of_its_curve() -> None:
    shift = Shift(np.array([1.0, 0.0, 0.0]), np.diag([0.04, 0.0, 0.0]), 20)
    assert_heights_close(shift.error_px[None, :], np.full((1, 20), 0.2), atol_nm=1e-12)


def shifted_pair(noise_nm: float = 0.0, shape: tuple[int, int] = (96, 200)) -> tuple[np.ndarray, np.ndarray]:
    """A smooth surface, and the same 2 px further: the shift is 2."""
    rng = np.random.default_rng(0)
    wide = rough((shape[0], shape[1] + 40), 0, 1.0, 5.0)
    trace, retrace = wide[:, 20:-20], wide[:, 18:-22]
    return trace + noise_nm * rng.standard_normal(shape), retrace + noise_nm * rng.standard_normal(shape)


def test_a_pair_without_noise_has_its_shift() -> None:
    found = register_lines(*shifted_pair())
    assert found.known
    assert float(np.max(np.abs(found.shift_px - 2))) < 0.01


@pytest.mark.parametrize("step_nm", [1.0, 1.5, 3.0])
def test_rounded_heights_tell_the_shift_no_better_than_they_are_written(step_nm: float) -> None:
    trace, retrace = (np.round(z / step_nm) * step_nm for z in shifted_pair(0.02))
    found = register_lines(trace, retrace)
    assert found.known
    assert float(np.max(np.abs(found.shift_px - 2) / found.error_px)) < 4
    assert 0.005 < float(np.max(found.error_px)) < 1.5


def test_flat_ground_that_agrees_exactly_does_not_hide_the_shift_of_its_steps() -> None:
    z = np.zeros((96, 200))
    z[20:60, 60:120] = 5.0
    found = register_lines(z, np.roll(z, -2, axis=1))
    assert found.known
    assert float(np.max(np.abs(found.shift_px[58:122] + 2))) < 0.1


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_scattered_masks_leave_the_shift(share: float) -> None:
    trace, retrace = shifted_pair(0.02)
    usable = np.random.default_rng(1).random(trace.shape) > share
    found = register_lines(trace, retrace, usable)
    assert found.known
    assert float(np.max(np.abs(found.shift_px - 2))) < 0.1


def test_too_little_overlap_tells_no_shift() -> None:
    trace, retrace = shifted_pair(0.02)
    scattered = np.random.default_rng(1).random(trace.shape) > 0.7
    strip, left, column = (np.zeros(trace.shape, dtype=bool) for _ in range(3))
    strip[:, 100:108] = True
    left[:, :8] = True
    column[:, 0] = True
    for usable in (scattered, strip, left, column):
        found = register_lines(trace, retrace, usable)
        assert not found.known
        assert found.to_json()["shift_known"] is False
        assert not found.shift_px.any()
        assert float(found.error_px.min()) > 2


def test_a_narrow_strip_tells_the_shift_as_well_as_it_says() -> None:
    trace, retrace = shifted_pair(0.1)
    usable = np.zeros(trace.shape, dtype=bool)
    usable[:, 85:115] = True
    found = register_lines(trace, retrace, usable)
    assert found.known
    assert float(np.max(np.abs(found.shift_px - 2) / found.error_px)) < 3
    assert abs(float(found.shift_px[100]) - 2) < 0.5
