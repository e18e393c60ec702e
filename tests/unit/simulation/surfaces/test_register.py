import json
import subprocess
import sys

import numpy as np
import pytest
from pydantic import TypeAdapter

from afmend.errors import BadParameterError
from afmend.pipeline.params import Params
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces import SURFACES, Surface, make_surface, surface_params
from support import assert_heights_close

DRAWN = [kind for kind in SURFACES if kind != "measured"]
SEEDED = [kind for kind in DRAWN if "seed" in surface_params(kind).model_fields]
FIXED = ["terraces", "grating"]
"""Families that a wider margin does not change."""
CANVAS = Canvas((90, 120), (8.0, 5.0), (7, 4))


@pytest.mark.parametrize("kind", DRAWN)
def test_fits_the_canvas_and_repeats(kind):
    params = surface_params(kind)()
    z = make_surface(params, CANVAS)
    assert z.shape == CANVAS.shape
    assert z.dtype == np.float64
    assert z.flags.c_contiguous
    assert np.isfinite(z).all()
    assert np.ptp(z) > 0
    assert np.array_equal(z, make_surface(params, CANVAS))


@pytest.mark.parametrize("kind", SEEDED)
def test_another_seed_is_another_surface(kind):
    cls = surface_params(kind)
    assert not np.array_equal(make_surface(cls(seed=1), CANVAS), make_surface(cls(seed=2), CANVAS))


@pytest.mark.parametrize("kind", DRAWN)
def test_says_how_high_it_is_and_travels_as_json(kind):
    params = surface_params(kind)()
    assert params.kind == kind
    assert 0 < params.height_nm < 1e5
    assert TypeAdapter(Surface).validate_json(json.dumps(params.to_json())) == params


@pytest.mark.parametrize("kind", FIXED)
def test_margin_moves_nothing(kind):
    params = surface_params(kind)()
    narrow = Canvas(CANVAS.scan_shape, CANVAS.pixel_nm)
    inner = CANVAS.scan_part(make_surface(params, CANVAS))
    assert_heights_close(make_surface(params, narrow), inner, atol_nm=1e-9)


def test_unknown_kind():
    with pytest.raises(BadParameterError, match=r"no surface 'moon'.*Known: .*grating"):
        surface_params("moon")
    with pytest.raises(BadParameterError, match="no surface ''"):
        make_surface(Params(), CANVAS)


def test_parameters_are_light():
    code = "import afmend.simulation.surfaces, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"scipy", "numba", "h5py", "PIL", "afmend.formats"} & set(done.stdout.split())
