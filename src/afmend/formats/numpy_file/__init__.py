"""NumPy arrays: .npy (one bare matrix) and .npz (named matrices, with calibration). Pickles are never loaded.

In an .npz every 2-D array is a channel under its name. The optional numbers ``pixel_nm`` or ``size_nm`` (one,
or slow and fast) and the text ``unit`` calibrate them all; what afmend itself writes carries one more text,
``afmend``, with each channel's kind, direction and unit. Missing pixels are NaN.
"""

from afmend.formats.numpy_file.reader import read, recognise
from afmend.formats.numpy_file.writer import write

__all__ = ["read", "recognise", "write"]
