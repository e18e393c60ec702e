"""The three versions of the header of an .asd file, as plain numpy structures."""

from __future__ import annotations

import numpy as np

from afmend.errors import CorruptFileError, UnsupportedFileError
from afmend.formats.hostile import FileBytes

FRAME_HEADER_BYTES = 32
_ENCODINGS = {932: "cp932", 1200: "utf-16-le", 10001: "cp932", 20127: "ascii", 20932: "euc_jp", 65001: "utf-8"}
_OLD = np.dtype([
    ("file_version", "<i4"), ("channel_1", "S2"), ("channel_2", "S2"), ("header_size", "<i4"),
    ("frame_header_size", "<i4"), ("user_size", "<i4"), ("comment_offset", "<i4"), ("comment_size", "<i4"),
    ("cols", "<i2"), ("rows", "<i2"), ("x_size_nm", "<i2"), ("y_size_nm", "<i2"), ("frame_time_ms", "<f4"),
    ("z_extension_nm_per_v", "<f4"), ("z_gain", "<f4"), ("adc_range", "<u4"), ("adc_bits", "<i4"),
    ("averaged", "u1"), ("averaging", "<i4"), ("legacy", "<i2"), ("year", "<i2"), ("month", "u1"), ("day", "u1"),
    ("hour", "u1"), ("minute", "u1"), ("second", "u1"), ("rounding_percent", "u1"), ("x_range_nm", "<f4"),
    ("y_range_nm", "<f4"), ("booked", "V12"), ("frames_recorded", "<i4"), ("frames", "<i4"),
    ("machine", "<i4"), ("file_id", "<i2"),
])  # fmt: skip
_OLD_AFTER_USER = np.dtype([("sensor_nm_per_v", "<f4"), ("phase_deg_per_v", "<f4"), ("scan_direction", "<i4")])
_NEW = np.dtype([
    ("file_version", "<i4"), ("header_size", "<i4"), ("frame_header_size", "<i4"), ("encoding", "<i4"),
    ("user_size", "<i4"), ("comment_size", "<i4"), ("channel_1", "S4"), ("channel_2", "S4"),
    ("frames_recorded", "<i4"), ("frames", "<i4"), ("scan_direction", "<i4"), ("file_id", "<i4"),
    ("cols", "<i4"), ("rows", "<i4"), ("x_size_nm", "<i4"), ("y_size_nm", "<i4"), ("averaged", "u1"),
    ("averaging", "<i4"), ("year", "<i4"), ("month", "<i4"), ("day", "<i4"), ("hour", "<i4"), ("minute", "<i4"),
    ("second", "<i4"), ("x_rounding_percent", "<i4"), ("y_rounding_percent", "<i4"), ("frame_time_ms", "<f4"),
    ("sensor_nm_per_v", "<f4"), ("phase_deg_per_v", "<f4"), ("offset", "<i4"), ("booked", "V12"),
    ("machine", "<i4"), ("adc_range", "<u4"), ("adc_bits", "<i4"), ("x_range_nm", "<f4"), ("y_range_nm", "<f4"),
    ("x_extension_nm_per_v", "<f4"), ("y_extension_nm_per_v", "<f4"), ("z_extension_nm_per_v", "<f4"),
    ("z_gain", "<f4"),
])  # fmt: skip
CHANNELS = ("TP", "ER", "PH")
LAYOUTS = {0: _OLD, 1: _NEW, 2: _NEW}
Facts = dict[str, float | str]


def plausible(head: bytes) -> bool:
    """Say whether ``head`` looks like the header of an .asd file: there is no magic number."""
    version = int.from_bytes(head[:4], "little")
    layout = LAYOUTS.get(version)
    if layout is None or len(head) < layout.itemsize:
        return False
    facts = _record(head, layout)
    return (
        facts["channel_1"] in CHANNELS
        and facts["channel_2"] in (*CHANNELS, "")
        and facts["frame_header_size"] == FRAME_HEADER_BYTES
    )


def header_of(file: FileBytes) -> Facts:
    """Return the facts of the header, with user and comment as text.

    Raises
    ------
    UnsupportedFileError
        If the version is none of 0, 1, 2.
    CorruptFileError
        If a text lies outside the header.
    """
    version = int.from_bytes(file.take(0, 4, "the version"), "little")
    layout = LAYOUTS.get(version)
    if layout is None:
        raise UnsupportedFileError(f"version {version} of the format", now="afmend reads versions 0, 1 and 2.")
    facts = _record(file.take(0, layout.itemsize, "the header"), layout)
    size, at = int(facts["header_size"]), layout.itemsize
    if not at <= size <= file.size:
        raise CorruptFileError(f"the header promises to be {size} bytes long", now="Copy it again.")
    encoding = _ENCODINGS.get(int(facts.get("encoding", 932)), "latin-1")
    facts["user"] = _text(file, at, int(facts["user_size"]), size, encoding)
    at += int(facts["user_size"])
    if version == 0:
        facts |= _record(file.take(at, _OLD_AFTER_USER.itemsize, "the header"), _OLD_AFTER_USER)
        at += _OLD_AFTER_USER.itemsize + int(facts["comment_offset"])
    facts["comment"] = _text(file, at, int(facts["comment_size"]), size, encoding)
    return facts


def _record(raw: bytes, layout: np.dtype[np.void]) -> Facts:
    record = np.frombuffer(raw, layout, 1)[0]
    facts: Facts = {}
    for name in layout.names or ():
        value = record[name]
        if isinstance(value, bytes):
            facts[name] = value.decode("latin-1").rstrip("\0")
        elif isinstance(value, np.number):
            facts[name] = value.item()
    return facts


def _text(file: FileBytes, at: int, count: int, end: int, encoding: str) -> str:
    if count < 0 or at < 0 or at + count > end:
        raise CorruptFileError("a text lies outside the header", now="Copy it again from the instrument.")
    return file.take(at, count, "a text of the header").decode(encoding, "replace").replace("\0", "")
