"""Gwyddion's native files (.gwy): read (format versions 1 and 2) and write.

Format: http://gwyddion.net/documentation/user-guide-en/gwyfile-format.html
"""

from afmend.formats.gwyddion.reader import read, recognise
from afmend.formats.gwyddion.writer import write

__all__ = ["read", "recognise", "write"]
