"""Keysight, Agilent and Molecular Imaging PicoView and PicoScan files (.mi)."""

from afmend.formats.keysight.reader import read, recognise

__all__ = ["read", "recognise"]
