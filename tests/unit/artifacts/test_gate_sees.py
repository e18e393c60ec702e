"""What the gate sees: the networks' inputs and answers, the surface without its noise, satellites."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.artifacts.gate.cut_features import cut_features, sudden_steps
from afmend.artifacts.gate.detectors import detect
from afmend.artifacts.gate.double_features import REACH_PX, double_features
from afmend.artifacts.gate.features import features
from afmend.artifacts.gate.fringe_features import fringe_features
from afmend.artifacts.gate.pair_features import damage_features
from afmend.artifacts.gate.relief_features import relief_features
from afmend.artifacts.gate.ripple_features import ripple_features
from afmend.artifacts.gate.shift_features import REACH_PX as SHIFT_PX
from afmend.artifacts.gate.shift_features import shift_features
from afmend.artifacts.gate.sight import (
    DOUBLES,
    FARTHEST,
    INPUTS,
    MOST,
    SAID,
    TARGETS,
    TILING,
    activation,
    load_sight,
    look,
    seen,
    sight_features,
    sight_inputs,
)
from afmend.artifacts.gate.verdicts import GOOD, IMAGING, VERDICTS
from afmend.artifacts.gate.view import Measured, View
from afmend.errors import ModelError
from support import rough


def scene(seed: int = 0, shape: tuple[int, int] = (96, 130), *, noise: float = 0.03) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rough(shape, seed, 2.0, 5.0) + noise * rng.standard_normal(shape)


def measured(heights: np.ndarray, **more: np.ndarray) -> Measured:
    return Measured(heights, np.zeros(heights.shape, np.bool_), **more)


def test_inputs_of_the_sight_have_their_shape_are_bounded_and_show_what_is_large() -> None:
    z = scene(shape=(90, 131))
    z[44, 30:90] += 50
    alone = sight_inputs(View(measured(z)))
    full = sight_inputs(View(measured(z, opposite=scene(shape=(90, 131)), error=np.diff(z, prepend=0, axis=1))))
    assert alone.shape == full.shape == (len(INPUTS), 90, 131)
    pair = [k for k, name in enumerate(INPUTS) if name.startswith(("other direction", "difference", "error"))]
    assert not alone[pair].any()
    assert np.abs(full[pair]).max(axis=(1, 2)).min() > 0
    assert np.abs(full).max() <= MOST + 1e-3
    bend = alone[INPUTS.index("bend of the relief")]
    assert bend[44, 40:80].min() > np.abs(bend[:40]).max()
    unfinished = z.copy()
    unfinished[70:] = unfinished[69]
    assert not sight_inputs(View(measured(unfinished)))[:, 70:].any()
    assert not sight_inputs(View(measured(np.full((40, 56), 3.0)))).any()


def test_what_the_networks_see_shows_in_features_and_activation() -> None:
    z = scene(shape=(96, 131))
    plain = View(measured(z.copy()))
    z[44, 10:110] += 8
    hurt = View(measured(z))
    assert hurt.sight.where.shape == (len(TARGETS), 96, 131)
    assert hurt.sight.marks.shape == (7, 96, 131)
    before, after = (sight_features(view.sight) for view in (plain, hurt))
    assert after["learned scar mean"] > before["learned scar mean"] + 0.5
    assert after["learned scar line 0"] > before["learned scar line 0"] + 0.5
    assert after["sight clear mean"] > before["sight clear mean"] + 0.5
    assert len(after) == (7 + 4) * 10 + 3 + len(SAID) + len(DOUBLES)
    assert after["learned scar top 0.1 %"] >= after["learned scar top 1 %"] >= after["learned scar top 10 %"]
    assert abs(after["doubles: satellites"]) <= FARTHEST
    shown = activation(hurt.sight)
    assert shown.shape == (len(VERDICTS), 12, 17)
    assert shown[VERDICTS.index(IMAGING), 5].mean() > 0.3 + shown[VERDICTS.index(IMAGING), :4].mean()
    assert (shown[VERDICTS.index(GOOD)] <= 0).all()


def test_a_large_scan_is_seen_tile_by_tile() -> None:
    view = View(measured(scene(shape=(40, 1500))))
    found = look(view)
    assert found.where.shape == (4, 40, 1500)
    assert np.isfinite(found.where).all()
    assert 0 <= found.where.min() <= found.where.max() <= 1


def test_where_directions_differ_is_measured_as_damage_is() -> None:
    rng = np.random.default_rng(0)
    z = scene(shape=(96, 130))
    other = z + 0.03 * rng.standard_normal(z.shape)
    same = damage_features(View(measured(z, opposite=np.roll(other, 2, axis=1))))
    z = z.copy()
    z[40:50, 20:60] += 8  # 3.2 % of the pixels, more than a quarter of the relief
    tails = damage_features(View(measured(z, opposite=other)))
    for kind in ("pixel", "stretch", "up"):
        share = 10 ** (tails[f"differs {kind} 0.25"] - 5)
        assert 0.02 < share < 0.1, (kind, share)  # the parabola of a line does not quite ignore it
    assert max(same.values()) < 3
    assert 10 ** (tails["differs tail 0.25"] - 5) == pytest.approx(10 / 96, rel=0.2)
    assert set(damage_features(View(measured(z))).values()) == {0.0}


def doubled(drop: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return cones scanned with one apex and with two: the second 6 lines and 12 pixels aside, lower by ``drop``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:160, 0:200]
    z = np.zeros((160, 200))
    for row, col in zip(rng.integers(12, 140, 20), rng.integers(12, 180, 20), strict=True):
        z = np.maximum(z, rng.uniform(3, 5) * (1 - np.hypot(y - row, x - col) / 5))
    twice = np.maximum(z, np.roll(z, (6, 12), axis=(0, 1)) - drop)
    return tuple(m + 0.02 * rng.standard_normal(m.shape) for m in (z, twice))  # type: ignore[return-value]


def test_satellites_of_a_second_apex_are_found_with_their_shift_and_drop() -> None:
    clean, twice = (double_features(View(measured(z))) for z in doubled(1.0))
    assert twice["satellite one-sided best"] > 0.4
    assert clean["satellite one-sided best"] < 0.3
    assert abs(twice["satellite one-sided far"] * REACH_PX - np.hypot(6, 12)) < 1.6
    height = np.quantile(doubled(1.0)[1], 0.995)
    assert abs(twice["satellite one-sided drop"] * height - 1.0) < 0.4
    empty = double_features(View(measured(np.zeros((40, 56)))))
    assert list(empty) == list(twice)
    assert not any(empty.values())


def test_answers_of_the_whole_scan_are_numbers_and_those_of_tiles_count_by_what_was_measured() -> None:
    z = scene(shape=(96, 1500))
    view = View(measured(z))
    assert np.isfinite(view.sight.said).all()
    assert view.sight.said.shape == (len(SAID),)
    numbers = sight_features(view.sight)
    assert [name for name in numbers if name.startswith("sight says")] == [f"sight says {name}" for name in SAID]
    inputs = sight_inputs(view)
    step, margin = TILING.tile[1] - 2 * TILING.margin[1], TILING.margin[1]
    half = inputs.copy()
    half[:, :, step:] = 0  # only what the first tile adds was measured
    alone = seen(half[:, :, : step + margin], load_sight()).said
    assert np.abs(seen(half, load_sight()).said - alone).max() < 1e-3
    assert np.abs(view.sight.said - alone).max() > 1e-3


def test_answers_that_are_no_numbers_are_refused() -> None:
    class Broken:
        session = load_sight().session

        def run(self, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            shape = given["maps"].shape[2:]
            return {"where": np.zeros((1, len(TARGETS), *shape)), "said": np.full((1, len(SAID)), np.nan)}

    with pytest.raises(ModelError, match="no number"):
        seen(sight_inputs(View(measured(scene()))), Broken())  # type: ignore[arg-type]


def lattice(shape: tuple[int, int] = (128, 160), pixels: float = 9.0) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]] * (2 * np.pi / pixels)
    return np.asarray(np.cos(x) + np.cos(0.5 * x + 0.87 * y) + np.cos(0.5 * x - 0.87 * y)) / 3


@pytest.mark.parametrize("paired", [True, False])
def test_noise_is_measured_against_the_surface_even_where_it_is_larger(paired: bool) -> None:
    rng = np.random.default_rng(2)
    z = lattice()
    low, high = np.quantile(z, (0.002, 0.998))
    for noise in (0.1, 0.5, 1.0):
        heights, other = (z + noise * rng.standard_normal(z.shape) for _ in range(2))
        found = relief_features(View(measured(heights, **({"opposite": other} if paired else {}))))
        told = 10 ** found["white/surface"]
        assert told == pytest.approx(2 * noise / (high - low), rel=0.25), noise
        assert 10 ** found["floor/surface"] == pytest.approx(told, rel=0.3)


def test_noise_alone_and_drift_alone_hold_no_surface() -> None:
    rng = np.random.default_rng(3)
    shape = (128, 160)
    bow = 40 * np.linspace(-1, 1, shape[1]) ** 2 + np.cumsum(rng.standard_normal(shape[0]))[:, None]
    pair = [bow + rng.standard_normal(shape) for _ in range(2)]
    for view in (View(measured(pair[0])), View(measured(pair[0], opposite=pair[1]))):
        assert relief_features(view)["white/surface"] > 0.5


def test_a_wave_is_measured_and_stands_alone_in_one_direction() -> None:
    rng = np.random.default_rng(4)
    shape = (128, 160)
    surface = rough(shape, 5, 3.0, 12.0)
    y, x = np.mgrid[: shape[0], : shape[1]]
    hum, back = (2.0 * np.sin(0.9 * x + sign * 0.4 * y) for sign in (1, -1))
    noise = 0.05 * rng.standard_normal((2, *shape))
    calm = relief_features(View(measured(surface + noise[0], opposite=surface + noise[1])))
    waves = relief_features(View(measured(surface + hum + noise[0], opposite=surface + back + noise[1])))
    assert waves["differing wave alone"] > calm["differing wave alone"] + 0.5
    relief = np.ptp(np.quantile(View(measured(surface)).level, (0.002, 0.998))) / 2
    assert 10 ** waves["differing wave size"] == pytest.approx(2.0 / relief, rel=0.35)


@pytest.mark.parametrize(("angle", "chirp"), [(0.3, 0.0), (1.2, 0.3), (2.5, 0.0)])
def test_a_fringe_stands_out_of_a_rough_surface_and_a_lattice_goes_in_several_directions(
    angle: float, chirp: float
) -> None:
    shape = (128, 160)
    surface = rough(shape, 6, 2.0, 3.0)
    y, x = (np.linspace(0, 1, n) for n in shape)
    along = np.cos(angle) * x[None] + np.sin(angle) * y[:, None]
    fringe = 3.0 * np.sin(2 * np.pi * 6 * along * (1 + chirp * along / 2))
    calm, found = (fringe_features(View(measured(z, opposite=z))) for z in (surface, surface + fringe))
    assert found["fringe out"] > calm["fringe out"] + 0.3
    assert 2 ** found["fringe cycles"] == pytest.approx(6, rel=0.4)
    assert found["fringe sector share"] > calm["fringe sector share"] + 0.1
    assert found["fringe shared"] == pytest.approx(0, abs=1e-6)
    if not chirp:
        relief = np.ptp(np.quantile(surface + fringe, (0.005, 0.995))) / 2
        assert 10 ** found["fringe size"] == pytest.approx(3.0 / relief, rel=0.35)
    many = fringe_features(View(measured(lattice())))
    assert many["fringe second"] > found["fringe second"] + 0.3


def test_slow_waves_of_the_ground_show_beneath_features_and_bow_does_not() -> None:
    y, x = np.mgrid[:128, :160]
    dots = sum(20 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 16) for a, b in ((40, 30), (110, 90), (70, 100), (20, 80)))
    flat = dots + 0.1 * np.random.default_rng(2).standard_normal(x.shape)
    bowed = flat + 30 * (x / 80 - 1) ** 2 + 0.2 * y
    waved = flat + 4 * np.sin(2 * np.pi * (1.7 * x / 160 + 0.8 * y / 128))
    calm, bow, wave = (fringe_features(View(measured(z))) for z in (flat, bowed, waved))
    for name in ("middle", "low"):
        assert abs(bow[f"ground {name} size"] - calm[f"ground {name} size"]) < 0.3
        assert wave[f"ground {name} size"] > calm[f"ground {name} size"] + 0.3
        assert wave[f"ground {name} share"] > 0.6 > calm[f"ground {name} share"] + 0.2
        assert min(wave[f"ground {name} {way}"] for way in ("down", "along")) > 0.7
    few = fringe_features(View(measured(flat[:3])))
    assert set(few) == set(calm)
    assert few["ground low size"] == 0


def test_ripples_that_bend_go_one_way_in_all_windows_and_roughness_does_not() -> None:
    y, x = np.mgrid[:160, :200]
    noise = 0.1 * np.random.default_rng(3).standard_normal(x.shape)
    dots = sum(20 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 9) for a, b in ((40, 30), (110, 90), (70, 100), (20, 80)))
    along = 0.9 * x / 200 + 0.5 * y / 160
    bent = np.sin(2 * np.pi * 9 * (along + 0.3 * along**2 + 0.1 * (y / 160) ** 2))
    rough_one = rough(x.shape, 9, 1.0, 3.0)
    scans = {"flat": dots + noise, "waved": dots + 1.0 * bent + noise, "rough": rough_one + dots + noise}
    told = {name: ripple_features(View(measured(z))) for name, z in scans.items()}
    for name in ("half", "quarter"):
        part = {
            key: {k.split(name + " ")[1]: v for k, v in one.items() if f" {name} " in k} for key, one in told.items()
        }
        assert part["waved"]["share"] > max(part["flat"]["share"], part["rough"]["share"]) + 0.1
        assert part["waved"]["alike"] > 0.85 > part["rough"]["alike"]
        assert part["waved"]["size"] > part["flat"]["size"] + 0.5
    assert 10 ** told["waved"]["ripples quarter size"] == pytest.approx(
        1.0 / View(measured(scans["waved"])).half_range, rel=0.5
    )
    large = np.repeat(np.repeat(scans["waved"], 4, axis=0), 4, axis=1)
    finer = ripple_features(View(measured(large)))
    assert finer["ripples half alike"] == pytest.approx(told["waved"]["ripples half alike"], abs=0.05)
    few = ripple_features(View(measured(noise[:9])))
    assert list(few) == list(finer)
    assert not any(few.values())


@pytest.mark.parametrize("move", [-7, 3])
def test_lines_displaced_along_themselves_are_counted_and_a_shift_of_all_is_not(move: int) -> None:
    z = rough((96, 160), 7, 2.0, 4.0) + 0.02 * np.random.default_rng(7).standard_normal((96, 160))
    displaced = z.copy()
    displaced[40:52] = np.roll(z[40:52], move, axis=1)
    calm, alone = (shift_features(View(measured(one))) for one in (z, displaced))
    for name in ("line", "band"):
        assert calm[f"shifted {name} lines"] == 0
        assert alone[f"shifted {name} gain"] > calm[f"shifted {name} gain"] + 0.5
        assert 2 ** alone[f"shifted {name} px"] - 1 == pytest.approx(abs(move), abs=1.01)
    assert 2 ** alone["shifted line lines"] - 1 == 2, "at its first line, and back at its last"
    pair = shift_features(View(measured(displaced, opposite=z)))
    assert 2 ** pair["shifted retrace lines"] - 1 == 12
    late = shift_features(View(measured(z, opposite=np.roll(z, 5, axis=1))))
    assert late["shifted retrace lines"] == 0
    assert abs(move) < SHIFT_PX
    bowed = shift_features(View(measured(displaced + 60 * np.linspace(-1, 1, 160) ** 2)))
    assert bowed["shifted line gain"] == pytest.approx(alone["shifted line gain"], abs=0.05)
    few = shift_features(View(measured(z[:2, :9])))
    assert np.isfinite(list(few.values())).all()


def test_level_lines_and_edges_are_not_displaced() -> None:
    z = rough((96, 160), 8, 2.0, 4.0)
    z[40:] = z[40, 0]
    frozen = shift_features(View(measured(z, opposite=z)))
    assert max(frozen[f"shifted {name} lines"] for name in ("line", "band", "retrace")) <= 1
    edge = np.zeros((96, 160))
    edge[::2, 152:] = edge[1::2, 3:8] = 1.0
    edged = shift_features(View(measured(edge, opposite=edge)))
    assert max(edged.values()) <= np.log10(1.001) + 3 + np.log2(97)
    assert edged["shifted retrace gain"] == 0
    y, x = np.mgrid[:96, :160]
    hum = shift_features(View(measured(np.sin(1.9 * y + 0.8 * x), opposite=np.sin(1.3 * y - 0.8 * x))))
    assert 2 ** max(hum[f"shifted {name} px"] for name in ("line", "band", "retrace")) - 1 <= 2 * SHIFT_PX


def test_what_both_directions_share_is_shared_beside_tall_features() -> None:
    y, x = np.mgrid[:128, :160]
    blobs = sum(400 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 16) for a, b in ((40, 30), (110, 90)))
    z = blobs + 3 * np.sin(0.35 * x + 0.1 * y) + 0.1 * np.random.default_rng(1).standard_normal(x.shape)
    assert fringe_features(View(measured(z, opposite=z)))["fringe shared"] == pytest.approx(0, abs=1e-6)


def test_no_two_features_have_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    view = View(measured(scene()))
    count = len(features(view, detect(view.measured)))
    monkeypatch.setattr("afmend.artifacts.gate.features.GROUPS", (lambda _: {"filled": 1.0},))
    with pytest.raises(AssertionError, match="one name"):
        features(view, detect(view.measured))
    assert count > 300


def test_the_other_direction_is_asked_about_doubles_as_a_scan_of_its_own() -> None:
    z, back = scene(), scene(4)
    one, other = look(View(measured(z, opposite=back))), look(View(measured(back[:, ::-1])))
    assert one.satellites[1] == other.satellites[0] == other.satellites[1] != one.satellites[0]
    told = sight_features(one)
    assert told[DOUBLES[2]] == pytest.approx((told[DOUBLES[0]] + told[DOUBLES[1]]) / 2)


def test_what_was_not_scanned_does_not_count() -> None:
    z = scene(shape=(96, 130))
    unfinished, missing = z.copy(), np.zeros(z.shape, np.bool_)
    unfinished[60:], missing[60:] = 0.0, True
    seen_ = Measured(unfinished, missing)
    part = measured(z[:60])
    whole, cut = (features(View(one), detect(one)) for one in (seen_, part))
    for name in ("relief/noise", "white/surface", "patches texture still", "change texture", "along 4"):
        assert whole[name] == pytest.approx(cut[name], abs=1e-6), name
    full = View(measured(z))
    assert full.within(slice(0, 96)) is full
    assert full.within(slice(0, 5)) is full
    assert full.within(slice(10, 60)).raw.shape == (50, 130)


def test_lines_filled_with_copies_are_told_from_lines_left_out() -> None:
    z = scene(shape=(96, 130))
    filled, left_out, missing = z.copy(), z.copy(), np.zeros(z.shape, np.bool_)
    filled[60:] = z[59]
    left_out[60:], missing[60:] = 0.0, True
    copies, gone, whole = (
        features(View(one), detect(one)) for one in (measured(filled), Measured(left_out, missing), measured(z))
    )
    assert copies["filled"] == pytest.approx(np.log10(1e-5 + 36 / 96) + 5)
    assert gone["filled"] == whole["filled"] == 0
    assert copies["unscanned"] == gone["unscanned"] == pytest.approx(36 / 96)


def particles(seed: int = 3) -> np.ndarray:
    y, x = np.indices((96, 130))
    tops = [np.sqrt(np.clip(100 - (y - a) ** 2 - (x - b) ** 2, 0, None)) for a, b in ((20, 30), (50, 90), (75, 40))]
    return np.max(tops, axis=0) + 0.02 * np.random.default_rng(seed).standard_normal(y.shape)


def test_a_particle_pushed_away_while_it_is_imaged_leaves_a_cut() -> None:
    noise = 0.02 * np.random.default_rng(4).standard_normal((2, 12, 25))
    z, back = particles(), particles(5)
    assert not any(cut_features(View(measured(z, opposite=back))).values())
    z[50:62, 78:103], back[49:61, 78:103] = noise
    z[50:] += 5
    back[49:] -= 5
    late = np.roll(back, 2, axis=1)
    for other in (back, late):
        cut = cut_features(View(measured(z, opposite=other)))
        assert np.expm1(cut["cut longest"]) == pytest.approx(19, abs=1)
        assert cut["cut count"] == pytest.approx(np.log(2))
        assert cut["cut strongest"] == pytest.approx(np.log(1 + 19 * 8.3 / View(measured(z)).half_range), abs=0.15)
        assert cut["cut both ways"] == pytest.approx(cut["cut strongest"], abs=0.25)
    lone = cut_features(View(measured(z)))
    assert lone["cut both ways"] == 0 < lone["cut strongest"]
    whole = particles(5)
    whole[50:] -= 5
    assert cut_features(View(measured(z, opposite=whole)))["cut both ways"] < 1


def test_scars_ramps_and_edges_across_the_lines_are_no_cuts() -> None:
    y, x = np.indices((96, 130))
    noise = 0.02 * np.random.default_rng(5).standard_normal(y.shape)
    edges = np.floor((y + 0.15 * x) / 24) + noise
    gaps = edges - (x % 9 > 6) * (np.abs((y + 0.15 * x) % 24) < 1)
    scar, wide, soft, short, faint = (noise + rough((96, 130), 0, 2.0, 8.0) for _ in range(5))
    scar[60, 10:70] += 16
    wide[60:62, 10:70] += 16
    soft[60:, 10:70] += np.clip((y[60:, 10:70] - 59) * 5, 0, 16)
    short[60:75, 10:13] += 16
    faint[60:75, 10:70] += 0.1 * View(measured(faint)).half_range
    for z in (edges, gaps, scar, wide, soft, short, faint):
        assert not any(cut_features(View(measured(z))).values())
    short[60:75, 10:14] += 16
    assert cut_features(View(measured(short)))["cut count"] == pytest.approx(np.log(3))


@pytest.mark.parametrize(("rows", "lines"), [(5, []), (6, [3]), (8, [3, 4, 5])])
def test_cuts_are_looked_for_where_there_are_lines_enough(rows: int, lines: list[int]) -> None:
    found = []
    for row in range(1, rows):
        z = np.zeros((rows, 16), np.float32)
        z[row:, 4:12] = 1
        found += [row] if sudden_steps(z, 0.5)[row, 4:12].all() else []
        assert not sudden_steps(z, 0.5)[:, :4].any()
    assert found == lines
