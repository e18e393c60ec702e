"""Running a recipe over many files: workers, resume, summary. A batch never loses.

Belongs here: finding files, the queue, the journal, the outputs of one file, the summary.
Does not belong here: printing, flags (cli), anything about heights.
"""

from afmend.apps.batch.job import Job, JobResult, ScanResult
from afmend.apps.batch.plan import Order, plan
from afmend.apps.batch.run import Outcome, run_batch

__all__ = ["Job", "JobResult", "Order", "Outcome", "ScanResult", "plan", "run_batch"]
