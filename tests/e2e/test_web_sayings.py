# ruff: noqa: E501 (JavaScript in strings)
"""The page in a real browser: what it says of a pixel, a panel or a color is what it draws."""

import re

import numpy as np
import pytest
from PIL import Image

from afmend.formats import write
from afmend.pictures.colormaps import colormap
from afmend.scan import Masks
from browser import BrowserError
from support import scan_of
from web_server import damaged


def close_to(color, other, by=2):
    return max(abs(int(a) - int(b)) for a, b in zip(color, other, strict=True)) <= by


# ------------------------------------------------------------------ what is said fits what is drawn


def facts_of(bench, panel):
    return bench.js(f"document.querySelector('#panel-{panel} .facts').textContent")


def readout_of(bench):
    return bench.js("document.querySelector('#readout').textContent")


def hover(bench, panel, x, y):
    """Move the mouse to a pixel; again if panels moved while it got there, as a hand would."""
    said = f"document.querySelector('#readout').textContent.includes('column {int(x)}, line {int(y)}')"
    for patience in (3.0, 3.0, 30.0):
        bench.page.mouse("moved", *bench.at(panel, x, y), button="none")
        try:
            bench.until(said, patience)
        except BrowserError:
            if patience > 3:
                raise
        else:
            return


def number(text, word):
    """The value after a word, in nm."""
    found = re.search(rf"{word} (−?[\d.]+) (pm|nm|µm)", text)
    return float(found[1].replace("−", "-")) * {"pm": 1e-3, "nm": 1.0, "µm": 1e3}[found[2]]


def test_readout_follows_what_is_shown(bench):
    hover(bench, "mended", 40.5, 20.5)
    first = number(readout_of(bench), "mended")
    bench.js(
        "window.__afmend.change('x', (w) => ({...w, common: {name: 'mine', steps: [{step: 'level.plane', params: {}}]}}))"
    )
    bench.wait()
    second = number(readout_of(bench), "mended")
    assert abs(second - first) > 0.5
    assert second == pytest.approx(number(readout_of(bench), "leveled"), abs=0.01)
    bench.key("Ctrl+z")
    bench.wait()
    assert number(readout_of(bench), "mended") == pytest.approx(first, abs=0.01)
    bench.open("b.h5")
    text = readout_of(bench)
    assert text
    column, line = map(int, re.search(r"column (\d+), line (\d+)", text).groups())
    value = bench.js(
        f"(() => {{ const f = window.__afmend.state.frames.get('original'); return f.data[{line} * 96 + {column}] + f.head.offset; }})()"
    )
    assert number(text, "original") == pytest.approx(value, abs=0.01) if value else "original 0 nm" in text


def test_original_reads_as_its_bar_and_as_recorded(bench):
    hover(bench, "original", 100.5, 80.5)
    stats = bench.js("window.__afmend.state.frames.get('original').head.stats")
    raw = number(readout_of(bench), "original")
    flat = raw - stats["plane"][0] - 32.5 * stats["plane"][1] - 36.5 * stats["plane"][2]
    assert abs(raw - flat) > 2
    assert "without its plane" in facts_of(bench, "original")
    assert number(facts_of(bench, "original"), "z") == pytest.approx(flat, abs=0.02)
    assert "as recorded" in readout_of(bench)
    bench.key("t")
    bench.view()
    assert number(facts_of(bench, "original"), "z") == pytest.approx(raw, abs=0.02)


def test_difference_says_the_difference(bench):
    bench.view(layout="diff", diff="leveled")
    assert bench.js("document.querySelector('#panel-mended .title').textContent") == "Δ by leveling"
    hover(bench, "mended", 100.5, 80.5)
    shown = number(facts_of(bench, "mended"), "Δ")
    low, high = bench.js("window.__afmend.limits('diff')")
    assert high < 6, "neither plane nor offset drowns what is left"
    assert low == pytest.approx(-high)
    bare = bench.js(
        "(() => { const a = window.__afmend.state.frames, o = a.get('original'), l = a.get('leveled'), i = 80 * 128 + 100; const p = o.head.stats.plane.map((v, k) => v - l.head.stats.plane[k]);"
        " return o.data[i] + o.head.offset - l.data[i] - l.head.offset - p[0] - p[1] * 32.5 - p[2] * 36.5; })()"
    )
    assert shown == pytest.approx(bare, abs=0.01)
    index = round(255 * min(1, max(0, (bare - low) / (high - low))))
    assert close_to(bench.color("mended", 100.5, 80.5), colormap("difference")[index], 12)
    bench.view(layout="six")
    assert bench.js("document.querySelector('#panel-mended .title').textContent") == "Mended"


def test_to_fill_is_drawn_in_its_own_range(bench):
    grays = [bench.color("mask", x + 0.5, y + 0.5)[0] for x in range(4, 128, 12) for y in range(4, 96, 12)]
    assert 60 < np.median(grays) < 200
    assert np.ptp(grays) > 100


@pytest.mark.parametrize("painter", ["card", "plain"])
def test_error_bars_are_told(bench, painter):
    bench.view(painter=painter)
    bench.preset("auto")
    bench.key("u")
    bench.until("window.__afmend.state.frames.has('sigma')", 90)
    bench.wait()
    assert "gray: measured" in facts_of(bench, "mended")
    filled = bench.js(
        "(() => { const f = window.__afmend.state.frames.get('sigma'); let best = -1; f.data.forEach((v, i) => { if (v < 1e37 && (best < 0 || v > f.data[best])) best = i; });"
        " return [best % 128 + 0.5, Math.floor(best / 128) + 0.5, f.data[best]]; })()"
    )
    bench.view(k=8, cx=filled[0] / 128, cy=filled[1] / 96)
    hover(bench, "mended", *filled[:2])
    assert number(facts_of(bench, "mended"), "σ") == pytest.approx(filled[2], rel=0.02)
    assert "±" in readout_of(bench)
    bench.view(k=1, cx=0.5, cy=0.5)
    hover(bench, "mended", 5.5, 12.5)
    assert "measured: no σ" in facts_of(bench, "mended")
    assert "±" not in readout_of(bench)
    assert close_to(bench.color("mended", 5.5, 12.5), (222, 222, 222))


def test_swipe_has_one_span_of_colors(bench):
    bench.view(layout="swipe", swipe=0.5, limits={"before": [0, 1000], "after": None, "diff": None})
    before, after = bench.js("[window.__afmend.limits('before'), window.__afmend.limits('after')]")
    assert before[1] - before[0] == pytest.approx(after[1] - after[0])
    hover(bench, "mended", 20.5, 20.5)
    assert facts_of(bench, "mended").startswith("before: z ")
    hover(bench, "mended", 100.5, 20.5)
    assert facts_of(bench, "mended").startswith("after: z ")


# ------------------------------------------------------------------ marks, and what they mean


def legend_of(bench):
    return bench.js("document.querySelector('#legend').textContent")


OUTLINED = """(() => { const c = document.querySelector('#panel-%s .overlay'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let n = 0; for (let i = 0; i < d.length; i += 4) n += d[i + 3] > 60 && Math.abs(d[i] - %d) < 30 && Math.abs(d[i + 1] - %d) < 30 && Math.abs(d[i + 2] - %d) < 30; return n; })()"""


def test_drawings_stay_where_they_were_drawn(bench):
    yellow, violet = (255, 217, 26), (123, 63, 242)
    bench.view(tool="rectangle")
    bench.draw("original", [(20, 20), (60, 60)])
    bench.view(tool="brush", layer="add", brush=8)
    bench.draw("mended", [(70, 30), (100, 30)])
    bench.view(tool="pan")
    bench.wait()
    for panel in ("original", "raw", "mask", "mended"):
        assert bench.js(OUTLINED % (panel, *yellow)) > 100, panel
    for panel in ("original", "mended"):
        assert bench.js(OUTLINED % (panel, *violet)) > 100, panel
    assert close_to(bench.color("mask", 85.5, 30.5), violet, 60)
    bench.until("document.querySelector('#legend').textContent.includes('drawn')")
    swatch = bench.js(
        "getComputedStyle([...document.querySelectorAll('#legend span')].find((s) => s.textContent.includes('drawn')).firstChild).backgroundColor"
    )
    assert swatch == f"rgb{violet}"
    bench.key("h")
    bench.view()
    assert bench.js(OUTLINED % ("original", *yellow)) == 0


def test_legend_names_whatever_is_marked(bench, scans):
    missing = np.zeros((96, 128), bool)
    missing[80:] = True
    write(scan_of(damaged(), masks=Masks(missing=missing)), scans / "holes.h5")
    bench.open("holes.h5")
    bench.until("document.querySelector('#legend').textContent.includes('never measured 17 %')")
    assert "filled: invented" in legend_of(bench)
    assert "without an error bar" in legend_of(bench), "by Laplace's equation"
    bench.view(tool="rectangle")
    bench.draw("original", [(20, 20), (60, 60)])
    bench.until("document.querySelector('#legend').textContent.includes('excluded from leveling')")
    bench.preset("auto")
    bench.until("document.querySelector('#legend').textContent.includes('left open')")
    assert bench.js("document.querySelectorAll('#legend .swatch.open').length") == 1


def test_three_d_shows_what_was_filled(bench, scans):
    missing = np.zeros((96, 128), bool)
    missing[20:80, 20:100] = True
    write(scan_of(damaged(), masks=Masks(missing=missing)), scans / "filled.h5")
    bench.open("filled.h5")
    bench.view(cmap="gray")
    count = """(() => { const { plain } = window.__afmend.cells.get('%s'), d = plain.getContext('2d').getImageData(0, 0, plain.width, plain.height).data;
      let n = 0; for (let i = 0; i < d.length; i += 4) n += d[i + 2] > d[i] + 30; return n; })()"""
    assert bench.js(count % "mended3d") > 1000
    assert bench.js(count % "original3d") == 0
    bench.key("i")
    bench.view()
    assert bench.js(count % "mended3d") == 0


def test_gate_overlay_goes_with_its_tab(bench):
    bench.view(dock="gate", gateMap=True, gateOf="Good")
    bench.until("document.querySelector('#panel-original .facts').textContent.includes('+ for')", 90)
    hover(bench, "original", 40.5, 20.5)
    assert "+ for" in facts_of(bench, "original")
    assert "z " in facts_of(bench, "original")
    bench.view(dock="profile")
    assert "+ for" not in facts_of(bench, "original")
    assert bench.js("window.__afmend.state.view.gateMap")
    bench.open("b.h5")
    assert not bench.js("window.__afmend.state.view.gateMap")


# ------------------------------------------------------------------ ranges of colors


def test_menu_tells_a_range_set_by_hand(bench):
    chosen = "document.querySelector('#range').value"
    bench.js("document.querySelector('#panel-original .bar').focus()")
    bench.key("ArrowUp")
    assert bench.js(chosen) == "own"
    bench.key("t")
    assert bench.js(chosen) == "p1", "a range for heights without a plane means nothing for those with it"
    assert len({tuple(bench.color("original", x + 0.5, 40.5)) for x in range(4, 128, 8)}) > 5
    bench.js("document.querySelector('#panel-mended .bar').focus()")
    bench.key("ArrowUp")
    assert bench.js(chosen) == "own"
    bench.open("b.h5")
    assert bench.js(chosen) == "p1"


def test_frames_of_a_movie_share_their_colors_and_play(bench, scans):
    pictures = [Image.fromarray((damaged((64, 100)) * (1 + n)).astype(np.float32)) for n in range(4)]
    pictures[0].save(scans / "m.tif", save_all=True, append_images=pictures[1:])
    bench.open("m.tif")
    ranges = "['before', 'fill', 'after'].map((group) => window.__afmend.limits(group))"
    first = bench.js(ranges)
    bench.key(".")
    bench.until("window.__afmend.state.info.frame === 1")
    bench.wait()
    assert bench.js(ranges) == first
    bench.page.click("#steady")
    bench.wait()
    second = bench.js(ranges)
    assert second[0][1] > 1.5 * first[0][1]
    bench.page.click("#steady")
    bench.page.click("#play")
    bench.until("window.__afmend.state.doc.frame === 3")
    bench.until("window.__afmend.state.doc.frame === 0")
    bench.page.click("#play")
    bench.wait()
    assert bench.js(ranges) == second
    bench.key("Ctrl+z")
    bench.wait()
    bench.open("a.gwy")
    assert bench.js(ranges) != second


# ------------------------------------------------------------------ the list of files


def test_list_answers_to_arrows_and_comes_back_to_its_folder(bench, scans):
    (scans / "sub").mkdir()
    write(scan_of(damaged((64, 100))), scans / "sub" / "inner.gwy")
    bench.page.do("Page.reload")
    bench.until(
        "document.body?.dataset.ready && window.__afmend.state.doc && document.querySelector('.folder button')", 60
    )
    row = bench.js(
        "(() => { const r = document.querySelector('.folder').getBoundingClientRect(); return [r.right - 12, r.top + r.height / 2]; })()"
    )
    bench.page.mouse("pressed", *row)
    bench.page.mouse("released", *row)
    bench.until("document.querySelector('#place').textContent.includes('sub')")
    bench.until("document.activeElement.closest('#file-list')")
    bench.key("ArrowDown")
    bench.key("Enter")
    bench.until("window.__afmend.state.doc.name === 'inner.gwy'")
    bench.wait()
    bench.until("document.querySelector('#saved').textContent === 'saved'")
    bench.page.do("Page.reload")
    bench.until("document.body?.dataset.ready && window.__afmend.state.doc?.name === 'inner.gwy'", 60)
    assert "sub" in bench.js("document.querySelector('#place').textContent")
    assert bench.js("document.querySelector('#file-list .current').dataset.ref.endsWith('inner.gwy')")
