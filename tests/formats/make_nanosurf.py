"""Tiny non-square Nanosurf files, written from the format's description."""

import numpy as np

INFO = {
    "Scan direction": "Up", "Time/Line": "250ms", "Rotation": "15 °", "X-Pos": "30nm", "Y-Pos": "0 m",
    "Date": "03-11-2022", "Time": "11:46:25", "Setpoint": "10nN", "P-Gain": "3 ", "I-Gain": "1000 ",
    "Tip voltage": "500mV", "Op. mode": "Lateral Force", "Head type": "Toy",
}  # fmt: skip
SET = {
    "Version": "2", "Points": "7", "Lines": "5", "Frame": "Scan forward", "Dim0Unit": "m", "Dim0Range": "7e-07",
    "Dim1Unit": "m", "Dim1Range": "5e-07", "Dim2Name": "Z-Axis", "Dim2Unit": "m", "Dim2Range": "65.536e-9",
    "Dim2Min": "-32.768e-9", "SaveMode": "Binary", "SaveBits": "16", "SaveSign": "Signed", "SaveOrder": "Intel",
}  # fmt: skip


def counts(rows=5, cols=7, seed=0):
    return np.random.default_rng(seed).integers(-9000, 9000, (rows, cols)).astype("<i2")


def nanosurf(groups, *, encoding="utf-8", info=INFO, mark="\r\n#!", index=None):
    """Write groups of (entries, counts); the file holds the bottom line first."""
    lines = ["[DataSet]", "Version=2", f"GroupCount={len(groups)}"]
    sections, data = [], b""
    for g, sets in enumerate(groups):
        lines += [f"Gr{g}-Name=Scan forward", f"Gr{g}-Count={len(sets) + 2}"]
        for c, (entries, raw) in enumerate(sets):
            # Numbers of channels have gaps.
            lines.append(f"Gr{g}-Ch{c + 1}=DataSet-{g}:{c + 1}")
            facts = SET | entries
            sections += [f"[DataSet-{g}:{c + 1}]", *(f"{k}={v}" for k, v in facts.items() if v is not None), ""]
            data += raw[::-1].tobytes()
    lines += [f"{k}={v}" for k, v in (index or {}).items()]
    lines += ["", "[DataSet-Info]", "-- Scan --=--------", *(f"{k}={v}" for k, v in info.items()), "", *sections]
    return ("\r\n".join(lines) + mark).encode(encoding) + data
