"""A line profile as SVG text: before and after, invented stretches shaded, error band of two sigma."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from afmend.pictures.numerals import Display, display, fixed, ticks
from afmend.scan.arrays import Mask

WIDTH, HEIGHT = 980, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 14, 34, 44
_BEFORE, _AFTER, _BAND, _SHADE = "#c2571a", "#0b4f8a", "#4aa3df", "#d9edf9"
_MOST_POINTS = 1200
_LOOK = 'font-family="system-ui, sans-serif" font-size="12" fill="#1b1b1b" aria-label="line profile"'

Line = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """One line of a scan before and after repair.

    Attributes
    ----------
    before, after : (n,) float
        Heights in ``unit``.
    invented : (n,) bool
        Pixels of ``after`` that were filled in.
    sigma : (n,) float
        1-sigma error bar of the filled pixels; inf = has none.
    known_before, known_after : (n,) bool
        False = nothing to draw there.
    step : float
        Distance of pixels, nm (or 1 px).
    unit : str
        Unit of the heights.
    calibrated : (bool, bool)
        Whether distances, heights are known.
    where : str
        What line this is: "line 17", "column 5".
    """

    before: Line
    after: Line
    invented: Mask
    sigma: Line
    known_before: Mask
    known_after: Mask
    step: float
    unit: str = "nm"
    calibrated: tuple[bool, bool] = (True, True)
    where: str = ""


def profile_svg(profile: Profile) -> str:
    """Draw a profile; the text is a complete ``<svg>`` element without external references or styles.

    The height axis spans what was measured and filled, error band included; a ``before`` that lies far
    outside (a large artifact) is cut at three times that range, never squeezing the rest flat.
    """
    axes = _Axes.of(profile)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {_LOOK}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *_shades(profile, axes),
        *_grid(axes),
        *_band(profile, axes),
        *_curve(profile.before, profile.known_before, axes, f'stroke="{_BEFORE}" stroke-width="1.1"'),
        *_curve(profile.after, profile.known_after, axes, f'stroke="{_AFTER}" stroke-width="1.6"'),
        *_labels(profile, axes),
        *_legend(profile, axes),
        "</svg>",
    ]
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Axes:
    """From pixel number and height to SVG coordinates."""

    count: int
    low: float
    high: float
    along: Display
    up: Display
    step: float

    @classmethod
    def of(cls, profile: Profile) -> _Axes:
        low, high = _height_range(profile)
        length = profile.step * profile.after.size
        along = display(length, "nm") if profile.calibrated[0] else Display(profile.step, "px")
        return cls(profile.after.size, low, high, along, display(max(abs(low), abs(high)), profile.unit), profile.step)

    def x(self, pixel: Line | float) -> Line:
        """Middle of a pixel."""
        return _LEFT + (np.asarray(pixel, dtype=float) + 0.5) / self.count * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: Line | float) -> Line:
        """Height, cut at the frame."""
        share = (np.asarray(value, dtype=float) - self.low) / (self.high - self.low)
        return HEIGHT - _BOTTOM - np.clip(share, 0, 1) * (HEIGHT - _TOP - _BOTTOM)


def _height_range(profile: Profile) -> tuple[float, float]:
    band = np.where(np.isfinite(profile.sigma) & profile.invented, 2 * profile.sigma, 0.0)
    low, high = _extent(np.concatenate([(profile.after - band)[profile.known_after],
                                        (profile.after + band)[profile.known_after]]))  # fmt: skip
    before_low, before_high = _extent(profile.before[profile.known_before], (low, high))
    span = max(high - low, 1e-3 * (before_high - before_low), 1e-12)
    low, high = max(min(low, before_low), low - span), min(max(high, before_high), high + span)
    pad = 0.06 * (high - low) if high > low else max(1e-3, abs(low) * 1e-3)
    return low - pad, high + pad


def _extent(values: Line, default: tuple[float, float] = (0.0, 0.0)) -> tuple[float, float]:
    return (float(values.min()), float(values.max())) if values.size else default


def _runs(mask: Mask) -> list[tuple[int, int]]:
    """Return the stretches of True as (start, stop)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _shades(profile: Profile, axes: _Axes) -> list[str]:
    out = []
    for start, stop in _runs(profile.invented):
        x0, x1 = float(axes.x(start - 0.5)), float(axes.x(stop - 0.5))
        out.append(f'<rect x="{x0:.1f}" y="{_TOP}" width="{max(1.0, x1 - x0):.1f}" '
                   f'height="{HEIGHT - _TOP - _BOTTOM}" fill="{_SHADE}"/>')  # fmt: skip
    return out


def _grid(axes: _Axes) -> list[str]:
    out = []
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    for value, text in ticks(axes.low / axes.up.factor, axes.high / axes.up.factor, 5):
        y = float(axes.y(value * axes.up.factor))
        out.append(f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d0d0d0" stroke-width="0.6"/>')
        out.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for value, text in ticks(0, axes.count * axes.step / axes.along.factor, 8):
        x = float(axes.x(value * axes.along.factor / axes.step - 0.5))
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 5}" stroke="#1b1b1b"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{text}</text>')
    out.append(f'<rect x="{_LEFT}" y="{_TOP}" width="{right - _LEFT}" height="{bottom - _TOP}" '
               'fill="none" stroke="#1b1b1b" stroke-width="0.8"/>')  # fmt: skip
    return out


def _band(profile: Profile, axes: _Axes) -> list[str]:
    out = []
    for start, stop in _runs(profile.invented & np.isfinite(profile.sigma) & profile.known_after):
        pixels = np.arange(start, stop, dtype=np.float64)
        if stop - start == 1:
            pixels = np.array([start - 0.5, start + 0.5])
        index = np.clip(np.round(pixels).astype(int), start, stop - 1)
        value, spread = profile.after[index], 2 * profile.sigma[index]
        upper = _points(axes.x(pixels), axes.y(value + spread))
        lower = _points(axes.x(pixels)[::-1], axes.y(value - spread)[::-1])
        out.append(f'<polygon points="{upper} {lower}" fill="{_BAND}" fill-opacity="0.45"/>')
    return out


def _curve(values: Line, known: Mask, axes: _Axes, style: str) -> list[str]:
    out = []
    for start, stop in _runs(known):
        pixels, heights = _thinned(np.arange(start, stop, dtype=np.float64), values[start:stop])
        if pixels.size == 1:
            pixels, heights = np.array([start - 0.5, start + 0.5]), heights.repeat(2)
        points = _points(axes.x(pixels), axes.y(heights))
        out.append(f'<polyline points="{points}" fill="none" {style} stroke-linejoin="round"/>')
    return out


def _thinned(pixels: Line, values: Line) -> tuple[Line, Line]:
    """Keep the lowest and highest pixel of each bin where there are more pixels than can be seen."""
    if values.size <= _MOST_POINTS:
        return pixels, values
    bins = math.ceil(values.size / (_MOST_POINTS // 2))
    full = values.size // bins * bins
    folded = values[:full].reshape(-1, bins)
    base = np.arange(0, full, bins)
    chosen = np.sort(np.concatenate([base + folded.argmin(1), base + folded.argmax(1), np.arange(full, values.size)]))
    return pixels[chosen], values[chosen]


def _points(x: Line, y: Line) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _labels(profile: Profile, axes: _Axes) -> list[str]:
    bottom = HEIGHT - 8
    middle = (_TOP + HEIGHT - _BOTTOM) / 2
    up = axes.up.label if profile.calibrated[1] else f"{axes.up.label} (uncalibrated)"
    along = axes.along.label if profile.calibrated[0] else "px (scan size uncalibrated)"
    quantity, up = "height" if profile.unit == "nm" else "value", f" / {escape(up)}"
    center = (_LEFT + WIDTH - _RIGHT) / 2
    return [
        f'<text x="{center:.0f}" y="{bottom}" text-anchor="middle">distance / {escape(along)}</text>',
        f'<text transform="translate(16 {middle:.0f}) rotate(-90)" text-anchor="middle">{quantity}{up}</text>',
        f'<text x="{WIDTH - _RIGHT}" y="{bottom}" text-anchor="end" font-weight="600">{escape(profile.where)}</text>',
    ]


def _legend(profile: Profile, axes: _Axes) -> list[str]:
    before = profile.before[profile.known_before]
    cut = before.size and (before.min() < axes.low or before.max() > axes.high)
    entries = [
        ("line", _BEFORE, "before (leveled; cut at the frame)" if cut else "before (leveled)"),
        ("line", _AFTER, "after repair"),
    ]
    if profile.invented.any():
        entries.append(("box", _SHADE, "invented, not measured"))
        sigma = profile.sigma[profile.invented]
        if np.isfinite(sigma).any():
            entries.append(("box", _BAND, "error bar ±2σ"))
        if not np.isfinite(sigma).all():
            entries.append(("none", "", f"no error bar for {fixed(float(np.mean(~np.isfinite(sigma))) * 100, 0)} %"))
    out, x = [], float(_LEFT)
    for shape, color, text in entries:
        if shape == "line":
            out.append(f'<line x1="{x:.0f}" x2="{x + 20:.0f}" y1="16" y2="16" stroke="{color}" stroke-width="2"/>')
        elif shape == "box":
            out.append(
                f'<rect x="{x:.0f}" y="10" width="20" height="12" fill="{color}" stroke="#8aa" stroke-width="0.5"/>'
            )
        x += 26 if shape != "none" else 0
        out.append(f'<text x="{x:.0f}" y="20">{text}</text>')
        x += 6.4 * len(text) + 14
    return out
