"""The report of a run: one card per scan, made where the scan is at hand, and one page made at the end."""

from afmend.evaluation.report_card import card
from afmend.evaluation.report_facts import Card, Failure, RunFacts
from afmend.evaluation.report_page import write_report

__all__ = ["Card", "Failure", "RunFacts", "card", "write_report"]
