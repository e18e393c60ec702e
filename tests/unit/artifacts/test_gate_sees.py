"""What the gate sees: the networks' inputs and answers, the surface without its noise, satellites."""

from __future__ import annotations

import numpy as np
import pytest

from afmend.artifacts.gate.cut_features import cut_features, sudden_steps
from afmend.artifacts.gate.detectors import detect
from afmend.artifacts.gate.double_features import REACH_PX, double_features
from afmend.artifacts.gate.features import features
from afmend.artifacts.gate.pair_features import damage_features
from afmend.artifacts.gate.relief_features import relief_features
from afmend.artifacts.gate.sight import (
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
    assert len(after) == (7 + 4) * 10 + 3 + len(SAID) + 1
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
    scar, wide, soft, short, faint = (noise + rough((96, 130), 0, 2.0, 5.0) for _ in range(5))
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
