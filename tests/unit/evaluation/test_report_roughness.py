"""What leveling can have removed, as a history tells; the roughness on a card, and what it warns of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from afmend.evaluation.removed import Removed, removed_by
from afmend.evaluation.report_roughness import moved_results, quote, roughness_section
from afmend.fusion.scans import fuse
from afmend.recipes import apply_step, repair
from afmend.scan import ChannelKey, Masks, Record, Scan
from support import assert_heights_close, rough, scan_of

KEY = ChannelKey("height", "trace")
SHAPE = (90, 140)


def record(step: str, told: dict[str, object] | None = None, **facts: object) -> Record:
    """A record whose parameters and facts hold the same."""
    told = (told or {}) | facts
    return Record(step, "1", told, KEY, "0" * 32, "1" * 32, "0.1.0", told)


AUTO: dict[str, object] = {
    "line_model": "offset_slope", "line_degree": 1, "line_jumps": 0, "line_axis": "rows", "degree": 2,
}  # fmt: skip
ROWS = {"direction": "horizontal", "method": "median", "degree": 1}
SQUARE = {"degree_fast": 1, "degree_slow": 2, "degrees": "independent"}


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], Removed(None, 0)),
        ([record("level.auto", AUTO | {"line_model": "none"})], Removed(None, 2)),
        ([record("level.auto", AUTO), record("level.given")], Removed(1, 2)),
        ([record("level.auto", AUTO | {"line_jumps": 1})], None),
        ([record("level.auto", AUTO | {"line_axis": "columns"})], None),
        ([record("level.plane"), record("level.rows", ROWS), record("mark.scars")], Removed(0, 1)),
        ([record("level.rows", ROWS | {"method": "polynomial"})], Removed(1, 0)),
        ([record("level.rows", ROWS | {"direction": "vertical"})], None),
        ([record("level.rows", ROWS | {"method": "facet_tilt"})], None),
        ([record("level.polynomial", SQUARE)], Removed(None, 3)),
        ([record("level.polynomial", SQUARE | {"degrees": "total"})], Removed(None, 2)),
        ([record("level.polynomial", SQUARE | {"degree_fast": 4})], None),
        ([record("level.smart_flatten", {"bidirectional": False, "degree": 2}, direction="rows")], Removed(2, 0)),
        ([record("level.smart_flatten", {"bidirectional": True, "degree": 2}, direction="rows")], None),
        ([record("level.topostats"), record("level.shift")], Removed(0, 2)),
        ([record("level.topostats"), record("filter.gaussian")], None),
        ([record("mark.both_fly"), record("fuse.trace_retrace"), record("level.auto", AUTO)], Removed(1, 2)),
        ([record("fuse.trace_retrace", skipped="no channel of the other scan direction")], Removed(None, 0)),
        ([record("fuse.denoised", width_px=0.0)], Removed(None, 0)),
        ([record("fuse.denoised", skipped="the scan direction is unknown")], Removed(None, 0)),
        ([record("fuse.denoised", width_px=0.8)], None),
        ([record("fuse.frames", crossed=False)], Removed(0, 1)),
        ([record("fuse.frames", crossed=True)], Removed(None, 1)),
        ([record("fuse.frames")], None),
        ([record("level.auto")], None),
        ([record("level.of_another_program")], None),
    ],
)
def test_what_a_history_can_have_removed(records: list[Record], expected: Removed | None) -> None:
    assert removed_by(records) == expected


def test_leveled_and_raw_scan_have_the_same_roughness() -> None:
    """Whatever `level.auto` took lies in what is subtracted again, so the correction holds for its result."""
    tilted = rough(SHAPE, seed=3) + 0.2 * np.arange(SHAPE[1]) + np.random.default_rng(1).normal(0, 2, SHAPE[0])[:, None]
    raw = scan_of(tilted)
    leveled = apply_step(raw, "level.auto")
    history = [one for one in leveled.history if one.channel == leveled.main.key]
    found = quote(leveled, leveled.main.key, history)
    assert found.removed is not None
    assert found.removed.line_degree is not None
    again = quote(replace(raw, history=()), raw.main.key, history)
    assert found.measured is not None
    assert again.measured is not None
    assert found.measured.Sq == pytest.approx(again.measured.Sq, abs=1e-9)
    text = roughness_section(found, "nm", calibrated=True, lengths=False)
    assert "polynomials of degree" in text
    assert "correlation length <small>px</small>" in text


def test_fusion_keeps_what_both_directions_have_in_common() -> None:
    """Tilt, bows and offsets of lines stay: nothing has to be given back."""
    u = np.linspace(-1, 1, SHAPE[1])
    z = rough(SHAPE, seed=3) + 9 * u + 5 * u * u + np.random.default_rng(1).normal(0, 2, SHAPE[0])[:, None]
    noise = 0.01 * np.random.default_rng(2).standard_normal((2, *SHAPE))
    fused = fuse(scan_of(z + noise[0], opposite=z + noise[1]))
    assert removed_by(fused.history) == Removed(None, 0)
    assert_heights_close(np.array(fused.main.values), z, atol_nm=0.1)
    assert "Not computed" not in roughness_section(
        quote(fused, fused.main.key, fused.history), "nm", calibrated=True, lengths=True
    )


def filled(bump: float) -> Scan:
    """A scan whose filled block stands out by so many nm."""
    z = rough(SHAPE, seed=5)
    hole = np.zeros(SHAPE, dtype=bool)
    hole[40:46, 40:100] = True
    scan = scan_of(z + bump * hole)
    channel = scan.main.evolve(masks=Masks(artifact={"scar": hole}), uncertainty=np.where(hole, 0.1, 0.0))
    return Scan.of(scan.grid, [channel])


def test_a_fill_that_moves_the_result_is_told() -> None:
    honest, moved = filled(0.0), filled(30.0)
    assert moved_results(quote(honest, honest.main.key, []), []) == []
    told = moved_results(quote(moved, moved.main.key, []), [])
    assert told[0].startswith("MOVED: with the filled pixels Sq is")


def test_unsure_lines_are_told() -> None:
    scan = filled(0.0)
    quoted = quote(scan, scan.main.key, [])
    assert quoted.measured is not None
    sure, unsure = (record("level.auto", line_sigma_median_nm=share * quoted.measured.Sq) for share in (0.2, 0.3))
    assert moved_results(quoted, [sure]) == []
    assert [one.split(":")[0] for one in moved_results(quoted, [unsure])] == ["UNSURE LINES"]


def test_what_cannot_be_corrected_says_why() -> None:
    scan = filled(0.0)
    blurred = quote(scan, scan.main.key, [record("filter.gaussian")])
    assert moved_results(blurred, []) == []
    assert "Not computed: filter.gaussian takes more than" in roughness_section(
        blurred, "nm", calibrated=True, lengths=True
    )
    flat = scan_of(np.zeros(SHAPE))
    assert "the surface is flat" in roughness_section(
        quote(flat, flat.main.key, []), "nm", calibrated=True, lengths=True
    )


def test_the_card_of_a_repaired_scan_has_it() -> None:
    from afmend.evaluation.report import card

    scan = scan_of(rough(SHAPE, seed=6))
    mended = repair(scan)
    assert "Roughness, corrected for leveling" in card(scan, None, mended, mended.main.key).html
