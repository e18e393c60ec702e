"""Artifacts: detectors (scars, spikes, jumps, parachuting, ...), and the filtering and growth of masks.

Belongs here: steps that mark pixels and steps that change masks. Does not belong here: changing heights.
"""
