"""From a vendor's channel name to afmend's kind and direction: one table for all readers."""

from __future__ import annotations

import re

from afmend.scan import Direction

_HEIGHT = {"height", "topography", "topo", "z", "zaxis", "zheight", "zscale", "leftheight", "zscan", "zpiezo"}
_SENSOR = {
    "heightsensor",
    "zsensor",
    "heightmeasured",
    "zaxissensor",
    "measuredheight",
    "zsensorheight",
    "zlvdt",
    "lvdt",
}
_OTHER = {
    "lockinamplitude": "amplitude",
    "lockinphase": "phase",
    "freqshift": "frequency_shift",
    "frequencyshift": "frequency_shift",
    "verticaldeflection": "deflection",
    "lateraldeflection": "friction",
    "frictionforce": "friction",
    "lateral": "friction",
    "errorsignal": "error",
    "current": "current",
}
_TRACE = re.compile(r"[\s_\-(\[]*(?<![a-z])(trace|forward|fwd|left to right)[)\]]*$|(?<=[a-z])Trace$", re.IGNORECASE)
_RETRACE = re.compile(
    r"[\s_\-(\[]*(?<![a-z])(retrace|backward|bwd|right to left)[)\]]*$|(?<=[a-z])Retrace$", re.IGNORECASE
)


def kind_of(name: str) -> str:
    """Return afmend's kind for a vendor's channel name (without its direction).

    Unknown names become lower-case words joined by underscores; an empty name becomes "unnamed".

    Examples
    --------
    >>> kind_of("Height (measured)"), kind_of("Z-Axis"), kind_of("AmplitudeError"), kind_of("Pt 100")
    ('height_sensor', 'height', 'amplitude_error', 'pt_100')
    """
    squeezed = re.sub(r"[^a-z0-9]", "", name.lower())
    if squeezed in _HEIGHT:
        return "height"
    if squeezed in _SENSOR:
        return "height_sensor"
    if squeezed in _OTHER:
        return _OTHER[squeezed]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_") or "unnamed"


def split_direction(name: str) -> tuple[str, Direction]:
    """Split a direction word off the end of a channel name.

    Examples
    --------
    >>> split_direction("HeightRetrace"), split_direction("Z (Forward)"), split_direction("Phase")
    (('Height', 'retrace'), ('Z', 'trace'), ('Phase', 'unknown'))
    """
    for pattern, direction in ((_RETRACE, "retrace"), (_TRACE, "trace")):
        found = pattern.search(name)
        if found:
            return name[: found.start()].strip(), direction  # type: ignore[return-value]
    return name.strip(), "unknown"
