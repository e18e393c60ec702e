"""``afmend tip`` and ``afmend bench seed-tip``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from afmend.apps.cli.main import app
from afmend.errors import AfmendError
from afmend.formats import read, write
from afmend.pictures.numerals import ghosts_at, nm
from afmend.scan import Channel, Grid, Scan
from afmend.tip import dilate, tip_array
from afmend.tip.shapes import SphereCone
from support import rough, scan_of

SHAPE = (120, 131)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Needles imaged by a ball of 9 nm, pixels 2 nm x 3 nm."""
    rng = np.random.default_rng(0)
    z = rough(SHAPE, 1, 0.3, 1.5)
    z[rng.integers(0, SHAPE[0], 160), rng.integers(0, SHAPE[1], 160)] += rng.uniform(4, 25, 160)
    image = dilate(z, tip_array(SphereCone(radius_nm=9.0, half_angle_deg=20.0), (2.0, 3.0), 30.0))
    noisy = image + 0.05 * rng.standard_normal(SHAPE)
    return str(write(scan_of(noisy), tmp_path_factory.mktemp("tip") / "needles.h5"))


def run(*words: str) -> str:
    found = CliRunner().invoke(app, ["tip", *words])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found.stdout


def test_estimate(file: str) -> None:
    told = json.loads(run("estimate", file, "--no-level", "--json"))
    assert told["verdict"] == "confident"
    assert told["radius_nm"] == pytest.approx(9.0, rel=0.2)
    assert "95 % between" in run("estimate", file, file, "--no-level")


def test_estimate_abstains(tmp_path: Path) -> None:
    smooth = str(write(scan_of(np.zeros((40, 50))), tmp_path / "flat.h5"))
    assert "no estimate: only 0 peaks" in run("estimate", smooth)
    sharp = rough(SHAPE, 1, 1.0, 0.6)
    assert "The radius is at most" in run("estimate", str(write(scan_of(sharp), tmp_path / "sharp.h5")))


def test_a_double_tip_is_named(tmp_path: Path) -> None:
    told = run("simulate", _blobs(tmp_path), "-o", str(tmp_path / "d.h5"), "--radius", "3", "--ghost", "16", "-30", "4")
    assert "multiple tip" in told
    assert "double tip: ghosts 16 nm up and 30 nm to the right of their features" in run(
        "estimate", str(tmp_path / "d.h5"), "--no-level"
    )


def test_lengths_have_no_powers_of_ten_and_directions_no_signs() -> None:
    said = ghosts_at((-1046.2, -2859.4), 2304.0)
    assert said == "1046 nm up and 2859 nm to the left of their features, 2300 nm lower"
    assert nm(0.00783) == "0.00783 nm"


def _blobs(folder: Path) -> str:
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:150, :170]
    z = rough((150, 170), 0, 0.1)
    for _ in range(22):
        a, b, r, h = rng.uniform(0, 150), rng.uniform(0, 170), rng.uniform(2, 4), rng.uniform(10, 20)
        z = np.maximum(z, h * np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * r * r)))
    return str(write(scan_of(z), folder / "blobs.h5"))


def test_correct(file: str, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    told = json.loads(run("correct", file, "-o", str(out), "--no-level", "--json"))
    assert 0 < told["certain_share"] < 1
    assert told["untouched"] == "mean"
    scan = read(out)
    assert [record.step for record in scan.history] == ["mark.untouched", "tip.correct"]
    assert scan.main.masks.artifact["untouched"].any()
    assert scan.main.values.mean() < read(file).main.values.mean()
    assert scan.main.uncertainty is not None
    said = run("correct", file, "-o", str(out), "--radius", "500", "--single")
    assert "pixels are certain" in said
    assert "have an error bar" in said
    assert "warning: the image holds features sharper than a tip of 500 nm" in said.replace("\n", " ")
    told = json.loads(run("correct", file, "-o", str(out), "--no-level", "--untouched", "learned", "--json"))
    assert told["model"] == "tip"
    assert told["untouched"] == "learned"
    assert np.abs(read(out).main.values - scan.main.values).max() > 0
    with pytest.raises(AfmendError, match="untouched"):
        run("correct", file, "-o", str(out), "--untouched", "wished")


def test_correct_leaves_alone_what_it_cannot_know(tmp_path: Path) -> None:
    smooth = str(write(scan_of(np.zeros((40, 50))), tmp_path / "flat.h5"))
    assert "nothing corrected: only 0 peaks" in run("correct", smooth, "-o", str(tmp_path / "out.h5"))
    assert "striped = not known whether the tip touched, here everywhere: only 0 peaks" in run(
        "certainty", smooth, "-o", str(tmp_path / "c.png")
    ).replace("\n", " ")
    assert blue(tmp_path / "c.png") > 0.1


def blue(path: Path) -> float:
    """Share of a picture that has the color of what was not touched."""
    with Image.open(path) as picture:
        return float(np.mean(np.all(np.asarray(picture.convert("RGB")) == (0, 160, 255), axis=2)))


def test_correct_undoes_what_is_better_on_average_where_it_is_not_sure(tmp_path: Path) -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    rng, z = np.random.default_rng(2), np.zeros(SHAPE)
    for _ in range(50):
        square = ((y - rng.uniform(0, SHAPE[0])) * 2) ** 2 + ((x - rng.uniform(0, SHAPE[1])) * 3) ** 2
        z = np.maximum(z, np.sqrt(np.maximum(10.0**2 - square, 0)))
    image = dilate(z, tip_array(SphereCone(radius_nm=12.0, half_angle_deg=20.0), (2.0, 3.0), 10.0))
    file = str(write(scan_of(image + 0.02 * rng.standard_normal(SHAPE)), tmp_path / "domes.h5"))
    order = ("correct", file, "-o", str(tmp_path / "out.h5"), "--no-level", "--single")
    assert "as far as is better on average" in run(*order)
    assert "nothing corrected" in run(*order, "--unsure", "leave")
    picture = tmp_path / "c.png"
    said = run("certainty", file, "-o", str(picture), "--no-level", "--single").replace("\n", " ")
    assert "striped = no pixel is certain" in said
    assert "blue = what a tip of that radius did not touch" in said
    assert blue(picture) > 0.1


def test_pictures(file: str, tmp_path: Path) -> None:
    assert "not known to be touched" in run("certainty", file, "-o", str(tmp_path / "c.png"), "--no-level")
    assert blue(tmp_path / "c.png") < 0.05
    run("certainty", file, "-o", str(tmp_path / "c.png"), "--no-level", "--radius", "500", "--single")
    run("show", "-o", str(tmp_path / "t.png"), "--radius", "20")
    run("show", "-o", str(tmp_path / "e.png"), "--from", file)
    for name in ("c.png", "t.png", "e.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 50


def test_refuses(file: str, tmp_path: Path) -> None:
    out = str(tmp_path / "t.png")
    with pytest.raises(AfmendError, match="Give either"):
        run("show", "-o", out)
    bare = Scan.of(Grid.uncalibrated((20, 30)), [Channel("height", "unknown", np.zeros((20, 30)), "nm")])
    with pytest.raises(AfmendError, match="not a calibrated height map"):
        run("estimate", str(write(bare, tmp_path / "bare.h5")))
    other = Scan.of(Grid(20, 30, 5.0, 5.0), [Channel("height", "unknown", np.zeros((20, 30)), "nm")])
    with pytest.raises(AfmendError, match="pixels have another size"):
        run("estimate", file, str(write(other, tmp_path / "other.h5")))
    with pytest.raises(AfmendError, match="the tip is not known"):
        run("show", "-o", out, "--from", str(tmp_path / "other.h5"))


def test_the_seeds_experiment() -> None:
    words = ["bench", "seed-tip", "--box", "train", "--count", "1", "--size", "96"]
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    rows = {(row[0], row[1]): row for row in told["rows"]}
    assert ("AFM: fractal, dilation", "true tip") in rows
    assert ("STM: lattice, Gaussian", "afmend") in rows
    assert rows["AFM: fractal, dilation", "raw image"][3].startswith("+0.00")
    assert "Gain" in CliRunner().invoke(app, words).stdout


def test_a_suspicion_is_said_in_words():
    from afmend.apps.cli.tip_words import corrected

    said = "perhaps a double tip"
    facts = {"certain_share": 0.5, "suspicion": said, "double_tip": False}
    assert corrected(facts).endswith(f"; {said}")
    assert said not in corrected({**facts, "suspicion": ""})
