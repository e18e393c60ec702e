import numpy as np

from afmend.simulation.mishaps import apply_mishap
from afmend.simulation.mishaps.scar import Scar, ScarEvent
from afmend.simulation.recording import WAYS
from recordings import SHAPE, change_of, mask_of, recorded
from support import assert_heights_close

STEADY = {"rise_px": 0.0, "rest": 1.0, "release_px": 0.0, "wobble": 0.0, "ragged_px": 0.0, "unlike": 0.0}


def test_a_steady_scar_has_its_exact_footprint() -> None:
    event = ScarEvent(row=5, col=10, length_px=12, width=3, height_nm=-4.0, **STEADY)
    recording, change = change_of(Scar(events=(event,)))
    expected = np.zeros(SHAPE)
    expected[5:8, 10:22] = -4
    assert_heights_close(change["trace"], expected, atol_nm=1e-12)
    np.testing.assert_array_equal(mask_of(recording, "trace", "scar"), expected != 0)
    assert not change["retrace"].any()
    assert recording.masks["retrace"] == {}


def test_it_jumps_settles_and_fades_in_scan_time() -> None:
    numbers = {**STEADY, "rise_px": 0.8, "settle_px": 5.0, "rest": 0.4, "release_px": 2.0}
    t = np.arange(12)
    expected = 3 * (1 - np.exp(-(t + 1) / 0.8)) * (0.4 + 0.6 * np.exp(-t / 5))
    after = expected[-1] * np.exp(-np.arange(1, 11) / 2)
    expected = np.concatenate([expected, after])
    event = ScarEvent(row=5, col=10, length_px=12, height_nm=3.0, **numbers)
    _, change = change_of(Scar(events=(event,)))
    assert_heights_close(change["trace"][5:6, 10:32], expected[None], atol_nm=1e-12)
    assert not change["trace"][5, 32:].any()
    event = ScarEvent(row=5, col=40, length_px=12, height_nm=3.0, direction="retrace", **numbers)
    _, change = change_of(Scar(events=(event,)))
    assert_heights_close(change["retrace"][5:6, 40:18:-1], expected[None], atol_nm=1e-12)
    assert not change["trace"].any()


def test_exactly_the_visible_pixels_are_marked() -> None:
    events = tuple(ScarEvent(row=r, col=c, width=2, release_px=4.0, wobble=0.4) for r, c in ((2, 3), (9, 30), (15, 0)))
    recording, change = change_of(Scar(events=events, visible_nm=0.3, seed=4))
    mask = mask_of(recording, "trace", "scar")
    np.testing.assert_array_equal(mask, np.abs(change["trace"]) > 0.3)
    assert (np.abs(change["trace"][~mask]) > 0).any()


def test_other_lines_are_ragged_and_unlike_the_first_keeps_its_ends() -> None:
    event = ScarEvent(row=2, col=15, length_px=20, width=16, ragged_px=3.0, wobble=0.0, release_px=0.0)
    recording, change = change_of(Scar(events=(event,), seed=1))
    mask = mask_of(recording, "trace", "scar")
    starts = np.argmax(mask, axis=1)[2:18]
    ends = SHAPE[1] - np.argmax(mask[:, ::-1], axis=1)[2:18]
    assert (starts[0], ends[0]) == (15, 35)
    assert np.unique(starts).size > 3
    assert np.unique(ends).size > 3
    assert np.ptp(change["trace"].max(axis=1)[2:18]) > 0.3


def test_wobble_keeps_the_sign_and_follows_the_seed() -> None:
    event = ScarEvent(row=3, col=0, length_px=50, width=4, height_nm=-2.0, wobble=0.5, direction="both")

    def made(seed: int) -> dict:
        return change_of(Scar(events=(event,), seed=seed))[1]

    one, again, other = made(1), made(1), made(2)
    assert one["trace"].tobytes() == again["trace"].tobytes()
    assert np.abs(one["trace"] - other["trace"]).max() > 0.1
    assert np.abs(one["trace"] - one["retrace"][:, ::-1]).max() > 0.1
    assert all((one[way] <= 0).all() for way in WAYS)


def test_the_wobble_has_mean_one() -> None:
    event = ScarEvent(row=0, col=0, length_px=4000, width=16, height_nm=1.0, **{**STEADY, "wobble": 0.3}, wobble_px=2.0)
    _, change = change_of(Scar(events=(event,)), (16, 4000))
    assert abs(change["trace"].mean() - 1) < 0.01
    assert abs(np.log(change["trace"]).std() - 0.3) < 0.01


def test_events_beyond_the_image_are_cut_or_left_out() -> None:
    steady = {**STEADY, "height_nm": 1.0, "direction": "both"}
    places = ((-1, 5), (24, 5), (3, -5), (4, 48), (5, 55), (6, -50), (7, 70))
    events = tuple(ScarEvent(row=row, col=col, length_px=10, width=2, **steady) for row, col in places)
    _, change = change_of(Scar(events=events))
    expected = np.zeros(SHAPE)
    expected[0, 5:15] += 1
    expected[3:5, 0:5] += 1
    expected[4:6, 48:50] += 1
    assert_heights_close(change["trace"], expected, atol_nm=1e-12)
    expected = np.zeros(SHAPE)
    expected[0, :6] += 1
    expected[4:6, 39:49] += 1
    expected[5:7, 46:50] += 1
    assert_heights_close(change["retrace"], expected, atol_nm=1e-12)


def test_no_events_no_change() -> None:
    recording = recorded()
    apply_mishap(Scar(), recording)
    assert_heights_close(recording.heights["trace"], recording.ideal["trace"], atol_nm=0.0)
    assert recording.masks == {"trace": {}, "retrace": {}}
