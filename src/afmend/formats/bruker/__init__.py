"""Bruker, Veeco and Digital Instruments Nanoscope files (.spm, .000, .001, ...)."""

from afmend.formats.bruker.reader import read, recognise

__all__ = ["read", "recognise"]
