"""Random parameters of any step, from its one definition; random small scans with damage."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import numpy as np
from hypothesis import strategies as st

from afmend.pipeline import Step
from afmend.scan import Masks
from support import rough, scan_of


def params_of(step: Step[Any]) -> st.SearchStrategy[Any]:
    """Draw values inside the allowed ranges; what no range describes keeps its default."""
    choices = {name: drawn for name, field in step.params.model_fields.items() if (drawn := _values(field)) is not None}
    return (
        st.fixed_dictionaries({}, optional=choices).filter(lambda values: _valid(step, values)).map(step.params.parse)
    )


def _valid(step: Step[Any], values: dict[str, Any]) -> bool:
    from afmend.errors import BadParameterError

    try:
        step.params.parse(values)
    except BadParameterError:
        return False
    return True


def _values(field: Any) -> st.SearchStrategy[Any] | None:
    kind = field.annotation
    if kind is bool:
        return st.booleans()
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if kind not in (int, float):
        return None
    extra = field.json_schema_extra or {}
    low, high = extra.get("recommended") or _bounds(field)
    if low is None or high is None:
        return None
    if kind is int:
        return st.integers(int(low), int(high))
    return (
        st.floats(float(low), float(high), allow_nan=False)
        .map(lambda v: round(v, 6))
        .filter(lambda v: low <= v <= high)
    )


def _bounds(field: Any) -> tuple[float | None, float | None]:
    low = high = None
    for bound in field.metadata:
        low = getattr(bound, "ge", low)
        high = getattr(bound, "le", high)
    return low, high


@st.composite
def damaged_scans(draw: Any) -> Any:
    """A small non-square scan: rough ground, tilt, offsets, scars, spikes, masks of all roles, perhaps a retrace."""
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    shape = draw(st.sampled_from([(24, 37), (31, 20), (40, 64)]))
    z = rough(shape, seed) + np.linspace(0, 20, shape[1]) + rng.normal(0, 1, shape[0])[:, None]
    z += rng.normal(0, 0.05, shape)
    row = int(rng.integers(2, shape[0] - 2))
    z[row, 3:15] += 8.0
    z[tuple(rng.integers(0, n) for n in shape)] += 30.0
    masks = Masks()
    if draw(st.booleans()):
        scar = np.zeros(shape, bool)
        scar[row, 3:15] = True
        masks = masks.with_mask("artifact", "scar", scar)
    if draw(st.booleans()):
        lost = np.zeros(shape, bool)
        lost[-2:] = True
        masks = masks.with_mask("missing", "missing", lost)
    if draw(st.booleans()):
        drawn = np.zeros(shape, bool)
        drawn[5:9, 4:10] = True
        masks = masks.with_mask("foreground", "drawn", drawn)
    opposite = z + rng.normal(0, 0.05, shape) if draw(st.booleans()) else None
    return scan_of(z, masks=masks, opposite=opposite)
