"""Worker processes that do not outlive the program that started them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.process import BaseProcess


def end_with_parent() -> None:
    """Let this process end when the one that started it is gone, even if that was killed and could not say so.

    The initializer of every pool of processes.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_end, args=(parent,), daemon=True).start()


def _wait_and_end(parent: BaseProcess) -> None:  # pragma: no cover (ends its process, in which nothing is counted)
    parent.join()
    os._exit(1)
