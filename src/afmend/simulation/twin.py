"""The twin: from every number of a scan to the scan."""

from __future__ import annotations

from typing import Any

import numpy as np

from afmend import __version__
from afmend.scan import Acquisition, Channel, Grid, Masks, Record, Scan
from afmend.scan.arrays import Heights
from afmend.scan.scan import Source
from afmend.simulation.aftermath import spoil
from afmend.simulation.canvas import Canvas
from afmend.simulation.loop import faults
from afmend.simulation.params import Twin
from afmend.simulation.recording import WAYS, Recording, Way, shorter_part
from afmend.simulation.scanner import plane, travel
from afmend.simulation.scenes import check_size, make_scenes
from afmend.simulation.surfaces import make_surface
from afmend.simulation.tracking import track

VERSION = "3"
STEP = "twin"
EXTRA_MARGIN_PX = 8
"""Beyond the path of the tip, so that the edge of the canvas, where dilation is not exact, stays out of the scan."""
MARGIN_STEP_PX = 16
"""Margins come in steps, so that a little more drift does not make another random surface."""


def simulate(twin: Twin) -> Scan:
    """Simulate a scan: the same parameters give the same bytes.

    Parameters
    ----------
    twin : Twin
        From `drawing.draw`, or made by hand.

    Returns
    -------
    Scan
        ``height`` and ``error`` in both directions; ``ideal`` in both directions, what a perfect loop would have
        recorded with this tip, whose masks say where the heights are wrong; ``truth``, the surface itself. The
        history holds every parameter.

    Raises
    ------
    BadScanError, BadParameterError
        If the numbers contradict each other.
    """
    from afmend.simulation.loop_kernels import RAILED

    loop, scanner = twin.loop, twin.scanner
    cols = twin.shape[1]
    overscan, substeps = loop.overscan_px(cols), loop.samples_per_pixel(cols)
    path = travel(scanner, twin.shape, twin.pixel_nm, 1 / loop.line_rate_hz, overscan, substeps)
    slow, fast = path.margin(twin.shape)
    canvas = Canvas(twin.shape, twin.pixel_nm, (_margin(slow), _margin(fast)))
    check_size(canvas)
    surface = make_surface(twin.surface, canvas)
    scenes, still = make_scenes(twin, canvas, surface)
    tracked = track(scenes, path, canvas, loop, scanner)
    ideals = tracked.ideals if still is None else track(still, path, canvas, loop, scanner).ideals
    recording = _recording(twin, tracked.heights, ideals)
    for k, way in enumerate(WAYS):
        for kind, mask in faults(loop, tracked.lags[k], tracked.states[k]).items():
            recording.mark(way, kind, mask)
        if still is not None:
            recording.mark(way, "dragging", np.abs(tracked.ideals[k] - ideals[k]) > loop.visible_nm)
    _mark_tip_changes(twin, recording)
    if scanner.online_plane:
        for way in WAYS:
            recording.heights[way] -= plane(scanner, twin.shape)
    errors = {way: tracked.errors[k] for k, way in enumerate(WAYS)}
    railed = {way: (tracked.states[k] & RAILED) > 0 for k, way in enumerate(WAYS)}
    signals = spoil(twin, recording, errors, railed)
    return _scan(twin, recording, signals, canvas.scan_part(surface))


def _margin(path_px: int) -> int:
    return -(-(path_px + EXTRA_MARGIN_PX) // MARGIN_STEP_PX) * MARGIN_STEP_PX


def _recording(twin: Twin, heights: Heights, ideals: Heights) -> Recording:
    loop, cols = twin.loop, twin.shape[1]
    return Recording(
        {way: heights[k] for k, way in enumerate(WAYS)},
        {way: ideals[k] for k, way in enumerate(WAYS)},
        line_s=1 / loop.line_rate_hz,
        pixel_s=loop.pixel_s(cols),
        overscan_px=loop.overscan_px(cols),
        pixel_nm=twin.pixel_nm,
    )


def _mark_tip_changes(twin: Twin, recording: Recording) -> None:
    """Mark the shorter part of the line in which the tip changes; what follows is right, with another tip."""
    rows, cols = twin.shape
    for change in twin.tip_changes:
        if change.row < rows and change.col < cols:
            mask = np.zeros(twin.shape, dtype=np.bool_)
            mask[change.row, shorter_part(np.arange(cols) >= change.col)] = True
            recording.mark("trace", "tip_change", mask)


def _scan(twin: Twin, recording: Recording, signals: Recording, truth: Heights) -> Scan:
    rows, cols = twin.shape
    channels = [_measured("height", recording, way) for way in WAYS]
    channels += [_measured("error", signals, way) for way in WAYS]
    channels += [_ideal(recording, way) for way in WAYS]
    channels += [Channel("truth", "unknown", truth, "nm", "Truth")]
    key = channels[0].key
    wrong = {kind for way in WAYS for kind in recording.masks[way]}
    facts = {"artifacts": sorted(wrong | set(twin.artifacts)), "clean": not twin.artifacts}
    record = Record(STEP, VERSION, twin.to_json(), key, "", channels[0].digest(), __version__, facts)
    return Scan.of(
        Grid(rows, cols, twin.pixel_nm[0], twin.pixel_nm[1]),
        channels,
        history=(record,),
        acquisition=_acquisition(twin),
        header={"note": "Simulated by the twin; the channels ideal and truth hold what no instrument knows."},
        source=Source(file=twin.name, format="twin"),
    )


def _measured(kind: str, recording: Recording, way: Way) -> Channel:
    name, missing = _name(kind.capitalize(), way), recording.missing[way]
    return Channel.from_raw(kind, way, recording.heights[way], "nm", name=name, missing=missing)


def _ideal(recording: Recording, way: Way) -> Channel:
    """Return the ideal with the masks, but for pixels that were never recorded: there is nothing wrong to find."""
    there = ~recording.missing[way]
    masks = Masks(artifact={kind: mask & there for kind, mask in recording.masks[way].items()})
    return Channel("ideal", way, recording.ideal[way], "nm", _name("Ideal", way), masks=masks)


def _name(what: str, way: Way) -> str:
    return f"{what} {'Trace' if way == 'trace' else 'Retrace'}"


def _acquisition(twin: Twin) -> Acquisition:
    loop = twin.loop
    facts: dict[str, Any] = {"integral_gain": loop.integral_hz, "proportional_gain": loop.proportional}
    return Acquisition(
        instrument="afmend twin", mode=f"{loop.mode} (simulated)", scan_direction="down",
        line_rate_hz=loop.line_rate_hz, setpoint=loop.pushed_nm, setpoint_unit="nm",
        frame_time_s=twin.shape[0] / loop.line_rate_hz, **facts,
    )  # fmt: skip


def twin_of(scan: Scan) -> Twin:
    """Return the parameters of a simulated scan, from its history: ``simulate`` of them gives the same scan.

    Raises
    ------
    BadScanError
        If the scan was not simulated.
    """
    from afmend.errors import BadScanError

    if not scan.history or scan.history[0].step != STEP:
        raise BadScanError("this scan has no twin in its history", now="Only simulated scans have one.")
    return Twin.parse(scan.history[0].params, STEP)
