"""Evaluation: statistics of a scan, metrics against a truth, the report of a run.

Belongs here: numbers and pages about scans. Does not belong here: changing a scan.
"""
