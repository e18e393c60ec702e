"""Park Systems (formerly PSIA) .tiff: a TIFF thumbnail whose private tags hold header and heights.

The header is one fixed structure (tag 50435), the data 16- or 32-bit integers or floats (tag 50434), first
the lowest line of the picture. Value = gain x (scale x raw + offset), in the header's unit.
"""

from afmend.formats.park.reader import read, recognise

__all__ = ["read", "recognise"]
