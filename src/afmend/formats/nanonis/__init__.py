"""Nanonis scan files (.sxm) of SPECS and Zurich Instruments controllers."""

from afmend.formats.nanonis.reader import read, recognise

__all__ = ["read", "recognise"]
