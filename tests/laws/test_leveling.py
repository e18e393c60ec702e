"""The laws of leveling, over every ``level.*`` step of the catalogue.

A step that cannot keep a law by its nature is listed with the reason; a new step keeps all laws, or says why not.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afmend.catalogue import BUILT_IN, find_step
from afmend.pipeline import Field, Leveled
from support import assert_heights_close, rough

ROW_METHODS = ("mean", "trimmed_mean", "polynomial", "median_difference", "trimmed_mean_difference", "modus",
               "matching", "facet_tilt")  # fmt: skip
CASES = [
    *((name, {}) for name in sorted(BUILT_IN) if name.startswith("level.")),
    ("level.facet", {"convention": "gwyddion"}),
    ("level.plane", {"method": "robust"}),
    ("level.plane", {"constant": "gwyddion"}),
    ("level.polynomial", {"degrees": "independent", "degree_fast": 4, "degree_slow": 1}),
    *(("level.rows", {"method": method}) for method in ROW_METHODS),
    ("level.rows", {"method": "polynomial", "degree": 3}),
    ("level.rows", {"direction": "vertical"}),
    ("level.shift", {"reference": "median"}),
    ("level.shift", {"reference": "minimum"}),
    ("level.smart_flatten", {"direction": "rows"}),
    ("level.smart_flatten", {"direction": "columns"}),
    ("level.topostats", {"threshold_method": "otsu"}),
    ("level.three_point", {"constant": "keep_mean", "radius_px": 4}),
]
SHAPE = (23, 38)
ITERATED = "found by iteration from where it starts, with an end: a second run goes on"
EXEMPT = {
    "twice": {
        "level.auto {}": "takes what the evidence supports of the line noise; of the rest, a second run takes a part",
        "level.facet {}": ITERATED,
        "level.facet {'convention': 'gwyddion'}": ITERATED,
        "level.rows {'method': 'facet_tilt'}": ITERATED,
        "level.smart_flatten {}": "a leveled surface has no dominant slope: the second direction is chance",
        "level.topostats {}": "each run masks its own features",
        "level.topostats {'threshold_method': 'otsu'}": "each run masks its own features",
    },
    "scale": {
        "level.facet {'convention': 'gwyddion'}": "stops at an absolute slope",
    },
    "mirror": {
        "level.plane {'constant': 'gwyddion'}": "turns about a point half a pixel from the center",
        "level.facet {'convention': 'gwyddion'}": "turns about a point half a pixel from the center",
        "level.three_point {}": "the places are given, and not mirrored with the image",
        "level.three_point {'constant': 'keep_mean', 'radius_px': 4}": "the places are given",
    },
}


def x_y() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return x - (SHAPE[1] - 1) / 2, y - (SHAPE[0] - 1) / 2


def zero_mean(values: np.ndarray) -> np.ndarray:
    return values - values.mean()


def line_polynomials(rng: np.random.Generator, degree: int) -> np.ndarray:
    x = np.linspace(-1, 1, SHAPE[1])
    shapes = sum(rng.normal(0, 5, (SHAPE[0], 1)) * (x**n - np.mean(x**n)) for n in range(1, degree + 1))
    return shapes + zero_mean(rng.normal(0, 5, (SHAPE[0], 1)))


def plane(rng: np.random.Generator) -> np.ndarray:
    x, y = x_y()
    return rng.normal() * x + rng.normal() * y


def row_offsets(rng: np.random.Generator) -> np.ndarray:
    return zero_mean(rng.normal(0, 5, (SHAPE[0], 1))) + np.zeros(SHAPE)


def offsets_without_line(rng: np.random.Generator) -> np.ndarray:
    offsets, y = rng.normal(0, 5, SHAPE[0]), np.arange(SHAPE[0])
    return (offsets - np.polyval(np.polyfit(y, offsets, 1), y))[:, None] + np.zeros(SHAPE)


REMOVED = {
    "level.plane {}": plane,
    "level.plane {'method': 'robust'}": plane,
    "level.polynomial {}": lambda rng: plane(rng) + 0.1 * x_y()[0] * x_y()[1] + 0.2 * x_y()[0] ** 2,
    "level.polynomial {'degrees': 'independent', 'degree_fast': 4, 'degree_slow': 1}": lambda rng: (
        plane(rng) + 1e-4 * x_y()[0] ** 4 * x_y()[1]
    ),
    "level.rows {}": row_offsets,
    "level.rows {'method': 'mean'}": row_offsets,
    "level.rows {'method': 'trimmed_mean'}": row_offsets,
    "level.rows {'method': 'polynomial'}": lambda rng: line_polynomials(rng, 1),
    "level.rows {'method': 'polynomial', 'degree': 3}": lambda rng: line_polynomials(rng, 3),
    "level.rows {'method': 'median_difference'}": offsets_without_line,
    "level.rows {'method': 'trimmed_mean_difference'}": offsets_without_line,
    "level.rows {'method': 'modus'}": row_offsets,
    "level.rows {'method': 'matching'}": row_offsets,
    "level.rows {'direction': 'vertical'}": lambda rng: zero_mean(rng.normal(0, 5, SHAPE[1])) + np.zeros(SHAPE),
    "level.shift {}": lambda rng: np.full(SHAPE, rng.normal(0, 50)),
    "level.shift {'reference': 'median'}": lambda rng: np.full(SHAPE, rng.normal(0, 50)),
    "level.shift {'reference': 'minimum'}": lambda rng: np.full(SHAPE, rng.normal(0, 50)),
    "level.smart_flatten {'direction': 'rows'}": lambda rng: line_polynomials(rng, 2),
    "level.smart_flatten {'direction': 'columns'}": lambda rng: zero_mean(rng.normal(0, 5, SHAPE[1])) + np.zeros(SHAPE),
    "level.three_point {}": plane,
    "level.topostats {}": row_offsets,
    "level.topostats {'threshold_method': 'otsu'}": row_offsets,
}
"""What a step removes, and so must not notice. Not for the facets, whose slopes are searched from where they are."""


def case_id(case: tuple[str, dict[str, object]]) -> str:
    return f"{case[0]} {case[1]}"


def kept(law: str) -> list[object]:
    return [pytest.param(*case, id=case_id(case)) for case in CASES if case_id(case) not in EXEMPT.get(law, {})]


def run(name: str, params: dict[str, object], heights: np.ndarray, mask: np.ndarray | None = None) -> Leveled:
    found = find_step(name)
    pixel = (2.0, 3.0)
    outcome = found.kernel(Field(heights, mask, pixel), found.params.parse(params))
    assert isinstance(outcome, Leveled)
    return outcome


def surface_of(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x, y = x_y()
    lines = rng.normal(0, 0.5, (SHAPE[0], 1))
    return rough(SHAPE, seed) + 0.05 * x - 0.3 * y + lines + rng.normal(0, 0.05, SHAPE)


def mask_of(seed: int) -> np.ndarray:
    """Blocks, whole lines, a nearly empty line and specks."""
    rng = np.random.default_rng(seed)
    mask = rng.random(SHAPE) < rng.choice([0.0, 0.05, 0.2])
    top, left = rng.integers(0, 12), rng.integers(12, 20)
    mask[top : top + 4, left : left + 9] = True
    mask[rng.integers(0, SHAPE[0])] = True
    line = rng.integers(0, SHAPE[0])
    mask[line, rng.integers(2, 30) :] = True
    # The default places of level.three_point stay usable.
    bottom, right = SHAPE[0] - 1, SHAPE[1] - 1
    mask[bottom // 8, right // 8] = mask[bottom // 8, right - right // 8] = False
    mask[bottom - bottom // 8, right // 2] = False
    return mask


seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=12, deadline=None, derandomize=True)


@pytest.mark.parametrize(("name", "params"), kept("inputs"))
@few
@given(seed=seeds)
def test_inputs_stay_and_shape_is_kept(name, params, seed):
    heights, mask = surface_of(seed), mask_of(seed)
    before = heights.copy(), mask.copy()
    done = run(name, params, heights, mask)
    assert np.array_equal(heights, before[0])
    assert np.array_equal(mask, before[1])
    assert done.heights.shape == heights.shape
    assert np.isfinite(done.heights).all()
    assert not np.shares_memory(done.heights, heights)


@pytest.mark.parametrize(("name", "params"), kept("masked"))
@few
@given(seed=seeds, size=st.sampled_from([1.0, 1e3, 1e6]))
def test_masked_pixels_cannot_steer(name, params, seed, size):
    heights, mask = surface_of(seed), mask_of(seed)
    other = heights.copy()
    other[mask] = np.random.default_rng(seed).normal(0, size, int(mask.sum()))
    first, second = run(name, params, heights, mask), run(name, params, other, mask)
    assert np.array_equal(first.heights[~mask], second.heights[~mask])
    if first.foreground is not None:
        assert np.array_equal(first.foreground, second.foreground)


@pytest.mark.parametrize(("name", "params"), kept("twice"))
@few
@given(seed=seeds)
def test_leveling_twice_is_leveling_once(name, params, seed):
    heights, mask = surface_of(seed), mask_of(seed)
    once = run(name, params, heights, mask).heights
    assert_heights_close(run(name, params, once, mask).heights, once, atol_nm=1e-7)


def test_leveling_automatically_twice_is_mostly_leveling_once():
    """On two thirds of the scans to rounding; the law does not hold on all of them (see EXEMPT)."""
    changes = []
    for seed in range(30):
        once = run("level.auto", {}, surface_of(seed), mask_of(seed)).heights
        changes.append(np.abs(run("level.auto", {}, once, mask_of(seed)).heights - once).max() / once.std())
    assert np.mean(np.array(changes) < 1e-9) > 0.6
    assert np.mean(np.array(changes) < 1e-3) > 0.9
    assert max(changes) < 0.015


@pytest.mark.parametrize(("name", "params"), [p for p in kept("adding") if p.id in REMOVED])
@few
@given(seed=seeds)
def test_adding_what_it_removes_changes_nothing(name, params, seed):
    heights = surface_of(seed)
    more = REMOVED[case_id((name, params))](np.random.default_rng(seed))
    assert np.abs(more).max() > 0.1
    there = run(name, params, heights + more).heights
    assert_heights_close(there, run(name, params, heights).heights, atol_nm=1e-6)


@pytest.mark.parametrize(("name", "params"), kept("scale"))
@few
@given(seed=seeds, factor=st.sampled_from([1e-3, 0.3, 7.0, 1e4]))
def test_scale(name, params, seed, factor):
    heights, mask = surface_of(seed), mask_of(seed)
    there = run(name, params, heights * factor, mask).heights / factor
    assert_heights_close(there, run(name, params, heights, mask).heights, atol_nm=1e-8)


@pytest.mark.parametrize(("name", "params"), kept("mirror"))
@few
@given(seed=seeds, axis=st.sampled_from([0, 1]))
def test_mirror(name, params, seed, axis):
    heights, mask = surface_of(seed), mask_of(seed)
    there = np.flip(run(name, params, np.flip(heights, axis), np.flip(mask, axis)).heights, axis)
    assert_heights_close(there, run(name, params, heights, mask).heights, atol_nm=1e-8)


def test_exceptions_name_cases_and_reasons():
    known = {case_id(case) for case in CASES}
    for law in EXEMPT.values():
        assert law.keys() <= known
        assert all(law.values())
    assert REMOVED.keys() <= known
