# ruff: noqa: E501 (JavaScript in strings)
"""A server and a headless Chromium for the tests of the page; without a Chromium they skip."""

import json
import time

import numpy as np
import pytest

from afmend.formats import write
from browser import Browser, find_chromium
from support import scan_of
from web_server import damaged, start


def stairs(shape=(64, 96)):
    """Left half 0 nm, right half 10 nm."""
    z = np.zeros(shape)
    z[:, shape[1] // 2 :] = 10.0
    return z


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write(scan_of(damaged()), folder / "a.gwy")
    write(scan_of(stairs()), folder / "b.h5")
    (folder / "c.spm").write_bytes(b"\\*File list\r\n\\Version: 0x05120130\r\n" + b"x" * 200)
    for n in range(5):
        write(scan_of(damaged((64, 100) if n else (80, 70), seed=n)), folder / f"d{n}.gwy")
    return folder


@pytest.fixture(scope="module")
def server(scans, tmp_path_factory):
    server = start(scans, tmp_path_factory.mktemp("state"))
    server.enter()
    yield server
    server.close()


@pytest.fixture(scope="module")
def browser():
    if find_chromium() is None:
        pytest.skip("no Chromium is installed (or set AFMEND_CHROMIUM)")
    browser = Browser("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
    yield browser
    browser.close()


STILL = 100
"""So many looks at a picture, a twentieth of a second apart, before it is said to move for ever."""


class Bench:
    """The page of one test, with words for what people do."""

    def __init__(self, page):
        self.page = page
        self.js, self.until, self.key = page.js, page.until, page.key

    def wait(self, timeout=90):
        """Wait until everything asked for is on the screen."""
        self.until("document.body.dataset.ready && window.__afmend.settled()", timeout)
        self.js("new Promise((good) => requestAnimationFrame(() => requestAnimationFrame(good)))")

    def open(self, name):
        """Open a file of the folder."""
        self.js(f"window.__afmend.openFile('root/{name}', '{name}')")
        self.wait()

    def preset(self, name):
        """Choose a built-in recipe."""
        self.js(f"window.__afmend.usePreset('{name}')")
        self.wait()

    def view(self, **changes):
        """Look at it in another way."""
        self.js(f"window.__afmend.look({json.dumps(changes)})")
        self.js("new Promise((good) => requestAnimationFrame(() => requestAnimationFrame(good)))")

    def at(self, panel, x, y):
        """Where a pixel of the scan is in the window."""
        return self.js(
            f"(() => {{ const a = window.__afmend, one = a.cells.get('{panel}'), r = one.body.getBoundingClientRect();"
            f" const p = a.toScreen(a.placement(one.box), one.box, {x}, {y}); return [r.left + p[0], r.top + p[1]]; }})()"
        )

    def draw(self, panel, points, modifiers=0):
        """Drag through pixels of the scan."""
        self.page.drag([self.at(panel, *point) for point in points], modifiers)

    def color(self, panel, x, y):
        """Color on the screen at a pixel of the scan, as soon as the picture stands still.

        What comes late, as the gate's verdict, moves the panels: for a frame, nothing is drawn.
        """
        code = (
            f"(() => {{ const a = window.__afmend, b = a.cells.get('{panel}').box;"
            f" return [a.pixel('{panel}', {x}, {y}), b.x, b.y, b.width, b.height]; }})()"
        )
        last = None
        for _ in range(STILL):
            seen = self.js(code)
            if seen == last:
                return seen[0][:3]
            last = seen
            time.sleep(0.05)
        raise AssertionError("the picture does not stand still")

    def strokes(self):
        """What is drawn on the scan in sight."""
        return self.js("window.__afmend.wish().strokes")


@pytest.fixture
def bench(server, browser):
    context = browser.send("Target.createBrowserContext")["browserContextId"]
    page = browser.page(server.json("POST", "/api/token", {})["address"], context=context)
    bench = Bench(page)
    bench.context = context
    bench.until("document.body?.dataset.ready", 60)
    bench.js("window.__afmend.change('start anew', (w) => ({...w, own: {}, strokes: {}}))")
    bench.preset("gwyddion")
    bench.view(
        layout="six", tool="pan", layer="exclude", dock="profile", theme="light", flat=True, range="p1", overlays=True,
        invented=True, sigma=False, lock=False, physical=True, cmap="afm", brush=12, shortcuts=True, diff="filled", gate=True, gateMap=False, gateOf="", keys={},
    )  # fmt: skip
    bench.open("a.gwy")
    yield bench
    assert bench.js("window.__afmend.violations") == []
    page.close()
    browser.send("Target.disposeBrowserContext", browserContextId=context)
