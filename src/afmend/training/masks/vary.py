"""From an example to one item of a batch: cut, stretch, hurt, save as instruments do, and look as the model does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.learned_inputs import KINDS, model_inputs, quantiles
from afmend.training.masks.examples import Example
from afmend.training.masks.inject import hurt
from afmend.training.masks.patient import (
    SOME,
    STRETCHES_PX,
    Map,
    Patient,
    Rng,
    line_noise,
    log_uniform,
    noise_of,
    scatter_of,
    smooth,
)

CROP = (128, 256)
HURT, ALONE, ASIDE, DRAWN = 0.75, 0.25, 0.4, 0.07
"""How often artifacts are laid over a crop, how often the other scan direction is kept from the model or lies aside,
and how often a drawing without noise stands in for a scan."""
NOISE, MEMORY, HUM, SPARSE = 0.3, 0.4, 0.12, 0.3
"""How often noise, noise with a memory, and hum are added, and how often every second line of a scan is taken in which
nothing is wrong yet: lines of real scans often lie farther apart than pixels."""


def make_item(
    example: Example, rng: Rng, crop: tuple[int, int] = CROP
) -> tuple[Map, NDArray[np.uint8], NDArray[np.uint8]]:
    """Return (inputs, wrong, unsure): (17, rows, cols) float32 and twice (rows, cols) uint8, one bit per kind."""
    drawn = rng.random() < DRAWN
    patient = _drawing(rng, crop) if drawn else _cut(example, rng, crop)
    if patient.opposite is not None and rng.random() < ASIDE:
        patient.opposite = _aside(patient.opposite, rng)
    if rng.random() < NOISE:
        _add_noise(patient)
    if not drawn:
        if rng.random() < MEMORY:
            _add_line_noise(patient)
        if rng.random() < HUM:
            _add_hum(patient)
        patient.noise, patient.scatter = scatter_of(patient.heights)
    if rng.random() < HURT:
        hurt(patient)
    _save(patient)
    inputs = model_inputs(patient.heights, None, patient.opposite)
    return (inputs, patient.wrong, patient.unsure & ~patient.wrong)


def unpacked(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn bits into (kinds, rows, cols) of 0 and 1."""
    return (bits[None] >> np.arange(len(KINDS), dtype=np.uint8)[:, None, None]) & np.uint8(1)


def _cut(example: Example, rng: Rng, crop: tuple[int, int]) -> Patient:
    """Cut a crop, often stretched along the lines, in either order of lines."""
    import cv2

    every = 2 if rng.random() < SPARSE and not example.wrong.any() else 1
    rows, cols = min(crop[0], example.heights.shape[0] // every), min(crop[1], example.heights.shape[1])
    wide = cols
    if rng.random() < 0.35:
        wide = int(np.clip(cols * log_uniform(rng, 0.5, 1.6), 48, example.heights.shape[1]))
    top = int(rng.integers(example.heights.shape[0] - every * rows + 1))
    left = int(rng.integers(example.heights.shape[1] - wide + 1))
    part = (slice(top, top + every * rows, every), slice(left, left + wide))
    flip = -1 if rng.random() < 0.5 else 1

    def cut(array: NDArray[Any], interpolation: int) -> NDArray[Any]:
        piece = array[part]
        if piece.shape[1] != crop[1]:  # stretched along the lines only: lines stay lines
            piece = cv2.resize(piece, (crop[1], rows), interpolation=interpolation)
        if rows < crop[0]:
            piece = np.pad(piece, ((0, crop[0] - rows), (0, 0)), mode="symmetric")
        return np.array(piece[::flip], order="C")

    heights, opposite = (cut(a, cv2.INTER_LINEAR) for a in (example.heights, example.opposite))
    wrong, unsure = (cut(a, cv2.INTER_NEAREST) for a in (example.wrong, example.unsure))
    alone = rng.random() < ALONE or example.alone
    noise, slope = noise_of(heights), np.abs(np.diff(heights, axis=1))
    steep = np.argwhere(slope > max(*quantiles(slope.reshape(-1)[::SOME], (0.985,)), 3 * noise))
    return Patient(heights, None if alone else opposite, wrong, unsure, noise, {}, rng, steep)


def _drawing(rng: Rng, crop: tuple[int, int]) -> Patient:
    """Draw perfectly flat plateaus, as on chips, test grids and computed images: nothing is wrong."""
    import cv2

    rows, cols = np.indices(crop)
    z = np.zeros(crop)
    for _ in range(int(rng.integers(2, 14))):
        angle = rng.choice((0, np.pi / 2, rng.uniform(0, np.pi)))
        across = cols * np.cos(angle) + rows * np.sin(angle)
        at, wide = rng.uniform(across.min(), across.max()), log_uniform(rng, 3, 150)
        inside = (across > at) & (across < at + wide)
        if rng.random() < 0.6:
            along = rows * np.cos(angle) - cols * np.sin(angle)
            inside &= np.abs(along - rng.uniform(along.min(), along.max())) < log_uniform(rng, 4, 150)
        z = np.where(inside, z + rng.normal(), z) if rng.random() < 0.5 else np.where(inside, rng.normal(), z)
    if rng.random() < 0.35:  # again and again, as on test grids
        part = z[: int(log_uniform(rng, 16, crop[0])), : int(log_uniform(rng, 16, crop[1]))]
        z = np.tile(part, (-(-crop[0] // part.shape[0]), -(-crop[1] // part.shape[1])))[: crop[0], : crop[1]]
    if rng.random() < 0.3:
        z = np.asarray(cv2.GaussianBlur(z, (0, 0), log_uniform(rng, 0.4, 2.5)), np.float64)
    z += rng.choice((0, 0, 0.01)) * cols + rng.choice((0, 1e-4, 0.02)) * rng.standard_normal(crop)
    heights = z.astype(np.float32)
    none = np.zeros(crop, np.uint8)
    noise = 0.03 * float(z.std()) + 1e-6
    opposite = heights.copy() if rng.random() < 0.5 else None
    everywhere = np.full(crop, noise, np.float32)
    return Patient(heights, opposite, none, none.copy(), noise, dict.fromkeys(STRETCHES_PX, everywhere), rng)


def _aside(opposite: Map, rng: Rng) -> Map:
    """Shift the other direction along the lines, as hysteresis does: by up to 6 % of a line, unevenly."""
    cols = opposite.shape[1]
    far = (1 if rng.random() < 0.5 else -1) * log_uniform(rng, 0.3, 0.06 * cols)
    run = np.linspace(-1, 1, cols)
    place = np.clip(
        np.arange(cols) + far * (1 + rng.uniform(-0.6, 0.6) * run + rng.uniform(-0.8, 0.8) * run**2), 0, cols - 1.001
    )
    before = place.astype(int)
    part = (place - before).astype(np.float32)
    moved: Map = opposite[:, before] * (1 - part) + opposite[:, before + 1] * part
    return moved


def _add_noise(at: Patient) -> None:
    """Add noise of pixels, often with outliers, or more of it in some parts than in others."""
    rng, tails = at.rng, at.rng.random() < 0.3
    size = np.full(at.shape, log_uniform(rng, 0.1, 0.8) * at.noise)
    if rng.random() < 0.3:
        size *= np.exp(0.5 * smooth(rng, at.shape[0], 30)[:, None] + 0.5 * smooth(rng, at.shape[1], 60))
    for z in (at.heights, at.opposite):
        if z is not None:
            noise = rng.standard_t(3, z.shape) / 1.73 if tails else rng.standard_normal(z.shape)
            np.add(z, size * noise, out=z, casting="same_kind")


def _add_hum(at: Patient) -> None:
    """Add an oscillation in time: stripes at an angle that the line rate decides."""
    rng, (rows, cols) = at.rng, at.shape
    size, period = log_uniform(rng, 0.1, _most(at)) * at.noise, log_uniform(rng, 2.2, 2.0 * cols)
    lines, pixels = np.arange(rows)[:, None] * rng.random(), np.arange(cols) / period
    for z, way in ((at.heights, 1), (at.opposite, -1)):
        if z is not None:
            np.add(z, size * np.sin(2 * np.pi * (lines + way * pixels + rng.random())), out=z, casting="same_kind")


def _most(at: Patient) -> float:
    """Return how much may be added: what is wrong already must stay visible."""
    return 0.7 if at.wrong.any() else 3.0


def _add_line_noise(at: Patient) -> None:
    """Add what every instrument has more or less of: noise that lasts for a part of a line, and differs in the next."""
    size, length = log_uniform(at.rng, 0.2, _most(at)) * at.noise, log_uniform(at.rng, 3, 300)
    for z in (at.heights, at.opposite):
        if z is not None:
            np.add(z, size * line_noise(at.rng, at.shape, length), out=z, casting="same_kind")


def _save(at: Patient) -> None:
    """Do what instruments do to heights before anybody sees them: flatten lines, smooth, round."""
    rng = at.rng
    flatten, blurred, coarse = rng.random() < 0.3, rng.random() < 0.08, rng.random() < 0.18
    order, step = int(rng.choice((0, 0, 1, 1, 2, 3))), log_uniform(rng, 0.3, 4 if at.wrong.any() else 40) * at.noise
    middle = rng.random() < 0.3
    for z in (at.heights, at.opposite):
        if z is None:
            continue
        if blurred:
            z[:, 1:-1] = 0.25 * z[:, :-2] + 0.5 * z[:, 1:-1] + 0.25 * z[:, 2:]
        if flatten:
            _flatten(z, order, middle=middle)
        if coarse:
            z[:] = np.rint(z / step) * step


def _flatten(z: Map, order: int, *, middle: bool) -> None:
    if middle:
        z -= np.median(z, axis=1, keepdims=True)
        return
    basis = np.polynomial.legendre.legvander(np.linspace(-1, 1, z.shape[1]), order)
    fit, _ = np.linalg.qr(basis)
    z -= ((z @ fit) @ fit.T).astype(np.float32)
