"""The scanner against its laws."""

import numpy as np
import pytest

from afmend.simulation.loop_kernels import play
from afmend.simulation.scanner import (
    Scanner,
    bowed,
    fast_waveform,
    ground,
    ground_px,
    log_creep,
    plane,
    play_hysteresis,
    resonant,
    travel,
)
from support import assert_heights_close

SHAPE = (40, 60)
PIXEL_NM = (5.0, 2.0)


def path_of(scanner, line_s=0.5, overscan=4, substeps=2):
    return travel(scanner, SHAPE, PIXEL_NM, line_s, overscan, substeps)


def test_a_perfect_scanner_visits_the_centers_of_the_pixels():
    path = path_of(Scanner())
    there = path.x_px[: path.x_px.size // 2].reshape(-1, 2).mean(axis=1)
    assert np.abs(there - (np.arange(60 + 8) - 4)).max() < 1e-12
    assert (path.x_px == path.x_px[::-1]).all()
    assert (path.y_px == np.arange(40)).all()
    assert path.margin(SHAPE) == (1, 6)


def test_play_keeps_its_distance():
    signal = np.sin(np.linspace(0, 20, 999))
    out = play(signal, 0.3)
    assert np.abs(out - signal).max() <= 0.3 + 1e-12
    assert np.ptp(out[300:]) == pytest.approx(np.ptp(signal[300:]) - 0.6, abs=1e-3)
    assert (play(signal, 0.0) == signal).all()


def test_hysteresis_opens_as_wide_as_asked_and_is_calibrated():
    x = fast_waveform(200, 8, 4)
    bent = play_hysteresis(x, 3.0)
    half = x.size // 2
    opening = bent[:half] - bent[half:][::-1]
    assert np.abs(opening).max() == pytest.approx(3.0, abs=1e-9)
    assert np.abs(opening[:2]).max() < 0.3  # the loop closes at the turns
    slope = np.polyfit(x, bent, 1)
    assert slope[0] == pytest.approx(1.0, abs=1e-9)
    assert play_hysteresis(x, 0.0) is x


def test_a_resonant_axis_answers_sines_as_the_formula_says():
    t = np.arange(1000) / 1000
    response = resonant(np.sin(2 * np.pi * 5 * t), 1.0, 20.0, 0.1)
    ratio = 5 / 20
    h = 1 / (1 - ratio**2 + 2j * 0.1 * ratio)
    assert np.abs(response - np.abs(h) * np.sin(2 * np.pi * 5 * t + np.angle(h))).max() < 1e-9
    assert path_of(Scanner(resonance_fast_hz=200.0)).x_px.std() > 0


def test_creep_is_logarithmic_in_time():
    times = np.array([0.0, 9.0, 99.0, 999.0])
    assert_heights_close(log_creep(2.0, 1.0, times)[None], np.array([[0.0, 2.0, 4.0, 6.0]]), atol_nm=1e-12)
    path = path_of(Scanner(creep_slow_nm=10.0, creep_start_s=0.5, creep_z_nm=3.0))
    t = np.arange(41) * 0.5
    assert_heights_close(path.y_drift_px[None] * 5.0, 10 * np.log10(1 + t / 0.5)[None], atol_nm=1e-9)
    assert_heights_close(path.z_nm[None], 3 * np.log10(1 + t / 0.5)[None], atol_nm=1e-9)


def test_drift_is_linear_and_settling_exponential():
    path = path_of(Scanner(drift_fast_nm_s=0.4, drift_slow_nm_s=-0.2, drift_z_nm_s=0.1, settling_z_nm=5, settling_s=4))
    t = np.arange(41) * 0.5
    assert_heights_close(path.x_drift_px[None] * 2.0, 0.4 * t[None], atol_nm=1e-12)
    assert_heights_close(path.y_drift_px[None] * 5.0, -0.2 * t[None], atol_nm=1e-12)
    assert_heights_close(path.z_nm[None], (0.1 * t - 5 * (1 - np.exp(-t / 4)))[None], atol_nm=1e-12)


def test_nonlinearity_vanishes_at_the_ends():
    path = path_of(Scanner(nonlinearity_slow=0.05, nonlinearity_fast=-0.02))
    off = path.y_px - np.arange(40)
    assert abs(off[0]) < 1e-12
    assert abs(off[-1]) < 1e-12
    assert off.max() == pytest.approx(0.05 * 40, rel=0.01)
    assert np.abs(path.x_px - fast_waveform(60, 4, 2)).max() == pytest.approx(0.02 * 60, rel=0.35)


def test_tilt_and_bow_are_what_their_names_say():
    scanner = Scanner(tilt_fast_nm=30, tilt_slow_nm=-12, bow_fast_nm=4, bow_slow_nm=-2, bow_cross_nm=1)
    z = bowed(scanner, (2001, 2001))
    v = u = np.linspace(-0.5, 0.5, 5)
    a, b, c, d, e = ground(scanner)
    grid = a * u[None] + b * v[:, None] + c * u[None] ** 2 + d * v[:, None] ** 2 + e * u[None] * v[:, None]
    assert_heights_close(z[::500, ::500], grid, atol_nm=0.1)
    bow = bowed(Scanner(bow_fast_nm=4), (3, 2001))[1]
    assert bow[0] - bow[1000] == pytest.approx(4, abs=0.01)
    assert_heights_close(plane(scanner, SHAPE), bowed(Scanner(tilt_fast_nm=30, tilt_slow_nm=-12), SHAPE), atol_nm=0)


def test_the_ground_in_pixels_is_the_same_polynomial():
    scanner = Scanner(tilt_fast_nm=30, tilt_slow_nm=-12, bow_fast_nm=4, bow_slow_nm=-2, bow_cross_nm=1)
    c = ground_px(scanner, SHAPE)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    z = c[0] + c[1] * x + c[2] * y + c[3] * x**2 + c[4] * y**2 + c[5] * x * y
    assert_heights_close(z, bowed(scanner, SHAPE), atol_nm=1e-12)
