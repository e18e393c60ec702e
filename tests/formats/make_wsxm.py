"""Tiny non-square WSxM files, written from the format's description."""

import numpy as np

HEADER = {
    "Control": {
        "Angle": "15", "Set Point": "-2.44 V", "Topography Bias": "100 mV", "X Amplitude": "700 nm",
        "X-Frequency": "1.085 Hz", "X Offset": "-30 nm", "Y Amplitude": "0.5 \xb5m", "Y Offset": "4 \xc5",
    },
    "Feedback settings": {"Input channel": "Amplitude", "Integral": "9.5", "Proportional": "17.75"},
    "General Info": {
        "Acquisition channel": "Topography", "Acquisition time": "18/06/2021, 14:12:26.398", "Head type": "AFM",
        "Number of columns": "7", "Number of rows": "5", "X scanning direction": "Forward",
        "Y scanning direction": "Up", "Z Amplitude": "60 nm",
    },
}  # fmt: skip


def counts(rows=5, cols=7, seed=0):
    return np.random.default_rng(seed).integers(-9000, 9000, (rows, cols))


def wsxm(raw, *, kind="short", dtype="<i2", end="[Header end]\r\n", size=None, **general):
    """Write an image; the file holds it turned by 180 degrees."""
    header = {name: dict(entries) for name, entries in HEADER.items()}
    header["General Info"]["Image Data Type"] = kind
    for key, value in general.items():
        name = key.replace("_", " ")
        section = next((s for s, entries in header.items() if name in entries), "General Info")
        header[section][name] = value
    text = ""
    for section, entries in header.items():
        text += f"\r\n[{section}]\r\n\r\n" + "".join(f"    {k}: {v}\r\n" for k, v in entries.items() if v is not None)
    head = "WSxM file copyright UAM\r\nSxM Image file\r\nImage header size: {}\r\n" + text + end
    length = len(head.encode("latin-1")) + 1
    head = head.format(str(length if size is None else size).rjust(3)).encode("latin-1")
    return head + np.asarray(raw)[::-1, ::-1].astype(dtype).tobytes()
