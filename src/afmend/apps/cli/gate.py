"""``afmend gate`` and ``afmend classify``: what models say of scans."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afmend.apps.cli import say
from afmend.errors import AfmendError, WriteError

if TYPE_CHECKING:
    from afmend.artifacts.gate.judge import Judgment
    from afmend.scan import ChannelKey, Scan


@dataclass(frozen=True, slots=True)
class GateWish:
    """What the command is told."""

    files: Sequence[Path]
    model: str
    channel: str | None
    running: bool
    lines: int | None
    cam: Path | None
    as_json: bool


def gate_files(wish: GateWish) -> int:
    """Judge every image of every file; return the exit code (0 all judged, 1 some failed, 2 none judged)."""
    from afmend.artifacts.gate.judge import early_lines, gate
    from afmend.artifacts.gate.model import load_gate

    load_gate(wish.model)  # a missing model is one error, not one per file

    def one(path: Path, scan: Scan, index: int, count: int) -> None:
        key = scan.find(wish.channel)
        lines = wish.lines or (early_lines(scan.grid.rows) if wish.running else None)
        judged = gate(scan, key, model=wish.model, lines=lines)
        if wish.as_json:
            say.emit({"file": str(path), "image": index, **judged.to_json()})
        else:
            _print(path, judged, index, count)
        if wish.cam is not None:
            _write_cam(wish.cam, path, scan, key, judged, index if count > 1 else None)

    return _each(wish.files, one, as_json=wish.as_json)


def _print(path: Path, judged: Judgment, index: int, count: int) -> None:
    console = say.out()
    image = f", image {index + 1} of {count}" if count > 1 else ""
    verdict = judged.verdict if judged.is_sure else f"{judged.verdict} (unsure)"
    console.print(f"{say.printable(path.name)}{image}: {verdict} -> {judged.action}", markup=False, style="bold")
    shown = ", ".join(f"{name} {p:.0%}" for name, p in judged.probabilities.items())
    console.print(f"  {shown}; plausible: {', '.join(judged.plausible) or 'none'}", markup=False)
    if judged.is_strange:
        console.print("  UNLIKE ANYTHING THE GATE WAS CALIBRATED ON: look at it yourself.", markup=False, style="red")
    for line in judged.reasons:
        console.print(f"  - {line}", markup=False)
    for line in judged.advice:
        console.print(f"  > {line}", markup=False)


def _write_cam(folder: Path, path: Path, scan: Scan, key: ChannelKey, judged: Judgment, index: int | None) -> None:
    """Write the activation map of the verdict over the heights."""
    from afmend.artifacts.gate.verdicts import VERDICTS
    from afmend.artifacts.gate.view import Measured, View

    channel = scan.channels[key]
    part = slice(0, judged.lines)
    flat = View(Measured(channel.values[part], channel.missing[part])).flat
    where = judged.activation[VERDICTS.index(judged.verdict)]
    where = where[:, ::-1] if key.direction == "retrace" else where
    name = path.stem if index is None else f"{path.stem}@{index:04d}"
    _save(folder / f"{name}.gate.png", flat, where, 1.0)


def _save(target: Path, heights: NDArray[np.floating], where: NDArray[np.floating], most: float | None = None) -> None:
    from afmend.pictures.activation import write_activation

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_activation(target, heights, where, most)
    except OSError as error:
        raise WriteError(f"cannot be written ({error.strerror or error})", where=str(target)) from error


def classify_files(files: Sequence[Path], model: str, channel: str | None, cam: Path | None, *, as_json: bool) -> int:
    """Say of every image of every file to which of a user's classes it belongs; return the exit code."""
    from afmend.artifacts.classes import classified, heights_of, load_classes

    loaded = load_classes(model)

    def one(path: Path, scan: Scan, index: int, count: int) -> None:
        heights = heights_of(scan, channel)
        found = classified(heights, loaded, (heights.shape[0], heights.shape[1]))
        shown: dict[str, Any] = {name: round(p, 4) for name, p in found.probabilities.items()}
        if as_json:
            say.emit({"file": str(path), "image": index, "label": found.label, "probabilities": shown})
        else:
            numbers = ", ".join(f"{name} {p:.0%}" for name, p in found.probabilities.items())
            say.out().print(f"{say.printable(path.name)}: {found.label} ({numbers})", markup=False)
        if cam is not None:
            name = path.stem if count == 1 else f"{path.stem}@{index:04d}"
            _save(cam / f"{name}.class.png", heights, found.activation[loaded.card.outputs.index(found.label)])

    return _each(files, one, as_json=as_json)


def _each(files: Sequence[Path], one: Callable[[Path, Scan, int, int], None], *, as_json: bool) -> int:
    """Do something to every image of every file; errors are told, and stop nothing."""
    failed = done = 0
    for path, scan, index, count in _images(files):
        try:
            if isinstance(scan, AfmendError):
                raise scan
            one(path, scan, index, count)
            done += 1
        except WriteError:
            raise
        except AfmendError as error:
            failed += 1
            say.complain(f"{path}: {error}")
            if as_json:
                facts = {"kind": error.kind, "what": error.what, "where": error.where, "now": error.now}
                say.emit({"file": str(path), "error": facts})
    return 0 if not failed else 1 if done else 2


def _images(inputs: Sequence[Path]) -> Iterator[tuple[Path, Scan | AfmendError, int, int]]:
    from afmend.apps.batch.plan import find_files
    from afmend.formats import read_all

    files = [(path, "") for path in inputs]
    if any(path.is_dir() for path in inputs):
        files = find_files(inputs, Path(os.devnull))
    for path, _ in files:
        try:
            scans = read_all(path)
        except AfmendError as error:
            yield path, error, 0, 1
            continue
        for index, scan in enumerate(scans):
            yield path, scan, index, len(scans)
