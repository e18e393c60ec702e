import numpy as np

from afmend.evaluation.report_tip import tip_section
from afmend.scan import ChannelKey, Grid, Record

GRID = Grid(50, 80, 2.0, 3.0)
KEY = ChannelKey("height", "trace")
GHOST = {"double_tip": True, "offset_nm": [4.0, -9.0], "depth_nm": 2.5}


def record(step, **facts):
    return Record(step, "1", {}, KEY, "a", "b", "0", facts)


def test_nothing_without_a_tip_step():
    assert tip_section([record("level.auto")], GRID) == ""


def test_a_correction_is_told_and_drawn():
    made = tip_section(
        [
            record("mark.untouched", pixels=1000),
            record("tip.correct", verdict="confident", radius_nm=8.0, interval_nm=[4.0, 10.0], half_angle_deg=20.0,
                   certain_share=0.75, **GHOST),
        ],
        GRID,
    )  # fmt: skip
    for text in (
        "8 nm (95 %: 4 to 10 nm)",
        "25.0 % of the pixels",
        "75.0 %",
        "ghosts 4 nm down and 9 nm to the left of their",
        "<img",
    ):
        assert text in made


def test_a_suspicion_is_told_as_one():
    said = "perhaps a double tip: seen along one straight edge only"
    made = tip_section([record("tip.correct", **{**GHOST, "double_tip": False}, suspicion=said, skipped="flat")], GRID)
    assert said in made
    assert "ghosts 4 nm" not in made


def test_abstention_says_why_and_what_helps():
    made = tip_section(
        [record("mark.untouched", pixels=0, skipped="no <features>"),
         record("tip.correct", skipped="no <features>", advice="scan needles", verdict="bound", radius_nm=5.0,
                interval_nm=[0.0, 7.0])], GRID)  # fmt: skip
    assert "no &lt;features&gt;" in made
    assert "scan needles" in made
    assert "at most 7 nm" in made
    assert "<img" not in made
    assert "never touched" not in made


def test_a_correction_on_average_says_so():
    made = tip_section([record("tip.correct", verdict="bound", radius_nm=5.0, interval_nm=[0.0, 7.0], unsure=True,
                               quantile_10_nm=2.5, likely_nm=3.5, certain_share=0.0)], GRID)  # fmt: skip
    assert "3.5 nm; in nine of ten cases on simulated surfaces at least 2.5 nm" in made
    assert "no height is certain" in made
    assert "0.0 % of the pixels" not in made
    assert "17.5 nm wide" in made


def test_what_version_5_corrected_is_told_too():
    made = tip_section([record("tip.correct", verdict="bound", radius_nm=5.0, interval_nm=[0.0, 7.0], unsure=True,
                               at_least_nm=2.5, likely_nm=3.5, certain_share=0.0)], GRID)  # fmt: skip
    assert "3.5 nm; in nine of ten cases on simulated surfaces at least 2.5 nm" in made


def test_a_given_tip():
    made = tip_section([record("tip.correct", radius_nm=12.0, certain_share=np.float64(0.5), model="<mine>")], GRID)
    assert "&lt;mine&gt;" in made
    assert "rule of thumb" not in made
    mean = [record("tip.correct", radius_nm=12.0, certain_share=0.5, model="tip", untouched="mean")]
    assert "the mean of a rule of thumb and" in tip_section(mean, GRID)
    assert "as given" in made
    assert "skipped" not in made
