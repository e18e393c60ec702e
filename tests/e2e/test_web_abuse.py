"""The server of the page, treated badly: names that are no text, numbers that are none, too much at once."""

import http.client
import json
import os
import threading
import time

import pytest

from afmend.formats import write
from support import scan_of
from web_server import ANY_NAME, AUTO, damaged, start, wish


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write(scan_of(damaged()), folder / "one.gwy")
    if ANY_NAME:
        (folder / os.fsdecode(b"good_\xe4'.gwy")).write_bytes((folder / "one.gwy").read_bytes())
        (folder / os.fsdecode(b"bad_\xe4.gwy")).write_bytes(b"GWYPjunk")
        (folder / os.fsdecode(b"dir_\xe4")).mkdir()
    write(scan_of(damaged((700, 900))), folder / "big.gwy")
    server = start(folder, tmp_path_factory.mktemp("state"))
    server.enter()
    yield server
    server.close()


@pytest.mark.skipif(not ANY_NAME, reason="this system takes only names that are text")
def test_names_that_are_no_text(server):
    found = server.json("GET", "/api/browse?ref=root")
    assert [one["name"] for one in found["entries"]][:2] == ["dir_\ufffd", "bad_\ufffd.gwy"]
    assert server.json("GET", "/api/browse?ref=root/dir_%25E4")["entries"] == []
    for ask in (lambda: server.json("POST", "/api/info", {"ref": "root/bad_%E4.gwy"}, status=422),
                lambda: server.json("GET", "/api/thumb?ref=root/bad_%25E4.gwy", status=422)):  # fmt: skip
        assert ask()["error"]["where"] == "bad_\ufffd.gwy"
    assert server.run(wish("root/bad_%E4.gwy"))[-1][0]["t"] == "error"
    server.json("POST", "/api/info", {"ref": "root/good_%E4%27.gwy"})
    words = server.json("POST", "/api/words", wish("root/good_%E4%27.gwy"))
    assert r"$'good_\xe4\x27.gwy'" in words["command"]
    assert r"""afmend.read("good_\udce4'.gwy")""" in words["python"]


def test_a_spoilt_session_harms_no_other_tab(server):
    server.json("PUT", "/api/session/deadbee1", {"good": 1})
    for text in (b'{"x": NaN}', b'{"x": 1e999}', b"[1]", b"{"):
        assert server.ask("PUT", "/api/session/deadbeef", text)[0] == 422
    assert server.ask("PUT", "/api/session/deadbeef", b'{"x": "\\ud800"}')[0] == 200
    assert server.json("GET", "/api/session/deadbeef")["state"] == {"x": "\ufffd"}
    assert server.json("GET", "/api/session/0123456789")["state"]


POINTS = "[[0, 0], [%s, 5], [9, 9]]"


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity"])
def test_numbers_that_are_none(server, number):
    asked = json.dumps(wish())
    drawn = asked[:-1] + f', "strokes": [{{"layer": "add", "polygons": [{POINTS % number}]}}]}}'
    bodies = {
        "tries": f'{{"wish": {asked}, "index": 0, "param": "order", "values": [{number}], "part": [0, 9, 0, 9]}}',
        "words": drawn,
        "step_height": f'{{"wish": {asked}, "first": {POINTS % 1}, "second": {POINTS % number}}}',
        "tip": f'{{"wish": {asked}, "radius_nm": {number}}}',
        "run": f'{{"rev": 1, "wish": {drawn}}}',
    }
    for path, body in bodies.items():
        status, _, data = server.ask("POST", f"/api/{path}", body.encode())
        assert (path, status, json.loads(data)["error"]["kind"]) == (path, 422, "BadParameterError")


def test_long_names_of_parts(server):
    assert server.ask("GET", f"/static/{'a' * 3000}.js")[0] == 404
    assert server.ask("GET", "/static/a%00.js")[0] == 404


def busy(server, work):
    """Return how long the server keeps others waiting while it works."""
    thread = threading.Thread(target=work)
    thread.start()
    worst = 0.0
    while thread.is_alive():
        start = time.monotonic()
        assert server.ask("GET", "/static/icon.svg")[0] == 200
        worst = max(worst, time.monotonic() - start)
        time.sleep(0.02)
    return worst


def test_much_to_read_stops_nobody(server):
    steps = "- step: level.plane\n" * 12_000
    yaml = f"name: x\nsteps:\n{steps}"
    refused = []
    corners = [[i % 90 + 0.123, i % 60 + 0.321] for i in range(30_000)]
    drawn = wish(strokes=[{"layer": "add", "polygons": [corners]}])
    assert busy(server, lambda: refused.append(server.json("POST", "/api/recipe", {"yaml": yaml}, status=422))) < 1.5
    assert "100 steps" in refused[0]["error"]["what"]
    assert busy(server, lambda: server.json("POST", "/api/words", drawn)) < 1.5
    assert server.ask("POST", "/api/run", b'{"rev": 1, "wish": [' + b"1," * (3 << 20) + b"1]}")[0] == 413
    assert server.ask("POST", "/api/recipe", {"yaml": "#" * (1 << 21)})[0] == 422


def test_saving_does_not_wait_for_work(server):
    for i in range(8):
        stroke = {"layer": "add", "polygons": [[[i, i], [i + 90, i], [i + 90, i + 90]]]}
        body = json.dumps(wish("root/big.gwy", AUTO, strokes=[stroke]))
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=9)
        origin = f"http://{server.host}"
        client.request("POST", "/api/measure", body, {"Host": server.host, "Cookie": server.cookie, "Origin": origin})
        client.close()
    start = time.monotonic()
    server.json("PUT", "/api/session/deadbee1", {"version": 1})
    server.json("GET", "/api/browse?ref=root")
    assert time.monotonic() - start < 1.5
