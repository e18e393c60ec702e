import json
import math

import numpy as np
import pytest

from afmend.errors import MissingChannelError, StepError
from afmend.evaluation.statistics import rms_slope, roughness, statistics, step_heights
from afmend.scan import Channel, Grid, Masks, Scan
from support import rough, scan_of

SHAPE = (24, 37)


def test_roughness_of_a_sine_and_of_two_levels():
    wave = np.tile(np.sin(2 * np.pi * (np.arange(64) + 0.5) / 64), (5, 1)) * 3 + 10
    got = roughness(wave)
    assert got["Sq"] == pytest.approx(3 / math.sqrt(2))
    assert got["Sa"] == pytest.approx(6 / math.pi, rel=1e-3)
    assert got["Ssk"] == pytest.approx(0, abs=1e-12)
    assert got["Sku"] == pytest.approx(1.5)
    assert got["mean"] == pytest.approx(10)
    assert got["Sdq"] is None
    levels = np.repeat([[0.0, 4.0]], 6, axis=0)
    got = roughness(levels, pixel_nm=(2.0, 8.0))
    assert (got["Sa"], got["Sq"], got["Sz"], got["Sku"], got["median"]) == (2, 2, 4, 1, 2)
    assert (got["Sp"], got["Sv"], got["minimum"], got["maximum"]) == (2, 2, 0, 4)
    assert got["Sdq"] == pytest.approx(math.sqrt(2 * 6 * 0.5**2 / 16))


def test_flat_surfaces_have_no_shape_and_empty_ones_no_numbers():
    got = roughness(np.full(SHAPE, 1e6 / 3))
    assert got["Ssk"] is None
    assert got["Sku"] is None
    assert got["Sz"] == 0
    with pytest.raises(StepError, match="no pixel to measure"):
        roughness(np.zeros(SHAPE), np.zeros(SHAPE, bool))
    assert rms_slope(np.zeros(SHAPE), np.indices(SHAPE).sum(axis=0) % 2 == 0, (1.0, 1.0)) is None


def test_statistics_know_missing_and_invented_pixels():
    values = rough(SHAPE)
    missing, scar = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    missing[0] = True
    scar[5, 3:9] = True
    values[0], values[5, 3:9] = 1e3, 50.0
    sigma = np.zeros(SHAPE)
    sigma[5, 3:9] = 0.2
    masks = Masks(missing=missing, artifact={"scar": scar})
    channel = Channel("height", "unknown", values, "nm", masks=masks, uncertainty=sigma)
    scan = Scan.of(Grid(*SHAPE, 2.0, 3.0), [channel])
    whole, measured = statistics(scan), statistics(scan, repaired="without")
    assert (whole.pixels, measured.pixels) == (SHAPE[0] * SHAPE[1] - 37, SHAPE[0] * SHAPE[1] - 43)
    assert whole.maximum == 50
    assert measured.maximum < 10
    assert whole.invented_fraction == pytest.approx(6 / values.size)
    assert measured.channel == "height"
    assert measured.unit == "nm"
    assert json.loads(json.dumps(measured.to_json()))["Sq"] == measured.Sq
    unfilled = Scan.of(scan.grid, [Channel("height", "unknown", values, "nm", masks=masks)])
    assert statistics(unfilled).maximum < 10


def test_statistics_of_other_channels_and_grids():
    values = rough(SHAPE)
    scan = Scan.of(Grid.uncalibrated(SHAPE), [Channel("phase", "trace", values, "deg")])
    got = statistics(scan, "phase")
    assert got.unit == "deg"
    assert got.Sdq is None
    assert statistics(scan_of(values)).Sdq > 0
    with pytest.raises(MissingChannelError):
        statistics(scan)


def terraces(noise: float, seed: int = 0) -> np.ndarray:
    y, x = np.mgrid[:90, :150]
    return np.floor((x + 0.3 * y) / 40) * 0.31 + np.random.default_rng(seed).normal(0, noise, x.shape)


def test_step_heights_of_terraces():
    got = step_heights(terraces(0.04))
    assert len(got.levels) == 5
    assert np.abs(np.array(got.heights) - 0.31).max() < 0.01
    assert np.abs(np.array(got.widths) - 0.04).max() < 0.01
    mask = terraces(0.0) < 0.7
    assert len(step_heights(terraces(0.04), mask).levels) == 3


def test_no_step_heights_without_clear_peaks():
    y, x = np.mgrid[:90, :150]
    rng = np.random.default_rng(1)
    assert step_heights(terraces(0.2)) is None
    assert step_heights(rng.normal(0, 1, x.shape)) is None
    assert step_heights(0.1 * x + 0.01 * y) is None
    assert step_heights(np.zeros((20, 30))) is None
    assert step_heights(np.zeros((3, 4))) is None
    assert step_heights(rough((90, 150), 2, smooth_px=6.0)) is None
    alone = np.zeros(x.shape)
    alone[4:6, 5:9] = 5.0
    assert step_heights(alone + rng.normal(0, 0.01, x.shape)) is None
