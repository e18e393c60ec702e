"""From the bytes of a .gwy file to a tree of named components, and back."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from afmend.errors import CorruptFileError
from afmend.formats.hostile import FileBytes

MAGIC = b"GWYP"
OLD_MAGIC = b"GWYO"
MAX_DEPTH = 32
MAX_COMPONENTS = 200_000
_ATOMS = {"b": "<B", "c": "<b", "i": "<i", "q": "<q", "d": "<d"}
_ARRAYS = {"C": "<i1", "I": "<i4", "Q": "<i8", "D": "<f8"}
_GLIB_TYPES = {12: "c", 16: "c", 20: "b", 24: "i", 28: "i", 40: "q", 44: "q", 60: "d", 64: "s", 80: "o"}
"""In version 1 a container gives GLib's number of the type, before the name."""
Component: TypeAlias = tuple[str, str, Any]
"""(name, type letter, value)."""


@dataclass(slots=True)
class Node:
    """A serialized object: its type name, and its components by name."""

    type_name: str
    items: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str, kind: type, default: Any) -> Any:
        """Return a component if it has the right type, else ``default``."""
        value = self.items.get(name)
        return value if isinstance(value, kind) else default

    def node(self, name: str, type_name: str) -> Node | None:
        """Return a component that is an object of the given type, else None."""
        value = self.items.get(name)
        return value if isinstance(value, Node) and value.type_name == type_name else None


def parse(data: FileBytes) -> Node:
    """Read the whole tree.

    Raises
    ------
    CorruptFileError
        If a length leaves its parent, a type is unknown, or the tree is absurdly deep or large.
    """
    magic = data.take(0, 4, "the signature")
    cursor = _Cursor(data, 4, data.size, old=magic == OLD_MAGIC)
    return cursor.node(0)


class _Cursor:
    """A place in the file that moves forward and never beyond ``end``."""

    def __init__(self, data: FileBytes, at: int, end: int, *, old: bool) -> None:
        self.data, self.at, self.end, self.old = data, at, end, old
        self.count = 0

    def take(self, count: int, what: str) -> bytes:
        if count > self.end - self.at:
            raise _broken(f"{what} at byte {self.at} is longer than what contains it")
        self.at += count
        return self.data.take(self.at - count, count, what)

    def u32(self) -> int:
        return int(struct.unpack("<I", self.take(4, "a length"))[0])

    def text(self) -> str:
        stop = self.data.data.find(b"\0", self.at, self.end)
        if stop < 0:
            raise _broken(f"the text at byte {self.at} does not end")
        raw = self.take(stop - self.at + 1, "a text")[:-1]
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")

    def node(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise _broken(f"its objects are nested more than {MAX_DEPTH} deep")
        node = Node(self.text())
        size = self.u32()
        if size > self.end - self.at:
            raise _broken(f"object {node.type_name[:40]!r} promises {size} bytes, {self.end - self.at} are left")
        outer, self.end = self.end, self.at + size
        typed = self.old and node.type_name == "GwyContainer"
        while self.at < self.end:
            self._component(node, depth, typed=typed)
        self.end = outer
        return node

    def _component(self, node: Node, depth: int, *, typed: bool) -> None:
        self.count += 1
        if self.count > MAX_COMPONENTS:
            raise _broken(f"it has more than {MAX_COMPONENTS} components")
        if typed:
            kind = _GLIB_TYPES.get(self.u32(), "?")
            name = self.text()
        else:
            name = self.text()
            kind = chr(self.take(1, "a type")[0])
        node.items[name] = self._value(kind, name, depth)

    def _value(self, kind: str, name: str, depth: int) -> Any:
        if kind in _ATOMS:
            layout = _ATOMS[kind]
            value = struct.unpack(layout, self.take(struct.calcsize(layout), name))[0]
            return bool(value) if kind == "b" else value
        if kind in _ARRAYS:
            count = self.u32()
            return np.frombuffer(self.take(count * np.dtype(_ARRAYS[kind]).itemsize, name), _ARRAYS[kind])
        if kind == "s":
            return self.text()
        if kind == "o":
            return self.node(depth + 1)
        if kind == "S":
            return self._several(self.text)
        if kind == "O":
            return self._several(lambda: self.node(depth + 1))
        raise _broken(f"component {name[:40]!r} has the unknown type {kind!r}")

    def _several(self, one: Callable[[], Any]) -> list[Any]:
        count = self.u32()
        if count > min(MAX_COMPONENTS, self.end - self.at):
            raise _broken(f"a list at byte {self.at} promises {count} items")
        self.count += count
        return [one() for _ in range(count)]


def serialize(type_name: str, components: list[Component]) -> bytes:
    """Return an object as bytes.

    Parameters
    ----------
    type_name : str
    components : list of (name, type letter, value)
        Letters b, i, d, s, o (bytes from `serialize`), S (list of str) and D (array).

    Notes
    -----
    Texts are UTF-8 up to the first NUL in the format: NUL and lone surrogates become a question mark.
    """
    parts = [_text(name) + kind.encode() + _packed(kind, value) for name, kind, value in components]
    body = b"".join(parts)
    return _text(type_name) + struct.pack("<I", len(body)) + body


def _packed(kind: str, value: Any) -> bytes:
    if kind in _ATOMS:
        return struct.pack(_ATOMS[kind], value)
    if kind == "s":
        return _text(value)
    if kind == "S":
        return struct.pack("<I", len(value)) + b"".join(map(_text, value))
    if kind == "D":
        return struct.pack("<I", value.size) + np.ascontiguousarray(value, "<f8").tobytes()
    return bytes(value)


def _text(text: str) -> bytes:
    return text.replace("\0", "?").encode("utf-8", "replace") + b"\0"


def _broken(what: str) -> CorruptFileError:
    return CorruptFileError(what, now="Open it in Gwyddion and save it again.")
