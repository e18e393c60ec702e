"""A worker process: one job per line on standard input, one result per line on standard output.

A crash (a library's segmentation fault, the system killing it for memory) ends this process, not the batch.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Serve jobs until standard input ends."""
    # Results travel on a private copy of standard output; whatever a library prints goes to standard error.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    from afmend.apps.batch.job import Job
    from afmend.apps.batch.one import do_job

    for line in sys.stdin:
        result = do_job(Job.from_json(json.loads(line)))
        try:
            answers.write(json.dumps(result.to_json()) + "\n")
            answers.flush()
        except BrokenPipeError:  # the batch is gone
            os._exit(1)


if __name__ == "__main__":
    main()
