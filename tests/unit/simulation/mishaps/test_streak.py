import numpy as np

from afmend.simulation.mishaps.streak import Streak, StreakEvent
from recordings import SHAPE, change_of, mask_of
from support import assert_heights_close


def test_it_drifts_from_its_first_to_its_last_height_and_fades() -> None:
    event = StreakEvent(
        row=7, col=5, length_px=21, height_nm=1.0, end_height_nm=-1.0, rise_px=2.0, fade_px=3.0, wander_nm=0.0
    )
    recording, change = change_of(Streak(events=(event,), visible_nm=0.2))
    t = np.arange(21)
    expected = np.zeros(SHAPE)
    expected[7, 5:26] = (1 - t / 10) * (1 - np.exp(-(t + 1) / 2))
    expected[7, 26:40] = expected[7, 25] * np.exp(-np.arange(1, 15) / 3)
    assert_heights_close(change["trace"], expected, atol_nm=1e-12)
    np.testing.assert_array_equal(mask_of(recording, "trace", "streak"), np.abs(expected) > 0.2)


def test_in_the_retrace_it_goes_to_the_left() -> None:
    event = StreakEvent(row=7, col=30, length_px=10, fade_px=0.0, wander_nm=0.0, direction="retrace")
    _, change = change_of(Streak(events=(event,)))
    expected = np.zeros(SHAPE)
    expected[7, 21:31] = 0.3
    assert_heights_close(change["retrace"], expected, atol_nm=1e-12)
    assert not change["trace"].any()


def test_it_wanders_with_its_rms_and_slowly() -> None:
    event = StreakEvent(row=0, length_px=40_000, height_nm=0, end_height_nm=0, fade_px=0, wander_nm=0.5, wander_px=20)
    _, change = change_of(Streak(events=(event,), seed=2), (1, 40_000))
    wander = change["trace"][0]
    assert abs(wander.std() - 0.5) < 0.02
    assert np.abs(np.diff(wander)).max() < 0.5 * 0.5
    assert np.mean(wander[10:] * wander[:-10]) > 0.5 * 0.25
