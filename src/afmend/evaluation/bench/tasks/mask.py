"""Marking artifacts: masks against the pixels that the twin damaged."""

from __future__ import annotations

import numpy as np

from afmend.evaluation.bench.cases import KEY, SOFT, Case
from afmend.evaluation.bench.task import Column, Scores, Task, heights_of, run_on_scan
from afmend.evaluation.metrics.masks import false_marked_share, mask_overlap, object_recall
from afmend.scan import Scan

RECALL_OF = "recall_of_"
"""Scores of this beginning are the recall of one kind, in percent; the table shows them by kind."""
FEWEST_PX = 20
"""A kind with fewer damaged pixels in a scan says nothing about recall."""


def score(case: Case, result: Scan) -> Scores:
    """Score all artifact masks of the result, pooled, on the pixels that were recorded.

    Which kind a detector calls a pixel does not count: recall is given per true kind.
    """
    heights_of(case, result)
    channel = result.channels[KEY]
    recorded = case.recorded
    found, true = channel.artifact & recorded, case.to_find & recorded
    counts = recorded & (true | ~case.soft)
    tolerant = mask_overlap(found, true, tolerance_lines=1, usable=counts)
    strict = mask_overlap(found, true, tolerance_lines=0, usable=counts)
    scores = {
        "iou_percent": 100.0 * tolerant.iou,
        "precision_percent": 100.0 * tolerant.precision,
        "recall_percent": 100.0 * tolerant.recall,
        "strict_iou_percent": 100.0 * strict.iou,
        "object_recall_percent": 100.0 * object_recall(found, true, usable=counts).recall,
        "false_percent": 100.0 * false_marked_share(found, true, usable=counts),
    }
    if not true.any():
        # A clean scan has no overlap to speak of, only false marks.
        kept = ("false_percent",)
        scores = {key: value if key in kept else float("nan") for key, value in scores.items()}
        return scores | {"false_on_clean_percent": scores["false_percent"]}
    for kind, mask in case.masks.items():
        if kind not in SOFT and np.count_nonzero(mask & recorded) >= FEWEST_PX:
            part = mask_overlap(found, mask & recorded, tolerance_lines=1, usable=recorded)
            scores[f"{RECALL_OF}{kind}"] = 100.0 * part.recall
    return scores


TASK = Task(
    "mask",
    "Finding artifacts",
    "All artifact masks of a method, pooled, against the pixels that the twin damaged; a mask may be one line off "
    "unless it says strict. What leveling mends (offsets of lines), line jumps, what another tip recorded and the "
    "everyday lag of a feedback loop on slopes are neither right nor wrong to mark. Scans without any other damage "
    "count only as clean scans. Damage below the noise counts, too: nobody reaches 100 %.",
    (
        Column("iou_percent", "IoU, %", "high", "difference", "intersection over union"),
        Column("precision_percent", "precision, %", "high", "", "share of the marked pixels that are damaged"),
        Column("recall_percent", "recall, %", "high", "difference", "share of the damaged pixels that are marked"),
        Column("strict_iou_percent", "strict IoU, %", "high", "difference", "without tolerance"),
        Column("object_recall_percent", "objects found, %", "high", "",
               "damaged regions of which more than half is marked"),
        Column("false_percent", "falsely marked, %", "low", "difference", "share of the good pixels"),
        Column("false_on_clean_percent", "falsely marked on clean scans, %", "low", "", "should be below 0.5"),
    ),
    run_on_scan,
    score,
)  # fmt: skip
