"""Mutated files end in an AfmendError or in a scan; own HDF5 files in an AfmendError or the same scan."""

import random

import numpy as np
import pytest
from files_b import bcr, ibw, sur
from scans_b import full_scan

from afmend.errors import AfmendError
from afmend.formats import afmend_h5, asylum, bcrf, gsf, gwyddion, surf

RAW = np.arange(15).reshape(3, 5) * 100 - 400


def _mutations(raw, count, seed):
    """Bytes changed, cut off, put in; lengths replaced by extremes."""
    rng = random.Random(seed)
    for _ in range(count):
        new = bytearray(raw)
        at = rng.randrange(len(raw))
        match rng.randrange(4):
            case 0:
                for _ in range(rng.choice([1, 2, 30])):
                    new[rng.randrange(len(new))] = rng.randrange(256)
            case 1:
                del new[at:]
            case 2:
                new[at : at + 4] = rng.choice([b"\xff" * 4, b"\xff\xff\xff\x7f", bytes(4), b"9999"])
            case _:
                new[at:at] = rng.randbytes(rng.randrange(1, 40))
        yield bytes(new)


def _small_scan():
    return full_scan((5, 7))


@pytest.fixture
def samples(tmp_path):
    """A tiny file of every format."""
    gsf.write(_small_scan(), tmp_path / "a.gsf")
    gwyddion.write(_small_scan(), tmp_path / "a.gwy")
    afmend_h5.write(_small_scan(), tmp_path / "a.h5")
    return {
        "asylum": (asylum, ibw(np.ones((2, 3, 5)), ["HeightTrace", "PhaseTrace"], note="ScanRate: 1\rScanSize: 2\r")),
        "bcrf": (bcrf, bcr(RAW, "bit2nm = 1\nzmin = 3\n")),
        "gsf": (gsf, (tmp_path / "a.gsf").read_bytes()),
        "gwyddion": (gwyddion, (tmp_path / "a.gwy").read_bytes()),
        "surf": (surf, sur(RAW, special=1)),
        "afmend_h5": (afmend_h5, (tmp_path / "a.h5").read_bytes()),
    }


@pytest.mark.parametrize("name", ["afmend_h5", "asylum", "bcrf", "gsf", "gwyddion", "surf"])
def test_mutated_files_end_well(samples, tmp_path, name):
    form, raw = samples[name]
    path = tmp_path / "mutated"
    ends = {"read": 0, "refused": 0}
    for new in _mutations(raw, 80, seed=7):
        path.write_bytes(new)
        form.recognise(new[:65536], path)
        try:
            scans = form.read(path)
        except AfmendError:
            ends["refused"] += 1
            continue
        ends["read"] += 1
        if name == "afmend_h5":
            assert scans == [_small_scan()]
    assert ends["refused"] > 10
    assert ends["read"] > 0
