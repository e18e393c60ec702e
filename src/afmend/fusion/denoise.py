"""A denoiser that one scan direction checks against the other, and that refuses to remove signal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.fusion.agreement import level_alike
from afmend.fusion.pair import FusedPair
from afmend.fusion.registration import shifted
from afmend.fusion.steps import as_seen, mirrored, of_field, why_not
from afmend.fusion.tapers import hann
from afmend.pipeline import Field, Knob, Leveled, Params, step
from afmend.scan.arrays import Heights, Mask

WIDTHS_PX = (0.0, 0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2, 2.9, 3.8, 5.0)
RINGS = 24
FEWEST_WAVES = 24


class Denoised(Params):
    """Fuse trace and retrace, then smooth as far as one direction predicts the other, and no signal is lost."""

    least_transfer: float = Knob(
        0.9, "Share of the amplitude that must survive at every scale where the signal exceeds the noise.",
        gt=0, le=1, step=0.01, recommended=(0.8, 0.95),
    )  # fmt: skip


@step("fuse.denoised", Denoised, version="4")
def denoised(field: Field, params: Denoised) -> Leveled:
    """Replace the heights by a Gaussian-smoothed fusion of both directions; the width comes from the scan.

    Smoothing one direction and comparing it with the other that was not smoothed gives the error against the unknown
    surface plus a constant, whatever the noise looks like along the line, as long as it is independent in the two
    directions. The width with the smallest error is taken, unless the cross spectrum of the directions says that it
    would take more than 10 % of the amplitude at some scale where signal exceeds noise: then the next narrower width
    that does not. Widths that win nothing are not used; facts tell what was wanted, taken and refused.

    When not to use it: noise common to both directions is signal here. Use it instead of ``fuse.trace_retrace``, before
    leveling; it is part of no recipe. Principle: Noise2Noise (Lehtinen et al., arXiv:1803.04189).
    """
    reason = why_not(field)
    if reason:
        return Leveled(np.array(field.heights), facts={"skipped": reason})
    fused = of_field(field)
    first, second, good = _equals(field, fused)
    risks = [_risk(first, second, good, width) for width in WIDTHS_PX]
    wanted = int(np.argmin(risks))
    rings = _Rings(first.shape)
    transfers = [1.0, *(rings.least_transfer(first, second, smooth(first, width)) for width in WIDTHS_PX[1:])]
    allowed = [n for n in range(wanted + 1) if transfers[n] >= params.least_transfer and risks[n] <= risks[0]]
    taken = max(allowed, default=0)
    facts = {
        **fused.facts, "wanted_width_px": WIDTHS_PX[wanted], "width_px": WIDTHS_PX[taken], "refused": taken < wanted,
        "least_transfer": transfers[taken], "risk": [float(risk) for risk in risks],
    }  # fmt: skip
    return Leveled(mirrored(field, smooth(fused.heights, WIDTHS_PX[taken])), facts=facts)


def smooth(heights: Heights, width_px: float) -> Heights:
    """Gaussian smoothing with a standard deviation in pixels; 0 = as it is."""
    from scipy.ndimage import gaussian_filter

    return np.array(heights) if width_px == 0 else np.asarray(gaussian_filter(heights, width_px, mode="nearest"))


def _equals(field: Field, fused: FusedPair) -> tuple[Heights, Heights, Mask]:
    """Return both directions at the same places and level, and where both are right; elsewhere both hold the fusion."""
    trace, retrace = as_seen(field)
    moved = shifted(retrace, fused.shift.shift_px) + fused.belief.offset[:, None] + 0.5 * fused.bend
    trace = trace - 0.5 * fused.bend
    good = (fused.belief.right > 0.5) & np.isfinite(fused.sigma)
    center = 0.5 * fused.belief.offset[:, None]
    first = np.where(good, trace, fused.heights + center)
    second = np.where(good, moved, fused.heights + center)
    # Offsets of lines that both directions share would be smoothed away by either: no prediction tells.
    mean = level_alike(0.5 * (first + second), np.ones(good.shape, dtype=np.bool_), 1, 0)
    half = 0.5 * (first - second)
    return mean + half, mean - half, good


def _risk(first: Heights, second: Heights, good: Mask, width: float) -> float:
    """Mean square error of the smoothed mean of both, up to a constant that no width changes."""
    one, two = smooth(first, width), smooth(second, width)
    predicted = 0.5 * (np.square(one - second) + np.square(two - first))[good]
    # Each smoothed direction carries noise of half this; their mean carries half of that again.
    left = 0.5 * np.square(one - two)[good]
    return float(np.mean(predicted) - 0.5 * np.mean(left)) if predicted.size else 0.0


class _Rings:
    """Rings of equal spatial frequency (per pixel), with Hann windows."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.window = hann(shape[0])[:, None] * hann(shape[1])
        k = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1]))
        self.ring = np.minimum((k / 0.5 * RINGS).astype(np.intp), RINGS)
        self.count = np.bincount(self.ring.ravel(), minlength=RINGS + 1)

    def waves(self, heights: Heights) -> NDArray[np.complex128]:
        """Fourier coefficients under the window."""
        found: NDArray[np.complex128] = np.fft.rfft2(self.window * heights)
        return found

    def mean(self, one: NDArray[np.complex128], two: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Mean of the real cross power in each ring."""
        power = (np.conj(one) * two).real
        return np.bincount(self.ring.ravel(), power.ravel(), RINGS + 1) / np.maximum(self.count, 1)

    def least_transfer(self, first: Heights, second: Heights, smoothed: Heights) -> float:
        """Smallest share of the signal's amplitude that is left in a ring where signal exceeds noise.

        The cross spectra with the other direction are free of noise, before and after smoothing.
        """
        one, two, new = self.waves(first), self.waves(second), self.waves(smoothed)
        signal = self.mean(one, two)
        noise = 0.5 * (self.mean(one, one) + self.mean(two, two)) - signal
        there = (signal > noise) & (signal > 0) & (self.count >= FEWEST_WAVES)
        there[RINGS] = False
        if not there.any():
            return 1.0
        return float(np.min(self.mean(new, two)[there] / signal[there]))
