"""The object everything passes on."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from afmend.errors import AfmendError, BadScanError, CorruptFileError, MissingChannelError
from afmend.scan import Acquisition, Channel, ChannelKey, Grid, Masks, Record, Scan
from afmend.scan.units import in_memory, is_length, on_disk, si
from support import assert_heights_close, rough, scan_of


def channel(kind="height", direction="trace", unit="nm", name=""):
    return Channel(kind, direction, rough((4, 6)), unit, name)


def test_arrays_are_read_only_and_nobody_else_can_write():
    z = rough((4, 6))
    made = Channel("height", "trace", z, "nm")
    z[0, 0] = 99
    assert made.values[0, 0] != 99
    with pytest.raises(ValueError, match="read-only"):
        made.values[0, 0] = 1
    mask = np.zeros((4, 6), bool)
    mask[1] = True
    masks = Masks().with_mask("artifact", "scar", mask)
    mask[2] = True
    assert masks.artifact["scar"].sum() == 6


@pytest.mark.parametrize(
    "make",
    [
        lambda: Channel("height", "trace", np.ones(3), "nm"),
        lambda: Channel("height", "trace", np.ones((3, 4), int), "nm"),
        lambda: Channel("height", "forward", rough((3, 4)), "nm"),
        lambda: Channel("height", "trace", np.full((3, 4), np.nan), "nm"),
        lambda: Channel("height", "trace", rough((3, 4)), "nm", masks=Masks(missing=np.ones((2, 2), bool))),
        lambda: Channel("height", "trace", rough((3, 4)), "nm", uncertainty=-np.ones((3, 4))),
        lambda: Grid(0, 4),
        lambda: Grid(3, 4, -1.0, 1.0),
        lambda: Grid.from_size((0, 4), (1.0, 1.0)),
        lambda: Scan(Grid(4, 6), {}),
        lambda: Scan.of(Grid(5, 6), [channel()]),
        lambda: Scan(Grid(4, 6), {ChannelKey("phase", "trace"): channel()}),
        lambda: (
            Masks().with_mask("artifact", "a", np.ones((2, 2), bool)).with_added("artifact", "a", np.ones((3, 2), bool))
        ),
    ],
)
def test_bad_objects_are_refused(make):
    with pytest.raises(BadScanError):
        make()


def test_new_heights_are_checked_and_hashed_however_they_come():
    channel = Channel("height", "trace", rough((9, 12)), "nm")
    before = channel.digest()
    with pytest.raises(BadScanError, match="NaN"):
        replace(channel, values=np.full((9, 12), np.nan))
    with pytest.raises(BadScanError, match="NaN"):
        channel.evolve(values=np.full((9, 12), np.inf))
    assert replace(channel, values=channel.values + 1).digest() != before
    assert channel.evolve(masks=Masks(missing=channel.values > 0)).values is channel.values
    assert channel.digest() == before


def test_nan_becomes_missing():
    z = rough((4, 6))
    z[2] = np.nan
    z[0, 0] = np.inf
    made = Channel.from_raw("height", "trace", z, "nm", missing=np.eye(4, 6, dtype=bool))
    assert made.missing.sum() == 6 + 3
    assert np.isfinite(made.values).all()
    gone = Channel.from_raw("height", "trace", np.full((2, 3), np.nan), "nm")
    assert gone.missing.all()


def test_finding_channels():
    kinds = [channel("phase", unit="deg"), channel("height_sensor"), channel("height", "retrace"), channel(name="My Z")]
    scan = Scan.of(Grid(4, 6), kinds)
    assert scan.find() == ("height", "trace")
    assert scan.find("height/retrace").direction == "retrace"
    assert scan.find("my z") == ("height", "trace")
    assert scan.find(ChannelKey("phase", "trace")).kind == "phase"
    assert scan.opposite(scan.find()).direction == "retrace"
    assert scan.opposite(ChannelKey("height", "unknown")) is None
    with pytest.raises(MissingChannelError, match="Did you mean 'height/trace'"):
        scan.find("hieght/trace")
    with pytest.raises(MissingChannelError, match="no height channel"):
        Scan.of(Grid(4, 6), [channel("phase", unit="deg"), channel("amplitude")]).find()
    assert Scan.of(Grid(4, 6), [channel("something")]).find().kind == "something"
    assert Scan.of(Grid(4, 6), [channel("phase", unit="deg")]).main.kind == "phase"
    twice = Scan.of(Grid(4, 6), [channel(), channel(), channel()])
    assert [key.kind for key in twice.channels] == ["height", "height_2", "height_3"]


def test_masks_keep_their_roles():
    mask = np.zeros((4, 6), bool)
    mask[1, 1] = True
    masks = Masks(missing=mask).with_mask("foreground", "drawn", mask).with_added("artifact", "scar", mask)
    masks = masks.with_added("artifact", "scar", ~mask)
    assert masks.artifact["scar"].all()
    assert [(role, name) for role, name, _ in masks.items()] == [
        ("missing", "missing"), ("artifact", "scar"), ("foreground", "drawn"),
    ]  # fmt: skip
    assert masks.union("missing", shape=(4, 6)).sum() == 1
    assert masks.with_mask("artifact", "scar", np.zeros((4, 6), bool)).artifact == {}
    assert pickle.loads(pickle.dumps(masks)) == masks  # noqa: S301 (our own bytes)
    assert masks != Masks()


def test_scans_travel_between_processes():
    scan = scan_of(rough())
    record = Record("level.shift", "1", {"reference": "mean"}, scan.find(), "a", "b", "0.1.0", {"x": [1, 2]})
    scan = scan.with_channel(scan.channel(), record)
    assert pickle.loads(pickle.dumps(scan)) == scan  # noqa: S301 (our own bytes)
    assert Record.from_json(record.to_json()) == record
    assert Acquisition(mode="tapping", bias_v=0.0).to_json() == {"mode": "tapping", "bias_v": 0.0}


def test_filled_pixels_are_checked_and_hashed():
    channel = Channel("height", "trace", rough((5, 7)), "nm")
    before, pixels = channel.digest(), np.array([3, 11])
    done = channel.filled(pixels, np.array([1.5, -2.0]), np.inf)
    assert done.values[0, 3] == 1.5
    assert done.values[1, 4] == -2.0
    assert np.flatnonzero(done.values != channel.values).tolist() == [3, 11]
    assert np.flatnonzero(done.invented).tolist() == [3, 11]
    assert done == Channel("height", "trace", done.values.copy(), "nm", uncertainty=done.uncertainty.copy())
    assert channel.digest() == before != done.digest()
    again = done.filled(pixels[:1], np.array([0.5]), np.array([0.25]))
    assert again.uncertainty.ravel()[pixels].tolist() == [0.25, np.inf]
    assert not again.values.flags.writeable
    assert not again.uncertainty.flags.writeable
    for heights, sigma in ((np.nan, 1.0), (1e200, 1.0), (np.inf, 1.0), (0.0, np.nan), (0.0, -1.0)):
        with pytest.raises(BadScanError, match="is filled with"):
            channel.filled(pixels[:1], np.array([heights]), np.array([sigma]))


def test_a_fill_of_nothing_or_without_error_changes_nothing_else():
    channel = Channel("height", "trace", rough((5, 7)), "nm")
    none = np.zeros(0, dtype=np.intp)
    assert channel.filled(none, np.zeros(0), np.zeros(0)) == channel
    sure = channel.filled(np.array([4]), np.array([0.5]), 0.0)
    assert sure.uncertainty is None
    for pixels, heights, sigma in (
        ([35], [0.0], 1.0),
        ([-1], [0.0], 1.0),
        ([1, 2], [0.0], 1.0),
        ([1], [0.0], [1.0, 2.0]),
    ):
        with pytest.raises(BadScanError, match="does not have"):
            channel.filled(np.array(pixels), np.array(heights), np.asarray(sigma))
    with pytest.raises(BadScanError, match="is filled with"):
        channel.evolve(values=channel.values.astype(np.float32)).filled(np.array([4]), np.array([1e60]), 1.0)


def test_what_was_checked_as_one_part_of_a_channel_is_checked_again_as_another():
    sigma = np.zeros((6, 9))
    sigma[2, 3] = np.inf
    channel = Channel("height", "trace", rough((6, 9)) - 5.0, "nm", uncertainty=sigma)
    for changes in (
        {"values": channel.values[:3]},
        {"values": channel.uncertainty},
        {"uncertainty": channel.values},
        {"values": channel.uncertainty, "uncertainty": None},
    ):
        with pytest.raises(BadScanError):
            channel.evolve(**changes)


def test_large_heights_whose_squares_are_larger_still_are_measurable():
    z = np.full((3, 4), 1e99)
    assert (Channel("height", "trace", z, "nm").values == z).all()
    assert (Channel("height", "trace", np.full((3, 4), np.float32(3e38)), "nm").values > 2e38).all()


def test_digests_follow_the_content():
    one, other = channel(), channel()
    assert one == other
    changed = one.evolve(values=one.values + 1)
    assert changed != one
    assert changed.evolve(values=one.values).digest() == one.digest()
    assert (one == 3) is False


def test_errors_travel_and_read_well():
    error = CorruptFileError("the header promises 512 lines, the file holds 497", now="Re-export it.").at("scan.spm")
    assert str(error) == (
        "CorruptFileError: scan.spm: the header promises 512 lines, the file holds 497. Re-export it."
    )
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own bytes)
    assert (type(again), str(again)) == (CorruptFileError, str(error))
    assert error.at("elsewhere") is error
    assert isinstance(error, AfmendError)


@pytest.mark.parametrize(
    ("unit", "memory"),
    [("m", ("nm", 1e9)), ("um", ("nm", 1e3)), ("pm", ("nm", 1e-3)), ("Å", ("nm", 0.1)), ("mV", ("V", 1e-3)),
     ("°", ("deg", 1.0)), ("kHz", ("Hz", 1e3)), ("furlong", ("furlong", 1.0)), ("", ("", 1.0)), ("N/m", ("N/m", 1.0))],
)  # fmt: skip
def test_units(unit, memory):
    found, factor = in_memory(unit)
    assert found == memory[0]
    assert factor == pytest.approx(memory[1], rel=1e-15)
    assert is_length(found) == (found == "nm")
    assert si(on_disk(found)[0])[0] == si(unit)[0]


def test_to_xarray():
    xarray = pytest.importorskip("xarray")
    data = scan_of(rough()).to_xarray()
    assert isinstance(data, xarray.Dataset)
    assert_heights_close(data["height"].values, rough(), atol_nm=0.0)
