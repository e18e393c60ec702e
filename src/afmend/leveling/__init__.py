"""Leveling: planes, polynomials, rows, facets, the automatic leveler.

Belongs here: steps that subtract a background or line offsets, and the small-window filters of peers' recipes.
Does not belong here: marking or filling pixels (artifacts, repair).
"""
