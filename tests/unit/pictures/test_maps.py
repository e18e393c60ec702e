"""Height maps as pixels: range, aspect ratio, masks, missing pixels."""

import numpy as np
import pytest

from afmend.pictures import maps
from afmend.pictures.annotate import Style, channel_picture, encoded, size_text
from afmend.pictures.typeset import ALARM
from afmend.scan import Channel, Grid, Masks
from support import assert_heights_close, rough

RED = tuple(int(ALARM[i : i + 2], 16) for i in (1, 3, 5))
SMALL = Style(longest=160, font_px=11)


def channel(values, unit="nm", *, calibrated=True, missing=None, sigma=None):
    return Channel(
        "height", "trace", values, unit, calibrated=calibrated, masks=Masks(missing=missing), uncertainty=sigma
    )


@pytest.mark.parametrize("shape", [(8, 512), (170, 220), (486, 768), (512, 8), (64, 64)])
@pytest.mark.parametrize("pixel", [(2.0, 2.0), (3.0, 1.0)])
def test_proportions_are_true_or_stated(shape, pixel):
    size = maps.fit(shape, pixel, 400)
    true = shape[0] * pixel[0] / (shape[1] * pixel[1])
    drawn = size.height / size.width
    assert max(size.width, size.height) == 400
    stretched = drawn / true if size.short_axis == "slow" else true / drawn
    assert stretched == pytest.approx(size.stretch, rel=0.02)
    assert (size.stretch > 1) == (min(true, 1 / true) < 0.1)


def test_range_is_robust_and_ignores_invalid_pixels():
    z = np.linspace(0, 10, 3000).reshape(50, 60)
    z[0, 0] = 1e6
    low, high = maps.robust_range(z)
    assert 0 <= low < 0.1
    assert 9.9 < high < 10.1
    valid = z < 5
    assert maps.robust_range(z, valid)[1] < 5
    assert maps.robust_range(z, np.zeros_like(valid)) == (0.0, 1.0)


def test_range_is_never_empty():
    flat = np.full((30, 40), 7.0)
    low, high = maps.robust_range(flat)
    assert low < 7 < high
    flat[3, 4] = 9.0  # one pixel among many: the percentiles see nothing of it
    assert maps.robust_range(flat) == (7.0, 9.0)
    few = np.zeros((2000, 1000))
    valid = np.zeros(few.shape, bool)
    valid[1, 1] = True  # between the sampled pixels
    few[1, 1] = 4.0
    low, high = maps.robust_range(few, valid)
    assert low < 4 < high


def test_shrinking_averages_valid_pixels_only():
    z = np.zeros((4, 6))
    z[:, 3:] = 8.0
    valid = np.ones_like(z, bool)
    valid[0, 3] = valid[0, 4] = False
    z[0, 3] = 1e9
    values, known = maps.shrink(z, valid, (2, 3))
    assert_heights_close(values.astype(float), np.array([[0, 8 / 3, 8], [0, 4, 8]]), atol_nm=1e-5)
    assert known.all()
    assert not maps.shrink(z, np.zeros_like(valid), (2, 3))[1].any()


def test_colors_follow_heights_and_missing_is_hatched_gray():
    z = np.repeat(np.arange(6.0)[:, None], 9, axis=1)
    valid = np.ones(z.shape, bool)
    valid[2] = False
    picture = maps.paint(z, maps.Size(90, 60), (0.0, 5.0), valid=valid, cmap="gray")
    assert picture.shape == (60, 90, 3)
    assert picture[5, 5].tolist() == [0, 0, 0]
    assert picture[55, 5].tolist() == [255, 255, 255]
    assert set(np.unique(picture[21:29])) == {140, 205}


def test_even_one_masked_pixel_stays_visible():
    mask = np.zeros((1024, 700), bool)
    mask[500, 300] = True
    gray = np.full((205, 140, 3), 100, np.uint8)
    changed = (maps.tint(gray, mask, "#ff0000") != gray).any(axis=2)
    assert changed.sum() == 1
    assert changed[100, 60]


def test_outline_leaves_what_it_surrounds_in_sight():
    mask = np.zeros((40, 60), bool)
    mask[10:20, 0:30] = True
    gray = np.full((40, 60, 3), 100, np.uint8)
    changed = (maps.outlined(gray, mask, "#00ffff") != gray).any(axis=2)
    assert not changed[11:19, 1:29].any()
    assert changed[9, 5]
    assert changed[20, 5]
    assert changed[12, 0]  # where the mask meets the edge, the line runs along it
    assert maps.outlined(gray, np.zeros_like(mask), "#00ffff") is gray
    assert maps.tint(gray, np.zeros_like(mask), "#00ffff") is gray


def test_every_kind_has_its_own_color():
    colors = maps.kind_colors(["outlier", "scar", "zebra", "spike", "yak"])
    assert len(set(colors.values())) == 5
    assert colors["scar"] == maps.KIND_COLORS["scar"]


@pytest.mark.parametrize("amplitude", [1e-3, 0.4, 50.0, 1e5])
@pytest.mark.parametrize("shape", [(8, 128), (128, 8), (34, 44)])
def test_nothing_is_clipped_for_any_range_and_shape(amplitude, shape):
    z = rough(shape, seed=3) * amplitude - 3 * amplitude
    image = np.asarray(channel_picture(channel(z), Grid(*shape, 2.0, 2.0), title="a_long_name.spm", style=SMALL))
    frame = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert (frame == 255).all()
    assert (image < 128).any()


def red_pixels(image):
    return int((np.asarray(image) == RED).all(axis=2).sum())


def test_uncalibrated_is_loud_and_calibrated_is_not():
    z = rough((30, 44))
    assert red_pixels(channel_picture(channel(z), Grid(30, 44, 2, 3), style=SMALL)) == 0
    size = red_pixels(channel_picture(channel(z), Grid.uncalibrated((30, 44)), style=SMALL))
    both = red_pixels(channel_picture(channel(z, "", calibrated=False), Grid.uncalibrated((30, 44)), style=SMALL))
    assert size > 300
    assert both > 1.5 * size
    assert red_pixels(channel_picture(channel(z, calibrated=False), Grid(30, 44, 2, 3), style=SMALL)) > 300


def test_missing_and_invented_pixels_are_told_apart():
    z = rough((30, 44))
    missing = np.zeros(z.shape, bool)
    missing[4:9] = True
    sigma = np.zeros(z.shape)
    sigma[4:6] = 0.5
    plain = channel_picture(channel(z), Grid(30, 44, 2, 2), style=SMALL)
    marked = channel_picture(channel(z, missing=missing, sigma=sigma), Grid(30, 44, 2, 2), style=SMALL)
    assert marked.height > plain.height  # two notes more
    hatched = (np.asarray(marked) == 140).all(axis=2)
    assert 200 < hatched.sum() < 3000


def test_all_missing_shows_no_numbers():
    z = np.zeros((20, 33))
    image = channel_picture(channel(z, missing=np.ones(z.shape, bool)), Grid(20, 33, 1, 1), limits=None, style=SMALL)
    assert (np.asarray(image) == 205).all(axis=2).sum() > 3000
    assert encoded(image).startswith(b"\x89PNG")


def test_size_text():
    assert size_text(Grid(256, 512, 2.0, 2.0)) == "1024 nm × 512 nm (512 × 256 px)"
    assert size_text(Grid.uncalibrated((256, 512))) == "512 × 256 px"
