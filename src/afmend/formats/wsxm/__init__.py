"""WSxM images (.stp, .top, ...) of Nanotec microscopes."""

from afmend.formats.wsxm.reader import read, recognise

__all__ = ["read", "recognise"]
