"""The tip: dilation (imaging), erosion (reconstruction), blind estimation, the certainty map, correction.

Belongs here: everything about the shape of the tip and what it does to an image. Does not belong here: scanners, loops,
noise (simulation), filling what the tip never touched (filling).
"""

from afmend.tip.certainty import certainty_map
from afmend.tip.morphology import closed, dilate, erode, opened
from afmend.tip.shapes import TipShape, tip_array, tip_heights

__all__ = ["TipShape", "certainty_map", "closed", "dilate", "erode", "opened", "tip_array", "tip_heights"]
