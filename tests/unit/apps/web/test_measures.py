"""Numbers of the page that need no server."""

from afmend.apps.batch import JobResult, ScanResult
from afmend.apps.web.jobs import _facts, unusual
from afmend.apps.web.judging import why
from afmend.apps.web.measures import not_flat


def area(mean, median, deviation):
    return {"pixels": 400, "mean": mean, "median": median, "deviation": deviation}


def test_an_area_across_a_step_is_named():
    straddling, flat = area(0.345, 0.393, 0.0766), area(0.0, 0.0005, 0.0063)
    (said,) = not_flat([flat, straddling], "nm")
    assert said.startswith("Area 2 is not flat: its heights scatter by 0.0766 nm, those of the other by 0.0063")
    assert "0.048 nm apart" in said
    (said,) = not_flat([straddling, flat], "nm")
    assert said.startswith("Area 1")
    both = not_flat([area(0.1, 0.2, 0.1), area(1.0, 1.1, 0.1)], "nm")
    assert [text[:6] for text in both] == ["Area 1", "Area 2"]


def test_flat_areas_and_harmless_spreads_are_not_warned_about():
    assert not_flat([area(0.0, 0.001, 0.02), area(0.31, 0.309, 0.04)], "nm") == []
    assert not_flat([area(0.0, 0.0, 0.0), area(10.0, 10.1, 0.3)], "nm") == []
    assert not_flat([area(0.0, 0.0, 0.0), area(0.0, 0.0, 0.0)], "nm") == []


def batch(count, change):
    return {f"f{i}": {"Sq_mended": 1 + 0.05 * i, "invented_percent": 0.2, **change.get(i, {})} for i in range(count)}


def test_few_files_or_merely_different_ones_are_not_unusual():
    assert unusual(batch(6, {0: {"Sq_mended": 900}})) == {}
    assert unusual(batch(9, {2: {"invented_percent": 1.9}})) == {}
    roughness = (0.05, 0.3, 1, 4, 8, 14, 90, 600, 1250)
    assert unusual({str(v): {"Sq_mended": v, "invented_percent": 0} for v in roughness}) == {}


def test_what_stands_out_of_a_batch_is_named():
    found = unusual(batch(12, {3: {"Sq_mended": 40}, 5: {"invented_percent": 30}, 7: {"Sq_mended": None}}))
    assert found == {"f3": "roughness", "f5": "share filled"}


def test_the_worst_frame_stands_for_a_movie():
    frames = [
        ScanResult({"Sq_mended": sq, "invented_percent": share, "open_percent": 0.0})
        for sq, share in ((2.0, 0.5), (3.0, 30.0))
    ]
    said = _facts(JobResult("a.asd", tuple(frames), seconds=1.0, fingerprint="x"))
    assert (said["images"], said["invented_percent"], said["Sq_mended"], said["missing_percent"]) == (
        2,
        30.0,
        2.0,
        None,
    )


def test_why_the_gate_does_not_decide():
    judged = {"verdict": "Good", "sure": False, "strange": False, "plausible": ["Good", "Tip"],
              "probabilities": {"Good": 0.62, "Tip": 0.3}, "familiarity": 0.0}  # fmt: skip
    assert why(judged) == "most likely Good (62%), but Tip (30%) cannot be excluded"
    rare = {**judged, "probabilities": {**judged["probabilities"], "Tip": 0.004}}
    assert "Tip (under 1%) cannot be excluded" in why(rare)
    assert why({**judged, "plausible": ["Good"]}) == "most likely Good (62%), which is too little for a verdict"
    assert why({**judged, "plausible": [], "sure": True}) == "most likely Good (62%)"
    assert why({**judged, "strange": True}).startswith("unlike what the gate was calibrated on (none of those")
    assert "(2.0% of those" in why({**judged, "strange": True, "familiarity": 0.02})
