"""Calibrated 32-bit TIFF as ImageJ and Fiji write and show it: pixel size in nm, one page per channel.

afmend's own files carry one more line of metadata with each channel's kind, direction and unit (lengths in
nm, as shown by Fiji). Values are 32-bit floats: seven digits, no more. NaN is a missing pixel.
"""

from afmend.formats.tiff.reader import read, recognise
from afmend.formats.tiff.writer import write

__all__ = ["read", "recognise", "write"]
