"""Nanosurf images (.nid)."""

from afmend.formats.nanosurf.read import read, recognise

__all__ = ["read", "recognise"]
