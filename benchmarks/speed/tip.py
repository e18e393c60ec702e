"""Time dilation and erosion by a tip against scipy in the same run (medians; quote ratios).

Run: PYTHONPATH=src python benchmarks/speed/tip.py [--sizes 512] [--tips 21 41] [--repeats 7]
"""

from __future__ import annotations

import argparse

import numpy as np
from clock import clock
from scipy.ndimage import gaussian_filter, grey_dilation, grey_erosion

from afmend.tip import certainty_map, dilate, erode
from afmend.tip.estimate import estimate_tip
from afmend.tip.villarrubia import noise_threshold_nm, tip_bound


def parabola(size: int, drop_nm: float) -> np.ndarray:
    """A tip that falls by ``drop_nm`` from its apex to the middle of an edge."""
    u = (np.arange(size) - size // 2) / (size // 2)
    return -drop_nm * (u[:, None] ** 2 + u[None, :] ** 2)


def main(sizes: list[int], tips: list[int], repeats: int) -> None:
    print(f"{'surface':>9}{'tip':>5}  {'tip reaches':24}{'scipy ms':>10}{'afmend ms':>10}{'ratio':>7}")
    for size in sizes:
        z = 5 * gaussian_filter(np.random.default_rng(0).standard_normal((size, size)), 3) / 0.094
        for n in tips:
            # All elements count, or (as tip_array cuts them) those in a circle do.
            for reach, drop in (("every pixel", 0.1), ("the height range", float(np.ptp(z)))):
                tip = parabola(n, drop)
                for work, peer in ((dilate, grey_dilation), (erode, grey_erosion)):
                    mirrored = tip[::-1, ::-1]
                    assert np.array_equal(work(z, tip), peer(z, structure=mirrored, mode="nearest"))
                    slow = clock(
                        lambda p=peer, m=mirrored, z=z: p(z, structure=m, mode="nearest"), max(1, repeats // 3)
                    )
                    fast = clock(lambda w=work, t=tip, z=z: w(z, t), repeats)
                    print(f"{size:9}{n:5}  {work.__name__ + ', ' + reach:24}{slow:10.1f}{fast:10.2f}{slow / fast:7.1f}")
    estimates(sizes, repeats)


def estimates(sizes: list[int], repeats: int) -> None:
    """Time the blind estimates and the certainty map, on a surface imaged by a tip of 21 x 21 pixels, noise 0.05 nm."""
    tip = parabola(21, 15.0)
    for size in sizes:
        rng = np.random.default_rng(0)
        image = dilate(5 * gaussian_filter(rng.standard_normal((size, size)), 3) / 0.094, tip)
        image += 0.05 * rng.standard_normal(image.shape)
        threshold = noise_threshold_nm(0.05, image)
        for name, work in (
            ("partial blind estimate, 21 x 21", lambda z=image, t=threshold: tip_bound(z, (21, 21), t)),
            ("certainty map, 21 x 21", lambda z=image: certainty_map(z, tip, tolerance_nm=0.2, spread_px=1)),
            ("apex from single features", lambda z=image: estimate_tip([z], (1.0, 1.0))),
        ):
            print(f"{size:9}       {name:34}{clock(work, max(1, repeats // 2)):10.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="*", type=int, default=[512])
    parser.add_argument("--tips", nargs="*", type=int, default=[21, 41])
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    main(arguments.sizes, arguments.tips, arguments.repeats)
