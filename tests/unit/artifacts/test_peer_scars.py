"""Scars by the peers' rules: equal to the peers' masks on every stored case."""

import numpy as np
import pytest

from afmend.artifacts.peer_scars import GwyddionScars, TopoStatsScars, scars_gwyddion, scars_topostats
from afmend.artifacts.thresholds import Outliers, outliers
from afmend.pipeline import Field
from support import REAL, rough

PARITY = REAL / "parity.npz"


def gwyddion_case(stored, key):
    name, _, kind, variant, polarity, _ = key.split("/")
    z = stored[f"{name}/input/z_m"]
    if kind == "scars_after_median":
        z = z - stored[f"{name}/gwyddion/align_rows/median/ignore/shifts"][:, None]
    if variant.startswith("high"):
        return z, GwyddionScars(polarity=polarity, hard=0.4, soft=0.1, min_length=8, max_width=3)
    return z, GwyddionScars(polarity=polarity, max_width=int(variant.removeprefix("width")))


@pytest.mark.realdata
@pytest.mark.skipif(not PARITY.is_file(), reason="the parity arrays are not beside the project")
def test_gwyddion_masks_are_equal():
    stored = np.load(PARITY)
    keys = [k for k in stored if "/gwyddion/scars" in k and k.endswith("/mask")]
    assert len(keys) >= 100
    differing = {}
    for key in keys:
        z, params = gwyddion_case(stored, key)
        count = int((scars_gwyddion(Field(z), params).mask != stored[key]).sum())
        if count:
            differing[key] = count
    assert differing == {}


@pytest.mark.realdata
@pytest.mark.skipif(not PARITY.is_file(), reason="the parity arrays are not beside the project")
def test_topostats_masks_are_equal():
    stored = np.load(PARITY)
    keys = [k for k in stored if "/topostats/mark_scars" in k]
    assert len(keys) == 20
    differing = {}
    for key in keys:
        name, _, kind, polarity, _ = key.split("/")
        z = stored[f"{name}/input/z_nm"]
        if kind.endswith("median"):
            z = z - np.median(z, axis=1)[:, None]
        count = int((scars_topostats(Field(z), TopoStatsScars(polarity=polarity)).mask != stored[key]).sum())
        if count:
            differing[key] = count
    assert differing == {}


@pytest.mark.realdata
@pytest.mark.skipif(not PARITY.is_file(), reason="the parity arrays are not beside the project")
def test_outliers_are_equal():
    stored = np.load(PARITY)
    keys = [k for k in stored if k.endswith("gwyddion/outliers_3sigma/mask")]
    assert len(keys) >= 5
    for key in keys:
        z = stored[f"{key.split('/')[0]}/input/z_m"]
        assert not (outliers(Field(z), Outliers()).mask != stored[key]).any(), key


@pytest.mark.parametrize(("kernel", "params"), [(scars_gwyddion, GwyddionScars), (scars_topostats, TopoStatsScars)])
def test_polarity_follows_the_sign_of_the_heights(kernel, params):
    z = rough((60, 80), seed=1, sq_nm=0.3)
    z[20, 10:50] += 5
    z[40:42, 30:70] -= 5
    up = kernel(Field(z), params(polarity="positive")).mask
    down = kernel(Field(z), params(polarity="negative")).mask
    assert up[20, 12:48].all()
    assert not up[40:42].any()
    assert down[40:42, 32:68].all()
    assert not down[20].any()
    assert (kernel(Field(-z), params(polarity="positive")).mask == down).all()
    assert (kernel(Field(z), params()).mask == (up | down)).all()


@pytest.mark.parametrize(("kernel", "params"), [(scars_gwyddion, GwyddionScars), (scars_topostats, TopoStatsScars)])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (3, 40), (40, 3)])
def test_tiny_and_constant_images_have_no_scars(kernel, params, shape):
    assert not kernel(Field(np.full(shape, 7.0)), params()).mask.any()


def test_excluded_pixels_are_never_marked():
    z = rough((60, 80), seed=1, sq_nm=0.3)
    z[20, 10:50] += 5
    excluded = np.zeros(z.shape, bool)
    excluded[20, 20:30] = True
    found = scars_gwyddion(Field(z, excluded), GwyddionScars()).mask
    assert found[20, 31:48].all()
    assert not found[excluded].any()
