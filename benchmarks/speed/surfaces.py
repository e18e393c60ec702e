"""Time each family of surfaces with its default parameters, and a dilation beside them (medians; quote ratios).

Run: PYTHONPATH=src python benchmarks/speed/surfaces.py [--size 512] [--margin 24] [--repeats 7]
"""

from __future__ import annotations

import argparse

import numpy as np
from clock import clock

from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces import SURFACES, make_surface, surface_params
from afmend.tip import dilate, tip_array
from afmend.tip.shapes import SphereCone


def main(size: int, margin: int, repeats: int) -> None:
    canvas = Canvas((size, size), (2000 / size, 2000 / size), (margin, margin))
    print(f"{canvas.shape[0]} x {canvas.shape[1]:<12}{'surface ms':>12}{'dilation ms':>13}  tip")
    for kind in SURFACES:
        if kind == "measured":
            continue  # needs a file
        params = surface_params(kind)()
        z = make_surface(params, canvas)
        tip = tip_array(SphereCone(), canvas.pixel_nm, float(np.ptp(z)))
        made = clock(lambda p=params: make_surface(p, canvas), repeats)
        imaged = clock(lambda z=z, t=tip: dilate(z, t), repeats)
        print(f"{kind:18}{made:12.1f}{imaged:13.2f}  {tip.shape[0]} x {tip.shape[1]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--margin", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    main(arguments.size, arguments.margin, arguments.repeats)
