"""TopoStats results, .topostats: an HDF5 file with the flattened image in nm, and grain masks.

File versions 0.1 to 0.3 (``topostats_file_version``, masks under ``grain_masks``) and 2.4
(``topostats_version``, masks in ``full_mask_tensor``). Grains become foreground masks.
"""

from afmend.formats.topostats.reader import read, recognise

__all__ = ["read", "recognise"]
