import numpy as np
import pytest

from afmend import apply_step
from afmend.errors import BadMaskError
from afmend.scan import Masks
from support import rough, scan_of

BOX = [[10, 4], [20, 4], [20, 9], [10, 9]]


def scan():
    scar, spike, ground, lost = (np.zeros((24, 37), bool) for _ in range(4))
    scar[6, 5:30] = spike[5, 12] = True
    ground[:8] = lost[4:6] = True
    masks = Masks(missing=lost, artifact={"scar": scar, "spike": spike}, foreground={"drawn": ground})
    return scan_of(rough(), masks=masks)


def test_areas_leave_every_mask_of_a_role():
    after = apply_step(scan(), "mask.erase", polygons=[BOX]).main.masks
    assert "spike" not in after.artifact
    kept = np.zeros((24, 37), bool)
    kept[6, 5:10] = kept[6, 20:30] = True
    assert (after.artifact["scar"] == kept).all()
    assert after.foreground["drawn"].sum() == 8 * 37
    assert after.missing is not None
    assert after.missing.sum() == 2 * 37


def test_only_the_mask_of_a_name():
    after = apply_step(scan(), "mask.erase", rectangles=[[10, 4, 10, 5]], name="spike").main.masks
    assert list(after.artifact) == ["scar"]
    assert after.artifact["scar"].sum() == 25
    after = apply_step(scan(), "mask.erase", polygons=[BOX], role="foreground").main.masks
    assert after.foreground["drawn"].sum() == 8 * 37 - 4 * 10


def test_nanometers_and_senseless_areas():
    after = apply_step(scan(), "mask.erase", polygons=[[[3 * x, 2 * y] for x, y in BOX]], unit="nm").main.masks
    assert after.artifact["scar"].sum() == 15
    with pytest.raises(BadMaskError, match="no pixel"):
        apply_step(scan(), "mask.erase", polygons=[[[90, 90], [99, 90], [99, 99]]])
    assert apply_step(scan(), "mask.erase").main.masks == scan().main.masks
