import pytest

from afmend.apps.batch import Order
from afmend.apps.web import jobs as module
from afmend.apps.web.jobs import Jobs, Task
from afmend.apps.web.outputs import BatchWish, Outputs
from afmend.apps.web.roots import Roots
from afmend.errors import BadParameterError
from afmend.formats import write
from afmend.recipes import load_recipe
from support import scan_of
from web_server import damaged

RECIPE = load_recipe("gwyddion").to_yaml()


@pytest.fixture
def folder(tmp_path):
    write(scan_of(damaged()), tmp_path / "a.gwy")
    write(scan_of(damaged((64, 100))), tmp_path / "b.gwy")
    return tmp_path


def ended(jobs, folder, *names, out="mended"):
    """Run a batch to its end."""
    tasks = [Task(folder / name, f"root/{name}", RECIPE, None) for name in names]
    job = jobs.start(tasks, Order(folder / out, RECIPE, write=("csv",)))
    job.thread.join(timeout=120)
    return job


def test_only_what_the_batch_wrote_is_handed_out(folder):
    out = folder / "mended"
    out.mkdir()
    (out / "diary.txt").write_text("mine")
    (folder / "secret.txt").write_text("secret")
    (out / "notes.txt").symlink_to(folder / "secret.txt")
    jobs = Jobs()
    first = ended(jobs, folder, "b.gwy")
    names = first.to_json()["outputs"]
    assert {"b.gwy.csv", "report.html", "summary.csv", "summary.json"} <= set(names)
    assert not {"diary.txt", "notes.txt"} & set(names)
    assert all(first.holds(path) for path in first.outputs)
    second = ended(jobs, folder, "a.gwy")
    assert first.to_json()["outputs"] == names  # positions are links of the page
    assert second.to_json()["outputs"][0] == "a.gwy.csv"
    first.outputs[0].unlink()
    assert not first.holds(first.outputs[0])
    first.outputs[0].symlink_to(folder / "secret.txt")
    assert not first.holds(first.outputs[0])


def test_a_batch_that_dies_says_so(folder, monkeypatch):
    def dies(*_args, **_more):
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr(module, "run_batch", dies)
    job = ended(Jobs(), folder, "a.gwy")
    assert (job.state, job.outputs) == ("failed", ())
    assert "ZeroDivisionError: by hand" in job.error


def test_files_read_with_another_are_not_waited_for(folder):
    (folder / "s.par").write_text("no parameters")
    (folder / "s.tf0").write_bytes(b"\0" * 8)
    job = ended(Jobs(), folder, "a.gwy", "s.par", "s.tf0")
    facts = job.to_json()
    assert (facts["state"], facts["done"], facts["total"]) == ("done", 2, 2)


def test_folders_are_no_files(folder, tmp_path):
    (folder / "sub").mkdir()
    outputs = Outputs(Roots({"root": folder}), None, Jobs(), tmp_path / "scratch")
    wish = {"ref": "root/sub", "steps": [{"step": "level.plane"}]}
    with pytest.raises(BadParameterError, match="is a folder"):
        outputs._start(BatchWish.model_validate({"wishes": [wish], "write": ["csv"]}))


def test_exports_go_when_their_batch_is_forgotten(folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_JOBS", 1)
    monkeypatch.setattr(module, "run_batch", lambda _paths, order, *_, **__: order.out.mkdir(parents=True))
    jobs = Jobs(folder / "scratch")
    for name in ("scratch/one", "mine", "scratch/two", "scratch/three"):
        ended(jobs, folder, "a.gwy", out=name)
    kept = [name for name in ("scratch/one", "mine", "scratch/two", "scratch/three") if (folder / name).exists()]
    assert kept == ["mine", "scratch/two", "scratch/three"]
