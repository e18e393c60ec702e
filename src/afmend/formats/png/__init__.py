"""PNG pictures for people: the topography in the AFM color map with scale bar and color bar. Write only."""

from afmend.formats.png.picture import read, recognise, write

__all__ = ["read", "recognise", "write"]
