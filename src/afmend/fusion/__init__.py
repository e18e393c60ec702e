"""Fusion: one scan out of several measurements of the same place: trace and retrace, repeated frames, 0 and 90 degrees.

Belongs here: registration of directions and frames, gated and averaged fusion, what a pair says about noise, a denoiser
that one direction checks against the other. Does not belong here: leveling of a single scan, repair of holes, metrics
against a truth.
"""

from __future__ import annotations

from afmend.fusion.pair import FusedPair, fuse_pair
from afmend.fusion.registration import Shift, register_lines
from afmend.fusion.scans import fuse

__all__ = ["FusedPair", "Shift", "fuse", "fuse_pair", "register_lines"]
