import numpy as np
import pytest

from afmend.simulation.electronics import Electronics, digitize
from afmend.simulation.recording import WAYS, Recording
from afmend.simulation.saved import Saved, apply_saved
from recordings import recorded
from support import assert_heights_close


def tilted() -> Recording:
    recording = recorded()
    for way in WAYS:
        recording.heights[way] += np.arange(24)[:, None] * 0.7 - np.arange(50) * 0.3 + 40
    return recording


def test_nothing_asked_nothing_done() -> None:
    recording = recorded()
    apply_saved(Saved(), recording)
    assert_heights_close(recording.heights["retrace"], recording.ideal["retrace"], atol_nm=0.0)


def test_a_plane_is_subtracted_from_known_pixels() -> None:
    recording = tilted()
    recording.heights["trace"][20:] = 1e5
    recording.missing["trace"][20:] = True
    apply_saved(Saved(plane=True), recording)
    for way, rows in (("trace", 20), ("retrace", 24)):
        left = recording.heights[way][:rows]
        x, y = np.arange(50.0), np.arange(rows)[:, None]
        for term in (1 + 0 * left, x - x.mean() + 0 * left, y - y.mean() + 0 * left):
            assert abs(np.mean(left * term)) < 1e-9
    assert (recording.heights["trace"][20:] == 1e5).all()


def test_a_plateau_becomes_an_exact_plane() -> None:
    recording = tilted()
    digitize(Electronics(range_nm=(-1e3, 45.0)), recording)
    apply_saved(Saved(plane=True), recording)
    cut = recording.masks["trace"]["saturation"]
    rows, cols = np.nonzero(cut)
    design = np.stack([np.ones(rows.size), rows, cols], axis=1)
    fit = design @ np.linalg.lstsq(design, recording.heights["trace"][cut], rcond=None)[0]
    assert rows.size > 50
    assert_heights_close(recording.heights["trace"][cut], fit, atol_nm=1e-9)


def test_a_single_known_line_has_no_plane_and_stays() -> None:
    recording = tilted()
    recording.missing["trace"][1:] = True
    before = recording.heights["trace"].copy()
    apply_saved(Saved(plane=True), recording)
    np.testing.assert_array_equal(recording.heights["trace"], before)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_each_line_loses_its_polynomial(order: int) -> None:
    recording = tilted()
    recording.missing["trace"][5] = True
    recording.missing["trace"][6, :20] = True
    before = recording.heights["trace"].copy()
    apply_saved(Saved(line_flatten=order), recording)
    after, x = recording.heights["trace"], np.linspace(-1, 1, 50)
    known = ~recording.missing["trace"]
    for row in (0, 6, 23):
        part = known[row]
        expected = before[row, part] - np.polyval(np.polyfit(x[part], before[row, part], order), x[part])
        assert_heights_close(after[row, part], expected, atol_nm=1e-9)
    np.testing.assert_array_equal(after[~known], before[~known])


def test_rounding_to_bits_errs_by_a_step_over_root_twelve() -> None:
    recording = recorded((200, 310))
    apply_saved(Saved(quantize_bits=8), recording)
    for way in WAYS:
        step = np.ptp(recording.ideal[way]) / 255
        error = recording.heights[way] - recording.ideal[way]
        assert abs(error.std() * np.sqrt(12) / step - 1) < 0.03
        assert np.abs(error).max() <= step / 2 + 1e-9
        assert np.unique(recording.heights[way]).size <= 256


def test_a_flat_or_empty_scan_stays_as_it_is() -> None:
    recording = recorded(flat=True)
    recording.missing["trace"][:] = True
    apply_saved(Saved(plane=True, line_flatten=1, quantize_bits=16), recording)
    for way in WAYS:
        assert not recording.heights[way].any()
