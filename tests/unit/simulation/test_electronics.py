import numpy as np
import pytest

from afmend.errors import BadParameterError
from afmend.simulation.electronics import Electronics, Tone, add_noise, digitize, flicker
from afmend.simulation.recording import WAYS, Recording
from support import assert_heights_close

QUIET = {"white_nm": 0.0}


def flat(shape: tuple[int, int] = (40, 60), height_nm: float = 0.0, per_line: float = 150.0) -> Recording:
    heights = np.full(shape, height_nm)
    pixel_s = 2e-3
    return Recording(
        {way: heights.copy() for way in WAYS}, dict.fromkeys(WAYS, heights), line_s=per_line * pixel_s, pixel_s=pixel_s
    )


def in_time_order(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Times and heights of all pixels of both directions, oldest first."""
    times = np.concatenate([recording.pixel_times_s(way).ravel() for way in WAYS])
    heights = np.concatenate([recording.heights[way].ravel() for way in WAYS])
    order = np.argsort(times)
    return times[order], heights[order]


def test_white_noise_has_its_rms_and_no_memory() -> None:
    recording = flat((200, 300), 7.0, 640.0)
    add_noise(Electronics(white_nm=0.3, seed=4), recording)
    for way in WAYS:
        noise = recording.heights[way] - 7
        assert abs(noise.std() - 0.3) < 0.005
        assert abs(np.mean(noise[:, 1:] * noise[:, :-1])) < 0.005 * 0.09 * 4
    both = np.mean((recording.heights["trace"] - 7) * (recording.heights["retrace"] - 7))
    assert abs(both) < 0.02 * 0.09


def test_same_seed_same_bytes_other_seed_other_noise() -> None:
    def made(seed: int) -> np.ndarray:
        recording = flat()
        add_noise(Electronics(white_nm=0.1, flicker_nm=0.2, hum=(Tone(),), seed=seed), recording)
        return recording.heights["retrace"]

    assert made(3).tobytes() == made(3).tobytes()
    assert np.abs(made(3) - made(4)).max() > 0.1


def test_white_noise_stays_when_flicker_is_switched_off() -> None:
    one, two = flat(), flat()
    add_noise(Electronics(white_nm=0.1, flicker_nm=0.2, seed=9), one)
    add_noise(Electronics(white_nm=0.1, seed=9), two)
    flicker_only = flat()
    add_noise(Electronics(white_nm=0.0, flicker_nm=0.2, seed=9), flicker_only)
    assert_heights_close(one.heights["trace"] - two.heights["trace"], flicker_only.heights["trace"], atol_nm=1e-12)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.7])
def test_flicker_follows_its_law_and_its_rms(alpha: float) -> None:
    recording = flat((64, 100), per_line=256.0)
    powers, variances = [], []
    for seed in range(60):
        series = flicker(Electronics(**QUIET, flicker_nm=2.0, flicker_alpha=alpha, seed=seed), recording)
        assert series is not None
        powers.append(np.abs(np.fft.rfft(series)[1:2000]) ** 2)
        variances.append(series.var())
    mean = np.mean(powers, axis=0)
    k = np.arange(1, 2000)
    slope = np.polyfit(np.log(k), np.log(mean), 1)[0]
    assert abs(slope + alpha) < 0.03
    # A sum of exponentials scatters by its largest terms: 10 % is three standard errors at alpha = 1.7.
    assert abs(np.mean(variances) / 4 - 1) < 0.25 if alpha > 1.5 else abs(np.mean(variances) / 4 - 1) < 0.1


def test_flicker_runs_through_trace_turnaround_and_retrace() -> None:
    params = Electronics(**QUIET, flicker_nm=1.0, seed=1)
    recording = flat((8, 10), per_line=25.5)  # half a pixel time is left over at the end of each line
    series = flicker(params, recording)
    add_noise(params, recording)
    assert series is not None
    times, heights = in_time_order(recording)
    # Where pixel times and series times do not coincide, a pixel takes the sample at most one pixel time earlier.
    index = np.floor(times / recording.pixel_s - 0.25).astype(int)
    assert_heights_close(heights, series[index], atol_nm=1e-12)
    assert recording.heights["trace"][3, 9] != recording.heights["retrace"][3, 9]


def test_hum_peaks_at_its_frequency_in_time() -> None:
    recording = flat((40, 60), per_line=120.0)  # no turnaround: the pixels of both directions are one even series
    add_noise(Electronics(**QUIET, hum=(Tone(frequency_hz=31.25, amplitude_nm=0.5, phase_rad=0.3),)), recording)
    times, heights = in_time_order(recording)
    assert np.ptp(np.diff(times)) < 1e-9
    power = np.abs(np.fft.rfft(heights))
    frequency = np.fft.rfftfreq(times.size, recording.pixel_s)[np.argmax(power)]
    assert abs(frequency - 31.25) < 0.06
    seen = 0.5 * np.sinc(31.25 * recording.pixel_s)  # a pixel is the mean over its time
    assert_heights_close(heights, seen * np.sin(2 * np.pi * 31.25 * times + 0.3), atol_nm=1e-9)


def test_hum_swells_and_tones_add() -> None:
    tones = (
        Tone(frequency_hz=50, amplitude_nm=0.4, phase_rad=1.0, am_depth=0.6, am_hz=0.7),
        Tone(frequency_hz=120, amplitude_nm=0.1),
    )
    recording = flat(per_line=150.0)
    add_noise(Electronics(**QUIET, hum=tones), recording)
    for way in WAYS:
        t = recording.pixel_times_s(way)
        expected = 0.4 * (1 + 0.6 * np.sin(2 * np.pi * 0.7 * t)) * np.sin(2 * np.pi * 50 * t + 1) * np.sinc(0.1)
        expected += 0.1 * np.sin(2 * np.pi * 120 * t) * np.sinc(0.24)
        assert recording.pixel_s == 0.002
        assert_heights_close(recording.heights[way], expected, atol_nm=1e-3)
        assert recording.masks[way] == {}


def test_clipped_pixels_are_marked_and_form_exact_plateaux() -> None:
    recording = flat()
    ramp = np.linspace(-2, 3, 60) + np.zeros((40, 1))
    recording.heights["trace"][:] = ramp
    digitize(Electronics(range_nm=(-1.0, 2.0), adc_step_nm=0.013), recording)
    mask = recording.masks["trace"]["saturation"]
    np.testing.assert_array_equal(mask, (ramp < -1) | (ramp > 2))
    assert np.unique(recording.heights["trace"][mask]).size == 2
    assert_heights_close(recording.heights["trace"], np.clip(ramp, -1, 2), atol_nm=0.0065 + 1e-12)
    assert "saturation" not in recording.masks["retrace"]


def test_rounding_errs_by_a_step_over_root_twelve() -> None:
    recording = flat((100, 170))
    before = np.random.default_rng(0).normal(0, 5, (100, 170))
    recording.heights["trace"][:] = before
    digitize(Electronics(adc_step_nm=0.2), recording)
    error = recording.heights["trace"] - before
    assert abs(error.std() - 0.2 / np.sqrt(12)) < 0.001
    levels = recording.heights["trace"] / 0.2
    assert np.abs(levels - np.rint(levels)).max() < 1e-9
    assert recording.masks["trace"] == {}


def test_nothing_asked_nothing_done() -> None:
    recording = flat(height_nm=1.23456789)
    add_noise(Electronics(**QUIET), recording)
    digitize(Electronics(**QUIET), recording)
    assert_heights_close(recording.heights["trace"], recording.ideal["trace"], atol_nm=0.0)


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(BadParameterError, match="low < high"):
        Electronics.parse({"range_nm": [2.0, 1.0]})


def test_parameters_survive_json() -> None:
    params = Electronics(hum=(Tone(am_depth=0.5),), range_nm=(-5.0, 5.0), seed=12)
    assert Electronics.parse(params.to_json()) == params
