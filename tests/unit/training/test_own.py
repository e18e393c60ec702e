"""Scans with masks that a person corrected become examples."""

from __future__ import annotations

import numpy as np
import pytest

import afmend
from afmend.errors import BadMaskError
from afmend.formats import write
from afmend.scan import Masks
from afmend.training.masks import task
from afmend.training.masks.examples import EVERY, bit
from afmend.training.masks.items import EACH, PLANES, Data
from afmend.training.masks.own import own_examples
from afmend.training.masks.task import MaskTask
from afmend.training.masks.vary import CROP
from support import rough, scan_of

SHAPE = (32, 48)


def masks() -> dict[str, np.ndarray]:
    found = {name: np.zeros(SHAPE, bool) for name in ("scar", "bad_line", "odd")}
    found["scar"][5, 10:30], found["bad_line"][20], found["odd"][25, 3:9] = True, True, True
    return found


def test_kinds_are_kept_and_unknown_ones_say_only_that_something_is_wrong(tmp_path) -> None:
    missing = np.zeros(SHAPE, bool)
    missing[30] = True
    z = rough(SHAPE)
    write(scan_of(z, masks=Masks(missing=missing, artifact=masks()), opposite=z), tmp_path / "a.h5")
    (one,) = own_examples(tmp_path)
    assert (one.wrong[5, 10:30] == bit("scar")).all()
    assert (one.wrong[20] == bit("line")).all()
    assert (one.wrong[25, 3:9] == bit("scar")).all()
    assert (one.unsure[25, 3:9] == EVERY & ~bit("scar")).all()
    assert (one.unsure[30] == EVERY).all()
    assert not one.clean
    assert not one.alone


def test_what_was_drawn_in_gwyddion_counts_and_a_scan_without_masks_is_clean(tmp_path, monkeypatch) -> None:
    drawn = Masks(foreground={"gwyddion": masks()["scar"]})
    write(scan_of(rough(SHAPE), masks=drawn), tmp_path / "a.gwy")
    write(scan_of(rough(SHAPE, 2)), tmp_path / "b.h5")
    drawn_on, clean = own_examples(tmp_path)
    assert drawn_on.wrong.any()
    assert drawn_on.alone
    assert clean.clean
    assert not clean.wrong.any()
    monkeypatch.setattr(task, "OWN", 1.0)
    data = Data(tmp_path, range(1))
    data.items(0).parent.mkdir()
    np.save(data.items(0), np.zeros((EACH, PLANES, *CROP), np.uint8))
    planes, _ = MaskTask(data, own=(clean,)).batch(0, 0, 2)
    assert planes.shape == (2, PLANES, *CROP)
    assert all(item[:-2].any() for item in planes)  # the simulated ones are empty: all of it comes from the own one


def test_filled_scans_small_ones_and_empty_folders_are_refused(tmp_path) -> None:
    with pytest.raises(BadMaskError, match="holds no scans"):
        own_examples(tmp_path)
    write(scan_of(rough((3, 40))), tmp_path / "small.h5")
    with pytest.raises(BadMaskError, match="holds no scans"):
        own_examples(tmp_path)
    scan = scan_of(rough(SHAPE), masks=Masks(artifact={"scar": masks()["scar"]}))
    write(afmend.apply_step(scan, "fill.laplace"), tmp_path / "filled.h5")
    with pytest.raises(BadMaskError, match="have been filled"):
        own_examples(tmp_path)
