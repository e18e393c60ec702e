"""RHK Technology images (.sm4)."""

from afmend.formats.rhk.reader import read, recognise

__all__ = ["read", "recognise"]
