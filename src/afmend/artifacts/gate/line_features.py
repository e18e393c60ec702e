"""Features of lines: noise between them, wild ones, distributions, spectra, what changes along the slow axis."""

from __future__ import annotations

import numpy as np

from afmend.artifacts.gate.view import Floats, Map, View, median_along, sampled, spread

LAGS = (1, 2, 4, 8, 16)


def noise_features(view: View) -> dict[str, float]:
    """Line noise, how much the sample stands out of it, and outliers among lines and pixels."""
    noise, relief = view.noise, view.relief
    curl = spread(view.curl) / np.sqrt(1.5) + 1e-12
    step = spread(view.steps - np.median(view.steps)) + 1e-12
    found = {
        "relief/noise": _log(relief / noise), "along/across": _log(curl / noise), "steps/noise": _log(step / noise),
        "steps max": _log(float(np.abs(view.steps).max()) / step),
    }  # fmt: skip
    found |= {f"bend {name}": value for name, value in _outliers(view.bend, noise).items()}
    found |= {f"curl {name}": value for name, value in _outliers(view.curl, float(curl)).items()}
    stretches = _blurred(view.bend)
    found |= {f"stretch {name}": value for name, value in _outliers(stretches, spread(stretches) + 1e-12).items()}
    unrest = np.mean(np.abs(view.bend), axis=1)
    unrest = unrest / (np.median(unrest) + 1e-12)
    found |= {
        "unrest p95": _log(float(np.quantile(unrest, 0.95))), "unrest max": _log(float(unrest.max())),
        "unrest p5": _log(float(np.quantile(unrest, 0.05))), "unrest over 2": float(np.mean(unrest > 2)),
    }  # fmt: skip
    rough = median_along(np.abs(view.curl))
    rough = rough / (np.median(rough) + 1e-12)
    found |= {"rough lines": _log(float(np.quantile(rough, 0.99))), "calm lines": _log(float(np.quantile(rough, 0.01)))}
    return found


def _outliers(values: Map, size: float) -> dict[str, float]:
    away = np.abs(values) / size
    p99, p999 = np.quantile(sampled(away), (0.99, 0.999))
    return {
        "p99": _log(p99), "p99.9": _log(p999), "max": _log(float(away.max())),
        "tail": float(np.log10(1e-5 + np.mean(away > 8))),
    }  # fmt: skip


def _blurred(values: Map, pixels: int = 9) -> Map:
    import cv2

    return np.asarray(cv2.blur(values, (pixels, 1)), np.float32)


def spectral_features(view: View) -> dict[str, float]:
    """Structure functions along and across the lines, against that over 16 pixels, and how heavy their tails are."""
    z = view.flat
    found: dict[str, float] = {}
    last: dict[str, float] = {}
    for lag in LAGS[::-1]:
        if min(z.shape) <= lag:
            found |= {f"{name} {lag}{tail}": 0.0 for name in ("along", "across") for tail in ("", " tail")}
            continue
        for name, away in (("along", z[:, lag:] - z[:, :-lag]), ("across", z[lag:] - z[:-lag])):
            some = sampled(away)
            rms, middle = float(np.sqrt(np.mean(np.square(some)))) + 1e-12, spread(some) + 1e-12
            last.setdefault(name, rms)
            found[f"{name} {lag}"] = _log(rms / last[name]) if lag != LAGS[-1] else _log(rms / view.relief)
            found[f"{name} {lag} tail"] = _log(rms / middle)
    return found


def wave_features(view: View) -> dict[str, float]:
    """Waves in time: peaks in the spectra of the lines, and in the spectrum of what neighbors do not share."""
    rows, cols = view.bend.shape
    clipped = np.clip(view.bend, -4 * view.noise, 4 * view.noise)
    power = np.square(np.abs(np.fft.rfft2(clipped)))
    power[:, 0] = 0
    ordered = np.sort(power.ravel())
    middle = ordered[ordered.size // 2] + 1e-30
    lines = power.mean(axis=0)[1:]
    half = lines.size // 2
    return {
        "wave peak": _log(ordered[-1] / middle), "wave few": _log(ordered[-1 - max(8, ordered.size // 2000)] / middle),
        "wave lines": _log(float(lines.max() / (np.median(lines) + 1e-30))),
        "wave high": _log(float((lines[half:].mean() + 1e-30) / (lines[:half].mean() + 1e-30))),
        "pixels": float(np.log2(rows * cols) / 16),
    }  # fmt: skip


def change_features(view: View) -> dict[str, float]:
    """Measure what changes for good at one line: sharpness, slopes, form of bumps (a changed tip)."""
    slope = np.abs(view.flat[:, 2:] - view.flat[:, :-2])
    signs = view.curl
    series = {
        "sharpness": np.log(np.mean(np.abs(signs), axis=1) + 1e-3 * view.noise),
        "slope": np.log(np.mean(slope, axis=1) + 1e-3 * view.noise),
        "texture": np.log((np.mean(np.abs(signs), axis=1) + 1e-3 * view.noise) / (np.mean(slope, axis=1) + view.noise)),
        "form": _form(signs, view.noise),
    }
    return {f"change {name}": _change(values) for name, values in series.items()}


def _form(signs: Map, noise: float) -> Floats:
    """Skewness of the bends along the line, line by line."""
    scaled = np.clip(signs / (4 * noise), -5, 5)
    return np.asarray(np.mean(scaled * np.abs(scaled), axis=1))


def _change(values: Floats) -> float:
    """Return the largest step of a series: Student's t of the blocks of lines before and after, as a logarithm."""
    count = values.size
    block = max(2, count // 32)
    means = np.array([part.mean() for part in np.array_split(values, max(4, count // block))])
    n = means.size
    best = 0.0
    for k in range(2, n - 1):
        a, b = means[:k], means[k:]
        within = (np.sum((a - a.mean()) ** 2) + np.sum((b - b.mean()) ** 2)) / (n - 2)
        best = max(best, abs(a.mean() - b.mean()) / np.sqrt((within + 1e-12) * (1 / a.size + 1 / b.size)))
    return float(np.log1p(best))


def _log(value: float | np.floating) -> float:
    return float(np.log10(max(float(value), 1e-6)))
