"""A file that holds or shows one channel gets the one that was worked on."""

from dataclasses import replace

import numpy as np
import pytest

import afmend
from afmend.formats import write
from afmend.scan import Channel, Grid, Masks, Scan
from support import assert_heights_close, rough

SHAPE = (14, 21)


def repaired(kind="phase"):
    hole = np.zeros(SHAPE, bool)
    hole[4:6, 3:9] = True
    values = rough(SHAPE, 3)
    values[hole] = -500.0  # a placeholder under pixels that were never measured
    channels = [
        Channel("height", "trace", rough(SHAPE, 1), "nm"),
        Channel("phase", "trace", values, "deg", masks=Masks(missing=hole)),
    ]
    return afmend.apply_step(Scan.of(Grid(*SHAPE, 2.0, 3.0), channels), "fill.laplace", kind)


@pytest.mark.parametrize("ending", ["gsf", "txt", "tiff", "npz"])
def test_a_repaired_phase_comes_back(tmp_path, ending):
    scan = repaired()
    back = afmend.read(write(scan, tmp_path / f"x.{ending}"))
    found = back.main if ending in ("gsf", "txt") else back.channel("phase")
    assert found.kind == "phase"
    assert found.unit == "deg"
    assert not found.missing.any()
    assert_heights_close(found.values, scan.channels["phase", "trace"].values, atol_nm=1e-6)


@pytest.mark.parametrize("ending", ["gsf", "txt", "tiff", "npz"])
def test_pixels_that_nobody_filled_stay_missing(tmp_path, ending):
    scan = repaired("height")
    only = replace(scan, channels={scan.find("phase"): scan.channel("phase")}, history=())
    back = afmend.read(write(only, tmp_path / f"x.{ending}"))
    assert np.array_equal(back.channel("phase").missing, scan.channel("phase").still_missing)
    assert back.channel("phase").missing.sum() == 12


def test_a_picture_shows_the_repaired_phase(tmp_path):
    scan = repaired()
    only = replace(scan, channels={scan.find("phase"): scan.channel("phase")})
    seen, wanted = write(scan, tmp_path / "a.png").read_bytes(), write(only, tmp_path / "b.png").read_bytes()
    assert seen == wanted
    assert seen != write(replace(scan, history=()), tmp_path / "c.png").read_bytes()


def test_gwyddion_shows_the_repaired_phase(tmp_path):
    data = write(repaired(), tmp_path / "x.gwy").read_bytes()
    assert b"/0/data/visible\0b\0" in data
    assert b"/1/data/visible\0b\1" in data
