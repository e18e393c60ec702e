"""From an example to one item of a batch: cut, stretch, hurt, save as instruments do, and look as the model does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.learned_inputs import KINDS, model_inputs
from afmend.training.masks.examples import Example
from afmend.training.masks.inject import Map, Patient, Rng, hurt, log_uniform

CROP = (192, 256)
HURT, ALONE = 0.6, 0.4
"""How often artifacts are laid over a crop, and how often the other scan direction is kept from the model."""


def make_item(
    example: Example, rng: Rng, crop: tuple[int, int] = CROP
) -> tuple[Map, NDArray[np.uint8], NDArray[np.uint8]]:
    """Return (inputs, wrong, unsure): (14, rows, cols) float32 and twice (kinds, rows, cols) uint8 of 0 and 1."""
    patient = _cut(example, rng, crop)
    if rng.random() < 0.2:
        _add_noise(patient)
    if rng.random() < HURT:
        hurt(patient)
    _save(patient)
    inputs = model_inputs(patient.heights, None, patient.opposite)
    return (inputs, unpacked(patient.wrong), unpacked(patient.unsure & ~patient.wrong))


def unpacked(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn bits into (kinds, rows, cols) of 0 and 1."""
    return (bits[None] >> np.arange(len(KINDS), dtype=np.uint8)[:, None, None]) & np.uint8(1)


def _cut(example: Example, rng: Rng, crop: tuple[int, int]) -> Patient:
    """Cut a crop, often stretched along the lines, in either order of lines."""
    import cv2

    rows, cols = (min(n, m) for n, m in zip(crop, example.heights.shape, strict=True))
    wide = cols
    if rng.random() < 0.35:
        wide = int(np.clip(cols * log_uniform(rng, 0.5, 1.6), 48, example.heights.shape[1]))
    top = int(rng.integers(example.heights.shape[0] - rows + 1))
    left = int(rng.integers(example.heights.shape[1] - wide + 1))
    part = (slice(top, top + rows), slice(left, left + wide))
    flip = -1 if rng.random() < 0.5 else 1

    def cut(array: NDArray[Any], interpolation: int) -> NDArray[Any]:
        piece = array[part]
        if piece.shape != crop:
            piece = cv2.resize(piece, crop[::-1], interpolation=interpolation)
        return np.array(piece[::flip], order="C")

    heights, opposite = (cut(a, cv2.INTER_LINEAR) for a in (example.heights, example.opposite))
    wrong, unsure = (cut(a, cv2.INTER_NEAREST) for a in (example.wrong, example.unsure))
    alone = rng.random() < ALONE
    bend = heights[1:-1] - 0.5 * (heights[:-2] + heights[2:])
    bend -= np.median(bend, axis=1, keepdims=True)
    noise = 1.21 * float(np.median(np.abs(bend))) + 1e-4 * float(heights.std()) + 1e-9
    slope = np.abs(np.diff(heights, axis=1))
    steep = np.argwhere(slope > max(np.quantile(slope, 0.985), 3 * noise))
    return Patient(heights, None if alone else opposite, wrong, unsure, noise, rng, steep)


def _add_noise(at: Patient) -> None:
    size = log_uniform(at.rng, 0.1, 0.8) * at.noise
    for z in (at.heights, at.opposite):
        if z is not None:
            np.add(z, size * at.rng.standard_normal(z.shape), out=z, casting="same_kind")


def _save(at: Patient) -> None:
    """Do what instruments do to heights before anybody sees them: flatten lines, smooth, round."""
    rng = at.rng
    flatten, smooth, coarse = rng.random() < 0.25, rng.random() < 0.08, rng.random() < 0.08
    order, step = int(rng.choice((0, 0, 1, 1, 2, 3))), log_uniform(rng, 0.3, 4) * at.noise
    middle = rng.random() < 0.3
    for z in (at.heights, at.opposite):
        if z is None:
            continue
        if smooth:
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
