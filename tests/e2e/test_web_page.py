# ruff: noqa: E501 (JavaScript in strings)
"""The page in a real browser: what is drawn, what the keys do, what comes out. Pixels are checked, not only state."""

import json
import math
from importlib.resources import files

import numpy as np
import pytest

import afmend
from afmend.formats import write
from afmend.pictures.colormaps import colormap
from e2e_cli import cli
from support import ROOT, scan_of
from web_server import damaged, start

PANELS = ("original", "original3d", "raw", "mask", "mended", "mended3d")


def close_to(color, other, by=2):
    return max(abs(int(a) - int(b)) for a, b in zip(color, other, strict=True)) <= by


# ------------------------------------------------------------------ what is seen


@pytest.mark.parametrize("painter", ["card", "plain"])
def test_colors_are_those_of_the_heights(bench, painter):
    bench.view(painter=painter)
    assert bench.js("window.__afmend.painterKind()") == ("WebGL" if painter == "card" else "plain")
    bench.open("b.h5")
    bench.view(flat=False, range="full", cmap="afm")
    table = colormap("afm")
    assert close_to(bench.color("original", 20.5, 30.5), table[0])
    assert close_to(bench.color("original", 80.5, 30.5), table[255])
    bench.view(cmap="gray", limits={"before": [0, 20], "after": None, "diff": None})
    assert close_to(bench.color("original", 80.5, 30.5), colormap("gray")[128])


@pytest.mark.parametrize("painter", ["card", "plain"])
def test_every_panel_holds_a_picture(bench, painter):
    bench.view(painter=painter)
    code = """(() => { const a = window.__afmend, one = a.cells.get('%s'), found = new Set();
      for (let i = 0; i < 40; i++) for (let j = 0; j < 25; j++) {
        const c = document.querySelector('#canvas'); const b = one.box;
        void c; found.add(a.raw(b.x + b.width * (0.1 + 0.02 * i), b.y + b.height * (0.1 + 0.032 * j)).join()); }
      return found.size; })()"""
    for panel in PANELS:  # a busy machine paints late, and a page cannot be asked whether it has
        bench.until(f"{code % panel} >= 50", 30)


@pytest.mark.parametrize("painter", ["card", "plain"])
def test_marked_pixels_are_tinted(bench, painter):
    bench.view(painter=painter)
    spot = (30.5, 30.5)
    gray = bench.color("raw", 5.5, 12.5)
    assert max(gray) - min(gray) <= 3
    assert bench.js("window.__afmend.state.frames.get('raw_mask').head.legend.length") >= 1
    mask = bench.js(
        "(() => { const f = window.__afmend.state.frames.get('raw_mask'); const i = f.data.findIndex((v) => v & 15);"
        " return [i % 128 + 0.5, Math.floor(i / 128) + 0.5]; })()"
    )
    bench.view(k=8, cx=mask[0] / 128, cy=mask[1] / 96)
    tinted = bench.color("raw", *mask)
    assert max(tinted) - min(tinted) > 60
    bench.key("h")
    bench.view()
    plain = bench.color("raw", *mask)
    assert not close_to(plain, tinted, 20)
    assert spot


def test_proportions_are_true(bench):
    place = bench.js("(() => { const a = window.__afmend; return a.placement(a.cells.get('original').box); })()")
    assert place["sx"] / place["sy"] == pytest.approx(1.5)  # pixels of 3 nm along, 2 nm across the lines
    bench.key("g")
    place = bench.js("(() => { const a = window.__afmend; return a.placement(a.cells.get('original').box); })()")
    assert place["sx"] == pytest.approx(place["sy"])


def test_zoom_and_pan_are_shared(bench):
    x, y = bench.at("original", 64, 48)
    bench.page.mouse("wheel", x, y, button="none", deltaX=0, deltaY=-400)
    bench.until("window.__afmend.state.view.k > 1.5")
    for panel in ("original", "raw", "mask", "mended"):
        there = bench.js(f"window.__afmend.placement(window.__afmend.cells.get('{panel}').box).cx")
        assert there == pytest.approx(64, abs=0.5)
    bench.page.drag([(x, y), (x + 40, y + 10)])
    assert bench.js("window.__afmend.state.view.cx") < 0.49
    bench.key("f")
    assert bench.js("window.__afmend.state.view.k") == 1


def test_cursor_reads_all_panels(bench):
    x, y = bench.at("mended", 40.5, 20.5)
    bench.page.mouse("moved", x, y, button="none")
    bench.until("document.querySelector('#readout').textContent.includes('column 40, line 20')")
    text = bench.js("document.querySelector('#readout').textContent")
    assert "original" in text
    assert "mended" in text
    assert (
        bench.js(
            "[...document.querySelectorAll('.panel.map .facts')].filter((f) => f.textContent.startsWith('z ')).length"
        )
        == 2
    )


def test_range_follows_the_bar(bench):
    before = bench.js("window.__afmend.limits('before')")
    bench.js("document.querySelector('#panel-original .bar').focus()")
    bench.key("ArrowUp")
    after = bench.js("window.__afmend.limits('before')")
    assert after[1] > before[1]
    assert after[0] == before[0]
    box = bench.js(
        "(() => { const r = document.querySelector('#panel-original .bar').getBoundingClientRect(); return [r.left + 8, r.top + 20, r.bottom - 30]; })()"
    )
    bench.page.drag([(box[0], box[2]), (box[0], box[2] - 30)])
    assert bench.js("window.__afmend.limits('before')")[0] > before[0]


def test_same_span(bench):
    bench.key("k")
    before, after = bench.js("[window.__afmend.limits('before'), window.__afmend.limits('after')]")
    assert before[1] - before[0] == pytest.approx(after[1] - after[0])


def test_layouts(bench):
    for layout, shown in (("two", 2), ("swipe", 1), ("diff-leveled", 2), ("diff-filled", 2), ("one", 1), ("six", 6)):
        bench.js(
            f"(() => {{ const s = document.querySelector('#layout'); s.value = '{layout}'; s.dispatchEvent(new Event('input')); }})()"
        )
        assert bench.js("[...document.querySelectorAll('.panel')].filter((p) => !p.hidden).length") == shown
    bench.view(layout="diff", diff="filled")
    flat = bench.color("mended", 5.5, 12.5)
    assert close_to(flat, colormap("difference")[128], 4)


def test_software_that_plays_graphics_card_is_not_asked(bench):
    assert bench.js("window.__afmend.painterKind()") == "plain"
    assert bench.js("document.querySelector('#painter').textContent") == ""


def test_both_painters_draw_the_same(bench):
    places = [
        ("original", 20.5, 30.5),
        ("raw", 60.5, 30.5),
        ("mask", 50.5, 30.5),
        ("mended", 64.5, 50.5),
        ("mended", 5.5, 70.5),
    ]
    bench.view(painter="plain", k=6, cx=0.45, cy=0.45)
    plain = [bench.color(*place) for place in places]
    bench.view(painter="card")
    assert all(close_to(bench.color(*place), color, 3) for place, color in zip(places, plain, strict=True))


@pytest.mark.parametrize("painter", ["card", "plain"])
def test_swipe_shows_both(bench, painter):
    bench.view(painter=painter)
    bench.view(
        layout="swipe",
        swipe=0.999,
        flat=False,
        cmap="gray",
        invented=False,
        limits={"before": [0, 1e6], "after": [-10, 10], "diff": None},
    )
    colors = []
    for swipe, frame, group in ((0.999, "original", "before"), (0.001, "mended", "after")):
        bench.view(swipe=swipe)
        value, (low, high) = bench.js(
            f"(() => {{ const a = window.__afmend, f = a.state.frames.get('{frame}'); return [f.data[80 * 128 + 110] + f.head.offset, a.limits('{group}')]; }})()"
        )
        assert high - low == pytest.approx(20)
        colors.append(bench.color("mended", 110.5, 80.5))
        assert close_to(colors[-1], colormap("gray")[round(255 * min(1, max(0, (value - low) / 20)))], 3)
    assert not close_to(*colors, 20)


def test_flicker_while_held(bench):
    bench.view(limits={"before": [0, 1], "after": [1000, 1001], "diff": None}, invented=False)
    dark = bench.color("mended", 100.5, 80.5)
    bench.page.key("o", "down")
    bench.view()
    assert bench.color("mended", 100.5, 80.5) == bench.color("original", 100.5, 80.5) != dark
    bench.page.key("o", "up")
    bench.view()
    assert bench.color("mended", 100.5, 80.5) == dark


# ------------------------------------------------------------------ parameters


def test_a_late_slider_computes_one_step(bench):
    bench.preset("auto")
    bench.js(
        "window.__afmend.change('x', (w) => ({...w, common: {...w.common, steps: [...w.common.steps.slice(0, -1), {step: 'fill.median', params: {}}]}}))"
    )
    bench.wait()
    bench.js("document.querySelector('.step[data-step=\"fill.median\"] details').open = true")
    bench.until("document.querySelector('.step[data-step=\"fill.median\"] input[type=range]')")
    before = bench.js("window.__afmend.shown.full")
    bench.js(
        "(() => { const s = document.querySelector('.step[data-step=\"fill.median\"] input[type=range]'); s.value = 9; s.dispatchEvent(new Event('input')); s.dispatchEvent(new Event('change')); })()"
    )
    bench.wait()
    assert bench.js("window.__afmend.shown.full") > before
    assert list(bench.js("window.__afmend.state.last.ms")) in (["6:fill.median"], [])
    assert bench.js("window.__afmend.wish().steps.at(-1).params") != {}
    bench.key("Ctrl+z")
    bench.wait()
    assert bench.js("window.__afmend.wish().steps.at(-1).params") == {}


def test_wrong_numbers_are_not_sent(bench):
    bench.preset("auto")
    code = "document.querySelector('.step[data-step=\"mark.spikes\"] details').open = true"
    bench.js(code)
    wish = bench.js("JSON.stringify(window.__afmend.wish())")
    box = '.step[data-step="mark.spikes"] .number'
    bench.js(f"document.querySelector('{box}').focus()")
    bench.js(f"document.querySelector('{box}').select()")
    bench.page.type("-5000")
    bench.key("Tab")
    assert bench.js(f"document.querySelector('{box}').getAttribute('aria-invalid')") == "true"
    assert bench.js("JSON.stringify(window.__afmend.wish())") == wish


def test_steps_can_be_skipped_moved_removed_added(bench):
    steps = "window.__afmend.wish().steps.map((u) => u.step)"
    first = bench.js(steps)
    bench.page.click(".step:first-child > input")
    bench.wait()
    assert bench.js(steps) == first[1:]
    bench.key("Ctrl+z")
    bench.js("document.querySelector('.step details').open = true")
    bench.page.click("details[open] [title='Move down']")
    assert bench.js(steps)[:2] == [first[1], first[0]]
    bench.js(
        "(() => { const s = document.querySelector('#add-step'); s.value = 'mark.spikes'; s.dispatchEvent(new Event('change')); })()"
    )
    bench.wait()
    now = bench.js(steps)
    assert now.index("mark.spikes") < now.index("fill.laplace")
    bench.key("Ctrl+z")
    bench.key("Ctrl+z")
    bench.wait()
    assert bench.js(steps) == first


def test_recipe_for_one_file_only(bench):
    bench.page.click("#own")
    bench.preset("topostats")
    assert len(bench.js("window.__afmend.wish().steps")) == 3
    bench.open("d1.gwy")
    assert len(bench.js("window.__afmend.wish().steps")) == 5


# ------------------------------------------------------------------ drawing


@pytest.mark.parametrize(
    ("key", "tool", "points"),
    [
        ("r", "rectangle", [(10, 10), (20, 20), (40, 30)]), ("l", "lasso", [(10, 10), (50, 12), (45, 40), (12, 38), (10, 20)]),
        ("b", "brush", [(20, 20), (30, 25), (60, 30)]),
    ],
)  # fmt: skip
def test_strokes_and_undo(bench, key, tool, points):
    bench.key(key)
    assert bench.js("window.__afmend.state.view.tool") == tool
    start_ = bench.js("JSON.stringify(window.__afmend.wish())")
    bench.draw("mask", points)
    assert [one["layer"] for one in bench.strokes()] == ["exclude"]
    bench.wait()
    assert bench.js("window.__afmend.state.frames.get('mask').head.counts.excluded") > 50
    drawn = bench.js("JSON.stringify(window.__afmend.wish())")
    for _ in range(3):
        bench.key("Ctrl+z")
        assert bench.js("JSON.stringify(window.__afmend.wish())") == start_
        bench.key("Ctrl+Shift+z")
        assert bench.js("JSON.stringify(window.__afmend.wish())") == drawn
    bench.key("Ctrl+z")
    bench.key("Ctrl+y")
    assert bench.js("JSON.stringify(window.__afmend.wish())") == drawn


def test_polygon_closes_and_goes_back(bench):
    bench.key("p")
    for x, y in ((10, 10), (60, 12), (55, 60), (30, 70)):
        bench.page.drag([bench.at("mended", x, y)] * 2)
    bench.key("Backspace")
    assert len(bench.js("window.__afmend.sketch.points")) == 3
    bench.key("Enter")
    assert len(bench.strokes()[0]["polygons"][0]) == 3
    for x, y in ((10, 10), (60, 12), (55, 60), (10.2, 10.2)):
        bench.page.drag([bench.at("mended", x, y)] * 2)
    assert len(bench.strokes()) == 2


def test_layers_and_eraser(bench):
    bench.key("x")
    bench.key("r")
    bench.draw("mask", [(10, 10), (30, 30)])
    bench.key("e")
    bench.draw("mask", [(12, 20), (28, 20)])
    assert [one["layer"] for one in bench.strokes()] == ["add", "erase"]
    bench.wait()
    data = "window.__afmend.state.frames.get('mask').data[%d * 128 + %d]"
    assert bench.js(data % (12, 25)) & 64
    assert not bench.js(data % (20, 20)) & 64
    assert bench.js("window.__afmend.state.frames.get('flags').data[12 * 128 + 25]") & 3
    kinds = ("exclude", "include")
    bench.key("x")
    bench.draw("mask", [(60, 60), (70, 60)])
    assert bench.strokes()[-1]["layer"] == kinds[1]


def test_drawing_never_gets_stuck(bench):
    ends = [
        "bench.key('Escape')",
        "bench.key('v')",
        "bench.open('d1.gwy')",
        "bench.js(\"window.dispatchEvent(new Event('blur'))\")",
    ]
    for end in ends:
        for key in ("p", "b", "r", "l", "m", "s"):
            bench.open("a.gwy")
            bench.key(key)
            x, y = bench.at("mask", 20, 20)
            bench.page.mouse("pressed", x, y)
            bench.page.mouse("moved", x + 30, y + 10)
            eval(end)  # noqa: S307 (the four ways out, above)
            bench.page.mouse("moved", x + 50, y + 20)
            bench.page.mouse("released", x + 50, y + 20)
            if key == "p":
                bench.key("Escape")
            bench.page.mouse("moved", x, y, button="none")
            assert bench.js("window.__afmend.sketch.points.length") == 0, (end, key)
    bench.open("a.gwy")
    bench.key("v")
    bench.page.drag([bench.at("mask", 20, 20), bench.at("mask", 30, 30)])
    assert bench.js("window.__afmend.state.view.cx") != 0.5


def test_drawing_with_the_keyboard(bench):
    bench.key("p")
    bench.js("document.querySelector('#panel-mask .body').focus()")
    for keys in (["ArrowLeft"] * 8, ["ArrowDown"] * 6, ["ArrowRight"] * 9):
        for key in keys:
            bench.key(key)
        bench.key(" ")
    bench.key("Enter")
    assert len(bench.strokes()) == 1
    bench.key("Delete")
    assert bench.strokes() == []


def test_tools_outside_of_the_scan_draw_nothing(bench):
    bench.key("r")
    box = bench.js(
        "(() => { const r = document.querySelector('#panel-mask .body').getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; })()"
    )
    bench.key("l")
    bench.page.drag([(box[0] + 1, box[1] + 1), (box[0] + 2, box[1] + 4), (box[0] + 4, box[1] + 2)])
    assert bench.js("window.__afmend.sketch.points.length") == 0


def test_undo_goes_to_the_file_that_it_changes(bench):
    bench.key("r")
    bench.draw("mask", [(10, 10), (40, 30)])
    bench.key("Ctrl+z")
    bench.open("d1.gwy")
    bench.key("Ctrl+y")
    assert bench.js("document.querySelector('#toast').textContent") == "Redone: draw a rectangle, in a.gwy"
    bench.until("window.__afmend.state.doc.name === 'a.gwy'")
    bench.wait()
    assert len(bench.strokes()) == 1


def test_the_menu_closes(bench):
    is_open = "document.querySelector('.menu').open"
    for away in (lambda: bench.key("Escape"), lambda: bench.page.click("#size")):
        bench.page.click(".menu summary")
        assert bench.js(is_open)
        bench.page.click("#lock")
        assert bench.js(is_open)
        away()
        assert not bench.js(is_open)


def test_crossed_thresholds_are_named(bench):
    said = (
        "[...document.querySelectorAll('.step[data-step=\"mark.scars\"] .warn')].map((p) => !p.hidden && p.textContent)"
    )
    for hard, shown in ((5, False), (1.2, True)):
        bench.js(
            f"window.__afmend.change('x', (w) => ({{...w, common: {{name: 'mine', steps: [{{step: 'mark.scars', params: {{hard: {hard}}}}}]}}}}))"
        )
        (text,) = bench.js(said)
        assert bool(text) is shown
    assert text.startswith("hard is below soft")


def test_much_invented_is_no_plain_check_mark(bench):
    bench.key("x")
    bench.key("r")
    bench.draw("mask", [(5, 5), (100, 80)])
    bench.until("document.querySelector('#file-list .current .badge').textContent.startsWith('◐ 5')", 30)
    assert bench.js("document.querySelector('#file-list .current .badge').className") == "badge odd"


def test_folders_by_keyboard_and_after_a_reload(bench, scans):
    (scans / "inner").mkdir()
    write(scan_of(damaged((64, 100))), scans / "inner" / "x.gwy")
    try:
        bench.page.do("Page.reload")
        bench.until("document.body?.dataset.ready && document.querySelector('#file-list .folder')", 60)
        row = bench.js(
            "(() => { const r = document.querySelector('#file-list .folder').getBoundingClientRect(); return [r.right - 12, r.top + r.height / 2]; })()"
        )
        bench.js("document.querySelector('#file-list .folder button').focus()")
        bench.page.drag([tuple(row)] * 2)  # the row, not the word
        bench.until("document.querySelector('#place').textContent === 'inner'")
        focused = "document.activeElement.closest('li')?.textContent"
        assert "one folder up" in bench.js(focused)
        bench.key("ArrowDown")
        assert "x.gwy" in bench.js(focused)
        bench.key("ArrowUp")
        assert "one folder up" in bench.js(focused)
        bench.until("document.querySelector('#saved').textContent === 'saved'")
        bench.js("new Promise((good) => setTimeout(good, 800))")
        bench.page.do("Page.reload")
        bench.until("document.body?.dataset.ready && document.querySelector('#place').textContent === 'inner'", 60)
    finally:
        (scans / "inner" / "x.gwy").unlink()
        (scans / "inner").rmdir()


def test_the_picture_as_seen_has_a_name_and_nothing_of_the_pointer(bench):
    code = """(async () => {
      const { emit, state } = await import('./static/js/store.js');
      const { sketch } = await import('./static/js/sketch.js');
      const kind = HTMLCanvasElement.prototype, old = kind.toBlob;
      const blob = new Promise((good) => { kind.toBlob = function (take) { kind.toBlob = old; old.call(this, (b) => { good(b); take(b); }); }; });
      %s
      emit('figure');
      const made = await createImageBitmap(await blob);
      const canvas = new OffscreenCanvas(made.width, made.height), pen = canvas.getContext('2d');
      pen.drawImage(made, 0, 0);
      let sum = 0;
      for (const v of pen.getImageData(0, 0, made.width, made.height).data) sum = (sum * 31 + v) | 0;
      let ink = 0;
      const head = pen.getImageData(0, 0, 200, 24).data;
      for (let i = 0; i < head.length; i += 4) ink += Math.abs(head[i] - head[0]) > 60;
      return [made.width, made.height, sum, ink, state.cursor];
    })()"""
    bench.until("document.querySelector('#legend').children.length > 0")
    without = bench.js(code % "", 20)
    with_ = bench.js(
        code % "state.cursor = { x: 40, y: 30 }; sketch.caret = [50, 40]; sketch.panel = 'mask'; emit('cursor');", 20
    )
    assert without[:4] == with_[:4]
    assert with_[4] == {"x": 40, "y": 30}
    assert without[3] > 50
    assert without[1] > bench.js("document.querySelector('#stage').getBoundingClientRect().height") + 26


# ------------------------------------------------------------------ shortcuts

VIEW = "window.__afmend.state.view"
EFFECTS = {
    "1": f"{VIEW}.solo === 'original'", "2": f"{VIEW}.solo === 'original3d'", "3": f"{VIEW}.solo === 'raw'",
    "4": f"{VIEW}.solo === 'mask'", "5": f"{VIEW}.layout === 'one' && {VIEW}.solo === 'mended'", "6": f"{VIEW}.solo === 'mended3d'",
    "0": f"{VIEW}.layout === 'six'", "w": f"{VIEW}.layout === 'two'", "+": f"{VIEW}.k > 1", "-": f"{VIEW}.k < 1.2",
    "=": f"{VIEW}.k > 1", "f": f"{VIEW}.k === 1", "h": f"{VIEW}.overlays === false", "i": f"{VIEW}.invented === false",
    "u": f"{VIEW}.sigma === true", "t": f"{VIEW}.flat === false", "k": f"{VIEW}.lock === true", "g": f"{VIEW}.physical === false",
    "v": f"{VIEW}.tool === 'pan'", "r": f"{VIEW}.tool === 'rectangle'", "p": f"{VIEW}.tool === 'polygon'",
    "l": f"{VIEW}.tool === 'lasso'", "b": f"{VIEW}.tool === 'brush'", "e": f"{VIEW}.tool === 'eraser'",
    "m": f"{VIEW}.tool === 'line'", "s": f"{VIEW}.tool === 'area'", "x": f"{VIEW}.layer === 'add'", "[": f"{VIEW}.brush < 12",
    "]": f"{VIEW}.brush > 8", "?": "document.querySelector('dialog[open] kbd')", "c": "document.querySelector('dialog[open] pre')",
    "Ctrl+e": "document.querySelector('dialog[open] .formats')", "Ctrl+b": "document.querySelector('#batch-folder')",
    "F2": "document.activeElement.closest('#file-list')", "ArrowRight": "window.__afmend.state.doc.name === 'b.h5'",
    "d": "window.__afmend.state.doc.name === 'b.h5'", "ArrowLeft": "window.__afmend.state.doc.name === 'a.gwy'",
    "a": "window.__afmend.state.doc.name === 'a.gwy'", ".": "window.__afmend.state.doc.frame === 0",
    ",": "window.__afmend.state.doc.frame === 0", "o": f"{VIEW}.original === false", "Escape": "window.__afmend.sketch.points.length === 0",
    "Enter": "true", "Backspace": "true", "Delete": "true", "Ctrl+z": "true", "Ctrl+Shift+z": "true", "Ctrl+y": "true",
    "Ctrl+o": "true", "Ctrl+s": "true",
}  # fmt: skip
"""What each shortcut does; those with "true" have a test of their own, or open a dialog of the browser."""


def test_every_shortcut(bench):
    table = bench.js("window.__afmend.shortcuts.flatMap((one) => one.keys)")
    assert sorted(table) == sorted(EFFECTS)
    assert len(set(table)) == len(table)
    for key, effect in EFFECTS.items():
        if key in ("Ctrl+o", "Ctrl+s"):
            continue
        bench.key(key)
        bench.until(f"Boolean({effect})", 10)
        bench.js("document.querySelectorAll('dialog[open]').forEach((d) => d.close())")
        bench.js("document.activeElement?.blur()")


def test_no_shortcut_while_typing(bench):
    bench.page.click("#filter")
    for key in "rvd1":
        bench.key(key)
    assert bench.js("document.querySelector('#filter').value") == "rvd1"
    assert bench.js(f"{VIEW}.tool") == "pan"
    assert bench.js("window.__afmend.state.doc.name") == "a.gwy"


def test_single_keys_can_be_off(bench):
    bench.view(shortcuts=False)
    bench.key("r")
    assert bench.js(f"{VIEW}.tool") == "pan"
    bench.key("?")
    bench.until("document.querySelector('dialog[open] kbd')")


def test_from_open_to_export_with_the_keyboard_only(bench):
    bench.key("F2")
    for _ in range(40):
        if bench.js("document.activeElement.title") == "d1.gwy":
            break
        bench.key("Tab")
    bench.key("Enter")
    bench.until("window.__afmend.state.doc?.name === 'd1.gwy'")
    bench.wait()
    for _ in range(120):
        if bench.js("document.activeElement.matches('.step summary')"):
            break
        bench.key("Tab")
    bench.key("Enter")
    assert bench.js("document.activeElement.closest('details').open")
    bench.key("Ctrl+e")
    bench.until("document.activeElement.textContent === 'Export'")
    bench.key("Enter")
    bench.until("document.querySelector('.outputs a')", 90)


# ------------------------------------------------------------------ numbers and results


def test_profile_is_the_heights(bench, scans):
    mended = afmend.repair(afmend.read(scans / "a.gwy"), "gwyddion").main.values
    got = bench.js(
        "import('./static/js/profile.js').then((m) => [...m.along(window.__afmend.state.frames.get('mended'), [[0, 40.5], [128, 40.5]]).y])"
    )
    cols = np.minimum(127, np.floor(np.linspace(0, 128, len(got))).astype(int))
    assert float(np.max(np.abs(np.array(got) - mended[40, cols]))) < 1e-5


def test_line_by_hand(bench):
    bench.key("m")
    bench.draw("original", [(10, 48), (60, 48), (110, 48)])
    line = bench.js("window.__afmend.state.line")
    assert line[0][0] == pytest.approx(10, abs=1)
    assert line[1][0] == pytest.approx(110, abs=1)
    length = bench.js("import('./static/js/profile.js').then((m) => m.lengthOf(window.__afmend.state.line))")
    assert length == pytest.approx(math.hypot((line[1][0] - line[0][0]) * 3, (line[1][1] - line[0][1]) * 2))
    assert bench.js("document.querySelector('#chart') !== null")


def test_roughness_table(bench, scans):
    bench.js("document.querySelector('#tab-roughness').click()")
    bench.until("document.querySelectorAll('#dock-body tbody tr').length === 5")
    text = bench.js("document.querySelector('#dock-body tbody tr:nth-child(4) td').textContent")
    mended = afmend.repair(afmend.read(scans / "a.gwy"), "gwyddion")
    assert float(text.split()[0]) == pytest.approx(afmend.statistics(mended).Sq, rel=0.01)
    rows = bench.js("[...document.querySelectorAll('#dock-body tbody tr')].slice(0, 2).map((r) => r.textContent)")
    assert rows[0].startswith("as read, tilt included")
    assert rows[1].startswith("plane removed")


def test_step_height_by_hand(bench):
    bench.open("b.h5")
    bench.js(
        "window.__afmend.change('x', (w) => ({...w, common: {name: 'mine', steps: [{step: 'level.shift', params: {}}]}}))"
    )
    bench.wait()
    bench.key("s")
    bench.draw("mended", [(5, 10), (30, 40)])
    bench.draw("mended", [(60, 10), (90, 40)])
    bench.until("document.querySelector('#dock-body .big')")
    assert bench.js("document.querySelector('#dock-body .big').textContent").startswith("10 nm from area 1")
    assert bench.js("document.querySelector('#dock-body .warn')") is None
    bench.draw("mended", [(5, 10), (30, 40)])
    bench.draw("mended", [(40, 10), (90, 40)])
    bench.until("document.querySelector('#dock-body .warn')?.textContent.startsWith('Area 2 is not flat')")


def test_export_from_the_page_is_what_the_command_writes(bench, server, scans, tmp_path):
    bench.key("r")
    bench.draw("mask", [(10, 10), (40, 30)])
    bench.wait()
    job = bench.js("window.__afmend.exportNow(['h5', 'gwy', 'png'])", 90)
    wish = bench.js("window.__afmend.wish()")
    (tmp_path / "recipe.yaml").write_text(server.json("POST", "/api/words", wish)["yaml"])
    done = cli(
        "repair",
        scans / "a.gwy",
        "-o",
        tmp_path / "out",
        "--recipe",
        tmp_path / "recipe.yaml",
        "--channel",
        wish["channel"],
    )
    assert done.returncode == 0, done.stderr
    for name in ("a.gwy.h5", "a.gwy.gwy", "a.gwy.png"):
        made = server.ask("GET", f"/api/output/{job['id']}/file/{job['outputs'].index(name)}")[2]
        assert made == (tmp_path / "out" / name).read_bytes(), name


def test_batch_with_a_broken_file(bench, scans):
    bench.key("Ctrl+b")
    bench.js("document.querySelector('#batch-folder').value = 'from_page'")
    bench.page.click("dialog button.main")
    bench.until("document.querySelector('#batch-state').textContent.includes('8 of 8, 1 failed, finished')", 120)
    assert (scans / "from_page" / "summary.csv").is_file()
    assert "✗" in bench.js(
        "[...document.querySelectorAll('#file-list li')].find((r) => r.dataset.ref === 'root/c.spm').textContent"
    )
    bench.js("[...document.querySelectorAll('#batch-state button')].find((b) => b.textContent === 'Review').click()")
    assert bench.js("document.querySelector('dialog tbody tr').textContent").startswith("c.spm")
    bench.js("document.querySelector('dialog').close()")
    before = (scans / "from_page" / "summary.csv").read_bytes()
    bench.preset("topostats")
    bench.key("Ctrl+b")
    bench.js("document.querySelector('#batch-folder').value = 'from_page'")
    bench.page.click("dialog button.main")
    bench.until("document.querySelector('#batch-folder')?.value === 'from_page-2'", 30)
    assert "from_page: that folder holds other files" in bench.js("document.querySelector('dialog .bad').textContent")
    assert (scans / "from_page" / "summary.csv").read_bytes() == before
    bench.page.click("dialog button.main")
    bench.until(
        "document.querySelector('#batch-state').textContent.match(/8 of 8, 1 failed, finished.*from_page-2/)", 120
    )
    assert (scans / "from_page-2" / "recipe.yaml").is_file()
    assert (scans / "from_page" / "summary.csv").read_bytes() == before


def test_unreadable_files_say_why(bench):
    bench.until(
        "[...document.querySelectorAll('#file-list li')].find((r) => r.dataset.ref === 'root/c.spm')?.classList.contains('unreadable')"
    )
    bench.js("window.__afmend.openFile('root/c.spm', 'c.spm')")
    bench.until("document.querySelector('#toast.bad')")
    assert bench.js("window.__afmend.state.doc.name") == "a.gwy"


def test_dropped_files_arrive(bench, scans):
    data = list((scans / "a.gwy").read_bytes())
    bench.js(
        f"(() => {{ const t = new DataTransfer(); t.items.add(new File([new Uint8Array({data})], '../own <b>.gwy'));"
        " window.dispatchEvent(new DragEvent('drop', {dataTransfer: t, bubbles: true, cancelable: true})); })()"
    )
    bench.until("window.__afmend.state.doc?.ref.startsWith('upload/')")
    bench.wait()
    assert bench.js("document.querySelector('#name').textContent") == "own _b_.gwy"
    assert bench.js("document.querySelector('#file-list b')") is None


def test_a_file_sent_twice_is_one_and_names_may_be_long(bench, scans):
    data = list((scans / "a.gwy").read_bytes())
    bench.js(
        f"(async () => {{ const data = new Uint8Array({data}); const names = ['試料'.repeat(90) + '.gwy', 'twice.gwy', 'twice.gwy'];"
        " await window.__afmend.upload(names.map((name) => new File([data], name))); })()",
        60,
    )
    assert bench.js("document.querySelector('#toast').textContent") == "3 sent."
    rows = "['試料', 'twice'].map((part) => [...document.querySelectorAll('#file-list .name')].filter((name) => name.textContent.includes(part)).length).join() === '1,1'"
    bench.until(rows)
    bench.until("window.__afmend.state.doc?.ref.startsWith('upload/')")
    bench.wait()
    bench.js(
        "window.__afmend.startBatch({wishes: window.__afmend.state.uploads.slice(-2).map(({ref}) => ({...window.__afmend.wish(), ref})), write: ['h5'], folder: '', report: false})"
    )
    bench.until("document.querySelector('#batch-state').textContent.includes('2 of 2, 0 failed, finished')", 90)
    bench.until("document.querySelector('#saved').textContent === 'saved'")
    bench.page.do("Page.reload")
    bench.until("document.body?.dataset.ready && window.__afmend.state.doc", 60)
    bench.until("document.querySelector('#batch-state').textContent.includes('2 of 2, 0 failed, finished')")
    bench.until(rows)


# ------------------------------------------------------------------ gate, tip, previews


def test_the_gate_says_its_verdict_and_where(bench):
    assert bench.js("document.querySelector('#gate').checked")
    bench.until(
        "[...document.querySelectorAll('#file-list .current .gate')].some((g) => g.textContent.includes('gate'))", 240
    )
    bench.js("document.querySelector('#tab-gate').click()")
    bench.until("document.querySelectorAll('.gate-said tr').length === 4")
    assert "not yet to be relied on" in bench.js("document.querySelector('.gate-said').textContent")
    listed = bench.js("document.querySelector('#file-list .current .gate').textContent")
    assert listed.startswith("gate, not yet to be relied on: ")
    assert not set("✓✗◐") & set(listed)
    assert "rescan" not in listed
    assert bench.js("document.querySelector('.gate-said').textContent.match(/ost likely|no probability holds/)")
    assert bench.js("document.querySelectorAll('.gate-why li').length") > 0
    overlay = "(() => { const c = document.querySelector('#panel-original .overlay'); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0; for (let i = 0; i < d.length; i += 4) n += d[i + 3] > 0 && Math.abs(d[i] - d[i + 2]) > 60; return n; })()"
    before = bench.js(overlay)
    bench.js("document.querySelector('.gate-said tr:nth-child(4) button').click()")
    bench.view()
    assert (
        bench.js("document.querySelector('.gate-said tr:nth-child(4) button').getAttribute('aria-pressed')") == "true"
    )
    assert bench.js(overlay) > before + 500
    assert "against artifacts" in bench.js("document.querySelector('#panel-original .facts').textContent")
    bench.page.click("#tab-gate")
    bench.view(gate=False, gateMap=False)
    assert bench.js("[...document.querySelectorAll('.gate')].every((g) => g.textContent === '')")


def test_the_tip_is_shown_and_goes_into_the_recipe(bench):
    bench.js("document.querySelector('#tab-tip').click()")
    bench.until(
        "document.querySelector('.tip-said .big, .tip-said p')?.textContent.match(/[Ee]stimate|[Rr]adius|taken off/)",
        60,
    )
    bench.js(
        "(() => { const s = document.querySelector('#tip-source'); s.value = 'given'; s.dispatchEvent(new Event('change')); })()"
    )
    bench.until("document.querySelector('#tip-radius_nm')")
    bench.js(
        "(() => { const s = document.querySelector('#tip-radius_nm'); s.value = '20'; s.dispatchEvent(new Event('change')); })()"
    )
    bench.until(
        "document.querySelector('.tip-said .big')?.textContent === 'Given tip: 20 nm' && window.__afmend.state.frames.has('tip')",
        60,
    )
    assert (
        bench.js("[...document.querySelectorAll('.tip-pictures img')].map((i) => i.naturalWidth > 50).join()")
        == "true,true"
    )
    facts = bench.js("document.querySelector('#panel-mended .facts').textContent")
    assert "untouched" in facts
    spot = bench.js(
        "(() => { const f = window.__afmend.state.frames.get('tip_flags'); const i = f.data.findIndex((v) => v & 8); return [i % 128 + 0.5, Math.floor(i / 128) + 0.5]; })()"
    )
    marked = {tuple(bench.color("mended", spot[0] + dx, spot[1])) for dx in (-0.4, -0.2, 0, 0.2, 0.4)}
    bench.js("document.querySelector('#tab-profile').click()")
    bench.view()
    assert marked != {tuple(bench.color("mended", spot[0] + dx, spot[1])) for dx in (-0.4, -0.2, 0, 0.2, 0.4)}
    bench.js("document.querySelector('#tab-tip').click()")
    bench.until("[...document.querySelectorAll('.tip-said button')].some((b) => b.textContent === 'Add to the recipe')")
    bench.js(
        "[...document.querySelectorAll('.tip-said button')].find((b) => b.textContent === 'Add to the recipe').click()"
    )
    bench.wait()
    assert bench.js("window.__afmend.wish().steps.slice(-2).map((u) => u.step)") == ["mark.untouched", "tip.correct"]
    assert bench.js("window.__afmend.wish().steps.at(-1).params.radius_nm") == 20
    bench.key("Ctrl+z")
    bench.wait()
    assert bench.js("window.__afmend.wish().steps.length") == 5


def test_both_curves_stand_on_one_zero(bench, scans):
    apart = "import('./static/js/profile.js').then((m) => { const { before, after, invented } = m.pair([[0, 20.5], [128, 20.5]]); const d = [...before.y].map((v, i) => v - after.y[i]).filter((_, i) => !invented[i]).sort((x, y) => x - y); return d[d.length >> 1]; })"
    assert abs(bench.js(apart)) < 1e-3
    assert "same middle" in bench.js(
        "import('./static/js/profile.js').then((m) => m.pair([[0, 20.5], [128, 20.5]]).name)"
    )
    zero = bench.js("import('./static/js/profile.js').then((m) => m.commonZero())")
    assert abs(zero) > 0
    bench.js(
        "window.__afmend.change('x', (w) => ({...w, common: {name: 'mine', steps: [{step: 'level.plane', params: {}}, {step: 'level.shift', params: {reference: 'minimum'}}]}}))"
    )
    bench.wait()
    assert abs(bench.js(apart)) < 1e-3
    bench.view(flat=False)
    raw = bench.js(
        "import('./static/js/profile.js').then((m) => m.along(window.__afmend.state.frames.get('original'), [[0, 20.5], [128, 20.5]], 'before').y[0])"
    )
    assert raw == pytest.approx(afmend.read(scans / "a.gwy").main.values[20, 0], abs=1e-4)


def test_a_part_is_shown_while_a_slow_step_runs(bench):
    bench.open("a.gwy")
    seen = bench.js(
        """(async () => {
      const a = window.__afmend, parts = await import('./static/js/parts.js');
      parts.learned(a.wish(), {ms: {'5:filter.gaussian': 5000}});
      const found = [];
      const watch = setInterval(() => { const f = a.state.frames.get('mended'); if (f?.head.part) found.push(JSON.stringify(f.head.part)); }, 1);
      a.look({k: 3});
      a.change('x', (w) => ({...w, common: {...w.common, steps: [...w.common.steps.slice(0, -1), {step: 'fill.laplace', params: {}}, {step: 'filter.gaussian', params: {sigma_px: 2}}]}}), {drag: true, gesture: 'g'});
      return new Promise((good) => { const t0 = performance.now(); const wait = setInterval(() => { if (a.settled() || performance.now() - t0 > 20000) { clearInterval(wait); clearInterval(watch); good(found); } }, 5); });
    })()""",
        40,
    )
    bench.wait()
    assert bench.js("window.__afmend.state.frames.get('mended').head.part") is None
    (box,) = set(seen)
    top, bottom, left, right = json.loads(box)
    assert (bottom - top, right - left) == (32, 43)


def test_a_large_scan_comes_small_first_and_a_refusal_ends_it(bench, scans):
    write(scan_of(damaged((65, 1300))), scans / "wide.h5")
    seen = bench.js(
        """(async () => {
      const a = window.__afmend, { on } = await import('./static/js/store.js');
      const found = [];
      on('frame', (name) => { if (name === 'original') found.push(a.state.frames.get(name).head.shape.join()); });
      await a.openFile('root/wide.h5', 'wide.h5');
      await new Promise((good) => { const wait = setInterval(() => { if (a.settled()) { clearInterval(wait); good(); } }, 5); });
      return found;
    })()""",
        60,
    )
    assert seen == ["51,1024", "65,1300"]
    bench.js(
        "window.__afmend.change('x', (w) => ({...w, common: {name: 'mine', steps: [{step: 'filter.gaussian', params: {sigma_px: -1}}]}}))"
    )
    bench.js("window.__afmend.openFile('root/wide.h5', 'wide.h5')")
    bench.until("!document.querySelector('#problem').hidden && !window.__afmend.busy()")
    asked = bench.js("window.__afmend.revision()")
    bench.js("new Promise((good) => setTimeout(good, 600))")
    assert bench.js("window.__afmend.revision()") == asked


def test_low_and_high_values_are_shown(bench):
    bench.js("document.querySelector('.step[data-step=\"level.polynomial\"] details, .step details').open = true")
    bench.preset("auto")
    bench.js("document.querySelector('.step[data-step=\"mark.spikes\"] details').open = true")
    bench.until("document.querySelector('.step[data-step=\"mark.spikes\"] .knob input[type=range]')")
    bench.js(
        "document.querySelector('.step[data-step=\"mark.spikes\"] .knob input[type=range]').closest('.knob').querySelector('.info').click()"
    )
    bench.until("document.querySelectorAll('.tries img').length >= 2", 60)
    texts = bench.js("[...document.querySelectorAll('.try')].map((t) => t.textContent)")
    assert any(text.startswith("low") for text in texts)
    assert any(text.startswith("high") for text in texts)
    before = bench.js("JSON.stringify(window.__afmend.wish().steps)")
    bench.js("document.querySelector('.try').click()")
    assert bench.js("JSON.stringify(window.__afmend.wish().steps)") != before


def test_shortcuts_can_be_set(bench):
    bench.key("?")
    bench.until("document.querySelector('tr[data-what=rectangle] .key')")
    bench.page.click("tr[data-what=rectangle] .key")
    bench.key("q")
    assert bench.js("document.querySelector('tr[data-what=rectangle] kbd').textContent") == "Q"
    bench.page.click("tr[data-what=lasso] .key")
    bench.key("b")
    assert bench.js("document.querySelector('tr[data-what=brush] kbd').textContent") == "none"
    bench.page.click("tr[data-what=polygon] .key")
    bench.key("Escape")
    assert bench.js("document.querySelector('tr[data-what=polygon] kbd').textContent") == "P"
    bench.js("document.querySelector('dialog').close()")
    bench.until("!document.querySelector('dialog')")
    for key, tool in (("q", "rectangle"), ("b", "lasso"), ("v", "pan"), ("r", "pan")):
        bench.key(key)
        assert bench.js(f"{VIEW}.tool") == tool
    assert bench.js("document.querySelector('#tool-rectangle').title") == "Rectangle (Q)"
    bench.key("?")
    bench.page.click("#usual-keys")
    bench.until("Object.keys(window.__afmend.state.view.keys).length === 0")
    bench.js("document.querySelector('dialog').close()")
    bench.until("!document.querySelector('dialog')")
    bench.key("r")
    assert bench.js(f"{VIEW}.tool") == "rectangle"


def test_the_numbers_can_be_made_taller(bench):
    height = "document.querySelector('#dock').getBoundingClientRect().height"
    before = bench.js(height)
    bench.js("document.querySelector('#dock-grip').focus()")
    bench.key("ArrowUp")
    assert bench.js(height) == pytest.approx(before + 16, abs=1)
    bench.view(dockHeight=0)
    assert bench.js(height) == pytest.approx(before, abs=1)


# ------------------------------------------------------------------ nothing is lost


def test_a_reload_restores_the_work(bench):
    bench.key("r")
    bench.draw("mask", [(10, 10), (40, 30)])
    bench.wait()
    wish = bench.js("window.__afmend.wish()")
    bench.until("document.querySelector('#saved').textContent === 'saved'")
    bench.page.do("Page.reload")
    bench.until("document.body?.dataset.ready && window.__afmend.state.doc", 60)
    bench.wait()
    assert bench.js("window.__afmend.wish()") == wish


def test_a_lost_server_loses_nothing(browser, scans, tmp_path):
    server = start(scans, tmp_path / "state")
    page = browser.page(server.entrance, context=browser.send("Target.createBrowserContext")["browserContextId"])
    page.until("document.body?.dataset.ready && window.__afmend.settled()", 90)
    server.process.kill()
    server.close()
    page.js("window.__afmend.usePreset('gwyddion')")
    page.until("!document.querySelector('#lost').hidden")
    again = start(scans, tmp_path / "state", "--port", server.port)
    try:
        page.until("!document.querySelector('#locked').hidden", 15)
        assert len(page.js("window.__afmend.wish().steps")) == 5
        page.go(again.entrance)
        page.until("document.body?.dataset.ready && window.__afmend.settled()", 90)
        assert len(page.js("window.__afmend.wish().steps")) == 5
    finally:
        page.close()
        again.close()


def test_tabs_do_not_take_each_others_work(bench, server, browser):
    bench.js("window.__afmend.usePreset('topostats')")
    bench.until("document.querySelector('#saved').textContent === 'saved'")
    context = browser.send("Target.createBrowserContext")["browserContextId"]
    other = browser.page(server.json("POST", "/api/token", {})["address"], context=context)
    other.until("document.body?.dataset.ready && window.__afmend.settled()", 60)
    assert len(other.js("window.__afmend.wish().steps")) == 3  # a new tab begins where the last one was
    other.js("window.__afmend.usePreset('gwyddion')")
    other.until("document.querySelector('#saved').textContent === 'saved'")
    bench.page.do("Page.reload")
    bench.until("document.body?.dataset.ready && window.__afmend.state.doc", 60)
    assert len(bench.js("window.__afmend.wish().steps")) == 3
    other.close()


def test_frames_of_a_movie(bench, scans):
    from afmend.formats import read_all

    movies = sorted((ROOT.parent / "shared" / "data" / "scans" / "hsafm").glob("*.asd"))
    if not movies:
        pytest.skip("the real scans are not beside the project")
    (scans / "e.asd").write_bytes(movies[0].read_bytes())
    bench.open("e.asd")
    assert not bench.js("document.querySelector('#frames').hidden")
    bench.key(".")
    bench.until("window.__afmend.state.doc.frame === 1")
    bench.js(
        "(() => { const s = document.querySelector('#frame'); s.value = 7; s.dispatchEvent(new Event('input')); })()"
    )
    bench.until("window.__afmend.state.info.frame === 7")
    bench.wait()
    values = read_all(movies[0])[7].main.values
    offset, first = bench.js(
        "(() => { const f = window.__afmend.state.frames.get('original'); return [f.head.offset, f.data[0]]; })()"
    )
    (scans / "e.asd").unlink()
    assert offset + first == pytest.approx(float(values[0, 0]), abs=1e-4)


def test_nothing_from_elsewhere_is_asked_for(bench, server):
    names = bench.js("performance.getEntriesByType('resource').map((one) => one.name)")
    assert len(names) > 15
    assert all(name.startswith((f"http://127.0.0.1:{server.port}/", "blob:")) for name in names)


# ------------------------------------------------------------------ everybody


def test_accessibility_checker(bench):
    source = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    bench.js("document.querySelectorAll('.step details').forEach((d) => { d.open = true; })")
    for theme in ("light", "dark"):
        bench.view(theme=theme)
        bench.js(source + "; true")
        found = bench.js(
            "axe.run().then((r) => r.violations.map((v) => [v.id, v.impact, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + ' | ' + n.failureSummary.slice(0, 200))]))",
            60,
        )
        serious = [one for one in found if one[1] in ("serious", "critical")]
        assert serious == [], json.dumps(serious, indent=1)


@pytest.mark.parametrize(("width", "height", "scale"), [(1280, 720, 1), (1280, 800, 2), (640, 400, 2)])
def test_small_windows_and_large_letters(bench, width, height, scale):
    bench.page.size(width, height, scale)
    bench.js("new Promise((good) => setTimeout(good, 300))")
    assert bench.js("document.documentElement.scrollWidth") <= width + 1
    for name in ("#export", "#help", "#preset"):
        assert bench.js(f"document.querySelector('{name}').getBoundingClientRect().right") <= width + 1


def test_forced_colors(bench):
    bench.page.do("Emulation.setEmulatedMedia", features=[{"name": "forced-colors", "value": "active"}])
    assert bench.js("matchMedia('(forced-colors: active)').matches")
    bench.key("r")
    assert bench.js("getComputedStyle(document.querySelector('#tool-rectangle')).borderTopWidth") == "3px"


def test_without_webgl(server):
    from browser import Browser, find_chromium

    if find_chromium() is None:
        pytest.skip("no Chromium is installed (or set AFMEND_CHROMIUM)")
    browser = Browser(webgl=False)
    try:
        page = browser.page(server.json("POST", "/api/token", {})["address"])
        page.until("document.body?.dataset.ready && window.__afmend.settled()", 90)
        for wanted in ("card", "auto"):
            page.js(f"window.__afmend.look({{painter: '{wanted}'}})")
            assert page.js("window.__afmend.painterKind()") == "plain"
        page.js("window.__afmend.openFile('root/b.h5', 'b.h5')")
        page.until("window.__afmend.state.doc.name === 'b.h5' && window.__afmend.settled()", 60)
        page.js("window.__afmend.look({flat: false, range: 'full', cmap: 'afm', layout: 'six'})")
        page.js("new Promise((good) => setTimeout(good, 200))")
        assert close_to(page.js("window.__afmend.pixel('original', 20.5, 30.5)")[:3], colormap("afm")[0])
        assert close_to(page.js("window.__afmend.pixel('original', 80.5, 30.5)")[:3], colormap("afm")[255])
        code = "(() => { const b = window.__afmend.cells.get('original3d').box, s = new Set(); for (let i = 0; i < 900; i++) s.add(window.__afmend.raw(b.x + (b.width * (i % 30)) / 30, b.y + (b.height * Math.floor(i / 30)) / 30).join()); return s.size > 5; })()"
        page.until(code, 30)
        assert "WebGL" in page.js("document.querySelector('#painter').textContent")
    finally:
        browser.close()
