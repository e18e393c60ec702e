"""WSxM images (.stp, .top, ...) of Nanotec microscopes."""

from afmend.formats.wsxm.read import read, recognise

__all__ = ["read", "recognise"]
