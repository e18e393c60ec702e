# ruff: noqa: E501 (JavaScript in strings)
"""Speed of the page in a real headless Chromium with software drawing, against the budgets of the plan.

    python benchmarks/speed/web.py [--sizes 512,1024,2048] [--moves 24] [--json FILE]

The moved slider is the last of two steps (plane, Gaussian filter), six panels in sight. A move ends when the picture with
its result is drawn, down to a pixel read back from the canvas; the server's computing is part of it. "overhead" is the
rest: total minus the server's own time. "An idle frame" is what a frame takes in which nothing changes: on a busy machine
nothing else can be faster, and the CPU times are what to compare. Needs a Chromium (AFMEND_CHROMIUM names it).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pipeline import damaged

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
from afmend.formats import write
from browser import Browser, Page
from web_server import Server, start

BUDGETS = {
    "first picture": (1500, 1500, 1500), "preview, p95": (120, 180, 350), "settled, p95": (200, 350, 800), "overhead, p95": (60, 90, 200),
    "color range, p95": (33, 33, 50), "zoom, p95": (33, 33, 50), "turn 3-D, p95": (33, 33, 50),
    "brush, p95": (20, 20, 25), "after a storm of 40": (300, 400, 1000), "open a file": (600, 900, 2000),
}  # fmt: skip
"""Milliseconds at 512, 1024 and 2048 pixels."""
STEPS = [{"step": "level.plane", "params": {}}, {"step": "filter.gaussian", "params": {"sigma_px": 1.0}}]

WORDS = """
const a = window.__afmend;
const frame = () => new Promise((good) => requestAnimationFrame(good));
const seen = async () => { await frame(); a.pixel('mended', 9.5, 9.5); };
const set = (value, drag) => a.change('move', (w) => ({...w, common: {...w.common, steps: [w.common.steps[0],
  {...w.common.steps[1], params: {sigma_px: value}}]}}), {drag, gesture: 'bench'});
const until = async (good) => { while (!good()) await frame(); };
window.bench = {
  async move(i) {
    const began = performance.now();
    set(0.6 + 0.02 * i, true);
    await until(() => a.shown.rev === a.revision());
    await seen();
    const preview = performance.now() - began;
    const server = a.state.last.server_ms;
    await until(a.settled);
    await seen();
    return [preview, performance.now() - began, preview - server, server];
  },
  async idle() {
    const times = [];
    for (let i = 0; i < 60; i++) { const began = performance.now(); await seen(); times.push(performance.now() - began); }
    return times;
  },
  async look(make) {
    const began = performance.now();
    a.look(make);
    await seen();
    return performance.now() - began;
  },
  async storm() {
    for (let i = 0; i < 40; i++) { set(1 + 0.01 * i, true); await new Promise((good) => setTimeout(good, 25)); }
    const began = performance.now();
    await until(() => a.shown.rev === a.revision());
    await seen();
    const lag = performance.now() - began;
    await until(a.settled);
    return lag;
  },
  async open(ref) {
    const began = performance.now();
    await a.openFile(ref, ref);
    await until(a.settled);
    await seen();
    return performance.now() - began;
  },
  async brush(x, y) {
    const body = document.querySelector('#panel-mask .body');
    const r = body.getBoundingClientRect();
    const began = performance.now();
    body.dispatchEvent(new PointerEvent('pointermove', {clientX: r.left + x, clientY: r.top + y, pointerId: 1, bubbles: true}));
    await frame();
    document.querySelector('#panel-mask .overlay').getContext('2d').getImageData(x, y, 1, 1);
    return performance.now() - began;
  },
};
true
"""


def cpu_ms(root: int) -> float:
    """CPU time of a process and all its children so far (Linux only: 0 elsewhere)."""
    times: dict[int, tuple[int, float]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        times[int(entry.parent.name)] = (
            int(fields[1]),
            1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        )
    found, total = [root], 0.0
    while found:
        process = found.pop()
        total += times.get(process, (0, 0.0))[1]
        found += [child for child, (parent, _) in times.items() if parent == process]
    return total


def memory_mb(pid: int) -> float:
    """Resident memory of a process (Linux only: 0 elsewhere)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def during_a_batch(server: Server, folder: Path, size: int, files: int = 24) -> float:
    """Milliseconds (p95) until the server answers while a batch runs beside it."""
    for i in range(files):
        target = folder / f"batch{i}.h5"
        target.write_bytes((folder / f"{size}.h5").read_bytes())
    wishes = [{"ref": f"root/batch{i}.h5", "steps": STEPS} for i in range(files)]
    job = server.json("POST", "/api/batch", {"wishes": wishes, "write": ["h5"], "folder": "out", "report": False})
    times = []
    while server.json("GET", f"/api/batch/{job['id']}")["state"] == "running":
        began = time.perf_counter()
        server.json("GET", "/api/browse?ref=root")
        times.append(1000 * (time.perf_counter() - began))
        time.sleep(0.05)
    return p95(times)


def p95(values: list[float]) -> float:
    return float(np.percentile(values, 95))


def first_picture(server: Server, browser: Browser) -> tuple[Page, float]:
    """Open the page; return it, and the milliseconds until its first picture is there."""
    began = time.perf_counter()
    page = browser.page(server.json("POST", "/api/token", {})["address"])
    page.until("document.body?.dataset.ready && window.__afmend.state.frames.has('original')", 300)
    return page, 1000 * (time.perf_counter() - began)


def measure(server: Server, browser: Browser, size: int, moves: int) -> dict[str, float]:
    page, first = first_picture(server, browser)
    page.until("window.__afmend.settled()", 300)
    page.js(WORDS)
    page.js("window.__afmend.look({gate: false})")
    page.js(f"window.__afmend.change('x', (w) => ({{...w, common: {{name: 'bench', steps: {json.dumps(STEPS)}}}}}))")
    page.js(f"bench.open('root/{size}.h5')", 300)
    found: dict[str, float] = {"first picture": first}
    page.js("bench.open('root/other.h5')", 300)
    found["open a file"] = page.js(f"bench.open('root/{size}.h5')", 300)
    found["an idle frame, p95"] = p95(page.js("bench.idle()"))
    page.js("bench.move(-1)", 120)
    before = [cpu_ms(browser.pid), cpu_ms(server.process.pid)]
    rows = np.array([page.js(f"bench.move({i})", 120) for i in range(moves)])[4:]
    for name, pid, start_ms in zip(("browser", "server"), (browser.pid, server.process.pid), before, strict=True):
        found[f"CPU of a move, {name}"] = (cpu_ms(pid) - start_ms) / moves
    for name, column in (("preview", 0), ("settled", 1), ("overhead", 2), ("of it server", 3)):
        found[f"{name}, p95"] = p95(rows[:, column])
        found[f"{name}, median"] = float(np.median(rows[:, column]))
    looks = {
        "color range": "{{limits: {{before: [0, {0}], after: [0, {0}], diff: null}}}}", "zoom": "{{k: 1 + 0.05 * {0}}}",
        "turn 3-D": "{{turn: 20 + {0}}}",
    }  # fmt: skip
    for name, make in looks.items():
        times = [page.js(f"bench.look({make.format(i + 10)})") for i in range(moves)]
        found[f"{name}, p95"] = p95(times[4:])
    page.js("window.__afmend.look({k: 1, tool: 'brush', brush: 20})")
    box = page.js(
        "(() => { const r = document.querySelector('#panel-mask .body').getBoundingClientRect(); return [r.left, r.top]; })()"
    )
    page.mouse("pressed", box[0] + 60, box[1] + 60)
    found["brush, p95"] = p95([page.js(f"bench.brush({60 + i}, {60 + i // 2})") for i in range(4 * moves)][8:])
    page.key("Escape")
    page.mouse("released", box[0] + 60, box[1] + 60)
    found["after a storm of 40"] = page.js("bench.storm()", 120)
    page.close()
    return found


def main(sizes: list[int], moves: int, out: Path | None) -> None:
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "scans"
        folder.mkdir()
        for size in sizes:
            write(damaged(size), folder / f"{size}.h5")
        write(damaged(128), folder / "other.h5")
        began = time.perf_counter()
        server = start(folder, Path(scratch) / "state")
        print(f"process to listening: {1000 * (time.perf_counter() - began):.0f} ms (budget 1000)")
        browser = Browser()
        try:
            server.enter()
            page, cold = first_picture(server, browser)
            print(f"first picture of all, browser and server cold: {cold:.0f} ms")
            page.until("window.__afmend.settled()", 300)
            print(f"maps are drawn by: {page.js('window.__afmend.painterKind()')}")
            page.close()
            for size in sizes:
                results[str(size)] = measure(server, browser, size, moves)
            print(
                f"server's memory at the end: {memory_mb(server.process.pid):.0f} MB (1500 MB of it may be kept results)"
            )
            answered = during_a_batch(server, folder, sizes[0])
            print(f"an answer while a batch runs, p95: {answered:.0f} ms (budget 100)")
        finally:
            browser.close()
            server.close()
    show(results, sizes)
    if out is not None:
        out.write_text(json.dumps(results, indent=1))


def show(results: dict[str, dict[str, float]], sizes: list[int]) -> None:
    known = (512, 1024, 2048)
    print(f"{'ms':26}" + "".join(f"{size:>10}{'budget':>9}" for size in sizes))
    for name in results[str(sizes[0])]:
        cells = ""
        for size in sizes:
            value = results[str(size)][name]
            budget = BUDGETS[name][known.index(size)] if name in BUDGETS and size in known else None
            cells += f"{value:>9.0f}{'!' if budget is not None and value > budget else ' '}{budget or '':>9}"
        print(f"{name:26}{cells}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="512,1024,2048")
    parser.add_argument("--moves", type=int, default=24)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    main([int(one) for one in arguments.sizes.split(",")], arguments.moves, arguments.json)
