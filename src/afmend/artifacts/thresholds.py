"""Marks by height alone: outliers, features above or below the ground, and fixed thresholds."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.errors import BadParameterError
from afmend.pipeline import Field, Found, Knob, Params, step


class Outliers(Params):
    """Mark pixels that are far from the mean of the image (Gwyddion's rule)."""

    times: float = Knob(
        3.0, "Distance from the mean in rms; larger marks less.", unit="rms", gt=0, le=100, recommended=(2.5, 6)
    )


@step("mark.outliers", Outliers, version="1")
def outliers(field: Field, params: Outliers) -> Found:
    """Mark |z - mean| > times rms, both over all usable pixels.

    Not for images with tilt or tall features: their rms is not noise. Use `mark.spikes` there.
    """
    values = field.heights[field.usable]
    if values.size == 0:
        return Found(np.zeros(field.shape, dtype=np.bool_), "outlier")
    away = field.heights - np.mean(values)
    rms = float(np.sqrt(np.mean(np.square(away[field.usable]))))
    return Found((np.abs(away) > params.times * rms) & field.usable, "outlier", facts={"rms": rms})


class Features(Params):
    """Mark features (bumps and pits) as foreground, so that they do not steer a background fit."""

    above: float = Knob(
        3.0,
        "Height above the ground, in robust standard deviations, at which a feature begins; 0 = keep bumps in.",
        unit="sigma", ge=0, le=1000, step=0.1, recommended=(1, 5),
    )  # fmt: skip
    below: float = Knob(
        3.0,
        "Depth below the ground, in robust standard deviations, at which a feature begins; 0 = keep pits in.",
        unit="sigma", ge=0, le=1000, step=0.1, recommended=(1, 5),
    )  # fmt: skip
    rounds: int = Knob(
        5, "How often ground level and spread are estimated again without the features.", ge=1, le=50, advanced=True
    )


@step("mark.features", Features, version="1")
def features(field: Field, params: Features) -> Found:
    """Mark heights away from the ground by more than some robust standard deviations.

    Ground level and spread are the median and the scaled median absolute deviation of the pixels that are not
    features, estimated again until they stay. Level first: on a tilted image this marks the higher end.
    """
    values = field.heights[field.usable]
    ground = values
    low = high = center = spread = 0.0
    for _ in range(params.rounds if values.size else 0):
        center = float(np.median(ground))
        spread = robust_spread(ground - center)
        low = center - params.below * spread if params.below > 0 else -np.inf
        high = center + params.above * spread if params.above > 0 else np.inf
        kept = values[(values >= low) & (values <= high)]
        if kept.size in (0, ground.size):
            break
        ground = kept
    found = ((field.heights < low) | (field.heights > high)) & field.usable
    return Found(found, "features", "foreground", {"ground": center, "spread": spread})


def robust_spread(away: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Estimate the standard deviation from the median absolute value (normal noise); from the mean one if that is 0.

    The median is 0 where more than half of the values are equal: quantized or synthetic data.
    """
    sizes = np.abs(away)
    if sizes.size == 0:
        return 0.0
    middle = float(np.median(sizes))
    return 1.4826 * middle if middle > 0 else 1.2533 * float(np.mean(sizes))


class Threshold(Params):
    """Mark heights above or below fixed values, or the highest and lowest share of pixels."""

    unit: Literal["height", "quantile"] = Knob(
        "height", "Whether the limits are heights (in the channel's unit) or shares of the pixels (0 to 1)."
    )
    above: float | None = Knob(None, "Everything higher is marked; nothing if not given.")
    below: float | None = Knob(None, "Everything lower is marked; nothing if not given.")
    role: Literal["foreground", "artifact"] = Knob(
        "foreground", "foreground: right, but kept out of fits. artifact: wrong, will be filled."
    )
    name: str = Knob("threshold", "Name of the mask.")


@step("mark.threshold", Threshold, version="1")
def threshold(field: Field, params: Threshold) -> Found:
    """Mark heights beyond fixed limits; with no limit given nothing is marked.

    Raises
    ------
    BadParameterError
        If a quantile is not between 0 and 1.
    """
    limits = {"above": params.above, "below": params.below}
    if params.unit == "quantile":
        for name, limit in limits.items():
            if limit is not None and not 0 <= limit <= 1:
                raise BadParameterError(f"{name}: a quantile is between 0 and 1, got {limit}", now="0.99 = top 1 %.")
    found = np.zeros(field.shape, dtype=np.bool_)
    values = field.heights[field.usable]
    facts = {}
    for name, limit in limits.items():
        if limit is None or values.size == 0:
            continue
        height = float(np.quantile(values, limit)) if params.unit == "quantile" else limit
        found |= field.heights > height if name == "above" else field.heights < height
        facts[name] = height
    return Found(found & field.usable, params.name, params.role, facts)
