"""Work for many orders: all of it, or until it is enough."""

from __future__ import annotations

import pytest

from afmend.pipeline.workers import for_each


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_more_is_begun_once_it_is_enough(workers) -> None:
    watched: list[tuple[int, int]] = []
    for_each(abs, range(40), workers, lambda *told: watched.append(told))
    assert watched == [(k, 40) for k in range(1, 41)]
    watched.clear()
    for_each(abs, range(40), workers, lambda *told: watched.append(told), lambda: len(watched) == 3)
    assert watched == [(1, 40), (2, 40), (3, 40)]
