"""afmend's own HDF5 files: everything that a `Scan` holds, bit for bit (layout: docs/reference/hdf5.md)."""

from afmend.formats.afmend_h5.reader import read, recognise
from afmend.formats.afmend_h5.writer import write, write_all

__all__ = ["read", "recognise", "write", "write_all"]
