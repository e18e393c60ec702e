"""Compiled loops of the automatic leveler. Imported only when it runs.

Every loop adds up in an order that is fixed when it is compiled (some of them several numbers at a time), skips
excluded pixels before it looks at their value, and knows a background only as polynomial coefficients per line:
``coefs[i, k]`` multiplies ``x**k`` in line ``i``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.leveling.selection_kernels import median_of

F = NDArray[np.float64]
I = NDArray[np.int64]  # noqa: E741 (integer arrays, beside F)
B = NDArray[np.bool_]

_FAR = 1e60
"""So many widths from the others, a pixel weighs nothing: excluded ones are put there."""
_LEAST = 1e-300
"""Widths below have no reciprocal: such lines have no scatter."""


@njit(cache=True, nogil=True)
def residuals(z: F, coefs: F, x: F) -> F:
    """Return heights minus the polynomial, of degree 3 at most, of each line."""
    out = np.empty(z.shape)
    subtract(z, coefs, x, out)
    return out


@njit(cache=True, nogil=True)
def subtract(z: F, coefs: F, x: F, out: F) -> None:
    """Write `residuals` into ``out``, another array than ``z``."""
    c = np.zeros(4)
    for i in range(z.shape[0]):
        c[: coefs.shape[1]] = coefs[i]
        c0, c1, c2, c3 = c
        for j in range(z.shape[1]):
            out[i, j] = z[i, j] - (((c3 * x[j] + c2) * x[j] + c1) * x[j] + c0)


@njit(cache=True, nogil=True)
def take_off(z: F, coefs: F, x: F) -> None:
    """Subtract the polynomial, of degree 3 at most, of each line in place: `subtract`, of one array."""
    c = np.zeros(4)
    for i in range(z.shape[0]):
        c[: coefs.shape[1]] = coefs[i]
        c0, c1, c2, c3 = c
        for j in range(z.shape[1]):
            z[i, j] -= ((c3 * x[j] + c2) * x[j] + c1) * x[j] + c0


@njit(cache=True, nogil=True)
def _difference(r: F, skip: B, low: int, high: int, far: float, out: F) -> int:
    """Write one line minus another, ``far`` where either must not be looked at; return how many pixels may be."""
    count = 0
    for j in range(r.shape[1]):
        unknown = skip[low, j] | skip[high, j]
        out[j] = far if unknown else r[high, j] - r[low, j]
        count += 0 if unknown else 1
    return count


@njit(cache=True, nogil=True)
def _densest(ordered: F, width: float, avoid: float, gap: float) -> tuple[float, int]:
    """Return center and count of the fullest window, ``gap`` from ``avoid``; of equals the one nearest to 0."""
    best = 0
    center = avoid
    last = 0
    n = ordered.size
    for first in range(n):
        last = max(last, first)
        while last + 1 < n and ordered[last + 1] - ordered[first] <= width:
            last += 1
        here = 0.5 * (ordered[first] + ordered[last])
        if gap > 0.0 and abs(here - avoid) < gap:
            continue
        inside = last - first + 1
        if inside > best or (inside == best and abs(here) < abs(center)):
            best = inside
            center = here
    return center, best


@njit(cache=True, nogil=True)
def modes(ordered: F, count: I, width: float) -> F:
    """Return the mode of the first ``count`` numbers of sorted lines, each of which has some.

    It is the fullest window, unless a rival a quarter as full is nearer to 0.
    """
    out = np.empty(count.size)
    for i in range(count.size):
        values = ordered[i, : count[i]]
        first, most = _densest(values, width, 0.0, 0.0)
        second, rival = _densest(values, width, first, 2.0 * width)
        out[i] = second if rival >= 0.25 * most and abs(second) < abs(first) else first
    return out


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", forceinline=True)
def _locate(values: F, start: float, kappa: float) -> float:
    """Locate by Geman-McClure weights 1/(1+t^2)^2, t = residual/kappa: reweighting, then Halley's steps."""
    center = start
    inverse = 1.0 / kappa
    for turn in range(40):
        top = 0.0
        bottom = 0.0
        slope = 0.0
        bend = 0.0
        for k in range(values.size):
            e = values[k] - center
            t = e * inverse
            t2 = t * t
            a = 1.0 / (1.0 + t2)
            w = a * a
            top += w * e
            bottom += w
            slope += w * a * (1.0 - 3.0 * t2)
            bend += w * w * (t2 - 1.0) * t
        move = top / bottom
        near = slope > 0.3 * bottom and (turn >= 1 or abs(move) <= 0.1 * kappa)
        if near:
            move = top / max(slope - 6.0 * inverse * bend * (top / slope), 0.5 * slope)
        center += move
        # What a step of Halley's leaves is of the order of its cube.
        if abs(move) <= (2e-4 if near else 1e-10) * kappa:
            break
    return center


@njit(cache=True, nogil=True)
def _locate_line(values: F, at: F, start: float, kappa: float) -> tuple[float, float]:
    """Fit offset and slope over ``at`` by the same weights, a little wider at first."""
    offset = start
    slope = 0.0
    for turn in range(60):
        wide = kappa * max(1.0, 1.5 - 0.25 * turn)
        s0 = s1 = s2 = t0 = t1 = 0.0
        for k in range(values.size):
            e = values[k] - offset - slope * at[k]
            t = e / wide
            a = 1.0 / (1.0 + t * t)
            w = a * a
            s0 += w
            s1 += w * at[k]
            s2 += w * at[k] * at[k]
            t0 += w * e
            t1 += w * e * at[k]
        det = s0 * s2 - s1 * s1
        if det <= 1e-9 * s0 * s0:
            offset += t0 / s0
            break
        move0 = (s2 * t0 - s1 * t1) / det
        move1 = (s0 * t1 - s1 * t0) / det
        offset += move0
        slope += move1
        if turn > 3 and abs(move0) + abs(move1) <= 1e-10 * kappa:
            break
    return offset, slope


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", forceinline=True)
def _modulated(line: F, tests: F, out: F) -> None:
    """Sum a line times each test function."""
    for m in range(tests.shape[0]):
        total = 0.0
        for j in range(line.size):
            total += line[j] * tests[m, j]
        out[m] = total


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", forceinline=True)
def _weigh(rest: F, inverse: float) -> tuple[float, float]:
    """Multiply residuals by their weights, in place; return the sum of the weights, and of their Newton slopes."""
    bottom = 0.0
    curvature = 0.0
    for k in range(rest.size):
        e = rest[k]
        t = e * inverse
        a = 1.0 / (1.0 + t * t)
        w = a * a
        bottom += w
        curvature += w * a * (1.0 - 3.0 * t * t)
        rest[k] = w * e
    return bottom, curvature


@njit(cache=True, nogil=True)
def pair_fit(r: F, skip: B, lines: I, guess: F, scale: F, widest: float, tests: F, with_slope: bool) -> tuple[F, F, F]:
    """Fit each difference of adjacent lines by a redescending location near a guess (and slope over ``tests[0]``).

    Returns
    -------
    offset, slope : (pairs,)
    leak : (pairs, tests)
        The error that the residuals would make in the offset if they were modulated by each test function:
        what topography does to the neighbors of the line mean in the spectrum.
    """
    pairs, cols = lines.size - 1, r.shape[1]
    offset = np.zeros(pairs)
    slope = np.zeros(pairs)
    leak = np.zeros((pairs, tests.shape[0]))
    values, rest = np.empty(cols), np.empty(cols)
    for i in range(pairs):
        s = min(scale[i], 2.0 * widest)
        if s <= _LEAST:
            offset[i] = guess[i]
            continue
        n = _difference(r, skip, lines[i], lines[i + 1], guess[i] + _FAR * s, values)
        if n == 0:
            continue
        if with_slope and n >= max(8, cols // 2):
            offset[i], slope[i] = _locate_line(values, tests[0], guess[i], 2.0 * s)
            for j in range(cols):
                rest[j] = values[j] - offset[i] - slope[i] * tests[0, j]
        else:
            offset[i] = _locate(values, guess[i], 2.0 * s)
            for j in range(cols):
                rest[j] = values[j] - offset[i]
        bottom, curvature = _weigh(rest, 1.0 / (2.0 * s))
        _modulated(rest, tests, leak[i])
        curvature = max(curvature, 0.3 * bottom)
        for m in range(tests.shape[0]):
            leak[i, m] /= curvature
    return offset, slope, leak


@njit(cache=True, nogil=True)
def line_locations(r: F, skip: B, lines: I, tests: F) -> tuple[F, F]:
    """Locate the heights of each line by redescending weights; return also the ``leak``, as `pair_fit` does."""
    offset = np.zeros(lines.size)
    leak = np.zeros((lines.size, tests.shape[0]))
    values = np.empty(r.shape[1])
    for i in range(lines.size):
        row = lines[i]
        n = 0
        for j in range(r.shape[1]):
            if not skip[row, j]:
                values[n] = r[row, j]
                n += 1
        if n == 0:
            continue
        offset[i] = median_of(values[:n])
        scale = 1.4826 * median_of(np.abs(values[:n] - offset[i]))
        if scale <= _LEAST:
            continue
        far = offset[i] + _FAR * scale
        for j in range(r.shape[1]):
            values[j] = far if skip[row, j] else r[row, j]
        offset[i] = _locate(values, offset[i], 2.0 * scale)
        for j in range(r.shape[1]):
            values[j] -= offset[i]
        bottom, curvature = _weigh(values, 1.0 / (2.0 * scale))
        _modulated(values, tests, leak[i])
        for m in range(tests.shape[0]):
            leak[i, m] /= max(curvature, 0.3 * bottom)
    return offset, leak
