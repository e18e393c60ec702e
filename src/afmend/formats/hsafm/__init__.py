"""High-speed AFM movies (.asd, versions 0, 1 and 2): one `Scan` per frame.

The file holds a header, then every frame of the first channel, then every frame of the second. A frame is
a small header and 12-bit readings of the analogue-digital converter as 16-bit numbers, in the order of recording:
lowest line first.
Topography: height = -voltage x piezo gain x piezo extension (unipolar converter).
"""

from afmend.formats.hsafm.reader import read, recognise

__all__ = ["read", "recognise"]
