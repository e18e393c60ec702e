"""RHK Technology images (.sm4)."""

from afmend.formats.rhk.read import read, recognise

__all__ = ["read", "recognise"]
