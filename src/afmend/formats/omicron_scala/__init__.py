"""Omicron SCALA images: a parameter file (.par) and one data file per image (.tf0, .tb0, .tf1, ...)."""

from afmend.formats.omicron_scala.reader import read, recognise

__all__ = ["read", "recognise"]
