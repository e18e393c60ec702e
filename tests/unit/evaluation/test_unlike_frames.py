"""Frames of a made-up movie that are unlike the others."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from afmend.apps.batch.job import Job
from afmend.apps.batch.one import do_job
from afmend.apps.batch.plan import Order
from afmend.apps.batch.summary import rows_of, write_summary
from afmend.evaluation.unlike_frames import unlike_frames
from afmend.scan import Acquisition, Channel, Grid, Masks, Scan
from support import rough

SHAPE = (48, 70)
FRAMES = 11


def movie(seed=0, noise=0.3):
    """Channels of one surface under independent noise."""
    rng = np.random.default_rng(seed)
    ground = rough(SHAPE, 7, sq_nm=1.0)
    return [Channel("height", "trace", ground + rng.normal(0, noise, SHAPE), "nm", "Height") for _ in range(FRAMES)]


def odd(channels):
    return {index for index, text in enumerate(unlike_frames(channels)) if text}


def test_frames_alike_are_not_told():
    assert odd(movie()) == set()
    assert unlike_frames(movie()[:4]) == [""] * 4
    assert unlike_frames([]) == []


def test_sq_far_out():
    frames = movie()
    frames[3] = frames[3].evolve(values=40 * frames[3].values)
    frames[7] = frames[7].evolve(values=np.full(SHAPE, 2.0))
    frames[9] = frames[9].evolve(values=0.01 * frames[9].values)
    told = unlike_frames(frames)
    assert odd(frames) == {3, 7, 9}
    assert told[3].startswith("UNLIKE THE OTHER FRAMES: its Sq after leveling is 4")
    assert "median of the frames: 1." in told[3]
    assert "its Sq after leveling is 0 nm" in told[7]
    assert "correlation" in told[7]
    assert "correlation" not in told[3]


def test_nothing_in_common_with_the_neighbors():
    frames = movie()
    frames[4] = frames[4].evolve(values=rough(SHAPE, 99, sq_nm=1.0))
    told = unlike_frames(frames)
    assert odd(frames) == {4}
    assert "its correlation with the frames before and after is" in told[4]
    jump = movie()
    moved = [one.evolve(values=np.roll(one.values, (20, 31), (0, 1))) for one in jump[6:]]
    assert odd([*jump[:6], *moved]) == set()  # the field jumped once: both sides still have a neighbor


def test_frames_that_share_nothing_are_not_missed():
    assert odd([one.evolve(values=rough(SHAPE, n, sq_nm=1.0)) for n, one in enumerate(movie())]) == set()


def test_marked_pixels_do_not_count():
    frames = movie()
    mask = np.zeros(SHAPE, bool)
    mask[5:20] = True
    frames[2] = frames[2].evolve(values=np.where(mask, 300.0, frames[2].values), masks=Masks(artifact={"lost": mask}))
    assert odd(frames) == set()
    nearly_all = np.ones(SHAPE, bool)
    nearly_all[0] = False
    frames[2] = movie()[2].evolve(masks=Masks(artifact={"lost": nearly_all}))
    assert "correlation" not in unlike_frames(frames)[2]
    gone = [one.evolve(masks=Masks(missing=np.ones(SHAPE, bool))) for one in movie()]
    assert odd(gone) == set()


def scans(frames):
    fact = Acquisition(frame_time_s=1.0)
    return tuple(Scan.of(Grid(*SHAPE, 2.0, 3.0), [one], acquisition=fact) for one in frames)


def done_with(tmp_path, monkeypatch, frames):
    monkeypatch.setattr("afmend.formats.read_all", lambda _: frames)
    (tmp_path / "movie.asd").write_bytes(b"frames")
    recipe = "{name: quick, steps: [{step: level.plane}, {step: fill.linear}]}"
    job = Job(str(tmp_path / "movie.asd"), str(tmp_path / "m"), recipe, None, ("h5",), card=str(tmp_path / "c.json"))
    return do_job(job), recipe


def test_the_batch_tells_dead_frames(tmp_path, monkeypatch):
    frames = movie()
    frames[5] = frames[5].evolve(values=40 * frames[5].values)
    frames[8] = frames[8].evolve(values=np.full(SHAPE, 3.0))
    result, recipe = done_with(tmp_path, monkeypatch, scans(frames))
    rows = rows_of([result])
    assert [n for n, row in enumerate(rows) if row["status"] == "doubtful"] == [5, 8]
    assert {row["status"] for n, row in enumerate(rows) if n not in (5, 8)} == {"processed"}
    assert rows[5]["warnings"].startswith("UNLIKE THE OTHER FRAMES")
    assert "The height is constant" in rows[8]["warnings"]
    made = json.loads(Path(result.scans[5].card).read_text(encoding="utf-8"))
    assert made["warnings"][0] == rows[5]["warnings"]
    order = Order(out=tmp_path, recipe=recipe, report=False)
    write_summary(order, [result], 1)
    with (tmp_path / "summary.csv").open(encoding="utf-8") as file:
        assert [row["status"] for row in csv.DictReader(file)].count("doubtful") == 2


@pytest.mark.parametrize("unit", ["nm", "V"])
def test_frames_of_two_quantities_are_not_compared(tmp_path, monkeypatch, unit):
    frames = movie()
    frames[5] = replace(frames[5].evolve(values=40 * frames[5].values), unit=unit)
    result, _ = done_with(tmp_path, monkeypatch, scans(frames))
    assert any("UNLIKE" in row["warnings"] for row in rows_of([result])) == (unit == "nm")
