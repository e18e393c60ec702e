"""Units: lengths are nanometres in memory, SI on disk; every other quantity stays in its SI unit.

One table, used by every reader and writer. An unknown unit is kept as it is and never scaled.
"""

from __future__ import annotations

_PREFIX = {
    "": 1.0, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "~": 1e-6,
    "m": 1e-3, "c": 1e-2, "k": 1e3, "M": 1e6, "G": 1e9,
}  # fmt: skip
_BASES = ("m", "V", "A", "N", "Hz", "Pa", "N/m", "s", "W", "F", "K", "C", "J", "eV", "Ω", "T")
_LENGTH_WORDS = {"Å": 1e-10, "Ang": 1e-10, "Angstrom": 1e-10, "angstrom": 1e-10, "\u212b": 1e-10, "nanometer": 1e-9,
                 "meter": 1.0, "micron": 1e-6, "microns": 1e-6, "um": 1e-6}  # fmt: skip
_OTHER_WORDS = {
    "°": ("deg", 1.0), "º": ("deg", 1.0), "deg": ("deg", 1.0), "degree": ("deg", 1.0), "degrees": ("deg", 1.0),
    "Deg": ("deg", 1.0), "rad": ("rad", 1.0), "%": ("%", 1.0), "Volt": ("V", 1.0), "Volts": ("V", 1.0),
    "Ohm": ("Ω", 1.0), "LSB": ("LSB", 1.0), "": ("", 1.0), "1": ("", 1.0),
}  # fmt: skip


def si(unit: str) -> tuple[str, float]:
    """Return the SI base unit and the factor that brings a value in ``unit`` to it.

    Examples
    --------
    >>> si("nm")
    ('m', 1e-09)
    >>> si("mV")
    ('V', 0.001)
    >>> si("furlong")
    ('furlong', 1.0)
    """
    unit = unit.strip()
    if unit in _LENGTH_WORDS:
        return "m", _LENGTH_WORDS[unit]
    if unit in _OTHER_WORDS:
        return _OTHER_WORDS[unit]
    for base in sorted(_BASES, key=len, reverse=True):
        prefix = unit[: len(unit) - len(base)]
        if unit.endswith(base) and prefix in _PREFIX:
            return base, _PREFIX[prefix]
    return unit, 1.0


def in_memory(unit: str) -> tuple[str, float]:
    """Return the unit kept in memory and the factor to it: nm for lengths, SI base otherwise.

    Examples
    --------
    >>> in_memory("um")
    ('nm', 1000.0)
    >>> in_memory("pA")
    ('A', 1e-12)
    """
    base, factor = si(unit)
    if base == "m":
        # 1e9 is exact in binary, 1e-9 is not: divide rather than multiply by rounded powers.
        return "nm", _NM_FACTORS.get(factor, factor * 1e9)
    return base, factor


_NM_FACTORS = {1.0: 1e9, 1e-2: 1e7, 1e-3: 1e6, 1e-6: 1e3, 1e-9: 1.0, 1e-10: 0.1, 1e-12: 1e-3, 1e-15: 1e-6}


def on_disk(unit: str) -> tuple[str, float]:
    """Return the SI unit written to files and the factor from the unit in memory.

    Examples
    --------
    >>> on_disk("nm")
    ('m', 1e-09)
    >>> on_disk("V")
    ('V', 1.0)
    """
    return ("m", 1e-9) if unit == "nm" else (unit, 1.0)


def is_length(unit: str) -> bool:
    """Say whether a unit in memory is a length."""
    return unit == "nm"
