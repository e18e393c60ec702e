"""Tiny non-square Nanoscope files, written from the format's description."""

import numpy as np

START = 4096
MAIN = {
    "Samps/line": "7", "Number of lines": "5", "Scan Size": "700 500 nm", "Aspect Ratio": "1:1",
    "Line Direction": "Trace", "Frame direction": "Down", "@2:Image Data": 'S [Height] "Height"',
    "@2:Z scale": "V [Sens. Zsens] (0.006713867 V/LSB) 327.68 V",
}  # fmt: skip
SCAN = {
    "X Offset": "30 nm", "Y Offset": "-40 nm", "Rotate Ang.": "1.5707963267948966", "Scan Rate": "1.5",
    "@MicroscopeList": 'S [TMMode] "Tapping"', "@InterleaveList": 'S [InterleaveOffMode] "Disabled"',
    "@Sens. ZsensSens": "V 100.0 nm/V", "@Sens. Amplitude Error": "V 1.000000", "@Sens. Friction": "V 1.000000",
    "@Sens. AmplSens": "V 20.0 nm/V", "@Sens. Odd": "V 2.0 nm/A",
    "@2:TMSetAmplitude": "V [Sens. AmplSens] (0.06 mV/LSB) 600.0 mV",
    "@2:TMFbIgain": "V (0.31 1/LSB) 0.5", "@2:SPMFbPgain": "V (0.31 1/LSB) 2.5",
    "@2:Sample Bias": "nonsense", "@2:Bias": "V (0.3 mV/LSB) 250 mV",
}  # fmt: skip


def counts(rows=5, cols=7, seed=0):
    return np.random.default_rng(seed).integers(-3000, 3000, (rows, cols)).astype("<i2")


def bruker(images=None, *, version="0x05310001", scan=SCAN, sensitivity="V 12.5 nm/V", end="\x1a", first="File list"):
    """Write a file of images, each a pair (entries, counts); counts stand in the file bottom line first."""
    images = [({}, counts())] if images is None else images
    lines = [f"\\*{first}", f"\\Version: {version}", "\\Date: 09:57:48 AM Tue Jan 12 2016"]
    lines += ["\\*Equipment list", "\\Microscope: Toy", "\\*Scanner list", f"\\@Sens. Zsens: {sensitivity}"]
    lines += ["\\*Ciao scan list", *(f"\\{key}: {value}" for key, value in scan.items())]
    data, at = b"", START
    for entries, raw in images:
        block = raw[::-1].tobytes()
        facts = {"Data offset": str(at), "Data length": str(len(block)), "Bytes/pixel": str(raw.itemsize)}
        facts |= MAIN | entries
        lines += ["\\*Ciao image list", *(f"\\{key}: {value}" for key, value in facts.items() if value is not None)]
        data, at = data + block, at + len(block)
    head = ("\r\n".join([*lines, "\\*File list end\r\n"]) + end).encode("latin-1")
    return head.ljust(START, b"\0") + data


def old(raw, **entries):
    """Write a file as software of the 1990s did: no version, no "@"."""
    facts = {
        "Data offset": str(START), "Samps/line": "7", "Number of lines": "5", "Scan size": "350 nm",
        "Line direction": "Retrace", "Image data": "Height", "Z scale": "131.072 nm (65536)", "Aspect ratio": "2:1",
    } | entries  # fmt: skip
    lines = ["\\*File list", "\\Date: 06:42:39 PM Thu Jul 02 1998", "\\*NCAFM image list"]
    lines += [f"\\{key}: {value}" for key, value in facts.items()]
    return ("\r\n".join(lines) + "\r\n\\*File list end\r\n\x1a").encode("latin-1").ljust(START, b"\0") + raw[
        ::-1
    ].tobytes()
