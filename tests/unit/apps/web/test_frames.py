import json
import struct

import numpy as np
import pytest

from afmend.apps.web import frames
from afmend.scan import Channel, Grid, Masks
from support import ROOT, scan_of
from web_server import damaged, messages

GRID = Grid(2, 3, 2.0, 3.0)
GOLDEN = ROOT / "tests" / "js" / "frames.bin"


def one(data):
    (found,) = messages(data)
    return found


def heights(values, **more):
    return Channel("height", "trace", np.array(values, float), "nm", **more)


def test_messages_are_aligned_and_state_their_lengths():
    for text in ("", "x", "abcdefgh"):
        for payload in (b"", b"123", b"12345678"):
            data = frames.message({"a": text}, payload)
            head, size = struct.unpack_from("<II", data)
            assert head % 8 == 0
            assert len(data) % 8 == 0
            assert size == len(payload)
            assert one(data) == ({"a": text}, payload)


def test_heights_are_exact_around_a_far_offset():
    values = 1e6 + np.array([[0.0, 0.1, 0.2], [0.3, 0.4, 0.5]])
    head, payload = one(frames.heights_frame("original", heights(values), GRID))
    shown = np.frombuffer(payload, "<f4").reshape(2, 3).astype(float) + head["offset"]
    assert float(np.abs(shown - values).max()) < 1e-7
    assert head["stats"]["p"][0] == pytest.approx(1e6)


def test_missing_pixels_hold_the_sign_for_nothing():
    lost = np.array([[False, True, False], [False, False, False]])
    channel = heights([[0, 99, 2], [3, 4, 5]], masks=Masks(missing=lost))
    head, payload = one(frames.heights_frame("original", channel, GRID))
    shown = np.frombuffer(payload, "<f4").reshape(2, 3)
    assert (shown > 1e38).tolist() == lost.tolist()
    assert head["stats"]["max"] == 5


def test_a_scan_without_a_measured_pixel():
    channel = heights(np.zeros((2, 3)), masks=Masks(missing=np.ones((2, 3), bool)))
    head, payload = one(frames.heights_frame("original", channel, GRID))
    assert (np.frombuffer(payload, "<f4") > 1e38).all()
    json.dumps(head, allow_nan=False)


def test_previews_are_block_means_within_their_steps():
    values = damaged()
    scan = scan_of(values)
    head, payload = one(frames.heights_frame("original", scan.main, scan.grid, 32))
    assert head["shape"] == [24, 32]
    shown = np.frombuffer(payload, "<u2").reshape(24, 32) * head["scale"] + head["offset"]
    means = values.reshape(24, 4, 32, 4).mean(axis=(1, 3))
    assert float(np.abs(shown - means).max()) <= head["scale"]
    assert one(frames.heights_frame("original", scan.main, scan.grid, 500))[0]["dtype"] == "f4"


def test_plane_is_that_of_the_heights():
    rows, cols = np.mgrid[:40, :60]
    plane = 7 + 0.3 * (rows + 0.5 - 20) - 0.1 * (cols + 0.5 - 30)
    found = frames.plane_of(plane, np.ones(plane.shape, bool), Grid(40, 60))
    assert found["plane"] == pytest.approx([7, 0.3, -0.1])
    assert max(map(abs, found["flat_p"])) < 1e-9


def marked():
    scar = np.array([[False, True, False], [False, False, False]])
    ground = np.array([[False, False, False], [False, False, True]])
    return heights([[0, 1, 2], [3, 4, 5]], masks=Masks(artifact={"scar": scar}, foreground={"drawn": ground}))


def test_masks_with_their_legend():
    head, payload = one(frames.mask_frame("mask", marked(), GRID))
    assert list(payload) == [0, 1 | frames.HOLE, 0, 0, 0, frames.EXCLUDED]
    assert [(kind["name"], kind["pixels"]) for kind in head["legend"]] == [("scar", 1)]
    assert head["counts"] == {"missing": 0, "holes": 1, "excluded": 1}


def test_nothing_marked_disappears_in_a_preview():
    mask = np.zeros((100, 150), bool)
    mask[37, 91] = True
    channel = heights(np.zeros((100, 150)), masks=Masks(artifact={"spike": mask}))
    head, payload = one(frames.mask_frame("mask", channel, Grid(100, 150), 20))
    assert np.count_nonzero(np.frombuffer(payload, np.uint8)) == 1
    assert head["legend"][0]["pixels"] == 1


def test_flags_and_error_bars():
    sigma = np.array([[0, 0.5, 0], [0, 0, np.inf]])
    channel = marked().evolve(uncertainty=sigma)
    head, payload = one(frames.flags_frame(channel, GRID))
    assert list(payload) == [0, frames.INVENTED, 0, 0, 0, frames.INVENTED | frames.NO_BAR]
    assert head["counts"] == {"invented": 2, "open": 0, "no_bar": 1, "untouched": 0, "missing": 0}

    head, payload = one(frames.sigma_frame(channel, GRID))
    shown = np.frombuffer(payload, "<f4")
    assert shown[1] == pytest.approx(0.5)
    assert shown[5] == np.float32(frames.ENDLESS)
    assert shown[0] == np.float32(frames.VOID), "measured: not zero, but no error bar"
    assert one(frames.sigma_frame(marked(), GRID))[0]["stats"]["max"] == 0


def test_keys_follow_the_content():
    channel = marked()
    other = channel.evolve(values=channel.values + 1)
    assert frames.frame_key("mask", channel, 0) == frames.frame_key("mask", other, 0)
    assert frames.frame_key("mended", channel, 0) != frames.frame_key("mended", other, 0)
    assert frames.frame_key("mended", channel, 2).endswith(":2")
    assert frames.frame_key("mended", channel, 3).endswith(":0")


def test_golden_file_of_the_other_language():
    data = frames.message({"t": "step", "step": "level.plane"})
    data += frames.heights_frame("original", marked(), GRID)
    data += frames.heights_frame("leveled", marked(), GRID, 2)
    data += frames.mask_frame("mask", marked(), GRID)
    if not GOLDEN.exists():
        GOLDEN.write_bytes(data)
    kept = messages(GOLDEN.read_bytes())
    for (head, payload), (old_head, old_payload) in zip(messages(data), kept, strict=True):
        assert payload == old_payload
        assert set(head) == set(old_head)


def test_what_no_tip_touched_is_a_bound_not_a_hole():
    artifact = {"untouched": np.array([[1, 1, 0], [0, 0, 0]], bool), "scar": np.array([[0, 1, 0], [0, 0, 1]], bool)}
    head, payload = one(
        frames.flags_frame(heights(np.zeros((2, 3)), masks=Masks(artifact=artifact)), GRID, panel="tip_flags")
    )
    assert list(payload) == [frames.UNTOUCHED, frames.OPEN, 0, 0, 0, frames.OPEN]
    assert head["panel"] == "tip_flags"
    assert head["counts"] == {"invented": 0, "open": 2, "no_bar": 0, "untouched": 1, "missing": 0}


@pytest.mark.parametrize("shape", [(40, 60), (41, 60)])
def test_previews_are_means_and_largest_labels(shape):
    rng = np.random.default_rng(3)
    values = rng.normal(0, 1, shape)
    head, payload = one(frames.heights_frame("mended", heights(values), Grid(*shape), 30))
    small = np.frombuffer(payload, "<u2").reshape(head["shape"]) * head["scale"] + head["offset"]
    assert head["shape"][1] == 30
    assert abs(small[5, 7] - values[10:12, 14:16].mean()) < (1e-4 if shape[0] == 40 else 0.5)
    labels = np.zeros(shape, np.uint8)
    labels[-1, -1] = 3
    assert frames._most(labels, 30)[-1, -1] == 3
    assert frames._most(labels, 30).sum() == 3
