"""Compiled search for scars: bands of lines that stand out, and the runs of pixels that they make.

A pixel scores what the best band of lines through it stands above its surroundings. The first line of a band is
compared with the line above it, continued along the slope of the three lines before; the last line with the line
below it in the same way; lines between with the chord. The lowest of these counts. A slope lowers the bar on one side
only as far as the other side confirms it. So neither slopes, nor rounded tops, nor hollows score, only what rises
within one line on both sides. The first and the last line of the image score nothing: with one neighbor, a scar looks
like a step.

There are two sides: 0 = above the surface, 1 = below it. Heights are float32, and so is what is computed from them,
in the order that is written here. Import this module inside functions only: loading numba takes a while.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Mask

Map = NDArray[np.float32]
Indices = NDArray[np.int64]
Rule: TypeAlias = tuple[float, np.float32, int, np.float32]
"""See `afmend.artifacts.scars.Scars`: hard, soft, min_length, sharpness."""
Marks = NDArray[np.uint8]
Words = NDArray[np.uint64]

LEAST = np.float32(1e-5)
"""No lower score begins a run, however quiet the image."""
SHORT, LONG = 10, 40
"""A run of SHORT pixels needs the full height, one of LONG or more pixels needs less (noise averages out)."""
LONG_SHARE, PART_SHARE = 0.6, 0.35
"""Of ``hard``, what the longest run needs; of a run's mean score, what its ends need."""
NEAR = 16
"""Pixels beyond a long run that are looked at first."""
GAP = 3
"""Parts of a run that are so many pixels apart, or fewer, are one."""


@njit(cache=True, nogil=True)
def _differences(ground: Map, steps: Map, slopes: Map) -> None:
    """Write the step from each line to the next (into row ``i``: from ``i - 1`` to ``i``), and the mean of three.

    Row ``i`` of ``slopes``, which has 4 rows more than the image, is the mean from line ``i - 4`` to ``i - 1``.
    Slopes that would need lines beyond the image count as flat.
    """
    rows, cols = ground.shape
    third, zero = np.float32(1.0 / 3.0), np.float32(0.0)
    for i in range(1, rows):
        for j in range(cols):
            steps[i, j] = ground[i, j] - ground[i - 1, j]
    for i in range(rows + 4):
        if 4 <= i <= rows:
            for j in range(cols):
                slopes[i, j] = (ground[i - 1, j] - ground[i - 4, j]) * third
        else:
            for j in range(cols):
                slopes[i, j] = zero


@njit(cache=True, nogil=True)
def _next_line(  # noqa: C901, PLR0912 (compiled)
    ground: Map, steps: Map, slopes: Map, i: int, width: int, best: Map, room: Map
) -> None:
    """Let ``best`` go on from line ``i - 1`` to ``i``.

    Row ``2 k - 2 + side`` of ``best`` holds the best band of at least ``k`` lines through the lines ``i`` to
    ``i + k - 1``, which is one that starts at ``i``, or one of more lines through these or the line before. ``room``
    is for four lines: scores of the bands of ``k`` lines on both sides, and of longer ones.

    One function, and a loop for each side, because compilers pack loops only if few arrays could overlap.
    """
    rows, cols = ground.shape
    zero = np.float32(0.0)
    for j in range(cols):
        room[2, j] = zero
    for j in range(cols):
        room[3, j] = zero
    for k in range(width, 0, -1):
        if i + k < rows:
            for j in range(cols):
                onto = steps[i, j] - max(slopes[i, j], min(slopes[i + k + 4, j], zero))
                off = min(slopes[i + k + 4, j], max(slopes[i, j], zero)) - steps[i + k, j]
                room[0, j] = min(onto, off)
            for j in range(cols):
                onto = min(slopes[i, j], max(slopes[i + k + 4, j], zero)) - steps[i, j]
                off = steps[i + k, j] - max(slopes[i + k + 4, j], min(slopes[i, j], zero))
                room[1, j] = min(onto, off)
            for line in range(1, k - 1):
                share = np.float32(line + 1) / np.float32(k + 1)
                for j in range(cols):
                    away = ground[i + line, j] - ground[i - 1, j] - share * (ground[i + k, j] - ground[i - 1, j])
                    room[0, j] = min(away, room[0, j])
                    room[1, j] = min(-away, room[1, j])
        else:
            for j in range(cols):
                room[0, j] = zero
            for j in range(cols):
                room[1, j] = zero
        for side in range(2):
            for j in range(cols):
                here = max(room[side, j], room[2 + side, j])
                room[2 + side, j] = max(here, best[2 * k - 2 + side, j])
                best[2 * k - 2 + side, j] = here


@njit(cache=True, nogil=True)
def line_scores(ground: Map, width: int, row: int, columns: Indices) -> Map:
    """Score some pixels of one line on both sides: the best of 1 to ``width`` lines; (2, pixels)."""
    top = max(row - width - 3, 0)
    part = ground[top : row + width + 4][:, columns]
    rows, cols = part.shape
    steps, slopes = np.empty((rows, cols), np.float32), np.empty((rows + 4, cols), np.float32)
    best, room = np.zeros((2 * width, cols), np.float32), np.empty((4, cols), np.float32)
    _differences(part, steps, slopes)
    if row + 1 < ground.shape[0]:
        for i in range(max(row - width + 1, 1), row + 1):
            _next_line(part, steps, slopes, i - top, width, best, room)
    return best[:2].copy()


@njit(cache=True, nogil=True)
def candidates(
    ground: Map, noise: Map, allowed: Mask, width: int, rule: Rule, first: int, stop: int, scores: Map
) -> Indices:
    """List the runs of the lines ``first`` to ``stop - 1`` that may be scars: (runs, 4), side, row, start and stop.

    Also write what each pixel scores into ``scores``, (2, rows, cols).
    """
    rows, cols = ground.shape
    top = max(first - width - 3, 0)
    part = ground[top : stop + width + 3]
    steps, slopes = np.empty(part.shape, np.float32), np.empty((part.shape[0] + 4, cols), np.float32)
    best, room = np.zeros((2 * width, cols), np.float32), np.empty((4, cols), np.float32)
    marks, parts = np.zeros(cols + -cols % 8, np.uint8), np.empty((cols // 2 + 1, 2), np.int64)
    table, count = np.empty((256, 4), np.int64), 0
    _differences(part, steps, slopes)
    for i in (0, rows - 1):
        if first <= i < stop:
            scores[:, i] = np.float32(0.0)
    for i in range(max(first - width + 1, 1), min(stop, rows - 1)):
        _next_line(part, steps, slopes, i - top, width, best, room)
        if i < first:  # only bands that begin before the first line
            continue
        for side in range(2):
            for j in range(cols):
                scores[side, i, j] = best[side, j]
        table, count = _add_line(ground, noise, allowed, width, rule, i, scores, marks, parts, table, count)
    return table[:count].copy()


@njit(cache=True, nogil=True)
def _add_line(
    ground: Map, noise: Map, allowed: Mask, width: int, rule: Rule, row: int, scores: Map, marks: Marks,
    parts: Indices, table: Indices, count: int,
) -> tuple[Indices, int]:  # fmt: skip
    """Write the runs of a line that may be scars behind the ``count`` of the table; return the table and their number.

    ``marks`` and ``parts`` are room for a line.
    """
    words = marks.view(np.uint64)
    for side in range(2):
        found = _row_runs(scores[side, row], noise[row], allowed[row], rule, marks, words, parts)
        for n in range(found):
            start, end = parts[n]
            if end - start < rule[2] or not _is_sharp(ground, scores[side, row], side, row, start, end, width, rule[3]):
                continue
            if count == table.shape[0]:
                table = np.concatenate((table, table))
            table[count, 0], table[count, 1], table[count, 2], table[count, 3] = side, row, start, end
            count += 1
    return table, count


@njit(cache=True, nogil=True)
def candidates_again(
    ground: Map, noise: Map, allowed: Mask, width: int, rule: Rule, first: int, stop: int, scores: Map,
    before: Indices, boxes: Indices,
) -> Indices:  # fmt: skip
    """Do as `candidates` where only pixels in ``boxes`` can score anew, and ``before`` were the candidates."""
    cols = ground.shape[1]
    again = np.zeros(ground.shape[0], np.bool_)
    for top, bottom, left, right in boxes:
        above, below = max(top, first, 1), min(bottom, stop, ground.shape[0] - 1)
        if above < below:
            again[above:below] = True
            _score_box(ground, width, above, below, left, right, scores)
    marks, parts = np.zeros(cols + -cols % 8, np.uint8), np.empty((cols // 2 + 1, 2), np.int64)
    table, count, old = np.empty((before.shape[0] + 256, 4), np.int64), 0, 0
    for i in range(first, stop):
        if again[i]:
            table, count = _add_line(ground, noise, allowed, width, rule, i, scores, marks, parts, table, count)
        while old < before.shape[0] and before[old, 1] <= i:
            if before[old, 1] == i and not again[i]:
                if count == table.shape[0]:
                    table = np.concatenate((table, table))
                table[count] = before[old]
                count += 1
            old += 1
    return table[:count].copy()


@njit(cache=True, nogil=True)
def _score_box(ground: Map, width: int, first: int, stop: int, left: int, right: int, scores: Map) -> None:
    """Write the scores of some columns of the lines ``first`` to ``stop - 1``, none of them at the image's edge."""
    top = max(first - width - 3, 0)
    part = ground[top : stop + width + 3, left:right].copy()
    cols = right - left
    steps, slopes = np.empty(part.shape, np.float32), np.empty((part.shape[0] + 4, cols), np.float32)
    best, room = np.zeros((2 * width, cols), np.float32), np.empty((4, cols), np.float32)
    _differences(part, steps, slopes)
    for i in range(max(first - width + 1, 1), stop):
        _next_line(part, steps, slopes, i - top, width, best, room)
        for side in range(2 if i >= first else 0):
            for j in range(cols):
                scores[side, i, left + j] = best[side, j]


@njit(cache=True, nogil=True)
def _row_runs(scores: Map, noise: Map, allowed: Mask, rule: Rule, marks: Marks, words: Words, parts: Indices) -> int:
    """Write start and stop of the strong runs of a line into ``parts``; return their number.

    A run is where allowed pixels score above ``soft`` times the noise. ``marks`` is room for a line, and ``words`` the
    same, eight pixels in each. Most runs are passed over: without a pixel above ``hard`` a run is strong only if it
    has more than SHORT pixels, four of which fill half of a word.
    """
    hard, soft, cols = np.float32(0.99 * rule[0]), rule[1], scores.size
    for j in range(cols):
        above = (scores[j] > noise[j] * soft) & (scores[j] > LEAST) & allowed[j]
        marks[j] = np.uint8(above) | np.uint8(scores[j] > noise[j] * hard) << np.uint8(1)
    high, low_half = np.uint64(0x0202020202020202), np.uint64(0x01010101)
    high_half = np.uint64(0x0101010100000000)
    count = done = 0
    for word in range(words.size):
        here = words[word]
        if here & high == 0 and here & low_half != low_half and here & high_half != high_half:
            continue
        for j in range(max(8 * word, done), 8 * word + 8):
            if j < done or not marks[j] & 1:
                continue
            start, done = j, j + 1
            while start > 0 and marks[start - 1] & 1:
                start -= 1
            while done < cols and marks[done] & 1:
                done += 1
            count = _add_strong(scores, noise, start, done, rule[0], parts, count)
    return count


@njit(cache=True, nogil=True)
def _add_strong(scores: Map, noise: Map, start: int, stop: int, hard: float, parts: Indices, count: int) -> int:
    """Add a run to the ``count`` parts of its line if it is strong, without its weak ends; return their number.

    Strong is a run whose mean score over its mean noise is above ``hard`` at SHORT pixels, less for longer ones up to
    LONG, never below LONG_SHARE of it. Of these stay the parts above PART_SHARE of the run's mean score.
    """
    length = stop - start
    score = loud = 0.0
    for j in range(start, stop):
        score += np.float64(scores[j])
        loud += np.float64(noise[j])
    mean = score / max(loud, 1e-9)
    if not (mean * np.sqrt(min(length, LONG) / SHORT) > hard and mean > LONG_SHARE * hard):
        return count
    limit = np.float32(PART_SHARE * (score / length))
    for j in range(start, stop):
        if scores[j] < limit:
            continue
        if count and j - parts[count - 1, 1] <= GAP:
            parts[count - 1, 1] = j + 1
        else:
            parts[count, 0] = j
            parts[count, 1] = j + 1
            count += 1
    return count


@njit(cache=True, nogil=True)
def _is_sharp(
    ground: Map, scores: Map, side: int, row: int, start: int, stop: int, width: int, sharpness: np.float32
) -> bool:
    """Tell whether at least half of a run gains enough of its height over the wider surroundings within one line."""
    above, below = row - width - 2 >= 0, row + width + 2 < ground.shape[0]
    half, sign = np.float32(0.5), np.float32(1 - 2 * side)
    count = 0
    for j in range(start, stop):
        up = down = np.float32(-np.inf)
        if above:
            up = half * (sign * ground[row - width - 1, j] + sign * ground[row - width - 2, j])
        if below:
            down = half * (sign * ground[row + width + 1, j] + sign * ground[row + width + 2, j])
        rise = sign * ground[row, j] - max(up, down) if above or below else np.float32(0.0)
        count += scores[j] >= sharpness * rise
    return count >= 0.5 * (stop - start)


@njit(cache=True, nogil=True)
def any_goes_on(ground: Map, noise: Map, allowed: Mask, width: int, runs: Indices, length: int, least: float) -> bool:
    """Whether ``length`` allowed pixels beyond an end of any run score ``least`` times the noise in the mean."""
    for n in range(runs.shape[1]):
        row = runs[0, n]
        columns, left = _beyond(runs[1, n], runs[2, n], length, ground.shape[1])
        scores = line_scores(ground, width, row, columns)
        for first, last in ((0, left), (left, columns.size)):
            for side in range(2):
                total = 0.0
                for k in range(first, last):
                    if allowed[row, columns[k]]:
                        total += scores[side, k] / max(noise[row, columns[k]], np.float32(1e-9))
                if total >= least * length:
                    return True
    return False


@njit(cache=True, nogil=True)
def any_begins(ground: Map, noise: Map, allowed: Mask, width: int, runs: Indices, rule: Rule) -> bool:
    """Whether any of `candidates` begins within two pixels beyond an end of any of the (long) ``runs``."""
    for n in range(runs.shape[1]):
        far, begins = NEAR, -1
        while begins < 0:  # it is not sure yet
            begins = _begins(ground, noise, allowed, width, runs[:, n], far, rule)
            far *= 4
        if begins:
            return True
    return False


@njit(cache=True, nogil=True)
def _begins(ground: Map, noise: Map, allowed: Mask, width: int, run: Indices, far: int, rule: Rule) -> int:
    """Do as `any_begins` for one run with ``far`` pixels beyond each end: 1 = yes, 0 = no, -1 = these are too few."""
    row, start, stop = run
    columns, left = _beyond(start, stop, far, ground.shape[1])
    scores = line_scores(ground, width, row, columns)
    for end in (slice(0, left), slice(left, columns.size)):
        at = columns[end]
        loud, free = noise[row][at], allowed[row][at]
        for side in range(2):
            first, last = _first_run(scores[side, end], loud, free, far, rule)
            if last < 0:
                return -1
            part, own = ground[:, at[first:last]], scores[side, end][first:last]
            if first < last and _is_sharp(part, own, side, row, 0, own.size, width, rule[3]):
                return 1
    return 0


@njit(cache=True, nogil=True)
def _beyond(start: int, stop: int, far: int, cols: int) -> tuple[Indices, int]:
    """List up to ``far`` columns beyond the left and then the right end of a run, the nearest first; how many left."""
    left, right = min(far, start), min(far, cols - stop)
    columns = np.empty(left + right, np.int64)
    for k in range(left):
        columns[k] = start - 1 - k
    for k in range(right):
        columns[left + k] = stop + k
    return columns, left


@njit(cache=True, nogil=True)
def _first_run(scores: Map, noise: Map, allowed: Mask, far: int, rule: Rule) -> tuple[int, int]:
    """Return start and stop of the strong and long run that begins within the first two of these pixels of a line.

    (0, 0) if there is none, (0, -1) if what begins there may go on beyond ``far`` pixels.
    """
    size = scores.size
    marks, parts = np.zeros(size + -size % 8, np.uint8), np.empty((size // 2 + 1, 2), np.int64)
    found = _row_runs(scores, noise, allowed, rule, marks, marks.view(np.uint64), parts)
    start, stop = parts[0]
    near = found > 0 and start <= 1
    if size == far:  # the line goes on
        cut = size
        while cut > 0 and marks[cut - 1] & 1:
            cut -= 1
        if cut <= 1 or (near and cut - stop <= GAP):
            return 0, -1
    return (start, stop) if near and stop - start >= rule[2] else (0, 0)
