"""Numbers with units as vendors write them in text headers: "500 nm", "-2.44 V", "10nN"."""

from __future__ import annotations

import math
import re
from datetime import datetime

from afmend.errors import CorruptFileError
from afmend.scan.units import in_memory, si

_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*)", re.DOTALL)


def quantity(text: str | None) -> tuple[float, str] | None:
    """Split a text into a finite number and its unit; None if it does not start with a number.

    Examples
    --------
    >>> quantity("10nN"), quantity(" -2.44 V"), quantity("unknown")
    ((10.0, 'nN'), (-2.44, 'V'), None)
    """
    found = _QUANTITY.match(text or "")
    if not found or not math.isfinite(float(found[1])):
        return None
    return float(found[1]), found[2].strip()


def fact(text: str | None) -> float | None:
    """Return a quantity in the SI base unit, or None: facts about the acquisition are welcome, not required.

    Examples
    --------
    >>> fact("250 mV"), fact("2 Hz"), fact("off")
    (0.25, 2.0, None)
    """
    return fact_with_unit(text)[0]


def fact_with_unit(text: str | None, unit: str = "") -> tuple[float | None, str | None]:
    """Return a quantity and its unit, both in SI; (None, None) if there is none.

    Parameters
    ----------
    text : str or None
    unit : str
        The unit, if the text does not carry its own.
    """
    found = quantity(text)
    if found is None:
        return None, None
    base, factor = si(found[1] or unit)
    value = found[0] * factor
    return (value, base or None) if math.isfinite(value) else (None, None)


def length_nm(text: str | None, what: str, unit: str = "") -> float:
    """Return a length in nm, or raise `CorruptFileError` naming ``what``.

    Parameters
    ----------
    text : str or None
    what : str
        Name of the header's entry, for the message.
    unit : str
        The unit, if the text does not carry its own.
    """
    found = quantity(text)
    if found is None:
        raise CorruptFileError(f"{what} is {text!r}, not a length", now="Re-export the file.")
    base, factor = in_memory(found[1] or unit)
    if base != "nm":
        raise CorruptFileError(f"{what} is {text!r}, not a length", now="Re-export the file.")
    return found[0] * factor


def offset_nm(text: str | None, unit: str = "") -> float:
    """Return a position in nm; 0 if the header has none that can be read: it steers nothing."""
    found = quantity(text)
    base, factor = in_memory((found[1] if found else "") or unit)
    value = found[0] * factor if found and base == "nm" else 0.0
    return value if math.isfinite(value) else 0.0


def iso_date(text: str | None, *patterns: str) -> str | None:
    """Return a date in ISO 8601 if it follows one of the patterns, as the file has it otherwise, None if empty.

    Examples
    --------
    >>> iso_date("24.02.2021 23:29:37", "%d.%m.%Y %H:%M:%S"), iso_date("yesterday", "%Y")
    ('2021-02-24T23:29:37', 'yesterday')
    """
    text = " ".join((text or "").split())
    for pattern in patterns:
        try:
            return datetime.strptime(text, pattern).isoformat()  # noqa: DTZ007 (instruments write local time without a zone)
        except ValueError:
            continue
    return text or None
