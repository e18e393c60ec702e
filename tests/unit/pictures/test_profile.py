"""The line profile as SVG."""

# ruff: noqa: S314 (parses its own text)

from xml.etree import ElementTree as ET

import numpy as np

from afmend.pictures.profile import HEIGHT, Profile, profile_svg

SVG = "{http://www.w3.org/2000/svg}"


def profile(n=60, **changes):
    x = np.arange(n, dtype=float)
    invented = (x > 10) & (x < 20)
    parts = {
        "before": np.sin(x / 5) + 9.0 * invented, "after": np.sin(x / 5), "invented": invented,
        "sigma": np.where(invented, 0.3, 0.0), "known_before": np.ones(n, bool), "known_after": np.ones(n, bool),
        "step": 2.0, "where": "line <5>",
    }  # fmt: skip
    return Profile(**{**parts, **changes})


def texts(svg):
    return [node.text for node in ET.fromstring(svg).iter(f"{SVG}text")]


def test_shows_both_lines_band_shade_and_units():
    root = ET.fromstring(profile_svg(profile()))
    assert len(list(root.iter(f"{SVG}polyline"))) == 2
    assert len(list(root.iter(f"{SVG}polygon"))) == 1
    words = texts(profile_svg(profile()))
    for expected in ("distance / nm", "height / nm", "error bar ±2σ", "invented, not measured", "line <5>"):
        assert expected in words
    assert any("cut at the frame" in word for word in words)


def test_every_point_is_inside_the_frame():
    root = ET.fromstring(profile_svg(profile(before=np.full(60, 1e9))))
    for line in [*root.iter(f"{SVG}polyline"), *root.iter(f"{SVG}polygon")]:
        ys = [float(pair.split(",")[1]) for pair in line.get("points").split()]
        assert min(ys) > 0
        assert max(ys) < HEIGHT


def test_gaps_single_pixels_and_missing_error_bars():
    known = np.ones(60, bool)
    known[30:33] = False
    known[34:] = False
    sigma = np.zeros(60)
    invented = np.zeros(60, bool)
    invented[[5, 12, 13]] = True
    sigma[5], sigma[12:14] = 0.2, np.inf
    svg = profile_svg(
        profile(known_before=known, invented=invented, sigma=sigma, step=1.0, unit="V", calibrated=(False, False))
    )
    root = ET.fromstring(svg)
    assert len(list(root.iter(f"{SVG}polyline"))) == 3
    assert len(list(root.iter(f"{SVG}polygon"))) == 1
    words = texts(svg)
    assert "no error bar for 67 %" in words
    assert "distance / px (scan size uncalibrated)" in words
    assert any("(uncalibrated)" in word for word in words if word.startswith("value"))


def test_long_lines_are_thinned_but_keep_their_extremes():
    z = np.zeros(9001)
    z[4567], z[9000] = 5.0, -3.0
    n = z.size
    none = np.zeros(n, bool)
    svg = profile_svg(profile(n, before=z, after=z, invented=none, sigma=np.zeros(n)))
    points = next(ET.fromstring(svg).iter(f"{SVG}polyline")).get("points").split()
    assert len(points) < 1300
    ys = [float(pair.split(",")[1]) for pair in points]
    assert max(ys) - min(ys) > 100


def test_nothing_known_and_constant_heights_still_draw():
    none = np.zeros(60, bool)
    svg = profile_svg(profile(known_before=none, known_after=none, invented=none, sigma=np.zeros(60)))
    assert not list(ET.fromstring(svg).iter(f"{SVG}polyline"))
    flat = np.full(60, 4.0)
    svg = profile_svg(profile(before=flat, after=flat, invented=none, sigma=np.zeros(60)))
    assert len(list(ET.fromstring(svg).iter(f"{SVG}polyline"))) == 2
