"""Parts of an image, values tried out, and the tip, as the page asks for them."""

import base64
import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from afmend.apps.web import frames
from afmend.apps.web.compose import Wish
from afmend.apps.web.desk import Desk
from afmend.apps.web.engine import Engine, StoppedError
from afmend.apps.web.parts import clamped, inside, part_of
from afmend.apps.web.reading import Library, Reader
from afmend.apps.web.roots import Roots
from afmend.apps.web.running import Run, Runner
from afmend.apps.web.tips import Tips, TipWish, said_of_ghosts, tip_pictures
from afmend.apps.web.tries import Tries, TryWish
from afmend.formats import write
from afmend.pipeline import StepUse
from afmend.recipes import repair
from afmend.scan import Channel, Grid, Masks, Scan
from afmend.tip import dilate, tip_array
from afmend.tip.shapes import SphereCone
from support import assert_heights_close, scan_of
from web_server import damaged, messages

RECIPE = tuple(StepUse(step=name) for name in ("mark.scars", "level.plane", "fill.laplace"))


def needles():
    """Sharp needles seen by a tip of 10 nm."""
    z = np.zeros((150, 180))
    rng = np.random.default_rng(5)
    z[rng.integers(8, 142, 60), rng.integers(8, 172, 60)] = rng.uniform(15, 30, 60)
    seen = dilate(z, tip_array(SphereCone(radius_nm=10.0, half_angle_deg=20.0), (2.0, 2.5), 30.0))
    return Scan.of(Grid(150, 180, 2.0, 2.5), [Channel("height", "trace", seen + rng.normal(0, 0.02, z.shape), "nm")])


@pytest.fixture
def engine(tmp_path):
    write(scan_of(damaged()), tmp_path / "a.h5")
    write(needles(), tmp_path / "n.h5")
    reader = Reader()
    yield Engine(Roots({"root": tmp_path}), Library(reader))
    reader.close()


def wish(*steps, **more):
    return Wish(ref="root/a.h5", steps=steps or RECIPE, **more)


def test_boxes_stay_inside():
    assert clamped((-5, 400, 90, 20), (96, 128)) == (0, 96, 90, 91)
    assert clamped((10, 20, 30, 40), (96, 128), 24) == (0, 44, 6, 64)
    assert clamped((500, 600, 500, 600), (96, 128)) == (95, 96, 127, 128)
    assert inside((10, 20, 30, 40), (0, 44, 6, 64)) == (10, 20, 24, 34)


def test_a_part_keeps_masks_and_error_bars():
    whole = repair(scan_of(damaged(), masks=Masks(missing=np.eye(96, 128, dtype=bool))), "gwyddion")
    part = part_of(whole, (20, 70, 30, 110))
    assert part.grid.shape == (50, 80)
    assert part.grid.pixel_nm == whole.grid.pixel_nm
    assert (part.main.values == whole.main.values[20:70, 30:110]).all()
    assert (part.main.holes == whole.main.holes[20:70, 30:110]).all()
    assert (part.main.uncertainty == whole.main.uncertainty[20:70, 30:110]).all()


def test_a_part_is_filled_as_the_whole_would_be(engine):
    engine.mend(wish(*RECIPE[:2]))
    found = engine.preview(wish(), (20, 70, 30, 110))
    assert set(found.scans) == {"mended"}
    whole = engine.mend(wish())
    assert_heights_close(found.scans["mended"].main.values, whole.channel("mended").values[20:70, 30:110], atol_nm=0.02)


def test_a_part_ends_where_leveling_begins(engine):
    found = engine.preview(wish(), (20, 70, 30, 110))
    assert set(found.scans) == {"marked"}
    assert engine.preview(wish(StepUse(step="level.plane")), (20, 70, 30, 110)) is None
    engine.mend(wish())
    assert engine.preview(wish(), (20, 70, 30, 110)) is None
    with pytest.raises(StoppedError):
        engine.preview(wish(StepUse(step="mark.spikes")), (0, 9, 0, 9), lambda: True)


def told(engine, **more):
    found = []
    Runner(engine)._work(Run(rev=3, wish=wish(), **more), found.append, bool)
    return [head for head, _ in messages(b"".join(data for data in found if data))]


def test_a_run_sends_its_part_first(engine):
    engine.mend(wish(*RECIPE[:2]))
    heads = told(engine, part=(20, 70, 30, 110), part_only=True)
    assert [head["t"] for head in heads] == ["part", "frame", "frame", "part_end", "part_done"]
    assert heads[0]["box"] == [20, 70, 30, 110]
    assert heads[1]["shape"] == [50, 80]
    heads = told(engine, part=(20, 70, 30, 110))
    assert heads[0]["t"] == "part"
    assert heads[-1]["t"] == "done"
    assert told(engine, part=(20, 70, 30, 110), part_only=True)[-1]["t"] == "done"  # all kept: nothing to wait for


def test_what_was_not_filled_is_sent_once(engine):
    found = []
    level = wish(StepUse(step="level.plane"))
    Runner(engine)._work(Run(rev=1, wish=level), found.append, bool)
    heads = [head for head, _ in messages(b"".join(data for data in found if data))]
    (alias,) = [head for head in heads if head["t"] == "alias"]
    assert (alias["panel"], alias["of"]) == ("mended", "leveled")
    assert "original" in [head.get("panel") for head in heads if head["t"] == "frame"]


def size_of(text):
    return Image.open(BytesIO(base64.b64decode(text))).size


def test_values_are_tried_on_a_part(engine):
    tries = Tries(engine, Desk(1))
    part = (20, 90, 30, 120)
    low, high = tries._tried(TryWish(wish=wish(), index=0, param="min_length", values=(3.0, 100.0), part=part), bool)
    assert low["marks"]
    assert low["share"] > high["share"]
    assert size_of(low["png"]) == (84, 44)
    (filled,) = tries._tried(TryWish(wish=wish(), index=2, param="max_iterations", values=(3.0,), part=part), bool)
    assert "problem" in filled  # no such parameter: said, not raised
    (leveled,) = tries._tried(
        TryWish(wish=wish(StepUse(step="level.polynomial")), index=0, param="degree_fast", values=(2.0,), part=part),
        bool,
    )
    assert ("png" in leveled, leveled.get("marks", False)) == (True, False)
    assert tries._tried(TryWish(wish=wish(), index=9, param="hard", values=(1.0,), part=part), bool) == []


def test_a_fill_that_is_tried_shows_what_was_filled(engine):
    steps = (RECIPE[0], StepUse(step="fill.median"))
    (found,) = Tries(engine, Desk(1))._tried(
        TryWish(wish=wish(*steps), index=1, param="win", values=(7.0,), part=(20, 90, 30, 120)), bool
    )
    assert found["share"] > 0
    assert not found["marks"]


def answer(engine, **more):
    return messages(Tips(engine, Desk(1))._answer(TipWish(**more), bool))


def test_the_tip_is_taken_off_and_shown(engine):
    needle = Wish(ref="root/n.h5", steps=(StepUse(step="level.shift"),))
    (head, _), (tip, heights), (flags, bits) = answer(engine, wish=needle, source="given", radius_nm=10.0)
    assert head["corrected"]
    assert head["facts"]["radius_nm"] == 10.0
    assert [use["step"] for use in head["steps"]] == ["mark.untouched", "tip.correct"]
    assert size_of(head["pictures"]["above"]) == (120, 120)
    assert size_of(head["pictures"]["solid"])[0] == 240
    assert (tip["panel"], flags["panel"]) == ("tip", "tip_flags")
    shown = np.frombuffer(heights, "<f4").reshape(150, 180) + tip["offset"]
    before = engine.mend(needle).channel("mended").values
    assert (shown <= before + 0.5).all()
    assert shown.mean() < before.mean() - 0.5
    untouched = np.frombuffer(bits, np.uint8) & frames.UNTOUCHED > 0
    assert flags["counts"]["untouched"] == untouched.sum() > 0
    assert flags["counts"]["open"] == 0


def test_an_unknown_tip_says_why(engine):
    ((head, _),) = answer(engine, wish=wish())
    assert not head["corrected"]
    assert head["facts"]["skipped"]


def test_steps_about_the_tip_are_not_done_twice(engine):
    needle = Wish(
        ref="root/n.h5", steps=(StepUse(step="level.shift"), StepUse(step="tip.correct", params={"source": "given"}))
    )
    heads = [head for head, _ in answer(engine, wish=needle, source="given", radius_nm=5.0)]
    assert heads[0]["facts"]["radius_nm"] == 5.0


def test_ghosts_are_told_or_suspected():
    assert said_of_ghosts({"double_tip": True, "offset_nm": [-3.0, 5.0], "depth_nm": 2.0}) == (
        "Double tip: ghosts 3 nm up and 5 nm to the right of their features, 2 nm lower."
    )
    assert said_of_ghosts({"double_tip": False, "suspicion": "perhaps a double tip"}) == "Perhaps a double tip."
    assert said_of_ghosts({"double_tip": False}) == ""


def test_pictures_of_tips():
    assert tip_pictures({"radius_nm": None}, "afm") is None
    single = tip_pictures({"radius_nm": 4.0}, "gray")
    double = tip_pictures({"radius_nm": 4.0, "double_tip": True, "offset_nm": [0.0, 30.0], "depth_nm": 5.0}, "gray")
    assert single["side_nm"] == 20.0
    assert double["side_nm"] == pytest.approx(84.0)
    pixels = np.asarray(Image.open(BytesIO(base64.b64decode(double["above"]))))[60, :, 0].astype(int)
    assert pixels[60] > 200  # the first apex in the middle
    assert pixels[60 - 43] > 100 > pixels[60 + 43]  # ghosts to the right: the second apex on the left
    assert json.dumps(double)
