"""The tip: dilation (imaging), erosion (reconstruction), opening and closing of surfaces by a tip.

Belongs here: everything about the shape of the tip. Does not belong here: scanners, loops, noise (simulation).
What is here is exact; estimating the tip from a scan is a later issue.
"""

from afmend.tip.morphology import dilate, erode
from afmend.tip.shapes import TipShape, tip_array, tip_heights

__all__ = ["TipShape", "dilate", "erode", "tip_array", "tip_heights"]
