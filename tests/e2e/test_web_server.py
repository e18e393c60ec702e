"""The server of the page, asked as a browser and as an attacker would."""

import json
import signal
import socket
import time
import zipfile
from io import BytesIO

import numpy as np
import pytest

from afmend.formats import write
from afmend.pipeline import Recipe
from afmend.recipes import load_recipe
from e2e_cli import cli
from support import scan_of
from web_server import AUTO, GWYDDION, damaged, start, wish


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write(scan_of(damaged()), folder / "one.gwy")
    write(scan_of(damaged((64, 100), seed=5)), folder / "two.h5")
    (folder / "broken.spm").write_bytes(b"\\*File list\r\n\\Version: 0x05120130\r\n" + b"x" * 200)
    (folder / "note.txt").write_text("no numbers here")
    (folder.parent / "secret.gwy").write_bytes((folder / "one.gwy").read_bytes())
    return folder


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    server = start(folder, tmp_path_factory.mktemp("state"), "--upload", 1)
    server.enter()
    yield server
    server.close()


# ------------------------------------------------------------------ who is let in


def test_nothing_without_the_cookie(server):
    for path in ("/", "/static/js/main.js", "/api/schema", "/api/browse", "/api/thumb?ref=root/one.gwy"):
        assert server.ask("GET", path, headers={"Cookie": None})[0] == 401
    assert server.ask("POST", "/api/run", {}, headers={"Cookie": None})[0] == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1"])
def test_foreign_hosts(server, host):
    assert server.ask("GET", "/", headers={"Host": host})[0] == 421


def test_foreign_origin_and_none(server):
    for origin in ("http://evil.example", "null", f"http://localhost:{server.port + 1}"):
        assert server.ask("POST", "/api/run", {}, headers={"Origin": origin})[0] == 403
    assert server.ask("POST", "/api/run", {}, headers={"Origin": None})[0] == 403
    assert (
        server.ask(
            "GET", "/", headers={"Origin": f"http://localhost:{server.port}", "Host": f"localhost:{server.port}"}
        )[0]
        == 200
    )


def test_entrance_opens_once_and_new_ones_can_be_had(server):
    assert server.ask("GET", "/?" + server.entrance.partition("?")[2], headers={"Cookie": None})[0] == 401
    address = server.json("POST", "/api/token", {})["address"]
    assert server.ask("GET", "/?" + address.partition("?")[2], headers={"Cookie": None})[0] == 303


def test_page_and_parts(server):
    status, headers, page = server.ask("GET", "/")
    assert status == 200
    assert b'<script type="module"' in page
    assert b"style=" not in page
    assert "script-src 'self'" in headers["content-security-policy"]
    status, headers, _ = server.ask("GET", "/static/js/main.js")
    assert (status, headers["content-type"].partition(";")[0]) == (200, "text/javascript")


@pytest.mark.parametrize(
    "path",
    [
        "../app.py",
        "%2e%2e/app.py",
        "js/../../app.py",
        "..%5capp.py",
        "",
        "js",
        "js/.x",
        "none.js",
        "js//main.js",
        "app.py",
    ],
)
def test_static_holds_only_the_page(server, path):
    assert server.ask("GET", f"/static/{path}")[0] in (404, 401)


# ------------------------------------------------------------------ files


def test_browse(server):
    found = server.json("GET", "/api/browse?ref=root")
    assert [one["name"] for one in found["entries"]] == ["broken.spm", "note.txt", "one.gwy", "two.h5"]


@pytest.mark.parametrize(
    "ref",
    ["root/../secret.gwy", "root/%2e%2e/secret.gwy", "root/..%2fsecret.gwy", "root/%2fetc%2fpasswd", "/etc/passwd"],
)
def test_traversal(server, ref):
    for path, body in (
        ("/api/info", {"ref": ref}),
        ("/api/run", {"rev": 1, "wish": wish(ref)}),
        ("/api/words", wish(ref)),
    ):
        status, _, data = server.ask("POST", path, body)
        assert b"OutsideError" in data
        assert status in (200, 422)
    from urllib.parse import quote

    assert server.ask("GET", f"/api/thumb?ref={quote(ref)}")[0] == 422
    assert server.ask("GET", f"/api/browse?ref={quote(ref)}")[0] == 422


def test_info_and_thumb(server):
    info = server.json("POST", "/api/info", {"ref": "root/one.gwy"})
    assert (info["grid"]["rows"], info["grid"]["cols"], info["count"]) == (96, 128, 1)
    assert info["size_nm"] == pytest.approx([192.0, 384.0])
    thumb = server.json("GET", "/api/thumb?ref=root/one.gwy")
    assert bytes.fromhex(thumb["png"]).startswith(b"\x89PNG")


def test_unreadable_files_say_why(server):
    for ref in ("root/broken.spm", "root/note.txt", "root/none.gwy"):
        error = server.json("POST", "/api/info", {"ref": ref}, status=422)["error"]
        assert error["what"]
        assert error["now"]


def post(path, server, length):
    """The head of a request, for a raw socket."""
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {server.host}",
        f"Origin: http://{server.host}",
        f"Cookie: {server.cookie}",
    )
    return "\r\n".join((*lines, f"Content-Length: {length}", "", ""))


def upload(server, name, data, **headers):
    return server.ask("POST", "/api/upload", data, headers={"X-Name": name, **headers})


@pytest.mark.parametrize(
    "name", ["..%2f..%2fevil.gwy", "C%3A%5Cevil.gwy", "..%5C..%5Cevil.gwy", "CON", "", "%00%0a.gwy", "a" * 400]
)
def test_hostile_names(server, folder, name):
    status, _, data = upload(server, name, b"123")
    assert status == 200
    assert json.loads(data)["ref"].startswith("upload/")
    assert sorted(path.name for path in folder.iterdir()) == ["broken.spm", "note.txt", "one.gwy", "two.h5"]


def test_upload_is_read(server, folder):
    status, _, data = upload(server, "mine%20own.gwy", (folder / "one.gwy").read_bytes())
    assert status == 200
    info = server.json("POST", "/api/info", {"ref": json.loads(data)["ref"]})
    assert info["source"]["file"] == "mine own.gwy"
    again = upload(server, "mine%20own.gwy", (folder / "one.gwy").read_bytes())[2]
    assert json.loads(again) == json.loads(data)  # the same file, so that drawings on it come back


def test_oversized_and_lying_uploads(server):
    assert upload(server, "a", b"", **{"Content-Length": str(5 << 20)})[0] == 413
    assert upload(server, "a", b"", **{"Content-Length": "-5"})[0] in (400, 413)
    assert upload(server, "a", b"", **{"Content-Length": "many"})[0] in (400, 413)
    chunk = b"80000\r\n" + b"x" * 0x80000 + b"\r\n"
    status, _, _ = upload(server, "a", chunk * 4 + b"0\r\n\r\n", **{"Transfer-Encoding": "chunked"})
    assert status == 413
    # shorter than promised: the connection ends, nothing is kept, the server lives
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        head = post("/api/upload", server, 999)
        raw.sendall(head.encode() + b"short")
    assert server.ask("GET", "/")[0] == 200


def test_requests_are_limited(server):
    assert server.ask("POST", "/api/run", b"{" * 100)[0] == 422
    assert server.ask("POST", "/api/run", b"[" * 200_000)[0] == 422
    assert server.ask("POST", "/api/run", b"", headers={"Content-Length": str(1 << 30)})[0] == 413
    assert server.ask("POST", "/api/info", b"[]")[0] == 422


def test_idle_sockets_do_not_matter(server):
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    try:
        for one in idle[:50]:
            one.sendall(b"GET / HT")
        began = time.monotonic()
        assert server.ask("GET", "/")[0] == 200
        assert time.monotonic() - began < 5
    finally:
        for one in idle:
            one.close()


# ------------------------------------------------------------------ running


def frame(found, panel):
    return next((head, payload) for head, payload in found if head.get("panel") == panel and head["t"] == "frame")


def test_run_brings_all_panels(server):
    found = server.run(wish(steps=AUTO))
    assert [head["panel"] for head, _ in found if head["t"] == "frame"] == [
        "original",
        "raw_mask",
        "leveled",
        "mask",
        "mended",
        "flags",
    ]
    head, payload = frame(found, "original")
    shown = np.frombuffer(payload, "<f4").reshape(head["shape"]) + head["offset"]
    assert float(np.abs(shown - damaged()).max()) < 1e-5
    done = found[-1][0]
    assert (done["t"], done["steps"]) == ("done", [use["step"] for use in AUTO])


def test_a_late_change_recomputes_only_later_steps(server):
    first = server.run(wish(steps=AUTO))
    have = {head["panel"]: head["key"] for head, _ in first if head["t"] in ("frame", "same")}
    again = server.run(wish(steps=AUTO), have=have)
    assert again[-1][0]["ms"] == {}
    assert {head["t"] for head, _ in again} == {"same", "step", "done"}
    late = [*AUTO[:-1], {"step": "fill.laplace", "params": {}}]
    changed = server.run(wish(steps=late), have=have)
    assert list(changed[-1][0]["ms"]) == ["6:fill.laplace"]
    assert [head["panel"] for head, _ in changed if head["t"] == "frame"] == ["mended", "flags"]


def test_previews_are_small_and_never_replace_finer_pictures(server):
    found = server.run(wish(), preview_px=50)
    head, payload = frame(found, "original")
    assert (head["dtype"], head["preview"], max(head["shape"])) == ("u2", True, 50)
    assert len(payload) == 2 * head["shape"][0] * head["shape"][1]
    full = server.run(wish())
    have = {head["panel"]: head["key"] for head, _ in full if head["t"] == "frame"}
    assert all(head["t"] != "frame" for head, _ in server.run(wish(), preview_px=50, have=have))


def test_errors_of_steps_arrive(server):
    flat = [{"step": "mask.draw", "params": {"polygons": [[[900, 900], [901, 900], [901, 901]]]}}]
    error = server.run(wish(steps=flat))[-1][0]
    assert error["t"] == "error"
    assert "no pixel" in error["error"]["what"]


def test_a_reader_that_gives_up_leaves_nobody_waiting(server):
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        body = json.dumps({"rev": 1, "wish": wish(steps=AUTO, name="left")}).encode()
        head = post("/api/run", server, len(body))
        raw.sendall(head.encode() + body)
    assert server.run(wish())[-1][0]["t"] == "done"


def test_numbers_are_those_of_the_library(server):
    from afmend import read, repair, statistics

    rows = server.json("POST", "/api/measure", wish())["rows"]
    mended = repair(read(server_folder(server) / "one.gwy"), "gwyddion")
    assert rows[1]["Sq"] < rows[0]["Sq"]
    assert rows[3]["Sq"] == pytest.approx(statistics(mended).Sq, rel=1e-12)
    assert rows[4]["pixels"] < rows[3]["pixels"]


def server_folder(server):
    from pathlib import Path

    return Path(server.log[0].partition("shows ")[2].strip())


def test_step_height(server):
    low, high = [[0, 0], [20, 0], [20, 20], [0, 20]], [[100, 60], [120, 60], [120, 80], [100, 80]]
    found = server.json("POST", "/api/step_height", {"wish": wish(), "first": low, "second": high})
    assert found["step"] == pytest.approx(found["second"]["mean"] - found["first"]["mean"])
    assert (
        server.json("POST", "/api/step_height", {"wish": wish(), "first": low, "second": [[0, 0]]}, status=422)[
            "error"
        ]["kind"]
        == "BadMaskError"
    )


def test_recipes_go_both_ways(server):
    made = server.json("POST", "/api/recipe", {"name": "mine", "steps": GWYDDION})
    back = server.json("POST", "/api/recipe", {"yaml": made["yaml"]})
    assert back["recipe"]["name"] == "mine"
    assert [use["step"] for use in back["recipe"]["steps"]] == [use["step"] for use in GWYDDION]
    assert server.json("POST", "/api/recipe", {"yaml": "a: &a [*a]"}, status=422)["error"]["kind"] == "BadRecipeError"


def test_sessions_come_back(server):
    kept = {"version": 1, "work": {"note": "ü"}}
    assert server.json("GET", "/api/session/aaaaaaaa00000000")["state"] is None
    server.json("PUT", "/api/session/aaaaaaaa00000000", kept)
    assert server.json("GET", "/api/session/aaaaaaaa00000000")["state"] == kept
    assert server.json("GET", "/api/session/bbbbbbbb00000000")["state"] == kept
    assert server.ask("PUT", "/api/session/..%2f..%2fevil", kept)[0] == 404
    server.json("PUT", "/api/session/evil", kept, status=422)
    server.json("PUT", "/api/session/aaaaaaaa00000000", [1], status=422)


# ------------------------------------------------------------------ batches and exports


def finished(server, body):
    job = server.json("POST", "/api/batch", body)
    end = time.monotonic() + 120
    while job["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.1)
        job = server.json("GET", f"/api/batch/{job['id']}")
    return job


def test_export_is_what_the_command_writes(server, folder, tmp_path):
    stroke = {"layer": "exclude", "polygons": [[[5, 5], [60, 5], [60, 40], [5, 40]]]}
    asked = wish(steps=AUTO, strokes=[stroke], channel="height")
    kinds = ["h5", "gwy", "png", "csv", "tiff", "npz"]
    job = finished(server, {"wishes": [asked], "write": kinds})
    assert job["state"] == "done"
    made = {name: server.ask("GET", f"/api/output/{job['id']}/file/{i}")[2] for i, name in enumerate(job["outputs"])}
    (tmp_path / "recipe.yaml").write_text(server.json("POST", "/api/words", asked)["yaml"])
    done = cli(
        "repair",
        folder / "one.gwy",
        "-o",
        tmp_path / "out",
        "--recipe",
        tmp_path / "recipe.yaml",
        "--channel",
        "height",
        "--write",
        ",".join(kinds),
    )
    assert done.returncode == 0, done.stderr
    for kind in kinds:
        name = f"one.gwy.{kind}"
        assert made[name] == (tmp_path / "out" / name).read_bytes(), f"{name} differs"
    screen = server.run(asked)[-1][0]["digest"]
    from afmend import read

    assert read(tmp_path / "out" / "one.gwy.h5").history[-1].after == screen
    archive = zipfile.ZipFile(BytesIO(server.ask("GET", f"/api/output/{job['id']}/all.zip")[2]))
    assert sorted(archive.namelist()) == job["outputs"]


def test_report_is_shown_in_a_box(server):
    job = finished(server, {"wishes": [wish()], "write": ["csv"]})
    status, headers, _ = server.ask("GET", f"/api/output/{job['id']}/file/{job['outputs'].index('report.html')}?show=1")
    assert status == 200
    assert headers["content-security-policy"].startswith("sandbox")
    assert server.ask("GET", f"/api/output/{job['id']}/file/99")[0] == 404
    assert server.ask("GET", "/api/output/none/all.zip")[0] == 404


def test_batch_with_a_broken_file_and_own_recipes(server, folder):
    wishes = [wish(), wish("root/two.h5", steps=AUTO), wish("root/broken.spm")]
    job = finished(server, {"wishes": wishes, "write": ["csv"], "folder": "mended"})
    assert (job["done"], job["files"]["root/broken.spm"]["good"]) == (3, False)
    assert job["files"]["root/broken.spm"]["error"]
    assert job["files"]["root/two.h5"]["good"]
    assert (folder / "mended" / "one.gwy.csv").is_file()
    again = finished(server, {"wishes": wishes, "write": ["csv"], "folder": "mended", "resume": True})
    assert again["files"]["root/one.gwy"]["reused"]
    import shutil

    shutil.rmtree(folder / "mended")


def test_results_go_into_the_open_folder_and_never_over_another_batch(tmp_path):
    inner = tmp_path / "scans" / "mix"
    inner.mkdir(parents=True)
    for name, seed in (("p", 1), ("q", 2)):
        write(scan_of(damaged((64, 100), seed=seed)), inner / f"{name}.gwy")
    server = start(tmp_path / "scans", tmp_path / "state")
    server.enter()
    try:
        names = ("root/mix/p.gwy", "root/mix/q.gwy")
        order = {"wishes": [wish(name) for name in names], "write": ["csv"], "place": "root/mix", "folder": "mended"}
        assert finished(server, order)["state"] == "done"
        first = (inner / "mended" / "p.gwy.csv").read_bytes()
        assert sorted(path.name for path in (tmp_path / "scans").iterdir()) == ["mix"]
        assert finished(server, {**order, "resume": True})["files"][names[0]]["reused"]
        plane = {**order, "wishes": [wish(name, [{"step": "level.plane", "params": {}}]) for name in names]}
        refused = server.json("POST", "/api/batch", plane, status=409)["error"]
        assert (refused["kind"], refused["free"]) == ("TakenError", "mended-2")
        part = server.json("POST", "/api/batch", {**order, "wishes": order["wishes"][:1]}, status=409)["error"]
        assert part["free"] == "mended-2"
        assert (inner / "mended" / "p.gwy.csv").read_bytes() == first
        assert finished(server, {**plane, "folder": "mended-2"})["state"] == "done"
        assert server.json("POST", "/api/batch", plane, status=409)["error"]["free"] == "mended-3"
        assert finished(server, {**plane, "replace": True})["state"] == "done"
        assert (inner / "mended" / "p.gwy.csv").read_bytes() != first
        assert load_recipe(inner / "mended" / "recipe.yaml").steps[0].step == "level.plane"
        (inner / "own").mkdir()
        (inner / "own" / "p.gwy.csv").write_text("mine")
        server.json("POST", "/api/batch", {**order, "folder": "own"}, status=409)
        server.json("POST", "/api/batch", {**order, "place": "upload"}, status=422)
        server.json("POST", "/api/batch", {**order, "place": "root/none"}, status=422)
    finally:
        server.close()


def test_recipes_stand_beside_the_results(server):
    wishes = [wish(), wish("root/two.h5", steps=AUTO)]
    job = finished(server, {"wishes": wishes, "write": ["csv"]})
    assert {"recipe.yaml", "two.h5.recipe.yaml"} <= set(job["outputs"])
    at = job["outputs"].index("two.h5.recipe.yaml")
    text = server.ask("GET", f"/api/output/{job['id']}/file/{at}")[2].decode()
    assert [use.step for use in Recipe.from_yaml(text).steps] == [use["step"] for use in AUTO]


@pytest.mark.parametrize("folder_name", ["../out", "/etc/out", "a/b", "..", "C:\\out", "CON", "x."])
def test_results_go_nowhere_else(server, folder_name):
    error = server.json("POST", "/api/batch", {"wishes": [wish()], "folder": folder_name}, status=422)
    assert error["error"]["kind"] in ("BadParameterError", "OutsideError")


def test_batches_can_be_stopped(server):
    server.json("POST", "/api/batch", {"wishes": [wish()], "write": ["exe"]}, status=422)
    server.json("POST", "/api/batch", {"wishes": [wish(), wish()], "write": ["csv"]}, status=422)
    job = server.json("POST", "/api/batch", {"wishes": [wish(), wish("root/two.h5")], "write": ["csv"]})
    server.json("POST", f"/api/batch/{job['id']}/stop", {})
    end = time.monotonic() + 30
    while (state := server.json("GET", f"/api/batch/{job['id']}"))["state"] == "running":
        assert time.monotonic() < end
    assert state["state"] in ("stopped", "done")
    assert server.ask("GET", "/api/batch/none")[0] == 404
    assert server.ask("POST", "/api/batch/none/stop", {})[0] == 404


def test_a_killed_server_loses_no_finished_file(tmp_path):
    copies = tmp_path / "many"
    copies.mkdir()
    for n in range(6):
        write(scan_of(damaged((64, 100), seed=n)), copies / f"s{n}.gwy")
    body = {
        "wishes": [wish(f"root/s{n}.gwy", steps=AUTO) for n in range(6)],
        "write": ["csv"],
        "folder": "out",
        "resume": True,
    }
    server = start(copies, tmp_path / "state")
    server.enter()
    job = server.json("POST", "/api/batch", body)
    while server.json("GET", f"/api/batch/{job['id']}")["done"] < 2:
        time.sleep(0.05)
    server.process.send_signal(signal.SIGKILL)
    server.close()
    server = start(copies, tmp_path / "state")
    server.enter()
    try:
        job = finished(server, body)
        assert (job["state"], job["done"]) == ("done", 6)
        assert sum(one["reused"] for one in job["files"].values()) >= 2
    finally:
        server.close()


def test_it_starts_fast_and_leaves_nothing(folder, tmp_path):
    began = time.monotonic()
    server = start(folder, tmp_path)
    took = time.monotonic() - began
    server.close()
    assert server.process.returncode == 0
    assert took < 10, f"{took:.1f} s"


def test_a_sample_to_try(server):
    made = server.json("POST", "/api/sample", {})
    assert server.json("POST", "/api/sample", {}) == made
    info = server.json("POST", "/api/info", {"ref": made["ref"]})
    assert (info["grid"]["rows"], info["grid"]["cols"]) == (256, 320)


def test_a_port_that_is_taken(server, folder):
    done = cli("web", folder, "--no-browser", "--port", server.port)
    assert done.returncode == 2
    assert "cannot listen" in done.stderr


def test_words_for_a_wrong_folder():
    done = cli("web", "/no/such/folder", "--no-browser")
    assert done.returncode == 2
    assert "is not a folder" in done.stderr


# ------------------------------------------------------------------ gate, tip, values tried


OUTSIDE = wish("root/../secret.gwy")
TRY = {"wish": wish(), "index": 0, "param": "x", "values": [1], "part": [0, 9, 0, 9]}
HOSTILE = [
    ("gate", {"ref": "root/../secret.gwy"}),
    ("gate", {"ref": "root/%2e%2e/secret.gwy"}),
    ("gate", {"ref": "root/none.gwy"}),
    ("gate", {"ref": "root/one.gwy", "channel": "x" * 300}),
    ("gate", {"ref": "root/one.gwy", "channel": "nothing"}),
    ("gate", {"ref": "root/broken.spm"}),
    ("gate", {"ref": "root/one.gwy", "frame": -1}),
    ("gate", []),
    ("info", []),
    ("info", {"ref": "root/one.gwy", "frame": "two"}),
    ("info", {"ref": 1, "frame": None}),
    ("tip", {"wish": wish(), "radius_nm": -1}),
    ("tip", {"wish": wish(), "radius_nm": 1e300}),
    ("tip", {"wish": wish(), "cmap": "../afm", "source": "given"}),
    ("tip", {"wish": OUTSIDE}),
    ("tries", {**TRY, "values": []}),
    ("tries", {**TRY, "values": [1] * 99}),
    ("tries", {**TRY, "index": 10**9}),
    ("tries", {**TRY, "part": [0, 9, 0]}),
]


@pytest.mark.parametrize(("path", "body"), HOSTILE)
def test_hostile_questions_are_refused(server, path, body):
    status, _, data = server.ask("POST", f"/api/{path}", json.dumps(body).encode())
    assert status == 422, (status, data[:300])
    assert json.loads(data)["error"]["what"]


def test_new_questions_need_key_and_origin(server):
    for path in ("gate", "tip", "tries"):
        assert server.ask("POST", f"/api/{path}", {}, headers={"Cookie": None})[0] == 401
        assert server.ask("POST", f"/api/{path}", {}, headers={"Origin": "http://evil.example"})[0] == 403


def test_boxes_beyond_the_scan_are_cut(server):
    far = [-(10**12), 10**12, 10**12, 10**13]
    asked = {**TRY, "wish": wish(steps=AUTO), "index": 2, "param": "hard", "values": [4.0], "part": far}
    found = server.json("POST", "/api/tries", asked)
    assert found["tries"][0]["marks"]
    heads = [head for head, _ in server.run(wish(steps=AUTO), part=[-(10**15), 10**15, 5, 4])]
    assert heads[-1]["t"] == "done"


def test_the_gate_answers_twice_the_same(server):
    first, second = (server.json("POST", "/api/gate", {"ref": "root/one.gwy"}) for _ in range(2))
    assert first == second
    assert first["judged"]["reasons"] is not None
    assert set(first["activation"]["maps"]) == set(first["judged"]["probabilities"])


def test_a_batch_may_ask_the_gate(server, folder):
    order = {"wishes": [wish("root/one.gwy", AUTO)], "write": ["csv"], "folder": "judged", "gate": True}
    job = server.json("POST", "/api/batch", order)
    for _ in range(600):
        job = server.json("GET", f"/api/batch/{job['id']}")
        if job["state"] != "running":
            break
        time.sleep(0.2)
    assert job["files"]["root/one.gwy"]["verdict"]
    assert "verdict" in (folder / "judged" / "summary.csv").read_text()
