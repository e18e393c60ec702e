"""Tiny non-square Createc files, written from public descriptions of the format."""

import zlib

import numpy as np

HEADER = {
    "Num.X / Num.X": "7", "Num.Y / Num.Y": "5", "Channels / Channels": "4", "Chan(1,2,4) / Chan(1,2,4)": "2",
    "Length x[A]": "700.0", "Length y[A]": "500.0", "Rotation / Rotation": "15", "Dacto[A]z": "0.001",
    "GainZ / GainZ": "10", "Gainpreamp / GainPre 10^": "9", "BiasVoltage / BiasVolt.[mV]": "250.0",
    "Current[A]": "1.0E-10", "Sec/line:": "0.5", "Sec/Image:": "2.5", "DAC-Type": "20bit",
}  # fmt: skip


def counts(count=4, rows=5, cols=7, seed=0):
    return np.random.default_rng(seed).integers(-9000, 9000, (count, rows, cols))


def createc(raw, *, magic="[Paramco32]", changes=None):
    """Write images, top line first; the dialect follows from ``magic``."""
    entries = {k: v for k, v in (HEADER | (changes or {})).items() if v is not None}
    head = f"{magic}\r\n" + "".join(f"{key}={value}\r\n" for key, value in entries.items())
    dtype = "<i2" if magic == "[Parameter]" else "<f4"
    data = np.concatenate([[0], np.asarray(raw).ravel()]).astype(dtype).tobytes()
    body = zlib.compress(data) if magic == "[Paramco32]" else data
    return head.encode("latin-1").ljust(16384, b"\0") + body
