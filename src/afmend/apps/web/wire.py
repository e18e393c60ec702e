"""A scan as bytes between the reader process and the server: JSON and plain arrays, never pickle.

The reader has parsed a file that anybody may have made; what it sends is data, and is checked as data.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadScanError
from afmend.scan import Acquisition, Channel, Grid, Masks, Record, Scan, Source

MOST_JSON = 1 << 26
MOST_BYTES = 1 << 32
_DTYPES: dict[str, np.dtype[Any]] = {"f8": np.dtype("<f8"), "f4": np.dtype("<f4"), "b1": np.dtype("?")}


def send(stream: IO[bytes], facts: dict[str, Any], arrays: list[NDArray[Any]]) -> None:
    """Write one message: length, JSON, arrays."""
    shapes = [(array.dtype.str[1:], array.shape) for array in arrays]
    head = json.dumps({**facts, "arrays": shapes}).encode("ascii")
    stream.write(struct.pack("<Q", len(head)) + head)
    for array in arrays:
        stream.write(np.ascontiguousarray(array).data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Read one message.

    Raises
    ------
    EOFError
        If the stream ends, or what it holds is no message.
    """
    (length,) = struct.unpack("<Q", _exactly(stream, 8))
    if length > MOST_JSON:
        raise EOFError("no message: its head is too long")
    facts = json.loads(_exactly(stream, length))
    arrays, total = [], 0
    for code, shape in facts.pop("arrays"):
        dtype = _DTYPES[code]
        count = int(np.prod(shape, dtype=object)) if min(shape, default=1) >= 0 else -1
        total += count * dtype.itemsize
        if count < 0 or total > MOST_BYTES:
            raise EOFError("no message: its arrays are too large")
        flat = np.frombuffer(_exactly(stream, count * dtype.itemsize), dtype)
        arrays.append(flat.reshape(shape))
    return facts, arrays


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError("the message ends too early")
    return data


def pack(scan: Scan) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Return a scan as plain JSON types and arrays."""
    arrays: list[NDArray[Any]] = []
    channels = []
    for channel in scan.channels.values():
        arrays.append(channel.values)
        masks = [(role, name) for role, name, _ in channel.masks.items()]
        arrays += [mask for _, _, mask in channel.masks.items()]
        if channel.uncertainty is not None:
            arrays.append(channel.uncertainty)
        channels.append(
            {"kind": channel.kind, "direction": channel.direction, "unit": channel.unit, "name": channel.name,
             "calibrated": channel.calibrated, "masks": masks, "uncertain": channel.uncertainty is not None}
        )  # fmt: skip
    facts = {
        "grid": asdict(scan.grid), "channels": channels, "history": [record.to_json() for record in scan.history],
        "acquisition": scan.acquisition.to_json(), "header": dict(scan.header), "source": asdict(scan.source),
    }  # fmt: skip
    return facts, arrays


def unpack(facts: dict[str, Any], arrays: list[NDArray[Any]]) -> Scan:
    """Rebuild a scan.

    Raises
    ------
    BadScanError
        If the parts do not make a scan.
    """
    rest = iter(arrays)
    try:
        channels = {}
        for one in facts["channels"]:
            channel = _channel(one, rest)
            channels[channel.key] = channel
        return Scan(
            Grid(**facts["grid"]), channels, tuple(Record.from_json(one) for one in facts["history"]),
            Acquisition(**facts["acquisition"]), facts["header"], Source(**facts["source"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise BadScanError(f"the reader sent no scan ({error})", now="Please report this file.") from error


def _channel(facts: dict[str, Any], arrays: Any) -> Channel:
    values = next(arrays)
    masks = Masks()
    for role, name in facts["masks"]:
        masks = masks.with_mask(role, name, next(arrays))
    uncertainty = next(arrays) if facts["uncertain"] else None
    return Channel(facts["kind"], facts["direction"], values, facts["unit"], facts["name"], facts["calibrated"],
                   masks, uncertainty)  # fmt: skip
