"""Metrics: results against a truth, masks against masks, methods against methods.

Belongs here: pure functions on arrays (heights in nm, masks True = counts), each in the file of its family, and the
table that says which way each is better and what it can be fooled by. Does not belong here: running methods, twins.

A metric that is not defined on a scan (no hole, no particle, flat truth) is NaN; wrong input raises an `AfmendError`.
"""

from afmend.evaluation.metrics.register import METRICS, Better, Metric

__all__ = ["METRICS", "Better", "Metric"]
