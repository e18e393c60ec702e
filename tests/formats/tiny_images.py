"""Writers of tiny, non-square files in formats that afmend only reads, and one sample of every format here."""

import io
import struct

import numpy as np

from afmend.formats.hsafm.header import LAYOUTS
from afmend.formats.park.reader import HEADERS, MAGIC_NUMBER, SECOND_VERSION

SHAPE = (5, 7)
RAW = np.arange(35).reshape(SHAPE) ** 2 - 300
_LETTERS = {1: "B", 2: "s", 3: "H", 4: "I", 7: "s", 8: "h", 9: "i", 12: "d", 5: "II", 11: "f"}


def tiff(pages, order="<"):
    """Bytes of a TIFF: each page a dict code -> (type, values or bytes); code 273 takes bytes or offsets."""
    out = io.BytesIO()
    out.write((b"II" if order == "<" else b"MM") + struct.pack(order + "H", 42))
    link = out.tell()
    out.write(bytes(4))
    for page in pages:
        entries = []
        places = page
        if isinstance(page.get(273, (4, 0))[1], bytes):
            places = page | {273: (4, [out.tell()])}
            out.write(page[273][1])
        for code, (kind, values) in sorted(places.items()):
            if kind in (2, 7):
                raw, count = values, len(values)
            else:
                letters = _LETTERS[kind] * len(values)
                flat = np.ravel(values).tolist() if kind == 5 else values
                raw, count = struct.pack(order + letters, *flat), len(values)
            if len(raw) > 4:
                at = out.tell()
                out.write(raw)
                raw = struct.pack(order + "I", at)
            entries.append(struct.pack(order + "HHI", code, kind, count) + raw.ljust(4, b"\0"))
        at = out.tell()
        out.write(struct.pack(order + "H", len(entries)) + b"".join(entries))
        out.seek(link)
        out.write(struct.pack(order + "I", at))
        out.seek(0, 2)
        link = out.tell()
        out.write(bytes(4))
    return out.getvalue()


def text(value):
    return (2, value.encode() + b"\0")


def picture(values, order="<", **more):
    """Tags of one gray picture."""
    values = np.asarray(values)
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    shape = values.shape[:2]
    samples = values.shape[2] if values.ndim == 3 else 1
    raw = values.astype(values.dtype.newbyteorder(order)).tobytes()
    page = {
        256: (4, [shape[1]]), 257: (4, [shape[0]]), 258: (3, [values.dtype.itemsize * 8] * samples), 259: (3, [1]),
        262: (3, [1 if samples == 1 else 2]),
        273: (4, raw), 277: (3, [samples]), 278: (4, [shape[0]]), 279: (4, [len(raw)]),
        339: (3, [kind] * samples),
    }  # fmt: skip
    return page | more.get("tags", {})


def slot(number, name, unit, multiplier, offset, *, style="LinearScaling"):
    base = 0x8090 + 0x30 * number
    tags = {base: text(name), base + 1: text("RelativeCalibration"), base + 0x13: text(style)}
    if style == "LinearScaling":
        tags |= {base + 0x12: text(unit), base + 0x14: (12, [multiplier]), base + 0x15: (12, [offset])}
    return tags


def jpk_thumbnail(**changes):
    tags = {
        0x8000: text("6.0"), 0x8003: text("2020-01-01"), 0x8017: text("one.key : 1\ntwo : x y\n"),
        0x8030: text("ac"), 0x8031: (12, [-0.1]), 0x8032: (12, [-34.0]), 0x8033: (12, [1.5]),
        0x8040: (12, [1e-6]), 0x8041: (12, [2e-6]), 0x8042: (12, [700e-9]), 0x8043: (12, [1000e-9]),
        0x8044: (12, [0.5]), 0x8045: (8, [0]), 0x8046: (9, [7]), 0x8047: (9, [5]), 0x8049: (12, [4.0]),
        0x804B: text("topDown"),
    }  # fmt: skip
    return picture(np.zeros((2, 3), np.uint8), order=">", tags=tags | changes)


def jpk_channel(raw=RAW, name="Height", retrace=0, default="calibrated", **changes):
    tags = {0x8050: text("height"), 0x8051: (8, [retrace]), 0x8052: text(name)}
    if default is not None:
        tags |= {0x8080: (9, [3]), 0x8081: text(default)}
        tags |= slot(0, "raw", "", 0, 0, style="NullScaling") | slot(1, "nominal", "m", 2e-9, 0.0)
        tags |= slot(2, "calibrated", "m", -1e-9, 5e-7)
    return picture(np.asarray(raw, np.int32), order=">", tags=tags | changes)


def jpk(path):
    path.write_bytes(tiff([jpk_thumbnail(), jpk_channel(), jpk_channel(retrace=1, default="nominal")], ">"))


def park_header(**changes):
    layout = HEADERS[changes.pop("version", SECOND_VERSION)]
    facts = {
        "source_name": "Z Height", "image_mode": "NCM", "cols": 7, "rows": 5, "forward": 1, "x_size_um": 1.4,
        "y_size_um": 0.5, "setpoint": 2.0, "setpoint_unit": "V", "data_gain": 0.001, "z_scale": 2.0, "z_offset": 3.0,
        "z_unit": "um", "scan_rate_hz": 1.0, "data_type": 1, "z_servo_gain": 0.7,
    }  # fmt: skip
    record = np.zeros(1, layout)
    for name, value in (facts | changes).items():
        if name in layout.names:
            record[name] = value.encode("utf-16-le") if isinstance(value, str) else value
    return record.tobytes()


def park_bytes(raw=RAW, dtype="<i4", magic=MAGIC_NUMBER, version=SECOND_VERSION, **changes):
    data = np.asarray(raw, dtype)[::-1].tobytes()
    thumb = np.zeros((2, 3), np.uint8)
    tags = {
        306: text("2022:10:15"), 50432: (4, [magic]), 50433: (4, [version]), 50434: (7, data),
        50435: (7, park_header(version=version, **changes) if version in HEADERS else b""), 50436: text("a comment"),
    }  # fmt: skip
    return tiff([picture(thumb, tags=tags)])


def park(path):
    path.write_bytes(park_bytes())


def asd_bytes(version=1, frames=2, channels=("TP", "ER"), user="Ann", comment="hello", **changes):
    layout = LAYOUTS[version]
    header = np.zeros(1, layout)
    facts = {
        "file_version": version, "frame_header_size": 32, "encoding": 65001, "user_size": len(user.encode()),
        "comment_size": len(comment.encode()), "channel_1": channels[0], "channel_2": "".join(channels[1:2]),
        "frames": frames, "scan_direction": 1, "cols": 7, "rows": 5, "x_size_nm": 70, "y_size_nm": 100,
        "year": 2020, "month": 2, "day": 3, "frame_time_ms": 500.0, "sensor_nm_per_v": 10.0,
        "phase_deg_per_v": 3.0, "adc_range": 0x40000, "adc_bits": 12, "z_extension_nm_per_v": 20.0, "z_gain": 2.0,
        "comment_offset": 2,
    }  # fmt: skip
    tail = user.encode()
    if version == 0:
        tail += struct.pack("<ffi", 10.0, 3.0, 1) + bytes(2)
    tail += comment.encode()
    facts["header_size"] = layout.itemsize + len(tail)
    for name, value in (facts | changes).items():
        if name in layout.names:
            header[name] = value
    body = b""
    for channel in range(len(channels)):
        for frame in range(frames):
            body += struct.pack("<i4h2fB11x", frame, 0, 0, 4, 5, 0.5, 0.25, 0)
            body += np.asarray(RAW + 300 + 10 * frame + 100 * channel, "<i2")[::-1].tobytes()
    return header.tobytes() + tail + body


def asd(path):
    path.write_bytes(asd_bytes())


def h5_jpk(path, frames=3, reflect="false", grid=(5, 7), change=None):
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["file-format-info"] = np.bytes_(b"JPK SCAN")
        group = file.create_group("Measurement_000")
        place = "position-pattern.grid."
        group.attrs.update({
            place + "ilength": grid[1], place + "jlength": grid[0], place + "ulength": 700e-9,
            place + "vlength": "1e-6", place + "unit.unit": np.bytes_(b"m"), place + "reflect": np.bytes_(reflect),
            place + "theta": 0.1, "timing-settings.scanRate": 10.0, "motion": np.bytes_(b"topDown"),
            "feedback-mode.name": np.bytes_(b"ac"), "start-time": np.bytes_(b"2025"),
        })  # fmt: skip
        settings = "feedback-settings."
        group.attrs[settings + "setpoint-feedback-settings.relative-setpoint"] = 0.5
        group.attrs[settings + "adjust-reference-amplitude-feedback-settings.reference-amplitude"] = 2.0
        for number, (name, retrace) in enumerate([("height", "false"), ("height", "true"), ("phase", "true")]):
            channel = group.create_group(f"Channel_{number:03d}")
            channel.attrs["channel.name"] = np.bytes_(name)
            channel.attrs["channel.fancy-name"] = np.bytes_(name.capitalize())
            channel.attrs["retrace"] = np.bytes_(retrace)
            if name == "height":
                channel.attrs["net-encoder.scaling.multiplier"] = -1e-9
                channel.attrs["net-encoder.scaling.offset"] = 5e-7
                channel.attrs["net-encoder.scaling.unit.unit"] = np.bytes_(b"m")
            stack = np.stack([RAW.ravel() + frame for frame in range(frames)], 1).astype(np.int32)
            channel.create_dataset(name.capitalize(), data=stack, chunks=(35, 1), compression="gzip")
            channel.create_dataset("thumbnail", data=np.zeros((4, 1), np.int32))
        if change:
            change(file)


def topostats(path, version="2.4", change=None):
    import h5py

    with h5py.File(path, "w") as file:
        file["image"] = RAW / 100
        file["image_original"] = RAW / 50
        file["pixel_to_nm_scaling"] = 2.5
        file["filename"] = "tiny"
        file["config/cores"] = 2
        file["config/filter/method"] = "median"
        grains = np.zeros((5, 7, 3), bool)
        grains[:, :, 0] = True
        grains[1:3, 2:5, 1] = True
        if version == "2.4":
            file["topostats_version"] = version
            file["full_mask_tensor"] = grains
        else:
            file["topostats_file_version"] = float(version)
            file["grain_masks/above"] = grains[:, :, 1].astype(np.int64) * 3
            file["grain_masks/below"] = np.zeros((5, 7), np.int64)
        if change:
            change(file)


def plain_text(path):
    rows = "\n".join(" ".join(map(str, row)) for row in RAW.tolist())
    path.write_text(f"# Channel: Topo\n# Width: 700 nm\n# Height: 0.5 µm\n# Value units: nm\n{rows}\n", "utf-8")


def npy(path):
    np.save(path, RAW * 0.5)


def npz(path):
    np.savez_compressed(path, height_trace=RAW * 0.5, phase=RAW * 2, pixel_nm=[2.0, 3.0], unit="nm", note="x")


def png(path):
    from PIL import Image

    Image.fromarray((RAW + 300).astype(np.uint16)).save(path)


def color_png(path):
    from PIL import Image

    Image.fromarray(np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)).save(path)


def jpeg(path):
    from PIL import Image

    Image.fromarray((RAW % 256).astype(np.uint8)).save(path, quality=90)


def bmp(path):
    from PIL import Image

    Image.fromarray((RAW % 256).astype(np.uint8)).save(path)


def plain_tiff(path):
    path.write_bytes(tiff([picture(RAW.astype(np.int16)), picture(RAW.astype(np.float32))]))


def packed_tiff(path):
    from PIL import Image

    Image.fromarray((RAW % 256).astype(np.uint8)).save(path, compression="tiff_lzw")


def calibrated_tiff(path):
    from afmend.formats.tiff import write
    from support import scan_of

    write(scan_of(RAW * 0.1, opposite=RAW * 0.2), path)


SAMPLES = {
    "tiny.jpk": jpk, "tiny_park.tiff": park, "tiny.asd": asd, "tiny.h5-jpk": h5_jpk, "tiny.topostats": topostats,
    "tiny.txt": plain_text, "tiny.npy": npy, "tiny.npz": npz, "tiny.png": png, "color.png": color_png,
    "tiny.jpg": jpeg, "tiny.bmp": bmp, "plain.tif": plain_tiff, "packed.tif": packed_tiff,
    "calibrated.tif": calibrated_tiff,
}  # fmt: skip
"""File name -> function that writes it: one of every format, for tests that treat all formats alike."""
