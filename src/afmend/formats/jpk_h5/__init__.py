"""JPK (Bruker) movies, .h5-jpk: one `Scan` per frame, each with all its channels.

A channel's dataset has one row per pixel (line by line from the lowest one) and one column per frame;
its group tells the scaling to SI units.
"""

from afmend.formats.jpk_h5.reader import read, recognise

__all__ = ["read", "recognise"]
