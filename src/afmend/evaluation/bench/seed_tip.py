"""The seed's tip experiment, repeated: is any method better than the raw image, on many known surfaces.

The seed made "blunt tips" by convolving with an off-center Gaussian; a tip dilates. Both are made here, side by side.
Its autoencoders, and any other learned method, take part through ``extra``: functions from image to image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from afmend.evaluation.bench.tip_cases import TipCase, tip_case
from afmend.evaluation.metrics.compare import paired_bootstrap
from afmend.evaluation.metrics.similarity import psnr, robust_peak, ssim, vif
from afmend.scan.arrays import Heights
from afmend.tip.correct import correct
from afmend.tip.estimate import estimate_tip
from afmend.tip.learned import learned_correction, mean_correction
from afmend.tip.morphology import erode
from afmend.tip.unsure import Undo, undo_unsure
from afmend.tip.villarrubia import tip_bound

Method: TypeAlias = Callable[[Heights], Heights]
FAMILIES = {"AFM": ("particles", "fibers", "fractal", "porous", "grains", "cells"), "STM": ("terraces", "lattice")}
MODELS = ("dilation", "Gaussian, as in the seed")
BLUNTINGS = dict(zip(MODELS, ("dilation", "gaussian"), strict=True))
FIRST_SEED = 1_000_000
WINDOW_PX = 33
"""Side of the seed's kernel; its radius and center are given in units of it."""
RADII, CENTERS = (0.05, 0.1), (0.2, 0.8)
"""Radii as in the seed's figures, centers as in its text."""
GWYDDION_SIZE, GWYDDION_LEVEL = (11, 11), 1e-4
"""Its blind estimate by default: about 10 pixels, threshold a ten-thousandth of the range (its documentation)."""


@dataclass(frozen=True, slots=True)
class Score:
    """One method on one image."""

    family: str
    model: str
    method: str
    psnr_db: float
    ssim: float
    vif: float
    rmse_nm: float
    gain_db: float


def seed_tip(
    box: str, seed: int, count: int, size: int = 192, extra: Mapping[str, Mapping[str, Method]] | None = None
) -> dict[str, Any]:
    """Run the experiment on ``count`` scans per family and kind of blunting; return a table as plain data.

    ``extra`` holds other methods, by way of blunting (`BLUNTINGS`); see `seed_models`.

    Raises
    ------
    BadRecipeError
        If there is no such box.
    """
    scores: list[Score] = []
    families = [(group, family) for group, names in FAMILIES.items() for family in names]
    for group, family in families:
        for k in range(count):
            case = tip_case(box, FIRST_SEED + 1000 * seed + k, family, shape=(size, size))
            if case is None:
                continue
            for model in MODELS:
                image = image_of(case, model, seed, k)
                methods = {**_methods(case, model), **(extra or {}).get(BLUNTINGS[model], {})}
                scores += scored(f"{group}: {family}", model, case, image, methods)
    return _table(scores, count)


def image_of(case: TipCase, model: str, seed: int, k: int) -> Heights:
    """Return the image by one of `MODELS`."""
    return case.image if model == "dilation" else blurred(case.surface, np.random.default_rng([seed, k]))


def blurred(surface: Heights, rng: np.random.Generator) -> Heights:
    """Do as the seed did: convolve with a Gaussian of random width and center."""
    from scipy.ndimage import gaussian_filter, shift

    radius, (row, col) = rng.uniform(*RADII), rng.uniform(*CENTERS, size=2)
    smooth = gaussian_filter(surface, radius * WINDOW_PX, mode="nearest")
    move = ((row - 0.5) * WINDOW_PX, (col - 0.5) * WINDOW_PX)
    return np.asarray(shift(smooth, move, order=1, mode="nearest"))


def _methods(case: TipCase, model: str) -> dict[str, Method]:
    out: dict[str, Method] = {
        "raw image": lambda z: z,
        "blind, as Gwyddion": lambda z: erode(z, tip_bound(z, GWYDDION_SIZE, GWYDDION_LEVEL * float(np.ptp(z)))),
        "afmend": lambda z: _mended(z, case, mean_correction),
        "afmend, expected": lambda z: _mended(z, case, correct),
        "afmend, learned": lambda z: _mended(z, case, learned_correction),
    }
    if model == "dilation":
        out["true tip"] = lambda z: correct(z, case.tip(), case.pixel_nm, noise=case.noise_nm).expected
        out["true tip, learned"] = lambda z: (
            learned_correction(z, case.tip(), case.pixel_nm, noise=case.noise_nm).expected
        )
    return out


def _mended(image: Heights, case: TipCase, undo: Undo) -> Heights:
    """Do as the step does: correct if the tip is known, by what is sure if it is not, or leave the image as it is."""
    found = estimate_tip([image], case.pixel_nm)
    if found.shape is None:
        undone = undo_unsure(image, case.pixel_nm, found, undo=undo)
        return image if undone is None else undone.correction.expected
    tip = found.tip(case.pixel_nm, float(np.ptp(image)))
    return undo(image, tip, case.pixel_nm).expected


def scored(family: str, model: str, case: TipCase, image: Heights, methods: Mapping[str, Method]) -> list[Score]:
    """Score methods on one image of a case."""
    truth, peak = case.surface, robust_peak(case.surface)
    raw, out = psnr(image, truth, peak_nm=peak), []
    for name, method in methods.items():
        z = method(image)
        decibels = psnr(z, truth, peak_nm=peak)
        out.append(
            Score(family, model, name, decibels, ssim(z, truth, range_nm=peak), vif(z, truth),
                  float(np.sqrt(np.mean((z - truth) ** 2))), decibels - raw)
        )  # fmt: skip
    return out


def _table(scores: list[Score], count: int) -> dict[str, Any]:
    head = ["surface", "method", "PSNR, dB", "gain, dB [95 %]", "SSIM", "VIF", "error, nm"]
    rows = []
    for model in MODELS:
        for family in dict.fromkeys(one.family for one in scores):
            for method in dict.fromkeys(one.method for one in scores if one.model == model):
                of = [s for s in scores if (s.family, s.model, s.method) == (family, model, method)]
                if of:
                    rows.append(_row(model, family, method, of))
    return {
        "title": "The seed's tip experiment (medians)",
        "head": head,
        "rows": rows,
        "scans_per_row": count,
        "notes": [
            "Gain: over the raw image, same scans. Where the tip is not known, afmend undoes little of it, or nothing.",
            "The Gaussian shifts and blurs: no tip does that, and no method here undoes it.",
            "PSNR's peak is the robust range of the truth; VIF after scaling to 0..255.",
        ],
    }


def _row(model: str, family: str, method: str, of: list[Score]) -> list[str]:
    gain = paired_bootstrap([s.gain_db for s in of], [0.0] * len(of), statistic="median_difference")
    limits = f" [{gain.low:+.2f}, {gain.high:+.2f}]" if np.isfinite(gain.low) else ""  # too few scans
    middle = {name: float(np.median([getattr(s, name) for s in of])) for name in ("psnr_db", "ssim", "vif", "rmse_nm")}
    return [
        f"{family}, {model.split(',', maxsplit=1)[0]}", method, f"{middle['psnr_db']:.1f}",
        f"{gain.value:+.2f}{limits}", f"{middle['ssim']:.3f}", f"{middle['vif']:.3f}",
        f"{middle['rmse_nm']:.3g}",
    ]  # fmt: skip
