"""Gwyddion's native files."""

import json
import shutil
import struct
import subprocess

import numpy as np
import pytest
from files_b import gwy, gwy_field, old_gwy
from scans_b import full_scan

import afmend
from afmend.errors import CorruptFileError, NotAnImageError, WriteError
from afmend.formats import gwyddion
from afmend.formats.gwyddion import writer
from afmend.formats.gwyddion.facts import KEY, Facts
from afmend.formats.gwyddion.tree import parse, serialize
from afmend.formats.hostile import FileBytes
from afmend.scan import Channel, Grid, Masks, Scan
from support import assert_heights_close

Z = np.arange(15.0).reshape(3, 5) * 1e-9
FIELD = gwy_field(Z)


@pytest.fixture
def read(tmp_path):
    def read(raw):
        path = tmp_path / "x.gwy"
        path.write_bytes(raw)
        return afmend.read_all(path)

    return read


def _edit(path, change):
    """Read the tree, change its components, and write the file again, as Gwyddion would."""
    root = parse(FileBytes(path))
    change(root.items)
    path.write_bytes(b"GWYP" + _bytes(root))


def _bytes(node):
    letters = {bool: "b", int: "i", float: "d", str: "s", list: "S", np.ndarray: "D"}
    parts = []
    for name, value in node.items.items():
        letter = letters.get(type(value), "o")
        parts.append((name, letter, _bytes(value) if letter == "o" else value))
    return serialize(node.type_name, parts)


# ---------------------------------------------------------------- reading
def test_reads_a_channel_with_title_mask_and_log(read):
    mask = np.zeros((3, 5))
    mask[1, 2] = 1
    log = serialize("GwyStringList", [("strings", "S", ["proc::level()@now", "tool::x()@later"])])
    meta = serialize("GwyContainer", [("Rate", "s", "1 Hz"), ("Number", "i", 3)])
    (scan,) = read(
        gwy(
            ("/0/data", "o", FIELD),
            ("/0/data/title", "s", "Z (Forward)"),
            ("/0/mask", "o", gwy_field(mask)),
            ("/0/data/log", "o", log),
            ("/0/meta", "o", meta),
            ("/0/base/range-type", "i", 2),
            ("/0/show", "o", gwy_field(mask)),
            ("/filename", "s", "a.gwy"),
        )
    )
    channel = scan.channel()
    assert (channel.key, channel.name, channel.unit) == (("height", "trace"), "Z (Forward)", "nm")
    assert_heights_close(channel.values, Z * 1e9, atol_nm=1e-12)
    assert_heights_close(np.array(scan.grid.size_nm), np.array([60.0, 100.0]), atol_nm=1e-9)
    assert [(role, name) for role, name, _ in channel.masks.items()] == [("foreground", "gwyddion")]
    assert np.argwhere(channel.masks.foreground["gwyddion"]).tolist() == [[1, 2]]
    assert dict(scan.header) == {
        "Rate": "1 Hz", "filename": "a.gwy", "log (channel 0)": "proc::level()@now\ntool::x()@later"
    }  # fmt: skip


def test_channels_of_one_place_form_one_scan(read):
    scans = read(
        gwy(
            ("/7/data", "o", gwy_field(Z, unit="V")),
            ("/0/data", "o", FIELD),
            ("/1/data", "o", gwy_field(Z, size=(1e-7, 1e-7))),
            ("/2/data", "o", gwy_field(Z.T.copy())),
            ("/3/data", "o", gwy_field(Z, offset=(1e-8, 2e-8))),
            ("/4/data", "o", gwy_field(Z, unit_xy="V")),
            ("/5/data", "i", 3),
            ("/7/meta", "o", serialize("GwyContainer", [("a", "s", "1")])),
            ("/0/meta", "o", serialize("GwyContainer", [("a", "s", "2")])),
        )
    )
    assert [list(map(str, scan.channels)) for scan in scans] == [["height", "unnamed"], *[["height"]] * 4]
    assert dict(scans[0].header) == {"a": "2", "a (channel 7)": "1"}
    assert_heights_close(
        np.array([scans[3].grid.offset_slow_nm, scans[3].grid.offset_fast_nm]), np.array([40.0, 70.0]), atol_nm=1e-9
    )
    assert not scans[4].grid.calibrated


def test_version_1_has_types_before_names(read):
    (scan,) = read(old_gwy(Z))
    assert_heights_close(scan.channel().values, Z * 1e9, atol_nm=1e-12)
    (scan,) = read(old_gwy(Z, "µm".encode("latin-1")))
    assert scan.grid.calibrated


def test_numbers_that_are_none_are_missing(read):
    z = Z.copy()
    z[0, 0], z[1, 1] = np.nan, 1e300
    (scan,) = read(gwy(("/0/data", "o", gwy_field(z))))
    assert np.argwhere(scan.channel().missing).tolist() == [[0, 0], [1, 1]]


def test_every_type_of_component_is_passed_over(read):
    everything = [
        ("b", "b", True), ("c", "c", 65), ("i", "i", -3), ("q", "q", 1 << 40), ("d", "d", 0.5), ("s", "s", "µ"),
        ("D", "D", np.ones(3)), ("S", "S", ["a", ""]),
    ]  # fmt: skip
    inner = serialize("Thing", everything)
    listed = b"list\0O" + struct.pack("<I", 2) + inner + inner + b"C\0C" + struct.pack("<I", 2) + b"ab"
    odd = b"I\0I" + struct.pack("<I3i", 3, 1, 2, 3) + b"Q\0Q" + struct.pack("<Iq", 1, 5)
    body = serialize("GwyContainer", [("/0/data", "o", FIELD), ("/1", "o", inner)])
    size = len(body) - 17 + len(listed) + len(odd)
    raw = b"GWYPGwyContainer\0" + struct.pack("<I", size) + body[17:] + listed + odd
    (scan,) = read(raw)
    assert scan.grid.shape == (3, 5)


def _deep(depth):
    node = serialize("A", [])
    for _ in range(depth):
        node = serialize("A", [("a", "o", node)])
    return node


@pytest.mark.parametrize(
    "raw",
    [
        gwy(("/0/data", "o", FIELD))[:-1],
        gwy(("/0/data", "o", FIELD))[:17],
        b"GWYPGwyContainer\0",
        gwy(("/0/data", "o", FIELD[:-1])),
        gwy(("/0/data", "o", FIELD), ("a", "x", b"")),
        gwy(("/0/data", "o", FIELD), ("a", "o", b"\xff" * 9)),
        gwy(("/0/data", "o", FIELD), ("a", "o", _deep(40))),
        gwy(("/0/data", "o", FIELD), ("a", "o", b"D\0" + struct.pack("<I", 8) + b"a\0D" + struct.pack("<I", 1 << 31))),
        gwy(("/0/data", "o", FIELD), ("a", "o", b"D\0" + struct.pack("<I", 7) + b"a\0S" + struct.pack("<I", 1 << 31))),
        gwy(("/0/data", "o", gwy_field(Z).replace(b"xres\0i\5", b"xres\0i\6"))),
        gwy(("/0/data", "o", gwy_field(Z).replace(b"xres\0i", b"xses\0i"))),
        gwy(("/0/data", "o", gwy_field(Z).replace(b"data\0D", b"dada\0D"))),
        gwy(("/0/data", "o", gwy_field(Z, size=(0.0, 1e-7)))),
        gwy(("/0/data", "o", gwy_field(Z, size=(float("nan"), 1e-7)))),
        gwy(("/0/data", "o", FIELD), ("/0/mask", "o", gwy_field(Z.T.copy()))),
        old_gwy(Z, type_number=99),
    ],
    ids=range(16),
)
def test_damage_is_one_clear_error(read, raw):
    with pytest.raises(CorruptFileError):
        read(raw)


def test_too_many_components_are_refused(read, monkeypatch):
    monkeypatch.setattr("afmend.formats.gwyddion.tree.MAX_COMPONENTS", 20)
    with pytest.raises(CorruptFileError, match="more than 20 components"):
        read(gwy(("/0/data", "o", FIELD), *[(f"/{i}", "b", True) for i in range(20)]))


def test_too_many_pixels_are_refused(read, monkeypatch):
    monkeypatch.setattr("afmend.formats.gwyddion.reader.MAX_TOTAL_PIXELS", 29)
    with pytest.raises(CorruptFileError, match="pixels"):
        read(gwy(("/0/data", "o", FIELD), ("/1/data", "o", FIELD)))


def test_graphs_are_not_images(read):
    with pytest.raises(NotAnImageError):
        read(gwy(("/0/graph/graph/1", "o", serialize("GwyGraphModel", []))))


# ---------------------------------------------------------------- writing
@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.gwy"
    afmend.formats.write(full_scan(), path)
    return path


def test_gwyddion_finds_titles_masks_log_and_header(path):
    root = parse(FileBytes(path)).items
    titles = [root[f"/{n}/data/title"] for n in range(7)]
    assert titles == [
        "Height (Trace)", "Phase µ (Retrace)", "Missing of Height (Trace)", "Artifact a/b of Height (Trace)",
        "Artifact scar of Height (Trace)", "Foreground drawn of Height (Trace)",
        "Uncertainty (1 sigma; negative = none known) of Height (Trace)",
    ]  # fmt: skip
    holes = full_scan().channel().holes
    assert np.array_equal(root["/0/mask"].items["data"].reshape(24, 37) > 0, holes)
    assert "/1/mask" not in root
    assert root["/0/data/log"].items["strings"] == [
        'afmend::level.rows(version="1", trim=1.5, on=True, order=null)@'
    ]  # fmt: skip
    assert root["/0/meta"].items["Größe"] == "1"
    assert root["/0/base/palette"] == "Gwyddion.net"
    assert (root["/0/data/visible"], root["/1/data/visible"]) == (True, False)
    sigma = root["/6/data"].items["data"]
    assert set(np.sign(sigma)) == {-1.0, 0.0}


def test_pixels_added_and_erased_in_gwyddion_count(path):
    def change(items):
        shown = items["/0/mask"].items["data"].copy()
        shown[:] = 0
        shown[free] = 1
        items["/0/mask"].items["data"] = shown

    before = full_scan().channel()
    free = np.flatnonzero(~before.holes)[9]
    _edit(path, change)
    masks = gwyddion.read(path)[0].channel().masks
    assert list(masks.artifact) == ["drawn"]
    assert np.flatnonzero(masks.artifact["drawn"]).tolist() == [free]
    assert np.array_equal(masks.missing, before.masks.missing)
    assert list(masks.foreground) == ["drawn"]


def test_without_the_channel_its_masks_are_channels(path):
    def change(items):
        for name in [name for name in items if name.startswith("/0/")]:
            del items[name]

    _edit(path, change)
    (scan,) = gwyddion.read(path)
    assert len(scan.channels) == 6
    assert scan.history == full_scan().history


def test_a_resized_scan_has_the_new_size(path):
    def change(items):
        for n in range(7):
            items[f"/{n}/data"].items["xreal"] *= 2

    _edit(path, change)
    (scan,) = gwyddion.read(path)
    assert abs(scan.grid.pixel_fast_nm / 6.6 - 1) < 1e-12


@pytest.mark.parametrize(
    "facts",
    ["", "no json", "[" * 100_000, "[]", '{"kind": 3}', '{"role": "channel", "direction": "up"}',
     '{"role": "channel", "direction": "trace", "grid": 3, "history": 5, "acquisition": []}',
     '{"role": "channel", "direction": "trace", "history": [{}], "grid": {"angle_deg": "x"}}'],
)  # fmt: skip
def test_damaged_facts_are_left_aside(read, facts):
    meta = serialize("GwyContainer", [(KEY, "s", facts)])
    (scan,) = read(gwy(("/0/data", "o", FIELD), ("/0/meta", "o", meta)))
    assert scan.history == ()
    assert next(iter(scan.channels.values())).unit == "nm"


def test_a_layer_of_itself_is_a_channel(read):
    meta = serialize("GwyContainer", [(KEY, "s", json.dumps({"role": "artifact", "mask": "scar", "of": 0}))])
    (scan,) = read(gwy(("/0/data", "o", FIELD), ("/0/meta", "o", meta)))
    assert list(map(str, scan.channels)) == ["height"]
    assert Facts({"of": "x"}).layer_of == -1


def test_a_layer_of_no_known_role_is_dropped_with_its_owner_kept(path):
    def change(items):
        items["/3/meta"].items[KEY] = json.dumps({"role": "guest", "of": 0})

    _edit(path, change)
    assert "a/b" not in gwyddion.read(path)[0].channel().masks.artifact


def test_scans_without_height_and_size(tmp_path):
    channel = Channel("current", "unknown", np.ones((3, 5)), "kHz", masks=Masks(np.eye(3, 5, dtype=bool)))
    path = tmp_path / "x.gwy"
    gwyddion.write(Scan.of(Grid.uncalibrated((3, 5)), [channel]), path)
    root = parse(FileBytes(path)).items
    assert root["/0/data/visible"] is True
    assert root["/0/data"].items["data"][0] == 1000.0
    (scan,) = gwyddion.read(path)
    assert scan.channel("current").unit == "Hz"
    assert not scan.grid.calibrated


def test_a_scan_beyond_4_gib_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "MAX_BYTES", 1000)
    with pytest.raises(WriteError, match="4 GiB"):
        afmend.formats.write(full_scan(), tmp_path / "x.gwy")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gwyddion") is None, reason="Gwyddion is not installed")
def test_the_real_gwyddion_reads_gwy_and_gsf(path, tmp_path):
    afmend.formats.write(full_scan(), tmp_path / "y.gsf")
    for name in ("x.gwy", "y.gsf"):
        assert subprocess.run(["gwyddion", "--check", str(tmp_path / name)], check=False, timeout=60).returncode == 0
        out = tmp_path / f"{name}.converted.gwy"
        subprocess.run(
            ["gwyddion", f"--convert-to-gwy={out}", str(tmp_path / name)], check=True, capture_output=True, timeout=60
        )
    (back,) = gwyddion.read(tmp_path / "x.gwy.converted.gwy")
    (mine,) = gwyddion.read(path)
    assert back.history == mine.history
    for key, channel in mine.channels.items():
        assert back.channels[key] == channel
    (single,) = gwyddion.read(tmp_path / "y.gsf.converted.gwy")
    kept = ~mine.channel().missing
    assert_heights_close(single.channel().values[kept], mine.channel().values[kept], atol_nm=1e-5)
