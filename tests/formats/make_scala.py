"""Tiny non-square SCALA scans (a .par file and its data files), written from public descriptions of the format."""

import numpy as np

HEADER = {
    "Format": "1", "System": "SCALA", "Date": "05.07.01 14:30", "Field X Size in nm": "70.0      ;[nm]",
    "Field Y Size in nm": "50.0      ;[nm]", "Image Size in X": "7", "Image Size in Y": "5",
    "Scan Angle": "15.0      ;[Degree]", "X Offset": "30.0 ;[nm]", "Y Offset": "-4.0 ;[nm]",
}  # fmt: skip
FOOTER = {"SPM Method": "STM", "Gap Voltage": "0.5 ;[V]", "Feedback Set": "2.0 ;[nA]", "Loop Gain": "3.0 ;[%]",
          "Scan Speed": "140.0 ;[nm/s]"}  # fmt: skip
IMAGES = (("Z", "Forward", "nm", "TOY.TF0"), ("Z", "Backward", "nm", "toy.tb0"), ("I", "Forward", "nA", "toy.tf1"))


def counts(count=3, rows=5, cols=7, seed=0):
    return np.random.default_rng(seed).integers(-9000, 9000, (count, rows, cols)).astype(">i2")


def par(images=IMAGES, *, spectra=False, span=("-32768", "32767"), values=("-32.768", "32.767"), **changes):
    """Return the text of a parameter file."""
    header = {key: value for key, value in (HEADER | changes).items() if value is not None}
    lines = [";", ";               Omicron SPM Control.", ";", ""]
    lines += [f"{key:<32}: {value}" for key, value in header.items()]
    for letter, direction, unit, name in images:
        lines += ["", f"{'Topographic Channel':<32}: {letter} ;Channel", f"{direction:<20};Direction"]
        lines += [f"{span[0]} ;Minimum raw value", f"{span[1]} ;Maximum raw value"]
        lines += [f"{values[0]} ;Minimum value in physical unit", f"{values[1]} ;Maximum value in physical unit"]
        lines += ["0.001 ;Resolution", f"{unit} ;Physical unit", f"{name} ;Filename", f"{letter} ;Display name"]
    if spectra:
        lines += [f"{'Spectroscopy Channel':<32}: I(V)"]
    lines += ["", *(f"{key:<32}: {value}" for key, value in FOOTER.items())]
    return "\r\n".join(lines) + "\r\n"


def write(folder, raw, **facts):
    """Write a scan into a folder; data files hold their bottom line first. Return the parameter file's path."""
    (folder / "toy.par").write_text(par(**facts), encoding="latin-1", newline="")
    for name, image in zip(("toy.tf0", "toy.tb0", "toy.tf1"), raw, strict=False):
        (folder / name).write_bytes(image[::-1].tobytes())
    return folder / "toy.par"
