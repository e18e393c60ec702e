"""Repeated scans and crossed pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from afmend.errors import BadScanError, StepError
from afmend.fusion import fuse
from afmend.fusion.frames import average_frames, fuse_scans
from afmend.fusion.motion import Motion, register_frame, warped
from afmend.scan import Scan
from support import rough, scan_of

SHAPE = (64, 96)


def moved_frames(count: int, noise_nm: float, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray, list[Motion]]:
    """Frames of one surface that drifts, with offsets of lines; and the surface at the places of the middle one."""
    rng = np.random.default_rng(seed)
    wide = rough((SHAPE[0] + 60, SHAPE[1] + 60), 3, 1.0, 3.0)
    frames, motions = [], []
    for n in range(count):
        away = n - count // 2
        motion = Motion(np.array([1.3 * away, 0.6 * away, 0.1 * away]), np.array([-0.9 * away, 0.4 * away, 0.0]))
        rows, cols = motion.places(SHAPE)
        z = map_coordinates(wide, [rows + 30, cols + 30], order=3)
        noisy = z + noise_nm * rng.standard_normal(SHAPE) + rng.standard_normal((SHAPE[0], 1))
        frames.append(noisy + np.linspace(0, 3, SHAPE[1]))
        motions.append(motion)
    return frames, wide[30:-30, 30:-30], motions


def rest(found: np.ndarray, truth: np.ndarray, good: np.ndarray) -> float:
    away = np.ma.masked_array(found - truth, ~good)
    away = away - np.ma.median(away, axis=1)[:, None]
    u = np.arange(SHAPE[1]) - SHAPE[1] / 2
    slope = float((away * u).sum() / (good * u**2).sum())
    return float(np.sqrt(((away - slope * u) ** 2).mean()))


def test_a_known_motion_is_found() -> None:
    frames, _, motions = moved_frames(3, 0.05)
    flat = [f - np.median(f, axis=1, keepdims=True) for f in frames]
    everywhere = np.ones(SHAPE, dtype=bool)
    found = register_frame(flat[1], flat[2], (everywhere, everywhere), Motion.none())
    # Reading a frame further is the opposite of the surface having moved.
    assert found.slow[0] == pytest.approx(-motions[2].slow[0], abs=0.25)
    assert found.fast[0] == pytest.approx(-motions[2].fast[0], abs=0.25)
    assert found.slow[1] == pytest.approx(-motions[2].slow[1], abs=0.25)
    assert register_frame(0 * flat[1], 0 * flat[1], (everywhere, everywhere), Motion.none()).slow[0] == 0


def test_averaging_lowers_noise_by_the_root_of_the_number() -> None:
    frames, truth, _ = moved_frames(9, 0.3)
    holes = [np.zeros(SHAPE, dtype=bool) for _ in frames]
    frames[2][20:24, 30:60] += 40.0  # a disturbance in one frame
    fused = average_frames(frames, holes)
    inner = np.zeros(SHAPE, dtype=bool)
    inner[10:-10, 10:-10] = True
    assert fused.noise_before == pytest.approx(0.3, rel=0.15)
    assert fused.noise_after == pytest.approx(0.1, rel=0.25)
    assert rest(fused.heights, truth, inner) < 0.16
    assert not fused.left_out
    assert float(np.median(fused.sigma[inner])) == pytest.approx(0.1, rel=0.3)
    assert fused.facts["frames"] == 9


def test_a_frame_of_another_place_is_left_out() -> None:
    frames, _, _ = moved_frames(8, 0.1)
    frames[7] = rough(SHAPE, 99, 1.0, 3.0)
    frames[0] = np.zeros(SHAPE)
    fused = average_frames(frames, [np.zeros(SHAPE, dtype=bool)] * 8)
    assert fused.left_out == (0, 7)
    assert fused.alike[4] is None
    for n in fused.left_out:
        assert (fused.alike[n] or 0.0) <= fused.least[n]
    assert all((fused.alike[n] or 0.0) > fused.least[n] for n in (1, 2, 3, 5, 6))
    assert fused.facts["noise_after_measured"] is True


def test_holes_and_what_no_frame_covers() -> None:
    frames, _, _ = moved_frames(3, 0.05)
    holes = [np.zeros(SHAPE, dtype=bool) for _ in frames]
    for hole in holes:
        hole[:, :6] = True
    fused = average_frames(frames, holes, reference=1)
    assert fused.unknown[:, :3].all()
    assert np.isinf(fused.sigma[fused.unknown]).all()
    assert not fused.unknown[:, 12:-12].any()
    made, lost = warped(frames[0], holes[0], Motion(np.array([0.0, 0, 0]), np.array([3.0, 0, 0])))
    assert made.shape == SHAPE
    assert lost[:, -3:].all()


def test_where_half_of_the_frames_say_something_else_it_is_marked() -> None:
    """A molecule leaves between the second and the third of four frames: no pixel may take now one, now the other."""
    rng = np.random.default_rng(6)
    z = rough(SHAPE, 3, 1.0, 3.0)
    frames = [z + 0.1 * rng.standard_normal(SHAPE) for _ in range(4)]
    there = np.zeros(SHAPE, dtype=bool)
    there[20:30, 40:56] = True
    for frame in frames[:2]:
        frame[there] += 3.0
    fused = average_frames(frames, [np.zeros(SHAPE, dtype=bool)] * 4)
    inner = np.s_[22:28, 42:54]
    assert fused.disputed[inner].mean() > 0.9
    assert fused.disputed[~there].mean() < 0.01
    assert float(np.median(fused.sigma[inner])) > 1.0
    away = (fused.heights - z)[inner]
    assert float(np.std(away)) < 0.3
    made = fuse_scans([scan_of(frame) for frame in frames])
    assert np.array_equal(made.main.masks.artifact["disputed"], fused.disputed)
    frames[1][there] -= 3.0
    most = average_frames(frames, [np.zeros(SHAPE, dtype=bool)] * 4)
    assert most.disputed.mean() < 0.01


def test_what_few_frames_cover_is_counted() -> None:
    frames, _, _ = moved_frames(3, 0.05)
    fused = average_frames(frames, [np.zeros(SHAPE, dtype=bool)] * 3)
    assert 0.02 < fused.facts["fewer_frames_share"] < 0.3
    assert fused.facts["noise_after_measured"] is False
    assert fused.noise_after == pytest.approx(fused.noise_before / np.sqrt(3))


def test_crossed_scans_keep_what_line_leveling_takes() -> None:
    """Ridges along the lines of one scan cross the lines of the other."""
    rng = np.random.default_rng(4)
    n = 72
    z = np.zeros((n, n)) + 2.0 * np.sin(np.arange(n) / 4)[:, None] + rough((n, n), 5, 0.5, 3.0)
    first = z + rng.standard_normal((n, 1)) + 0.05 * rng.standard_normal((n, n))
    second = z + rng.standard_normal((1, n)) + 0.05 * rng.standard_normal((n, n))
    fused = average_frames([first, second], [np.zeros((n, n), dtype=bool)] * 2, orthogonal=True)
    away = fused.heights - z
    y, x = np.mgrid[:n, :n] / n
    terms = np.stack([np.ones(n * n), x.ravel(), y.ravel()], axis=1)
    away = away.ravel() - terms @ np.linalg.lstsq(terms, away.ravel(), rcond=None)[0]
    assert float(np.std(away)) < 0.25
    turned = scan_of(np.rot90(second, -1))
    grid = replace(turned.grid, pixel_slow_nm=3.0, pixel_fast_nm=2.0, angle_deg=90.0)
    both = fuse_scans([scan_of(first), Scan.of(grid, turned.channels.values())])
    assert np.corrcoef(both.main.values.ravel(), fused.heights.ravel())[0, 1] > 0.99


def test_scans_become_one_scan() -> None:
    frames, _, _ = moved_frames(4, 0.1)
    scans = [fuse(scan_of(frame, opposite=frame + 0.01)) for frame in frames]
    fused = fuse_scans(scans)
    assert fused.history[:-1] == scans[2].history
    assert [record.step for record in fused.history] == ["mark.both_fly", "fuse.trace_retrace", "fuse.frames"]
    facts = fused.history[-1].facts
    assert facts["reference"] == 2
    assert facts["noise_after"] < facts["noise_before"]
    assert fused.main.kind == "height"


def test_what_cannot_be_fused_is_refused() -> None:
    with pytest.raises(BadScanError, match="no frames"):
        fuse_scans([])
    z = rough(SHAPE)
    with pytest.raises(BadScanError, match="at least two"):
        fuse_scans([scan_of(z)])
    with pytest.raises(BadScanError, match="of shapes"):
        average_frames([z, z[:-1]], [np.zeros(SHAPE, dtype=bool)] * 2)
    small = scan_of(z)
    other = Scan.of(replace(small.grid, pixel_fast_nm=9.0), small.channels.values())
    with pytest.raises(BadScanError, match="pixel sizes"):
        fuse_scans([small, other])
    with pytest.raises(StepError, match="nothing in common"):
        average_frames([z, np.zeros(SHAPE)], [np.zeros(SHAPE, dtype=bool), np.ones(SHAPE, dtype=bool)])
