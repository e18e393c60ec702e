"""Pictures of height maps: color maps, scale bars, color bars, masks drawn over heights, 3-D views, profiles.

Belongs here: arrays in, pixels (PNG/WebP bytes) or SVG text out, with Pillow and numpy alone.
Does not belong here: file formats, statistics, page layout (evaluation).
"""
