"""The loop against closed forms: an integrator in contact, a damped oscillator in amplitude mode, straight tails."""

import math

import numpy as np
import pytest

from afmend.errors import BadScanError
from afmend.simulation.canvas import Canvas
from afmend.simulation.loop import Loop, Patch, controller, faults, gain_map
from afmend.simulation.scanner import Scanner, travel
from afmend.simulation.scenes import Scenes
from afmend.simulation.tracking import track
from support import assert_heights_close

SHAPE = (5, 160)
PIXEL_NM = (3.0, 2.0)
EDGE = 40


def follow(loop, surface_of, scanner=None, shape=SHAPE):
    """Let a loop follow ``surface_of(x_px)``, constant along the slow axis."""
    scanner = scanner or Scanner()
    cols = shape[1]
    path = travel(scanner, shape, PIXEL_NM, 1 / loop.line_rate_hz, loop.overscan_px(cols), loop.samples_per_pixel(cols))
    slow, fast = path.margin(shape)
    canvas = Canvas(shape, PIXEL_NM, (slow + 2, fast + 2))
    line = surface_of(np.arange(canvas.shape[1]) - canvas.margin[1])
    surface = np.tile(line, (canvas.shape[0], 1)).astype(float)
    return track(Scenes(surface[None], ((0, 0),), (0.0,)), path, canvas, loop, scanner)


def up(height=10.0):
    """A step up on the trace between pixels EDGE - 1 and EDGE: half way between them."""
    return lambda x: np.where(x >= EDGE, height, 0.0)


def since_edge_s(loop, cols=SHAPE[1]):
    """Time of each pixel's center since the tip crossed the edge."""
    return (np.arange(cols) - (EDGE - 0.5)) * loop.pixel_s(cols)


def test_contact_step_response_is_exponential():
    loop = Loop(mode="contact", line_rate_hz=10, integral_hz=2000, substeps=64, free_nm=1e5, pushed_nm=1e5)
    trace = follow(loop, up()).heights[0]
    t = since_edge_s(loop)
    expected = 10 * (1 - np.exp(-loop.integral_hz * t))
    assert_heights_close(trace[2:4, EDGE + 2 :], np.tile(expected[EDGE + 2 :], (2, 1)), atol_nm=0.06)


@pytest.mark.parametrize("product", [0.1, 0.6, 2.0])
def test_amplitude_step_response_is_a_damped_oscillator(product):
    """The closed loop is s (1 + tau s) + K: critically damped at K tau = 1/4."""
    k = 1500.0
    tau = product / k
    loop = Loop(line_rate_hz=20, integral_hz=k, response_s=tau, substeps=64, free_nm=1e5, pushed_nm=1e5)
    trace = follow(loop, up()).heights[0]
    t = since_edge_s(loop)[EDGE + 2 :]
    omega, zeta = math.sqrt(k / tau), 1 / (2 * math.sqrt(k * tau))
    root = np.emath.sqrt(zeta**2 - 1)
    s1, s2 = omega * (-zeta + root), omega * (-zeta - root)
    expected = 10 * np.real(1 + (s2 * np.exp(s1 * t) - s1 * np.exp(s2 * t)) / (s1 - s2))
    assert_heights_close(trace[3:4, EDGE + 2 :], expected[None], atol_nm=0.12)


def test_overshoot_has_the_height_of_the_formula():
    k, tau = 1500.0, 2.0 / 1500
    loop = Loop(line_rate_hz=20, integral_hz=k, response_s=tau, substeps=64, free_nm=1e5, pushed_nm=1e5)
    trace = follow(loop, up()).heights[0]
    zeta = 1 / (2 * math.sqrt(k * tau))
    overshoot = 10 * math.exp(-math.pi * zeta / math.sqrt(1 - zeta**2))
    assert abs(trace[2].max() - 10 - overshoot) < 0.15


@pytest.mark.parametrize("mode", ["contact", "amplitude"])
def test_parachuting_falls_at_integral_gain_times_free_error(mode):
    """Behind a step down of height h the tail is v h / (K (A0 - A_sp)) long."""
    loop = Loop(mode=mode, line_rate_hz=5, integral_hz=1000, response_s=5e-5, free_nm=2.0, substeps=32)
    found = follow(loop, lambda x: np.where(x < EDGE, 60.0, 0.0))
    trace = found.heights[0][2]
    slope = np.diff(trace[EDGE + 4 : EDGE + 20])
    expected = -loop.integral_hz * loop.free_nm * loop.pixel_s(SHAPE[1])
    assert np.abs(slope - expected).max() < 0.01 * abs(expected)
    length_px = 60.0 / (loop.integral_hz * loop.free_nm * loop.pixel_s(SHAPE[1]))
    reached = np.flatnonzero(trace[EDGE:] < 1.0)[0]
    assert abs(reached - length_px) < 2.0
    # On the retrace the step goes up and there is no tail.
    assert found.heights[1][2][EDGE + 4 :].max() < 0.1


def test_a_free_tip_is_named_parachuting_and_only_where_it_lags():
    loop = Loop(line_rate_hz=5, integral_hz=1000, response_s=1e-4, free_nm=2.0, visible_nm=0.5)
    found = follow(loop, lambda x: np.where(x < EDGE, 60.0, 0.0))
    masks = faults(loop, found.lags[0], found.states[0])
    tail = masks["parachute"][2]
    assert tail[EDGE + 2 : EDGE + 8].all()
    assert not tail[: EDGE - 2].any()
    assert not (found.lags[0][2][~tail & ~masks.get("lag", np.zeros(SHAPE, bool))[2]] > 0.5).any()


def test_an_underdamped_loop_rings_and_is_named_so():
    loop = Loop(integral_hz=1500, response_s=4e-3, free_nm=1e4, pushed_nm=1e4, visible_nm=0.2)
    found = follow(loop, up())
    assert set(faults(loop, found.lags[0], found.states[0])) == {"ringing"}


def test_a_railed_piezo_is_lost_tracking():
    loop = Loop(mode="contact", integral_hz=5000, range_high=0.3, visible_nm=0.5)
    ramp = follow(loop, lambda x: 0.5 * x)
    trace = ramp.heights[0]
    assert (trace[:, -30:] == trace[0, -1]).all()
    lost = faults(loop, ramp.lags[0], ramp.states[0])["lost_tracking"]
    assert 0.2 < lost.mean() < 0.4


def test_low_range_rails_too():
    ramp = follow(Loop(mode="contact", integral_hz=5000, range_low=0.25), lambda x: 0.5 * x)
    assert np.ptp(ramp.heights[0][:, :30]) == 0


def test_patches_chatter_and_lose_track():
    chatter = Loop(
        line_rate_hz=4, integral_hz=1500, delay_s=2e-4, response_s=5e-5, visible_nm=0.3, sensor_noise_nm=0.02,
        patches=(Patch(row=1, rows=3, col=60, cols=50, gain=30.0),),
    )  # fmt: skip
    found = follow(chatter, lambda x: np.sin(x / 9.0))
    rough = [np.abs(np.diff(found.heights[0][line, 70:105], 2)).mean() for line in (0, 2)]
    assert rough[1] > 10 * rough[0]
    assert "chatter" in faults(chatter, found.lags[0], found.states[0])
    lost = chatter.model_copy(update={"patches": (Patch(row=1, rows=3, col=60, cols=50, gain=0.0),)})
    masks = faults(lost, *[getattr(follow(lost, lambda x: 3 * np.sin(x / 9.0)), n)[0] for n in ("lags", "states")])
    assert masks["lost_tracking"][2, 60:110].mean() > 0.5


def test_slew_limit():
    loop = Loop(mode="contact", integral_hz=1e5, slew_nm_s=500.0, substeps=32, free_nm=1e5, pushed_nm=1e5)
    trace = follow(loop, up(30.0)).heights[0][2]
    rise = np.diff(trace[EDGE : EDGE + 20])
    assert abs(rise.max() - 500.0 * loop.pixel_s(SHAPE[1])) < 1e-6


def test_piezo_resonance_is_an_exact_oscillator():
    """A nearly instant controller behind a resonant piezo gives the oscillator's own step response."""
    loop = Loop(mode="contact", integral_hz=1e6, proportional=0.0, resonance_hz=60.0, damping=0.2, substeps=16)
    numbers = controller(loop, SHAPE[1], (-1e9, 1e9))[9:]
    omega, zeta = 2 * math.pi * 60.0, 0.2
    step_s = loop.pixel_s(SHAPE[1]) / 16
    state, out = np.array([1.0, 0.0]), []
    for _ in range(400):
        state = np.array([numbers[0] * state[0] + numbers[1] * state[1], numbers[2] * state[0] + numbers[3] * state[1]])
        out.append(state[0])
    t = np.arange(1, 401) * step_s
    swing = omega * math.sqrt(1 - zeta**2)
    expected = np.exp(-zeta * omega * t) * (np.cos(swing * t) + zeta * omega / swing * np.sin(swing * t))
    assert np.abs(np.array(out) - expected).max() < 1e-9
    resonant = Loop(mode="contact", line_rate_hz=10, integral_hz=3e3, resonance_hz=2000.0, damping=0.05)
    ringing = follow(resonant, up()).heights[0][2]
    assert ringing.max() > 10.05


def test_proportional_gain_damps_an_amplitude_loop():
    """With it the closed loop is s (1 + Kp + tau s) + K."""
    peaks = []
    for p in (0.0, 0.5):
        loop = Loop(line_rate_hz=20, integral_hz=1500, response_s=2 / 1500, proportional=p, substeps=64, free_nm=1e5,
                    pushed_nm=1e5)  # fmt: skip
        peaks.append(follow(loop, up()).heights[0][2].max() - 10)
        zeta = (1 + p) / (2 * math.sqrt(2.0))
        assert abs(peaks[-1] - 10 * math.exp(-math.pi * zeta / math.sqrt(1 - zeta**2))) < 0.4
    assert peaks[1] < 0.6 * peaks[0]


def test_a_fast_loop_on_a_smooth_surface_records_it():
    loop = Loop(mode="contact", integral_hz=2e3)
    scanner = Scanner(tilt_fast_nm=20, tilt_slow_nm=-10, bow_fast_nm=3, bow_cross_nm=2, drift_z_nm_s=0.1)
    found = follow(loop, lambda x: np.sin(x / 20.0), scanner)
    assert np.abs(found.lags).max() < 0.1
    assert_heights_close(found.ideals[0][:, 5:-5], found.ideals[1][:, 5:-5], atol_nm=0.03)


@pytest.mark.parametrize("substeps", [0, 1, 2, 4, 16, 64])
@pytest.mark.parametrize("mode", ["contact", "amplitude"])
@pytest.mark.parametrize("integral_hz", [300, 777, 2000])
def test_the_ideal_is_as_late_as_the_loop_so_that_a_ramp_is_followed_exactly(mode, substeps, integral_hz):
    loop = Loop(mode=mode, line_rate_hz=4, integral_hz=integral_hz, response_s=2e-5, substeps=substeps)
    found = follow(loop, lambda x: 0.3 * x)
    for way, mirrored in ((0, slice(40, None)), (1, slice(None, -40))):
        late_px = 1 / (loop.integral_hz * loop.pixel_s(SHAPE[1])) - 1 / loop.samples_per_pixel(SHAPE[1])
        expected = 0.3 * (np.arange(SHAPE[1]) - late_px * (1 if way == 0 else -1))
        if late_px > 0:
            assert np.abs(found.ideals[way][:, mirrored] - expected[mirrored]).max() < 1e-6
        assert np.abs(found.lags[way][:, mirrored]).max() < 0.3 * 0.02


def test_patches_chatter_alike_however_finely_they_are_sampled():
    """The oscillation comes from the delay, not from the sampling."""
    rms = []
    for substeps in (0, 64):
        loop = Loop(
            line_rate_hz=4, integral_hz=900, delay_s=5e-4, response_s=5e-5, sensor_noise_nm=0.02,
            free_nm=3, pushed_nm=6, substeps=substeps, patches=(Patch(row=1, rows=4, col=50, cols=90, gain=5.0),),
        )  # fmt: skip
        found = follow(loop, lambda x: np.sin(x / 9.0))
        rms.append(found.lags[0][1:, 60:135].std())
    assert rms[0] > 0.5
    assert abs(rms[0] / rms[1] - 1) < 0.3


def test_a_loop_slower_than_a_line_is_refused():
    for wrong in ({"integral_hz": 0.5}, {"delay_s": 0.9, "line_rate_hz": 2.0}):
        with pytest.raises(BadScanError, match="longer than a line"):
            follow(Loop(**wrong), up())


def test_samples_follow_the_fastest_part():
    assert Loop(integral_hz=10, response_s=0).samples_per_pixel(512) == 2
    assert Loop(integral_hz=1e6).samples_per_pixel(512) == 64
    assert Loop(substeps=7).samples_per_pixel(512) == 7
    assert Loop(response_s=1e-3, integral_hz=10).samples_per_pixel(512) == 2
    assert Loop(delay_s=2e-4).samples_per_pixel(512) == math.ceil(8 * Loop().pixel_s(512) / 2e-4)
    assert gain_map(Loop(), (3, 4)).shape == (1, 1)
