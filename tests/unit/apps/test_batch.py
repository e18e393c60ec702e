"""A batch never loses: bad files are named, crashes survived, runs taken up again, results the same for any workers."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import afmend
from afmend.apps.batch import Order, plan, run_batch
from afmend.apps.batch.job import FRAME_SIGN
from afmend.apps.batch.journal import sweep
from afmend.apps.batch.summary import finite
from afmend.formats.register import temporary_prefix
from afmend.pipeline import Recipe
from support import ROOT, rough, scan_of

RECIPE = "{name: quick, steps: [{step: mark.scars_gwyddion}, {step: fill.linear}, {step: level.shift}]}"


def make_inputs(folder, count=3):
    folder.mkdir()
    for i in range(count):
        z = rough((40, 52), i) + np.linspace(0, 20, 52)
        z[11 + i, 5:40] += 12
        afmend.write(scan_of(z), folder / f"scan{i}.gwy")
    (folder / "empty.spm").touch()
    (folder / "foreign.spm").write_bytes(b"this is no scan at all" * 9)
    (folder / "cut.gwy").write_bytes((folder / "scan0.gwy").read_bytes()[:3000])
    (folder / "zeros.dat").write_bytes(bytes(100_000))
    afmend.write(afmend.Scan.of(scan_of(rough()).grid, [afmend.Channel("phase", "trace", rough(), "deg")]),
                 folder / "phase_only.gwy")  # fmt: skip


def order(out, **changes):
    return Order(out, RECIPE, write=("h5", "txt"), **changes)


def rows(out):
    with (out / "summary.csv").open(encoding="utf-8") as file:
        return {row["file"].rsplit("/", 1)[-1]: row for row in csv.DictReader(file)}


def contents(out):
    return {p.name: p.read_bytes() for p in sorted(out.glob("*.txt"))}


def test_bad_files_are_named_and_the_rest_goes_on(tmp_path):
    make_inputs(tmp_path / "in")
    outcome = run_batch([tmp_path / "in"], order(tmp_path / "out", workers=2))
    assert outcome.exit_code == 1
    found = rows(tmp_path / "out")
    done = sorted(name for name, row in found.items() if row["status"] == "processed")
    assert done == ["scan0.gwy", "scan1.gwy", "scan2.gwy"]
    assert "empty" in found["empty.spm"]["error"]
    assert "UnknownFormatError" in found["foreign.spm"]["error"]
    assert "CorruptFileError" in found["cut.gwy"]["error"]
    assert "MissingChannelError" in found["phase_only.gwy"]["error"]
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["planned"], summary["finished"], summary["processed"]) == (8, 8, 3)


def test_workers_do_not_change_results_and_resume_redoes_nothing(tmp_path):
    make_inputs(tmp_path / "in")
    run_batch([tmp_path / "in"], order(tmp_path / "one", workers=1))
    run_batch([tmp_path / "in"], order(tmp_path / "two", workers=2))
    assert contents(tmp_path / "one") == contents(tmp_path / "two") != {}
    assert (tmp_path / "one/summary.csv").read_text() == (tmp_path / "two/summary.csv").read_text()
    stamp = (tmp_path / "one/scan0.gwy.txt").stat().st_mtime_ns
    (tmp_path / "one/scan1.gwy.txt").unlink()
    again = run_batch([tmp_path / "in"], order(tmp_path / "one", workers=1, resume=True))
    assert [r.reused for r in again.results if r.good] == [True, False, True]
    assert (tmp_path / "one/scan0.gwy.txt").stat().st_mtime_ns == stamp
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


TIP = "{source: given, radius_nm: 8, double_tip: false"
TIPPED = (
    f"{{name: tip, steps: [{{step: level.plane}}, {{step: mark.untouched, params: {TIP}}}}}, "
    f"{{step: tip.correct, params: {TIP}, untouched: expected}}}}, "
    "{step: mark.scars_gwyddion}, {step: fill.linear}]}"
)


@pytest.mark.parametrize("mode", ["mend", "mark"])
def test_what_the_tip_correction_changed_is_told_in_every_mode(tmp_path, mode):
    z = rough((40, 52), 3)
    z[11, 5:40] += 12
    afmend.write(scan_of(z), tmp_path / "scan.gwy")
    run_batch([tmp_path / "scan.gwy"], Order(tmp_path / "out", TIPPED, mode=mode, write=("h5",), workers=1))
    mended = afmend.read(next((tmp_path / "out").glob("*.h5")))
    untouched = mended.main.masks.artifact["untouched"]
    assert 0.01 < untouched.mean() < 0.99
    assert [record.step for record in mended.history][2:4] == ["tip.correct", "mark.scars_gwyddion"]
    row = rows(tmp_path / "out")["scan.gwy"]
    assert float(row["invented_percent"]) == pytest.approx(100 * (untouched | mended.main.invented).mean())
    report = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "by steps that change heights on purpose: tip.correct" in report
    assert "<b>Change</b>" in report
    assert "bit-identical" not in report


def test_nothing_usable_and_nothing_found(tmp_path):
    (tmp_path / "in").mkdir()
    assert run_batch([tmp_path / "in"], order(tmp_path / "a")).exit_code == 2
    (tmp_path / "in/x.spm").touch()
    assert run_batch([tmp_path / "in", tmp_path / "absent.spm"], order(tmp_path / "b")).exit_code == 2
    assert "absent.spm" in (tmp_path / "b/summary.csv").read_text()


def test_outputs_never_collide(tmp_path):
    names = [tmp_path / "a/x.spm", tmp_path / "b/x.spm", tmp_path / "b/X.SPM"]
    for name in names:
        name.parent.mkdir(exist_ok=True)
        name.touch()
    stems = [job.stem for job in plan(names, order(tmp_path / "out"))]
    assert len({stem.casefold() for stem in stems}) == 3
    folder_jobs = plan([tmp_path], order(tmp_path / "b"))
    assert [job.path for job in folder_jobs] == [str(tmp_path / "a/x.spm")], "the output folder is not an input"


def test_a_scan_of_several_files_is_one_job(tmp_path):
    for name in ("a.par", "a.tf0", "a.tb0", "b.tf0"):
        (tmp_path / name).touch()
    jobs = plan([tmp_path], order(tmp_path / "out"))
    assert [job.path.rsplit("/", 1)[-1] for job in jobs] == ["a.par", "b.tf0"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_what_is_no_file_hangs_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe.spm")
    assert plan([tmp_path], order(tmp_path / "out")) == []
    outcome = run_batch([tmp_path / "pipe.spm"], order(tmp_path / "out", report=False))
    assert outcome.exit_code == 2
    assert "not a" in outcome.results[0].error["what"]


def test_outputs_of_earlier_runs_are_no_inputs(tmp_path):
    afmend.write(scan_of(rough() + np.linspace(0, 5, 37)), tmp_path / "a.gwy")
    run_batch([tmp_path], order(tmp_path / "one", report=False))
    jobs = plan([tmp_path], order(tmp_path / "two"))
    assert [job.path for job in jobs] == [str(tmp_path / "a.gwy")]


def test_frames_and_files_never_collide(tmp_path):
    for name in ("m.tif", "m.tif@0001", "summary", "a@1", "a_1"):
        (tmp_path / name).touch()
    jobs = plan([tmp_path], order(tmp_path / "out"))
    frames = {f"{job.stem}{FRAME_SIGN}0001" for job in jobs}
    stems = {job.stem for job in jobs}
    assert len(stems) == 5
    assert not frames & stems
    assert str(tmp_path / "out" / "summary") not in stems


def test_an_unusable_worker_costs_its_jobs_only(tmp_path, monkeypatch):
    (tmp_path / "a.gwy").touch()

    def refuse(*_args, **_rest):
        raise OSError("Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", refuse)
    outcome = run_batch([tmp_path / "a.gwy"], order(tmp_path / "out", report=False))
    assert outcome.results[0].error["kind"] == "CrashError"


def test_an_interrupt_ends_the_work_and_keeps_the_summary(tmp_path):
    make_inputs(tmp_path / "in", 6)

    def stop_after_two(_result, done, _of):
        if done == 2:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        run_batch([tmp_path / "in"], order(tmp_path / "out"), stop_after_two)
    assert threading.active_count() == before
    assert json.loads((tmp_path / "out/summary.json").read_text())["finished"] == 2
    written = len(list((tmp_path / "out").glob("*.txt")))
    time.sleep(0.5)
    assert len(list((tmp_path / "out").glob("*.txt"))) == written


def test_a_changed_output_is_made_again(tmp_path):
    make_inputs(tmp_path / "in", 1)
    run_batch([tmp_path / "in/scan0.gwy"], order(tmp_path / "out", report=False))
    (tmp_path / "out/scan0.gwy.txt").write_text("")
    again = run_batch([tmp_path / "in/scan0.gwy"], order(tmp_path / "out", report=False, resume=True))
    assert [result.reused for result in again.results] == [False]
    assert (tmp_path / "out/scan0.gwy.txt").stat().st_size > 0


def test_numbers_that_json_does_not_know():
    assert finite({"a": [float("nan"), 1.0, (float("inf"),)], "b": "x"}) == {"a": [None, 1.0, [None]], "b": "x"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs file names that are not UTF-8")
def test_unreadable_names(tmp_path):
    (tmp_path / "in").mkdir()
    afmend.write(scan_of(rough() + np.linspace(0, 5, 37)), tmp_path / "in/ok.gwy")
    bad = os.path.join(os.fsencode(tmp_path / "in"), b"na\xefve\n.gwy")  # noqa: PTH118 (bytes path)
    os.rename(tmp_path / "in/ok.gwy", bad)  # noqa: PTH104
    outcome = run_batch([tmp_path / "in"], order(tmp_path / "out"))
    assert outcome.exit_code == 0
    assert len(list((tmp_path / "out").glob("*.h5"))) == 1


def test_a_dying_or_endless_worker_costs_one_file(tmp_path, monkeypatch):
    """The worker is made to kill itself, or to hang, on one file by a third-party step."""
    make_inputs(tmp_path / "in", 2)
    (tmp_path / "sitecustomize.py").write_text(
        "import os, time, afmend.formats as f\n"
        "real = f.read_all\n"
        "def read_all(path):\n"
        "    if str(path).endswith('scan0.gwy'): os.kill(os.getpid(), 9)\n"
        "    if str(path).endswith('scan1.gwy'): time.sleep(60)\n"
        "    return real(path)\n"
        "f.read_all = read_all\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT / "src")]))
    (tmp_path / "in/scan2.gwy").write_bytes((tmp_path / "in/scan0.gwy").read_bytes())
    wanted = [tmp_path / f"in/scan{i}.gwy" for i in range(3)]
    outcome = run_batch(wanted, order(tmp_path / "out", timeout_s=12.0, report=False))
    kinds = [result.error["kind"] if result.error else "good" for result in outcome.results]
    assert kinds == ["CrashError", "TimeoutError", "good"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
def test_kill_9_then_resume(tmp_path):
    make_inputs(tmp_path / "in", 12)
    (tmp_path / "quick.yaml").write_text(RECIPE)
    command = [sys.executable, "-m", "afmend.apps.cli.main", "repair", tmp_path / "in", "--out", tmp_path / "out",
               "--recipe", tmp_path / "quick.yaml", "--write", "h5,txt", "--workers", "1"]  # fmt: skip
    run = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    for _ in range(1200):
        if len(list((tmp_path / "out/.afmend/journal").glob("*.json"))) >= 5:
            break
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    time.sleep(0.5)
    finished = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out/.afmend/journal").glob("*.json")}
    assert 0 < len(finished) < 17
    recipe = Recipe.from_yaml(RECIPE).to_yaml()
    outcome = run_batch([tmp_path / "in"], Order(tmp_path / "out", recipe, write=("h5", "txt"), resume=True))
    assert sum(r.reused for r in outcome.results) >= 1
    assert sum(r.good for r in outcome.results) == 12
    assert len(rows(tmp_path / "out")) == 17
    assert len(list((tmp_path / "out").glob("*.txt"))) == 12
    assert not list((tmp_path / "out").rglob(".afmend-*"))


def test_sweep_spares_the_living(tmp_path):
    mine = tmp_path / f"{temporary_prefix()}x.gwy"
    dead = tmp_path / mine.name.replace(f"-{os.getpid()}-", "-4194305-")
    mine.touch()
    dead.touch()
    sweep(tmp_path)
    assert mine.exists()
    assert not dead.exists()
