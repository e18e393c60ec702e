"""Statistics and spectra, number by number against Gwyddion (see parity.md beside the data)."""

from functools import cache

import numpy as np
import pytest

from afmend.evaluation.spectra import row_acf, row_hhcf, row_psdf
from afmend.evaluation.statistics import roughness
from support import REAL, realdata

pytestmark = realdata

INPUTS = "ABCWP"
NAMES = {"Sku_excess": "Sku", "min": "minimum", "max": "maximum"}
NOT_MEASURED = {"entropy", "variation", "surface_area", "mean_square"}


@cache
def parity() -> dict[str, np.ndarray]:
    with np.load(REAL / "parity.npz") as file:
        return dict(file)


def input_of(name: str, variant: str) -> tuple[np.ndarray, np.ndarray, float]:
    mask = parity()[f"{name}/input/mask"]
    usable = {"exclude": ~mask, "include": mask}.get(variant, np.ones_like(mask))
    return parity()[f"{name}/input/z_m"] * 1e9, usable, float(parity()[f"{name}/input/pixel_m"]) * 1e9


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("variant", ["nomask", "exclude", "include"])
def test_statistics(name, variant):
    heights, usable, pixel = input_of(name, variant)
    got = roughness(heights, usable, (pixel, pixel))
    prefix = f"{name}/gwyddion/stats/{variant}/"
    theirs = {k.removeprefix(prefix): float(v) for k, v in parity().items() if k.startswith(prefix)}
    assert {"Sa", "Sq", "Ssk", "Sku_excess", "Sz", "Sdq", "Sp", "Sv", "mean", "min", "max"} <= theirs.keys()
    for key in theirs.keys() - NOT_MEASURED - {"median"}:
        value = got[NAMES.get(key, key)] - (3 if key == "Sku_excess" else 0)
        scale = 1.0 if key in ("Ssk", "Sku_excess", "Sdq") else 1e9
        assert value == pytest.approx(theirs[key] * scale, rel=1e-10, abs=1e-13), key
    if "median" in theirs:
        # Theirs is the larger of the middle two.
        ordered = np.sort(heights[usable])
        assert ordered[ordered.size // 2] == pytest.approx(theirs["median"] * 1e9, abs=1e-12)
        assert ordered[(ordered.size - 1) // 2] <= got["median"] <= ordered[ordered.size // 2]


@pytest.mark.parametrize("name", INPUTS)
def test_correlations(name):
    found = [k for k in parity() if k.startswith((f"{name}/gwyddion/row_acf/", f"{name}/gwyddion/row_hhcf/"))]
    assert len(found) >= 6
    for key in found:
        _, _, kind, level, variant = key.split("/")
        heights, usable, _ = input_of(name, variant)
        # With a mask, theirs subtracts the line means whatever the level.
        center = level == "level1" or variant == "exclude"
        got = (row_acf if kind == "row_acf" else row_hhcf)(heights, usable, center=center)
        theirs = parity()[key] * 1e18
        # At level 0 theirs loses digits to the offset of the heights (70 nm on a variance of 1e-2 nm^2).
        allowed = 1e-7 if kind == "row_hhcf" and level == "level0" else 1e-11
        assert np.abs(got - theirs).max() <= allowed * np.abs(theirs).max(), key


@pytest.mark.parametrize("name", INPUTS)
def test_psdf(name):
    found = [k for k in parity() if k.startswith(f"{name}/gwyddion/row_psdf/")]
    assert len(found) == 4
    for key in found:
        _, _, _, level, window, _ = key.split("/")
        heights, _, pixel = input_of(name, "nomask")
        k, got = row_psdf(heights, pixel, center=level == "level1", window=window)
        theirs = parity()[key] * 1e27
        assert np.abs(got - theirs)[1:].max() <= 1e-8 * theirs[1:].max(), key
        assert k[1] == pytest.approx(2 * np.pi / (heights.shape[1] * pixel))
