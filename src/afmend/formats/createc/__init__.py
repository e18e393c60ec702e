"""Createc STM and AFM images (.dat)."""

from afmend.formats.createc.reader import read, recognise

__all__ = ["read", "recognise"]
