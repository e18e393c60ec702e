"""A folder of scans, and one run over all of it, for all tests of the benchmark."""

import pytest

from afmend.evaluation.bench.plan import settings_of
from afmend.evaluation.bench.run import run_units

from .standin import SCANS, folder_of


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return folder_of(tmp_path_factory.mktemp("bench") / "data", SCANS)


@pytest.fixture(scope="session")
def whole(data):
    settings = settings_of("quick", data=data)
    return settings, run_units(settings, 1)
