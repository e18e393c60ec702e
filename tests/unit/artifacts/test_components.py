"""Components and runs, against OpenCV and numpy."""

import cv2
import numpy as np
import pytest

from afmend.artifacts.components import components_of, find_components
from afmend.artifacts.runs import Runs, find_runs, paint_runs, runs_above


@pytest.mark.parametrize("diagonal", [True, False])
@pytest.mark.parametrize("share", [0.1, 0.45, 0.7])
@pytest.mark.parametrize("shape", [(40, 64), (33, 27), (1, 9), (9, 1)])
def test_components_are_those_of_opencv(shape: tuple[int, int], share: float, diagonal: bool):
    mask = np.random.default_rng(3).random(shape) < share
    parts = find_components(mask, diagonal=diagonal)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8 if diagonal else 4)
    assert parts.area.size == count
    assert len(set(zip(labels.ravel().tolist(), parts.labels.ravel().tolist(), strict=True))) == len(np.unique(labels))
    mine = np.stack([parts.left, parts.top, parts.width, parts.height, parts.area], axis=1)[1:]
    assert sorted(mine.tolist()) == sorted(boxes[1:].tolist())


def test_runs_share_the_numbers_of_their_components():
    mask = np.random.default_rng(4).random((21, 30)) < 0.4
    runs = find_runs(mask)
    assert (components_of(runs) == find_components(mask).labels[runs.row, runs.start]).all()


def test_runs_above_the_noise_and_the_strong_parts_of_strong_ones():
    from afmend.artifacts.run_kernels import strong_runs

    rng = np.random.default_rng(5)
    scores = rng.random((70, 31)).astype(np.float32)
    noise = rng.random((70, 31)).astype(np.float32)
    usable = rng.random((70, 31)) < 0.9
    runs = runs_above(scores, noise, usable, 1.5)
    whole = paint_runs(runs, (70, 31))
    assert (whole == ((scores > np.float32(1.5) * noise) & usable)).all()
    expected = np.zeros((70, 31), bool)
    for row, start, stop in zip(*runs, strict=True):
        part, loud = (values[row, start:stop].astype(float) for values in (scores, noise))
        mean = part.sum() / loud.sum()
        if mean * np.sqrt(min(stop - start, 6) / 2) > 3.0 and mean > 1.8:
            expected[row, start:stop] = part >= np.float32(0.35 * part.mean())
    strong = Runs(*strong_runs(scores, noise, *runs, 3.0, 2, 6))
    assert 0 < strong.row.size < runs.row.size
    assert (paint_runs(strong, (70, 31)) == expected).all()
    joined = find_runs(paint_runs(strong, (70, 31)))
    assert all((a == b).all() for a, b in zip(strong, joined, strict=True))
