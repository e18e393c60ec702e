"""Writers of tiny non-square files in vendors' formats, for the tests; made from the published layouts."""

from __future__ import annotations

import struct

import numpy as np


def ibw(
    layers,
    labels=(),
    *,
    note="",
    steps=(2e-9, 3e-9),
    units=("m", "m"),
    data_unit="m",
    dtype="f4",
    order="<",
    columns=(),
    dims=None,
    wave_bytes=None,
):
    """An Igor wave of version 5. ``layers``: (n, y, x) as Igor stores them, y upwards."""
    layers = np.asarray(layers)
    kind = {"f4": 2, "f8": 4, "i2": 0x10, "i4": 0x20}[dtype]
    body = layers.astype(order + dtype).tobytes()
    n, rows, cols = layers.shape
    dims = dims or (cols, rows, n, 0)
    raw_labels = b"".join(_label(label) for label in ("", *labels)) if labels else b""
    raw_columns = b"".join(_label(label) for label in ("", *columns)) if columns else b""
    raw_note = note.encode("mac-roman")
    head = bytearray(64 + 320)
    sizes = [320 + len(body) if wave_bytes is None else wave_bytes, 0, len(raw_note), 0, 0, 0, 0, 0]
    struct.pack_into(order + "hh14i", head, 0, 5, 0, *sizes, 0, len(raw_columns), len(raw_labels), 0, 0, 0)
    struct.pack_into(order + "h", head, 64 + 16, kind)
    head[64 + 28 : 64 + 35] = b"A_wave\0"
    struct.pack_into(order + "4i", head, 64 + 68, *dims)
    struct.pack_into(order + "4d", head, 64 + 84, steps[1], steps[0], 1.0, 1.0)
    struct.pack_into("4s", head, 64 + 148, data_unit.encode())
    struct.pack_into("4s4s", head, 64 + 152, units[1].encode(), units[0].encode())
    return signed(bytes(head), order) + body + raw_note + raw_columns + raw_labels


def _label(text):
    """32 bytes; behind the NUL stand stale bytes of a longer text."""
    return text.encode().ljust(20, b"\0") + b"stale bytes!"


def signed(head, order="<", at=2):
    """Set the checksum so that all words of the header add up to zero."""
    head = bytearray(head)
    struct.pack_into(order + "h", head, at, 0)
    total = sum(struct.unpack(f"{order}{len(head) // 2}H", head)) & 0xFFFF
    struct.pack_into(order + "H", head, at, -total & 0xFFFF)
    return bytes(head)


def old_ibw(version, points, order="<"):
    """An Igor wave of version 1, 2 or 3: always one-dimensional."""
    start = {1: 8, 2: 16, 3: 20}[version]
    head = bytearray(start + 110)
    struct.pack_into(order + "h", head, 0, version)
    struct.pack_into(order + "h", head, start, 2)
    struct.pack_into(order + "i", head, start + 42, points)
    return signed(bytes(head), order, at=start - 2) + np.zeros(points, order + "f4").tobytes()


def sur(values, *, order="<", bits=16, scale=0.5, offset=0.0, special=0, **changes):
    """A Digital Surf surface of integers; heights are (value * scale + offset) in µm."""
    rows, cols = values.shape
    head = bytearray(b" " * 512)
    head[:20] = b"DIGITAL SURF" + (b"\x01\x01" if order == ">" else b"\0\0") + struct.pack(order + "hhh", 1, 1, 2)
    head[80:132] = bytes(52)
    head[276:338] = bytes(62)
    fields = {
        86: ("h", special), 98: ("h", bits), 100: ("i", int(values.min())), 104: ("i", int(values.max())),
        108: ("i", cols), 112: ("i", rows), 116: ("i", rows * cols), 120: ("f", 2.0), 124: ("f", 3.0),
        128: ("f", scale), 306: ("h", 5), 308: ("h", 4), 310: ("h", 3), 312: ("h", 2), 314: ("h", 1),
        316: ("h", 2020), 334: ("h", 7), 336: ("h", 9), 466: ("f", 0.0), 470: ("f", 0.0), 474: ("f", offset),
    }  # fmt: skip
    for at, (kind, value) in fields.items():
        struct.pack_into(order + kind, head, at, changes.get(f"at{at}", value))
    for at, text in ((164, "Z"), (180, "nm"), (196, "nm"), (212, "µm")):
        head[at : at + 16] = changes.get(f"text{at}", text).encode("latin-1").ljust(16)
    return bytes(head) + b"c" * 7 + b"p" * 9 + values.astype(f"{order}i{bits // 8}").tobytes()


def bcr(values, extra="", *, order="<", kind="bcrstm", coding="ascii", size=2048):
    """A BCR file; 700 nm x 300 nm."""
    rows, cols = values.shape
    text = (
        f"fileformat = {kind}\nheadersize = {size}\nxpixels = {cols}\nypixels = {rows}\nxlength = 700\n"
        f"ylength = 300\nintelmode = {int(order == '<')}\n% a remark = no\n{extra}"
    )
    head = text.ljust(size).encode(coding)
    return head + values.astype(order + ("f4" if kind.startswith("bcrf") else "i2")).tobytes()


def gsf(values, *lines):
    """A Gwyddion Simple Field."""
    rows, cols = values.shape
    head = f"Gwyddion Simple Field 1.0\nXRes = {cols}\nYRes = {rows}\n" + "".join(line + "\n" for line in lines)
    raw = head.encode()
    return raw + b"\0" * (4 - len(raw) % 4) + values.astype("<f4").tobytes()


def gwy_field(values, size=(6e-8, 1e-7), unit="m", unit_xy="m", offset=(0.0, 0.0)):
    """A GwyDataField as bytes."""
    from afmend.formats.gwyddion.tree import serialize

    rows, cols = values.shape
    return serialize(
        "GwyDataField",
        [
            ("xres", "i", cols),
            ("yres", "i", rows),
            ("xreal", "d", size[1]),
            ("yreal", "d", size[0]),
            ("xoff", "d", offset[1]),
            ("yoff", "d", offset[0]),
            ("si_unit_xy", "o", serialize("GwySIUnit", [("unitstr", "s", unit_xy)])),
            ("si_unit_z", "o", serialize("GwySIUnit", [("unitstr", "s", unit)])),
            ("data", "D", values),
        ],
    )


def gwy(*components, magic=b"GWYP"):
    """A .gwy file of these components."""
    from afmend.formats.gwyddion.tree import serialize

    return magic + serialize("GwyContainer", list(components))


def old_gwy(values, unit=b"nm", type_number=0x50):
    """A .gwy file of version 1: types stand before names, units in Latin-1."""
    field = gwy_field(values).replace(b"unitstr\0sm\0", b"unitstr\0s" + unit + b"\0")
    # The unit is longer than "m": correct the two sizes around each unit and that of the field.
    extra = len(unit) - 1
    field = field.replace(b"GwySIUnit\0" + struct.pack("<I", 11), b"GwySIUnit\0" + struct.pack("<I", 11 + extra))
    name, rest = field.split(b"\0", 1)
    (length,) = struct.unpack("<I", rest[:4])
    field = name + b"\0" + struct.pack("<I", length + 2 * extra) + rest[4:]
    body = struct.pack("<I", 0x40) + b"/0/base/palette\0Gold\0" + struct.pack("<I", type_number) + b"/0/data\0" + field
    return b"GWYOGwyContainer\0" + struct.pack("<I", len(body)) + body
