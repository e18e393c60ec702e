"""Tiny non-square Nanonis files, written from the format's description."""

import numpy as np

HEADER = {
    "NANONIS_VERSION": "2",
    "SCANIT_TYPE": "              FLOAT            MSBFIRST",
    "REC_DATE": " 24.02.2021",
    "REC_TIME": "23:29:37",
    "ACQ_TIME": "       490.2",
    "SCAN_PIXELS": "       7       5",
    "SCAN_TIME": "             1.500E-1             1.000E-1",
    "SCAN_RANGE": "           7.000000E-8           5.000000E-8",
    "SCAN_OFFSET": "             1.0E-7         -4.0E-8",
    "SCAN_ANGLE": "            3.0E+1",
    "SCAN_DIR": "down",
    "BIAS": "            5.000E-1",
    "Z-CONTROLLER": "\tName\ton\tSetpoint\tP-gain\tI-gain\tT-const\n"
    "\tlog Current\t1\t2.000E-9 A\t7.000E-11 m\t7.000E-8 m/s\t1.000E-3 s",
    "COMMENT": "two\nlines",
    "DATA_INFO": "\tChannel\tName\tUnit\tDirection\tCalibration\tOffset\n"
    "\t14\tZ\tm\tboth\t1.0E-8\t0.0E+0\n\t0\tCurrent\tA\tforward\t3.3E-10\t2.7E-13\n",
}


def images(count=3, rows=5, cols=7, seed=0):
    return np.random.default_rng(seed).standard_normal((count, rows, cols)).astype(np.float32) * 1e-9


def nanonis(values, *, newline="\n", dtype=">f4", mark=b"\x1a\x04", **entries):
    """Write images as they stand in the file: in the order of time."""
    header = {key.replace("_", "-") if key == "Z_CONTROLLER" else key: v for key, v in (HEADER | entries).items()}
    text = "\n".join(f":{key}:\n{value}" for key, value in header.items() if value is not None)
    head = (text + "\n:SCANIT_END:\n\n\n").replace("\n", newline).encode("latin-1")
    return head + mark + np.asarray(values).astype(dtype).tobytes()
