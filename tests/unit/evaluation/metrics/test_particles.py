import math

import numpy as np
import pytest

from afmend.errors import BadParameterError, BadScanError, StepError
from afmend.evaluation.metrics.particles import particle_errors, particle_metrology

SHAPE = (200, 190)
PIXEL_NM = (1.0, 1.5)
CENTERS = ((60, 50), (135, 130))
RADIUS_NM, CAP_NM = 40.0, 12.0


def caps(height_nm: float = CAP_NM, centers: tuple = CENTERS) -> tuple[np.ndarray, np.ndarray]:
    """Spherical caps on the plane z = 0, and their labels."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    heights, labels = np.zeros(SHAPE), np.zeros(SHAPE, int)
    for number, (row, col) in enumerate(centers, start=1):
        away = ((y - row) * PIXEL_NM[0]) ** 2 + ((x - col) * PIXEL_NM[1]) ** 2
        cap = np.sqrt(np.maximum(RADIUS_NM**2 - away, 0)) - (RADIUS_NM - CAP_NM)
        inside = cap > 0
        heights[inside] = cap[inside] * height_nm / CAP_NM
        labels[inside] = number
    return heights, labels


def test_spherical_caps_of_known_size():
    heights, labels = caps()
    got = particle_metrology(heights + 7.0, labels, PIXEL_NM)
    half = 2 * math.sqrt(RADIUS_NM**2 - (RADIUS_NM - CAP_NM / 2) ** 2)
    volume = math.pi * CAP_NM**2 * (3 * RADIUS_NM - CAP_NM) / 3
    assert list(got.labels) == [1, 2]
    assert got.height_nm == pytest.approx([CAP_NM] * 2, abs=1e-9)
    assert got.diameter_nm == pytest.approx([half] * 2, rel=0.01)
    assert got.volume_nm3 == pytest.approx([volume] * 2, rel=0.005)


def test_local_ground_cancels_a_tilt_and_steps_far_away():
    heights, labels = caps()
    tilt = np.add.outer(0.02 * np.arange(SHAPE[0]), 0.03 * np.arange(SHAPE[1]))
    tilt[:, 170:] += 50.0
    got, want = (particle_metrology(z, labels, PIXEL_NM) for z in (heights + tilt, heights))
    assert got.height_nm == pytest.approx(want.height_nm, abs=0.1)
    assert got.volume_nm3 == pytest.approx(want.volume_nm3, rel=0.02)


def test_the_body_reaches_beyond_its_footprint_but_not_into_a_neighbor():
    heights, labels = caps()
    small = labels * (heights > 2.0)
    got = particle_metrology(heights, small, PIXEL_NM)
    want = particle_metrology(heights, labels, PIXEL_NM)
    assert got.diameter_nm == pytest.approx(want.diameter_nm)
    assert got.volume_nm3 == pytest.approx(want.volume_nm3, rel=0.01)
    near_heights, near = caps(centers=((50, 50), (50, 92)))
    assert not (near == 0).all()
    assert particle_metrology(near_heights, near, PIXEL_NM).height_nm == pytest.approx([CAP_NM] * 2)


def test_errors_in_percent():
    truth, labels = caps()
    got = particle_errors(0.9 * truth + 3.0, truth, labels, PIXEL_NM)
    assert got.height_percent == pytest.approx(-10)
    assert got.diameter_percent == pytest.approx(0)
    assert got.volume_percent == pytest.approx(-10)
    assert (got.particles, got.dropped) == (2, 0)
    gone = particle_errors(np.zeros(SHAPE), truth, labels, PIXEL_NM)
    assert (gone.height_percent, gone.diameter_percent, gone.volume_percent) == (-100, -100, -100)


def test_particles_without_ground_or_height_are_dropped():
    truth, labels = caps()
    crowded = labels.copy()
    crowded[labels == 0] = 9
    got = particle_metrology(truth, crowded, PIXEL_NM)
    assert list(got.labels) == [1, 2, 9]
    assert np.isnan(got.height_nm).all()
    errors = particle_errors(truth, truth, crowded, PIXEL_NM)
    assert math.isnan(errors.height_percent)
    assert (errors.particles, errors.dropped) == (0, 3)
    more = labels.copy()
    more[:4, :4] = 7
    errors = particle_errors(truth, truth, more, PIXEL_NM)
    assert (errors.height_percent, errors.particles, errors.dropped) == (0, 2, 1)
    none = particle_errors(truth, truth, np.zeros(SHAPE, np.uint8), PIXEL_NM)
    assert math.isnan(none.volume_percent)
    assert (none.particles, none.dropped) == (0, 0)


def test_bad_input_is_refused():
    truth, labels = caps()
    with pytest.raises(BadScanError, match="labels are float64"):
        particle_metrology(truth, labels.astype(float), PIXEL_NM)
    with pytest.raises(BadScanError, match="labels are int"):
        particle_metrology(truth, labels[1:], PIXEL_NM)
    with pytest.raises(BadScanError, match="labels are int"):
        particle_metrology(truth, labels - 1, PIXEL_NM)
    with pytest.raises(BadParameterError, match="pixels of"):
        particle_metrology(truth, labels, (1.0, 0.0))
    with pytest.raises(StepError, match="not finite"):
        particle_metrology(truth * np.nan, labels, PIXEL_NM)
    with pytest.raises(BadScanError, match="shape"):
        particle_errors(truth, truth[1:], labels, PIXEL_NM)
