"""Dropouts, bursts, shifted lines, fringes, and what all mishaps have in common."""

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from afmend.simulation.mishaps import EARLY, LATE, MISHAPS, Mishap, apply_mishap
from afmend.simulation.mishaps.burst import Burst, BurstEvent
from afmend.simulation.mishaps.dropout import Dropout, DropoutEvent
from afmend.simulation.mishaps.fringes import Fringes
from afmend.simulation.mishaps.line_shift import LineShift, LineShiftEvent
from afmend.simulation.mishaps.missing_line import MissingLine, MissingLineEvent
from afmend.simulation.recording import WAYS
from recordings import SHAPE, change_of, mask_of, recorded
from support import assert_heights_close

ONE: dict[str, Any] = {
    "unfinished": {"row": 20},
    "fringes": {"height_nm": 1.0},
    "line_shift": {"events": [{"row": 3, "lines": 4, "spread_px": 0.5}]},
    "burst": {"events": [{"start_s": 0.5}]},
    "bad_lines": {"events": [{"row": 3}]},
}


def mishap(kind: str) -> Mishap:
    fields = ONE.get(kind, {"events": [{"row": 3}]})
    made: Mishap = TypeAdapter(Mishap).validate_python({"kind": kind, **fields})
    return made


def test_dropouts_hold_the_extremes_of_their_direction() -> None:
    events = (
        DropoutEvent(row=4, col=45, length_px=20),
        DropoutEvent(row=6, col=5, length_px=10, level="highest", direction="both"),
        DropoutEvent(row=90, col=5),
    )
    recording, change = change_of(Dropout(events=events), flat=False)
    lowest, highest = recording.ideal["trace"].min(), recording.ideal["trace"].max()
    assert (recording.heights["trace"][4, 45:] == lowest).all()
    assert (recording.heights["trace"][6, 5:15] == highest).all()
    assert (recording.heights["retrace"][6, :6] == recording.ideal["retrace"].max()).all()
    mask = np.zeros(SHAPE, dtype=np.bool_)
    mask[4, 45:] = mask[6, 5:15] = True
    np.testing.assert_array_equal(mask_of(recording, "trace", "dropout"), mask)
    assert not change["trace"][~mask].any()
    assert np.count_nonzero(mask_of(recording, "retrace", "dropout")) == 6


def test_placeholders_are_no_extremes_and_an_empty_scan_has_none() -> None:
    recording = recorded()
    recording.heights["trace"][3] = -1000
    apply_mishap(MissingLine(events=(MissingLineEvent(row=3),)), recording)
    recording.heights["trace"][3] = -1000
    apply_mishap(Dropout(events=(DropoutEvent(row=7),)), recording)
    assert recording.heights["trace"][7, 0] > -100
    empty = recorded()
    apply_mishap(MissingLine(events=(MissingLineEvent(row=0, lines=99),)), empty)
    apply_mishap(Dropout(events=(DropoutEvent(row=7),)), empty)
    assert empty.masks["trace"] == {}


def test_a_burst_runs_through_trace_and_retrace_in_time() -> None:
    event = BurstEvent(start_s=0.33, length_s=0.9, frequency_hz=17.0, amplitude_nm=2.0, phase_rad=0.4, decay_s=0.5)
    recording, change = change_of(Burst(events=(event,), visible_nm=0.6))
    for way in WAYS:
        age = recording.pixel_times_s(way) - 0.33
        amplitude = np.where((age >= 0) & (age < 0.9), 2 * np.exp(-np.maximum(age, 0) / 0.5), 0)
        assert_heights_close(change[way], amplitude * np.sin(2 * np.pi * 17 * age + 0.4), atol_nm=1e-9)
        np.testing.assert_array_equal(mask_of(recording, way, "burst"), amplitude > 0.6)
    assert np.abs(change["trace"][~mask_of(recording, "trace", "burst")]).max() <= 0.6


def test_a_steady_burst_after_the_scan_changes_nothing() -> None:
    recording, change = change_of(Burst(events=(BurstEvent(start_s=100.0), BurstEvent(start_s=2.8, length_s=50.0))))
    assert not change["trace"][:22].any()
    assert (change["retrace"][-1] != 0).all()
    assert mask_of(recording, "retrace", "burst")[-1].all()


def test_shifted_lines_are_displaced_to_the_right() -> None:
    events = (LineShiftEvent(row=4, lines=3, shift_px=2.0), LineShiftEvent(row=20, shift_px=-1.5, direction="both"))
    recording, change = change_of(LineShift(events=events, visible_nm=0.05), flat=False)
    ideal = recording.ideal["trace"]
    assert_heights_close(recording.heights["trace"][4:7, 2:], ideal[4:7, :-2], atol_nm=1e-12)
    assert_heights_close(recording.heights["trace"][4:7, :2], ideal[4:7, [0, 0]], atol_nm=1e-12)
    assert_heights_close(
        recording.heights["trace"][20:21, :-2], (ideal[20:21, 1:-1] + ideal[20:21, 2:]) / 2, atol_nm=1e-12
    )
    np.testing.assert_array_equal(mask_of(recording, "trace", "line_shift"), np.abs(change["trace"]) > 0.05)
    assert change["retrace"][20].any()
    assert not change["retrace"][4:7].any()


def test_each_shifted_line_may_lie_elsewhere() -> None:
    event = LineShiftEvent(row=0, lines=400, shift_px=3.0, spread_px=0.7)
    recording = recorded((400, 50), flat=True)
    recording.heights["trace"][:] = np.arange(50)
    apply_mishap(LineShift(events=(event,), seed=2), recording)
    shifts = 25 - recording.heights["trace"][:, 25]
    assert abs(shifts.mean() - 3) < 0.15
    assert abs(shifts.std() - 0.7) < 0.1


def test_fringes_have_their_period_in_nm_and_are_not_marked() -> None:
    recording, change = change_of(Fringes(height_nm=0.5, period_nm=40.0, angle_deg=0.0))
    expected = 0.5 * np.sin(2 * np.pi * np.arange(50) * 2.0 / 40) + np.zeros((24, 1))
    assert_heights_close(change["trace"], expected, atol_nm=1e-9)
    assert_heights_close(change["retrace"], expected, atol_nm=1e-9)
    assert recording.masks == {"trace": {}, "retrace": {}}
    _, change = change_of(Fringes(height_nm=0.5, period_nm=40.0, angle_deg=90.0))
    expected = 0.5 * np.sin(2 * np.pi * np.arange(24) * 3.0 / 40)[:, None] + np.zeros((1, 50))
    assert_heights_close(change["trace"], expected, atol_nm=1e-9)


def test_fringes_get_narrower_and_bend() -> None:
    diagonal = np.hypot(24 * 3.0, 50 * 2.0)
    _, change = change_of(
        Fringes(height_nm=1.0, period_nm=40.0, angle_deg=0.0, chirp=1.0, curvature=0.5, phase_rad=0.2)
    )
    x, y = np.arange(50) * 2.0, np.arange(24)[:, None] * 3.0
    s = x + (x**2 + 0.5 * y**2) / 2 / diagonal
    assert_heights_close(change["trace"], np.sin(2 * np.pi * s / 40 + 0.2), atol_nm=1e-9)


@pytest.mark.parametrize("kind", MISHAPS)
def test_every_mishap_replays_from_json(kind: str) -> None:
    params = mishap(kind)
    assert params.kind == kind
    again = TypeAdapter(Mishap).validate_json(params.model_dump_json())
    assert again == params
    first, second = recorded(), recorded()
    apply_mishap(params, first)
    apply_mishap(again, second)
    for way in WAYS:
        assert first.heights[way].tobytes() == second.heights[way].tobytes()
        assert first.missing[way].tobytes() == second.missing[way].tobytes()
        assert {k: m.tobytes() for k, m in first.masks[way].items()} == {
            k: m.tobytes() for k, m in second.masks[way].items()
        }
    changed = [not np.array_equal(first.heights[way], first.ideal[way]) for way in WAYS]
    assert any(changed)


@pytest.mark.parametrize("kind", MISHAPS)
def test_nothing_outside_masks_changes_unless_the_docstring_says_so(kind: str) -> None:
    recording = recorded()
    apply_mishap(mishap(kind), recording)
    if kind in ("fringes", "line_jump"):
        return
    for way in WAYS:
        marked = recording.missing[way].copy()
        for mask in recording.masks[way].values():
            marked |= mask
        np.testing.assert_array_equal(recording.heights[way][~marked], recording.ideal[way][~marked])


def test_every_kind_is_either_early_or_late() -> None:
    assert set(EARLY) | set(LATE) == set(MISHAPS)
    assert not set(EARLY) & set(LATE)
