"""Artifacts laid over scans while training: cheap, endless, and in units of the scan's own noise.

Every function changes a `Patient` in place. Forms follow what goes wrong at the instrument: something sticks to the tip
for a part of a line, the loop oscillates or loses the surface where it is steep, lines are stored twice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.training.masks.examples import EVERY, bit
from afmend.training.masks.patient import Floats, Map, Patient, Rng, count, line_noise, log_uniform, smooth

VERSION = 4
"""Of what is laid over scans; prepared items of another version are not used."""
SURE_ALONE = 4.0
"""Pixels alone are marked from so many sigma on."""
ROUGH = 1.5
"""Rough lines are marked if they add so many sigma to their roughness."""


def scars(at: Patient) -> None:
    """Stretches of single lines, also in bundles: high at first, settling, with a tail."""
    rng, (rows, cols) = at.rng, at.shape
    tall = log_uniform(rng, 1.2, 60)
    bundled = rng.random() < 0.3
    row, col = int(rng.integers(rows)), int(rng.integers(-20, cols))
    mostly_up = rng.random() < 0.65
    for _ in range(count(rng, 60)):
        if bundled and rng.random() < 0.85:
            row, col = row + int(rng.integers(1, 3)), col + int(rng.normal(0, 12))
        else:
            row, col = int(rng.integers(rows)), int(rng.integers(-20, cols))
        length = int(log_uniform(rng, 3, 1.5 * cols))
        width = int(rng.choice((1, 1, 1, 1, 1, 2, 2, 3, 4)))
        sign = (1 if rng.random() < 0.85 else -1) * (1 if mostly_up else -1)
        height = sign * tall * at.noise * log_uniform(rng, 0.25, 2)
        tail = log_uniform(rng, 0.4, 0.3 * length + 4)
        age = np.arange(length + int(rng.uniform(0, 2) * tail))
        rest = rng.uniform(0, 1.1)
        profile = rest + (1 - rest) * np.exp(-age / log_uniform(rng, 3, 200))
        profile *= 1 - np.exp(-(age + 1) / log_uniform(rng, 0.3, 0.3 * length + 2))
        profile *= np.exp(-np.maximum(age - length, 0) / tail)
        profile *= 1 + rng.uniform(0, 0.5) * smooth(rng, age.size, log_uniform(rng, 2, 20))
        _lay(at, "scar", row, width, col, height * profile)


def streaks(at: Patient) -> None:
    """Long, faint streaks that come and go slowly; on bad days in every other line."""
    rng, (rows, cols) = at.rng, at.shape
    for _ in range(count(rng, 25 if rng.random() < 0.8 else 90)):
        length = int(rng.uniform(0.15, 1.5) * cols)
        height = rng.choice((-1, 1)) * log_uniform(rng, 0.8, 15) * at.noise
        age = np.arange(length)
        fade = log_uniform(rng, 0.4, 90)
        profile = np.minimum(1, np.minimum((age + 1) / fade, (length - age) / fade))
        profile = profile * (np.linspace(1, rng.uniform(-0.5, 1.2), length) + 0.25 * smooth(rng, length, 30))
        _lay(at, "scar", int(rng.integers(rows)), 1, int(rng.integers(-cols // 2, cols)), height * profile)


def _lay(at: Patient, kind: str, row: int, width: int, col: int, change: NDArray[np.float64]) -> None:
    rows, cols = at.shape
    start, stop = max(col, 0), min(col + change.size, cols)
    for line in range(max(row, 0), min(row + width, rows)):
        if start < stop:
            at.change_line(kind, line, slice(start, stop), change[start - col : stop - col])


def bad_lines(at: Patient) -> None:
    """Bundles of lines whose shape differs from that of their neighbors, whole or in large part: bent, or tilted."""
    rng, (rows, cols) = at.rng, at.shape
    for _ in range(count(rng, 7)):
        lines = count(rng, 14)
        top = (int(rng.integers(rows)), int(rng.integers(rows)), 0, rows - lines)[int(rng.integers(4))]
        top, lines = max(top, 0), min(lines, rows - max(top, 0))
        start, stop = (0, cols)
        if rng.random() < 0.3:
            start, stop = sorted(int(c) for c in rng.integers(0, cols, 2))
        if stop - start < 16 or lines < 1:
            continue
        tall, size = log_uniform(rng, 1, 25) * at.noise, stop - start
        tilted, length = rng.random() < 0.35, log_uniform(rng, 5, 300)
        alike, base = rng.uniform(0, 0.98), _deviation(rng, size, length, tilted=tilted)
        fresh = np.stack([_deviation(rng, size, length, tilted=tilted) for _ in range(lines)])
        by = alike * base + np.sqrt(1 - alike**2) * fresh + rng.normal(0, 0.7)
        by += rng.uniform(0, 0.4) * rng.standard_normal(by.shape) * (rng.random() < 0.6)
        _bundle(at, "line" if size > 0.7 * cols else "scar", top, start, tall * by)


def _deviation(rng: Rng, size: int, length: float, *, tilted: bool) -> NDArray[np.float64]:
    """Draw how a line deviates, of rms about 1: a smooth curve, or a tilt that bends a little."""
    if not tilted:
        return smooth(rng, size, length)
    run = np.linspace(-1, 1, size)
    return rng.normal() * (1.5 * run + rng.normal(0, 0.4) * (run * run - 1 / 3))


def _bundle(at: Patient, kind: str, top: int, start: int, by: NDArray[np.float64]) -> None:
    """Lay a bundle of lines; inner lines that deviate like their neighbors are in doubt."""
    lines, size = by.shape
    part = (slice(top, top + lines), slice(start, start + size))
    at.heights[part] += by.astype(np.float32)
    whole = np.zeros((lines + 2, at.shape[1]))
    whole[1:-1, start : start + size] = by
    less = whole - np.median(whole, axis=1, keepdims=True)
    counts = np.where(np.abs(less) < np.abs(whole), less, whole)
    beside = counts[1:-1] - 0.5 * (counts[:-2] + counts[2:])
    # The wider the gap to good lines, the less they foretell.
    depth = np.minimum(np.arange(lines), np.arange(lines)[::-1])[:, None] + 1
    apart, joint = at.seen(counts[1:-1] / depth**0.7, top), at.seen(beside, top)
    sure = (apart[0] & apart[1]) | (joint[0] & joint[1])
    at.mark(kind, part, sure[:, start : start + size], np.ones(by.shape, np.bool_))


def noisy_lines(at: Patient) -> None:
    """Lines, or parts of them, that are rougher than their neighbors, and most often lie elsewhere, too."""
    rng, (rows, cols) = at.rng, at.shape
    for _ in range(count(rng, 4)):
        lines = count(rng, 6)
        top = int(rng.integers(rows))
        start, stop = (0, cols) if rng.random() < 0.5 else sorted(int(c) for c in rng.integers(0, cols, 2))
        lines = min(lines, rows - top)
        if stop - start < 16:
            continue
        rough = line_noise(rng, (lines, stop - start), log_uniform(rng, 1, 12))
        rough *= 1 + 0.5 * line_noise(rng, rough.shape, 40)
        rough *= log_uniform(rng, 1, 12) * rng.uniform(0.6, 1.4, (lines, 1)) * at.noise
        by = rough + at.noise * log_uniform(rng, 0.5, 15) * rng.choice((-1, 0, 1), (lines, 1))
        part = (slice(top, top + lines), slice(start, stop))
        at.heights[part] += by.astype(np.float32)
        sizes = np.sqrt(np.mean((rough / at.local[part]) ** 2, axis=1, keepdims=True))
        kind = "line" if stop - start > 0.7 * cols else "scar"
        at.mark(kind, part, np.broadcast_to(sizes >= ROUGH, by.shape), np.ones(by.shape, np.bool_))
        if start or stop < cols:
            at.unsure[top : top + lines] |= np.where(at.wrong[top : top + lines] > 0, 0, EVERY).astype(np.uint8)


def chatter(at: Patient) -> None:
    """Patches of several lines in which the loop oscillates, mostly where the surface is steep."""
    rng = at.rng
    for _ in range(count(rng, 6)):
        part, inside = _patch(at, int(log_uniform(rng, 2, 14)), int(log_uniform(rng, 12, 150)))
        if not inside.any():
            continue
        period, tall = log_uniform(rng, 2.2, 14), log_uniform(rng, 1.2, 15) * at.noise
        age = np.arange(inside.shape[1])
        lines = []
        for _row in range(inside.shape[0]):
            phase = rng.uniform(0, 6.28) + 2 * np.pi * np.cumsum(1 + 0.15 * smooth(rng, age.size, 20)) / period
            size = np.abs(rng.uniform(0.5, 1) + 0.4 * smooth(rng, age.size, 15))
            lines.append(size * (np.sin(phase) + rng.uniform(0, 0.5) * rng.standard_normal(age.size)))
        at.heights[part] += (tall * np.stack(lines) * inside).astype(np.float32)
        at.mark("chatter", part, inside, inside)
        if at.opposite is not None and rng.random() < 0.4:
            at.opposite[part] += (tall * np.stack(lines)[:, ::-1] * inside).astype(np.float32)


def lost(at: Patient) -> None:
    """Patches in which the tip does not follow: it flies, stands at the end of its range, or drags behind."""
    rng = at.rng
    for _ in range(count(rng, 4)):
        part, inside = _patch(at, int(log_uniform(rng, 2, 50)), int(log_uniform(rng, 14, 160)))
        if not inside.any():
            continue
        old = at.heights[part]
        railed = rng.random() < 0.4
        new = _railed(at, old) if railed else _lagging(at, old)
        size = np.abs(new - old) / at.noise
        at.heights[part] = np.where(inside, new, old).astype(np.float32)
        at.mark("lost", part, inside & ((size > 2) | railed), inside)


def clipped(at: Patient) -> None:
    """Let the piezo come to an end of its range: what lies beyond a plane is cut off along it."""
    rng, (rows, cols) = at.rng, at.shape
    rise, run = np.indices(at.shape)
    level = np.quantile(at.heights, rng.uniform(0.8, 0.995))
    spread = float(at.heights.std())
    tilt = rng.uniform(0, 2) * spread * (rng.normal() * (rise / rows - 0.5) + rng.normal() * (run / cols - 0.5))
    ceiling = (level + tilt).astype(np.float32)
    beyond = at.heights > ceiling
    if not 0 < beyond.mean() < 0.35:
        return
    unrest = float(rng.choice((0, 0, 0.1))) * at.noise * rng.standard_normal(at.shape)
    at.heights[beyond] = (ceiling + unrest)[beyond]
    everything = (slice(0, rows), slice(0, cols))
    at.mark("lost", everything, beyond, beyond)
    if at.opposite is not None:
        np.minimum(at.opposite, ceiling, out=at.opposite)


def _railed(at: Patient, old: Map) -> Floats:
    """Make what is seen at the end of the piezo's range: a plane without surface, and less noise."""
    rng = at.rng
    rise, run = np.indices(old.shape)
    plane = 0.02 * at.noise * (rng.normal() * rise + rng.normal() * run)
    unrest = float(rng.choice((0, 0, 0.1, 0.5))) * at.noise * rng.standard_normal(old.shape)
    height = float(np.quantile(old, rng.uniform(0.3, 1)))
    return np.asarray(height + plane + unrest)


def _lagging(at: Patient, old: Map) -> Floats:
    """Make what is seen where the tip hardly follows: the surface, dragged, under noise with memory."""
    rng = at.rng
    dragged = _dragged(old, log_uniform(rng, 0.004, 0.08))
    memory = np.stack([smooth(rng, old.shape[1], log_uniform(rng, 3, 40)) for _ in range(old.shape[0])])
    return np.asarray(dragged + rng.uniform(0, 4) * at.noise * memory)


def _dragged(z: Map, share: float) -> Map:
    out = z.copy()
    for col in range(1, z.shape[1]):
        out[:, col] = out[:, col - 1] + share * (z[:, col] - out[:, col - 1])
    return out


def _patch(at: Patient, lines: int, length: int) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Choose a patch with ragged ends, most often one that begins at something steep."""
    rng, (rows, cols) = at.rng, at.shape
    row, col = int(rng.integers(rows)), int(rng.integers(-10, cols))
    if at.steep.size and rng.random() < 0.7:
        row, col = at.steep[rng.integers(len(at.steep))]
        row = int(row) - lines // 2
    ragged = log_uniform(rng, 1, 0.3 * length + 2)
    ends = np.rint(np.cumsum(rng.standard_normal((lines, 2)), axis=0) * 0.5 * ragged).astype(int)
    top, bottom = max(row, 0), min(row + lines, rows)
    if top >= bottom:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.bool_)
    left, right = (col + ends[:, 0])[top - row : bottom - row], (col + length + ends[:, 1])[top - row : bottom - row]
    start, stop = int(np.clip(left.min(), 0, cols)), int(np.clip(right.max(), 0, cols))
    where = np.arange(start, stop)
    inside = (where >= left[:, None]) & (where < right[:, None])
    return (slice(top, bottom), slice(start, stop)), inside


def tails(at: Patient) -> None:
    """Parachuting: behind steep edges the tip falls no faster than a certain slope."""
    rng, (rows, _) = at.rng, at.shape
    fall = log_uniform(rng, 0.4, 6) * at.noise
    band = slice(0, rows)
    if rng.random() < 0.5:
        top = int(rng.integers(rows))
        band = slice(top, min(rows, top + int(log_uniform(rng, 3, rows))))
    old = at.heights[band].copy()
    new = _falling(old, fall * rng.uniform(0.7, 1.3, (old.shape[0], 1)).astype(np.float32))
    size = (new - old) / at.noise
    if (size > 3).mean() > 0.3:  # then it never lands: not a tail any more
        return
    at.heights[band] = new
    at.mark("parachute", (band, slice(None)), size > 3, size > 1)
    if at.opposite is not None:
        back = at.opposite[band][:, ::-1]
        at.opposite[band] = _falling(back, np.float32(fall))[:, ::-1]


def _falling(z: Map, fall: NDArray[np.float32] | np.float32) -> Map:
    ramp = np.arange(z.shape[1], dtype=np.float32) * fall
    out: Map = np.maximum.accumulate(z + ramp, axis=1) - ramp
    return out


def spikes(at: Patient) -> None:
    """Single pixels, or a few."""
    rng, (rows, cols) = at.rng, at.shape
    tall = log_uniform(rng, 5, 60)
    for _ in range(count(rng, 40)):
        size = (int(rng.choice((1, 1, 1, 2))), int(rng.choice((1, 1, 1, 2, 2, 3))))
        row, col = int(rng.integers(rows - 2)), int(rng.integers(cols - 3))
        by = np.full(size, (1 if rng.random() < 0.75 else -1) * tall * log_uniform(rng, 0.4, 1.5) * at.noise)
        at.change("spike", slice(row, row + size[0]), slice(col, col + size[1]), by, SURE_ALONE)


def offsets(at: Patient) -> None:
    """Bands of lines that lie higher or lower, and jumps within a line."""
    rng, (rows, cols) = at.rng, at.shape
    for _ in range(count(rng, 12)):
        top, lines = int(rng.integers(rows)), count(rng, 12)
        height = rng.choice((-1, 1)) * log_uniform(rng, 1, 15) * at.noise
        by = np.full((min(lines, rows - top), cols), height)
        at.change("jump", slice(top, top + lines), slice(0, cols), by)


def stuck(at: Patient) -> None:
    """Lines stored twice, or a signal that stands still."""
    rng, (rows, cols) = at.rng, at.shape
    for _ in range(count(rng, 4)):
        row, lines = int(rng.integers(1, rows)), count(rng, 3)
        band = slice(row, row + lines)
        at.heights[band] = at.heights[row - 1] if rng.random() < 0.6 else at.heights[row - 1, -1]
        at.wrong[band] = bit("lost")
        at.unsure[band] = 0
    del cols


HARMS = {
    "scars": (scars, 0.45), "streaks": (streaks, 0.3), "bad_lines": (bad_lines, 0.2), "chatter": (chatter, 0.14),
    "lost": (lost, 0.1), "clipped": (clipped, 0.04), "tails": (tails, 0.12), "spikes": (spikes, 0.2),
    "offsets": (offsets, 0.12), "stuck": (stuck, 0.03), "noisy_lines": (noisy_lines, 0.1),
}  # fmt: skip
"""What may happen, and how often; in this order."""
ORDER = (
    "tails", "lost", "clipped", "chatter", "offsets", "bad_lines", "noisy_lines", "scars", "streaks", "spikes", "stuck",
)  # fmt: skip


def hurt(at: Patient) -> None:
    """Let things happen by chance."""
    for name in ORDER:
        harm, chance = HARMS[name]
        if at.rng.random() < chance:
            harm(at)
