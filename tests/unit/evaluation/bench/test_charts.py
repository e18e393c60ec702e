"""Plots: coordinates, extremes, empty input."""

import xml.etree.ElementTree as ET

from afmend.evaluation.bench.charts import Axis, Cloud, Interval, curves, forest, log_axis, scatter, strips


def test_axes():
    axis = Axis(0, 10, 100, 200)
    assert [axis.at(x) for x in (0, 5, 10, -3, 99)] == [100, 150, 200, 100, 200]
    log = Axis(1, 100, 0, 200, log=True)
    assert [round(log.at(x)) for x in (1, 10, 100, 0)] == [0, 100, 200, 0]
    assert [label for _, label in Axis(1, 12, 0, 1, log=True).ticks()] == ["1", "2", "5", "10"]
    assert [label for _, label in Axis(1, 1000, 0, 1, log=True).ticks()] == ["1", "3", "10", "30", "100", "300", "1000"]
    assert [label for _, label in Axis(1, 1e5, 0, 1, log=True).ticks()][:2] == ["1", "10"]
    empty = log_axis([], 0, 1)
    assert empty.low < 1 < empty.high


def test_plots_are_well_formed_and_escaped():
    rows = [Interval("<a>", 0.5, 0.4, 0.6), Interval("b & c", 2.0, None, None)]
    pictures = [
        forest(rows, still=1.0, log=True, title="t", left="l", right="r"),
        forest([Interval("x", -3.0, -4.0, 5.0)], still=0.0, log=False, title="t", left="l", right="r"),
        strips({"<g>": {"auto": 1.0, "b<": 0.5}, "h": {"b<": 2.0}, "i": {"auto": 1.0}}, highlight="auto", title="t"),
        strips({"g": {"auto": 40.0, "b": 50.0}}, highlight="auto", title="t", log=False, high=True),
        scatter(
            [Cloud("<c>", "#000000", [(1, 2), (0.5, 3)]), Cloud("none", "#ffffff", [])], x_title="<x>", y_title="y"
        ),
        curves({"<m>": [(50, 40), (95, 90)]}, x_title="x", y_title="<y>"),
    ]
    for picture in pictures:
        root = ET.fromstring(picture)  # noqa: S314 (made here)
        assert root.tag.endswith("svg")
        assert root.attrib["aria-label"]
    assert "#c3180f" in pictures[3], "a loss is shown in red"
    for count, red in ((7, False), (8, True)):
        picture = strips({"g": {"auto": 4.0, "b": 5.0}}, highlight="auto", title="t", high=True, counts={"g": count})
        assert f"g (n={count})" in picture
        assert ("#c3180f" in picture) is red
