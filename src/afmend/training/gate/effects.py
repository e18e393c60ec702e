"""How large everything that is wrong with a simulated scan is, as far as anybody could see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.scan import Scan
from afmend.scan.arrays import Heights, Mask
from afmend.simulation.access import artifact_masks, ideal_of
from afmend.simulation.mishaps.fringes import Fringes, waves_of
from afmend.simulation.params import Twin
from afmend.simulation.recording import WAYS, Way
from afmend.training.gate.damage import LEAST, Damage, crowds_of, damage_of, ghosts_of, seen_between, unfollowed

LOOP = ("lag", "parachute", "ringing")
CURED = "offset"
"""Leveling takes it off whole lines: no damage; what else is a little off in them is as plain as in others."""
ASTRAY = 0.25
"""Of the relief."""
MOST = 0.8
"""Of the power of fringes: what is compared with the surface."""
CROWD = (0.1, 0.25)
"""Of the surroundings: so much astray is some area, or surely one."""


def effects_of(
    scan: Scan, twin: Twin, clean: Scan | None, way: Way = "trace", lines: int | None = None
) -> tuple[dict[str, float], Mask]:
    """Measure what is wrong with one scan direction.

    Parameters
    ----------
    scan : Scan
        Simulated.
    twin : Twin
        Its parameters.
    clean : Scan or None
        What would have been recorded with a tip that nothing happened to; None = nothing happened to it.
    way : "trace" or "retrace"
    lines : int, optional
        Only of the first lines.

    Returns
    -------
    effects : dict of str to float
        ``clear`` and ``faint``: shares of the pixels with such damage (`damage.damage_of`), and ``clear KIND``;
        ``hidden``: damage by the loop that nobody can see, not counted as clear (`damage.seen_between`); ``out``:
        clear where the piezo stood at an end of its range or the loop was off; ``astray any``: there, and off by more
        than a quarter of the relief where the loop lagged; ``astray some`` and ``astray``: the same where it is some
        area, and surely one (`damage.crowds_of`); ``missing`` share, the unscanned end of the scan not
        counted; ``unscanned`` share; ``noise`` (scatter), ``random`` (the same without waves), ``hum`` and ``fringes``
        (amplitudes; of fringes what leveling leaves) over the relief as far as it was recorded, and ``recorded``, how
        far that is; ``hum white`` and ``fringes white`` over the white noise, ``fringes over surface``
        (`fringes_left`); of the tip, see `damage.ghosts_of`, and ``repeat``, ``break`` (`_tip_effects`).
    wrong : (4, rows, cols) bool
        What is clear, faint, astray or out, and satellites (`artifacts.gate.sight.TARGETS`).
    """
    seen = judged(scan, way, lines)
    found, clear, masks, missing = seen.found, seen.clear, seen.masks, seen.missing
    none = np.zeros_like(missing)
    far = found.clear & (np.abs(found.left) > ASTRAY * found.relief)
    lost, loop = any_of(masks, ("lost_tracking", "saturation"), none), any_of(masks, LOOP, none)
    out = found.clear & lost
    astray = out | (far & loop) | unfollowed(found, lost | loop)
    some, area = (float(np.mean(crowds_of(astray, share))) for share in CROWD)
    effects = {f"clear {kind}": float(np.mean(clear & mask)) for kind, mask in masks.items()}
    effects |= {
        "clear": float(np.mean(clear)), "hidden": float(np.mean(found.clear & ~clear)),
        "faint": float(np.mean(found.faint)), "out": float(np.mean(out)), "astray any": float(np.mean(astray)),
        "astray some": some, "astray": area, "noise": found.noise,
    }  # fmt: skip
    effects["unscanned"], effects["missing"] = _missing(missing)
    white = twin.electronics.white_nm + 1e-12
    hum = float(np.sqrt(sum(h.amplitude_nm**2 for h in twin.electronics.hum)))
    fringes, seen_over = fringes_left(twin, np.asarray(ideal_of(scan, way).values, np.float64), lines)
    shown = found.relief * max(found.recorded, LEAST)
    effects |= {
        "hum": hum / shown, "hum white": hum / white, "fringes": fringes / shown, "fringes white": fringes / white,
        "fringes over surface": seen_over,
        "random": found.random, "recorded": found.recorded,
    }  # fmt: skip
    ghosts = none
    if clean is not None:
        last = last_measured(missing, masks)
        ideal, untouched = (ideal_of(one, way).values[:last] for one in (scan, clean))
        numbers, seen_ghosts = ghosts_of(ideal, untouched, found)
        ghosts = none.copy()
        ghosts[:last] = seen_ghosts
        effects |= {**numbers, **_tip_effects(ideal, untouched, found.scatter + 0.002 * found.relief, twin)}
    return effects, np.stack((clear, found.faint, astray, ghosts))


def fringes_left(twin: Twin, ideal: Heights, lines: int | None = None) -> tuple[float, float]:
    """Measure what leveling leaves of fringes: what is no offset, tilt or parabola of a line.

    Returns
    -------
    amplitude : float
        nm.
    over : float
        Their power over the surface's, of the waves that make most of them: below 1 the sample itself has larger ones.
    """
    waves = [waves_of(m, twin.shape, twin.pixel_nm)[:lines] for m in twin.mishaps if isinstance(m, Fringes)]
    if not waves:
        return 0.0, 0.0
    terms, _ = np.linalg.qr(np.polynomial.legendre.legvander(np.linspace(-1, 1, ideal.shape[1]), 2))
    light, surface = (z - z @ terms @ terms.T for z in (np.sum(waves, axis=0), ideal[:lines]))
    window = np.hanning(light.shape[0] + 2)[1:-1, None] * np.hanning(light.shape[1] + 2)[1:-1]
    powers = [np.square(np.abs(np.fft.rfft2(z * window))).ravel() for z in (light, surface)]
    order = np.argsort(powers[0])[::-1]
    most = order[: int(np.searchsorted(np.cumsum(powers[0][order]), MOST * powers[0].sum())) + 1]
    over = float(powers[0][most].sum() / (powers[1][most].sum() + 1e-30))
    return float(np.sqrt(2 * np.mean(np.square(light)))), over


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What is wrong with one direction of a scan, pixel by pixel.

    Attributes
    ----------
    found : Damage
    clear : (rows, cols) bool
        What of `Damage.clear` can be seen.
    masks : mapping of str to (rows, cols) bool
        Where which kind of damage is.
    missing : (rows, cols) bool
    """

    found: Damage
    clear: Mask
    masks: Mapping[str, Mask]
    missing: Mask


def judged(scan: Scan, way: Way, lines: int | None = None) -> Judged:
    """Measure the damage of one direction; damage by the loop alone is clear only where it shows (`seen_between`)."""
    found, missing, masks = _damage(scan, way, lines)
    none = np.zeros_like(missing)
    slow, fast = any_of(masks, LOOP, none), any_of(masks, [kind for kind in masks if kind not in LOOP], none)
    clear = found.clear
    if np.any(clear & slow & ~fast):
        other = _damage(scan, WAYS[1 - WAYS.index(way)], lines)[0]
        clear = clear & (fast | ~slow | seen_between(found, other))
    return Judged(found, clear, masks, missing)


def _damage(scan: Scan, way: Way, lines: int | None) -> tuple[Damage, Mask, dict[str, Mask]]:
    channel = scan.channels[scan.find(f"height/{way}")]
    heights, missing = np.asarray(channel.values[:lines], np.float64), channel.missing[:lines]
    masks = {kind: mask[:lines] for kind, mask in damage_masks(scan, way).items()}
    copied = np.asarray(masks["unfinished"].all(axis=1)) if "unfinished" in masks else None
    found = damage_of(heights, ideal_of(scan, way).values[:lines], any_of(masks, masks, missing), missing, copied)
    return found, missing, masks


def damage_masks(scan: Scan, way: Way) -> dict[str, Mask]:
    """Return where which kind of artifact is that leveling does not cure."""
    return {kind: mask for kind, mask in artifact_masks(scan, way).items() if kind != CURED}


def any_of(masks: Mapping[str, Mask], kinds: Iterable[str], none: Mask) -> Mask:
    """Where any of some kinds is, or ``none`` is set."""
    out = none.copy()
    for kind in kinds:
        out |= masks.get(kind, none)
    return out


def last_measured(missing: Mask, masks: Mapping[str, Mask]) -> int:
    """Return how many lines there are up to the last one that was measured: what the tip would do later is not seen."""
    measured = np.flatnonzero(~(missing | masks.get("unfinished", np.zeros_like(missing))).all(axis=1))
    return int(measured[-1]) + 1 if measured.size else len(missing)


def _missing(missing: Mask) -> tuple[float, float]:
    """Return the shares that were not scanned at the end (or start), and missing within what was scanned."""
    there = np.flatnonzero(~missing.all(axis=1))
    if there.size == 0:
        return (1.0, 0.0)
    part = slice(there[0], there[-1] + 1)
    inner = float(np.count_nonzero(missing[part]) / missing.size)
    return (float(np.mean(missing)) - inner, inner)


def _tip_effects(ideal: Heights, clean: Heights, noise: float, twin: Twin) -> dict[str, float]:
    """Measure what the tip did to texture.

    ``repeat``: by how much it raised the autocorrelation of bumps anywhere beyond 3 pixels; ``break``: by how much (in
    powers of e) curvature along the lines changes where the tip does, over what the clean scan does there.
    """
    repeat = max(float((_doubles(ideal, side) - _doubles(clean, side)).max()) for side in (9, 25))
    found = {"repeat": repeat, "break": 0.0}
    rows = ideal.shape[0]
    for event in twin.tip_changes:
        if max(8, rows // 10) <= event.row <= rows - max(8, rows // 10):
            after, before = _sharpness(ideal, event.row, noise) - _sharpness(clean, event.row, noise)
            found["break"] = max(found["break"], abs(float(after - before)))
    return found


def _doubles(z: Heights, side: int) -> Heights:
    """Autocorrelation of what stands out of its surroundings, 3 pixels and more aside."""
    import cv2

    from afmend.artifacts.gate.tip_features import FAR_PX, autocorrelation

    some = np.asarray(z, np.float32)
    bump = some - cv2.blur(some, (side, side))
    part = autocorrelation(np.clip(bump, *np.quantile(bump, (0.01, 0.99))))
    reach = np.arange(-FAR_PX, FAR_PX + 1)
    return np.where(np.hypot(reach[:, None], reach[None, :]) >= 3, part, 0.0)


def _sharpness(z: Heights, row: int, noise: float) -> NDArray[np.float64]:
    """Logarithm of curvature along the lines, after and before a line, as far as it stands out of the noise."""
    curl = np.abs(z[:, 2:] - 2 * z[:, 1:-1] + z[:, :-2])
    return np.log([curl[part].mean() + noise for part in (slice(row + 1, None), slice(0, row))])
