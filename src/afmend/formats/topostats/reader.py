"""Recognising and reading TopoStats results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from afmend.errors import CorruptFileError, UnsupportedFileError
from afmend.formats import hdf5
from afmend.formats.hdf5_peek import top_of
from afmend.formats.hostile import pixels
from afmend.formats.register import Verdict
from afmend.formats.scaling import positive, scaled
from afmend.scan import Channel, Grid, Scan
from afmend.scan.arrays import Mask

if TYPE_CHECKING:
    import h5py

SCALE = "pixel_to_nm_scaling"
IMAGES = {"image": "height", "image_original": "height_original"}
_TENSORS = ("full_mask_tensor", "grain_tensors", "grain_masks")
MAX_CLASSES = 32
_VERSIONS = ("topostats_version", "topostats_file_version")


def recognise(head: bytes, path: Path) -> Verdict:
    """Look for an image and its scale."""
    names, _ = top_of(head, path)
    if SCALE in names and names & {"image", *_VERSIONS}:
        return Verdict.YES
    broken = not names and head.startswith(hdf5.SIGNATURE) and SCALE.encode() in head
    return Verdict.MAYBE if broken else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read the image, the original one if it is there, and the grain masks.

    Raises
    ------
    CorruptFileError, UnsupportedFileError
        If the image is missing, damaged, or of a strange shape.
    """
    with hdf5.opened(path) as file:
        if not hdf5.has(file, "image"):
            raise CorruptFileError("it holds no image", now="Run TopoStats again.")
        image = hdf5.dataset(file, "image")
        if image.ndim != 2:
            raise UnsupportedFileError(f"its image has {image.ndim} dimensions", now="Please report this file.")
        shape = (image.shape[0], image.shape[1])
        pixels(*shape)
        masks = _masks(file, shape)
        channels = [_channel(file, name, shape, masks if name == "image" else {}) for name in IMAGES if name in file]
        pixel = float(hdf5.dataset(file, SCALE, max_pixels=1).reshape(-1)[0]) if hdf5.has(file, SCALE) else 0.0
        known = positive(pixel)
        grid = Grid(*shape, pixel, pixel) if known else Grid.uncalibrated(shape)
        return [Scan.of(grid, channels, header=_header(file))]


def _channel(file: h5py.File, name: str, shape: tuple[int, int], masks: dict[str, Mask]) -> Channel:
    values = hdf5.dataset(file, name)
    if values.shape != shape:
        raise CorruptFileError(f"{name} has the shape {values.shape}, the image {shape}", now="Run TopoStats again.")
    channel = Channel.from_raw(IMAGES[name], "unknown", scaled(values, 1.0, 0.0, name), "nm", name=name)
    own = channel.masks
    for label, mask in masks.items():
        own = own.with_mask("foreground", label, mask)
    return channel.evolve(masks=own)


def _masks(file: h5py.File, shape: tuple[int, int]) -> dict[str, Mask]:
    """Return each grain mask under its name; class 0 of a tensor is the background."""
    import h5py

    masks: dict[str, Mask] = {}
    for name in _TENSORS:
        if not hdf5.has(file, name):
            continue
        if isinstance(file.get(name, getclass=True), type) and file.get(name, getclass=True) is h5py.Group:
            parent = hdf5.group(file, name)
            for member in hdf5.names(parent, limit=MAX_CLASSES):
                masks |= _classes(parent, member, f"grains {member}", shape)
        else:
            masks |= _classes(file, name, "grains", shape)
    return masks


def _classes(parent: h5py.Group, name: str, label: str, shape: tuple[int, int]) -> dict[str, Mask]:
    found = hdf5.stored(parent, name).shape
    if found is None or found[:2] != shape or len(found) > 3 or (len(found) == 3 and found[2] > MAX_CLASSES):
        raise CorruptFileError(f"{name} has the shape {found}, the image {shape}", now="Run TopoStats again.")
    values = hdf5.dataset(parent, name)
    if values.ndim == 2:
        return {label: np.asarray(values != 0)}
    return {f"{label} class {i}": np.asarray(values[:, :, i] != 0) for i in range(1, values.shape[2])}


def _header(file: h5py.File) -> dict[str, str]:
    """Return the plain facts at the top of the file and the configuration."""
    header: dict[str, str] = {}
    _collect(file, "", header, depth=0)
    return header


def _collect(parent: h5py.Group, prefix: str, header: dict[str, str], depth: int) -> None:
    import h5py

    for name in hdf5.names(parent):
        kind = parent.get(name, getclass=True, default=None)
        hard = isinstance(parent.get(name, getlink=True), h5py.HardLink)
        if kind is h5py.Group and hard and depth < 4 and (depth or name == "config"):
            _collect(hdf5.group(parent, name), f"{prefix}{name}.", header, depth + 1)
        elif kind is h5py.Dataset and hard and len(header) < 2000:
            value = _scalar(parent, name)
            if value is not None:
                header[prefix + name] = value


def _scalar(parent: h5py.Group, name: str) -> str | None:
    found = hdf5.stored(parent, name)
    if found.shape != ():
        return None
    if found.dtype.kind in "SO":
        return hdf5.text(parent, name, max_bytes=1 << 16)
    return str(hdf5.dataset(parent, name, max_pixels=1)[()]) if found.dtype.kind in "fiub" else None
