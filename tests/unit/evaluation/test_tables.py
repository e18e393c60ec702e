import csv

import pytest

from afmend.errors import WriteError
from afmend.evaluation.tables import write_statistics_csv


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
    with pytest.raises(WriteError, match="cannot be written"):
        write_statistics_csv(tmp_path / "nowhere" / "a.csv", [{"a": 1}])
    (tmp_path / "taken").mkdir()
    with pytest.raises(WriteError, match="cannot be replaced"):
        write_statistics_csv(tmp_path / "taken", [{"a": 1}])
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]
