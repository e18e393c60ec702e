"""JPK (Bruker) images: .jpk and .jpk-qi-image, a TIFF whose private tags hold the calibration.

Page 0 is a thumbnail with the facts of the scan, each further page one channel of 32-bit numbers. A channel
has several calibration slots ("volts", "nominal", "calibrated", ...); the one the instrument marks as the
default is used. Archives of force curves (.jpk-force, .jpk-qi-data) are zip files and hold no image.
"""

from afmend.formats.jpk.reader import read, recognise

__all__ = ["read", "recognise"]
