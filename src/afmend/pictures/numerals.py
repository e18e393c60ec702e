"""Numbers for people: round ticks, SI prefixes, sensible digits, round scale bars."""

from __future__ import annotations

import math
from dataclasses import dataclass

MINUS = "−"
_PREFIXES = ((1e-15, "f"), (1e-12, "p"), (1e-9, "n"), (1e-6, "µ"), (1e-3, "m"), (1.0, ""), (1e3, "k"), (1e6, "M"),
             (1e9, "G"))  # fmt: skip
_LENGTHS = ((1e-3, "pm", 0.1), (1.0, "nm", 2000.0), (1e3, "µm", 2e6), (1e6, "mm", math.inf))
_PREFIXED = ("V", "A", "N", "Hz", "Pa", "N/m", "s", "W", "F", "K", "C", "J", "eV", "Ω", "T")


@dataclass(frozen=True, slots=True)
class Display:
    """How values of one unit in memory are shown: divide by ``factor``, write ``label``."""

    factor: float
    label: str


def display(largest: float, unit: str) -> Display:
    """Choose prefix and label for values up to ``largest`` (absolute) in a unit in memory.

    Examples
    --------
    >>> display(0.03, "nm").label, display(12, "nm").label, display(5e4, "nm").label, display(3e-10, "A").label
    ('pm', 'nm', 'µm', 'pA')
    >>> display(4, "deg").label, display(4, "").label
    ('°', 'arb. units')
    """
    largest = abs(largest)
    if unit == "nm":
        factor, label = next((f, name) for f, name, limit in _LENGTHS if largest < limit or limit == math.inf)
        return Display(factor if largest > 0 else 1.0, label if largest > 0 else "nm")
    if unit not in _PREFIXED:
        return Display(1.0, {"deg": "°", "": "arb. units"}.get(unit, unit))
    factor, prefix = 1.0, ""
    if largest > 0:
        factor, prefix = next(((f, p) for f, p in reversed(_PREFIXES) if largest >= f), _PREFIXES[0])
    return Display(factor, prefix + unit)


def round_step(span: float, count: int) -> float:
    """Return the step of 1, 2 or 5 times a power of ten that cuts ``span`` into at most about ``count`` parts."""
    raw = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw * (1 - 1e-9))


def ticks(low: float, high: float, count: int = 5) -> list[tuple[float, str]]:
    """Return round tick positions inside [low, high] with their labels, at most about ``count`` + 1."""
    if not high > low:
        return [(low, plain(low, 3))]
    step = round_step(high - low, count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(k * step, fixed(k * step, digits)) for k in range(first, last + 1)]


def fixed(value: float, digits: int) -> str:
    """Write a number with ``digits`` decimals and a true minus sign; very large ones in powers of ten."""
    text = f"{value:.{digits}f}" if abs(value) < 1e7 and digits <= 9 else f"{value:.4g}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def plain(value: float, significant: int = 3) -> str:
    """Write a number with ``significant`` digits, without exponent where that stays readable.

    Examples
    --------
    >>> plain(1234.5), plain(0.04567), plain(-2), plain(0)
    ('1230', '0.0457', '−2.00', '0')
    """
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    exponent = math.floor(math.log10(abs(float(f"{value:.{significant - 1}e}"))))
    if not -5 <= exponent <= 6:
        return f"{value:.{significant - 1}e}".replace("-", MINUS)
    digits = significant - 1 - exponent
    return fixed(round(value, digits), max(0, digits))


def quantity(value: float, unit: str, significant: int = 3, *, like: float | None = None) -> str:
    """Write a value with its unit and a fitting prefix: "1.23 µm", "45.0 pA", "3.00°".

    Numbers that shall be compared take the prefix of one of them: ``like``.
    """
    shown = display(value if like is None else like, unit)
    gap = "" if shown.label == "°" else " "
    return f"{plain(value / shown.factor, significant)}{gap}{shown.label}"


def measure(length_nm: float) -> str:
    """Write a lateral length with up to four digits: "512 nm", "1024 nm", "2.5 µm"."""
    shown = display(length_nm, "nm")
    return f"{length_nm / shown.factor:.4g} {shown.label}"


def bar_length(width_nm: float, *, calibrated: bool) -> tuple[float, str]:
    """Return a round length of about a quarter of ``width_nm`` and its label; pixels if not calibrated."""
    length = round_step(width_nm / 2.5, 2)
    while length > width_nm * 0.6:
        length = round_step(length / 2.5, 1)
    if not calibrated:
        length = max(1.0, round(length))
        return length, f"{length:.0f} px"
    factor, label = next((f, name) for f, name, limit in
                         ((1e-3, "pm", 0.1), (1.0, "nm", 1000.0), (1e3, "µm", 1e6), (1e6, "mm", math.inf))
                         if length < limit * (1 - 1e-9) or limit == math.inf)  # fmt: skip
    return length, f"{length / factor:.3g} {label}"


def nm(value: float, digits: int = 3) -> str:
    """Write a length with so many digits and no power of ten."""
    return f"{float(f'{value:.{digits}g}'):.10g} nm"


def ghosts_at(offset_nm: tuple[float, float], lower_nm: float) -> str:
    """Say where ghosts appear, seen from their features, and how much lower."""
    down, right = offset_nm
    return (
        f"{nm(abs(down), 4)} {'down' if down >= 0 else 'up'} and {nm(abs(right), 4)} to the "
        f"{'right' if right >= 0 else 'left'} of their features, {nm(lower_nm)} lower"
    )
