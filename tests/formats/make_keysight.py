"""Tiny non-square PicoView files, written from the format's description."""

import numpy as np

MAIN = {
    "fileType": "Image", "version": "PicoView 0x10c04", "dateAcquired": "Tue Feb 18 15:00:51 2014",
    "mode": "Contact AFM", "xPixels": "7", "yPixels": "5", "xOffset": "3.0e-008", "yOffset": "0.0",
    "xLength": "7.0e-007", "yLength": "5.0e-007", "scanUp": "TRUE", "scanSpeed": "2.5", "scanAngle": "15.0",
    "servoSetpoint": "-2.0", "bias": "0.5", "servoIGain": "10", "servoPGain": "3", "xNonlinearity2": "1.0",
}  # fmt: skip
BUFFERS = (
    {"bufferLabel": "Topography", "direction": "Trace", "bufferRange": "3.2768", "bufferUnit": "um", "trace": "Trace"},
    {"bufferLabel": "Friction", "direction": "Retrace", "bufferRange": "10.0", "bufferUnit": "V"},
)


def counts(count=2, rows=5, cols=7, seed=0):
    return np.random.default_rng(seed).integers(-9000, 9000, (count, rows, cols))


def keysight(raw, *, encoding="BINARY", dtype="<i2", newline="\n", buffers=BUFFERS, body=None, **main):
    """Write images; the file holds their bottom line first."""
    entries = [(k, v) for k, v in (MAIN | main).items() if v is not None]
    entries += [pair for buffer in buffers for pair in buffer.items()]
    entries.append(("data", encoding))
    head = "".join(f"{key:<14}{value}{newline}" for key, value in entries).encode("latin-1")
    return head + (np.asarray(raw)[:, ::-1].astype(dtype).tobytes() if body is None else body)


def text(raw):
    """Return the images as text, for ``body``."""
    return "\n".join(str(n) for n in np.asarray(raw)[:, ::-1].ravel()).encode()
