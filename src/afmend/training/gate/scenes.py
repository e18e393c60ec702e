"""What scans the gate learns from and is judged on: one problem at a time, several, none, or as a box says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from afmend.simulation.box import Box
from afmend.simulation.drawing import draw
from afmend.simulation.params import Twin

TIP = ("double_tip", "contaminated_tip", "tip_change", "ghost", "cluster", "breaking_tip")
"""Artifacts of the tip that show; a blunt tip alone looks like another sample."""
TRACKING = ("slow_loop", "lost_tracking", "out_of_range", "lost_area", "asleep")
HARMLESS = {
    "line_noise": 0.25, "drift": 0.15, "plane_leveled": 0.3, "line_flattened": 0.15, "quantized": 0.05, "hum": 0.12,
    "blunt_tip": 0.1, "line_offset": 0.1, "telegraph": 0.05,
}  # fmt: skip
"""What ordinary scans have, and how often."""
MIXES = ("good", "tracking", "tip", "imaging", "box")
"""Scan number n is of mix n modulo 5."""
SHAPES = ((256, 256), (256, 256), (192, 320), (256, 256), (320, 192), (224, 288), (256, 256))
SPARSE = ["particles", "fibers", "dna", "porous", "cells", "mixed"]
"""Surfaces with features that stand alone, whose doubles can be seen as such."""
SPARSE_SHARE = {"tip": 0.8, "good": 0.3}
"""Nearly as often among good scans as among all others: what the sample is must not tell what is wrong with it."""
REGULAR = ("grating", "lattice", "terraces")
"""Surfaces of edges and periods: what a loop, a wave or noise does to them looks most like themselves."""
FIRST_REGULAR, LAST_REGULAR = 20_000, 30_030
"""Scans of these seeds are of such surfaces, whatever their mix; of bad tips, which seldom show on them, a quarter."""
FIRST_ODD, LAST_ODD = 80_010, 90_020
FURTHER_ODD, LAST_FURTHER_ODD = 5_000_030, 5_045_030
"""Scans of these seeds may have what no box that is learned from knows (`_ODD`)."""
CALM, ODD_GOOD = 0.3, 0.15
"""How many odd scans have hardly any noise; of those made for "Good", how many have waves, if too faint to matter."""
ODD_KINDS = ("odd_lines", "odd_waves", "odd_waves")
"""What those made for a repair have; most waves are too faint to need one."""
_CONE: Mapping[str, Any] = {
    "kind": "sphere_cone", "radius_nm": {"log": [0.5, 3], "times": "pixel"}, "half_angle_deg": 18,
}  # fmt: skip
_WORSE: Mapping[str, Any] = {
    "lost_area": {
        "set": {
            "loop": {
                "patches": {
                    "repeat": {"log_int": [1, 4]},
                    "each": {
                        "row": {"int": [0, "rows"]}, "rows": {"log_int": [{"expr": "rows / 6"}, "rows"]},
                        "col": {"int": [0, "cols"]}, "cols": {"log_int": [{"expr": "cols / 3"}, "cols"]},
                        "ragged_px": {"log": [1, 25]}, "seed": {"int": [0, 2147483647]}, "gain": {"log": [0.001, 0.03]},
                    },
                }
            }
        }
    },
    "asleep": {
        "set": {
            "loop": {"integral_hz": {"log": [0.004, 0.12], "times": "pixel_rate"},
                     "response_s": {"expr": "0.15 / pixel_rate"}}
        }
    },
    "ghost": {
        "surfaces": SPARSE,
        "set": {
            "tip": {
                "kind": "multiple", "first": _CONE,
                "others": {
                    "repeat": {"weighted": {1: 4, 2: 1}},
                    "each": {
                        "shape": _CONE, "drop_nm": {"log": [0.02, 0.45], "times": "height"},
                        "offset_nm": [
                            {"sign": {"log": [2, 24]}, "times": "pixel_slow"},
                            {"sign": {"log": [6, 36]}, "times": "pixel"}
                        ],
                    },
                },
            }
        },
    },
    "cluster": {
        "surfaces": SPARSE,
        "set": {
            "tip": {
                "kind": "contaminated", "seed": {"int": [0, 2147483647]}, "base": _CONE, "count": {"int": [2, 7]},
                "blob_nm": {"log": [0.7, 4], "times": "pixel"}, "reach_nm": {"log": [6, 24], "times": "pixel"},
            }
        },
    },
    "breaking_tip": {
        "set": {
            "tip_changes": [{
                "row": {"int": [{"expr": "rows / 8"}, {"expr": "rows * 7 / 8"}]}, "col": {"int": [0, "cols"]},
                "offset_nm": {"sign": {"log": [0.3, 6]}, "times": "wander"},
                "tip": {"choice": [
                    {"kind": "sphere_cone", "radius_nm": {"log": [8, 40], "times": "pixel"}, "half_angle_deg": 35},
                    {"kind": "contaminated", "seed": {"int": [0, 2147483647]}, "base": _CONE, "count": {"int": [1, 6]},
                     "blob_nm": {"log": [0.7, 4], "times": "pixel"}, "reach_nm": {"log": [5, 20], "times": "pixel"}},
                ]},
            }]
        },
    },
}  # fmt: skip
"""Worse than the boxes know: losing the surface over areas and everywhere; tips whose shape shows."""

_ODD: Mapping[str, Any] = {
    "odd_calm": {
        "set": {
            "electronics": {
                "white_nm": {"log": [0.0005, 0.05], "times": "white"},
                "flicker_nm": {"log": [0.001, 0.03], "times": "wander"},
                "adc_step_nm": {"log": [0.001, 0.03], "times": "white"},
            },
            "loop": {"sensor_noise_nm": {"log": [0.001, 0.03], "times": "white"}},
        },
    },
    "odd_lines": {
        "p": 0.4,
        "mishap": {
            "kind": "line_shift", "seed": {"int": [0, 2147483647]}, "visible_nm": "visible",
            "events": {
                "repeat": {"log_int": [1, 12]},
                "each": {
                    "row": {"int": [0, "rows"]}, "lines": {"log_int": [1, {"expr": "rows / 4"}]},
                    "shift_px": {"sign": {"log": [0.5, 30]}}, "spread_px": {"choice": [0, 0, 0.5, 3]},
                    "direction": {"weighted": {"both": 1, "trace": 1, "retrace": 1}},
                },
            },
        },
    },
    "odd_waves": {
        "p": 0.4,
        "mishap": {
            "kind": "fringes", "height_nm": {"log": [0.1, 6], "times": "wander"},
            "period_nm": {"log": [0.06, 0.8], "times": "size"}, "angle_deg": {"uniform": [0, 180]},
            "phase_rad": {"uniform": [0, 6.28]}, "chirp": {"uniform": [-0.5, 1.5]}, "curvature": {"uniform": [-1, 1]},
        },
    },
}  # fmt: skip
"""Hardly any noise (harmless), lines displaced along themselves, and waves of light: see docs/decisions/0011."""


def mix_of(seed: int) -> str:
    """Name the mix of a scan."""
    return MIXES[seed % len(MIXES)]


def shape_of(seed: int) -> tuple[int, int]:
    """Lines and pixels of a scan."""
    return SHAPES[seed % len(SHAPES)]


def regular_of(seed: int) -> str | None:
    """Name the surface that the scan of a seed must have; None: any."""
    if not FIRST_REGULAR <= seed < LAST_REGULAR or (mix_of(seed) == "tip" and seed // len(MIXES) % 4):
        return None
    return REGULAR[seed // (3 * len(MIXES)) % len(REGULAR)]  # every third seed has a view of its first lines


def is_odd(seed: int) -> bool:
    """Say whether the scan of a seed may have artifacts of `_ODD`."""
    return FIRST_ODD <= seed < LAST_ODD or FURTHER_ODD <= seed < LAST_FURTHER_ODD


def scene(
    box: Box, seed: int, shape: tuple[int, int] | None = None, mix: str | None = None, surface: str | None = None,
    *, odd: bool = False,
) -> Twin:  # fmt: skip
    """Choose every number of one scan of the mix that its seed says, or of another.

    Parameters
    ----------
    box, seed, shape : Box, int, (rows, cols)
    mix, surface : str, optional
    odd : bool
        Whether it may have artifacts that the box does not know; scans made to need a repair have one of them.
    """
    shape = shape or shape_of(seed)
    mix = mix or mix_of(seed)
    if mix == "box":
        return draw(_with(box, _ODD) if odd else box, seed, shape=shape, surface=surface)
    box = _with(box, {**_WORSE, **_ODD} if odd else _WORSE)
    rng = np.random.default_rng([seed, MIXES.index(mix)])
    if surface is None and mix in SPARSE_SHARE and rng.random() < SPARSE_SHARE[mix]:
        surface = str(rng.choice(SPARSE))
    kind = draw(box, seed, shape=shape, artifacts=[], surface=surface).surface.kind
    possible = {name for name, entry in box.artifacts.items() if kind in entry.get("surfaces", [kind])}
    chosen = _chosen(box, mix, possible, rng)
    return draw(box, seed, shape=shape, surface=surface, artifacts=[name for name in box.artifacts if name in chosen])


def without_tip(box: Box, twin: Twin, seed: int) -> Twin:
    """Return the same scan with a tip that nothing happened to."""
    kept = [name for name in twin.artifacts if name not in TIP]
    return draw(_with(box, {**_WORSE, **_ODD}), seed, shape=twin.shape, surface=twin.surface.kind, artifacts=kept)


def _with(box: Box, more: Mapping[str, Any]) -> Box:
    return replace(box, artifacts={**box.artifacts, **more})


def _chosen(box: Box, mix: str, possible: set[str], rng: np.random.Generator) -> set[str]:
    chosen = {name for name, p in HARMLESS.items() if rng.random() < p}
    others = {
        name: float(entry.get("p", 0)) for name, entry in box.artifacts.items()
        if name not in HARMLESS and name not in TIP and name not in TRACKING and name != "odd_calm"
    }  # fmt: skip
    odd, lots = "odd_waves" in others, {name: rng.random() for name in others}
    if mix == "tracking":
        chosen.add(str(rng.choice(sorted(possible & set(TRACKING)))))
    elif mix == "tip":
        lot = rng.random()
        shown = {"ghost"} if lot < 0.65 else {"breaking_tip"} if lot < 0.85 else set(TIP)
        chosen.add(str(rng.choice(sorted(possible & shown or {"breaking_tip"}))))
    elif mix == "imaging":
        chosen.add(str(rng.choice(ODD_KINDS if odd else sorted(possible & set(others)))))
    elif odd and rng.random() < ODD_GOOD:
        chosen.add("odd_waves")
    if odd and rng.random() < CALM:
        chosen.add("odd_calm")
    scale = {"good": 0.0, "tracking": 0.25, "tip": 0.15, "imaging": 0.2 if odd else 0.6}[mix]
    chosen |= {name for name, p in others.items() if lots[name] < scale * p}
    return chosen & possible
