"""Fusion of trace and retrace."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from afmend.catalogue import find_step
from afmend.errors import BadScanError, StepError
from afmend.fusion import fuse, fuse_pair
from afmend.fusion.directions import pair_of
from afmend.fusion.gate import believe
from afmend.fusion.steps import BothFly, TraceRetrace, both_fly, trace_retrace
from afmend.pipeline import Field, replay
from afmend.scan import Masks
from afmend.simulation import artifact_masks, draw, load_box, simulate
from afmend.simulation.electronics import Electronics
from support import assert_heights_close, rough, scan_of

SHAPE = (60, 150)
FALL = 0.5


def follow(surface: np.ndarray) -> np.ndarray:
    x = np.arange(surface.shape[1]) * FALL
    return np.maximum.accumulate(surface + x, axis=1) - x


def surface() -> np.ndarray:
    z = np.zeros(SHAPE)
    z[10:30, 30:50] = 8
    z[35:50, 80:100] = 8
    return gaussian_filter1d(z, 1.5, axis=1) + rough(SHAPE, 2, 0.1, 5)


def measured(z: np.ndarray, seed: int = 1, noise_nm: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    both = follow(z), follow(z[:, ::-1])[:, ::-1]
    trace, retrace = (t + noise_nm * rng.standard_normal(SHAPE) for t in both)
    return trace, retrace + 0.3 * rng.standard_normal((SHAPE[0], 1))


def error(found: np.ndarray, z: np.ndarray) -> float:
    away = found - z
    return float(np.sqrt(np.mean((away - np.median(away, axis=1, keepdims=True)) ** 2)))


def test_tails_vanish_and_noise_is_averaged() -> None:
    z = surface()
    trace, retrace = measured(z)
    fused = fuse_pair(trace, retrace)
    assert error(fused.heights, z) < 0.2 * error(0.5 * (trace + retrace), z)
    assert fused.facts["fall_per_px"] == pytest.approx(FALL, rel=0.1)
    assert fused.facts["noise_trace"] == pytest.approx(0.05, rel=0.2)
    assert fused.facts["noise_retrace"] == pytest.approx(0.05, rel=0.2)
    quiet = np.s_[:8]
    away = (fused.heights - z)[quiet]
    away -= away.mean(axis=1, keepdims=True)
    assert float(away.std()) == pytest.approx(0.05 / np.sqrt(2), rel=0.1)
    assert float(np.median(fused.sigma[quiet])) == pytest.approx(0.05 / np.sqrt(2), rel=0.2)
    assert float(np.abs(fused.shift.shift_px).max()) < 0.8


def test_half_of_the_offset_between_directions_goes_to_each() -> None:
    z = surface()
    trace, retrace = measured(z)
    high = fuse_pair(trace, retrace + 4.0)
    assert_heights_close(high.heights, fuse_pair(trace, retrace).heights + 2.0, atol_nm=0.3)
    assert high.facts["retrace_minus_trace"] == pytest.approx(4.0, abs=0.3)


def test_where_one_direction_is_missing_the_other_decides() -> None:
    z = surface()
    trace, retrace = measured(z)
    lost = np.zeros(SHAPE, dtype=bool)
    lost[:, 60:70] = True
    trace[lost] = 1e3
    gone = np.zeros(SHAPE, dtype=bool)
    gone[55:, 66:] = True
    fused = fuse_pair(trace, retrace, lost, gone)
    assert error(fused.heights[:54], z[:54]) < 0.2
    assert fused.unknown[55:, 66:70].all()
    assert np.isinf(fused.sigma[fused.unknown]).all()
    assert np.isfinite(fused.sigma[~fused.unknown]).all()


def test_a_noisier_direction_counts_less() -> None:
    z = surface()
    rng = np.random.default_rng(3)
    trace, retrace = z + 0.02 * rng.standard_normal(SHAPE), z + 0.1 * rng.standard_normal(SHAPE)
    fused = fuse_pair(trace, retrace)
    assert error(fused.heights, z) < error(0.5 * (trace + retrace), z) / 2
    assert fused.facts["noise_trace"] < 0.5 * fused.facts["noise_retrace"]


def trench() -> np.ndarray:
    z = rough(SHAPE, 2, 0.1, 5) + 10
    z[:, 50:80] -= 10
    return z


def test_a_narrow_trench_is_marked_where_both_fly() -> None:
    z = trench()
    trace, retrace = measured(z, noise_nm=0.02)
    fused = fuse_pair(trace, retrace)
    wrong = (follow(z) - z > 0.5) & ((follow(z[:, ::-1])[:, ::-1]) - z > 0.5)
    assert float(np.mean(fused.both_wrong[wrong])) > 0.7
    assert float(np.mean(fused.both_wrong[~wrong])) < 0.02
    assert fused.facts["both_wrong_share"] > 0.04


@pytest.mark.parametrize("way", ["trace", "retrace"])
def test_marks_of_both_flying_do_not_choose_a_direction(way: str) -> None:
    trace, retrace = measured(trench(), noise_nm=0.02)
    scan = scan_of(trace, opposite=retrace)
    fused = fuse(scan, f"height/{way}")
    mirror = np.s_[:, ::-1] if way == "retrace" else np.s_[:, :]
    pair = (trace, retrace) if way == "trace" else (retrace[:, ::-1], trace[:, ::-1])
    channel = fused.channel(f"height/{way}")
    assert_heights_close(np.array(channel.values)[mirror], fuse_pair(*pair).heights, atol_nm=1e-9)
    assert fused.history[-1].facts["both_wrong_share"] > 0.04
    assert channel.masks.artifact["parachute"].mean() == pytest.approx(
        fused.history[-1].facts["both_wrong_share"], abs=1e-5
    )
    assert replay(fused, scan, find_step).channel(f"height/{way}") == channel


def test_other_marks_leave_the_choice_to_the_other_direction() -> None:
    z = surface()
    trace, retrace = measured(z)
    scar = np.zeros(SHAPE, dtype=bool)
    scar[20, 40:90] = True
    trace[scar] += 9.0
    fused = fuse(scan_of(trace, opposite=retrace, masks=Masks(artifact={"scar": scar})))
    assert error(np.array(fused.channel("height/trace").values), z) < 0.2


def test_equal_directions_stay_as_they_are() -> None:
    z = surface()
    assert_heights_close(fuse_pair(z, z).heights, z, atol_nm=1e-9)


def test_lines_without_a_common_pixel_take_the_usual_offset() -> None:
    z = surface()
    trace, retrace = measured(z)
    lost = np.zeros(SHAPE, dtype=bool)
    lost[20] = True
    fused = fuse_pair(trace, retrace, lost)
    assert error(fused.heights[[20]], z[[20]]) < 2.5
    known = np.ones(SHAPE, dtype=bool)
    known[3, ::2] = False
    belief = believe(trace, retrace, known)
    assert np.isfinite(belief.right).all()


def test_nothing_in_common_is_an_error() -> None:
    z = surface()
    with pytest.raises(BadScanError, match="both directions"):
        fuse_pair(z, z + 1, np.ones(SHAPE, dtype=bool))


def test_the_step_mirrors_a_retrace() -> None:
    trace, retrace = measured(surface())
    one = trace_retrace(Field(trace, opposite=retrace, direction="trace"), TraceRetrace())
    two = trace_retrace(Field(trace[:, ::-1], opposite=retrace[:, ::-1], direction="retrace"), TraceRetrace())
    assert_heights_close(one.heights, two.heights[:, ::-1], atol_nm=1e-12)
    marked = both_fly(Field(trace, opposite=retrace, direction="trace"), BothFly())
    mirrored = both_fly(Field(trace[:, ::-1], opposite=retrace[:, ::-1], direction="retrace"), BothFly())
    assert np.array_equal(marked.mask, mirrored.mask[:, ::-1])


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (Field(np.zeros((4, 20))), "no channel"),
        (Field(np.zeros((4, 20)), opposite=np.zeros((4, 20))), "direction is unknown"),
        (Field(np.zeros((4, 9)), opposite=np.zeros((4, 9)), direction="trace"), "fewer than 16"),
        (
            Field(np.zeros((4, 20)), opposite=np.zeros((4, 20)), direction="trace",
                  opposite_excluded=np.ones((4, 20), dtype=bool)),
            "no pixel",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_fused_stays(field: Field, reason: str) -> None:
    assert reason in trace_retrace(field, TraceRetrace()).facts["skipped"]
    assert_heights_close(trace_retrace(field, TraceRetrace()).heights, field.heights, atol_nm=0.0)
    assert reason in both_fly(field, BothFly()).facts["skipped"]


def test_a_scan_is_fused_with_a_history_that_replays() -> None:
    z = surface()
    trace, retrace = measured(z)
    scan = scan_of(trace, opposite=retrace)
    fused = fuse(scan)
    assert error(np.array(fused.channel("height/trace").values), z) < 0.2
    assert [record.step for record in fused.history] == ["mark.both_fly", "fuse.trace_retrace"]
    assert replay(fused, scan, find_step).channel("height/trace") == fused.channel("height/trace")
    first, second, _, _ = pair_of(scan, "height/retrace")
    assert_heights_close(first, trace, atol_nm=0.0)
    assert_heights_close(second, retrace, atol_nm=0.0)


def test_a_scan_with_one_direction_is_refused() -> None:
    scan = scan_of(surface(), masks=Masks())
    with pytest.raises(StepError, match="no channel of the other"):
        fuse(scan)
    with pytest.raises(StepError, match="no other scan direction"):
        pair_of(scan)


def test_a_tilt_and_bow_between_the_directions_is_no_noise() -> None:
    """A scanner that moves out of plane on other paths there and back; noise and tails stay what they are."""
    trace, retrace = measured(surface())
    u = np.linspace(-1, 1, SHAPE[1])
    bow = 20.0 * u + 4.0 * u * u
    plain, bent = fuse_pair(trace, retrace), fuse_pair(trace, retrace - bow)
    assert bent.facts["bend_peak_to_peak"] == pytest.approx(float(np.ptp(bow)), rel=0.05)
    assert bent.noise == pytest.approx(plain.noise, rel=0.1)
    away = bent.heights + 0.5 * bow - plain.heights
    assert_heights_close(away - np.median(away), np.zeros(SHAPE), atol_nm=0.6)
    assert float(np.std(away)) < 0.1
    assert plain.facts["bend_peak_to_peak"] == 0
    assert not bent.warnings


def test_noise_is_that_of_the_electronics_and_not_that_of_tails_and_edges() -> None:
    twin = draw(load_box("train"), 1001, shape=(96, 128), surface="particles", artifacts=["parachute"])
    scan, quiet = simulate(twin), simulate(twin.model_copy(update={"electronics": Electronics(white_nm=0.0)}))
    assert artifact_masks(scan, "trace")["parachute"].mean() > 0.1
    trace, retrace = (np.array(scan.channel(f"height/{way}").values) for way in ("trace", "retrace"))
    away = trace - np.array(quiet.channel("height/trace").values)
    away -= np.median(away, axis=1, keepdims=True)
    true = 1.4826 * float(np.median(np.abs(away)))
    found = fuse_pair(trace, retrace)
    assert float(np.std(trace - retrace)) > 20 * true
    assert true < found.noise[0] < 1.5 * true
    assert found.noise_fused == pytest.approx(float(np.hypot(*found.noise)) / 2, rel=0.15)
    assert found.facts["noise_fused_measured"] is False


def test_why_a_fusion_may_be_wrong_is_said() -> None:
    rng = np.random.default_rng(2)
    fused = fuse_pair(rng.standard_normal(SHAPE), rng.standard_normal(SHAPE))
    assert any("nothing in common" in warning for warning in fused.facts["warnings"])
    few = np.ones(SHAPE, dtype=bool)
    few[:2] = False
    trace, retrace = measured(surface())
    assert fuse_pair(trace, retrace, few).warnings == ("one of the directions is wrong nearly everywhere",)
