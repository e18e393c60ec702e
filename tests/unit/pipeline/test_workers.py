"""Worker processes end with the program that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CODE = """
import subprocess, sys, time
work = ("import time; from afmend.pipeline import workers; workers.EVERY_S = 0.1; workers.end_with_parent(); "
        "print('ready', flush=True); time.sleep(60)")
child = subprocess.Popen([sys.executable, "-c", work])
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes have no parent to ask there")
def test_a_worker_ends_when_its_parent_is_killed():
    with subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True) as parent:
        lines = {parent.stdout.readline().strip() for _ in range(2)}
        worker = int(next(line for line in lines if line != "ready"))
        parent.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if state_of(worker) == "Z":
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    raise AssertionError("the worker lives on")


def state_of(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return text.rpartition(")")[2].split()[0]
    except OSError:
        return ""
