"""Compiled loops over lists of hole pixels, over lags, and on the way to a periodogram, against plain numpy."""

import numpy as np
import pytest
from scipy import ndimage

from afmend.filling.hole_kernels import lag_sums, tallest, third_differences
from afmend.filling.holes import distance_to_data, find_holes, hole_radius
from afmend.filling.lines import interpolate
from afmend.filling.place_kernels import ends, places, put
from afmend.filling.spectrum_kernels import tapered
from afmend.filling.texture import Texture, plan
from afmend.filling.variogram import Variogram
from afmend.leveling.moments import positions, surface_coefficients, without_surface
from afmend.pipeline import Field
from support import assert_heights_close, rough

SHAPES = [(1, 1), (1, 13), (5, 3), (23, 37), (16, 24)]


def some(shape, share=0.3, seed=0):
    """Single pixels, a stretch, a blob, a lost line and a lost column where there is room."""
    mask = np.random.default_rng(seed).random(shape) < share
    if min(shape) > 10:
        mask[4] = mask[:, 7] = mask[9:15, 11:19] = True
        mask[2, 3:20] = True
    return mask


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_places_are_those_of_numpy(shape, share):
    mask = some(shape, share) if share not in (0.0, 1.0) else np.full(shape, bool(share))
    for seen in (mask, mask[:, ::-1], np.asfortranarray(mask)):
        found, expected = places(seen), np.nonzero(seen)
        assert (found[0] == expected[0]).all()
        assert (found[1] == expected[1]).all()
        assert found[0].size == np.count_nonzero(seen)


def test_places_of_masks_made_from_bytes():
    levels = np.zeros((16, 24), dtype=np.uint8)
    levels[5, 7:10] = levels[15, 23] = 255
    levels[9, 20] = 3
    mask = levels.view(np.bool_)
    rows, cols = places(mask)
    assert list(zip(rows.tolist(), cols.tolist(), strict=True)) == [(5, 7), (5, 8), (5, 9), (9, 20), (15, 23)]
    z = rough(mask.shape)
    assert (find_holes(Field(z, mask)).heights[levels == 0] == z[levels == 0]).all()


def test_ends_are_the_nearest_known_pixels_of_the_column():
    holes = some((23, 37))
    rows, cols = places(holes)
    above, below = ends(rows, cols, *holes.shape)
    for n in range(rows.size):
        known = np.flatnonzero(~holes[:, cols[n]])
        before, after = known[known < rows[n]], known[known > rows[n]]
        assert above[n] == (before[-1] if before.size else -1)
        assert below[n] == (after[0] if after.size else 23)


@pytest.mark.parametrize("share", [0.02, 0.4])
def test_radius_is_the_largest_distance_of_a_connected_hole(share):
    holes = some((23, 37), share)
    rows, cols = places(holes)
    wanted = np.random.default_rng(3).random(rows.size) < 0.8
    distance, radius = hole_radius(holes, rows, cols, wanted)
    expected = ndimage.distance_transform_edt(holes)[rows, cols]
    assert_heights_close(distance.astype(float), np.where(wanted, expected, 0.0), atol_nm=1e-6)
    chosen = np.zeros(holes.shape, dtype=bool)
    chosen[rows[wanted], cols[wanted]] = True
    labels, count = ndimage.label(chosen, np.ones((3, 3)))
    assert count > 1
    for label in range(1, count + 1):
        own = labels[rows, cols] == label
        assert set(radius[own]) == {distance[own].max()}
    assert not radius[~wanted].any()


def test_joined_runs_are_one_hole():
    # A comb, a ring and a staircase: runs that meet late, and at corners only.
    holes = np.zeros((20, 31), dtype=bool)
    holes[2:8, 1:12:2] = holes[8, 1:12] = True
    holes[2:9, 15:25] = True
    holes[4:7, 17:23] = False
    for n in range(7):
        holes[11 + n, 3 * n : 3 * n + 3] = True
    rows, cols = places(holes)
    _, radius = hole_radius(holes, rows, cols, np.ones(rows.size, dtype=bool))
    labels, count = ndimage.label(holes, np.ones((3, 3)))
    assert count == 3
    whole = ndimage.distance_transform_edt(holes)
    for label in range(1, 4):
        at = labels[rows, cols] == label
        assert_heights_close(radius[at].astype(float), np.full(at.sum(), whole[labels == label].max()), atol_nm=1e-6)


def test_distances_of_known_pixels_and_of_images_without_holes_are_zero():
    known = np.ones((6, 9), dtype=bool)
    assert not distance_to_data(known, np.array([1, 2]), np.array([3, 8])).any()
    known[2, 8] = False
    assert distance_to_data(known, np.array([1, 2, 5]), np.array([3, 8, 8])).tolist() == [0, 1, 0]
    assert distance_to_data(known, np.zeros(0, int), np.zeros(0, int)).size == 0


def test_holes_know_the_distance_of_what_is_wanted():
    holes = np.zeros((40, 56), dtype=bool)
    holes[10:13, 20:40] = holes[20:39, 5:30] = True
    found = find_holes(Field(rough((40, 56)), holes), 4)
    assert found.left_open[25, 10]
    assert found.wanted.sum() == 60
    rows, cols = np.nonzero(found.wanted)
    assert (found.distance == distance_to_data(found.known, rows, cols)).all()
    assert found.radius_px == 2.0
    assert find_holes(Field(rough((40, 56)), holes), None, 2).distance is None  # nobody looked


def test_put_changes_a_copy():
    z = rough((7, 9))
    before = z.copy()
    after = put(z, np.array([1, 6]), np.array([8, 0]), -3.0)
    assert (z == before).all()
    assert (after[[1, 6], [8, 0]] == -3.0).all()
    assert (after != z).sum() == 2


def test_largest_height_is_that_of_known_pixels():
    z, holes = rough((23, 37)), some((23, 37))
    z[holes] = np.nan
    assert tallest(z, ~holes) == np.abs(z[~holes]).max()
    assert tallest(z, np.zeros(z.shape, dtype=bool)) == 0.0


@pytest.mark.parametrize("shape", [(3, 20), (20, 3), (23, 37)])
def test_third_differences_are_those_of_numpy(shape):
    z, holes = rough(shape), np.zeros(shape, dtype=bool)
    if min(shape) > 3:
        holes[4, 7] = holes[12:14, 20:24] = True
        z[holes] = np.nan
    size, squares = third_differences(z, ~holes)
    expected = np.abs(np.diff(np.diff(z, 3, axis=0), 3, axis=1)).ravel()
    expected = expected[~np.isnan(expected)]
    assert size.size == expected.size
    assert_heights_close(size, expected, atol_nm=1e-13)
    assert squares == pytest.approx(np.sum(expected**2), rel=1e-12)


def test_sums_over_lags_are_those_of_numpy():
    z, holes = rough((23, 37)), some((23, 37), 0.1)
    z[holes] = np.nan
    lags = np.array([1, 2, 5, 36])
    for lag, (count, total, squares) in zip(lags, lag_sums(z, ~holes, lags, 0.25), strict=True):
        steps = (z[:, lag:] - z[:, :-lag] - 0.25 * lag).ravel()
        steps = steps[~np.isnan(steps)]
        assert count == steps.size
        assert total == pytest.approx(steps.sum(), abs=1e-11)
        assert squares == pytest.approx(np.sum(steps**2), abs=1e-11)


@pytest.mark.parametrize("holes", [np.zeros((23, 37), dtype=bool), some((23, 37), 0.1), some((23, 37), 0.6)])
def test_tapered_heights_have_no_holes_no_plane_and_no_mean(holes):
    holes[:, 0] = holes[:, 35:] = holes[0, :9] = holes[21:, 3] = holes.any()  # columns without data, holes at the edges
    z = rough(holes.shape) + 1000.0 + 0.3 * np.arange(37) - 0.2 * np.arange(23)[:, None]
    y, x = positions(23), positions(37)
    down, along = np.hanning(25)[1:-1], np.hanning(39)[1:-1]
    out = np.full((30, 40), np.nan)
    tapered(z, float(z[8, 9]), *places(holes), x, y, down, along, out)
    flat = interpolate(z, ~holes, "across_lines", learn=False)[0]
    flat = without_surface(
        flat, surface_coefficients(flat, np.ones(z.shape, dtype=bool), np.array([[True, True], [True, False]]))
    )
    flat = (flat - down**2 @ flat @ along**2 / z.size) * np.outer(down, along)
    assert_heights_close(out[:23, :37], flat, atol_nm=1e-10)
    assert not out[23:].any()
    assert not out[:, 37:].any()


def test_mean_alone_is_that_of_the_prediction():
    z = rough((67, 95), smooth_px=3)
    holes = np.zeros(z.shape, dtype=bool)
    holes[20:23, 10:60] = holes[40:52, 30:44] = True
    holes[5:60:7, 80] = True  # of one pattern
    found = find_holes(Field(z, holes), 32, 2)
    texture = Texture.of(found, Variogram(1e-3, 0.02, 1.8), 1.4, 60)
    rows, cols = np.nonzero(holes)
    expected = texture.predict(found.heights, found.known, rows, cols, (0,)).mean[0]
    planned = plan(found, rows, cols, 60)
    assert_heights_close(texture.mean(found, planned), expected[planned.tiles.place], atol_nm=1e-9)


def test_mean_alone_without_a_system_is_that_of_the_neighbors():
    z = rough((40, 56))
    holes = np.zeros(z.shape, dtype=bool)
    holes[17:22, 26:30] = True
    found = find_holes(Field(z, holes), 32, 2)
    own = Texture.of(found, Variogram(1e-3, 0.02, 1.8), 1.0, 60)
    texture = Texture(-own.tables, 0.0, 1.0, own.quota, own.farthest_px)
    rows, cols = np.nonzero(holes)
    expected = texture.predict(found.heights, found.known, rows, cols, (0,)).mean[0]
    planned = plan(found, rows, cols, 60)
    assert_heights_close(texture.mean(found, planned), expected[planned.tiles.place], atol_nm=1e-12)
