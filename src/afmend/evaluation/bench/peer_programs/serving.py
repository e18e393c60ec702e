"""The two ends of the pipe between the benchmark and a program of other people; standard library and NumPy only."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import IO, Any

import numpy as np


def send(pipe: IO[bytes], head: dict[str, Any], *arrays: Any) -> None:
    """Write a line of JSON and the bytes of arrays."""
    pipe.write(json.dumps(head).encode("ascii") + b"\n")
    for array in arrays:
        pipe.write(np.ascontiguousarray(array).tobytes())
    pipe.flush()


def receive(pipe: IO[bytes]) -> tuple[dict[str, Any], Any, Any]:
    """Read a line of JSON, and heights and a mask if it announces a shape."""
    line = pipe.readline()
    if not line:
        raise EOFError
    head: dict[str, Any] = json.loads(line)
    if "shape" not in head:
        return head, None, None
    rows, cols = head["shape"]
    heights = np.frombuffer(_exactly(pipe, rows * cols * 8), dtype=np.float64).reshape(rows, cols).copy()
    mask = np.frombuffer(_exactly(pipe, rows * cols), dtype=np.bool_).reshape(rows, cols).copy()
    return head, heights, mask


def _exactly(pipe: IO[bytes], count: int) -> bytes:
    data = pipe.read(count)
    if len(data) < count:
        raise EOFError
    return data


def serve(start: Callable[[], tuple[str, Callable[..., Any]]]) -> None:
    """Answer jobs until standard input ends.

    ``start`` returns the program's version and a function (job, heights in nm, mask, pixel_nm) -> (heights, mask).
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to standard error
    try:
        version, work = start()
    except Exception as error:  # noqa: BLE001 (told to the benchmark, which says that the program was not found)
        send(answers, {"error": f"{type(error).__name__}: {error}"})
        return
    send(answers, {"version": version})
    while True:
        try:
            head, heights, mask = receive(sys.stdin.buffer)
        except EOFError:
            return
        try:
            heights, mask = work(head["job"], heights, mask, tuple(head["pixel_nm"]))
        except Exception as error:  # noqa: BLE001 (told to the benchmark, which counts the failure)
            send(answers, {"error": f"{type(error).__name__}: {error}"})
        else:
            send(answers, {"shape": heights.shape}, heights.astype(np.float64), mask.astype(np.bool_))
