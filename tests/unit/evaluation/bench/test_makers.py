"""Cases from the twin itself: small, a few of them."""

import math

import numpy as np
import pytest

from afmend.errors import BadParameterError, BadRecipeError
from afmend.evaluation.bench.makers import MEASURABLE, make_cases, only_noise, simulated
from afmend.evaluation.bench.plan import Unit, settings_of
from afmend.evaluation.bench.roughness_table import roughness_table
from afmend.evaluation.bench.seed_tables import ripple, seed_table
from afmend.evaluation.bench.tasks.clean import ALONG_LINES, AS_DRAWN
from afmend.simulation.box import load_box
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces.fibers import fiber_list
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


def test_every_other_clean_scan_lies_along_the_lines():
    settings = small(count=12)
    off = {"grating": [], "terraces": [], "fibers": []}
    for index in range(1, 12, 2):
        scan = simulated(settings, Unit("clean", index))
        twin = twin_of(scan)
        assert twin == only_noise(twin)
        (case,) = make_cases(settings, Unit("clean", index))
        assert case.groups["direction"] == ALONG_LINES
        surface = twin.surface
        if surface.kind == "fibers":
            angles = [math.degrees(np.polyfit(chain.x_nm, chain.y_nm, 1)[0]) for chain in chains_of(twin)]
            assert len(angles) >= 8
            assert np.ptp(angles) < 0.3
            off["fibers"] += angles
        else:
            off[surface.kind].append((surface.angle_deg if surface.kind == "grating" else surface.direction_deg) - 90)
    assert all(0 < max(map(abs, angles)) < 1.2 for angles in off.values())
    (plain,) = make_cases(settings, Unit("clean", 0))
    assert plain.groups["direction"] == AS_DRAWN
    assert_heights_close(plain.heights, make_cases(settings, Unit("harm", 0))[0].heights, atol_nm=0)


def chains_of(twin):
    return fiber_list(twin.surface, Canvas(twin.shape, twin.pixel_nm))


def test_ridges_of_a_grating_along_the_lines_are_lines():
    settings = small(size=96, count=12)
    (case,) = make_cases(settings, Unit("clean", 3))
    assert case.family == "grating"
    across, along = np.abs(np.diff(case.ideal, axis=0)).mean(), np.abs(np.diff(case.ideal, axis=1)).mean()
    assert across > 10 * along


def test_roughness_is_lowered_by_leveling_and_corrected():
    settings = small(box="train", size=192, count=12)
    found = roughness_table(settings)
    numbers = found["numbers"]
    assert len(found["rows"]) == len(numbers) == 5
    assert {len(row) for row in found["rows"]} == {len(found["head"])}
    assert numbers["lines: degree 2"]["raw"]["scans"] >= 3
    raw = [
        numbers[name]["raw"]["value"] for name in ("image: plane", "lines: mean", "lines: degree 1", "lines: degree 2")
    ]
    assert raw == sorted(raw, reverse=True)
    assert raw[-1] < -5
    for name in ("lines: mean", "lines: degree 1", "lines: degree 2"):
        assert abs(numbers[name]["corrected"]["value"]) < 0.7 * abs(numbers[name]["raw"]["value"])
    assert "of 12 scans" in found["notes"][0]


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
        assert numbers["Smart Flatten"]["rmse"]["count"] >= 4
        assert numbers["Smart Flatten"]["percent"]["median"] > 3 * numbers["global polynomial 2"]["percent"]["median"]
        tilts = [numbers[name]["tilt"] for name in numbers]
        assert {tilt["count"] for tilt in tilts} == {3}, "one of four scans was not tilted"
        assert all(0.4 < tilt["mean"] <= 1 for tilt in tilts)
    if which == "table-4":
        changed = {name: numbers[name]["changed"]["mean"] for name in numbers}
        seed = changed.pop("seed (expand + directional + smooth)")
        assert set(changed.values()) == {0}
        assert 0.1 < seed < 20, "whole lines are filled and smoothed"
        assert numbers["afmend fill.auto"]["rmse"]["mean"] < 0.8 * numbers["Telea (no expand)"]["rmse"]["mean"]
        assert all(0.5 < numbers[name]["ssim_truth"]["mean"] < 0.95 for name in numbers)
    if which == "ripple":
        assert 10 < numbers["0°: nothing"]["percent"]["mean"] < 60, "0.4 of the height, where it is high"
        plain, same = (numbers[f"0°: {name}"]["rmse"]["mean"] for name in ("nothing", "global polynomial 2"))
        assert abs(plain - same) < 1e-9, "a polynomial of degree 2 does not count"
        assert numbers["0°: Smart Flatten"]["sigma_bg"]["mean"] < numbers["0°: nothing"]["sigma_bg"]["mean"]
        assert numbers["0°: Smart Flatten"]["rmse"]["mean"] > plain, "a better sigma_bg, a worse surface"
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
