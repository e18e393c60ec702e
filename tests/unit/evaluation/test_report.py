"""The report: cards and the page."""

import base64
import io
import json
import math
import pickle
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from afmend.errors import CorruptFileError, WriteError
from afmend.evaluation import report_numbers, report_states
from afmend.evaluation.report import Card, Failure, RunFacts, card, write_report
from afmend.evaluation.report_facts import safe
from afmend.evaluation.statistics import roughness
from afmend.pipeline import Recipe
from afmend.scan import Acquisition, Channel, ChannelKey, Grid, Masks, Record, Scan, Source
from support import assert_heights_close, rough, scan_of

HOSTILE = "<img src=x onerror=alert(1)>\"'&\u202egnp.exe\udcff"
KEY = ChannelKey("height", "trace")
STEPS = [{"step": "level.shift", "params": {"reference": "median"}}, {"step": "mark.nothing<b>", "params": {"a<b": 1}}]
RECIPE = Recipe.from_mapping({"name": "auto", "description": "Levels & mends.", "steps": STEPS})
FACTS = RunFacts(RECIPE, "2024-05-01 12:00", 12.5, ("2 workers",))
VOID = {"meta", "img", "br", "input", "link", "hr", "rect", "line", "path", "polyline", "polygon"}


class Page(HTMLParser):
    """Collects tags and attributes, and fails on unbalanced tags."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def record(step, **params):
    return Record(step, "1", params, KEY, "0" * 32, "ab" * 16, "0.1.0", {"found": [1, 2.5], "share": 0.123456789})


def scans(
    shape=(40, 56), *, artifacts=None, missing=None, foreground=None, fill=True, sigma=0.2, left_open=None, later=(),
    grid=None, unit="nm", calibrated=True, file="scan.spm", count=1,
):  # fmt: skip
    """Original, leveled and mended scans of a surface with marked pixels."""
    grid = grid or Grid(*shape, 2.0, 3.0)
    z = rough(shape, seed=4) * 2
    masks = Masks(missing=missing, artifact=artifacts or {}, foreground=foreground or {})
    holes = masks.union("missing", "artifact", shape=shape)
    tilted = z + 0.3 * np.arange(shape[1]) + 50 + 8 * masks.union("artifact", shape=shape)
    channel = Channel("height", "trace", tilted, unit, "Height", calibrated, Masks(missing=missing))
    source = Source(file, "spm", count - 1, count)
    original = Scan.of(grid, [channel], source=source, acquisition=Acquisition(mode="tapping", instrument="<Nano>"))
    flat = z + 8 * masks.union("artifact", shape=shape)
    history = (record("level.shift", reference="mean"), record("mark.scars", hard=4.0))
    leveled = replace(original, channels={KEY: channel.evolve(values=flat, masks=masks)}, history=history)
    if not fill or not holes.any():
        return original, None, leveled
    take = holes if left_open is None else holes & ~left_open
    mended = leveled.channels[KEY].evolve(values=np.where(take, z, flat), uncertainty=np.where(take, sigma, 0.0))
    history += (record("fill.laplace"), *(record(step) for step in later))
    return original, leveled, replace(leveled, channels={KEY: mended}, history=history)


def scar(shape=(40, 56)):
    mask = np.zeros(shape, bool)
    mask[7:9, 10:40] = mask[20, 5:9] = True
    return mask


def page(tmp_path, cards, failures=()):
    write_report(tmp_path / "report.html", cards, failures, FACTS)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


def test_card_tells_what_was_invented_and_that_nothing_was_harmed():
    one = card(*scans(artifacts={"scar": scar()}, foreground={"features": np.eye(40, 56, dtype=bool)}), KEY)
    assert one.status == "repaired"
    assert one.invented == pytest.approx(64 / 2240)
    assert one.artifacts == {"scar": 64}
    assert one.warnings == ()
    assert one.sq_before > one.sq_after > 0
    assert "Pixels outside the mask: unchanged by the repair, all 2176 bit-identical." in one.html
    assert 'class="good"' not in one.html
    assert "7–8, 20" in one.html
    assert "90 nm × 4 nm" in one.html
    assert "median σ 0.200 nm" in one.html
    assert "reference = <b>mean</b>" in one.html
    assert "share = <b>0.123457</b>" in one.html
    assert "foreground (features; kept out of the background fit)" in one.html
    assert one.html.count("<img") == 7  # six pictures and the outlines


def test_card_round_trips_through_json_and_pickle():
    one = card(*scans(artifacts={"scar": scar()}), KEY)
    assert Card.from_json(json.loads(json.dumps(one.to_json(), allow_nan=False))) == one
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 (its own)
    with pytest.raises(ValueError, match="not a card of this version"):
        Card.from_json({**one.to_json(), "version": 0})
    with pytest.raises(ValueError, match="not a card"):
        Card.from_json({"file": "x"})


def test_hostile_names_are_escaped_and_nothing_is_external(tmp_path):
    original, leveled, mended = scans(artifacts={"<script>alert(2)</script>": scar()}, file=HOSTILE, count=3)
    hostile = record("mark.<i>", **{'"><script>': "</details>" * 60, "obj": [HOSTILE[:-1]]})
    mended = replace(mended, history=(*mended.history, hostile))
    failure = Failure.from_error(HOSTILE, CorruptFileError("<b>bad</b>", where="row <3>", now="<i>go</i>"))
    assert Failure.from_json(json.loads(json.dumps(failure.to_json()))) == failure
    text, parsed = page(tmp_path, [card(original, leveled, mended, KEY)], [failure])
    assert parsed.tags.count("script") == 1
    assert "<img src=x" not in text
    assert "\u202e" not in text
    assert "\\u202egnp.exe\\udcff" in text
    assert "&lt;b&gt;bad&lt;/b&gt; (row &lt;3&gt;)" in text
    assert all(value.startswith("data:image/") for tag, name, value in parsed.attributes if name == "src")
    assert all(value.startswith("#") for tag, name, value in parsed.attributes if name == "href")
    assert not [name for _, name, _ in parsed.attributes if name.startswith("on") or name == "style"]
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)
    policy = next(value for tag, name, value in parsed.attributes if tag == "meta" and "default-src" in value)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_page_lists_recipe_summary_and_failures(tmp_path):
    cards = [card(*scans(artifacts={"scar": scar()}, file=f"{n}.spm"), KEY) for n in range(2)]
    text, parsed = page(tmp_path, cards, [Failure("bad.spm", "CorruptFileError", "truncated", "bad.spm", "Copy it.")])
    for expected in ("level.shift", "reference = <b>median</b>", "no step &#x27;mark.nothing", "2024-05-01", "12.5 s",
                     "2 workers", "Copy it.", 'id="scan-1"', 'href="#failure-0"', "Levels &amp; mends."):  # fmt: skip
        assert expected in text
    assert parsed.tags.count("article") == 2
    assert [v for t, n, v in parsed.attributes if n == "data-status"] == ["repaired", "repaired", "failed"]


def test_empty_runs_have_a_page_too(tmp_path):
    text, _ = page(tmp_path, [])
    assert "No file was worked on" in text
    text, parsed = page(tmp_path, [], [Failure("a", "K", "w")])
    assert "Files that failed" in text
    assert "article" not in parsed.tags


def test_uncalibrated_is_loud(tmp_path):
    three = scans(artifacts={"scar": scar()}, grid=Grid.uncalibrated((40, 56)), unit="", calibrated=False)
    one = card(*three, KEY)
    assert sum(w.startswith("UNCALIBRATED") for w in one.warnings) == 2
    text, _ = page(tmp_path, [one])
    assert 'class="warn">UNCALIBRATED<' in text
    assert "arb. units ?" in text
    assert "30 × 2 px" in text
    assert " nm" not in re.sub(r"<svg.*?</svg>|data:[^\"]*", "", one.html)


def test_without_artifacts_nothing_is_claimed():
    one = card(*scans(), KEY)
    assert one.status == "nothing marked"
    assert one.invented == 0
    assert "Nothing was marked" in one.html
    assert "Nothing: no pixel was marked" in one.html
    assert 'class="profile"' not in one.html
    assert one.html.count("<img") == 5


def test_marked_only_and_partly_repaired():
    assert card(*scans(artifacts={"scar": scar()}, fill=False), KEY).status == "marked only"
    keep = np.zeros((40, 56), bool)
    keep[20] = True
    one = card(*scans(artifacts={"scar": scar()}, left_open=keep, sigma=np.inf), KEY)
    assert one.status == "partly repaired"
    assert any("were not filled" in w for w in one.warnings)
    assert "No filled pixel has an error bar." in one.warnings
    assert "artifact left open" in one.html
    assert "the method cannot say" in one.html


def test_some_error_bars_are_missing():
    sigma = np.full((40, 56), 0.2)
    sigma[7] = np.inf
    one = card(*scans(artifacts={"scar": scar()}, sigma=sigma), KEY)
    assert "30 filled pixels have none" in one.html
    assert any("have no error bar" in w for w in one.warnings)


@pytest.mark.parametrize("fill", [True, False])
def test_all_missing(tmp_path, fill):
    one = card(*scans(missing=np.ones((40, 56), bool), fill=fill), KEY)
    assert any(w.startswith("NO DATA") for w in one.warnings)
    assert one.sq_before is None
    assert "Pixels outside the mask: there are none." in one.html if fill else "bit-identical" in one.html
    page(tmp_path, [one])


def test_whole_missing_lines_get_a_profile_across_them():
    missing = np.zeros((40, 56), bool)
    missing[10:14] = True
    one = card(*scans(missing=missing), KEY)
    assert "column 28 of 56, slow axis" in one.html
    assert "never measured 10.0 %" in one.html


def test_harm_is_reported_unless_the_recipe_asks_for_it():
    def touched(later):
        original, leveled, mended = scans(artifacts={"scar": scar()}, later=later)
        values = mended.channels[KEY].values.copy()
        values[0, :3] += 0.5
        channel = mended.channels[KEY].evolve(values=values)
        return card(original, leveled, replace(mended, channels={KEY: channel}), KEY)

    harmed = touched(())
    assert harmed.warnings == ("HARM: 3 measured pixels were changed by up to 0.500 nm.",)
    assert "This must not be" in harmed.html
    excused = touched(("level.shift", "unknown.step"))
    assert excused.warnings == ()
    assert "by steps that change heights on purpose: level.shift" in excused.html


def test_unfilled_recipe_has_no_later_corrections():
    assert report_numbers.harm(*[scans()[2].channels[KEY]] * 2, (record("level.shift"),)).later == ()


def test_statistics_are_those_of_the_library():
    original, leveled, mended = (s.channels[KEY] for s in scans((300, 410), artifacts={"scar": scar((300, 410))}))
    raw, before, after = report_states.states(original, leveled, mended)
    good = ~mended.holes
    for found, values, usable in (
        (before.measured, leveled.values, good), (after.every, mended.values, np.ones_like(good)),
        (after.measured, mended.values, good),
    ):  # fmt: skip
        wanted = roughness(values, usable)
        for name in report_states.QUANTITIES:
            assert found[name] == pytest.approx(wanted[name], rel=1e-9)
    assert before.measured == after.measured
    assert raw.measured["Sq"] == pytest.approx(before.measured["Sq"], rel=0.05)  # the tilt is gone
    assert math.isnan(report_states.numbers(mended.values, np.zeros_like(good))["Sq"])
    assert math.isnan(report_states.numbers(np.full((9, 12), 3.0), np.ones((9, 12), bool))["Ssk"])


def test_terraces_get_step_heights():
    shape = (90, 130)
    z = 0.3 * (np.arange(shape[1]) // 33)[None, :] + np.random.default_rng(0).normal(0, 0.01, shape)
    found = report_states.numbers(z, np.ones(shape, bool))
    assert found["steps"] == 3
    assert found["step height"] == pytest.approx(0.3, abs=0.01)


def test_long_lists_of_lines_are_shortened():
    assert report_numbers.span_text(np.array([], int)) == ""
    assert report_numbers.span_text(np.array([3, 5, 6, 7])) == "3, 5–7"
    assert report_numbers.span_text(np.arange(0, 40, 2)).endswith("14, … (20 stretches)")


def test_long_text_is_shortened():
    assert safe("a" * 500).endswith("… (500 letters)")


def test_much_invented_warns():
    many = np.zeros((40, 56), bool)
    many[:20] = True
    assert any("are invented: do not measure" in w for w in card(*scans(artifacts={"scar": many}), KEY).warnings)


def test_a_failed_write_leaves_the_old_page(tmp_path):
    page(tmp_path, [])
    before = (tmp_path / "report.html").read_bytes()
    with pytest.raises(AttributeError):
        write_report(tmp_path / "report.html", ["not a card"], [], FACTS)
    with pytest.raises(WriteError):
        write_report(tmp_path / "report.html" / "below.html", [], [], FACTS)
    assert (tmp_path / "report.html").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(("share", "text"), [((0, 5), "0 %"), ((1, 10**6), "&lt; 0.01 %"), ((999, 1000), "99.90 %"),
                                             ((5, 5), "100 %"), ((1, 3), "33.3 %"), ((1, 30), "3.3 %")])  # fmt: skip
def test_percent(share, text):
    from afmend.evaluation.report_warnings import percent

    assert safe(percent(*share)) == text


def test_a_shift_after_the_fill_is_taken_out_of_the_pictures():
    from afmend.evaluation.report_card import _on_the_zero_of

    before = scan_of(rough()).channel()
    shifted = scan_of(rough() + 7.0).channel()
    assert_heights_close(_on_the_zero_of(before, shifted).values, shifted.values, atol_nm=1e-9)
    smoothed = scan_of(rough(smooth_px=3.0)).channel()
    assert _on_the_zero_of(before, smoothed) is before
    assert _on_the_zero_of(before, before) is before


def warned(*, original=None, **options):
    three = scans(**options)
    return card(*(three if original is None else (original(three[0]), *three[1:])), KEY)


def test_few_percent_invented_and_many_patches_are_told_in_the_summary_too(tmp_path):
    many = np.zeros((60, 90), bool)
    many[1::4, 1::5] = True
    one = warned(shape=(60, 90), artifacts={"spike": many})
    assert "5.0 % of the pixels are invented: look at the marks." in one.warnings
    assert "270 filled patches: look at the marks." in one.warnings
    text, _ = page(tmp_path, [one])
    assert "5.0 % of the pixels are invented; 270 filled patches</td>" in text


def test_marks_that_hardly_differ_from_the_fill_are_doubted():
    doubt = "Most filled pixels agree with what was measured there: the marks may be wrong."
    assert doubt in warned(artifacts={"scar": scar()}, sigma=9.0).warnings
    assert doubt not in warned(artifacts={"scar": scar()}, sigma=7.0).warnings
    assert doubt not in warned(missing=scar(), sigma=9.0).warnings


def test_a_constant_channel_names_one_that_is_not():
    def flat(scan):
        height = scan.channels[KEY].evolve(values=np.full((40, 56), 3.0))
        return replace(scan, channels={KEY: height})

    def with_more(scan):
        more = [Channel(name, "trace", rough((40, 56)), "Hz", name) for name in ("error", "frequency_shift")]
        return replace(scan, channels=flat(scan).channels | {c.key: c for c in more})

    assert "The height is constant: a constant-height scan?" in warned(original=flat).warnings
    found = warned(original=with_more).warnings
    assert "The height is constant: a constant-height scan? Try --channel frequency_shift." in found


def test_long_pixels_and_open_lines_are_told():
    assert "Not an image? Its pixels are 12.0 times longer than wide." in warned(grid=Grid(40, 56, 24.0, 2.0)).warnings
    assert warned(grid=Grid(40, 56, 10.0, 2.0)).warnings == ()
    missing = np.zeros((40, 56), bool)
    missing[:2] = missing[35:] = True
    keep = missing.copy()
    keep[:2] = False
    found = warned(missing=missing, left_open=keep).warnings
    assert "5 whole lines left open: no data to fill them from, or too far away." in found


def test_terraces_that_are_not_clear_have_no_step_height():
    shape = (90, 130)
    noise = np.random.default_rng(0).normal(0, 0.01, shape)
    few = np.zeros(shape)
    few[:, :2] = 0.3  # holds 1.5 % of the pixels
    debris = np.zeros(shape)
    debris[:, ::10] = debris[:, 1::10] = 0.3  # holds 20 % of the pixels, and is nowhere an area
    near = np.repeat([[0.0, 0.045]], 65, axis=1)  # 4.5 widths apart
    for z in (few + noise, debris + noise, near + noise, noise):
        found = report_states.numbers(z, np.ones(shape, bool))
        assert math.isnan(found["step height"])
        assert "steps" not in found
    assert "step height" in warned().html


def test_maps_of_one_card_have_one_size():
    original, leveled, mended = scans(artifacts={"scar": scar()})
    channel = original.channels[KEY]
    wide = replace(original, channels={KEY: channel.evolve(values=channel.values * 1e-3 + 123.456)})
    html = card(wide, leveled, mended, KEY).html
    sizes = re.findall(r'width="(\d+)" height="\d+" alt="(?:Original|Leveled|Masks|Repaired)"', html)
    assert len(sizes) == 4
    assert len(set(sizes)) == 1


def test_outlines_of_many_patches_are_fine_and_see_through():
    from afmend.pictures.maps import Size, outline

    mask = np.zeros((40, 60), bool)
    mask[10, 5:30] = True
    fine, normal = (outline(mask, Size(60, 40), inside=inside) for inside in (True, False))
    assert (fine == mask).all()
    assert normal.sum() > 2 * fine.sum()
    few = card(*scans(artifacts={"scar": scar()}), KEY)
    many = np.zeros((40, 56), bool)
    many[::3, ::4] = True
    full = card(*scans(artifacts={"spike": many}), KEY)

    def opacity(one):
        data = re.search(r'class="marks" src="data:image/png;base64,([^"]+)"', one.html).group(1)
        return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA").getchannel("A").getextrema()

    assert opacity(few) == (0, 255)
    assert opacity(full) == (0, 128)


@pytest.mark.parametrize(("count", "folded"), [(8, 0), (11, 7)])
def test_long_movies_are_folded(tmp_path, count, folded):
    one = card(*scans(file="movie.spm"), KEY)
    cards = [replace(one, frame=n, frames=count) for n in range(count)] + [replace(one, file="other.spm")]
    text, parsed = page(tmp_path, cards)
    assert parsed.tags.count("article") == count + 1
    assert len(re.findall(r'<tr data-status="nothing marked"', text)) == count + 1
    inside = re.search(r'<details class="frames">(.*?)\n</details>\n<article', text, re.DOTALL)
    assert (inside.group(1).count("<article") if inside else 0) == folded
    assert (f"{folded} more frames of movie.spm" in text) == bool(folded)


def test_long_lists_of_facts_are_summed_up():
    from afmend.evaluation.report_card import parameters

    assert parameters({"s": [3.0, 1, 2] * 4}, exact=False) == "s = <b>12 values: min 1, median 2, max 3</b>"
    assert parameters({"s": [1, 2]}, exact=False) == "s = <b>[1, 2]</b>"
    assert parameters({"s": [None] * 9}, exact=False) == "s = <b>9 values</b>"
    assert parameters({"s": list(range(9))}) == "s = <b>[0, 1, 2, 3, 4, 5, 6, 7, 8]</b>"
