"""What corrections and filters change after leveling is told: nothing is called unchanged that is not."""

from dataclasses import replace

import numpy as np
import pytest

from afmend.catalogue import find_step
from afmend.evaluation.report import card
from afmend.evaluation.report_changes import change_between, first_change, guessed, unmarked_guesses
from afmend.evaluation.report_numbers import inventory
from afmend.pipeline import Recipe, run_recipe
from afmend.scan import Channel, ChannelKey, Grid, Masks, Record, Scan
from support import assert_heights_close, rough

KEY = ChannelKey("height", "trace")
SHAPE = (40, 56)


def record(step, **facts):
    return Record(step, "1", {}, KEY, "0" * 32, "ab" * 16, "0.1.0", facts)


def untouched():
    mask = np.zeros(SHAPE, bool)
    mask[:3] = mask[20:24, 5:25] = True
    return mask


def corrected(*, marked=True, skipped=False, fill=False):
    """Original, leveled and mended scans of a surface from which a tip was taken."""
    z = rough(SHAPE, seed=4) * 2
    scar = np.zeros(SHAPE, bool)
    scar[30, 10:30] = fill
    start = Channel("height", "trace", z, "nm")
    original = Scan.of(Grid(*SHAPE, 2.0, 3.0), [start])
    leveled = replace(original, history=(record("level.auto"),))
    artifact = ({"untouched": untouched()} if marked else {}) | ({"scar": scar} if fill else {})
    lower = z if skipped else z - np.where(untouched(), 3.0, 0.25)
    done = start.evolve(values=lower, masks=Masks(artifact=artifact))
    marks = [record("mark.untouched", pixels=248)] if marked else []
    facts = {"skipped": "flat"} if skipped else {"certain_share": 0.9}
    history = (record("level.auto"), *marks, record("tip.correct", **facts))
    if fill:
        done = done.evolve(values=np.where(scar, 5.0, lower), uncertainty=np.where(scar, 0.1, 0.0))
        history += (record("fill.laplace"),)
    return original, leveled, replace(leveled, channels={KEY: done}, history=history)


def test_the_cut_is_before_what_changes_heights_after_leveling():
    assert first_change(["level.auto", "mark.untouched", "tip.correct", "fill.auto"]) == 2
    assert first_change(["level.auto", "mark.scars", "fill.auto", "filter.median"]) == 2
    assert first_change(["filter.median", "level.auto", "mark.scars", "fill.auto"]) == 3
    assert first_change(["filter.median", "level.auto", "filter.mean", "fill.auto"]) == 2
    assert first_change(["filter.median", "fill.auto", "level.shift"]) == 0
    assert first_change(["level.auto", "unknown.step", "mark.scars"]) == 3
    assert first_change(["level.auto", "fill.of_another_program"]) == 1


def test_a_tip_correction_is_told_as_a_change_and_its_guesses_as_invented():
    one = card(*corrected(), KEY)
    assert one.status == "corrected"
    assert one.invented == pytest.approx(248 / 2240)
    assert "bit-identical" not in one.html
    said = "1992 of 1992 changed by up to 0.250 nm, by steps that change heights on purpose: tip.correct."
    assert f"Pixels outside the mask: {said}" in one.html
    assert "With the guessed ones, 2240 of 2240 pixels changed, by −3.00 nm to −0.250 nm." in one.html
    assert one.warnings == (
        "11.1 % of the heights are guesses, where the tip touched nothing: do not measure on them.",
    )
    assert "248 pixels (11.1 %) that the tip never touched" in one.html
    assert "<b>Leveled</b> before tip.correct; same color range as corrected" in one.html
    assert "<b>Corrected</b> after tip.correct; guessed pixels outlined" in one.html
    assert "<b>Change</b> what tip.correct changed: −3.00 nm to −0.250 nm, 2240 pixels<" in one.html
    assert "<b>3-D after</b> after tip.correct" in one.html
    assert "nothing was filled" not in one.html
    assert "left open" not in one.html


def test_a_fill_beside_the_tip_keeps_its_own_count_and_error_bars():
    one = card(*corrected(fill=True), KEY)
    assert one.status == "repaired"
    assert one.invented == pytest.approx(268 / 2240)
    assert "what tip.correct changed: −3.00 nm to −0.250 nm, 2220 pixels; filled pixels left out" in one.html
    assert "every filled pixel has one" in one.html
    assert "filled in or guessed where the tip touched nothing, not measured" in one.html
    assert one.warnings == ("12.0 % of the pixels are invented: look at the marks.",)


def test_marks_of_what_the_tip_never_touched_are_no_open_holes():
    one = card(*corrected(skipped=True), KEY)
    assert one.status == "marked only"
    assert one.invented == 0
    assert one.warnings == ()
    assert "unchanged by the repair, all 2240 bit-identical." in one.html
    assert "left open" not in one.html
    assert inventory(corrected(skipped=True)[2].channels[KEY]).left_open == 0


def test_filters_are_told_after_leveling_and_before_it():
    original, leveled, mended = corrected(marked=False)
    after = replace(mended, history=(record("level.auto"), record("filter.median")))
    one = card(original, leveled, after, KEY)
    assert one.status == "corrected"
    assert "2240 of 2240 changed by up to 3.00 nm, by steps that change heights on purpose: filter.median." in one.html
    assert "<b>Corrected</b> after filter.median; nothing was filled" in one.html
    first = replace(leveled, history=(record("filter.median"), record("level.auto")))
    assert (
        "all 2240 bit-identical to what filter.median and leveling made of them."
        in card(original, None, first, KEY).html
    )


def test_guesses_that_no_mark_shows_are_warned_of():
    _, _, mended = corrected(marked=False)
    channel = mended.channels[KEY]
    assert not guessed(channel, mended.history).any()
    assert unmarked_guesses(channel, mended.history) == [
        "GUESSED: 10 % of the heights is guessed by tip.correct, and no mark says which: put mark.untouched before it."
    ]
    unsure = [record("tip.correct", certain_share=0.0, unsure=True)]
    assert unmarked_guesses(channel, unsure)[0].startswith("GUESSED: an unknown part")
    assert unmarked_guesses(channel, [record("tip.correct", certain_share=1.0)]) == []
    assert unmarked_guesses(channel, [record("mark.untouched"), record("tip.correct", certain_share=0.9)]) == []
    assert card(*corrected(marked=False), KEY).warnings[0].startswith("GUESSED: 10 %")


def test_a_change_leaves_out_filled_and_missing_pixels():
    z = rough(SHAPE, seed=2)
    scar = np.zeros(SHAPE, bool)
    scar[3, :9] = True
    before = Channel("height", "trace", z, "nm")
    after = before.evolve(values=z + 9.0 * scar, masks=Masks(artifact={"scar": scar}), uncertainty=1.0 * scar)
    assert change_between(before, after) is None
    found = change_between(before, after.evolve(values=after.values + 0.5 * np.eye(*SHAPE)))
    assert (found.pixels, found.low) == (39, 0.0)
    assert_heights_close(found.values, 0.5 * np.eye(*SHAPE) * ~scar, atol_nm=1e-12)


def test_a_recipe_of_real_steps_is_told_alike():
    scan = Scan.of(Grid(*SHAPE, 2.0, 3.0), [Channel("height", "trace", rough(SHAPE, seed=1), "nm")])
    steps = [{"step": "level.plane"}, {"step": "filter.median"}]
    leveled, mended = (
        run_recipe(scan, Recipe.from_mapping({"name": "x", "steps": steps[:n]}), find_step) for n in (1, 2)
    )
    one = card(scan, leveled, mended, KEY)
    assert "by steps that change heights on purpose: filter.median" in one.html
    assert "<b>Change</b>" in one.html
