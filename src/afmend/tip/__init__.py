"""The tip: dilation (imaging), erosion (reconstruction), opening and closing of surfaces by a tip.

Belongs here: everything about the shape of the tip. Does not belong here: scanners, loops, noise (simulation).
Blind estimation and the certainty map are a later issue; what is here is exact and already used by the laws.
"""

from afmend.tip.morphology import dilate, erode
from afmend.tip.shapes import TipShape, tip_array, tip_heights

__all__ = ["TipShape", "dilate", "erode", "tip_array", "tip_heights"]
