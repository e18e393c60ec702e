import subprocess
import sys
from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

import pytest

from afmend.evaluation.metrics import METRICS, Better, Metric
from afmend.evaluation.metrics.register import metrics_markdown
from support import ROOT


@pytest.mark.parametrize("name", list(METRICS))
def test_every_metric_says_what_it_is_and_what_fools_it(name):
    metric = METRICS[name]
    assert callable(metric.function)
    assert metric.better in get_args(Better)
    assert metric.title
    assert 20 < len(metric.fooled_by) < 400
    assert 20 < len(metric.what) < 250
    assert metric.sources
    assert not metric.sources.endswith((".", ",", ")"))
    assert "\n" not in metric.fooled_by
    answer = get_type_hints(metric.function)["return"]
    if metric.part:
        assert metric.part in {field.name for field in fields(answer)}
    else:
        assert not is_dataclass(answer)


def test_sources_are_norms_and_papers():
    assert METRICS["sq_bias"].sources == "ISO 25178-2; arXiv:2001.00433"
    assert METRICS["fill_crps"].sources == "doi:10.1198/016214506000001437"
    assert METRICS["ssim"].sources == "doi:10.1109/TIP.2003.819861"
    assert METRICS["sigma_bg"].sources.startswith("the seed paper")
    assert METRICS["fill_rmse"].sources == "afmend"


def test_the_reference_page_is_current():
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    assert page == metrics_markdown(), "run: afmend bench metrics --markdown > docs/reference/metrics.md"
    assert page.count("\n| ") == len(METRICS) + 1


def test_a_function_without_the_sentence_has_no_text():
    assert Metric("Rank correlation", "", "higher", "arguments:rms").fooled_by == ""


def test_the_table_loads_no_array_library_of_its_own():
    code = "import sys, afmend.evaluation.metrics as m; assert len(m.METRICS); print('scipy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
