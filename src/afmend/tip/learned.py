"""What surfaces usually look like where the tip touched nothing: a small network's answer, accepted only with care.

The least upper bound says how high a surface can be, not how high it is. A network that has seen many surfaces and
their images says what is likely, with an interval. Its answer is accepted pixel by pixel: dilated by the tip, it has to
give back the image within the noise. Where it does not, the bound stays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import ModelError
from afmend.inference.model import Model, load_model
from afmend.inference.tiling import Tiling, run_tiled
from afmend.scan.arrays import Heights, Mask
from afmend.tip.correct import Correction, contact_tolerance, correct, gap_scale
from afmend.tip.double import First
from afmend.tip.features import noise_nm
from afmend.tip.morphology import checked, checked_tip, dilate, erode

TASK, MODEL = "tip", "tip"
VERSION = 1
"""Of the inputs."""
INPUTS = (
    "heights in pixels", "heights over the scale", "local heights over the scale", "what the tip added", "gap",
    "under ghosts", "certain", "hidden by ghosts", "noise over the scale", "radius in pixels", "scale in pixels",
)  # fmt: skip
OUTPUTS = ("likely", "lower", "upper")
MULTIPLE = (8, 8)
TILING = Tiling(MULTIPLE, tile=(1024, 1024), margin=(64, 64))
LOCAL = 2.0
"""Local heights are over the mean of a window so many radii wide to either side."""
Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the network sees of one image.

    Attributes
    ----------
    maps : (inputs, rows, cols) float32
    scale : (rows, cols) float64, nm
        What its answers are multiplied by: of the size of what the tip hides there, at least the noise.
    """

    maps: Map
    scale: Heights


def model_inputs(
    image: Heights, done: Correction, tip: Heights, pixel_nm: tuple[float, float], noise: float, ghosts: First | None
) -> Seen:
    """Describe an image and its correction by lengths that do not depend on units.

    Parameters
    ----------
    image : (rows, cols) float, nm
    done : Correction
        By `correct` with ``tip`` and nothing sunk.
    tip : (n, m) float, nm
    pixel_nm : (slow, fast)
    noise : float
        Sigma, nm.
    ghosts : First or None

    Returns
    -------
    Seen
    """
    from scipy.ndimage import uniform_filter

    side = math.sqrt(pixel_nm[0] * pixel_nm[1])
    radius_px = min(max(_radius_px(tip, side), 0.1), 30.0)
    bound, z = done.heights, done.heights - float(np.median(done.heights))
    gap = np.where(done.certain, 0.0, gap_scale(bound, done.certain, tip))
    added = image - bound
    whole = math.sqrt(float(np.mean(added**2)) + float(np.mean(gap**2)) + noise**2) + 1e-9 * (1.0 + side)
    window = 2 * math.ceil(LOCAL * radius_px) + 1
    hidden = np.zeros(image.shape) if ghosts is None else ghosts.hidden.astype(np.float64)
    local = z - uniform_filter(z, window, mode="nearest")
    maps = [
        np.arcsinh(z / side), np.arcsinh(z / whole), np.arcsinh(local / whole),
        np.arcsinh(added / whole), np.arcsinh(gap / whole), np.arcsinh((done.expected - bound) / whole),
        done.certain.astype(np.float64), hidden,
        *(np.full(image.shape, x) for x in (
            max(math.log10(noise / whole + 1e-4), -4.0), math.log2(radius_px), math.log2(whole / side) / 4,
        )),
    ]  # fmt: skip
    scale = np.sqrt(gap**2 + added**2 + noise**2 + (0.03 * whole) ** 2)
    return Seen(np.stack(maps).astype(np.float32), scale)


def _radius_px(tip: Heights, side: float) -> float:
    """Return the radius of curvature at the apex in pixels, from the drops beside it; 0 if it is a needle."""
    i, j = np.unravel_index(int(np.argmax(tip)), tip.shape)
    drops = [-float(tip[a, b]) for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
             if 0 <= a < tip.shape[0] and 0 <= b < tip.shape[1] and np.isfinite(tip[a, b])]  # fmt: skip
    mean = float(np.mean(drops)) if drops else 0.0
    return side / (2 * mean) if mean > 0 else 0.0


def learned_correction(
    image: Heights,
    tip: Heights,
    pixel_nm: tuple[float, float],
    *,
    limits: tuple[Heights, Heights] | None = None,
    noise: float | None = None,
    ghosts: First | None = None,
    model: str = MODEL,
) -> Correction:
    """Correct an image as `correct` does, and let a network say what is likely where the tip touched nothing.

    Parameters
    ----------
    image, tip, pixel_nm, limits, noise, ghosts
        As for `correct`.
    model : str
        Name of a model that comes with afmend, or path of a card.

    Returns
    -------
    Correction
        ``heights`` and ``certain`` are those of `correct`; ``expected``, ``lower`` and ``upper`` are the network's
        where its answer was accepted.

    Raises
    ------
    ModelError
        If there is no such model.
    BadScanError, BadParameterError
        As `correct`.

    Notes
    -----
    When not to use it: where a number has to follow from the image alone. It guesses as well as real surfaces
    resemble those it has learned from; the bound and what is certain do not depend on it.
    """
    image, tip = checked(image, "image"), checked_tip(tip)
    sigma = noise_nm(image) if noise is None else noise
    done = correct(image, tip, pixel_nm, limits=limits, noise=sigma, ghosts=ghosts, sunk=0.0)
    return _asked(image, tip, pixel_nm, sigma, ghosts, done, model)


def mean_correction(
    image: Heights,
    tip: Heights,
    pixel_nm: tuple[float, float],
    *,
    limits: tuple[Heights, Heights] | None = None,
    noise: float | None = None,
    ghosts: First | None = None,
    model: str = MODEL,
) -> Correction:
    """Correct an image by the mean of two guesses where the tip touched nothing: that of `correct`, and a network's.

    Parameters
    ----------
    image, tip, pixel_nm, limits, noise, ghosts, model
        As for `learned_correction`.

    Returns
    -------
    Correction
        As `learned_correction`, but ``expected`` is ``heights`` where certain (the network does not smooth what was
        measured), and elsewhere the mean, nowhere above the bound, as far as, dilated by the tip, it gives back the
        image to within three sigmas.

    Raises
    ------
    ModelError, BadScanError, BadParameterError
        As `learned_correction`.

    Notes
    -----
    When not to use it: where edges are straight and steep, the guess of `correct` alone is better.
    Both guesses err, for reasons of their own. Before it is cut off at the bound, the mean errs at most as much as
    both do on average: where the network fails on a surface unlike those it has learned from, half of that is lost.
    """
    image, tip = checked(image, "image"), checked_tip(tip)
    sigma = noise_nm(image) if noise is None else noise
    given: dict[str, Any] = {"limits": limits, "noise": sigma, "ghosts": ghosts}
    done = correct(image, tip, pixel_nm, **given, sunk=0.0)
    said = _asked(image, tip, pixel_nm, sigma, ghosts, done, model)
    plain = done if ghosts is None else correct(image, tip, pixel_nm, **given)
    guess = (plain.expected + np.minimum(said.expected, plain.heights)) / 2
    guess = np.where(plain.certain, plain.heights, guess)
    expected, _ = _checked_by_image(guess, image, tip, pixel_nm, sigma, ghosts, plain)
    lower, upper = np.minimum(said.lower, expected), np.maximum(said.upper, expected)
    return replace(said, expected=expected, lower=lower, upper=upper)


def _asked(
    image: Heights, tip: Heights, pixel_nm: tuple[float, float], sigma: float, ghosts: First | None, done: Correction,
    model: str,
) -> Correction:  # fmt: skip
    """Ask the network what is likely where a correction, nothing sunk, is not certain."""
    loaded = load_model(model, TASK, precision="fp32")
    if loaded.card.inputs_version != VERSION:
        raise ModelError(
            f"the model sees inputs of version {loaded.card.inputs_version}, this afmend makes version {VERSION}",
            where=model, now="Train it again, or install the afmend that it was made with.",
        )  # fmt: skip
    seen = model_inputs(image, done, tip, pixel_nm, sigma, ghosts)
    return _merged(image, tip, pixel_nm, sigma, ghosts, done, answers(loaded, done, seen))


def answers(model: Model, done: Correction, seen: Seen) -> Heights:
    """Return the network's likely surface, lower and upper limit, (3, rows, cols) in nm, the limits calibrated."""
    raw = run_tiled(model, seen.maps, TILING).astype(np.float64)
    wider = float(model.card.calibration.get("wider", 1.0))
    likely = done.expected + seen.scale * raw[0]
    low, high = (likely + wider * seen.scale * (raw[k] - raw[0]) for k in (1, 2))
    return np.stack([likely, np.minimum(low, likely), np.maximum(high, likely)])


def _merged(
    image: Heights, tip: Heights, pixel_nm: tuple[float, float], sigma: float, ghosts: First | None, done: Correction,
    found: Heights,
) -> Correction:  # fmt: skip
    likely, kept = _checked_by_image(found[0], image, tip, pixel_nm, sigma, ghosts, done)
    lower = np.where(done.certain | ~kept, done.lower, np.minimum(found[1], likely))
    upper = np.where(done.certain | ~kept, done.upper, np.maximum(np.minimum(found[2], done.upper), likely))
    return replace(done, expected=likely, lower=lower, upper=upper)


def _checked_by_image(
    answer: Heights, image: Heights, tip: Heights, pixel_nm: tuple[float, float], sigma: float, ghosts: First | None,
    done: Correction,
) -> tuple[Heights, Mask]:  # fmt: skip
    """Return what is `accepted` of an answer within three sigmas; what ghosts hide need not be given back."""
    tolerance = contact_tolerance(tip, math.sqrt(pixel_nm[0] * pixel_nm[1]), sigma)
    seen = image if ghosts is None else checked(ghosts.bound, "image")
    asked = np.ones(image.shape, dtype=np.bool_) if ghosts is None else ~ghosts.hidden
    return accepted(answer, seen, done.heights, tip, tolerance, asked)


def accepted(
    answer: Heights, image: Heights, heights: Heights, tip: Heights, tolerance_nm: float, asked: Mask | None = None
) -> tuple[Heights, Mask]:
    """Keep of an answer what, dilated by the tip, gives back the image within a tolerance; else the reconstruction.

    Parameters
    ----------
    answer : (rows, cols) float, nm
        Some surface.
    image : (rows, cols) float, nm
    heights : (rows, cols) float, nm
        What erosion reconstructs.
    tip : (n, m) float, nm
    tolerance_nm : float
    asked : (rows, cols) bool, optional
        False = this pixel of the image need not be given back.

    Returns
    -------
    surface : (rows, cols) float64, nm
        Nowhere above the bound plus the tolerance (or the reconstruction, where higher), and every pixel of the image
        that the reconstruction gives back is given back.
    kept : (rows, cols) bool
        Where the surface is still the answer, but for being cut off at that limit.
    """
    from afmend.tip.answer_kernels import put_back

    tip = checked_tip(tip)
    limit = np.maximum(erode(image, tip) + tolerance_nm, heights)
    surface = np.minimum(answer, limit)
    kept = np.ones(image.shape, dtype=np.bool_)
    missed = dilate(surface, tip) < image - tolerance_nm
    if asked is not None:
        missed &= asked
    rows, cols = np.nonzero(missed)
    put_back(image, rows, cols, surface, heights, tip, tolerance_nm, kept)
    return surface, kept
