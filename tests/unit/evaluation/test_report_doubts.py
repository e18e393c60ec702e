"""What makes a card doubt that a channel shows a surface, and steps that a few levels make."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from afmend.evaluation import report_states
from afmend.evaluation.report import card
from afmend.evaluation.report_warnings import LEAST_AGREEING, doubts
from afmend.scan import Channel, ChannelKey, Grid, Masks, Scan
from support import rough

SHAPE = (60, 84)
KEY = ChannelKey("height", "trace")
SPREAD = "the median of 2 steps of 0.300 nm to 0.310 nm"
AGREE = "Most filled pixels agree with what was measured there: the marks may be wrong."


def scan_with(values, masks=None, sigma=None):
    channel = Channel("height", "trace", values, "nm", "Height", masks=masks or Masks())
    if sigma is not None:
        channel = channel.evolve(values=values, uncertainty=sigma)
    return Scan.of(Grid(*SHAPE, 2.0, 3.0), [channel])


@pytest.mark.parametrize("count", [1, 10, LEAST_AGREEING - 1, LEAST_AGREEING])
def test_a_few_filled_pixels_that_agree_say_nothing(count):
    mask = np.zeros(SHAPE, bool)
    mask.ravel()[1000 : 1000 + count] = True
    z = rough(SHAPE, 3)
    leveled = scan_with(z, Masks(artifact={"spike": mask}))
    mended = leveled.with_channel(
        leveled.main.evolve(values=np.where(mask, z + 0.01, z), uncertainty=np.where(mask, 9.0, 0.0))
    )
    assert (AGREE in card(leveled, leveled, mended, KEY).warnings) == (count == LEAST_AGREEING)


def test_heights_that_vary_by_less_than_their_quantum_are_doubted():
    rng = np.random.default_rng(2)
    quantum = 0.06
    dead = scan_with(5.0 + quantum * (rng.random(SHAPE) < 0.03))
    (told,) = doubts(dead, dead, KEY)
    assert told.startswith("NEARLY CONSTANT: ")
    assert "60.0 pm" in told
    alive = scan_with(quantum * np.round(rng.normal(0, 0.1, SHAPE) / quantum))
    analog = scan_with(5.0 + rng.normal(0, 1e-3, SHAPE))
    assert doubts(alive, alive, KEY) == doubts(analog, analog, KEY) == []
    empty = scan_with(rough(SHAPE), Masks(missing=np.ones(SHAPE, bool)))
    assert doubts(empty, empty, KEY) == []


def test_statistics_of_few_lines_are_doubted():
    lost = np.ones(SHAPE, bool)
    lost[10:14] = False
    original = scan_with(rough(SHAPE))
    mended = scan_with(rough(SHAPE), Masks(artifact={"lost": lost}))
    (told,) = doubts(original, mended, KEY)
    assert told.startswith("FEW DATA: 6.7 % of the pixels, in 4 of 60 lines,")
    lost[10:17] = False
    assert doubts(original, scan_with(rough(SHAPE), Masks(artifact={"lost": lost})), KEY) == []


def test_what_others_know_stands_in_front():
    one = scan_with(rough(SHAPE))
    made = card(one, one, one, KEY, also=["UNLIKE THE OTHER FRAMES: so."])
    assert made.warnings[0] == "UNLIKE THE OTHER FRAMES: so."
    assert "UNLIKE THE OTHER FRAMES: so." in made.html


def terraces(*levels_and_widths):
    z = np.concatenate([np.full(width, level) for level, width in levels_and_widths])
    return np.tile(z, (SHAPE[0], 1)) + np.random.default_rng(0).normal(0, 0.01, (SHAPE[0], z.size))


def test_all_neighboring_terraces_make_steps_with_their_spread():
    z = terraces((-0.2, 20), (0.0, 44), (0.19, 9), (0.4, 6))  # the last holds 8 %
    found = report_states.numbers(z, np.ones(z.shape, bool))
    assert (found["levels"], found["steps"]) == (4, 3)
    assert found["step height"] == pytest.approx(0.2, abs=0.005)
    assert found["lowest step"] == pytest.approx(0.19, abs=0.005)
    assert found["highest step"] == pytest.approx(0.21, abs=0.005)
    assert report_states.no_steps(found) == ""


def test_no_step_is_made_across_a_level_that_is_no_terrace():
    z = terraces((0.0, 40), (0.4, 40))
    z[:, ::12] += 0.2 - z[:, ::12] + np.random.default_rng(1).normal(0, 0.01, z[:, ::12].shape)
    found = report_states.numbers(z, np.ones(z.shape, bool))
    assert found["levels"] == 3
    assert math.isnan(found["step height"])
    assert "3 peaks" in report_states.no_steps(found)


def test_a_card_says_why_there_is_no_step_height():
    one = scan_with(rough(SHAPE))
    html = card(one, one, one, KEY).html
    assert '<span title="No step height: the histogram of heights has no two separate peaks' in html
    assert 'class="note">No step height' in html
    stepped = scan_with(terraces((0.0, 34), (0.3, 26), (0.61, 24)))
    html = card(stepped, stepped, stepped, KEY).html
    assert 'class="note">No step height' not in html
    assert re.search(r">0\.30\d</td>", html)
    assert re.search(SPREAD, html)
    single = scan_with(terraces((0.0, 40), (0.3, 44)))
    html = card(single, single, single, KEY).html
    assert ">0.300</td>" in html
    assert not re.search(SPREAD, html)
    nothing = replace(one, channels={KEY: one.main.evolve(masks=Masks(missing=np.ones(SHAPE, bool)))})
    assert 'class="note">No step height' not in card(nothing, nothing, nothing, KEY).html
