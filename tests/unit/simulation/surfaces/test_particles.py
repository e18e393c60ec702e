import numpy as np
import pytest

from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces import make_surface
from afmend.simulation.surfaces.particles import Particles, particle_list
from support import assert_heights_close

CANVAS = Canvas((150, 220), (4.0, 2.5), (6, 9))


def distances(found, canvas, k):
    return canvas.y_nm - found.y_nm[k], canvas.x_nm - found.x_nm[k]


def test_spheres_are_spheres():
    params = Particles(sigma=0.0, radius_nm=25.0, ground_sq_nm=0.0, clustering=0.0, coverage=0.2)
    z, found = make_surface(params, CANVAS), particle_list(params, CANVAS)
    law = np.zeros(CANVAS.shape)
    for k in range(found.x_nm.size):
        dy, dx = distances(found, CANVAS, k)
        square = dy**2 + dx**2
        law = np.maximum(law, np.where(square < 625, 25 + np.sqrt(np.maximum(625 - square, 0)), 0))
    assert_heights_close(z, law, atol_nm=1e-9)
    assert (found.height_nm == 50.0).all()
    assert params.height_nm == 50.0


def test_list_says_what_is_seen():
    params = Particles(radius_nm=30.0, sigma=0.3, ground_sq_nm=1.0, seed=2)
    z, found = make_surface(params, CANVAS), particle_list(params, CANVAS)
    assert found.labels.max() <= found.x_nm.size
    checked = 0
    for k in range(found.x_nm.size):
        row = round(found.y_nm[k] / 4.0) + 6
        col = round(found.x_nm[k] / 2.5) + 9
        if 0 <= row < CANVAS.shape[0] and 0 <= col < CANVAS.shape[1]:
            assert found.labels[row, col] == k + 1
            assert z[row, col] - found.base_nm[k] == pytest.approx(found.height_nm[k], abs=0.2)
            checked += 1
    assert checked > 5


def test_coverage_sizes_and_no_overlap():
    canvas = Canvas((400, 300), (5.0, 8.0))
    params = Particles(radius_nm=20.0, sigma=0.2, coverage=0.25, clustering=0.3)
    found = particle_list(params, canvas)
    assert np.mean(found.labels > 0) == pytest.approx(0.25, abs=0.02)
    assert np.median(found.radius_nm) == pytest.approx(20.0, abs=1.0)
    assert np.std(np.log(found.radius_nm)) == pytest.approx(0.2, abs=0.03)
    gap = np.hypot(found.y_nm[:, None] - found.y_nm, found.x_nm[:, None] - found.x_nm)
    gap -= found.radius_nm[:, None] + found.radius_nm
    np.fill_diagonal(gap, np.inf)
    assert gap.min() >= 0
    assert np.mean(gap.min(axis=1) < 0.01) > 0.2  # those that touch


def test_overlap_only_where_allowed():
    canvas = Canvas((200, 300), (5.0, 4.0))
    dense = particle_list(Particles(coverage=0.9, clustering=0), canvas)
    heaped = particle_list(Particles(coverage=0.9, clustering=0, overlap=True), canvas)
    assert np.mean(dense.labels > 0) < 0.62  # no room for more
    assert heaped.x_nm.size > dense.x_nm.size
    assert np.mean(heaped.labels > 0) == pytest.approx(1 - np.exp(-0.9), abs=0.04)


@pytest.mark.parametrize(("shape", "height"), [("cap", 8.0), ("ellipsoid", 16.0), ("rod", 40.0)])
def test_other_shapes_have_their_height_and_size(shape, height):
    canvas = Canvas((300, 400), (2.0, 1.5))
    params = Particles(
        shape=shape, radius_nm=20.0, sigma=0.0, flatness=0.4, elongation=2.0, ground_sq_nm=0, coverage=0.05, seed=1
    )
    z, found = make_surface(params, canvas), particle_list(params, canvas)
    assert params.height_nm == pytest.approx(height)
    assert z.max() == pytest.approx(height, abs=0.1)
    whole = [k for k in range(found.x_nm.size) if 45 < found.y_nm[k] < 600 - 45 and 45 < found.x_nm[k] < 600 - 45]
    area = np.pi * 400 + (4 * 400 if shape == "rod" else 0)
    for k in whole:
        assert np.sum(found.labels == k + 1) * 3.0 == pytest.approx(area, rel=0.03)
    assert whole
    if shape == "cap":
        k = whole[0]
        dy, dx = distances(found, canvas, k)
        curvature = (400 + 64) / 16
        law = (
            np.sqrt(curvature**2 - dy**2 - dx**2, where=dy**2 + dx**2 < 400, out=np.zeros(canvas.shape)) - curvature + 8
        )
        on = found.labels == k + 1
        assert_heights_close(z[on], law[on], atol_nm=1e-9)


def test_none_at_all():
    found = particle_list(Particles(coverage=0.0), CANVAS)
    assert found.x_nm.size == 0
    assert not found.labels.any()
