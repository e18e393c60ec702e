"""The twin as a whole: what comes out, that it is exact where it must be, and that it can be made again."""

import numpy as np
import pytest

from afmend.errors import AfmendError, BadScanError, MissingChannelError
from afmend.formats import read, write
from afmend.recipes import repair, replay
from afmend.simulation import artifact_masks, as_measured, draw, ideal_of, load_box, simulate, truth_of, twin_of
from afmend.simulation.canvas import Canvas
from afmend.simulation.params import Twin
from afmend.simulation.recording import WAYS
from afmend.simulation.surfaces import make_surface
from afmend.tip import dilate, erode
from afmend.tip.shapes import tip_array
from support import assert_heights_close, scan_of

SHAPE = (40, 56)
PERFECT = {
    "shape": SHAPE,
    "pixel_nm": (3.0, 2.0),
    "surface": {"kind": "gaussian", "sq_nm": 2.0, "correlation_nm": 14.0, "seed": 3},
    "loop": {"mode": "contact", "integral_hz": 1e5, "free_nm": 1e4, "pushed_nm": 1e4},
    "electronics": {"white_nm": 0.0},
}
BUSY = {
    **PERFECT,
    "tip": {"kind": "sphere_cone", "radius_nm": 5.0},
    "scanner": {"tilt_fast_nm": 12.0, "bow_slow_nm": 3.0, "drift_slow_nm_s": 0.02, "hysteresis": 0.01},
    "electronics": {"white_nm": 0.1, "flicker_nm": 0.2, "hum": [{"frequency_hz": 50, "amplitude_nm": 0.1}]},
    "mishaps": [
        {"kind": "unfinished", "row": 30},
        {"kind": "scar", "events": [{"row": 9, "col": 10, "length_px": 20, "height_nm": 8.0, "direction": "both"}]},
    ],
    "artifacts": ["scar", "unfinished"],
}


def made(**changes):
    return simulate(Twin.parse({**PERFECT, **changes}))


def test_a_perfect_instrument_records_the_truth():
    """But for the mean over the time of a pixel, which lowers peaks by an eighth of their second difference."""
    scan = made()
    for way in WAYS:
        assert_heights_close(scan.channel(f"height/{way}").values, truth_of(scan).values, atol_nm=0.08)
        assert_heights_close(ideal_of(scan, way).values, truth_of(scan).values, atol_nm=0.08)
        assert artifact_masks(scan, way) == {}
    assert scan.history[0].facts["clean"] is True


def test_truth_is_the_surface_and_ideal_the_dilated_one():
    tip = {"kind": "sphere_cone", "radius_nm": 20.0}
    scan = made(tip=tip)
    twin = twin_of(scan)
    surface = make_surface(twin.surface, Canvas(SHAPE, (3.0, 2.0), (16, 16)))
    assert_heights_close(truth_of(scan).values, surface[16:-16, 16:-16], atol_nm=0)
    shape = tip_array(twin.tip, (3.0, 2.0), float(np.ptp(surface)))
    imaged = dilate(surface, shape)
    assert_heights_close(ideal_of(scan).values, imaged[16:-16, 16:-16], atol_nm=0.3)
    assert (ideal_of(scan).values - truth_of(scan).values).min() > -0.1
    # Erosion of what the tip imaged bounds the surface from above.
    assert (erode(imaged, shape) - surface).min() > -1e-9


def test_what_comes_out():
    scan = simulate(Twin.parse(BUSY))
    assert [str(key) for key in scan.channels] == [
        "height/trace", "height/retrace", "error/trace", "error/retrace", "ideal/trace", "ideal/retrace", "truth",
    ]  # fmt: skip
    assert str(scan.find()) == "height/trace"
    assert str(scan.main.key) == "height/trace"
    measured = scan.channel("height/trace")
    assert measured.masks.artifact == {}
    assert measured.missing[30:].all()
    assert not measured.missing[:30].any()
    assert scan.grid.pixel_nm == (3.0, 2.0)
    assert scan.acquisition.line_rate_hz == 1.0
    scar = artifact_masks(scan)["scar"]
    assert scar[9, 12:28].all()
    assert not scar[:8].any()
    facts = scan.history[0].facts
    assert {"scar", "unfinished"} <= set(facts["artifacts"])
    assert facts["clean"] is False


def test_masks_hold_what_is_wrong_and_nothing_of_what_is_right():
    scan = simulate(Twin.parse({**BUSY, "scanner": {}, "electronics": {"white_nm": 0.0}}))
    wrong = np.zeros(SHAPE, bool)
    for mask in artifact_masks(scan).values():
        wrong |= mask
    known = ~scan.channel("height/trace").missing
    difference = np.abs(scan.channel("height/trace").values - ideal_of(scan).values)
    assert difference[known & ~wrong].max() < 0.1
    assert np.median(difference[artifact_masks(scan)["scar"]]) > 2


def test_tilt_bow_and_drift_are_not_in_the_ideal():
    scan = made(scanner={"tilt_fast_nm": 30.0, "bow_slow_nm": 5.0, "drift_z_nm_s": 0.5})
    assert_heights_close(ideal_of(scan).values, truth_of(scan).values, atol_nm=0.08)
    assert np.ptp(scan.channel("height/trace").values - truth_of(scan).values) > 30


def test_an_online_plane_is_subtracted():
    tilted = made(scanner={"tilt_fast_nm": 30.0, "online_plane": True})
    assert_heights_close(tilted.channel("height/trace").values, made().channel("height/trace").values, atol_nm=0.05)


def test_drift_moves_the_image_and_the_ideal_alike():
    moved = made(scanner={"drift_fast_nm_s": 0.5, "drift_slow_nm_s": 0.2})
    assert np.abs(ideal_of(moved).values - truth_of(moved).values).max() > 0.3
    assert_heights_close(moved.channel("height/trace").values, ideal_of(moved).values, atol_nm=0.02)


def test_same_numbers_same_bytes_and_back_from_the_history():
    first, second = simulate(Twin.parse(BUSY)), simulate(Twin.parse(BUSY))
    again = simulate(twin_of(first))
    for key, channel in first.channels.items():
        assert channel == second.channels[key] == again.channels[key]
    with pytest.raises(BadScanError, match="no twin"):
        twin_of(scan_of(np.ones((9, 9))))


def test_a_method_sees_no_truth():
    seen = as_measured(simulate(Twin.parse(BUSY)))
    assert {key.kind for key in seen.channels} == {"height", "error"}
    assert (seen.history, seen.source.file, dict(seen.header)) == ((), "", {})
    with pytest.raises(MissingChannelError, match="afmend twin"):
        truth_of(seen)


def test_a_tip_change_dilates_what_follows_and_shifts_it():
    tips = {"tip": {"kind": "sphere_cone", "radius_nm": 2.0}}
    change = {"row": 20, "col": 12, "offset_nm": 5.0, "tip": {"kind": "parabola", "radius_nm": 60.0}}
    plain, changed = made(**tips), made(**tips, tip_changes=[change])
    before, after = (scan.channel("height/trace").values for scan in (plain, changed))
    assert_heights_close(after[:20], before[:20], atol_nm=1e-9)
    assert (after[21:] - before[21:]).min() > 4.9
    rise = ideal_of(changed).values - ideal_of(plain).values
    assert rise[21:].max() > 0.5
    assert np.abs(rise[21:]).min() < 0.2
    mask = artifact_masks(changed)["tip_change"]
    assert mask[20, :12].all()
    assert mask.sum() == 12
    assert "tip_change" not in artifact_masks(changed, "retrace")


PARTICLES = {
    "surface": {"kind": "particles", "radius_nm": 10.0, "coverage": 0.1, "sigma": 0.0, "seed": 5, "clustering": 0.0},
    "shape": (96, 120),
}


@pytest.mark.parametrize("shift_px", [0, 25])
def test_a_dragged_particle_is_cut_off(shift_px):
    plain, dragged = made(**PARTICLES), made(**PARTICLES, drags=[{"seed": 2, "at": 0.5, "shift_px": shift_px}])
    mask = artifact_masks(dragged)["dragging"]
    rows = np.flatnonzero(mask.any(axis=1))
    loss = (plain.channel("height/trace").values - dragged.channel("height/trace").values)[mask]
    assert loss.max() > 5
    assert (loss.min() < -5) == (shift_px > 0)
    # Above the line where it gave way, everything is as it was; the ideal is the surface that nobody has harmed.
    same = slice(0, rows[0] - 1)
    assert_heights_close(
        plain.channel("height/trace").values[same], dragged.channel("height/trace").values[same], atol_nm=1e-9
    )
    assert_heights_close(ideal_of(plain).values, ideal_of(dragged).values, atol_nm=1e-9)


def test_nothing_to_drag_is_no_error():
    flat = made(surface={"kind": "gaussian", "sq_nm": 0.0}, drags=[{"seed": 1}])
    assert artifact_masks(flat) == {}


def test_dragging_and_tip_changes_keep_the_order_of_time():
    change = {"row": 70, "col": 90, "offset_nm": 3.0, "tip": {"kind": "parabola", "radius_nm": 5.0}}
    scan = made(**PARTICLES, drags=[{"seed": 0}, {"seed": 3}], tip_changes=[change])
    assert {"dragging", "tip_change"} <= set(artifact_masks(scan))


def test_the_error_signal_feels_what_moves_the_tip_and_loses_what_was_never_recorded():
    scar = {"kind": "scar", "events": [{"row": 9, "col": 10, "length_px": 20, "height_nm": 8.0, "direction": "both"}]}
    hum = {"white_nm": 0.0, "hum": [{"frequency_hz": 3, "amplitude_nm": 0.5}]}
    gap = {"kind": "unfinished", "row": 30}
    slow = {"mode": "contact", "integral_hz": 300, "line_rate_hz": 4, "free_nm": 30, "pushed_nm": 30}
    plain, humming = made(loop=slow), made(loop=slow, electronics=hum)
    spoiled = made(loop=slow, mishaps=[scar, gap])
    for way, start in (("trace", 10), ("retrace", 10)):
        felt = spoiled.channel(f"error/{way}").values - plain.channel(f"error/{way}").values
        assert felt[9, start - 1 : start + 2].max() > 5
        assert np.abs(felt[:8]).max() < 1e-9
        assert spoiled.channel(f"error/{way}").missing[30:].all()
        assert (humming.channel(f"error/{way}").values - plain.channel(f"error/{way}").values).std() > 0.01


def test_a_railed_piezo_has_no_noise():
    scan = made(loop={"mode": "contact", "integral_hz": 1e4, "range_high": 0.2}, electronics={"white_nm": 0.5})
    z = scan.channel("height/trace").values
    assert np.count_nonzero(z == np.quantile(z, 0.9)) > 0.05 * z.size


def test_absurd_drift_is_refused():
    with pytest.raises(BadScanError, match="drift"):
        made(scanner={"drift_fast_nm_s": 1e6})


def test_a_result_made_from_a_twin_replays(tmp_path):
    """The history of the raw file (the twin itself) is not done twice."""
    raw = read(write(simulate(Twin.parse({**BUSY, "mishaps": []})), tmp_path / "raw.h5"))
    mended = read(write(repair(raw, "experts"), tmp_path / "mended.h5"))
    assert [record.step for record in mended.history][:2] == ["twin", "level.rows"]
    assert replay(mended, raw).channels == mended.channels


def test_every_artifact_of_the_boxes_can_be_made_and_shows():
    """Forced one by one: it changes what was recorded; where it has a mask, the mask is not empty."""
    for name, tried in (("train", range(3)), ("shifted", range(3))):
        box = load_box(name)
        for artifact in box.artifacts:
            kind = box.artifacts[artifact].get("surfaces", ["particles"])[0]
            scans, calm = (
                [simulate(draw(box, s, shape=(64, 80), surface=kind, artifacts=names)) for s in tried]
                for names in ([artifact], [])
            )
            assert any(changed(*pair) for pair in zip(scans, calm, strict=True)), artifact
            if artifact in ("scar", "streak", "spike", "line_jump", "bad_lines", "stuck_line", "dropout", "line_shift"):
                assert any(artifact_masks(scan, way) for scan in scans for way in WAYS), artifact


def changed(scan, calm):
    """Whether the recorded heights of two scans differ, or what was never recorded does."""
    return any(scan.channel(f"height/{way}") != calm.channel(f"height/{way}") for way in WAYS)


@pytest.mark.parametrize("kind", sorted(load_box("train").surfaces))
def test_every_surface_of_the_boxes_can_be_scanned(kind):
    for name in ("train", "shifted"):
        for seed in range(2):
            scan = simulate(draw(load_box(name), seed, shape=(48, 72), surface=kind))
            assert scan.channel("height/trace").values.std() > 0


@pytest.mark.parametrize(
    "surface",
    [{"kind": "cells", "radius_nm": 0.1}, {"kind": "terraces", "width_nm": 0.1}, {"kind": "grating", "pitch_nm": 0.3}],
)
def test_features_far_below_a_pixel_are_refused(surface):
    with pytest.raises(AfmendError, match="is lost on pixels"):
        made(surface=surface)


def test_a_flat_exponential_surface_is_flat():
    assert np.ptp(made(surface={"kind": "exponential", "sq_nm": 0.0}).channel("truth").values) == 0


@pytest.mark.parametrize("changes", [{"shape": (-3, 4)}, {"shape": (3, 40)}, {"pixel_nm": (0.0, 1.0)},
                                     {"pixel_nm": (1e9, 1.0)}])  # fmt: skip
def test_impossible_scans_are_refused(changes):
    with pytest.raises(AfmendError):
        made(**changes)


def test_parameters_are_checked():
    with pytest.raises(AfmendError):
        made(shape=(40,))
    with pytest.raises(AfmendError):
        made(surface={"kind": "moon"})
