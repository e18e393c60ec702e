"""Color maps, numerals and lettering."""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from afmend.errors import BadParameterError
from afmend.pictures import numerals, typeset
from afmend.pictures.colormaps import MAPS, colormap, lightness


@pytest.mark.parametrize("name", ["afm", "gray", "blue", "green"])
def test_height_maps_rise_evenly_in_lightness(name):
    table = colormap(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert not table.flags.writeable
    steps = np.diff(lightness(table))
    assert steps.min() >= 0
    assert steps.max() < 1.0
    assert np.ptp(lightness(table)) > 90


def test_difference_map_is_symmetric_in_lightness_and_white_in_the_middle():
    bright = lightness(colormap("difference"))
    assert abs(bright - bright[::-1]).max() < 4
    assert bright[127:129].min() > 95
    assert "difference" in MAPS


def test_unknown_map_is_named():
    with pytest.raises(BadParameterError, match="no color map 'jet'"):
        colormap("jet")


@pytest.mark.parametrize(
    ("largest", "unit", "label"),
    [(1e-3, "nm", "pm"), (12, "nm", "nm"), (1e5, "nm", "µm"), (3e7, "nm", "mm"), (0, "nm", "nm"), (3e-10, "A", "pA"),
     (0.2, "V", "mV"), (5e-20, "A", "fA"), (0, "V", "V"), (4, "deg", "°"), (4, "", "arb. units"), (9, "LSB", "LSB")],
)  # fmt: skip
def test_prefix_fits_the_range(largest, unit, label):
    assert numerals.display(largest, unit).label == label


@pytest.mark.parametrize("low", [0.0, -3.0, 5000.0])
@pytest.mark.parametrize("span", [1e-3, 0.4, 7.0, 1e5])
def test_ticks_are_round_inside_and_distinct(low, span):
    found = numerals.ticks(low, low + span)
    assert 3 <= len(found) <= 8
    assert len({text for _, text in found}) == len(found)
    for value, text in found:
        assert low - 1e-9 * span <= value <= low + span * (1 + 1e-9)
        assert float(text.replace("−", "-")) == pytest.approx(value, abs=1e-6 * span)


def test_ticks_of_nothing_and_of_huge_numbers():
    assert numerals.ticks(2.0, 2.0) == [(2.0, "2.00")]
    assert numerals.fixed(-3e9, 0) == "−3e+09"
    assert numerals.fixed(-0.0001, 2) == "0.00"


def test_plain_numbers():
    assert [numerals.plain(v) for v in (1234.5, 0.04567, -2, 0, 999.6, 3e-9, math.inf)] == [
        "1230", "0.0457", "−2.00", "0", "1000", "3.00e−09", "inf"]  # fmt: skip
    assert numerals.quantity(0.5, "nm", like=30.0) == "0.500 nm"
    assert numerals.quantity(3, "deg") == "3.00°"
    assert numerals.measure(1024.0) == "1024 nm"
    assert numerals.measure(2500.0) == "2.5 µm"


@pytest.mark.parametrize("width", [0.03, 1, 8, 47, 333, 999, 5000, 99999, 3e6])
def test_scale_bar_is_round_and_fits(width):
    length, label = numerals.bar_length(width, calibrated=True)
    assert 0.08 * width < length < 0.61 * width
    assert float(label.split()[0]) in {m * p for m in (1, 2, 5) for p in (0.01, 0.1, 1, 10, 100)}
    pixels, label = numerals.bar_length(max(width, 2), calibrated=False)
    assert label == f"{pixels:.0f} px"


def test_letters_that_the_font_lacks_are_spelled_or_drawn():
    assert typeset.writable("Größe µm σ 中 e\u0301\x00") == "Grosse µm sigma ? e?"
    image = Image.new("L", (200, 40), 255)
    typeset.put(ImageDraw.Draw(image), (100, 20), "−5 × µ", 20, anchor="m")
    ink = np.argwhere(np.asarray(image) < 128)
    assert abs(ink[:, 1].mean() - 100) < 12
    assert 10 < ink[:, 0].mean() < 30


def test_long_titles_are_cut_in_the_middle():
    text = typeset.fitted("a_very_long_file_name_of_some_scan.spm", 14, 120)
    assert typeset.text_width(text, 14) <= 120
    assert text.startswith("a_ve")
    assert text.endswith(".spm")
    assert typeset.fitted("short", 14, 120) == "short"
    assert len(typeset.fitted("anything", 14, 1)) == 3
