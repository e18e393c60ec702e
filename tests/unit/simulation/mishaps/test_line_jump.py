import numpy as np

from afmend.simulation.mishaps.line_jump import LineJump, LineJumpEvent
from recordings import SHAPE, change_of, mask_of
from support import assert_heights_close


def test_a_jump_in_the_trace_persists_in_both_directions() -> None:
    recording, change = change_of(LineJump(events=(LineJumpEvent(row=10, col=30, height_nm=2.0),)))
    trace, retrace = np.zeros(SHAPE), np.zeros(SHAPE)
    trace[10, 30:] = 2
    trace[11:] = 2
    retrace[10:] = 2
    assert_heights_close(change["trace"], trace, atol_nm=1e-12)
    assert_heights_close(change["retrace"], retrace, atol_nm=1e-12)
    trace[11:] = 0
    np.testing.assert_array_equal(mask_of(recording, "trace", "line_jump"), trace != 0)
    assert recording.masks["retrace"] == {}


def test_a_jump_in_the_retrace_comes_after_the_trace_of_its_line() -> None:
    event = LineJumpEvent(row=10, col=30, height_nm=-2.0, direction="retrace")
    recording, change = change_of(LineJump(events=(event,)))
    trace, retrace = np.zeros(SHAPE), np.zeros(SHAPE)
    retrace[10, :31] = -2
    retrace[11:] = -2
    trace[11:] = -2
    assert_heights_close(change["trace"], trace, atol_nm=1e-12)
    assert_heights_close(change["retrace"], retrace, atol_nm=1e-12)
    # Of the line in which it happens, the shorter part is marked: leveling will side with the longer one.
    shorter = np.zeros(SHAPE, dtype=bool)
    shorter[10, 31:] = True
    np.testing.assert_array_equal(mask_of(recording, "retrace", "line_jump"), shorter)
    assert recording.masks["trace"] == {}


def test_jumps_change_what_was_recorded_after_them_and_nothing_else() -> None:
    events = (
        LineJumpEvent(row=3, col=7, height_nm=1.0),
        LineJumpEvent(row=3, col=40, height_nm=0.5),
        LineJumpEvent(row=12, col=4, height_nm=-3.0, direction="retrace"),
    )
    recording, change = change_of(LineJump(events=events))
    for way in change:
        times, expected = recording.pixel_times_s(way), np.zeros(SHAPE)
        for event in events:
            start = recording.pixel_times_s(event.direction)[event.row, event.col]
            expected += np.where(times >= start - 1e-9, event.height_nm, 0)
        assert_heights_close(change[way], expected, atol_nm=1e-12)


def test_jumps_beyond_the_image_and_faint_ones() -> None:
    events = (LineJumpEvent(row=-3, height_nm=1.0), LineJumpEvent(row=24, height_nm=5.0), LineJumpEvent(row=5, col=80))
    recording, change = change_of(LineJump(events=events, visible_nm=1.0))
    expected = np.ones(SHAPE)
    expected[6:] = 2
    assert_heights_close(change["trace"], expected, atol_nm=1e-12)
    assert recording.masks["trace"] == {}
