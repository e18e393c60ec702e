"""The benchmark: methods on scans with a known surface, every claim an error in nanometers.

Belongs here: cases, the methods that every table holds, tasks, tables, the page. Does not belong here: the twin that
makes the scans (simulation), metrics (evaluation.metrics), commands (apps).
"""
