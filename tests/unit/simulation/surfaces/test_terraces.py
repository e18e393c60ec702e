import numpy as np
import pytest

from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces import make_surface
from afmend.simulation.surfaces.terraces import Terraces, terrace_levels
from support import assert_heights_close

CANVAS = Canvas((120, 160), (6.0, 4.0))


def test_straight_terraces_in_closed_form():
    params = Terraces(
        width_nm=100.0,
        width_spread=0,
        direction_deg=90.0,
        wander_nm=0,
        islands_per_um2=0,
        edge_nm=0,
        step_height_nm=0.5,
    )
    z = make_surface(params, CANVAS)
    law = 0.5 * np.floor(CANVAS.y_nm / 100.0 + 0.5)
    inside = np.abs(CANVAS.y_nm / 100.0 - np.round(CANVAS.y_nm / 100.0)) < 0.499
    assert_heights_close(z[inside[:, 0]], np.broadcast_to(law, z.shape)[inside[:, 0]], atol_nm=1e-12)


@pytest.mark.parametrize("kink", [0.0, 12.0])
def test_heights_are_multiples_of_the_step_away_from_edges(kink):
    params = Terraces(step_height_nm=0.246, kink_nm=kink, edge_nm=5.0, islands_per_um2=20.0, seed=4)
    z, levels = make_surface(params, CANVAS), terrace_levels(params, CANVAS)
    off = np.abs(z - 0.246 * levels)
    assert off.max() <= 0.246 * 0.5 + 1e-12
    assert np.mean(off > 1e-12) < 0.12  # the ramps
    assert len(np.unique(levels)) >= 4


def test_ramp_is_as_wide_as_asked():
    fine = Canvas((2, 900), (1.0, 0.1))
    params = Terraces(
        width_nm=60.0,
        width_spread=0,
        direction_deg=0.0,
        wander_nm=0,
        islands_per_um2=0,
        edge_nm=8.0,
        step_height_nm=1.0,
    )
    z, x = make_surface(params, fine)[0], fine.x_nm[0]
    assert z[x < 25.9].max() == 0.0
    assert z[x > 34.1].min() == 1.0
    assert z[300] == pytest.approx(0.5, abs=1e-9)


def test_edges_wander_as_far_as_asked():
    canvas = Canvas((400, 300), (5.0, 5.0))
    seen = []
    for seed in range(12):
        params = Terraces(
            width_nm=1400.0,
            width_spread=0,
            direction_deg=0,
            wander_nm=50,
            wander_length_nm=150,
            islands_per_um2=0,
            seed=seed,
        )
        crossed = np.argmax(terrace_levels(params, canvas) == 1, axis=1) * 5.0
        seen.append(crossed - 700.0)
    assert np.std(seen) == pytest.approx(50.0, abs=8.0)
    assert np.mean(seen) == pytest.approx(0.0, abs=15.0)


def test_kinks_are_whole():
    params = Terraces(kink_nm=20.0, direction_deg=0.0, width_spread=0, width_nm=300.0, islands_per_um2=0, seed=1)
    levels = terrace_levels(params, Canvas((200, 150), (5.0, 2.0)))
    places = np.array([int(np.argmax(row == 1)) for row in levels if (row == 1).any()])
    assert (np.diff(places) % 10 == 0).all()
    assert np.unique(places).size > 1


def test_islands_up_and_down():
    params = Terraces(width_nm=1e5, wander_nm=0, islands_per_um2=60.0, island_nm=20.0, seed=3)
    levels = terrace_levels(params, CANVAS)
    assert {-1, 0, 1} <= set(np.unique(levels).tolist())
