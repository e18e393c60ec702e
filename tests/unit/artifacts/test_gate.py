"""The gate: features, evidence, conformal sets, actions, judging."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import afmend
from afmend.artifacts.gate import judge as judging
from afmend.artifacts.gate import model as gate_model
from afmend.artifacts.gate.advice import advice
from afmend.artifacts.gate.detectors import detect
from afmend.artifacts.gate.evidence import WAVE, evidence, line_list, reasons
from afmend.artifacts.gate.features import as_vector, features
from afmend.artifacts.gate.judge import (
    ALONE,
    EXPORT,
    LOOK,
    PROBABLE,
    REPAIR,
    RESCAN,
    action_for,
    early_lines,
    judge,
    measured_of,
)
from afmend.artifacts.gate.model import Opinion, conclude, kind_of, load_gate, opinion
from afmend.artifacts.gate.tip_features import autocorrelation
from afmend.artifacts.gate.verdicts import GOOD, IMAGING, NOT_TRACKING, TIP, VERDICTS
from afmend.artifacts.gate.view import Measured, View
from afmend.errors import ModelError, StepError
from afmend.scan import Channel, ChannelKey, Grid, Scan
from support import rough, scan_of

SHAPE = (96, 130)


def scene(seed: int = 0, shape: tuple[int, int] = SHAPE, *, noise: float = 0.03) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rough(shape, seed, 2.0, 5.0) + noise * rng.standard_normal(shape)


def measured(heights: np.ndarray, **more: np.ndarray) -> Measured:
    return Measured(heights, np.zeros(heights.shape, np.bool_), **more)


def numbers_of(heights: np.ndarray, **more: np.ndarray) -> dict[str, float]:
    seen = measured(heights, **more)
    return features(View(seen), detect(seen))


def test_features_do_not_depend_on_unit_offset_and_tilt() -> None:
    z = scene()
    ramp = np.linspace(0, 40, SHAPE[0])[:, None] + np.linspace(0, 25, SHAPE[1])[None, :]
    one, other = numbers_of(z), numbers_of(1e-3 * (z + ramp) + 7)
    for name, value in one.items():
        assert abs(value - other[name]) < 0.12, name


def test_features_have_the_same_names_whatever_was_recorded() -> None:
    z = scene()
    full = numbers_of(z, opposite=scene(), error=np.diff(z, prepend=0, axis=1))
    small = numbers_of(scene(shape=(9, 17)))
    holes = Measured(z, np.tile(np.arange(SHAPE[0])[:, None] % 7 == 3, (1, SHAPE[1])))
    for numbers in (numbers_of(z), small, features(View(holes), detect(holes))):
        assert list(numbers) == list(full)
        assert np.isfinite(as_vector(numbers)).all()
    assert full["pair there"] == full["error there"] == 1
    assert small["pair there"] == small["error there"] == 0


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_features_of_flat_scans_are_finite(value: float) -> None:
    vector = as_vector(numbers_of(np.full((40, 56), value)))
    assert np.isfinite(vector).all()
    assert np.abs(vector).max() <= 20


def test_scars_show_in_the_features_and_are_named_with_their_lines() -> None:
    z = scene()
    z[40, 20:100] += 6
    seen = measured(z)
    view, found = View(seen), detect(seen)
    numbers = features(view, found)
    assert numbers["share scar"] > numbers_of(scene())["share scar"] + 1
    facts = evidence(view, found, numbers)
    assert facts["detectors"]["scar"]["lines"] == [40]
    said = reasons(IMAGING, facts)
    assert any("scars in lines 40 (" in text and "mark.scars" in text for text in said)
    assert any("scars" in text for text in advice(IMAGING, facts))


def test_a_lost_area_shows_as_still_patches() -> None:
    z = scene(noise=0.1)
    z[30:80, 20:110] = z[30:80, 20:110].mean()
    assert numbers_of(z)["patches texture still"] > numbers_of(scene(noise=0.1))["patches texture still"] + 0.2


def test_directions_that_disagree_show_and_a_shift_does_not() -> None:
    z = scene()
    shifted = np.roll(z, 3, axis=1) + 0.03 * np.random.default_rng(5).standard_normal(SHAPE)
    other = numbers_of(z, opposite=scene(9))
    same = numbers_of(z, opposite=shifted)
    assert same["pair corr"] > 0.9 > other["pair corr"] + 0.4
    assert other["pair rms"] > same["pair rms"] + 0.3


def test_a_double_shows_in_the_autocorrelation() -> None:
    rng = np.random.default_rng(3)
    z = np.zeros((160, 200))
    for row, col in zip(rng.integers(12, 148, 25), rng.integers(12, 180, 25), strict=True):
        z[row - 2 : row + 3, col - 2 : col + 3] = 5
    double = np.maximum(z, np.roll(z, (6, 12), axis=(0, 1)) * 0.6)
    z, double = (m + 0.05 * rng.standard_normal(m.shape) for m in (z, double))
    assert numbers_of(double)["ghost bumps"] > numbers_of(z)["ghost bumps"] + 0.15
    assert autocorrelation(z)[24, 24] == pytest.approx(1.0, abs=1e-6)


def test_a_changed_sharpness_shows() -> None:
    import cv2

    z = rough(SHAPE, 1, 2.0, 1.5)
    z[48:] = cv2.blur(z[48:], (5, 5))
    assert numbers_of(z)["change texture"] > numbers_of(rough(SHAPE, 1, 2.0, 1.5))["change texture"] + 0.7


def test_a_gate_that_learned_through_other_masks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_model, "sight_digest", lambda: "another")
    with pytest.raises(ModelError, match="other networks"):
        load_gate()


def test_a_gate_calibrated_before_it_could_be_sure_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_gate()
    views = {**model.card.calibration["views"]}
    views["alone"] = {**views["alone"], "decided": 0.9}
    card = model.card.model_copy(update={"calibration": {**model.card.calibration, "views": views}})
    monkeypatch.setattr(gate_model, "load_model", lambda *_, **__: replace(model, card=card))
    with pytest.raises(ModelError, match="when it is sure"):
        load_gate()


def test_lines_are_listed_as_ranges() -> None:
    assert line_list([3, 4, 5, 9]) == "3-5, 9"
    assert line_list(range(0, 40, 2)).endswith("...")
    assert line_list([]) == ""


VIEW = {"power": 1.0, "limits": {GOOD: 0.3, NOT_TRACKING: 0.2, TIP: 0.15, IMAGING: 0.25}, "good": 0.9,
        "decided": dict.fromkeys(VERDICTS, 0.8)}  # fmt: skip
CALIBRATION = {
    "views": {"full": VIEW, "alone": {**VIEW, "power": 0.5}}, "strangeness": [0.5, 1.0, 1.5, 2.0], "scans": 400,
}  # fmt: skip


def test_each_kind_of_view_has_its_own_calibration() -> None:
    full, alone = (conclude([0.9, 0.0, 0.05, 0.05], 0.7, CALIBRATION, kind) for kind in ("full", "alone"))
    assert full.probabilities[GOOD] == pytest.approx(0.9, abs=1e-6)
    assert alone.probabilities[GOOD] == pytest.approx(0.9**0.5 / (0.9**0.5 + 2 * 0.05**0.5), abs=1e-4)
    assert [kind_of(lines, paired=paired) for lines, paired in ((40, True), (200, True), (200, False))] == [
        "early",
        "full",
        "alone",
    ]


def test_a_scan_is_good_alone_only_beyond_the_limit_for_scans_with_artifacts() -> None:
    sure = conclude([0.95, 0.01, 0.02, 0.02], 0.7, CALIBRATION)
    unsure = conclude([0.85, 0.01, 0.06, 0.08], 0.7, CALIBRATION)
    assert sure.plausible == (GOOD,)
    assert sure.is_sure
    assert unsure.verdict == GOOD
    assert unsure.plausible == (GOOD, IMAGING)
    assert [action_for(one) for one in (sure, unsure)] == [EXPORT, REPAIR]


def test_sets_hold_every_plausible_verdict_best_first() -> None:
    said = conclude([0.05, 0.26, 0.19, 0.5], 0.7, CALIBRATION)
    assert said.plausible == (IMAGING, NOT_TRACKING, TIP)
    assert action_for(said) == LOOK
    assert not said.is_sure
    hopeless = conclude([0.02, 0.74, 0.2, 0.04], 0.7, CALIBRATION)
    assert set(hopeless.plausible) == {NOT_TRACKING, TIP}
    assert not hopeless.is_sure
    assert action_for(hopeless) == LOOK, "another scan is asked for only if it is sure"
    assert action_for(replace(hopeless, is_decided=True)) == RESCAN
    assert action_for(replace(hopeless, is_decided=True), paired=False) == LOOK
    probable = replace(hopeless, is_decided=True, probabilities={**hopeless.probabilities, TIP: 0.15, IMAGING: 0.09})
    assert action_for(probable) == LOOK, "of this scan, one in ten that a repair helps is too much"


@pytest.mark.parametrize(
    ("verdict", "action"), [(GOOD, REPAIR), (NOT_TRACKING, RESCAN), (TIP, RESCAN), (IMAGING, REPAIR)]
)
def test_a_decided_verdict_counts_although_others_are_plausible(verdict: str, action: str) -> None:
    low = {**VIEW, "limits": dict.fromkeys(VERDICTS, 0.01), "good": 0.99}
    shown = [0.88 if name == verdict else 0.04 for name in VERDICTS]
    said = conclude(shown, 0.7, {**CALIBRATION, "views": {"full": low}})
    assert len(said.plausible) == 4
    assert said.is_sure
    assert action_for(said) == action
    assert action_for(said, paired=False) == (LOOK if verdict == NOT_TRACKING else action)
    low["decided"] = {**dict.fromkeys(VERDICTS, 2.0), said.verdict: max(said.probabilities.values())}
    assert conclude(shown, 0.7, {**CALIBRATION, "views": {"full": low}}).is_sure
    low["decided"] = {**dict.fromkeys(VERDICTS, 0.0), said.verdict: 0.89}
    unsure = conclude(shown, 0.7, {**CALIBRATION, "views": {"full": low}})
    assert not unsure.is_sure
    assert action_for(unsure) == LOOK


def test_nothing_is_done_by_a_verdict_that_is_not_the_most_probable_one() -> None:
    said = conclude([0.29, 0.19, 0.28, 0.24], 0.7, CALIBRATION)
    assert said.verdict == GOOD
    assert said.plausible == (TIP,)
    assert not said.is_sure
    assert not conclude([0.9, 0.04, 0.04, 0.02], 0.7, {**CALIBRATION, "views": {"full": {**VIEW, "limits": {
        **VIEW["limits"], GOOD: 0.95, TIP: 0.03}, "good": 0.96}}}).is_sure  # fmt: skip
    assert action_for(said) == LOOK


def test_an_unusual_scan_is_strange_and_never_exported() -> None:
    said = conclude([0.99, 0.0, 0.0, 0.01], 50.0, CALIBRATION)
    assert said.familiarity == pytest.approx(1 / 401)
    assert said.is_strange
    assert not said.is_sure
    assert action_for(said) == LOOK
    assert conclude([0.99, 0.0, 0.0, 0.01], 1.2, CALIBRATION).familiarity == pytest.approx(201 / 401)
    assert conclude([0.99, 0.0, 0.0, 0.01], float("nan"), CALIBRATION).is_strange


@pytest.mark.parametrize(
    ("verdict", "size", "paired", "action", "told"),
    [
        (NOT_TRACKING, 0.95, True, RESCAN, ""), (NOT_TRACKING, 0.8, True, LOOK, PROBABLE),
        (NOT_TRACKING, 0.95, False, LOOK, ALONE), (NOT_TRACKING, 0.8, False, LOOK, ALONE),
        (TIP, 0.8, False, LOOK, PROBABLE), (TIP, 0.95, False, RESCAN, ""),
    ],
)  # fmt: skip
def test_why_a_hopeless_scan_is_looked_at_first_is_told(
    verdict: str, size: float, paired: bool, action: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Opinion({**dict.fromkeys(VERDICTS, 0.0), verdict: size, IMAGING: 1 - size}, (verdict,), 0.5, is_decided=True)
    monkeypatch.setattr(judging, "opinion", lambda *_: said)
    found = judge(measured(scene(), **({"opposite": scene()} if paired else {})), load_gate())
    assert found.action == action
    assert {PROBABLE, ALONE} & set(found.reasons) == ({told} if told else set())


def test_an_empty_set_is_looked_at() -> None:
    assert action_for(Opinion(dict.fromkeys(VERDICTS, 0.25), (), 0.5)) == LOOK


def test_gate_judges_a_scan_and_its_mirror_image_alike() -> None:
    z, back = scene(noise=0.05), scene(noise=0.05) + 0.01
    grid = Grid(*SHAPE, 2.0, 3.0)
    scan = Scan.of(grid, [Channel("height", "trace", z, "nm"), Channel("height", "retrace", back, "nm")])
    mirrored = Scan.of(
        grid,
        [Channel("height", "retrace", z[:, ::-1].copy(), "nm"), Channel("height", "trace", back[:, ::-1].copy(), "nm")],
    )
    one, other = afmend.gate(scan, "height/trace"), afmend.gate(mirrored, "height/retrace")
    assert one.probabilities == other.probabilities
    assert sum(one.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert one.verdict == max(one.probabilities, key=lambda name: one.probabilities[name])
    assert one.reasons
    data = one.to_json()
    assert data["lines"] == SHAPE[0]
    assert data["channel"] == "height/trace"
    assert one.activation.shape[0] == len(VERDICTS)


def test_gate_judges_the_first_lines_of_a_running_scan() -> None:
    z = scene(shape=(300, 96))
    scan = scan_of(z)
    assert early_lines(300) == 30
    assert early_lines(20) == 20
    early = afmend.gate(scan, lines=early_lines(300))
    z[100:] = 0
    assert early.lines == 30
    assert afmend.gate(scan_of(z), lines=30).probabilities == early.probabilities


def test_gate_uses_the_error_signal_where_there_is_one() -> None:
    z = scene()
    missing = np.zeros(SHAPE, np.bool_)
    missing[5, 3:9] = True
    channels = [Channel("height", "trace", z, "nm"),
                Channel.from_raw("error", "trace", np.diff(z, prepend=0, axis=1), "V", missing=missing)]  # fmt: skip
    scan = Scan.of(Grid(*SHAPE, 2.0, 3.0), channels)
    seen = measured_of(scan, ChannelKey("height", "trace"))
    assert seen.error is not None
    assert features(View(seen), detect(seen))["error there"] == 1


def test_gate_refuses_what_is_too_small_or_empty() -> None:
    with pytest.raises(StepError, match="too little to judge"):
        afmend.gate(scan_of(scene(shape=(7, 40))))
    with pytest.raises(StepError, match="all heights are the same"):
        afmend.gate(scan_of(np.full((40, 56), -2.66)))


def test_a_model_for_other_features_is_refused() -> None:
    model = load_gate()
    with pytest.raises(ModelError, match="other features"):
        opinion(model, np.zeros(3, np.float32), ("a", "b", "c"), "full")
    with pytest.raises(ModelError):
        load_gate("no-such-gate")


def test_reasons_name_what_was_measured() -> None:
    z = scene()
    seen = measured(z, opposite=scene(4), error=np.sign(np.diff(z, prepend=0, axis=1)))
    said = judge(seen, load_gate(), "height/trace")
    text = " ".join(reasons(NOT_TRACKING, said.evidence))
    assert "trace and retrace correlate" in text
    assert "not at all alike in lines" in text
    assert "error signal stands at its end" in text
    facts = {**said.evidence, "ghost": 0.3, "change_of_sharpness": 12.0, "jumps": [4], "missing_percent": 2.0,
             "falls_at_one_rate": 0.9, "still_patches_percent": 9.0, "relief_over_noise": 2.0}  # fmt: skip
    assert "shapes are repeated at one offset" in " ".join(reasons(TIP, facts))
    assert "much smoother" in " ".join(reasons(NOT_TRACKING, facts))
    assert "jumps at lines 4" in " ".join(reasons(IMAGING, facts))
    assert "never scanned" not in text
    assert "1.5 % of the pixels were never scanned" in " ".join(reasons(IMAGING, {**facts, "filled_percent": 1.5}))
    quiet = {**facts, "jumps": [], "missing_percent": 0, "detectors": {}, "relief_over_noise": 30.0,
             "wave": 1.0, "wave_percent": 1.0, "ringing": 0.0, "plane_wave_percent": 0.0, "plane_wave_periods": 0.0,
             "displaced": {}}  # fmt: skip
    del quiet["trace_retrace_correlation"]
    assert "no detector finds an artifact" in " ".join(reasons(GOOD, quiet))
    assert "no detector" not in " ".join(reasons(GOOD, {**quiet, "jumps": [4]}))
    assert "held constant" in " ".join(reasons(NOT_TRACKING, {**quiet, "still_patches_percent": 100.0}))
    loud = {**quiet, "wave": 3000.0, "wave_percent": 5.2, "ringing": 0.9}
    assert "(5.2 % of the relief)" in " ".join(reasons(IMAGING, loud))
    assert {"heights oscillate behind edges"} < set(reasons(IMAGING, loud)) - set(reasons(IMAGING, quiet))
    assert not any("oscillates" in text or "Waves" in text for text in advice(IMAGING, quiet))
    assert sum("oscillates" in text or "Waves" in text for text in advice(IMAGING, loud)) == 2


def test_fringes_and_displaced_lines_are_told_where_they_are() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    rng = np.random.default_rng(8)
    surface = rough(SHAPE, 1, 5.0, 4.0) + 0.1 * rng.standard_normal(SHAPE)
    fringes = surface + 12 * np.sin(2 * np.pi * (5 * x / SHAPE[1] + 3 * y / SHAPE[0]))
    moved = surface.copy()
    moved[30:37] = np.roll(surface[30:37], 6, axis=1)
    told = {}
    for name, z in (("calm", surface), ("fringes", fringes), ("moved", moved)):
        view, found = View(measured(z, opposite=z)), detect(measured(z, opposite=z))
        told[name] = evidence(view, found, features(view, found))
    text = {name: " ".join(reasons(IMAGING, facts)) for name, facts in told.items()}
    assert "waves of 6 periods per scan" in text["fringes"]
    assert "laser light" not in text["calm"]
    assert told["calm"]["plane_wave_percent"] == 0
    assert told["calm"]["displaced"] == {}
    assert told["moved"]["displaced"] == {"30": 6, "37": -6}
    assert (
        "lines lie displaced along themselves, by up to 6 pixels: bands begin or end at lines 30, 37" in text["moved"]
    )
    hum = 4 * np.sin(0.66 * x + 2.2 * y) + 0.1 * rng.standard_normal(SHAPE)
    assert (
        evidence(View(measured(hum)), detect(measured(hum)), features(View(measured(hum)), detect(measured(hum))))[
            "displaced"
        ]
        == {}
    ), "waves that move along from line to line displace none"
    assert any("laser" in said for said in advice(IMAGING, told["fringes"]))
    assert any("beside their place" in said for said in advice(IMAGING, told["moved"]))


def test_waves_are_told_only_where_they_are_large() -> None:
    x = np.arange(SHAPE[1])[None, :]
    y = np.arange(SHAPE[0])[:, None]
    rng = np.random.default_rng(8)
    for size, told in ((0.003, False), (0.3, True)):
        pair = [
            rough(SHAPE, 1, 2.0, 9.0) + 6 * size * np.sin(1.3 * x + sign * 0.5 * y) + 0.003 * rng.standard_normal(SHAPE)
            for sign in (1, -1)
        ]
        seen = measured(pair[0], opposite=pair[1])
        view, found = View(seen), detect(seen)
        facts = evidence(view, found, features(view, found))
        assert (facts["wave"] > 0) == told, facts["wave_percent"]
        relief = np.ptp(np.quantile(View(measured(rough(SHAPE, 1, 2.0, 9.0))).level, (0.002, 0.998))) / 2
        assert facts["wave_percent"] == pytest.approx(100 * 6 * size / relief, rel=0.35)
        lone = View(measured(pair[0]))
        facts = evidence(lone, found, features(lone, found))
        assert "wave_percent" not in facts
        assert ("one direction does not tell" in " ".join(reasons(IMAGING, facts))) == (facts["wave"] > WAVE)
        assert facts["wave"] > WAVE or not told


def test_a_scan_held_at_one_height_is_not_called_noisy() -> None:
    said = judge(measured(np.zeros((64, 80))), load_gate(), "height/trace")
    assert not any("as high as the sample" in text for text in advice(NOT_TRACKING, said.evidence))


def test_good_but_not_beyond_doubt_is_said() -> None:
    found = [judge(measured(scene(seed, noise=0.05)), load_gate(), "height/trace") for seed in range(6)]
    doubted = [one for one in found if (one.verdict, one.action) == (GOOD, REPAIR)]
    assert doubted
    assert all(("not beyond doubt" in " ".join(one.reasons)) == (one in doubted) for one in found)


def test_reasons_have_no_exponents():
    facts = {"missing_percent": 0.0, "filled_percent": 0.0, "detectors": {}, "jumps": [], "relief_over_noise": 123.4}
    assert "the relief is 120 times the noise" in reasons(GOOD, facts)
