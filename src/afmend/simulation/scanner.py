"""The scanner: where the tip really is while the instrument believes it scans a perfect raster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.pipeline import Knob, Params
from afmend.scan.arrays import Heights

Series = NDArray[np.float64]


class Scanner(Params):
    """Errors of the scanner and of the mount, all zero for a perfect one."""

    tilt_slow_nm: float = Knob(
        0.0, "Height that the sample's tilt adds from the first line to the last.", unit="nm", ge=-1e7, le=1e7
    )
    tilt_fast_nm: float = Knob(0.0, "Height that the sample's tilt adds along a line.", unit="nm", ge=-1e7, le=1e7)
    online_plane: bool = Knob(False, "The instrument subtracts the plane of the tilt while it records.")
    bow_slow_nm: float = Knob(
        0.0, "Out-of-plane bow, middle against ends, along the slow axis.", unit="nm", ge=-1e7, le=1e7
    )
    bow_fast_nm: float = Knob(
        0.0, "Out-of-plane bow, middle against ends, along the fast axis.", unit="nm", ge=-1e7, le=1e7
    )
    bow_cross_nm: float = Knob(
        0.0, "Out-of-plane saddle: height at one corner against the neighboring ones.", unit="nm", ge=-1e7, le=1e7
    )
    hysteresis: float = Knob(
        0.0, "Largest distance between trace and retrace, as a fraction of the line.", ge=0, le=0.1, step=0.001
    )
    nonlinearity_slow: float = Knob(
        0.0, "Stretch of the slow axis: largest displacement as a fraction of the scan.", ge=-0.1, le=0.1
    )
    nonlinearity_fast: float = Knob(
        0.0, "Stretch of the fast axis: largest displacement as a fraction of the scan.", ge=-0.1, le=0.1
    )
    creep_slow_nm: float = Knob(0.0, "Creep along the slow axis per decade of time.", unit="nm", ge=-1e7, le=1e7)
    creep_fast_nm: float = Knob(0.0, "Creep along the fast axis per decade of time.", unit="nm", ge=-1e7, le=1e7)
    creep_z_nm: float = Knob(0.0, "Creep in height per decade of time.", unit="nm", ge=-1e7, le=1e7)
    creep_start_s: float = Knob(1.0, "Time between the move that creeps and the first line.", unit="s", ge=1e-3, le=1e6)
    drift_slow_nm_s: float = Knob(0.0, "Thermal drift along the slow axis.", unit="nm/s", ge=-1e7, le=1e7)
    drift_fast_nm_s: float = Knob(0.0, "Thermal drift along the fast axis.", unit="nm/s", ge=-1e7, le=1e7)
    drift_z_nm_s: float = Knob(0.0, "Thermal drift in height.", unit="nm/s", ge=-1e7, le=1e7)
    settling_z_nm: float = Knob(
        0.0, "Height by which the sample settles exponentially during the scan.", unit="nm", ge=-1e7, le=1e7
    )
    settling_s: float = Knob(100.0, "Time constant of settling.", unit="s", ge=1e-3, le=1e7)
    resonance_fast_hz: float = Knob(0.0, "Resonance of the fast axis; 0 = infinitely stiff.", unit="Hz", ge=0, le=1e6)
    damping_fast: float = Knob(0.1, "Damping ratio of that resonance.", gt=0, le=2)


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Where the tip is at every sample, in pixels of the scan (0, 0 = center of its first pixel).

    Attributes
    ----------
    x_px : (steps,) float64
        Fast position over one period of the line (trace, turn, retrace, turn), the same for every line but for drift.
    y_px : (rows,) float64
        Slow position of each line.
    x_drift_px, y_drift_px, z_nm : (rows + 1,) float64
        What drift and creep add at the start of each line; linear in between.
    """

    x_px: Series
    y_px: Series
    x_drift_px: Series
    y_drift_px: Series
    z_nm: Series

    def margin(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return how far the tip leaves the scan on either side, (slow, fast), in whole pixels."""
        out = []
        for positions, drift, count in (
            (self.y_px, self.y_drift_px, shape[0]),
            (self.x_px, self.x_drift_px, shape[1]),
        ):
            low = float(positions.min() + drift.min())
            high = float(positions.max() + drift.max())
            out.append(int(np.ceil(max(-low, high - count + 1, 0.0))) + 1)
        return out[0], out[1]


def fast_waveform(cols: int, overscan_px: int, substeps: int) -> Series:
    """Return the commanded fast position over one line, in pixels: there and back at constant speed.

    Returns
    -------
    (2 * (cols + 2 * overscan_px) * substeps,) float64
        Sample j of pixel p lies at p - 0.5 + (j + 0.5) / substeps.
    """
    half = (cols + 2 * overscan_px) * substeps
    there = (np.arange(half) + 0.5) / substeps - 0.5 - overscan_px
    return np.concatenate([there, there[::-1]])


def play_hysteresis(waveform: Series, width: float, thresholds: tuple[float, ...] = (0.1, 0.25, 0.45, 0.7)) -> Series:
    """Return the settled response of a Prandtl-Ishlinskii operator to a periodic waveform.

    The operator is a sum of play operators of equal weight; its linear part is calibrated away, and its loop is scaled
    so that the two directions are at most ``width`` apart.

    Parameters
    ----------
    waveform : (steps,) float64
        One period: first the way there, then the way back, mirrored.
    width : float
        Largest distance between the two ways, in the unit of the waveform.
    thresholds : tuple of float
        Half-widths of the plays, relative to the amplitude.

    Notes
    -----
    Source: K. Kuhnen, Eur. J. Control 9, 407 (2003), doi:10.3166/ejc.9.407-418.
    """
    from afmend.simulation.loop_kernels import play

    if width == 0:
        return waveform
    center, amplitude = (waveform.max() + waveform.min()) / 2, np.ptp(waveform) / 2
    normal = (waveform - center) / amplitude
    total = np.zeros_like(normal)
    for threshold in thresholds:
        total += play(np.concatenate([normal, normal]), threshold)[normal.size :]
    total -= np.polyval(np.polyfit(normal, total, 1), normal)
    half = normal.size // 2
    opening = float(np.max(np.abs(total[:half] - total[half:][::-1])))
    bent: Series = waveform + total * (width / opening)
    return bent


def resonant(waveform: Series, period_s: float, resonance_hz: float, damping: float) -> Series:
    """Return the settled response of a damped oscillator of unit gain to a periodic waveform."""
    if resonance_hz == 0:
        return waveform
    frequency = np.fft.rfftfreq(waveform.size, period_s / waveform.size)
    ratio = frequency / resonance_hz
    response: Series = np.fft.irfft(np.fft.rfft(waveform) / (1 - ratio**2 + 2j * damping * ratio), waveform.size)
    return response


def log_creep(per_decade: float, start_s: float, times_s: Series) -> Series:
    """Return logarithmic creep since ``start_s`` after the move: per_decade * log10((start + t) / start)."""
    return per_decade * np.log10(1 + times_s / start_s)


def travel(
    scanner: Scanner,
    shape: tuple[int, int],
    pixel_nm: tuple[float, float],
    line_s: float,
    overscan_px: int,
    substeps: int,
) -> Path:
    """Return where the tip really is during a scan.

    Parameters
    ----------
    scanner : Scanner
    shape : (rows, cols)
    pixel_nm : (slow, fast)
    line_s : float
        Duration of a line, there and back.
    overscan_px : int
        Pixels that the tip travels beyond the line on each side.
    substeps : int
        Samples per pixel.
    """
    rows, cols = shape
    x = fast_waveform(cols, overscan_px, substeps)
    x = play_hysteresis(x, scanner.hysteresis * cols)
    x = resonant(x, line_s, scanner.resonance_fast_hz, scanner.damping_fast)
    x = x + _stretch(x / max(cols - 1, 1)) * scanner.nonlinearity_fast * cols
    y = np.arange(rows, dtype=np.float64)
    y = y + _stretch(y / max(rows - 1, 1)) * scanner.nonlinearity_slow * rows
    times = np.arange(rows + 1, dtype=np.float64) * line_s
    since = scanner.creep_start_s
    return Path(
        x,
        y,
        (log_creep(scanner.creep_fast_nm, since, times) + scanner.drift_fast_nm_s * times) / pixel_nm[1],
        (log_creep(scanner.creep_slow_nm, since, times) + scanner.drift_slow_nm_s * times) / pixel_nm[0],
        log_creep(scanner.creep_z_nm, since, times)
        + scanner.drift_z_nm_s * times
        - scanner.settling_z_nm * (1 - np.exp(-times / scanner.settling_s)),
    )


def _stretch(place: Series) -> Series:
    """Quadratic displacement that vanishes at both ends of the scan and is 1 in the middle."""
    return 4 * place * (1 - place)


def ground(scanner: Scanner) -> Series:
    """Return the coefficients of tilt and bow: of u, v, u^2, v^2, u v with u (fast) and v (slow) from -1/2 to 1/2."""
    return np.array(
        [
            scanner.tilt_fast_nm,
            scanner.tilt_slow_nm,
            4 * scanner.bow_fast_nm,
            4 * scanner.bow_slow_nm,
            4 * scanner.bow_cross_nm,
        ]
    )


def ground_px(scanner: Scanner, shape: tuple[int, int]) -> Series:
    """Return the same polynomial in pixels (x fast, y slow): coefficients of 1, x, y, x^2, y^2, x y."""
    a, b, c, d, e = ground(scanner)
    v, u = 1 / np.array(shape)
    v0, u0 = 0.5 * v - 0.5, 0.5 * u - 0.5
    return np.array(
        [
            a * u0 + b * v0 + c * u0**2 + d * v0**2 + e * u0 * v0,
            u * (a + 2 * c * u0 + e * v0),
            v * (b + 2 * d * v0 + e * u0),
            c * u**2,
            d * v**2,
            e * u * v,
        ]
    )


def _axes(shape: tuple[int, int]) -> tuple[Heights, Heights]:
    """Slow and fast coordinate from -1/2 to 1/2, at the centers of the pixels."""
    rows, cols = shape
    return ((np.arange(rows) + 0.5) / rows - 0.5)[:, None], ((np.arange(cols) + 0.5) / cols - 0.5)[None, :]


def bowed(scanner: Scanner, shape: tuple[int, int]) -> Heights:
    """Tilt and bow on the nominal grid, nm."""
    v, u = _axes(shape)
    a, b, c, d, e = ground(scanner)
    out: Heights = a * u + b * v + c * u * u + d * v * v + e * u * v
    return out


def plane(scanner: Scanner, shape: tuple[int, int]) -> Heights:
    """Tilt alone on the nominal grid, nm."""
    v, u = _axes(shape)
    out: Heights = scanner.tilt_fast_nm * u + scanner.tilt_slow_nm * v
    return out
