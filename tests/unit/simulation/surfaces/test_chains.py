import numpy as np
import pytest

from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces import make_surface
from afmend.simulation.surfaces.chains import Chain, lay, walk
from afmend.simulation.surfaces.dna import Dna, molecule_list
from afmend.simulation.surfaces.fibers import Fibers, fiber_list
from support import assert_heights_close

CANVAS = Canvas((60, 90), (4.0, 2.5), (5, 3))


def straight(y0, x0, y1, x1, height, count=30):
    t = np.linspace(0, 1, count)
    return Chain(y0 + t * (y1 - y0), x0 + t * (x1 - x0), np.full(count, height))


def test_cross_section_is_an_ellipse():
    z = lay([straight(100.0, 20.0, 100.0, 200.0, 6.0)], 40.0, 0.5, CANVAS)
    away = np.abs(CANVAS.y_nm - 100.0)
    law = np.where(away < 20, 3 * (1 + np.sqrt(np.maximum(1 - (away / 20) ** 2, 0))), 0)
    middle = (CANVAS.x_nm[0] > 50) & (CANVAS.x_nm[0] < 170)
    assert_heights_close(z[:, middle], np.broadcast_to(law, z.shape)[:, middle], atol_nm=1e-9)


def test_thin_chains_do_not_break():
    z = lay([straight(40.0, 20.0, 120.0, 190.0, 2.0, 100)], 0.5, 0.5, CANVAS)
    columns = z[:, (CANVAS.x_nm[0] > 25) & (CANVAS.x_nm[0] < 185)]
    assert (columns.max(axis=0) > 1.0).all()


def test_crossing_adds_a_share():
    flat, steep = straight(100.0, 20.0, 100.0, 200.0, 6.0), straight(20.0, 100.0, 200.0, 100.0, 4.0)
    z = lay([flat, steep], 30.0, 0.25, CANVAS)
    assert z[25 + 5, 40 + 3] == pytest.approx(6 + 0.25 * 4, abs=1e-9)
    assert z[25 + 5, 60 + 3] == pytest.approx(6, abs=1e-9)
    assert_heights_close(z, lay([steep, flat], 30.0, 0.25, CANVAS), atol_nm=1e-12)


def test_a_chain_that_crosses_itself():
    # An eight: over, around and back through its own middle.
    t = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    eight = Chain(120 + 60 * np.sin(2 * t), 110 + 90 * np.sin(t), np.full(t.size, 5.0), closed=True)
    z = lay([eight], 12.0, 0.8, CANVAS)
    assert z[30 + 5, 44 + 3] == pytest.approx(5 + 0.8 * 5, abs=0.2)
    right = CANVAS.x_nm[0] > 140  # far from the crossing the ring is whole and nowhere doubled
    assert z[:, right].max() == pytest.approx(5, abs=0.05)


def test_walk_has_the_persistence_of_its_name():
    rng = np.random.default_rng(0)
    squares = []
    for _ in range(600):
        y, x = walk(300.0, 60.0, 3.0, False, rng)
        squares.append((y[-1] - y[0]) ** 2 + (x[-1] - x[0]) ** 2)
    # Worm-like chain in two dimensions: <R^2> = 4 P L (1 - 2 P / L (1 - exp(-L / 2 P)))
    length, p = 297.0, 60.0
    law = 4 * p * length * (1 - 2 * p / length * (1 - np.exp(-length / (2 * p))))
    assert np.mean(squares) == pytest.approx(law, rel=0.06)


def test_closed_walk_meets_its_end_and_keeps_its_length():
    for seed in range(5):
        y, x = walk(900.0, 50.0, 2.0, True, np.random.default_rng(seed))
        steps = np.hypot(np.diff(y, append=y[0]), np.diff(x, append=x[0]))
        assert steps.sum() == pytest.approx(900.0, abs=0.5)
        assert steps.max() < 6.0


def test_fibers_and_molecules_are_counted_and_high_as_asked():
    canvas = Canvas((200, 300), (8.0, 5.0))
    fibers = Fibers(count_per_um2=10.0, ground_sq_nm=0.0, height_spread=0.0, twist=0.2, crossing=0.0)
    assert len(fiber_list(fibers, canvas)) == 24  # 1.6 um x 1.5 um
    assert make_surface(fibers, canvas).max() == pytest.approx(6.0 * 1.2, abs=0.1)
    dna = Dna(count_per_um2=5.0, ground_sq_nm=0.0, height_spread=0.0, crossing=0.5, closed_share=1.0)
    assert all(chain.closed for chain in molecule_list(dna, canvas))
    assert 1.19 <= make_surface(dna, canvas).max() <= 1.2 * 1.75 + 1e-9  # three strands at one place at most


def test_point_like_chain():
    dot = Chain(np.full(9, 100.0), np.full(9, 100.0), np.full(9, 3.0))
    assert lay([dot], 20.0, 0.5, CANVAS).max() == pytest.approx(3.0, abs=1e-12)
