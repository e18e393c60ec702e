"""Metrics: results against a truth, masks against masks, methods against methods."""
