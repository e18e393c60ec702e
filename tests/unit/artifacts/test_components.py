"""Components and runs, against OpenCV and numpy."""

import cv2
import numpy as np
import pytest

from afmend.artifacts.components import components_of, find_components
from afmend.artifacts.runs import find_runs


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
