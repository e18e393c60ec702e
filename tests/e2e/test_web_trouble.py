# ruff: noqa: E501 (JavaScript in strings)
"""The page when something goes wrong under its hands: nothing stays stuck, nothing is lost."""

import numpy as np
import pytest

from afmend.formats import write
from support import scan_of
from web_server import ANY_NAME, damaged

A = "window.__afmend"


def test_an_unreadable_file_leaves_the_present_one_at_work(bench, scans):
    write(scan_of(damaged((700, 800))), scans / "large.gwy")
    bench.js(f"{A}.openFile('root/large.gwy', 'large.gwy')")
    bench.until(f"{A}.state.doc?.ref === 'root/large.gwy' && {A}.state.frames.has('original') && {A}.busy()", 60)
    bench.js(f"{A}.openFile('root/c.spm', 'c.spm')")
    bench.until("document.querySelector('#toast').classList.contains('bad')", 30)
    bench.wait(120)
    assert bench.js(f"[{A}.state.doc.ref, {A}.state.frames.has('mended')]") == ["root/large.gwy", True]


def test_a_frame_that_cannot_be_read_is_not_at_work(bench):
    bench.js(f"{A}.state.info.count = 3")
    bench.js(
        "window.real = window.fetch; window.fetch = (path, how) => path.includes('api/info') ? Promise.reject(new Error('gone')) : window.real(path, how)"
    )
    bench.key(".")
    bench.until("document.querySelector('#toast').classList.contains('bad')", 20)
    bench.js("window.fetch = window.real")
    assert bench.js(f"[{A}.state.doc.frame, document.querySelector('#frame-text').textContent, {A}.wish().frame]") == [
        0,
        "1 of 3",
        0,
    ]
    assert bench.js("document.querySelectorAll('#file-list .current.unreadable').length") == 0
    bench.wait()


@pytest.mark.skipif(not ANY_NAME, reason="this system takes only names that are text")
def test_folders_whose_names_are_no_text(bench, scans):
    import os

    (scans / os.fsdecode(b"dir_\xe4")).mkdir()
    try:
        bench.page.do("Page.reload")
        bench.until("document.body?.dataset.ready", 60)
        bench.js(
            "[...document.querySelectorAll('#file-list .folder button')].find((one) => one.textContent.includes('dir_')).click()"
        )
        bench.until("document.querySelector('#place').textContent === 'dir_\ufffd'", 10)
    finally:
        (scans / os.fsdecode(b"dir_\xe4")).rmdir()


def test_a_lost_graphics_card_is_replaced(bench):
    bench.view(painter="card", cmap="gray")
    seen = bench.color("original", 40.5, 40.5)
    bench.js("document.querySelector('#canvas').getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()")
    bench.until(f"{A}.painterKind() === 'plain'", 10)
    bench.js("new Promise((good) => requestAnimationFrame(() => requestAnimationFrame(good)))")
    assert np.abs(np.subtract(bench.color("original", 40.5, 40.5), seen)).max() <= 3
    assert "processor" in bench.js("document.querySelector('#painter').textContent")
    bench.view(painter="card")
    assert bench.js(f"{A}.painterKind()") == "WebGL"


def test_the_last_change_of_large_work_survives_a_reload(bench):
    corners = np.round(np.random.default_rng(0).uniform(1, 90, (6000, 2)), 3).tolist()
    bench.js(
        f"{A}.change('draw', (w) => ({{...w, strokes: {{'root/a.gwy': [{{layer: 'exclude', tool: 'lasso', polygons: [{corners}]}}]}}}}))"
    )
    bench.page.do("Page.reload")
    bench.until(f"document.body?.dataset.ready && {A}.state.doc", 60)
    assert len(bench.strokes()[0]["polygons"][0]) == 6000
    bench.wait()


def test_a_copy_of_a_tab_keeps_its_own_work(bench, server, browser):
    bench.until("document.querySelector('#saved').textContent === 'saved'", 10)
    name = bench.js("sessionStorage.getItem('afmend-tab')")
    copy = browser.page(server.json("POST", "/api/token", {})["address"], context=bench.context)
    copy.until("document.body?.dataset.ready", 60)
    copy.js(f"sessionStorage.setItem('afmend-tab', '{name}')")
    copy.do("Page.reload")
    copy.until("document.body?.dataset.ready", 60)
    assert copy.js("sessionStorage.getItem('afmend-tab')") != name
    assert len(copy.js(f"{A}.wish().steps")) == len(bench.js(f"{A}.wish().steps"))
    copy.close()


def test_the_stop_button_keeps_the_focus(bench):
    bench.js(
        f"{A}.startBatch({{wishes: ['a', 'd0', 'd1', 'd2', 'd3', 'd4'].map((name) => ({{...{A}.wish(), ref: `root/${{name}}.gwy`}})), write: ['csv'], folder: '', report: false}})"
    )
    bench.until("document.querySelector('#batch-state button')?.textContent === 'Stop'", 20)
    bench.js("window.stopper = document.querySelector('#batch-state button'); window.stopper.focus()")
    bench.js("new Promise((good) => setTimeout(good, 1500))")
    same = bench.js(
        "document.querySelector('#batch-state button') === window.stopper && document.activeElement === window.stopper"
    )
    ended = bench.js("document.querySelector('#batch-state button')?.textContent !== 'Stop'")
    bench.js("window.stopper.click()")
    assert same or ended
