"""HDF5 hygiene for every reader of HDF5 files: open read-only, look before reading, one kind of error.

libhdf5 believes what a file says: a dataset of a few bytes may promise gigabytes, a link may point into
another file, a filter may load a plug-in. Everything here asks for shape, type, layout and filters first.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import CorruptFileError
from afmend.formats.hdf5_heaps import check_heaps
from afmend.formats.hostile import MAX_PIXELS

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_TEXT_BYTES = 1 << 26
"""Longest text that is read."""
MAX_ATTRIBUTE_ITEMS = 4096
MAX_EXPANSION = 2000
"""deflate packs at best 1:1032; a dataset that promises much more than that never was written."""
MAX_CHUNKS = 1000
"""Listing more chunks takes too long; such datasets are left to libhdf5."""
_SLACK_BYTES = 1 << 20
_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}
H5PY_RAISES = (
    OSError, LookupError, RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError, SystemError,
)  # fmt: skip
"""What h5py is known to raise on damaged files."""


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file read-only; whatever h5py raises inside the ``with`` becomes `CorruptFileError`.

    Raises
    ------
    CorruptFileError
        If the file is missing, truncated, or libhdf5 stumbles over it at any later time.
    """
    import h5py

    try:
        check_heaps(path)
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except H5PY_RAISES as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CorruptFileError(
            f"the HDF5 library cannot read it ({reason})", now="Copy it again from the instrument, or re-export it."
        ) from error


def group(parent: h5py.Group, name: str) -> h5py.Group:
    """Return a subgroup, or raise `CorruptFileError`; links into other places are not followed."""
    import h5py

    found = _node(parent, name)
    if not isinstance(found, h5py.Group):
        raise _broken(f"{parent.name}/{name} is not a group")
    return found


def has(parent: h5py.Group, name: str) -> bool:
    """Say whether ``parent`` has a direct member of that name."""
    return name in parent


def names(parent: h5py.Group, limit: int = 10_000) -> list[str]:
    """List the members of a group, sorted; more than ``limit`` is refused."""
    if len(parent) > limit:
        raise _broken(f"{parent.name} has {len(parent)} members, more than {limit}")
    return sorted(parent)


def dataset(parent: h5py.Group, name: str, *, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Read a dataset of plain numbers, whole, in native byte order.

    Parameters
    ----------
    parent : h5py.Group
    name : str
        A direct member; its dataset may have up to four dimensions (none: a single number).
    max_pixels : int
        Refuse more elements than this.

    Raises
    ------
    CorruptFileError
        If it is no dataset, does not hold numbers or booleans, is empty or too large, promises more than the
        file can hold, lies in another file, or needs a filter that does not come with the HDF5 library.
    """
    found = stored(parent, name)
    shape, kind = found.shape, found.dtype
    if kind.kind not in "fiub" or shape is None or len(shape) > 4:
        raise _broken(f"{found.name} holds {kind} of shape {shape}, not an array of numbers")
    count = math.prod(shape)
    if not 1 <= count <= max_pixels:
        raise _broken(f"{found.name} promises {' x '.join(map(str, shape))} values")
    check_storage(found, count * kind.itemsize)
    if _plan(found) in (["deflate"], ["shuffle", "deflate"]) and found.id.get_num_chunks() <= MAX_CHUNKS:
        return _inflated(found)
    values = np.empty(shape, kind.newbyteorder("="))
    found.read_direct(values)
    return values


def stored(parent: h5py.Group, name: str) -> h5py.Dataset:
    """Return a dataset without reading it: a hard link, stored in this file, with known filters."""
    import h5py

    found = _node(parent, name)
    if not isinstance(found, h5py.Dataset):
        raise _broken(f"{parent.name}/{name} is not a dataset")
    if found.external is not None or found.is_virtual:
        raise _broken(f"{found.name} is stored in another file")
    if "" in _plan(found) or len(_plan(found)) > 4:
        raise _broken(f"{found.name} is packed with filters that afmend does not unpack")
    return found


def _plan(found: h5py.Dataset) -> list[str]:
    """Return the names of the filters in the order of writing; "" for one that is not known."""
    plan = found.id.get_create_plist()
    return [_FILTERS.get(plan.get_filter(i)[0], "") for i in range(plan.get_nfilters())]


def _inflated(found: h5py.Dataset) -> NDArray[Any]:
    """Unpack a compressed dataset, each chunk up to its size and no further.

    libhdf5 would unpack whatever a chunk holds, and a megabyte may hold a gigabyte.
    """
    kind, chunk = found.dtype, found.chunks
    size = math.prod(chunk) * kind.itemsize
    values = np.full(found.shape, found.fillvalue, kind)
    for index in range(found.id.get_num_chunks()):
        start = found.id.get_chunk_info(index).chunk_offset
        skipped, packed = found.id.read_direct_chunk(start)
        if skipped or any(at >= end for at, end in zip(start, found.shape, strict=True)):
            raise _broken(f"{found.name} has a chunk at {start} that does not belong there")
        raw = np.frombuffer(_unpacked(packed, size, found.name), np.uint8)
        if found.shuffle:
            raw = raw.reshape(kind.itemsize, -1).T.copy().reshape(-1)
        box = tuple(slice(at, at + n) for at, n in zip(start, chunk, strict=True))
        block = values[box]
        block[...] = raw.view(kind).reshape(chunk)[tuple(slice(n) for n in block.shape)]
    return values.astype(kind.newbyteorder("="), copy=False)


def _unpacked(packed: bytes, size: int, name: str) -> bytes:
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(packed, size)
        more = stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error as error:
        raise _broken(f"a chunk of {name} cannot be unpacked ({error})") from error
    if more or not stream.eof or len(raw) != size:
        raise _broken(f"a chunk of {name} does not unpack to {size} bytes")
    return raw


def check_storage(found: h5py.Dataset, wanted: int) -> None:
    """Raise `CorruptFileError` if ``wanted`` bytes cannot come out of what a dataset occupies in the file."""
    held = found.id.get_storage_size()
    packed = found.chunks is not None
    possible = held * MAX_EXPANSION + _SLACK_BYTES if packed else held
    chunk = math.prod(found.chunks) * found.dtype.itemsize if packed else 0
    if wanted > possible or chunk > MAX_PIXELS * 8:
        raise _broken(f"{found.name} promises {wanted} bytes, {held} are there")


def text(parent: h5py.Group, name: str, *, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Read a scalar text dataset (fixed or variable length), or raise `CorruptFileError`."""
    found = stored(parent, name)
    if found.shape not in ((), (1,)) or found.dtype.kind not in "SO" or found.dtype.itemsize > max_bytes:
        raise _broken(f"{found.name} holds {found.dtype} of shape {found.shape}, not a text")
    if found.dtype.kind == "S":
        check_storage(found, found.dtype.itemsize)
    value = found[()] if found.shape == () else found[0]
    return _decoded(value, found.name, max_bytes)


def attribute(node: h5py.Group | h5py.Dataset, name: str) -> Any:
    """Read an attribute: str, bool, int, float, or a small array; None if there is none.

    Raises
    ------
    CorruptFileError
        If it is long, or neither text nor number.
    """
    if name not in node.attrs:
        return None
    handle = node.attrs.get_id(name)
    shape, kind = handle.shape, handle.dtype
    if kind.kind not in "fiubSO" or shape is None or math.prod(shape) > MAX_ATTRIBUTE_ITEMS:
        raise _broken(f"attribute {name!r} of {node.name} holds {kind} of shape {shape}")
    value = node.attrs[name]
    if isinstance(value, (bytes, str)):
        return _decoded(value, f"attribute {name!r} of {node.name}", MAX_TEXT_BYTES)
    return value.item() if isinstance(value, np.generic) else value


def attributes(node: h5py.Group | h5py.Dataset, limit: int = 1000) -> dict[str, Any]:
    """Read all attributes of a node; more than ``limit`` is refused."""
    if len(node.attrs) > limit:
        raise _broken(f"{node.name} has {len(node.attrs)} attributes, more than {limit}")
    return {name: attribute(node, name) for name in node.attrs}


def _node(parent: h5py.Group, name: str) -> Any:
    import h5py

    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        raise _broken(f"{parent.name} has no member {name!r} of its own")
    return parent[name]


def _decoded(value: Any, where: str, max_bytes: int) -> str:
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    if not isinstance(raw, bytes) or len(raw) > max_bytes:
        raise _broken(f"{where} is not a text")
    return raw.rstrip(b"\0").decode("utf-8", "replace")


def _broken(what: str) -> CorruptFileError:
    return CorruptFileError(what, now="Re-export the file.")
