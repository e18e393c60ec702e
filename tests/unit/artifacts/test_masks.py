"""Steps that reshape masks: what they mark, that they work mask by mask, and that they bear anything."""

import time

import numpy as np
import pytest

from afmend.artifacts.combine import Clear, Combine, clear, combine
from afmend.artifacts.reshape import (
    Area,
    ExpandLines,
    FillHoles,
    Grow,
    RemoveSmall,
    Shrink,
    area,
    expand_lines,
    fill_holes,
    grow,
    remove_small,
    shrink,
)
from afmend.artifacts.stripes import Stripes, stripes
from afmend.catalogue import find_step
from afmend.pipeline import Field
from afmend.scan import Masks
from support import rough

RESHAPE = ("mask.area", "mask.stripes", "mask.expand_lines", "mask.grow", "mask.shrink", "mask.fill_holes",
           "mask.remove_small", "mask.combine", "mask.clear")  # fmt: skip
SHAPE = (12, 19)


def mask_of(*boxes, shape=SHAPE):
    mask = np.zeros(shape, bool)
    for top, bottom, left, right in boxes:
        mask[top:bottom, left:right] = True
    return mask


def field_of(mask=None, heights=None, **masks):
    masks = {"artifact": {"scar": mask}} if mask is not None else masks
    shape = next(iter(masks["artifact"].values())).shape if masks.get("artifact") else SHAPE
    return Field(np.zeros(shape) if heights is None else heights, masks=Masks(**masks))


def scar_after(step, mask, params, heights=None):
    out = step(field_of(mask, heights), params).artifact
    return out.get("scar", np.zeros(mask.shape, bool))


def test_grow_and_shrink_take_each_axis_by_itself():
    mask = mask_of((4, 6, 7, 10))
    wide = scar_after(grow, mask, Grow(fast_px=3, slow_px=1))
    assert np.array_equal(wide, mask_of((3, 7, 4, 13)))
    assert np.array_equal(scar_after(shrink, wide, Shrink(fast_px=3, slow_px=1)), mask)
    assert scar_after(grow, mask, Grow(fast_px=100_000, slow_px=0)).sum() == 2 * SHAPE[1]
    assert not scar_after(shrink, mask, Shrink(fast_px=0, slow_px=1)).any()
    assert np.array_equal(scar_after(grow, mask, Grow(fast_px=0, slow_px=0)), mask)


def test_a_mask_does_not_shrink_from_the_border():
    mask = mask_of((0, 3, 0, 19))
    assert np.array_equal(scar_after(shrink, mask, Shrink()), mask_of((0, 2, 0, 19)))


def test_growth_equals_that_of_scipy():
    from scipy.ndimage import binary_dilation

    mask = np.random.default_rng(2).random((31, 44)) > 0.95
    expected = binary_dilation(mask, np.ones((5, 7)))
    assert np.array_equal(scar_after(grow, mask, Grow(fast_px=3, slow_px=2)), expected)


def test_masks_are_reshaped_one_by_one_and_only_the_chosen_ones():
    spike, scar, drawn = mask_of((2, 3, 2, 3)), mask_of((2, 3, 4, 9)), mask_of((8, 10, 8, 10))
    lost = mask_of((11, 12, 0, 3))
    field = field_of(artifact={"spike": spike, "scar": scar}, foreground={"drawn": drawn}, missing=lost)
    grown = grow(field, Grow())
    assert np.array_equal(grown.artifact["spike"], mask_of((1, 4, 1, 4)))
    assert np.array_equal(grown.artifact["scar"], mask_of((1, 4, 3, 10)))
    assert np.array_equal(grown.foreground["drawn"], drawn)
    only = grow(field, Grow(name="spike"))
    assert np.array_equal(only.artifact["scar"], scar)
    assert only.artifact["spike"].sum() == 9
    assert grow(field, Grow(name="ringing")) == field.masks
    assert grow(field, Grow(role="foreground")).foreground["drawn"].sum() == 16
    assert grow(field, Grow(role="missing")).missing.sum() == 8


def test_holes_are_closed_up_to_a_size_and_not_at_the_border():
    mask = mask_of((2, 9, 2, 12))
    mask[4:6, 4:7] = False  # 6 px
    mask[7, 9] = False  # 1 px
    mask[0:3, 15:19] = True
    mask[0:2, 16:19] = False  # open to the border
    full = mask.copy()
    full[4:6, 4:7] = full[7, 9] = True
    assert np.array_equal(scar_after(fill_holes, mask, FillHoles()), full)
    small = scar_after(fill_holes, mask, FillHoles(max_pix=5))
    assert small[7, 9]
    assert not small[4:6, 4:7].any()


def test_a_hole_behind_a_diagonal_rim_is_closed():
    mask = mask_of((3, 4, 4, 5), (4, 5, 3, 4), (4, 5, 5, 6), (5, 6, 4, 5))
    assert scar_after(fill_holes, mask, FillHoles())[4, 4]


def test_small_parts_go_and_corners_connect():
    mask = mask_of((1, 2, 1, 2), (2, 3, 2, 3), (5, 6, 1, 9), (8, 12, 15, 16), (0, 1, 18, 19))
    kept = scar_after(remove_small, mask, RemoveSmall(min_pix=2))
    assert np.array_equal(kept, mask_of((1, 2, 1, 2), (2, 3, 2, 3), (5, 6, 1, 9), (8, 12, 15, 16)))
    assert np.array_equal(scar_after(remove_small, mask, RemoveSmall(min_fast_px=3)), mask_of((5, 6, 1, 9)))
    assert np.array_equal(scar_after(remove_small, mask, RemoveSmall(min_slow_px=3)), mask_of((8, 12, 15, 16)))


def test_area_keeps_what_lies_in_its_range():
    mask = mask_of((0, 1, 0, 3), (3, 5, 3, 8), (7, 12, 2, 17))  # 3, 10, 75 px
    assert np.array_equal(scar_after(area, mask, Area(min_pix=4)), mask_of((3, 5, 3, 8), (7, 12, 2, 17)))
    assert np.array_equal(scar_after(area, mask, Area(min_pix=10, max_pix=10)), mask_of((3, 5, 3, 8)))
    assert not scar_after(area, mask, Area(min_pix=76)).any()


def test_lying_stripes_take_rows_and_standing_ones_columns():
    mask = mask_of((2, 3, 4, 10), (5, 11, 15, 16), (8, 10, 1, 4))
    expected = mask_of((2, 3, 0, 19), (0, 12, 15, 16), (8, 10, 1, 4))
    assert np.array_equal(scar_after(expand_lines, mask, ExpandLines(ar=4)), expected)
    assert np.array_equal(scar_after(expand_lines, mask, ExpandLines(ar=7)), mask)


def striped():
    """A raised band over columns 3 to 29 of rows 10 and 11, and a slight slope that gives the image a median slope."""
    heights = np.linspace(0, 1, 40)[None, :] + np.linspace(0, 1, 24)[:, None]
    heights += np.random.default_rng(0).normal(0, 0.02, heights.shape)
    heights[10:12, 3:30] += 20.0
    seed = mask_of((10, 11, 8, 20), shape=heights.shape)
    return heights, seed


def test_stripes_grow_into_pixels_of_their_height_and_no_others():
    heights, seed = striped()
    out = scar_after(stripes, seed, Stripes(k=8, region=50, grad=1000), heights)
    assert np.array_equal(out, mask_of((10, 12, 3, 30), shape=heights.shape))


def test_each_limit_of_stripe_growth_holds():
    heights, seed = striped()
    near = scar_after(stripes, seed, Stripes(k=8, region=2, grad=1000), heights)
    assert near[10, 6]
    assert not near[10, 5]
    assert near[11, 7]
    assert near[11, 20]
    assert not near[11, 21]
    assert not near[11, 6]
    for refused in (Stripes(k=0), Stripes(region=0), Stripes(k=8, grad=0), Stripes(k=8, ar=13, grad=1000)):
        assert np.array_equal(scar_after(stripes, seed, refused, heights), seed)


def test_blobs_stay_and_are_not_grown_through():
    heights, seed = striped()
    blob = mask_of((9, 13, 21, 23), shape=heights.shape)
    both = seed | blob
    out = scar_after(stripes, both, Stripes(k=8, region=50, grad=1000), heights)
    assert np.array_equal(out, mask_of((10, 12, 3, 21), shape=heights.shape) | blob)


def test_a_pixel_between_two_stripes_joins_the_one_it_resembles():
    heights = np.zeros((9, 30))
    heights[2:4, 2:12] = 10 + np.arange(10) * 0.1
    heights[4:6, 2:12] = 11 + np.arange(10) * 0.1
    mask = mask_of((2, 3, 2, 12), (5, 6, 2, 12), shape=heights.shape)
    out = scar_after(stripes, mask, Stripes(k=2, region=1, grad=1000), heights)
    assert out[2:6, 2:12].all()
    flipped = scar_after(stripes, mask[::-1].copy(), Stripes(k=2, region=1, grad=1000), heights[::-1])
    assert np.array_equal(flipped[::-1], out)


def test_growth_ignores_placeholders_of_missing_pixels():
    heights, seed = striped()
    lost = mask_of((10, 12, 20, 22), shape=heights.shape)
    results = []
    for junk in (0.0, 20.0, 1e30):
        field = Field(np.where(lost, junk, heights), lost, masks=Masks(missing=lost, artifact={"scar": seed}))
        results.append(stripes(field, Stripes(k=8, region=50, grad=1000)).artifact["scar"])
        assert not (results[-1] & lost).any()
    # The slope beside the hole is that of the placeholder: only the pixels right beside it may differ.
    assert np.array_equal(results[0][:, :19], results[1][:, :19])
    assert stripes(Field(heights, np.ones_like(lost), masks=Masks(artifact={"scar": seed})), Stripes()) == Masks(
        artifact={"scar": seed}
    )
    hidden = Field(heights, seed, masks=Masks(missing=seed, artifact={"scar": seed}))
    assert np.array_equal(stripes(hidden, Stripes(k=8)).artifact["scar"], seed)


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (2.0, -64.0), (1024.0, 5e5)])
def test_stripe_growth_does_not_depend_on_scale_and_offset(scale, shift):
    heights, seed = striped()
    params = Stripes(k=3, region=9, grad=1000)
    first = scar_after(stripes, seed, params, heights)
    assert first.sum() > seed.sum()
    assert np.array_equal(scar_after(stripes, seed, params, heights * scale + shift), first)
    assert np.array_equal(scar_after(stripes, seed[::-1].copy(), params, heights[::-1])[::-1], first)
    assert np.array_equal(scar_after(stripes, seed[:, ::-1].copy(), params, heights[:, ::-1])[:, ::-1], first)


@pytest.mark.parametrize(
    ("operation", "names", "expected"),
    [
        ("union", (), (0, 3, 0, 8)),
        ("union", ("b",), (1, 3, 0, 8)),
        ("intersection", ("a", "b"), (1, 2, 0, 8)),
        ("difference", ("a", "b"), (0, 1, 0, 8)),
        ("difference", ("b", "a"), (2, 3, 0, 8)),
        ("intersection", ("a", "none"), (0, 0, 0, 0)),
        ("union", ("none",), (0, 0, 0, 0)),
    ],
)
def test_masks_are_combined(operation, names, expected):
    field = field_of(artifact={"a": mask_of((0, 2, 0, 8)), "b": mask_of((1, 3, 0, 8))})
    out = combine(field, Combine(operation=operation, names=names, into="c"))
    assert np.array_equal(out.artifact.get("c", np.zeros(SHAPE, bool)), mask_of(expected))
    assert {"a", "b"} <= set(out.artifact)


def test_inverting_and_not_keeping():
    mask = mask_of((0, 2, 0, 8))
    field = field_of(foreground={"drawn": mask})
    out = combine(field, Combine(operation="invert", role="foreground", into="drawn", keep=False))
    assert np.array_equal(out.foreground["drawn"], ~mask)
    gone = combine(field, Combine(role="foreground", keep=False))
    assert set(gone.foreground) == {"combined"}
    assert combine(field_of(), Combine()) == Masks()
    assert combine(field_of(), Combine(operation="invert")).artifact["combined"].all()


def test_clearing():
    mask = mask_of((0, 2, 0, 8))
    field = field_of(artifact={"a": mask, "b": mask}, foreground={"a": mask}, missing=mask)
    assert clear(field, Clear()) == Masks(foreground={"a": mask}, missing=mask)
    assert clear(field, Clear(name="a")) == Masks(artifact={"b": mask}, foreground={"a": mask}, missing=mask)
    assert clear(field, Clear(role="all", name="a")) == Masks(artifact={"b": mask}, missing=mask)
    assert clear(field, Clear(role="all")) == Masks()
    assert clear(field, Clear(role="missing")).missing is None


@pytest.mark.parametrize("step_id", RESHAPE)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (2, 3), (30, 41)])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_any_image_and_mask_is_borne_and_not_changed(step_id, shape, share):
    step = find_step(step_id)
    mask = np.random.default_rng(1).random(shape) < share
    before = mask.copy()
    for heights in (np.zeros(shape), np.random.default_rng(1).normal(size=shape)):
        field = Field(heights, masks=Masks(artifact={"scar": mask}))
        step.kernel(field, step.params()).check(shape)
        assert np.array_equal(mask, before)


@pytest.mark.parametrize("step_id", [*RESHAPE, "mark.seed"])
def test_the_worst_masks_take_less_than_a_second(step_id):
    z = rough((512, 512))
    dots = np.zeros(z.shape, bool)
    dots[::2, ::2] = True
    dashes = np.zeros(z.shape, bool)
    dashes[::2] = np.arange(512) % 6 < 4
    step = find_step(step_id)
    settings = {"k": 20, "region": 1000, "grad": 1000} if step_id == "mask.stripes" else {}
    for mask in (np.ones(z.shape, bool), dots, dashes):
        field = Field(z, masks=Masks(artifact={"scar": mask}))
        start = time.process_time()
        step.kernel(field, step.params(**settings))
        assert time.process_time() - start < 2.0  # measured: below 0.5 s; the machine may be busy
