"""Metrology: what a user would measure after the whole recipe, against the same measurement on the ideal map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.components import find_components
from afmend.evaluation.bench.cases import GAUGE, KEY, Case
from afmend.evaluation.bench.task import OPEN, Column, Scores, Task, heights_of, run_on_scan, step_error
from afmend.evaluation.metrics.gauge import gauge_aligned
from afmend.evaluation.metrics.metrology import roughness_bias
from afmend.evaluation.metrics.particles import particle_errors
from afmend.scan import Scan
from afmend.scan.arrays import Mask

PARTICLES = "particle"
"""Families with this in their name, or in that of a part, have particles to measure."""
FEWEST_PX = 12


def score(case: Case, result: Scan) -> Scores:
    """Measure like a user on all pixels that were recorded, whatever a method marked, filled or left open."""
    heights = heights_of(case, result)
    channel = result.channels[KEY]
    counts = case.recorded
    open_px = counts & channel.holes & ~channel.invented
    bias = roughness_bias(heights, case.ideal, pixel_nm=case.pixel_nm, degree=GAUGE, usable=counts)
    aligned = gauge_aligned(heights, case.ideal, degree=GAUGE, usable=case.usable)
    scores = {
        "sq_error_percent": bias.Sq_percent,
        "sdq_error_percent": bias.Sdq_percent,
        "step_error_percent": step_error(case, heights, counts),
        OPEN: 100.0 * float(np.count_nonzero(open_px)) / float(np.count_nonzero(counts)),
    }
    if not any(PARTICLES in kind for kind in kinds_of(case)):
        return scores
    labels = particle_labels(case, counts)
    found = particle_errors(aligned, case.ideal, labels, case.pixel_nm)
    return scores | {
        "particle_height_error_percent": found.height_percent,
        "particle_diameter_error_percent": found.diameter_percent,
        "particle_volume_error_percent": found.volume_percent,
    }


def kinds_of(case: Case) -> list[str]:
    """Kinds of surface that make up a case's surface."""
    return [case.family, *(str(part["kind"]) for part in case.surface.get("parts", ()))]


def particle_labels(case: Case, counts: Mask) -> NDArray[Any]:
    """Label the particles of the ideal map: connected pixels above half of their height, clear of the image's edge.

    On a mixed surface the height is that above the map's opening by twice the size of a particle, which takes away
    terraces and hills. Particles of which a pixel does not count are left out.
    """
    from scipy.ndimage import white_tophat

    z = case.ideal
    if case.surface.get("parts"):
        radius_nm = max(part["radius_nm"] for part in case.surface["parts"] if PARTICLES in part["kind"])
        z = white_tophat(z, size=tuple(2 * round(2 * radius_nm / pixel) + 1 for pixel in case.pixel_nm))
    low, high = np.quantile(z, (0.5, 0.998))
    found = find_components(z > (low + high) / 2, diagonal=False)
    labels = found.labels
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1], labels[~counts]])
    dropped = found.area < FEWEST_PX
    dropped[np.unique(edge)] = True
    return np.where(dropped[labels], 0, labels)


def _column(key: str, title: str, about: str) -> Column:
    return Column(key, title, "zero", "difference", about)


TASK = Task(
    "metrology",
    "Measurements after the whole recipe",
    "Damaged scans through the whole recipe (marked, leveled, filled), measured as a user would, against the same "
    "measurement on the ideal map. All recorded pixels count, for every method, whether it marked, filled or left them "
    "open. Both maps are freed of a polynomial of degree 2. Means, medians and percentiles are of "
    "absolute errors; the bias has a sign.",
    (
        _column("sq_error_percent", "error of Sq, %", "roughness"),
        _column("sdq_error_percent", "error of Sdq, %", "slopes: noise raises it"),
        _column("step_error_percent", "error of step heights, %", "between terraces, after a plane that leaves them"),
        _column("particle_height_error_percent", "particle height, %", "median over the particles of a scan"),
        _column("particle_diameter_error_percent", "particle diameter, %", "at half height"),
        _column("particle_volume_error_percent", "particle volume, %", "above the ground around each"),
        Column(OPEN, "marked and left open, %", "low", "", "of the recorded pixels; they count as they stand"),
    ),
    run_on_scan,
    score,
)  # fmt: skip
