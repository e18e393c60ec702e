"""Movies: what did not change between frames keeps its height, whatever else comes and goes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from afmend.apps.batch.job import Job
from afmend.apps.batch.one import do_job
from afmend.errors import BadScanError
from afmend.formats import read
from afmend.leveling.frames import flicker_of
from afmend.leveling.given import Given, level_given
from afmend.pipeline import Field
from afmend.recipes import align_frames, is_movie, mark
from afmend.scan import Acquisition, Channel, Grid, Masks, Scan
from support import assert_heights_close, rough

SHAPE = (64, 90)
Y, X = np.linspace(-0.5, 0.5, SHAPE[0])[:, None], np.linspace(-0.5, 0.5, SHAPE[1])
FRAMES = 12


def scan_of_frame(z: np.ndarray, time_s: float | None = 1.0, unit: str = "nm") -> Scan:
    channel = Channel("height", "trace", z, unit, "Height")
    return Scan.of(Grid(*z.shape, 2.0, 3.0), [channel], acquisition=Acquisition(frame_time_s=time_s))


def twin_movie(seed: int = 5) -> tuple[list[Scan], list[np.ndarray]]:
    """Islands that cover half of the frame, so that the zero is a matter of chance, under particles that drift."""
    rng = np.random.default_rng(seed)
    ground = 0.05 * rough(SHAPE, 1) + 3.0 * (rough(SHAPE, 5, smooth_px=7) > np.median(rough(SHAPE, 5, smooth_px=7)))
    places = rng.uniform(0, 1, (10, 2)) * SHAPE
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    scans, truths = [], []
    for _ in range(FRAMES):
        places = places + rng.normal(0, 3, places.shape)
        truth = ground.copy()
        for y, x in places:
            truth = np.maximum(truth, np.sqrt(np.maximum(36 - (rows - y) ** 2 - (cols - x) ** 2, 0)))
        tilt = rng.normal(0, 20) + rng.normal(0, 10) * X + rng.normal(0, 10) * Y
        lines = rng.normal(0, 0.3, (SHAPE[0], 1))
        scans.append(scan_of_frame(truth + tilt + lines + rng.normal(0, 0.05, SHAPE)))
        truths.append(truth)
    return scans, truths


def flicker(scans: list[Scan], truths: list[np.ndarray]) -> np.ndarray:
    """How much the plane of the error differs between frames: level, rise along either axis."""
    basis = np.stack([np.ones(SHAPE), Y + 0 * X, X + 0 * Y], axis=-1).reshape(-1, 3)
    errors = [(scan.main.values - truth).ravel() for scan, truth in zip(scans, truths, strict=True)]
    return np.std([np.linalg.lstsq(basis, error, rcond=None)[0] for error in errors], axis=0)


def test_a_movie_does_not_flicker():
    raw, truths = twin_movie()
    leveled = [mark(scan) for scan in raw]
    steady = align_frames(leveled)
    before, after = flicker(leveled, truths), flicker(list(steady), truths)
    assert before[0] > 0.3
    assert after[0] < 0.05
    assert (after < 1.1 * before).all()
    assert steady[3].history[-1].step == "level.given"
    shift = leveled[3].main.values - steady[3].main.values
    record = steady[3].history[-1].params
    plane = record["offset"] + record["rise_slow"] * Y + record["rise_fast"] * X
    assert_heights_close(shift, plane, atol_nm=1e-9)


def planes_of(seed: int, count: int = FRAMES) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (count, 3))


def tilted(planes: np.ndarray, noise_nm: float = 0.05) -> list[np.ndarray]:
    rng = np.random.default_rng(9)
    ground = rough(SHAPE, 4)
    return [ground + a + b * Y + c * X + rng.normal(0, noise_nm, SHAPE) for a, b, c in planes]


NO_MASK = [np.zeros(SHAPE, dtype=bool)] * FRAMES


def test_planes_are_found_up_to_what_all_frames_share():
    planes = planes_of(3)
    found = flicker_of(tilted(planes), NO_MASK)
    rest = found - planes
    assert np.abs(rest - rest.mean(axis=0)).max() < 0.02


def test_masked_pixels_and_one_broken_frame_do_not_count():
    frames, masks = tilted(planes_of(3)), [mask.copy() for mask in NO_MASK]
    masks[4][10:30] = True
    frames[4][masks[4]] = 1e6
    masks[7][:] = True
    masks[7][:3] = False
    found = flicker_of(frames, masks)
    frames[4][masks[4]] = -3.0
    assert np.array_equal(flicker_of(frames, masks), found)
    rest = (found - planes_of(3))[:7]
    assert np.abs(rest - rest.mean(axis=0)).max() < 0.02


def test_frames_that_have_nothing_in_common_stay():
    frames = [rough(SHAPE, 50 + seed, smooth_px=6.0) for seed in range(FRAMES)]
    found = flicker_of(frames, NO_MASK)
    assert np.abs(found[:, 0]).max() < 0.1


def test_still_frames_and_single_frames_stay():
    frame = rough(SHAPE, 4)
    assert not flicker_of([frame] * 4, NO_MASK[:4]).any()
    assert not flicker_of([frame], NO_MASK[:1]).any()
    blind = [np.ones(SHAPE, dtype=bool)] * 3
    assert not flicker_of([frame, frame + 1, frame], blind).any()
    still = align_frames([scan_of_frame(frame)] * 3)
    assert all(not scan.history for scan in still)


def test_frames_of_other_sizes_or_units_are_refused():
    with pytest.raises(BadScanError, match="shapes"):
        flicker_of([rough(SHAPE), rough((9, 12))], [np.zeros(SHAPE, dtype=bool), np.zeros((9, 12), dtype=bool)])
    with pytest.raises(BadScanError, match="units"):
        align_frames([scan_of_frame(rough(SHAPE)), scan_of_frame(rough(SHAPE), unit="V")])


def test_a_movie_has_a_time_per_frame_and_one_grid():
    frame = scan_of_frame(rough(SHAPE))
    assert is_movie([frame, frame])
    assert not is_movie([frame])
    assert not is_movie([frame, scan_of_frame(rough(SHAPE), time_s=None)])
    other = replace(frame, grid=replace(frame.grid, pixel_fast_nm=5.0))
    assert not is_movie([frame, other])


def test_a_given_plane_is_subtracted():
    z = rough(SHAPE)
    done = level_given(Field(z), Given(offset=2.0, rise_slow=3.0, rise_fast=-4.0))
    assert_heights_close(z - done.heights, 2.0 + 3.0 * Y - 4.0 * X, atol_nm=1e-12)


def test_the_batch_takes_the_flicker_out_of_movies(tmp_path, monkeypatch):
    raw, truths = twin_movie()
    blank = scan_of_frame(np.zeros(SHAPE))
    blank = blank.with_channel(blank.main.evolve(masks=Masks(missing=np.ones(SHAPE, dtype=bool))))
    monkeypatch.setattr("afmend.formats.read_all", lambda _: (*raw, blank))
    (tmp_path / "movie.asd").write_bytes(b"frames")
    recipe = "{name: quick, steps: [{step: level.auto}, {step: fill.linear}]}"
    job = Job(str(tmp_path / "movie.asd"), str(tmp_path / "movie"), recipe, None, ("h5",))
    done = do_job(job)
    assert [scan.error is None for scan in done.scans] == [True] * FRAMES + [False]
    scans = [read(scan.outputs[0]) for scan in done.scans[:FRAMES]]
    assert [record.step for record in scans[2].history] == ["level.auto", "level.given", "fill.linear"]
    assert flicker(scans, truths)[0] < 0.05
