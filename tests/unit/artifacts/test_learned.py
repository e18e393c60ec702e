"""The learned masks: what the model sees is free of units, what it says lands in the right masks."""

from __future__ import annotations

import numpy as np
import pytest

import afmend
from afmend.artifacts.learned import Learned, learned, load_masks_model, probabilities
from afmend.artifacts.learned_inputs import INPUTS, KINDS, measured_lines, medians, model_inputs, quantiles
from afmend.errors import ModelError
from afmend.pipeline import Field
from support import rough, scan_of
from tiny_models import spike_model

SHAPE = (40, 72)


def measured(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rough(SHAPE, seed, 2.0, 5) + 0.1 * rng.standard_normal(SHAPE) + 0.3 * rng.standard_normal((SHAPE[0], 1))


def scarred() -> tuple[np.ndarray, np.ndarray]:
    z, mask = measured(), np.zeros(SHAPE, bool)
    mask[17, 20:50] = True
    return z + 5.0 * mask, mask


def test_inputs_are_finite_and_do_not_depend_on_units_tilt_or_offsets() -> None:
    z, other = measured(), measured(1)
    maps = model_inputs(z, None, other)
    assert maps.shape == (len(INPUTS), *SHAPE)
    assert np.isfinite(maps).all()
    assert float(np.abs(maps).max()) <= 10
    rows, cols = np.indices(SHAPE)
    again = model_inputs(1e-9 * (z + 3.0 + 0.02 * rows + 0.01 * cols), None, 1e-9 * other)
    kept = [k for k, name in enumerate(INPUTS) if not name.startswith(("other direction: diff", "slope"))]
    assert float(np.abs(maps[kept] - again[kept]).max()) < 2e-2


def test_without_the_other_direction_its_maps_are_empty() -> None:
    other = [k for k, name in enumerate(INPUTS) if name.startswith("other direction")]
    assert len(other) == 3
    assert not model_inputs(measured())[other].any()
    assert (model_inputs(measured(), None, measured(1))[INPUTS.index("other direction: there")] == 1).all()


@pytest.mark.parametrize("z", [np.zeros(SHAPE), np.round(measured(), 0), np.full((4, 16), 3.0)])
def test_inputs_of_flat_and_coarse_scans_are_finite(z) -> None:
    maps = model_inputs(z)
    assert np.isfinite(maps).all()


def test_a_scar_on_most_of_its_line_is_not_taken_for_an_offset() -> None:
    rng = np.random.default_rng(1)
    z = rough(SHAPE, 1, 0.1, 5) + 0.1 * rng.standard_normal(SHAPE)
    bend, offset = INPUTS.index("bend across the lines"), INPUTS.index("offset of the line")
    scar, shifted, tilted = z.copy(), z.copy(), z.copy()
    scar[20:22, 4:58] += 2.0
    shifted[20] += 2.0
    tilted[20] += np.linspace(0, 6, SHAPE[1])
    maps = model_inputs(scar)
    assert np.median(maps[bend, 20, 4:58]) > 3
    assert abs(np.median(maps[bend, 20, 58:])) < 1
    assert np.abs(maps[offset]).max() < 2
    for whole in (shifted, tilted):
        maps = model_inputs(whole)
        assert np.abs(maps[offset, 20:22]).min() > 5
        assert abs(np.median(maps[bend, 20])) < 1.5


def test_lines_at_the_ends_that_were_not_measured_are_found() -> None:
    z = measured()
    assert measured_lines(z) == slice(0, SHAPE[0])
    z[33:] = z[32]  # saved again and again
    z[:2] = 0.0
    assert measured_lines(z) == slice(2, 33)
    excluded = np.zeros(SHAPE, bool)
    excluded[:5, :60] = True
    excluded[20] = True  # in the middle: lines around it were measured
    assert measured_lines(z, excluded) == slice(5, 33)
    for nothing in (np.full(SHAPE, 7.0), np.broadcast_to(measured()[:1], SHAPE)):
        lines = measured_lines(nothing)
        assert lines.start == lines.stop


def test_an_unfinished_scan_is_marked_like_its_finished_part() -> None:
    z, _ = scarred()
    part = probabilities(Field(z[:30]))
    z[30:] = z[29]
    whole = probabilities(Field(z))
    for kind in KINDS:
        assert float(np.abs(whole[kind][:30] - part[kind]).max()) == 0
        assert not whole[kind][30:].any()
    assert not any(map_.any() for map_ in probabilities(Field(np.zeros(SHAPE))).values())


def test_excluded_pixels_do_not_matter() -> None:
    z, excluded = measured(), np.zeros(SHAPE, bool)
    excluded[5:9, 10:30] = True
    wild = np.where(excluded, 1e6, z)
    assert float(np.abs(model_inputs(wild, excluded) - model_inputs(z, excluded)).max()) == 0


@pytest.mark.parametrize("direction", ["trace", "retrace", "unknown"])
def test_a_scar_is_marked_as_a_scar_whatever_the_direction(tmp_path, direction) -> None:
    card = spike_model(tmp_path)
    z, mask = scarred()
    found = learned(Field(z, direction=direction, opposite=measured(), excluded=np.zeros(SHAPE, bool)),
                    Learned(model=str(card)))  # fmt: skip
    assert sorted(found.masks) == ["bad_line", "scar"]
    assert (found.masks["scar"] & mask).sum() >= 28
    assert found.masks["scar"][~mask].sum() < 5
    assert found.facts["model_version"] == "7"
    assert found.facts["marked"]["scar"] == found.masks["scar"].sum()


def test_knobs_choose_kinds_threshold_and_size(tmp_path) -> None:
    card = str(spike_model(tmp_path))
    field = Field(scarred()[0])
    assert "scar" not in learned(field, Learned(model=card, scars=False)).masks
    switches = {"jumps": True, "spikes": True, "parachuting": True, "chatter": True, "lost": True}
    more = learned(field, Learned(model=card, **switches)).masks
    assert set(more) >= {"jump", "spike", "parachute", "chatter", "lost_tracking"}
    assert not learned(field, Learned(model=card, thr=1.0)).masks["scar"].any()
    strict = learned(field, Learned(model=card, thr=0.001, thr_rest=1.0, **switches)).masks
    lax = learned(field, Learned(model=card, thr=0.001, **switches)).masks
    for name in ("scar", "bad_line"):
        assert np.array_equal(strict[name], lax[name])
    assert not any(strict[name].any() for name in ("jump", "spike", "parachute", "chatter", "lost_tracking"))
    assert lax["jump"].any()
    assert not learned(field, Learned(model=card, min_pix=200)).masks["scar"].any()
    some = learned(field, Learned(model=card, min_pix=20)).masks["scar"]
    assert some.sum() >= 28
    assert not learned(Field(np.zeros((3, 80))), Learned(model=card)).masks


def test_probabilities_are_zero_where_nothing_was_measured(tmp_path) -> None:
    card = spike_model(tmp_path)
    z, mask = scarred()
    excluded = np.zeros(SHAPE, bool)
    excluded[17, 30:40] = True
    shown = probabilities(Field(z, excluded), load_masks_model(str(card)))
    assert tuple(shown) == KINDS
    assert not shown["scar"][excluded].any()
    assert (shown["scar"][mask & ~excluded] > 0.5).mean() > 0.8


def test_models_for_other_inputs_are_refused(tmp_path) -> None:
    with pytest.raises(ModelError, match="other inputs"):
        load_masks_model(str(spike_model(tmp_path, version=99)))


def test_the_model_that_comes_with_afmend_finds_a_scar_and_spares_a_clean_scan() -> None:
    rng = np.random.default_rng(4)
    clean = rough((96, 160), 4, 2.0, 7) + 0.05 * rng.standard_normal((96, 160))
    bad = clean.copy()
    bad[40, 30:120] += 2.0
    marked = afmend.mark(scan_of(bad), _only_learned())
    found = next(iter(marked.channels.values())).artifact
    assert found[40, 30:120].mean() > 0.7
    spared = next(iter(afmend.mark(scan_of(clean), _only_learned()).channels.values())).artifact
    assert spared.mean() < 0.005


def _only_learned():
    from afmend.pipeline import Recipe

    return Recipe.model_validate({"name": "x", "steps": [{"step": "mark.learned", "params": {}}]})


def test_quantiles_and_medians_are_those_of_numpy_to_the_last_digit() -> None:
    rng = np.random.default_rng(5)
    for size in (2, 3, 17, 100, 101, 512):
        values = np.abs(rng.standard_normal(size)).astype(np.float32)
        assert quantiles(values, (0.5, 0.9, 0.99)) == np.percentile(values, (50, 90, 99)).tolist()
        rows = rng.standard_normal((5, size))
        assert np.array_equal(medians(rows), np.median(rows, axis=1))
        assert np.array_equal(medians(rows.astype(np.float32)), np.median(rows.astype(np.float32), axis=1))
