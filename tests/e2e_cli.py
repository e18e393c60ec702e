"""Shared by the tests of commands: run ``afmend`` as a user does."""

import os
import subprocess
import sys

from support import ROOT


def cli(*words, cwd=None):
    """Run ``afmend WORDS`` in a process of its own."""
    command = [sys.executable, "-m", "afmend.apps.cli.main", *map(str, words)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=env)
