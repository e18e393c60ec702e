"""Number by number against what Gwyddion and TopoStats compute (see parity.md beside the data)."""

from functools import cache

import numpy as np
import pytest

from afmend.catalogue import find_step
from afmend.leveling.lines import upper_median
from afmend.pipeline import Field
from afmend.recipes import load_recipe, repair
from support import REAL, assert_heights_close, realdata, scan_of

pytestmark = realdata

INPUTS = "ABCWP"
THIN_LINE = 40  # holds four usable pixels: the other program extrapolates wildly, and loses digits itself
ROWS = {
    "median": {"method": "median"},
    "tmean005": {"method": "trimmed_mean", "trim": 0.05},
    "tmean025": {"method": "trimmed_mean", "trim": 0.25},
    "median_diff": {"method": "median_difference"},
    "tmean_diff005": {"method": "trimmed_mean_difference", "trim": 0.05},
    "tmean_diff025": {"method": "trimmed_mean_difference", "trim": 0.25},
    "modus": {"method": "modus"},
    "matching": {"method": "matching", "weight_unit": "m"},
    "matching_heights_in_nm": {"method": "matching", "weight_unit": "nm"},
    "facet_tilt": {"method": "facet_tilt"},
    **{f"poly{n}": {"method": "polynomial", "degree": n} for n in (0, 1, 2, 3, 5)},
}


@cache
def parity() -> dict[str, np.ndarray]:
    with np.load(REAL / "parity.npz") as file:
        return dict(file)


def keys(name: str, operation: str, last: str = "") -> list[tuple[str, list[str]]]:
    found = [k for k in parity() if k.startswith(f"{name}/{operation}/") and k.endswith(last)]
    return [(key, key.split("/")) for key in found]


def field_of(name: str, variant: str = "ignore", scale: float = 1e9) -> Field:
    """Input in nm, or in metres; "include" = only the marked pixels are used."""
    data = parity()
    mask = data[f"{name}/input/mask"]
    excluded = {"exclude": mask, "include": ~mask}.get(variant, np.zeros_like(mask))
    pixel = float(data[f"{name}/input/pixel_m"]) * scale
    return Field(data[f"{name}/input/z_m"] * scale, excluded, (pixel, pixel))


def run(step: str, field: Field, **params: object) -> np.ndarray:
    found = find_step(step)
    return found.kernel(field, found.params.parse(params)).heights


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("method", ROWS)
def test_rows(name, method):
    found = [
        item
        for operation in ("align_rows", "align_rows_vertical")
        for last in ("shifts", "result")
        for item in keys(name, f"gwyddion/{operation}/{method}", last)
    ]
    assert found
    for key, parts in found:
        shape = method.startswith("poly") and method != "poly0"
        if shape and parts[4] == "include" and not key.startswith("A/gwyddion/align_rows/poly1"):
            continue  # most lines hold too few marked pixels: nothing is defined there
        # The windows of the mode are chosen among exactly equal ones of quantized data: only in the same unit.
        scale = 1.0 if method == "modus" else 1e9
        field = field_of(name, parts[4], scale)
        turned = parts[2].endswith("vertical")
        direction = "vertical" if turned else "horizontal"
        got = run("level.rows", field, convention="gwyddion", direction=direction, **ROWS[method]) * (1e9 / scale)
        stored = parity()[key] * (1.0 if method == "matching_heights_in_nm" else 1e9)
        heights = field.heights * (1e9 / scale)
        if parts[-1] == "shifts" and shape:
            off = np.abs(line_centers(heights - got) - stored)
        else:
            theirs = stored if parts[-1] == "result" else heights - (stored if turned else stored[:, None])
            off = np.abs(got - theirs)
        if shape and not turned and parts[4] != "ignore":
            assert off[THIN_LINE].max() <= 1e-4 * np.ptp(heights)
            off[THIN_LINE] = 0
        assert off.max() <= 1e-9, key


def line_centers(removed: np.ndarray) -> np.ndarray:
    """Value in the middle of each line of a polynomial of degree up to 5, from seven pixels around it."""
    cols = removed.shape[1]
    middle = (cols - 1) / 2
    at = np.round(np.linspace(0, cols - 1, 7)).astype(int)
    weights = [np.prod([(middle - o) / (p - o) for o in at if o != p]) for p in at]
    return removed[:, at] @ np.array(weights)


@pytest.mark.parametrize("name", INPUTS)
def test_plane(name):
    for key, parts in keys(name, "gwyddion/plane"):
        field = field_of(name, parts[3])
        if parts[-1] == "result":
            assert_heights_close(run("level.plane", field, constant="gwyddion"), parity()[key] * 1e9, atol_nm=1e-9)
        else:
            rows, cols = field.shape
            a, bx, by = parity()[key] * 1e9
            plane = a + bx * np.arange(cols) + by * np.arange(rows)[:, None]
            assert_heights_close(run("level.plane", field), field.heights - plane, atol_nm=1e-9)


@pytest.mark.parametrize("name", INPUTS)
def test_polynomial(name):
    found = keys(name, "gwyddion/poly_bg", "result")
    assert found
    for key, parts in found:
        kind, *degrees = parts[3].split("_")
        params = (
            {"degrees": "total", "degree_fast": int(degrees[0]), "degree_slow": 0}
            if kind == "tot"
            else {"degrees": "independent", "degree_fast": int(degrees[0]), "degree_slow": int(degrees[1])}
        )
        got = run("level.polynomial", field_of(name, parts[4]), **params)
        assert_heights_close(got, parity()[key] * 1e9, atol_nm=1e-9)


@pytest.mark.parametrize("name", INPUTS)
def test_facet(name):
    found = keys(name, "gwyddion/facet", "result")
    assert found
    for key, parts in found:
        got = run("level.facet", field_of(name, parts[3]), convention="gwyddion")
        assert_heights_close(got, parity()[key] * 1e9, atol_nm=1e-9)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("radius", [1, 4])
@pytest.mark.parametrize(("constant", "theirs"), [("zero", "set_zero"), ("keep_mean", "keep_mean")])
def test_three_point(name, radius, constant, theirs):
    field = field_of(name)
    rows, cols = field.shape
    points = [[5, 7], [cols - 9, 12], [cols // 3, rows - 6]]
    got = run("level.three_point", field, points=points, radius_px=radius, constant=constant)
    # The coefficients belong to pixel centers at col + 0.5, row + 0.5.
    a, bx, by = parity()[f"{name}/gwyddion/three_point/radius{radius}/{theirs}/a_bx_by"] * 1e9
    plane = a + bx * (np.arange(cols) + 0.5) + by * (np.arange(rows) + 0.5)[:, None]
    assert_heights_close(got, field.heights - plane, atol_nm=1e-10)
    stored = f"{name}/gwyddion/three_point/radius{radius}/{theirs}/result"
    if stored in parity():
        # Their result applies the coefficients half a pixel off; afmend's plane goes through the three points.
        assert_heights_close(got, parity()[stored] * 1e9 - (bx + by) / 2, atol_nm=1e-10)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("variant", ["exclude", "include", "ignore"])
def test_shifts(name, variant):
    field = field_of(name, variant)
    removed = field.heights - run("level.shift", field)
    mean = parity()[f"{name}/gwyddion/zero_mean/{variant}/shift"] * 1e9
    assert_heights_close(removed, np.full(field.shape, mean), atol_nm=1e-10)
    median = parity()[f"{name}/gwyddion/median_value/{variant}"] * 1e9
    assert upper_median(field.heights[field.usable]) == pytest.approx(median, abs=1e-12)


def test_minimum():
    got = run("level.shift", field_of("A"), reference="minimum")
    assert_heights_close(got, parity()["A/gwyddion/fix_zero/nomask/result"] * 1e9, atol_nm=1e-12)


@pytest.mark.parametrize("name", INPUTS)
def test_filters(name):
    field = field_of(name)
    for key, parts in keys(name, "gwyddion/median", "result"):
        got = run("filter.median", field, size_px=int(parts[3][4:]))
        assert np.array_equal(got, parity()[key] * 1e9)
    for key, parts in keys(name, "gwyddion/mean", "result"):
        assert_heights_close(run("filter.mean", field, size_px=int(parts[3][4:])), parity()[key] * 1e9, atol_nm=1e-10)
    for key, parts in keys(name, "gwyddion/conservative", "result"):
        assert np.array_equal(run("filter.conservative", field, size_px=int(parts[3][4:])), parity()[key] * 1e9)
    for key, parts in keys(name, "gwyddion/gaussian", "result"):
        got = run("filter.gaussian", field, sigma_px=float(parts[3][5:]), truncate=5.0)
        inner = (slice(13, -13), slice(13, -13))
        assert_heights_close(got[inner], parity()[key][inner] * 1e9, atol_nm=1e-10)


@pytest.mark.parametrize("name", INPUTS)
def test_topostats(name):
    theirs = {k.rsplit("/", 1)[1]: v for k, v in parity().items() if k.startswith(f"{name}/topostats/noscars/")}
    found = find_step("level.topostats")
    got = found.kernel(Field(parity()[f"{name}/input/z_nm"]), found.params())
    assert np.array_equal(got.foreground, theirs["mask"])
    assert got.facts["threshold_above"] == pytest.approx(float(theirs["threshold_above"]), abs=1e-9)
    if "masked_nonlinear_polynomial_removal" in theirs:
        assert_heights_close(got.heights, theirs["masked_nonlinear_polynomial_removal"], atol_nm=1e-6)
    whole = repair(scan_of(parity()[f"{name}/input/z_nm"]), load_recipe("topostats"))
    assert_heights_close(whole.channel().values, theirs["gaussian_filtered"], atol_nm=1e-6)
