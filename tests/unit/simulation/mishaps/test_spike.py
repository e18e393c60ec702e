import numpy as np
import pytest

from afmend.simulation.mishaps.spike import Spike, SpikeEvent
from afmend.simulation.recording import Way
from recordings import SHAPE, change_of, mask_of
from support import assert_heights_close


@pytest.mark.parametrize(("way", "step"), [("trace", 1), ("retrace", -1)])
def test_a_spike_falls_in_scan_time(way: Way, step: int) -> None:
    event = SpikeEvent(row=4, col=20, height_nm=-30.0, width_px=3, direction=way)
    recording, change = change_of(Spike(events=(event,)))
    expected = np.zeros(SHAPE)
    expected[4, [20, 20 + step, 20 + 2 * step]] = (-30, -20, -10)
    assert_heights_close(change[way], expected, atol_nm=1e-12)
    np.testing.assert_array_equal(mask_of(recording, way, "spike"), expected != 0)


def test_ringing_follows_it() -> None:
    event = SpikeEvent(row=4, col=10, height_nm=10.0, ring=0.5, ring_px=4.0)
    recording, change = change_of(Spike(events=(event,), visible_nm=0.5))
    t = np.arange(1, 19)
    after = 5 * np.cos(np.pi * t / 2) * np.exp(-t / 4)
    assert_heights_close(change["trace"][4:5, 10:29], np.concatenate([[10.0], after])[None], atol_nm=1e-12)
    assert not change["trace"][4, 29:].any()
    np.testing.assert_array_equal(mask_of(recording, "trace", "spike"), np.abs(change["trace"]) > 0.5)


def test_spikes_in_both_directions_beyond_the_image_and_on_top_of_each_other() -> None:
    places = ((4, 20), (4, 20), (30, 3), (3, 60), (-1, 3))
    events = tuple(SpikeEvent(row=row, col=col, height_nm=5.0, direction="both") for row, col in places)
    _, change = change_of(Spike(events=events))
    expected = np.zeros(SHAPE)
    expected[4, 20] = 10
    assert_heights_close(change["trace"], expected, atol_nm=1e-12)
    assert_heights_close(change["retrace"], expected, atol_nm=1e-12)
