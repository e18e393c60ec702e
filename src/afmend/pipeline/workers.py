"""Worker processes that do not outlive the program that started them."""

from __future__ import annotations

import os
import threading
import time

EVERY_S = 1.0


def end_with_parent() -> None:
    """Let this process end soon after its parent does: the initializer of every pool of processes."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
