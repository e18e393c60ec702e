"""Offset lines, bad lines, stuck lines, missing lines, unfinished scans."""

import numpy as np
import pytest

from afmend.simulation.mishaps import apply_mishap
from afmend.simulation.mishaps.bad_lines import BadLines, BadLinesEvent
from afmend.simulation.mishaps.line_offset import LineOffset, LineOffsetEvent
from afmend.simulation.mishaps.missing_line import MissingLine, MissingLineEvent
from afmend.simulation.mishaps.scar import Scar, ScarEvent
from afmend.simulation.mishaps.stuck_line import StuckLine, StuckLineEvent
from afmend.simulation.mishaps.unfinished import Unfinished
from afmend.simulation.recording import WAYS, Way
from recordings import SHAPE, change_of, mask_of, recorded
from support import assert_heights_close


def lines(*numbers: int) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=np.bool_)
    mask[list(numbers)] = True
    return mask


def test_offset_lines_are_shifted_and_marked_whole() -> None:
    events = (
        LineOffsetEvent(row=-2, lines=3, height_nm=1.0),
        LineOffsetEvent(row=10, height_nm=-2.0, direction="retrace"),
        LineOffsetEvent(row=12, height_nm=0.1),
        LineOffsetEvent(row=23, lines=9, height_nm=4.0, direction="trace"),
    )
    recording, change = change_of(LineOffset(events=events, visible_nm=0.5))
    expected = {"trace": lines(0) * 1.0 + lines(12) * 0.1 + lines(23) * 4.0}
    expected["retrace"] = lines(0) * 1.0 + lines(12) * 0.1 - lines(10) * 2.0
    for way in WAYS:
        assert_heights_close(change[way], expected[way], atol_nm=1e-12)
        np.testing.assert_array_equal(mask_of(recording, way, "offset"), np.abs(expected[way]) > 0.5)


def test_bad_lines_are_marked_whole_and_nothing_else_changes() -> None:
    events = (BadLinesEvent(row=-2, lines=4), BadLinesEvent(row=10, lines=3, noise_nm=0.2), BadLinesEvent(row=30))
    recording, change = change_of(BadLines(events=events, seed=3))
    np.testing.assert_array_equal(mask_of(recording, "trace", "bad_line"), lines(0, 1, 10, 11, 12))
    assert not change["trace"][~lines(0, 1, 10, 11, 12)].any()
    assert (change["trace"][lines(0, 1, 10, 11, 12)] != 0).all()
    assert not change["retrace"].any()
    again = change_of(BadLines(events=events, seed=3))[1]["trace"]
    assert again.tobytes() == change["trace"].tobytes()


def test_the_deviation_is_smooth_has_its_rms_and_is_alike_in_adjacent_lines() -> None:
    event = BadLinesEvent(row=0, lines=1000, offset_nm=5.0, deviation_nm=2.0, deviation_px=50.0, alike=0.8)
    _, change = change_of(BadLines(events=(event,)), (1000, 400))
    deviation = change["trace"] - 5
    assert abs(deviation.std() - 2) < 0.1
    assert abs(np.mean(deviation[1:] * deviation[:-1]) / np.mean(deviation**2) - 0.8) < 0.03
    assert np.diff(deviation, axis=1).std() < 0.1


def test_extra_noise_has_no_memory() -> None:
    event = BadLinesEvent(row=0, lines=100, deviation_nm=0.0, noise_nm=0.5, direction="both")
    _, change = change_of(BadLines(events=(event,)), (100, 400))
    assert abs(change["retrace"].std() - 0.5) < 0.02
    assert abs(np.mean(change["trace"][:, 1:] * change["trace"][:, :-1])) < 0.01


def test_stuck_lines_repeat_or_hold_what_came_before_them() -> None:
    events = (
        StuckLineEvent(row=-1, lines=3),  # the first line has none before it
        StuckLineEvent(row=8, lines=2),
        StuckLineEvent(row=15, form="hold"),
        StuckLineEvent(row=20, form="hold", direction="retrace"),
        StuckLineEvent(row=40),
    )
    recording, change = change_of(StuckLine(events=events), flat=False)
    trace, retrace = (recording.heights[way] for way in WAYS)
    ideal = recording.ideal
    np.testing.assert_array_equal(trace[8:10], ideal["trace"][[7, 7]])
    np.testing.assert_array_equal(trace[15], np.full(SHAPE[1], ideal["trace"][14, -1]))
    np.testing.assert_array_equal(retrace[15], np.full(SHAPE[1], ideal["retrace"][14, 0]))
    np.testing.assert_array_equal(retrace[20], np.full(SHAPE[1], ideal["retrace"][19, 0]))
    np.testing.assert_array_equal(mask_of(recording, "trace", "stuck_line"), lines(1, 8, 9, 15))
    np.testing.assert_array_equal(mask_of(recording, "retrace", "stuck_line"), lines(1, 8, 9, 15, 20))
    assert not change["trace"][~mask_of(recording, "trace", "stuck_line")].any()


def test_a_replaced_line_is_no_longer_scarred() -> None:
    recording = recorded()
    apply_mishap(Scar(events=(ScarEvent(row=5, col=3, width=2),)), recording)
    apply_mishap(StuckLine(events=(StuckLineEvent(row=6),)), recording)
    assert mask_of(recording, "trace", "scar")[5].any()
    assert not mask_of(recording, "trace", "scar")[6].any()
    apply_mishap(MissingLine(events=(MissingLineEvent(row=5),)), recording)
    assert not mask_of(recording, "trace", "scar").any()


@pytest.mark.parametrize("way", WAYS)
def test_missing_lines_hold_a_placeholder_and_no_artifact(way: Way) -> None:
    event = MissingLineEvent(row=22, lines=5, direction=way)
    recording, _ = change_of(MissingLine(events=(event, MissingLineEvent(row=2, direction=way))), flat=False)
    gone = lines(2, 22, 23)
    np.testing.assert_array_equal(recording.missing[way], gone)
    placeholder = recording.ideal[way][~gone].mean()
    assert_heights_close(recording.heights[way], np.where(gone, placeholder, recording.ideal[way]), atol_nm=1e-12)
    other: Way = "retrace" if way == "trace" else "trace"
    assert not recording.missing[other].any()
    assert recording.masks[way] == {}


def test_all_lines_may_be_missing() -> None:
    recording, _ = change_of(MissingLine(events=(MissingLineEvent(row=0, lines=100),)), flat=False)
    assert recording.missing["trace"].all()
    assert not recording.heights["trace"].any()


@pytest.mark.parametrize("row", [1, 15, 23, 24, 40])
def test_an_unfinished_scan(row: int) -> None:
    gone = np.zeros(SHAPE, dtype=np.bool_)
    gone[row:] = True
    recording, _ = change_of(Unfinished(row=row), flat=False)
    for way in WAYS:
        np.testing.assert_array_equal(recording.missing[way], gone)
    recording, change = change_of(Unfinished(row=row, form="repeated"), flat=False)
    for way in WAYS:
        assert not recording.missing[way].any()
        assert not change[way][:row].any()
        np.testing.assert_array_equal(mask_of(recording, way, "unfinished"), gone)
        assert (recording.heights[way][row:] == recording.heights[way][min(row, SHAPE[0]) - 1]).all()
