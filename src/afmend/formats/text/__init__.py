"""Matrices of numbers as text (.txt, .csv, .asc, .dat), with or without a header like Gwyddion's.

``# Channel: Height``, ``# Width: 500 nm``, ``# Height: 300 nm`` and ``# Value units: nm`` make it calibrated;
without them it is loudly uncalibrated. Other vendors' text headers are not accepted. Writing keeps every
digit: reading back gives the same numbers; missing pixels are written as ``nan``. One channel per file.
"""

from afmend.formats.text.reader import read, recognise
from afmend.formats.text.writer import write

__all__ = ["read", "recognise", "write"]
