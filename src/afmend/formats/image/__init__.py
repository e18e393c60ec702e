"""Plain pictures: PNG, BMP, JPEG, TIFF. They know no lengths: always loudly uncalibrated.

Gray values are kept as they are; colors become luminance, and the header says so. A picture of a scan is
not a scan: prefer the instrument's own file wherever there is one.
"""

from afmend.formats.image.reader import read, recognise

__all__ = ["read", "recognise"]
