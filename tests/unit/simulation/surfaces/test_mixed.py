import numpy as np
import pytest

from afmend.errors import BadParameterError
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces import make_surface
from afmend.simulation.surfaces.grating import Grating
from afmend.simulation.surfaces.mixed import Mixed
from afmend.simulation.surfaces.rough import Gaussian
from support import assert_heights_close

CANVAS = Canvas((40, 60), (6.0, 4.0))
PARTS = (Grating(), Gaussian(seed=1), Gaussian(seed=2))


@pytest.mark.parametrize(("rule", "merge"), [("sum", np.sum), ("max", np.max)])
def test_rule(rule, merge):
    mixed = Mixed(parts=PARTS, rule=rule)
    law = merge([make_surface(part, CANVAS) for part in PARTS], axis=0)
    assert_heights_close(make_surface(mixed, CANVAS), law, atol_nm=1e-12)
    assert mixed.height_nm == Grating().depth_nm


def test_no_deeper_nesting_and_two_or_three():
    inner = Mixed().to_json()
    with pytest.raises(BadParameterError, match="parts"):
        Mixed.parse({"parts": [inner, inner]})
    with pytest.raises(BadParameterError, match="parts"):
        Mixed.parse({"parts": [{"kind": "gaussian"}]})
