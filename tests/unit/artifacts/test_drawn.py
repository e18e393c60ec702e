"""Areas drawn by hand: which pixels they hold, and one clear error for every file that is not one of areas."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image

from afmend.artifacts import drawn as drawn_module
from afmend.artifacts.drawn import exclusions, read_mask_image
from afmend.artifacts.given import Given, given, pack_mask, unpack_mask, use_of
from afmend.artifacts.polygons import Draw, draw, polygon_mask
from afmend.catalogue import find_step
from afmend.errors import BadMaskError
from afmend.pipeline import Field, Recipe, StepUse
from afmend.recipes import repair, replay
from afmend.scan import Masks
from support import rough, scan_of

SQUARE = ((2.0, 2.0), (30.0, 2.0), (30.0, 20.0), (2.0, 20.0))
SHAPE = (24, 37)


def write(path, data):
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def drawn(params, shape=SHAPE, **facts):
    return draw(Field(np.zeros(shape), **facts), params)


# ------------------------------------------------------------------ which pixels


def test_a_rectangle_holds_the_pixels_whose_centers_it_holds():
    mask = polygon_mask(SQUARE, SHAPE)
    expected = np.zeros(SHAPE, bool)
    expected[2:20, 2:30] = True
    assert np.array_equal(mask, expected)
    assert np.array_equal(polygon_mask(SQUARE[::-1], SHAPE), expected)
    by_box = drawn(Draw(rectangles=((2, 2, 28, 18),))).foreground["drawn"]
    assert np.array_equal(by_box, expected)
    assert np.array_equal(polygon_mask(((2.4, 2.4), (30.4, 2.4), (30.4, 20.4), (2.4, 20.4)), SHAPE), expected)


def test_one_center_on_an_edge_belongs_to_one_of_two_neighbors():
    left = polygon_mask(((1.5, 1.5), (5.5, 1.5), (5.5, 6.5), (1.5, 6.5)), SHAPE)
    right = polygon_mask(((5.5, 1.5), (9.5, 1.5), (9.5, 6.5), (5.5, 6.5)), SHAPE)
    assert not (left & right).any()
    assert np.array_equal(left | right, polygon_mask(((1.5, 1.5), (9.5, 1.5), (9.5, 6.5), (1.5, 6.5)), SHAPE))


def even_odd(points, x, y):
    """Textbook rule, point by point."""
    inside = False
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            inside = not inside
    return inside


@pytest.mark.parametrize("seed", range(6))
def test_any_polygon_equals_the_textbook_rule(seed, monkeypatch):
    monkeypatch.setattr("afmend.artifacts.polygons._CROSSINGS", 50 if seed % 2 else 1 << 20)
    rng = np.random.default_rng(seed)
    points = [tuple(map(float, p)) for p in rng.uniform(-8, 40, (9, 2))]  # crosses itself, leaves the image
    expected = [[even_odd(points, x + 0.5, y + 0.5) for x in range(SHAPE[1])] for y in range(SHAPE[0])]
    assert np.array_equal(polygon_mask(tuple(points), SHAPE), np.array(expected))


def test_nanometers_count_in_pixels_of_both_axes():
    params = Draw(polygons=(((0, 0), (30, 0), (30, 8), (0, 8)),), unit="nm")
    mask = drawn(params, pixel_nm=(2.0, 3.0)).foreground["drawn"]
    assert mask[:4, :10].all()
    assert mask.sum() == 40
    with pytest.raises(BadMaskError, match="no calibration"):
        drawn(params, calibrated=False)


def test_areas_are_added_to_the_mask_of_their_name_and_role():
    box = Draw(rectangles=((0, 0, 3, 3),), role="artifact", name="dirt")
    out = draw(Field(np.zeros(SHAPE), masks=drawn(Draw(rectangles=((5, 5, 2, 2),), role="artifact", name="dirt"))), box)
    assert out.artifact["dirt"].sum() == 13
    assert not out.foreground
    assert drawn(Draw()) == Masks()


@pytest.mark.parametrize(
    "params",
    [
        {"polygons": [[]]},
        {"polygons": [[[1, 1], [5, 5]]]},
        {"polygons": [[[1, 1], [5, 5], [9, 9]]]},
        {"polygons": [[[100, 1], [150, 1], [150, 20]]]},
        {"polygons": [[[-9, -9], [-1, -9], [-1, -1]]]},
        {"polygons": [[[1, 1], [1e300, 1], [1, 20]]]},
        {"polygons": [[[1.6, 1.6], [2.4, 1.6], [2.4, 2.4]]]},
        {"rectangles": [[1, 1, 0, 5]]},
        {"rectangles": [[1, 1, 5, -5]]},
        {"rectangles": [[1, 400, 5, 5]]},
        {"polygons": [[[0, 0]] * 100_001]},
    ],
)
def test_areas_without_an_inside_on_the_scan_are_refused(params):
    with pytest.raises(BadMaskError):
        drawn(Draw.parse(params))


def test_points_that_are_not_finite_are_refused():
    with pytest.raises(BadMaskError, match="cannot be meant"):
        polygon_mask(((0, 0), (float("nan"), 3), (5, 5)), SHAPE)


def test_many_points_on_a_large_image_are_quick():
    import time

    angle = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    points = tuple(zip((256 + 200 * np.cos(angle)).tolist(), (256 + 200 * np.sin(angle)).tolist(), strict=True))
    start = time.process_time()
    mask = polygon_mask(points, (512, 500))
    assert time.process_time() - start < 1.0
    assert abs(mask.sum() - np.pi * 200**2) < 400


# ------------------------------------------------------------------ masks as data


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (24, 37)])
def test_a_packed_mask_comes_back(shape):
    mask = np.random.default_rng(0).random(shape) > 0.5
    assert np.array_equal(unpack_mask(pack_mask(mask), shape), mask)
    mask[0, 0] = True
    out = given(Field(np.zeros(shape)), Given.parse(use_of(mask, "missing", "x").params))
    assert np.array_equal(out.missing, mask)


def bomb():
    return base64.b64encode(zlib.compress(bytes(10_000_000), 9)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "not base64!", "AAAA", "é", pack_mask(np.ones((24, 36), bool)), pack_mask(np.ones((24, 37), bool))[:-8],
        base64.b64encode(zlib.compress(np.packbits(np.ones((24, 37), bool)).tobytes()) + b"more").decode(),
        base64.b64encode(zlib.compress(bytes(200))).decode(), bomb(),
    ],
)  # fmt: skip
def test_broken_data_are_refused(text):
    with pytest.raises(BadMaskError):
        given(Field(np.zeros(SHAPE)), Given(rows=24, cols=37, data=text))


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(BadMaskError, match="24 rows x 36 columns"):
        given(Field(np.zeros(SHAPE)), Given(rows=24, cols=36, data="AAAA"))
    for shape in ((0, 5), (1 << 20, 1 << 20)):
        with pytest.raises(BadMaskError):
            unpack_mask("AAAA", shape)
    assert given(Field(np.zeros(SHAPE)), Given()) == Masks()


# ------------------------------------------------------------------ files


def test_polygons_become_steps_by_role_and_unit(tmp_path):
    data = {
        "polygons": [
            {"points": [[2, 2], [30, 2], [30, 20], [2, 20]]},
            {"points": [[0, 0], [9, 0], [9, 4]], "role": "artifact", "unit": "nm"},
        ],
        "rectangles": [{"x": 31, "y": 1, "width": 2, "height": 3}],
    }
    uses = exclusions(write(tmp_path / "a.json", data))
    assert [use.step for use in uses] == ["mask.draw", "mask.draw"]
    scan = scan_of(rough(SHAPE))
    done = repair(scan, Recipe(name="r", steps=uses))
    assert done.main.masks.foreground["drawn"].sum() == 28 * 18 + 6
    assert done.main.masks.artifact["drawn"].sum() >= 2
    assert replay(done, scan).main == done.main
    bare = data["polygons"][0]["points"]
    for known in ([bare], {"polygons": [bare]}):
        plain = exclusions(write(tmp_path / "b.json", known))
        assert repair(scan, Recipe(name="r", steps=plain)).main.masks.foreground["drawn"].sum() == 28 * 18


GOOD = [[1, 1], [5, 1], [5, 5]]


@pytest.mark.parametrize(
    "data",
    [
        "", "{", "\x00", "null", "3", '"text"', "[]", "{}", {"polygons": []}, {"polygons": None}, {"polygons": {}},
        {"areas": []}, {"polygons": [3]}, {"polygons": [[3]]}, {"polygons": [GOOD[:2]]},
        {"polygons": [{}]}, {"polygons": [{"points": 3}]},
        {"polygons": [{"points": GOOD, "color": "red"}]}, {"polygons": [{"points": GOOD, "role": "missing"}]},
        {"polygons": [{"points": GOOD, "role": ["foreground"]}]}, {"polygons": [{"points": GOOD, "unit": "m"}]},
        {"polygons": [{"points": GOOD[:2]}]}, {"polygons": [{"points": [[1, 1, 1]] * 3}]},
        {"polygons": [{"points": [["1", 1], [5, 1], [5, 5]]}]}, {"polygons": [{"points": [[True, 1], [5, 1], [5, 5]]}]},
        "[[[1, 1], [5, 1], [NaN, 5]]]", "[[[1, 1], [5, 1], [1e999, 5]]]", "[[[1, 1], [5, 1], [1e200, 5]]]",
        f"[[[1, 1], [5, 1], [1{'0' * 400}, 5]]]", f"[[[1, 1], [5, 1], [1{'0' * 9000}, 5]]]",
        "[" * 100_000, "[" * 90 + "]" * 90, '{"polygons":' * 50_000, [[[0, 0]] * 100_001],
        {"rectangles": [{"x": 1, "y": 1, "width": 0, "height": 2}]}, {"rectangles": [{"x": 1, "y": 1, "width": 1}]},
        {"rectangles": [{"x": 1e308, "y": 1, "width": 1e308, "height": 1}]}, {"rectangles": [[1, 2, 3, 4]]},
        {"x" * 1000: 1},
    ],
)  # fmt: skip
def test_hostile_json_raises_one_clear_error(tmp_path, data):
    path = write(tmp_path / "a.json", data)
    with pytest.raises(BadMaskError) as caught:
        exclusions(path)
    assert caught.value.where.startswith(str(path))
    assert len(str(caught.value)) < 600


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(BadMaskError, match="cannot be read"):
        exclusions(tmp_path / "none.json")
    with pytest.raises(BadMaskError, match="cannot be read"):
        exclusions(tmp_path / "none.png")
    with pytest.raises(BadMaskError, match="no known ending"):
        exclusions(write(tmp_path / "areas.txt", "[]"))
    latin = tmp_path / "l.json"
    latin.write_bytes(b"\xff\xfe[")
    with pytest.raises(BadMaskError, match="not valid JSON"):
        exclusions(latin)
    monkeypatch.setattr(drawn_module, "_MAX_JSON", 10)
    with pytest.raises(BadMaskError, match="larger than 10 bytes"):
        exclusions(write(tmp_path / "long.json", " " * 11))


def some_mask():
    return np.random.default_rng(4).random(SHAPE) > 0.7


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "tiff"])
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P"])
def test_mask_images_are_read(tmp_path, ending, mode):
    mask = some_mask()
    image = Image.fromarray(mask.astype(np.uint8) * 200)
    image = image.point(lambda v: 255 if v else 0).convert("1") if mode == "1" else image.convert(mode)
    image.save(tmp_path / f"m.{ending}")
    assert np.array_equal(read_mask_image(tmp_path / f"m.{ending}"), mask)


def test_other_depths_and_transparency(tmp_path):
    mask = some_mask()
    Image.fromarray(mask.astype(np.uint16)).save(tmp_path / "m.png")
    assert np.array_equal(read_mask_image(tmp_path / "m.png"), mask)
    Image.fromarray(mask.astype(np.float32)).save(tmp_path / "m.tif")
    assert np.array_equal(read_mask_image(tmp_path / "m.tif"), mask)
    colors = np.full((*SHAPE, 4), 255, np.uint8)
    colors[..., 3] = mask * 128
    Image.fromarray(colors).save(tmp_path / "t.png")
    assert np.array_equal(read_mask_image(tmp_path / "t.png"), mask)


@pytest.mark.parametrize("dtype", [bool, np.uint8, ">i4", float])
def test_numpy_masks_are_read(tmp_path, dtype):
    mask = some_mask()
    np.save(tmp_path / "m.npy", np.asfortranarray(mask.astype(dtype)) if dtype is float else mask.astype(dtype))
    assert np.array_equal(read_mask_image(tmp_path / "m.npy"), mask)


def npy(shape="(24, 37)", descr="'|b1'", version=b"\x01\x00", tail=24 * 37):
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(10 + len(head) + 1) % 64) + b"\n"
    return b"\x93NUMPY" + version + len(head).to_bytes(2, "little") + head + bytes(tail)


@pytest.mark.parametrize(
    "data",
    [
        npy(tail=5), npy(tail=10_000), npy(shape="(99999, 99999)"), npy(shape="(888,)"), npy(shape="(-1, 4)"),
        npy(shape="('a', 4)"), npy(descr="'|O'"), npy(descr="'<c8'", tail=24 * 37 * 8), npy(version=b"\x09\x00"),
        npy(descr="[("), npy()[:9], b"\x93NUMPY", b"", b"junk", b"\x89PNG\r\n\x1a\n", b"BM" + bytes(60),
        b"II*\x00\xff\xff\xff\xff", b"II*\x00\x08\x00\x00\x00\x01\x00",
    ],
)  # fmt: skip
def test_hostile_mask_files_raise_one_clear_error(tmp_path, data):
    path = tmp_path / "m.npy"
    path.write_bytes(data)
    with pytest.raises(BadMaskError):
        exclusions(path)


def png_bytes(mask=None):
    out = io.BytesIO()
    Image.fromarray((some_mask() if mask is None else mask).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_damaged_pictures_raise_one_clear_error(tmp_path):
    good = png_bytes()
    path = tmp_path / "m.png"
    rng = np.random.default_rng(0)
    refused = 0
    for cut in range(1, len(good), 7):
        damaged = bytearray(good)
        damaged[int(rng.integers(len(good)))] ^= 0x55
        for data in (good[:cut], bytes(damaged)):
            path.write_bytes(data)
            try:
                read_mask_image(path)
            except BadMaskError:
                refused += 1
    assert refused > 20


def test_pictures_that_are_no_mask_are_refused(tmp_path):
    path = tmp_path / "m.png"
    header = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    chunk = len(header[4:]).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    idat = b"IDAT" + zlib.compress(bytes(100))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + (len(idat) - 4).to_bytes(4, "big") + idat + bytes(4))
    with pytest.raises(BadMaskError):
        read_mask_image(path)
    frames = [Image.new("L", (5, 4), k) for k in (0, 200)]
    frames[0].save(tmp_path / "m.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(BadMaskError, match="more than one"):
        read_mask_image(tmp_path / "m.tif")
    np.save(tmp_path / "n.npy", np.array([[np.nan, 1.0]]))
    with pytest.raises(BadMaskError, match="not finite"):
        read_mask_image(tmp_path / "n.npy")


def test_no_memory_is_an_error_of_its_own(tmp_path, monkeypatch):
    path = tmp_path / "m.png"
    path.write_bytes(png_bytes())

    def full(_):
        raise MemoryError

    monkeypatch.setattr(drawn_module, "_from_picture", full)
    with pytest.raises(BadMaskError, match="memory"):
        read_mask_image(path)


def test_a_mask_image_enters_the_history_and_replays(tmp_path):
    mask = some_mask()
    path = tmp_path / "m.png"
    path.write_bytes(png_bytes(mask))
    uses = exclusions(path)
    assert [use.step for use in uses] == ["mask.given"]
    scan = scan_of(rough(SHAPE))
    done = repair(scan, Recipe(name="r", steps=(*uses, StepUse(step="level.plane"))))
    assert np.array_equal(done.main.masks.foreground["drawn"], mask)
    path.unlink()
    assert replay(done, scan).main == done.main
    step = find_step("mask.given")
    with pytest.raises(BadMaskError):
        step.kernel(Field(np.zeros((5, 6))), step.params.parse(uses[0].params))
