import csv

import numpy as np
import pytest

from afmend.errors import WriteError
from afmend.evaluation.tables import cell, write_statistics_csv


def test_table_keeps_order_digits_and_gaps(tmp_path):
    path = tmp_path / "statistics.csv"
    write_statistics_csv(
        path, [{"file": "ä,b.spm", "Sq": 0.1 + 0.2, "pixels": 5}, {"file": "c", "Sdq": None, "Sa": 1e-9}]
    )
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "Sq", "pixels", "Sdq", "Sa"]
    assert rows[0]["file"] == "ä,b.spm"
    assert float(rows[0]["Sq"]) == 0.1 + 0.2
    assert rows[1]["Sq"] == rows[1]["Sdq"] == ""
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_that_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot write there"):
        write_statistics_csv(tmp_path / "file" / "a.csv", [{"a": 1}])
    (tmp_path / "taken").mkdir()
    with pytest.raises(WriteError, match="cannot be written"):
        write_statistics_csv(tmp_path / "taken", [{"a": 1}])
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "taken"}


def test_folders_are_made(tmp_path):
    write_statistics_csv(tmp_path / "new" / "a.csv", [{"a": 1}])
    assert (tmp_path / "new" / "a.csv").read_text(encoding="utf-8") == "a\n1\n"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(text, f"'{text}") for text in ("=1+1", "+1", "-x", "@a", "\ta", "\ra")]
    + [("a=1", "a=1"), ("", ""), ("\udcff.spm", "\\udcff.spm"), (None, ""), (-0.1, "-0.1"), (-3, -3), (True, True),
       (np.float64(-0.5), "-0.5")],
)  # fmt: skip
def test_cells_are_harmless_and_writable(value, wanted):
    assert cell(value) == wanted


def test_keys_of_rows_are_guarded_too(tmp_path):
    write_statistics_csv(tmp_path / "a.csv", [{"=x": "=y"}])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "'=x\n'=y\n"
