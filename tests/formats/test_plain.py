"""Text matrices, NumPy arrays, calibrated TIFFs and plain pictures."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_images import RAW, SHAPE, color_png, packed_tiff, picture, plain_tiff, png, text, tiff

import afmend
from afmend.errors import (
    CorruptFileError,
    NotAnImageError,
    UnknownFormatError,
    UnsupportedFileError,
    WriteError,
)  # fmt: skip
from afmend.formats import identify, write
from afmend.formats.image.reader import recognise as recognise_image
from afmend.formats.numpy_file.npy import layout_of
from afmend.formats.register import Verdict
from afmend.formats.tifftags import first_page
from afmend.scan import Channel, Grid, Scan
from support import assert_heights_close, rough, scan_of

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def saved(tmp_path, content, name="x.txt"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ------------------------------------------------------------------ law 6: reader(writer(scan)) = scan

shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))
heights = shapes.flatmap(
    lambda shape: arrays(
        np.float64, shape, elements=st.floats(-1e20, 1e20, allow_subnormal=False) | st.just(np.nan)
    ).filter(lambda values: np.isfinite(values).any())
)
lengths = st.floats(1e-3, 1e6)
names = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF, categories=("L", "N", "P")), min_size=1)


@st.composite
def scans(draw):
    values = draw(heights)
    grid = draw(st.builds(Grid, *map(st.just, values.shape), lengths, lengths) | st.just(
        Grid.uncalibrated(values.shape)
    ))  # fmt: skip
    known = draw(st.booleans())
    unit = draw(st.sampled_from(["nm", "V", "deg", "A"])) if known else ""
    direction = draw(st.sampled_from(["trace", "retrace", "unknown"]))
    kind = draw(st.sampled_from(["height", "phase", "height_sensor", "pt_100"]))
    first = Channel.from_raw(kind, direction, values, unit, name=draw(names), calibrated=known)
    if draw(st.booleans()):
        return Scan.of(grid, [first])
    return Scan.of(grid, [first, Channel.from_raw("current", "unknown", values / 3, "A", name="I")])


def assert_same(found, wanted, atol=0.0, *, digits=None):
    assert (found.kind, found.direction, found.unit, found.calibrated) == (
        wanted.kind, wanted.direction, wanted.unit, wanted.calibrated,
    )  # fmt: skip
    assert np.array_equal(found.missing, wanted.missing)
    measured = ~wanted.missing
    values = wanted.values if digits is None else wanted.values.astype(digits).astype(float)
    assert_heights_close(found.values[measured], values[measured], atol_nm=atol)


@quick
@given(scans())
def test_text_keeps_one_channel_to_the_last_digit(tmp_path, scan):
    back = afmend.read(write(scan, tmp_path / "x.txt"))
    wanted = (
        next((c for c in scan.channels.values() if c.kind == "height"), None)
        or scan.channels[next(iter(scan.channels))]
    )
    assert_same(back.channel(back.find(next(iter(back.channels)))), wanted)
    assert (back.grid.shape, back.grid.pixel_nm, back.grid.calibrated) == (
        scan.grid.shape, scan.grid.pixel_nm, scan.grid.calibrated,
    )  # fmt: skip


@quick
@given(scans())
def test_npz_keeps_every_channel_to_the_last_digit(tmp_path, scan):
    back = afmend.read(write(scan, tmp_path / "x.npz"))
    assert list(back.channels) == list(scan.channels)
    assert back.grid == scan.grid
    for key, wanted in scan.channels.items():
        assert_same(back.channels[key], wanted)
        assert back.channels[key].name == wanted.name


@quick
@given(scans())
def test_tiff_keeps_every_channel_as_32_bit_floats(tmp_path, scan):
    back = afmend.read(write(scan, tmp_path / "x.tif"))
    assert list(back.channels) == list(scan.channels)
    assert back.grid == scan.grid
    for key, wanted in scan.channels.items():
        assert_same(back.channels[key], wanted, digits=np.float32)
        assert back.channels[key].name == wanted.name


@pytest.mark.parametrize("name", ["x.txt", "x.npz", "x.tif"])
def test_writing_leaves_the_scan_alone_and_keeps_filled_pixels(tmp_path, name):
    values = rough((6, 9))
    hole = np.zeros((6, 9), bool)
    hole[2, 3:5] = True
    channel = Channel.from_raw("height", "trace", values, "nm", missing=hole)
    filled = channel.evolve(values=values, uncertainty=np.where(hole, 0.1, 0.0))
    scan = Scan.of(Grid(6, 9, 2.0, 3.0), [filled])
    before = scan.channel().digest()
    back = afmend.read(write(scan, tmp_path / name))
    assert scan.channel().digest() == before
    assert not back.channel().missing.any()
    assert_heights_close(back.channel().values, values, atol_nm=1e-6)


# ------------------------------------------------------------------ text

HEADER = "# Channel: Topo (Forward)\n# Width: 700 nm\n# Height: 0.5 µm\n# Value units: pm\n"
MATRIX = "\n".join("\t".join(f"{v}" for v in row) for row in RAW.tolist()) + "\n"


def test_text_with_a_header_is_calibrated(tmp_path):
    scan = afmend.read(saved(tmp_path, HEADER + MATRIX))
    assert identify(tmp_path / "x.txt").id == "text"
    assert str(next(iter(scan.channels))) == "height/trace"
    assert_heights_close(scan.channel().values, RAW * 1e-3, atol_nm=1e-12)
    assert scan.grid.size_nm == pytest.approx((500.0, 700.0))
    assert scan.header["Channel"] == "Topo (Forward)"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_text_in_other_encodings(tmp_path, encoding):
    scan = afmend.read(saved(tmp_path, (HEADER + MATRIX).encode(encoding)))
    assert scan.grid.size_nm == pytest.approx((500.0, 700.0))


@pytest.mark.parametrize(
    "header", ["", "# Width: 5 furlong\n# Height: 5 nm\n", "# Width: 1.2.3 nm\n# Height: 5 nm\n", "# Width: -1 nm\n"]
)
def test_text_without_lengths_is_loud(tmp_path, header):
    scan = afmend.read(saved(tmp_path, header + MATRIX))
    assert not scan.grid.calibrated
    assert not scan.channel().calibrated
    assert_heights_close(scan.channel().values, RAW.astype(float), atol_nm=0)


@pytest.mark.parametrize(
    "line", ["1.5 2.5 -3e0 4", "1.5\t2.5\t-3\t4\t", "1.5,2.5,-3,4", "1,5;2,5;-3;4", "1,5\t2,5\t-3\t4", "1.5, 2.5, -3,4",
             "1,5 2,5 -3,0 4,0"],
)  # fmt: skip
def test_text_separators_and_decimal_commas(tmp_path, line):
    scan = afmend.read(saved(tmp_path, f"{line}\n\n{line}\r\n"))
    assert_heights_close(scan.channel().values, np.array([[1.5, 2.5, -3, 4]] * 2), atol_nm=0)


def test_text_nan_is_missing(tmp_path):
    scan = afmend.read(saved(tmp_path, "1 nan 3\n4 5 inf\n"))
    assert scan.channel().missing.sum() == 2


@pytest.mark.parametrize(
    "content",
    [
        "[Header]\nRows=2\n1 2 3\n",
        "WSxM file\n1 2\n",
        "# only: a comment\n",
        "x y z\n1 2 3\n",
        "1 2 3\0\n",
        "%\n",
        " \n",
    ],
)
def test_text_of_other_kinds_is_not_accepted(tmp_path, content):
    with pytest.raises(UnknownFormatError):
        afmend.read(saved(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("1 2 3\n" * 20, UnsupportedFileError),
        ("1 2\n" * 20, NotAnImageError),
        ("1 2 3\n1 2\n", CorruptFileError),
        ("1e300 2 3\n1 2 3\n", CorruptFileError),
        ("1 2 3 4\n" * 10_000 + "1 2 x 4\n", CorruptFileError),
    ],
)
def test_text_damage_is_one_clear_error(tmp_path, content, error):
    with pytest.raises(error, match=r"x\.txt"):
        afmend.read(saved(tmp_path, content))


def test_text_comments_alone_beyond_the_head_are_no_image(tmp_path):
    path = saved(tmp_path, "# c\n")
    with pytest.raises(CorruptFileError, match="no numbers"):
        identify(saved(tmp_path, "1 2\n", "y.txt")).module.read(path)


def test_text_with_lines_longer_than_the_head(tmp_path):
    wide = " ".join(["12345.678"] * 9000)
    assert afmend.read(saved(tmp_path, f"{wide}\n{wide}\n")).grid.shape == (2, 9000)
    with pytest.raises(UnknownFormatError):
        afmend.read(saved(tmp_path, "word " * 20_000))


def test_text_too_many_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("afmend.formats.text.reader.MAX_PIXELS", 10)
    with pytest.raises(CorruptFileError, match="more than 10"):
        afmend.read(saved(tmp_path, MATRIX))


def test_text_writer_makes_one_line_of_a_name(tmp_path):
    channel = Channel.from_raw("height", "unknown", rough((3, 5)), "nm", name="a\nb # c")
    assert afmend.read(write(Scan.of(Grid(3, 5), [channel]), tmp_path / "x.asc")).channel().name == "a b # c"


# ------------------------------------------------------------------ numpy


def test_npy_is_loud_and_keeps_every_type(tmp_path):
    for dtype in (np.uint8, ">i4", np.float16, np.float32, bool):
        values = (RAW % 100).astype(dtype)
        np.save(tmp_path / "x.npy", values)
        scan = afmend.read(tmp_path / "x.npy")
        assert not scan.calibrated
        assert_heights_close(scan.channel().values, values.astype(float), atol_nm=0)
    np.save(tmp_path / "x.npy", np.asfortranarray(RAW))
    assert_heights_close(afmend.read(tmp_path / "x.npy").channel().values, RAW.astype(float), atol_nm=0)


@pytest.mark.parametrize("more", [{"pixel_nm": 2.0}, {"pixel_nm": [2.0, 2.0]}, {"size_nm": [10.0, 14.0]}])
def test_npz_calibrated_by_hand(tmp_path, more):
    np.savez_compressed(tmp_path / "x.npz", Height_retrace=RAW, unit="pm", comment="abc", **more)
    scan = afmend.read(tmp_path / "x.npz")
    assert scan.grid.pixel_nm == (2.0, 2.0)
    channel = scan.channel("height/retrace")
    assert channel.unit == "nm"
    assert_heights_close(channel.values, RAW * 1e-3, atol_nm=1e-12)
    assert scan.header["comment"] == "abc"


@pytest.mark.parametrize("more", [{}, {"pixel_nm": -1.0}, {"size_nm": "big"}, {"pixel_nm": [1.0, 2.0, 3.0]}])
def test_npz_without_lengths_is_loud(tmp_path, more):
    np.savez(tmp_path / "x.npz", a=RAW, **more)
    scan = afmend.read(tmp_path / "x.npz")
    assert not scan.grid.calibrated
    assert not scan.channel("a").calibrated


@pytest.mark.parametrize("facts", ["{", "[1]", '{"a": 3}', "[" * 100_000])
def test_npz_with_damaged_facts_still_opens(tmp_path, facts):
    np.savez(tmp_path / "x.npz", a=RAW, afmend=np.array(facts))
    assert afmend.read(tmp_path / "x.npz").channel("a").unit == ""


class Evil:
    def __reduce__(self):
        return (sys.exit, (99,))


def test_pickles_are_never_loaded(tmp_path):
    poisoned = np.array([[Evil(), Evil()]], dtype=object)
    np.save(tmp_path / "x.npy", poisoned, allow_pickle=True)
    with pytest.raises(UnsupportedFileError, match="never loaded"):
        afmend.read(tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", a=poisoned)
    with pytest.raises(UnsupportedFileError, match="never loaded"):
        afmend.read(tmp_path / "x.npz")


@pytest.mark.parametrize("values", [np.zeros(5), np.zeros((2, 3, 4)), np.array([["a", "b"]])])
def test_arrays_that_are_no_matrix(tmp_path, values):
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(NotAnImageError):
        afmend.read(tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", a=values)
    with pytest.raises(NotAnImageError):
        afmend.read(tmp_path / "x.npz")


def _npz(tmp_path, entries, **options):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", **options) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return tmp_path / "x.npz"


def _npy(shape, descr="'<f8'", body=b""):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + body


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (_npy((3, 4)), CorruptFileError),
        (_npy((1 << 20, 1 << 20)), CorruptFileError),
        (_npy("3, 4"), CorruptFileError),
        (_npy((3, 4), "'<c16'"), UnsupportedFileError),
        (_npy((3, 4), "[('a', '<f8')]"), UnsupportedFileError),
        (_npy((3, 0)), CorruptFileError),
        (b"\x93NUMPY\1\0\xff\xff", CorruptFileError),
        (b"\x93NUMPY\2\0\0\0\0\0", CorruptFileError),
    ],
)
def test_npy_damage_is_one_clear_error(tmp_path, content, error):
    for path in (saved(tmp_path, content, "x.npy"), _npz(tmp_path, {"a.npy": content})):
        with pytest.raises(error, match=r"x\.np"):
            afmend.read(path)


def test_npz_damage_is_one_clear_error(tmp_path):
    good = _npy((3, 4), body=bytes(96))
    with pytest.raises(UnsupportedFileError, match="shapes"):
        afmend.read(_npz(tmp_path, {"a.npy": good, "b.npy": _npy((4, 3), body=bytes(96))}))
    with pytest.raises(UnsupportedFileError, match="unusual way"):
        afmend.read(_npz(tmp_path, {"a.npy": good}, compression=zipfile.ZIP_BZIP2))
    with pytest.raises(NotAnImageError):
        afmend.read(_npz(tmp_path, {"a.npy": _npy((), body=bytes(8)), "readme": b"x"}))
    path = _npz(tmp_path, {"a.npy": good})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorruptFileError, match="archive is damaged"):
        afmend.read(path)


def test_npz_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr("afmend.formats.numpy_file.reader.MAX_TOTAL_BYTES", 1 << 24)
    side = 1024
    bomb = _npy((side, side), body=bytes(side * side * 8))
    path = _npz(tmp_path, {f"{i}.npy": bomb for i in range(5)}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(CorruptFileError, match="promises more"):
        afmend.read(path)
    monkeypatch.setattr("afmend.formats.numpy_file.reader.MAX_ENTRIES", 1)
    with pytest.raises(CorruptFileError, match="5 entries"):
        afmend.read(path)


def test_npy_headers_of_later_versions():
    later = io.BytesIO()
    np.lib.format.write_array_header_2_0(later, {"descr": "<f4", "fortran_order": True, "shape": (2, 3)})
    layout = layout_of(later.getvalue(), "x")
    assert (layout.shape, layout.fortran, layout.dtype) == ((2, 3), True, np.dtype("<f4"))
    assert layout.start == len(later.getvalue())


def test_npz_writer_keeps_clear_of_its_own_names_and_npy_is_refused(tmp_path):
    channels = [Channel.from_raw(kind, "unknown", RAW * 1.0, "V", name=kind) for kind in ("unit", "pixel_nm", "afmend")]
    back = afmend.read(write(Scan.of(Grid(*SHAPE), channels), tmp_path / "x.npz"))
    assert [key.kind for key in back.channels] == ["unit", "pixel_nm", "afmend"]
    with pytest.raises(WriteError, match="npz"):
        write(scan_of(rough((3, 5))), tmp_path / "x.npy")


# ------------------------------------------------------------------ calibrated TIFF


def imagej(values, lines, resolution=(0.5, 0.25), **tags):
    more = {270: text("ImageJ=1.54\n" + lines), 282: (5, [(int(resolution[0] * 1000), 1000)]),
            283: (5, [(int(resolution[1] * 1000), 1000)])}  # fmt: skip
    return picture(values, tags=more | {int(key[1:]): value for key, value in tags.items()})


@pytest.mark.parametrize("unit", ["nm", "µm", "\\u00B5m", "micron"])
def test_tiff_of_imagej_has_its_pixel_size(tmp_path, unit):
    path = saved(tmp_path, tiff([imagej(RAW.astype(np.float32), f"unit={unit}\n")]), "x.tif")
    if not unit.isascii():
        path.write_bytes(path.read_bytes().replace("unit=µm\n".encode(), "unit=µm\n".encode()))
    assert identify(path).id == "tiff"
    scan = afmend.read(path)
    factor = 1 if unit == "nm" else 1000
    assert scan.grid.pixel_nm == pytest.approx((4.0 * factor, 2.0 * factor))
    assert not scan.channel().calibrated
    assert_heights_close(scan.channel().values, RAW.astype(float), atol_nm=0)


def test_tiff_of_imagej_with_value_unit_and_several_pages(tmp_path):
    other = picture(np.zeros((3, 4), np.float32))
    path = saved(tmp_path, tiff([imagej(RAW.astype(np.float32), "unit=nm\nvunit=pm\n"), other]), "x.tif")
    first, second = afmend.read_all(path)
    assert_heights_close(first.channel().values, RAW * 1e-3, atol_nm=1e-9)
    assert second.grid.shape == (3, 4)
    assert first.channel().unit == "nm"


def test_tiff_written_is_what_other_programs_read(tmp_path):
    import tifffile

    scan = scan_of(rough((6, 9)), opposite=rough((6, 9), seed=1))
    write(scan, tmp_path / "x.tif")
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        assert file.is_imagej
        assert file.imagej_metadata["unit"] == "nm"
        assert file.imagej_metadata["channels"] == 2
        stack = file.asarray()
        x, y = (file.pages[0].tags[name].value for name in ("XResolution", "YResolution"))
    assert (x[1] / x[0], y[1] / y[0]) == pytest.approx((3.0, 2.0))
    assert stack.dtype == np.float32
    assert_heights_close(stack[0].astype(float), scan.channel("height/trace").values, atol_nm=1e-6)


@pytest.mark.parametrize(
    ("pages", "error"),
    [
        ([imagej(np.zeros((5, 7, 3), np.uint8), "unit=nm\n")], UnsupportedFileError),
        ([imagej(RAW.astype(np.float32), "unit=nm\n", t259=(3, [5]))], UnsupportedFileError),
        ([imagej(RAW.astype(np.float32), "afmend={\n")], CorruptFileError),
        ([imagej(RAW.astype(np.float32), 'afmend={"channels": [{}, {}]}\n'), picture(np.zeros((2, 3), np.float32))],
         CorruptFileError),
    ],
)  # fmt: skip
def test_tiff_damage_is_one_clear_error(tmp_path, pages, error):
    with pytest.raises(error, match=r"x\.tif"):
        afmend.read(saved(tmp_path, tiff(pages), "x.tif"))


@pytest.mark.parametrize("facts", [{"pixel_nm": [0, 1]}, {"pixel_nm": "x"}, {}, {"channels": [3]}, [1]])
def test_tiff_with_odd_facts_is_loud(tmp_path, facts):
    page = imagej(RAW.astype(np.float32), f"afmend={json.dumps(facts)}\n", resolution=(0, 0))
    scan = afmend.read(saved(tmp_path, tiff([page]), "x.tif"))
    assert not scan.grid.calibrated
    assert not scan.channel().calibrated


@pytest.mark.parametrize("lines", ["unit=nm\n", ""])
def test_tiff_pictures_that_share_their_pixels_are_refused(tmp_path, lines):
    page = imagej(np.zeros((40, 50), np.float32), lines)
    assert len(afmend.read_all(saved(tmp_path, tiff([page] * 3), "x.tif"))) == 3
    with pytest.raises(CorruptFileError, match="overlap"):
        afmend.read_all(saved(tmp_path, tiff([page, *[page | {273: (4, [8])}] * 2]), "x.tif"))


def test_tiff_too_large_to_write(tmp_path, monkeypatch):
    monkeypatch.setattr("afmend.formats.tiff.writer.MAX_BYTES", 10)
    with pytest.raises(WriteError, match="too large"):
        write(scan_of(rough((3, 5))), tmp_path / "x.tif")


def test_tiff_description_that_cannot_be_read_is_not_ours(tmp_path):
    path = saved(
        tmp_path, tiff([picture(RAW.astype(np.int16), tags={270: (2, b"ImageJ=1" + bytes(1 << 21))})]), "x.tif"
    )
    assert first_page(path.read_bytes(), path) is not None
    assert identify(path).id == "image"


# ------------------------------------------------------------------ plain pictures


def test_png_16_bit_is_loud(tmp_path):
    png(tmp_path / "x.png")
    assert identify(tmp_path / "x.png").id == "image"
    scan = afmend.read(tmp_path / "x.png")
    assert not scan.calibrated
    assert_heights_close(scan.channel().values, RAW + 300.0, atol_nm=0)
    assert "none" in scan.header["calibration"]


def test_colors_become_luminance_and_gray_stays_gray(tmp_path):
    from PIL import Image

    color_png(tmp_path / "x.png")
    rgb = np.asarray(Image.open(tmp_path / "x.png")).astype(float)
    scan = afmend.read(tmp_path / "x.png")
    assert_heights_close(scan.channel().values, rgb @ [0.299, 0.587, 0.114], atol_nm=1e-9)
    assert "luminance" in scan.header["colors"]
    gray = (RAW % 256).astype(np.uint8)
    Image.fromarray(np.dstack([gray] * 3)).save(tmp_path / "g.bmp")
    assert_heights_close(afmend.read(tmp_path / "g.bmp").channel().values, gray.astype(float), atol_nm=0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_pictures_of_every_mode(tmp_path, mode):
    from PIL import Image

    gray = Image.fromarray(((RAW > 0) * 255).astype(np.uint8))
    name = "x.tif" if mode == "CMYK" else "x.png"
    picture_ = gray.convert("RGB").convert(mode) if mode in ("CMYK", "RGBA", "P") else gray.convert(mode)
    picture_.save(tmp_path / name)
    assert_heights_close(afmend.read(tmp_path / name).channel().values, (RAW > 0) * 255.0, atol_nm=1)


def test_tiff_stacks_give_one_scan_each(tmp_path):
    plain_tiff(tmp_path / "x.tif")
    first, second = afmend.read_all(tmp_path / "x.tif")
    assert not first.calibrated
    for scan in (first, second):
        assert_heights_close(scan.channel().values, RAW.astype(float), atol_nm=0)


def test_packed_tiff(tmp_path):
    packed_tiff(tmp_path / "x.tif")
    assert_heights_close(afmend.read(tmp_path / "x.tif").channel().values, RAW % 256 * 1.0, atol_nm=0)


def test_pictures_that_promise_too_much(tmp_path, monkeypatch):
    import struct
    import zlib

    png(tmp_path / "x.png")
    data = bytearray((tmp_path / "x.png").read_bytes())
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(CorruptFileError, match=r"x\.png"):
        afmend.read(saved(tmp_path, bytes(data), "x.png"))
    packed_tiff(tmp_path / "x.tif")
    monkeypatch.setattr("afmend.formats.image.reader.MAX_VALUES", 10)
    with pytest.raises(CorruptFileError, match="too many"):
        afmend.read(tmp_path / "x.tif")


def test_pictures_that_share_their_pixels_are_refused(tmp_path):
    page = picture(np.zeros((4, 7), np.uint8)) | {256: (4, [1000]), 257: (4, [1])}
    with pytest.raises(CorruptFileError):
        afmend.read(saved(tmp_path, tiff([page]), "x.tif"))


def test_a_text_that_begins_with_bm_is_no_bitmap(tmp_path):
    path = saved(tmp_path, "BM is not a bitmap here")
    assert recognise_image(path.read_bytes(), path) is Verdict.NO


def test_import_stays_light():
    code = (
        "import sys, afmend, afmend.formats\n"
        "for form in afmend.formats.FORMATS: form.module\n"
        "heavy = {'h5py', 'PIL', 'tifffile', 'scipy', 'numba', 'cv2'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    from support import ROOT

    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, check=True)
