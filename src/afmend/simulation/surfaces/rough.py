"""Random rough surfaces: Gaussian and exponential autocorrelation, self-affine (fractal).

Fields are drawn in the frequency domain. For the two correlated ones the spectrum is that of the autocorrelation on the
pixels themselves (circulant embedding: C. R. Dietrich and G. N. Newsam, SIAM J. Sci. Comput. 18, 1088 (1997),
doi:10.1137/S1064827592240555), so that roughness and autocorrelation are right at any pixel size. The field drawn is
larger than the canvas, so that opposite edges do not continue each other.

``sq_nm`` is the roughness of the ensemble, not of one picture: a scan that holds few correlation lengths may show more
or less, and its mean is not 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas

_NOTHING = 1e-13
"""Waves weaker than this share of the strongest are left out."""


class _Rough(Params):
    sq_nm: float = Knob(1.5, "Root mean square roughness of the ensemble.", unit="nm", ge=0, le=1e4)
    seed: int = Knob(0, "Seed of the random field.", ge=0)

    @property
    def height_nm(self) -> float:
        """Characteristic height: the roughness."""
        return self.sq_nm


class Gaussian(_Rough):
    """Rough, with autocorrelation sq^2 exp(-(r / T)^2): smooth hills of one size."""

    kind: Literal["gaussian"] = "gaussian"
    correlation_nm: float = Knob(35.0, "Distance T at which the autocorrelation is 1/e.", unit="nm", gt=0, le=1e5)


class Exponential(_Rough):
    """Rough, with autocorrelation sq^2 exp(-r / T): hills with sharp detail down to the pixel."""

    kind: Literal["exponential"] = "exponential"
    correlation_nm: float = Knob(80.0, "Distance T at which the autocorrelation is 1/e.", unit="nm", gt=0, le=1e5)


class Fractal(_Rough):
    """Self-affine: power spectrum (1 + (k / k0)^2)^-(1 + H), flat for waves longer than the roll-off."""

    kind: Literal["fractal"] = "fractal"
    sq_nm: float = Knob(3.0, "Root mean square roughness of the ensemble.", unit="nm", ge=0, le=1e4)
    hurst: float = Knob(0.8, "Hurst exponent; larger is smoother.", gt=0, le=1, recommended=(0.5, 0.95))
    rolloff_nm: float = Knob(700.0, "Wavelength above which the spectrum is flat.", unit="nm", gt=0, le=1e6)
    cutoff_nm: float = Knob(0.0, "Wavelength below which roughness fades; 0: none.", unit="nm", ge=0, le=1e5)


def make_gaussian(params: Gaussian, canvas: Canvas) -> Heights:
    """Return one realization, (rows, cols) in nm."""
    return gaussian_field(params.sq_nm, params.correlation_nm, params.seed, canvas)


def gaussian_field(sq_nm: float, correlation_nm: float, seed: int, canvas: Canvas) -> Heights:
    """Return a field of Gaussian autocorrelation: also the ground under other surfaces."""
    if sq_nm == 0:
        return np.zeros(canvas.shape)
    size = _size(canvas, 3 * correlation_nm)
    along = []
    for length, pixel in zip(size, canvas.pixel_nm, strict=True):
        acf = np.exp(-((np.arange(length // 2 + 1) * pixel / correlation_nm) ** 2))
        spectrum = np.fft.irfft(acf, length)[: length // 2 + 1]  # the transform of its even continuation
        along.append(np.where(spectrum > _NOTHING * spectrum.max(), spectrum, 0.0))
    return _draw(sq_nm, np.multiply.outer(*along), size, seed, canvas)


def make_exponential(params: Exponential, canvas: Canvas) -> Heights:
    """Return one realization, (rows, cols) in nm."""
    from scipy.fft import dctn

    size = _size(canvas, 5 * params.correlation_nm)
    acf = np.exp(_quadrant(size, lambda i: i * np.array(canvas.pixel_nm)) / -params.correlation_nm)
    spectrum = np.maximum(dctn(acf, type=1, workers=1), 0.0)  # the transform of its even continuation
    return _draw(params.sq_nm, spectrum, size, params.seed, canvas)


def make_fractal(params: Fractal, canvas: Canvas) -> Heights:
    """Return one realization, (rows, cols) in nm."""
    size = _size(canvas, params.rolloff_nm)
    wave = _quadrant(size, lambda i: i / (np.array(size) * np.array(canvas.pixel_nm)))  # 1 / wavelength
    square = wave * wave
    spectrum = np.exp(-(1 + params.hurst) * np.log1p(square * params.rolloff_nm**2))
    if params.cutoff_nm > 0:
        spectrum *= np.exp(-square * params.cutoff_nm**2)
    return _draw(params.sq_nm, spectrum, size, params.seed, canvas)


def _size(canvas: Canvas, pad_nm: float) -> tuple[int, int]:
    """Return even lengths with fast transforms: the canvas and a pad, at most as long again as the canvas."""
    from scipy.fft import next_fast_len

    rows, cols = (
        2 * int(next_fast_len(math.ceil((n + min(pad_nm / pixel, n)) / 2), real=True))
        for n, pixel in zip(canvas.shape, canvas.pixel_nm, strict=True)
    )
    return rows, cols


def _quadrant(size: tuple[int, int], scale: Callable[[Heights], Heights]) -> Heights:
    """Return the length of (slow, fast) over indices 0 .. n / 2 of both axes, scaled from indices."""
    half = np.arange(max(size) // 2 + 1, dtype=np.float64)
    slow, fast = scale(half[:, None]).T
    length: Heights = np.hypot(slow[: size[0] // 2 + 1, None], fast[None, : size[1] // 2 + 1])
    return length


def _draw(sq_nm: float, spectrum: Heights, size: tuple[int, int], seed: int, canvas: Canvas) -> Heights:
    """Draw a field of the given size from the quadrant of its spectrum (any scale) and cut the canvas out of it."""
    from scipy.fft import ifft, irfft

    if sq_nm == 0:
        return np.zeros(canvas.shape)
    twice = [np.where((i == 0) | (i == n // 2), 1.0, 2.0) for n in size for i in [np.arange(n // 2 + 1)]]
    total = float(twice[0] @ spectrum @ twice[1])
    amplitude = np.sqrt(spectrum * (0.5 / total)) * (sq_nm * size[0] * size[1])
    amplitude[:, [0, -1]] *= math.sqrt(2)  # here only the real part of independent waves k and -k is kept
    rows, cols = (1 + int(np.flatnonzero(amplitude.any(axis=axis))[-1]) for axis in (1, 0))  # the others are 0
    amplitude = amplitude[:rows, :cols]
    behind = min(rows - 1, size[0] // 2 - 1)  # waves that run backward along the slow axis
    drawn = np.random.default_rng(seed).standard_normal((rows + behind, 2 * cols)).view(np.complex128)
    waves = np.zeros((size[0], cols), np.complex128)
    np.multiply(drawn[:rows], amplitude, out=waves[:rows])
    np.multiply(drawn[rows:], amplitude[behind:0:-1], out=waves[size[0] - behind :])
    lines = ifft(waves, axis=0, workers=1, overwrite_x=True)[: canvas.shape[0]]
    field: Heights = irfft(lines, size[1], axis=1, workers=1)[:, : canvas.shape[1]]
    return np.ascontiguousarray(field)
