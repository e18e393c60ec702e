"""From the tree of a .gwy file to scans."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from afmend.errors import CorruptFileError, NotAnImageError
from afmend.formats.gwyddion.facts import KEY, Facts
from afmend.formats.gwyddion.tree import MAGIC, OLD_MAGIC, Node, parse
from afmend.formats.hostile import FileBytes, pixels
from afmend.formats.kinds import kind_of, split_direction
from afmend.formats.numbers import scaled
from afmend.formats.register import Verdict
from afmend.scan import Channel, Grid, Masks, Scan
from afmend.scan.arrays import Heights, Mask
from afmend.scan.units import in_memory, is_length, si

_DATA_KEY = re.compile(r"/(\d{1,9})/data")
MAX_TOTAL_PIXELS = 1 << 27


@dataclass(frozen=True, slots=True)
class _Field:
    """One data field, as Gwyddion shows it: values in SI base units."""

    number: int
    values: Heights
    size: tuple[float, float]
    offset: tuple[float, float]
    unit_xy: str
    unit_z: str
    title: str
    mask: Mask | None
    meta: dict[str, str]
    facts: Facts

    @property
    def place(self) -> tuple[Any, ...]:
        """Fields of the same place form one scan."""
        return (self.values.shape, self.size, self.offset, self.unit_xy)


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (every reader has the same signature)
    """Say YES to Gwyddion's signature followed by its container."""
    return Verdict.YES if head.startswith((MAGIC + b"GwyContainer\0", OLD_MAGIC + b"GwyContainer\0")) else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read all channels; those of the same shape, size and offset form one scan.

    A mask drawn in Gwyddion becomes a foreground mask named "gwyddion" (it keeps pixels out of background
    fits). In files that afmend wrote, masks return to their roles: pixels added to the visible mask become
    artifacts of the kind "drawn", pixels erased from it are no longer artifacts.
    Presentations, volume data, graphs and point clouds are not read.

    Raises
    ------
    CorruptFileError
        If the file is damaged.
    NotAnImageError
        If there is no channel in it.
    """
    root = parse(FileBytes(path))
    fields = _fields(root)
    if not fields:
        raise NotAnImageError("holds no image channel", now="Volume data, graphs and curves are not read.")
    layers: dict[int, list[_Field]] = defaultdict(list)
    groups: dict[tuple[Any, ...], list[_Field]] = defaultdict(list)
    for field in fields.values():
        owner = fields.get(field.facts.layer_of)
        if owner is not None and owner.facts.is_channel and owner.place == field.place:
            layers[owner.number].append(field)
        else:
            groups[field.place].append(field)
    return [_scan(group, layers, root) for group in groups.values()]


def _fields(root: Node) -> dict[int, _Field]:
    numbers = sorted(int(found[1]) for found in map(_DATA_KEY.fullmatch, root.items) if found)
    found: dict[int, _Field] = {}
    total = 0
    for number in numbers:
        node = root.node(f"/{number}/data", "GwyDataField")
        if node is not None:
            found[number] = _field(root, number, node)
            total += found[number].values.size
        if total > MAX_TOTAL_PIXELS:
            raise CorruptFileError(f"its channels have more than {MAX_TOTAL_PIXELS} pixels", now="Split the file.")
    return found


def _field(root: Node, number: int, node: Node) -> _Field:
    values = _values(node, f"channel {number}")
    rows, cols = values.shape
    size = (node.get("yreal", float, float(rows)), node.get("xreal", float, float(cols)))
    offset = (node.get("yoff", float, 0.0), node.get("xoff", float, 0.0))
    if not all(math.isfinite(x) for x in (*size, *offset)) or min(size) <= 0:
        raise CorruptFileError(f"channel {number} has the size {size} m", now="Save it again in Gwyddion.")
    drawn = root.node(f"/{number}/mask", "GwyDataField")
    mask = None if drawn is None else _values(drawn, f"the mask of channel {number}") > 0.5
    if mask is not None and mask.shape != values.shape:
        raise CorruptFileError(f"the mask of channel {number} has another shape", now="Save it again in Gwyddion.")
    meta = root.node(f"/{number}/meta", "GwyContainer") or Node("GwyContainer")
    texts = {name: value for name, value in meta.items.items() if isinstance(value, str)}
    return _Field(
        number, values, size, offset, _unit(node, "si_unit_xy"), _unit(node, "si_unit_z"),
        root.get(f"/{number}/data/title", str, ""), mask, texts, Facts.parse(texts.pop(KEY, "")),
    )  # fmt: skip


def _values(node: Node, what: str) -> Heights:
    rows, cols = node.get("yres", int, 0), node.get("xres", int, 0)
    count = pixels(rows, cols)
    data = node.get("data", np.ndarray, np.empty(0))
    if data.dtype != np.float64 or data.size != count:
        raise CorruptFileError(
            f"{what} promises {rows} x {cols} pixels, {data.size} are there", now="Save it again in Gwyddion."
        )
    return np.asarray(data, np.float64).reshape(rows, cols)


def _unit(node: Node, name: str) -> str:
    """Return the base unit: Gwyddion keeps values in base units and drops the prefix of the text."""
    unit = node.node(name, "GwySIUnit")
    return si(unit.get("unitstr", str, ""))[0] if unit else ""


def _scan(fields: list[_Field], layers: dict[int, list[_Field]], root: Node) -> Scan:
    first = fields[0]
    own = next((field for field in fields if field.facts.is_channel), first)
    return Scan.of(
        own.facts.grid(_grid(first)),
        [_channel(field, layers[field.number]) for field in fields],
        history=own.facts.history(),
        acquisition=own.facts.acquisition(),
        header=_header(fields, root, own=own.facts.is_channel),
    )


def _grid(field: _Field) -> Grid:
    if field.unit_xy != "m":
        return Grid.uncalibrated(field.values.shape)
    size = (field.size[0] * 1e9, field.size[1] * 1e9)
    grid = Grid.from_size(field.values.shape, size)
    if field.offset == (0.0, 0.0):
        return grid
    center = [(corner * 1e9 + extent / 2) for corner, extent in zip(field.offset, size, strict=True)]
    return Grid(*grid.shape, *grid.pixel_nm, offset_slow_nm=center[0], offset_fast_nm=center[1])


def _channel(field: _Field, layers: list[_Field]) -> Channel:
    unit, factor = in_memory(field.unit_z)
    values = scaled(field.values, factor)
    if not field.facts.is_channel:
        bare, direction = split_direction(field.title)
        kind = "height" if not bare and is_length(unit) else kind_of(bare)
        channel = Channel.from_raw(kind, direction, values, unit, name=field.title, calibrated=bool(unit))
        return channel if field.mask is None else _masked(channel, field.mask)
    facts = field.facts
    if facts.text("dtype") == "float32":
        values = _single(values)
    masks, sigma = _layers(layers, factor)
    base = Channel.from_raw(
        facts.text("kind"), facts.data["direction"], values, unit,
        name=facts.text("name"), calibrated=facts.data.get("calibrated") is True,
    )  # fmt: skip
    for role, name, mask in base.masks.items():
        masks = masks.with_added(role, name, mask)
    return base.evolve(masks=_edited(masks, field), uncertainty=sigma)


def _single(values: Heights) -> Heights:
    with np.errstate(over="ignore"):
        single: Heights = values.astype(np.float32)  # type: ignore[assignment]
    return single


def _masked(channel: Channel, mask: Mask) -> Channel:
    return channel.evolve(masks=channel.masks.with_mask("foreground", "gwyddion", mask))


def _layers(layers: list[_Field], factor: float) -> tuple[Masks, Heights | None]:
    masks, sigma = Masks(), None
    for layer in layers:
        role = layer.facts.text("role")
        if role == "uncertainty":
            sigma = np.where(layer.values < 0, np.inf, np.nan_to_num(scaled(layer.values, factor), nan=np.inf))
        elif role in ("missing", "artifact", "foreground"):
            masks = masks.with_added(role, layer.facts.text("mask"), layer.values > 0.5)  # type: ignore[arg-type]
    return masks, sigma


def _edited(masks: Masks, field: _Field) -> Masks:
    """Follow what the user changed in the mask that Gwyddion shows."""
    shape = (field.values.shape[0], field.values.shape[1])
    written = masks.union("missing", "artifact", shape=shape)
    shown = np.zeros(shape, np.bool_) if field.mask is None else field.mask
    for name, mask in masks.artifact.items():
        masks = masks.with_mask("artifact", name, mask & shown)
    added = shown & ~written
    return masks.with_added("artifact", "drawn", added) if added.any() else masks


def _header(fields: list[_Field], root: Node, *, own: bool) -> dict[str, str]:
    header: dict[str, str] = {}
    for field in fields:
        for name, text in field.meta.items():
            new = header.setdefault(name, text)
            if new != text:
                header[f"{name} (channel {field.number})"] = text
    if own:
        return header
    file = root.get("/filename", str, "")
    if file:
        header.setdefault("filename", file)
    for field in fields:
        log = root.node(f"/{field.number}/data/log", "GwyStringList")
        lines = log.get("strings", list, []) if log else []
        if lines:
            header[f"log (channel {field.number})"] = "\n".join(map(str, lines))
    return header
