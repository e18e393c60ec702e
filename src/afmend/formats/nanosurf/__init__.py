"""Nanosurf images (.nid)."""

from afmend.formats.nanosurf.reader import read, recognise

__all__ = ["read", "recognise"]
