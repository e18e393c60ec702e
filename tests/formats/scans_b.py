"""Scans to write and read back, and what hypothesis needs to make them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from afmend.scan import Acquisition, Channel, Grid, Masks, Record, Scan, Source
from support import rough

words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
names = st.text(st.sampled_from("abcHeight µ()[]/_-12"), max_size=12)
numbers = st.floats(-1e6, 1e6, allow_nan=False)
heights = st.floats(-1e5, 1e5, allow_nan=False).map(lambda z: z if abs(z) > 1e-15 else 0.0)


@st.composite
def channels(draw, shape, *, units=("nm", "V", "deg", "")):
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    values = draw(hnp.arrays(np.float64, shape, elements=heights)).astype(dtype)
    mask = hnp.arrays(np.bool_, shape)
    masks = Masks(
        draw(st.none() | mask),
        draw(st.dictionaries(st.sampled_from(["scar", "spike", "a/b"]), mask, max_size=2)),
        draw(st.dictionaries(st.sampled_from(["drawn", "grains"]), mask, max_size=2)),
    )
    sigma = heights.map(abs) | st.just(float("inf"))
    return Channel(
        draw(st.sampled_from(["height", "phase", "lock_in"])),
        draw(st.sampled_from(["trace", "retrace", "unknown"])),
        values,
        draw(st.sampled_from(units)),
        draw(names),
        draw(st.booleans()),
        masks,
        draw(st.none() | hnp.arrays(np.float64, shape, elements=sigma)),
    )


@st.composite
def scans(draw, **kwargs):
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 7)))
    sizes = st.floats(1e-3, 1e6)
    if draw(st.booleans()):
        grid = Grid(*shape, draw(sizes), draw(sizes), True, draw(numbers), draw(numbers), draw(numbers))
    else:
        grid = Grid.uncalibrated(shape)
    found = draw(st.lists(channels(shape, **kwargs), min_size=1, max_size=3, unique_by=lambda c: c.key))
    json = st.none() | st.booleans() | numbers | words
    record = st.builds(
        Record, words, words, st.dictionaries(words, json, max_size=2), st.sampled_from([c.key for c in found]),
        words, words, words, st.dictionaries(words, json, max_size=2),
    )  # fmt: skip
    acquisition = st.builds(Acquisition, instrument=st.none() | words, line_rate_hz=st.none() | numbers)
    return Scan.of(
        grid,
        found,
        history=tuple(draw(st.lists(record, max_size=2))),
        acquisition=draw(acquisition),
        header=draw(st.dictionaries(words, words, max_size=3)),
        source=Source(draw(words), draw(words), draw(st.integers(0, 9)), draw(st.integers(1, 9))),
    )


def full_scan(shape=(24, 37)):
    """A scan with everything in it."""
    z = rough(shape)
    high = z > 1.2
    masks = Masks(z < -2, {"scar": high, "a/b": high[::-1].copy()}, {"drawn": z < -1})
    first = Channel("height", "trace", z, "nm", "Height", True, masks, np.where(high, np.inf, 0.0))
    second = Channel("phase", "retrace", rough(shape, 1).astype(np.float32), "deg", "Phase µ", calibrated=False)
    record = Record(
        "level.rows", "1", {"trim": 1.5, "on": True, "order": None}, first.key, "x", "y", "0.1", {"n": [1, 2]}
    )
    return Scan.of(
        Grid(*shape, 2.1, 3.3, True, 12.0, -5.0, 7.0),
        [first, second],
        history=(record,),
        acquisition=Acquisition(mode="tapping", line_rate_hz=1.01),
        header={"Größe": "1", "empty": ""},
        source=Source("x.spm", "bruker", 1, 3),
    )
