"""The object that everything passes on: Scan, Channel, Grid, Masks, history, units.

Belongs here: frozen data classes, their validation, hashing, unit conversion.
Does not belong here: reading files, algorithms, pictures.
"""

from afmend.scan.channel import Channel, ChannelKey, Direction
from afmend.scan.grid import Grid
from afmend.scan.history import Record
from afmend.scan.masks import Masks
from afmend.scan.scan import Acquisition, Scan, Source

__all__ = ["Acquisition", "Channel", "ChannelKey", "Direction", "Grid", "Masks", "Record", "Scan", "Source"]
