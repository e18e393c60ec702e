"""Createc STM and AFM images (.dat)."""

from afmend.formats.createc.read import read, recognise

__all__ = ["read", "recognise"]
