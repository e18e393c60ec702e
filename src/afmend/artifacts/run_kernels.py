"""Compiled loops over runs. Import this module inside functions only: loading numba takes a while."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Mask

Indices = NDArray[np.int64]
Numbers = NDArray[np.int32]


@njit(cache=True, nogil=True)
def _longer(table: Indices) -> Indices:
    out = np.empty((3, 2 * table.shape[1]), np.int64)
    out[:, : table.shape[1]] = table
    return out


@njit(cache=True, nogil=True)
def _add_runs(i: int, marks: Mask, words: NDArray[np.uint64], table: Indices, count: int) -> int:
    """Write the runs of row ``i`` behind the ``count`` runs in the table; return their number."""
    inside = False
    for word in range(words.size):
        if words[word] == 0 and not inside:
            continue
        for j in range(8 * word, 8 * word + 8):
            if marks[j] != inside:
                if inside:
                    table[2, count] = j
                    count += 1
                else:
                    table[0, count] = i
                    table[1, count] = j
                inside = not inside
    if inside:
        table[2, count] = marks.size
        count += 1
    return count


@njit(cache=True, nogil=True)
def find_runs(mask: Mask, words: NDArray[np.uint64]) -> Indices:
    """Row, start and stop of the runs of a mask, row by row: (3, runs).

    ``words`` are the same pixels, eight in each, so that eight pixels without a mark are passed at once.
    """
    rows, cols = mask.shape
    table = np.empty((3, 1024 + cols), np.int64)
    count = 0
    for i in range(rows):
        if table.shape[1] - count <= cols // 2:
            table = _longer(table)
        count = _add_runs(i, mask[i], words[i], table, count)
    return table[:, :count].copy()


@njit(cache=True, nogil=True)
def run_sums(values: NDArray[Any], row: Indices, start: Indices, stop: Indices) -> NDArray[np.float64]:
    """Sum values over each run."""
    out = np.empty(row.size)
    for n in range(row.size):
        total = 0.0
        for j in range(start[n], stop[n]):
            total += np.float64(values[row[n], j])
        out[n] = total
    return out


@njit(cache=True, nogil=True)
def paint(image: NDArray[Any], row: Indices, start: Indices, stop: Indices, values: NDArray[Any]) -> None:
    """Give the pixels of each run its value."""
    for n in range(row.size):
        for j in range(start[n], stop[n]):
            image[row[n], j] = values[n]


@njit(cache=True, nogil=True)
def _root(parent: Indices, n: int) -> int:
    while parent[n] != n:
        parent[n] = parent[parent[n]]
        n = parent[n]
    return n


@njit(cache=True, nogil=True)
def join_runs(row: Indices, start: Indices, stop: Indices, reach: int) -> Indices:
    """Return the number, from 1 on, of the component of each run; corners join if ``reach`` is 1, not if 0."""
    parent = np.arange(row.size)
    above = 0
    for n in range(row.size):
        while above < n and (row[above] < row[n] - 1 or (row[above] == row[n] - 1 and stop[above] + reach <= start[n])):
            above += 1
        k = above
        while k < n and row[k] == row[n] - 1 and start[k] < stop[n] + reach:
            if stop[k] + reach > start[n]:
                a, b = _root(parent, n), _root(parent, k)
                parent[max(a, b)] = min(a, b)
            k += 1
    label = np.empty(row.size, np.int64)
    count = 0
    for n in range(row.size):
        if parent[n] == n:
            count += 1
            label[n] = count
        else:
            label[n] = label[_root(parent, n)]
    return label


@njit(cache=True, nogil=True)
def boxes(labels: Numbers, row: Indices, start: Indices, stop: Indices, label: Indices, count: int) -> Numbers:
    """Write the labels of the runs into ``labels``; return left, top, width, height, area per label: (5, count + 1)."""
    out = np.zeros((5, count + 1), np.int32)
    out[0, 1:] = labels.shape[1]
    for n in range(row.size):
        k = label[n]
        for j in range(start[n], stop[n]):
            labels[row[n], j] = k
        if out[4, k] == 0:
            out[1, k] = row[n]
        out[0, k] = min(out[0, k], start[n])
        out[2, k] = max(out[2, k], stop[n])
        out[3, k] = row[n] + 1 - out[1, k]
        out[4, k] += stop[n] - start[n]
    for k in range(1, count + 1):
        out[2, k] -= out[0, k]
    return out


@njit(cache=True, nogil=True)
def _add_row(column: Numbers, mask: Mask, k: int, sign: int) -> None:
    rows = mask.shape[0]
    inside = -1 - k if k < 0 else (2 * rows - 1 - k if k >= rows else k)
    for j in range(mask.shape[1]):
        column[j] += sign * np.int32(mask[inside, j])


@njit(cache=True, nogil=True)
def box_shares(mask: Mask, row: Indices, start: Indices, stop: Indices, tall: int, wide: int, limit: float) -> Mask:
    """Whether any pixel of a run has more than ``limit`` of a window of marks around it; the edges reflect."""
    cols = mask.shape[1]
    out = np.zeros(row.size, np.bool_)
    half_tall, half_wide = tall // 2, wide // 2
    area = np.float64(tall * wide)
    column = np.empty(cols, np.int32)
    done = -1
    for n in range(row.size):
        i = row[n]
        if done < 0 or i - done > half_tall:
            column[:] = 0
            for k in range(i - half_tall, i + half_tall + 1):
                _add_row(column, mask, k, 1)
            done = i
        while done < i:
            _add_row(column, mask, done - half_tall, -1)
            done += 1
            _add_row(column, mask, done + half_tall, 1)
        for j in range(start[n], stop[n]):
            total = 0
            for d in range(-half_wide, half_wide + 1):
                k = j + d
                if k < 0:
                    k = -1 - k
                elif k >= cols:
                    k = 2 * cols - 1 - k
                total += column[k]
            if total > limit * area:
                out[n] = True
                break
    return out
