"""Cases from the twin itself: small, a few of them."""

import numpy as np
import pytest

from afmend.errors import BadParameterError, BadRecipeError
from afmend.evaluation.bench.makers import MEASURABLE, make_cases, only_noise, simulated
from afmend.evaluation.bench.plan import Unit, settings_of
from afmend.evaluation.bench.seed_tables import ripple, seed_table
from afmend.simulation.box import load_box
from afmend.simulation.twin import twin_of
from support import assert_heights_close


def small(**rest):
    return settings_of("quick", **{"size": 64, "count": 3, **rest})


def test_units_make_the_same_scan_again():
    settings = small(seed=2)
    (one,), (two,) = make_cases(settings, Unit("level", 2)), make_cases(settings, Unit("level", 2))
    assert one.name == two.name == "shifted-2000002"
    assert one.ideal.shape == (48, 64), "every third scan is not square"
    assert_heights_close(one.heights, two.heights, atol_nm=0)
    (other,) = make_cases(small(seed=3), Unit("level", 2))
    assert np.abs(other.heights - one.heights).max() > 0


def test_surfaces_are_taken_in_turn():
    families = list(load_box("train").surfaces)
    settings = small(box="train")
    assert [make_cases(settings, Unit("fill", k))[0].family for k in range(3)] == families[:3]
    assert make_cases(settings, Unit("fill", len(families)))[0].family == families[0]
    like = simulated(settings, Unit("level", 1), like=("particles", "nothing like it"))
    assert twin_of(like).surface.kind == "particles"


def test_half_of_the_scans_to_measure_have_steps_or_particles():
    settings = small(box="train")
    found = [twin_of(simulated(settings, Unit("metrology", k))).surface.kind for k in range(8)]
    assert found[1::2] == list(MEASURABLE)
    assert found[::2] == list(load_box("train").surfaces)[:4]


def test_harm_has_noise_and_nothing_else():
    for index in range(3):
        scan = simulated(small(box="train"), Unit("harm", index))
        twin = twin_of(scan)
        assert twin == only_noise(twin)
        assert (twin.electronics.flicker_nm, twin.electronics.hum, twin.mishaps) == (0, (), ())
        assert twin.scanner.drift_z_nm_s == twin.scanner.creep_z_nm == 0
        assert len(make_cases(small(box="train"), Unit("harm", index))) == 1


def test_there_is_no_such_box():
    with pytest.raises(BadRecipeError, match="no box"):
        make_cases(small(box="nowhere"), Unit("level", 0))


@pytest.mark.parametrize(("which", "rows"), [("table-3", 6), ("table-4", 5), ("ripple", 10)])
def test_the_seed_papers_tables(which, rows):
    found = seed_table(which, small(box="train", count=5))
    assert len(found["rows"]) == rows
    assert {len(row) for row in found["rows"]} == {len(found["head"])}
    numbers = found["numbers"]
    if which == "table-3":
        constant = numbers["a constant image"]
        assert constant["sigma_bg"]["mean"] == constant["rmse_line"]["mean"] == constant["gradient"]["mean"] == 0
        assert abs(constant["percent"]["mean"] - 100) < 1e-6
        assert numbers["Smart Flatten"]["rmse"]["scans"] >= 4
    if which == "table-4":
        assert numbers["bilinear"]["changed"]["mean"] == 0
        assert all(numbers[name]["ssim_truth"]["mean"] <= 1 for name in numbers)
    if which == "ripple":
        assert numbers["0°: nothing"]["rmse"]["mean"] > 0
    assert found == seed_table(which, small(box="train", count=5))


def test_there_is_no_other_table():
    with pytest.raises(BadParameterError, match="no table"):
        seed_table("table-5", small())


def test_the_ripple_is_that_of_the_paper():
    z = np.full((31, 41), 2.0)
    z[0, 0] = 0.0
    along = ripple(z + 5, 0, 0.0)
    assert abs(along[7, 25] - 2.0 * 1.4) < 1e-12, "a quarter of the period of 100 pixels"
    assert np.abs(np.diff(along[1:, 5])).max() < 1e-12
    across = ripple(z + 5, 90, 0.0)
    assert abs(across[25, 7] - 2.0 * 1.4) < 1e-12
    assert along[0, 0] == 0
