"""Boxes and drawing from them."""

import numpy as np
import pytest

from afmend.errors import AfmendError, BadParameterError, BadRecipeError
from afmend.formats import write
from afmend.pipeline.recipe import read_yaml
from afmend.simulation.box import built_in_boxes, load_box, widened
from afmend.simulation.drawing import draw
from afmend.simulation.twin import simulate
from support import assert_heights_close, rough, scan_of

SMALL = """
name: small
clean: 0.0
let: {rows: 24, cols: 36}
surfaces:
  gaussian:
    let: {pixel: {log: [1, 4]}}
    params: {seed: {int: [0, 9]}, sq_nm: {uniform: [1, 3]}, correlation_nm: {log: [4, 8], times: pixel}}
  grating: {weight: 0}
base:
  let: {white: {log: [0.01, 0.1], times: height}}
  electronics: {white_nm: white}
artifacts:
  scar:
    p: 1
    mishap:
      kind: scar
      events:
        repeat: {log_int: [2, 5]}
        each: {row: {int: [0, rows]}, height_nm: {sign: {expr: "-2 * height + 3 ** 2 - 9"}}}
  fast:
    p: 1
    let: {wish: {choice: [{expr: "5000 / 2"}]}}
    set: {loop: {integral_hz: wish}}
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return load_box(path)


def test_a_box_draws_what_it_says(small):
    for seed in range(20):
        twin = draw(small, seed)
        assert twin.shape == (24, 36)
        assert 1 <= twin.surface.sq_nm <= 3
        assert 4 <= twin.surface.correlation_nm / twin.pixel_nm[1] <= 8
        assert 0.01 <= twin.electronics.white_nm / twin.surface.sq_nm <= 0.1
        assert 2 <= len(twin.mishaps[0].events) <= 5
        assert all(abs(abs(e.height_nm) - 2 * twin.surface.sq_nm) < 1e-9 for e in twin.mishaps[0].events)
        assert twin.loop.integral_hz == 2500
        assert twin.artifacts == ("scar", "fast")
        assert twin.name == f"small-{seed}"


def test_the_same_seed_gives_the_same_scan_and_another_seed_another(small):
    assert draw(small, 3) == draw(small, 3)
    assert draw(small, 3).surface != draw(small, 4).surface


def test_parts_do_not_depend_on_each_other(small):
    assert draw(small, 3, artifacts=[]).surface == draw(small, 3).surface
    assert draw(small, 3, artifacts=["scar"]).mishaps == draw(small, 3).mishaps
    assert draw(small, 3, artifacts=[]).artifacts == ()


def test_choices_can_be_forced(small):
    twin = draw(small, 1, shape=(16, 20), surface="grating", artifacts=["fast"])
    assert (twin.shape, twin.surface.kind, twin.artifacts) == ((16, 20), "grating", ("fast",))
    for wrong in ({"surface": "moon"}, {"artifacts": ["moon"]}, {"shape": (4, 100)}, {"shape": (10**5, 10**5)}):
        with pytest.raises(BadRecipeError):
            draw(small, 1, **wrong)


def test_a_real_scan_can_be_the_surface(small, tmp_path):
    z = rough((40, 56), 2, sq_nm=3.0)
    path = write(scan_of(z), tmp_path / "real.gwy")  # pixels of 2 nm x 3 nm
    twin = draw(small, 1, base=path, artifacts=[])
    assert (twin.shape, twin.pixel_nm, twin.surface.kind) == ((40, 56), (2.0, 3.0), "measured")
    truth = simulate(twin).channel("truth").values
    y, x = np.mgrid[:40, :56]
    plane = np.stack([np.ones(z.size), x.ravel(), y.ravel()], axis=1)
    flat = z - (plane @ np.linalg.lstsq(plane, z.ravel(), rcond=None)[0]).reshape(z.shape)
    assert_heights_close(truth, flat, atol_nm=1e-6)
    assert draw(small, 1, base=path, shape=(20, 30), artifacts=[]).shape == (20, 30)
    path.write_bytes(b"")
    with pytest.raises(AfmendError):
        draw(small, 1, base=path)


def test_clean_scans_come_as_often_as_the_box_says():
    box = load_box("train")
    clean = [not draw(box, seed, shape=(16, 16)).artifacts for seed in range(200)]
    assert 0.06 < np.mean(clean) < 0.22


def test_the_shifted_box_lays_itself_over_train_and_has_families_of_its_own():
    train, shifted = load_box("train"), load_box("shifted")
    assert set(built_in_boxes()) == {"shifted", "train", "wide"}
    assert {"line_shift", "fringes"} == set(shifted.artifacts) - set(train.artifacts)
    assert shifted.base["let"]["noise"] == {"log": [0.01, 0.25]}
    assert shifted.base["let"]["drift_z"] == train.base["let"]["drift_z"]
    assert shifted.artifacts["scar"]["mishap"]["events"]["each"]["width"] == {"weighted": {1: 10, 2: 5, 3: 2, 4: 1}}
    kinds = {mishap.kind for seed in range(60) for mishap in draw(train, seed, shape=(16, 16)).mishaps}
    assert not kinds & {"line_shift", "fringes"}
    assert draw(train, 5, shape=(32, 32)).surface != draw(shifted, 5, shape=(32, 32)).surface


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{log: [1, 4]}", "{log: [0, 4]}"),
        ("{log: [1, 4]}", "{log: 3}"),
        ("{int: [0, 9]}", "{int: [9, 0]}"),
        ("-2 * height + 3 ** 2 - 9", "__import__('os')"),
        ("-2 * height + 3 ** 2 - 9", "height / 0"),
        ("-2 * height + 3 ** 2 - 9", "2 *"),
        ("-2 * height + 3 ** 2 - 9", "moon"),
        ("{choice: [{expr", "{weighted: [{expr"),
        ("repeat: {log_int: [2, 5]}", "repeat: many"),
        ("repeat: {log_int: [2, 5]}", "repeat: 100000000"),
        ("repeat: {log_int: [2, 5]}", "repeat: {expr: '9 ** 9 ** 9'}"),
        ("-2 * height + 3 ** 2 - 9", "(0 - 1) ** 0.5"),
        ("-2 * height + 3 ** 2 - 9", "1 + " * 60 + "1"),
        ("rows: 24", "rows: .nan"),
        ("rows: 24", "rows: [1]"),
        ("rows: 24", "rows: null"),
        ("{weight: 0}", "{weight: -1}"),
        ("{weight: 0}", "{weight: .nan}"),
        ("p: 1", "p: often"),
        ("p: 1", "surfaces: 5"),
        ("p: 1", "moon: 5"),
        ("set: {loop", "set: 5\n    moon: {loop"),
        ("name: small", "name: ../../evil"),
        ("name: small", "name: ''"),
        ("name: small", "name: 7"),
        ("{sign: {expr", "{weighted: [1]}\n          col: {sign: {expr"),
        ("times: height}", "times: moon}"),
    ],
)
def test_nonsense_is_one_clear_error(tmp_path, old, new):
    assert old in SMALL
    path = tmp_path / "bad.yaml"
    path.write_text(SMALL.replace(old, new))
    with pytest.raises((BadRecipeError, BadParameterError)):
        draw(load_box(path), 0)


@pytest.mark.parametrize(
    "text",
    ["3", "name: x", "{name: x, surfaces: [], moon: 1}", "{name: x, surfaces: 3}", "{name: x, surfaces: {a: 3}}",
     "a: &b 1", "{name: x, surfaces: {gaussian: {}}, like: moon}", "{name: x, surfaces: {gaussian: {}}, clean: often}",
     "{name: x, surfaces: {gaussian: {}}, widen: 0.5}", "{name: x, surfaces: {gaussian: {}}, widen: much}"],
)  # fmt: skip
def test_a_file_that_is_no_box(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(BadRecipeError):
        load_box(path)


def test_widening_stretches_ranges_of_numbers():
    tree = {
        "a": {"log": [1, 4], "times": "pixel"}, "b": [{"log_int": [1, 10]}], "c": {"uniform": [0.2, 0.8]},
        "d": {"uniform": [-4, 4]}, "e": {"log": [1, "rows"]}, "f": {"choice": [{"log_int": [6, 9]}, 3]},
        "g": {"uniform": [0, 1]},
    }  # fmt: skip
    assert widened(tree, 2.0) == {
        "a": {"log": [0.5, 8], "times": "pixel"}, "b": [{"log_int": [1, 20]}], "c": {"uniform": [0.1, 0.9]},
        "d": {"uniform": [-4, 4]}, "e": {"log": [1, "rows"]}, "f": {"choice": [{"log_int": [3, 18]}, 3]},
        "g": {"uniform": [0, 1]},
    }  # fmt: skip
    assert widened(tree, 1.0) == tree


def test_the_wide_box_is_train_with_wider_ranges():
    train, wide = load_box("train"), load_box("wide")
    assert wide.artifacts["scar"]["let"]["tall"]["log"] == [2 / 1.5, 25 * 1.5]
    assert (wide.clean, list(wide.surfaces), list(wide.artifacts)) == (
        train.clean,
        list(train.surfaces),
        list(train.artifacts),
    )
    spread = [
        np.ptp([np.log(draw(box, seed, surface="grains", artifacts=[]).surface.size_nm) for seed in range(40)])
        for box in (train, wide)
    ]
    assert spread[1] > spread[0] + 0.3


def test_no_box_and_no_file(tmp_path):
    with pytest.raises(BadRecipeError, match="train"):
        load_box("moon")
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadRecipeError):
        load_box(path)
    with pytest.raises(BadRecipeError):
        read_yaml("[" * 5000)
