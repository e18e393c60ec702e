"""afmend.write: scans, pictures and tables."""

import csv

import numpy as np
import pytest
from PIL import Image

import afmend
from afmend.errors import UnsupportedFileError, WriteError
from afmend.formats import png
from afmend.formats.register import Verdict
from afmend.scan import Channel, Grid, Masks, Scan, Source
from support import rough


def scan(kind="height"):
    z = rough((30, 44))
    missing = np.zeros(z.shape, bool)
    missing[3:5] = True
    sigma = np.where(missing, 0.5, 0.0)
    channels = [
        Channel(kind, "trace", z, "nm", masks=Masks(missing=missing), uncertainty=sigma),
        Channel("phase", "trace", z, "deg", masks=Masks(missing=np.ones(z.shape, bool))),
    ]
    return Scan.of(Grid(30, 44, 2.0, 3.0), channels, source=Source("=cmd().spm", "spm", 1, 4))


def test_csv_has_statistics_with_and_without_repaired_pixels(tmp_path):
    afmend.write(scan(), tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["channel"], row["repaired"], row["pixels"]) for row in rows] == [
        ("height/trace", "with", "1320"), ("height/trace", "without", "1232"),
        ("phase/trace", "with", "0"), ("phase/trace", "without", "0"),
    ]  # fmt: skip
    assert float(rows[0]["Sq"]) > 0
    assert rows[2]["Sq"] == ""
    assert rows[0]["file"] == "'=cmd().spm"


@pytest.mark.parametrize("kind", ["height", "current"])
def test_png_is_a_picture_and_is_never_read(tmp_path, kind):
    path = afmend.write(scan(kind), tmp_path / "x.png")
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.width > 500
    assert png.recognise(path.read_bytes(), path) is Verdict.NO
    with pytest.raises(UnsupportedFileError, match="colors, not heights"):
        png.read(path)


def test_form_overrides_the_extension_and_unknown_ones_are_refused(tmp_path):
    assert afmend.write(scan(), tmp_path / "x.csv", "png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(WriteError, match="no writer"):
        afmend.write(scan(), tmp_path / "x.docx")


def test_no_cell_is_a_formula(tmp_path):
    channel = Channel("=1+1", "unknown", rough((5, 8)), "@unit")
    afmend.write(Scan.of(Grid(5, 8), [channel], source=Source("\udcff=a.spm")), tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["file"], row["channel"], row["unit"]) for row in rows} == {("\\udcff=a.spm", "'=1+1", "'@unit")}


def test_plain_file_names_stay_as_they_are(tmp_path):
    from dataclasses import replace

    afmend.write(replace(scan(), source=Source("a.spm")), tmp_path / "x.csv")
    assert "\na.spm,0," in (tmp_path / "x.csv").read_text(encoding="utf-8")
