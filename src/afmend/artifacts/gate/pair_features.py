"""What trace and retrace do not share, measured as damage is: of the noise, and of the relief."""

from __future__ import annotations

import numpy as np

from afmend.artifacts.gate.view import Map, View

PARTS = (0.03, 0.1, 0.25)
"""Of the relief: faint, clear, astray."""
SIGMAS = 5.0
STRETCH_PX = 9
ROUNDS = 2
"""Of reweighted least squares, line by line."""
LEAST = 1e-5


def disagreement(view: View) -> Map | None:
    """Return trace minus retrace, (rows, cols), lines leveled, hysteresis undone; None without the other direction."""
    from afmend.artifacts.gate.damage_kernels import leveled_lines
    from afmend.artifacts.learned_foretold import aligned_to

    if view.other is None:
        return None
    away = np.asarray(view.raw - aligned_to(view.other, view.raw), np.float64)
    return np.asarray(leveled_lines(away, np.asarray(view.measured.missing), ROUNDS), np.float32)


def damage_features(view: View) -> dict[str, float]:
    """Measure the shares of pixels, and of stretches of 9, where the directions differ; zeros without the other one."""
    import cv2

    away = view.disagreement
    names = [f"differs {kind} {part:g}" for kind in ("pixel", "stretch", "up", "tail") for part in PARTS]
    if away is None:
        return dict.fromkeys(names, 0.0)
    relief, scatter = view.half_range, np.sqrt(2) * view.noise
    joint = np.asarray(cv2.blur(away, (STRETCH_PX, 1)), np.float32)
    usual = 1.4826 * float(np.median(np.abs(joint[::2]))) + 1e-12
    shares: list[float] = []
    for values, size in ((away, scatter), (joint, usual)):
        shares += [float(np.mean(np.abs(values) > max(SIGMAS * size, part * relief))) for part in PARTS]
    shares += [float(np.mean(joint > max(SIGMAS * usual, part * relief))) for part in PARTS]
    lines = np.abs(joint)
    shares += [float(np.mean(np.mean(lines > max(SIGMAS * usual, part * relief), axis=1) > 0.1)) for part in PARTS]
    return {name: float(np.log10(LEAST + share) - np.log10(LEAST)) for name, share in zip(names, shares, strict=True)}
