"""``afmend gate``, and the gate in ``afmend repair``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import afmend
from afmend.apps.batch import gated
from afmend.apps.batch.summary import by_verdict
from afmend.apps.cli.main import app
from afmend.artifacts.gate import judge as judging
from afmend.artifacts.gate.model import Opinion
from afmend.evaluation.report_facts import Card
from support import rough, scan_of

runner = CliRunner()
SHAPE = (64, 90)


def write(path: Path, seed: int = 0, shape: tuple[int, int] = SHAPE) -> Path:
    z = rough(shape, seed, 2.0, 4.0) + 0.03 * np.random.default_rng(seed).standard_normal(shape)
    back = z + 0.01
    z[20, 10:80] += 9
    afmend.write(scan_of(z, opposite=back), path)
    return path


def test_gate_tells_verdict_reason_and_action(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5")
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    done = runner.invoke(app, ["gate", str(path), "--json", "--cam", str(tmp_path / "cam")])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["action"] in judging.ACTIONS
    assert said["evidence"]["detectors"]["scar"]["lines"] == [20]
    assert (tmp_path / "cam" / "a.gate.png").exists()
    plain = runner.invoke(app, ["gate", str(tmp_path), "--running"])
    assert plain.exit_code == 1
    early = json.loads(runner.invoke(app, ["gate", str(path), "--running", "--json"]).stdout)
    doubt = "" if early["sure"] else " (unsure)"
    assert f"a.h5: {early['verdict']}{doubt} -> {early['action']}" in plain.stdout
    only = runner.invoke(app, ["gate", str(tmp_path / "broken.h5"), "--json"])
    assert only.exit_code == 2


@pytest.mark.parametrize("action", [judging.EXPORT, judging.RESCAN])
def test_repair_fills_nothing_in_good_scans_only(action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from afmend.apps.batch.job import Job
    from afmend.apps.batch.one import do_job
    from afmend.recipes import load_recipe

    monkeypatch.setattr(judging, "action_for", lambda _said, **_view: action)
    job = Job(str(write(tmp_path / "a.h5")), str(tmp_path / "out"), load_recipe("auto").to_yaml(), None, ("h5",),
              card=str(tmp_path / "card.json"), gate="gate")  # fmt: skip
    result = do_job(job)
    assert result.good, result
    row = result.scans[0].row
    assert row["action"] == action
    assert row["reasons"]
    assert (row["invented_percent"] == 0) == (action == judging.EXPORT)
    card = Card.from_json(json.loads(Path(result.scans[0].card or "").read_text()))
    assert card.verdict == row["verdict"]
    assert "Gate, not yet to be relied on: " in card.html


@pytest.mark.parametrize("sure", [True, False])
def test_cards_and_prints_say_whether_the_gate_is_sure(
    sure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Opinion, "is_sure", sure)
    monkeypatch.setattr(Opinion, "is_strange", False)
    path = write(tmp_path / "a.h5")
    scan = afmend.read(path)
    card = Card("a.h5", 0, 1, "c", "nm", "s", 0.0, None, None, {}, (), "")
    assert gated.with_verdict(card, gated.judged_by("gate", scan, scan.main.key)).action.startswith("unsure, ") != sure
    assert ("(unsure) -> " in runner.invoke(app, ["gate", str(path)]).stdout) != sure


def test_what_is_too_small_to_judge_is_mended_all_the_same(tmp_path: Path) -> None:
    scan = scan_of(rough((7, 30)))
    assert gated.judged_by("gate", scan, scan.main.key) is None
    assert gated.judged_by(None, scan, scan.main.key) is None
    out = tmp_path / "out"
    done = runner.invoke(app, ["repair", str(write(tmp_path / "a.h5")), "-o", str(out), "--write", "h5"])
    assert done.exit_code == 0, done.output
    with (out / "summary.csv").open() as file:
        assert next(csv.DictReader(file))["verdict"] == ""
    asked = ["repair", str(tmp_path / "a.h5"), "-o", str(tmp_path / "asked"), "--write", "h5", "--gate"]
    assert runner.invoke(app, asked).exit_code == 0
    with (tmp_path / "asked" / "summary.csv").open() as file:
        assert next(csv.DictReader(file))["verdict"] != ""


def test_cards_are_sorted_by_verdict_and_movies_stay_together() -> None:
    def card(file: str, verdict: str, frame: int = 0) -> Card:
        return Card(file, frame, 1, "c", "nm", "s", 0.0, None, None, {}, (), "", verdict)

    cards = [
        card("a", "Good"),
        card("m", "Good"),
        card("m", "Not Tracking", 1),
        card("b", "Imaging Artifacts"),
        card("c", ""),
    ]
    assert [(one.file, one.frame) for one in by_verdict(cards)] == [("m", 0), ("m", 1), ("b", 0), ("a", 0), ("c", 0)]
