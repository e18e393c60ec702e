"""Every image channel of every real scan agrees with what Gwyddion reads (oracle.tsv)."""

import csv
from collections import defaultdict

import numpy as np
import pytest

import afmend
from afmend.scan.units import in_memory
from support import REAL, SCANS, realdata

pytestmark = realdata

FIELDS = ("min", "max", "mean", "std", "z00", "z0N", "zN0", "zNN")


def _oracle():
    rows = defaultdict(list)
    if SCANS.is_dir():
        with (REAL / "oracle.tsv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                rows[row["file"]].append(row)
    return {name: rows for name, rows in rows.items() if rows[0]["channel"] != "REFUSED"}


ORACLE = _oracle()


def _numbers(channel, factor, lowest):
    """Min, max, ... as in the oracle; Gwyddion shows void pixels of Digital Surf files as the lowest level."""
    z = np.where(channel.missing, lowest * factor, channel.values) if lowest is not None else channel.values
    kept = z[~channel.missing] if lowest is None else z
    found = [kept.min(), kept.max(), kept.mean(), kept.std(), z[0, 0], z[0, -1], z[-1, 0], z[-1, -1]]
    return np.array(found) / factor


@pytest.mark.parametrize("name", sorted(ORACLE))
def test_agrees_with_gwyddion(name):
    scans = afmend.read_all(SCANS / name)
    channels = [(scan, channel) for scan in scans for channel in scan.channels.values()]
    for row in ORACLE[name]:
        shape = (int(row["rows"]), int(row["cols"]))
        want = np.array([float(row[field]) for field in FIELDS])
        size_nm = np.array([float(row["yreal_m"]), float(row["xreal_m"])]) * 1e9
        unit, factor = in_memory(row["unit_z"]) if row["unit_z"] else ("", 1.0)
        lowest = want[0] if name.endswith(".sur") else None
        tolerance = 1e-6 * (want[1] - want[0]) + 1e-300
        fits = [
            scan
            for scan, channel in channels
            if channel.shape == shape
            and channel.unit == unit
            and np.max(np.abs(_numbers(channel, factor, lowest) - want)) <= tolerance
            and (not row["unit_xy"] or np.max(np.abs(np.array(scan.grid.size_nm) / size_nm - 1)) <= 1e-6)
            and bool(row["unit_xy"]) == scan.grid.calibrated
        ]
        assert fits, f"{name} channel {row['channel']} ({row['title']}) agrees with nothing that afmend reads"
