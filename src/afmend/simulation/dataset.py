"""Sets of simulated scans on disk: sharded, hashed, resumable.

A set is a folder of ``shard-00000.h5`` files (afmend's HDF5, several scans each), one ``shard-00000.json`` beside each
that is written last and holds its hash, and ``manifest.json`` over all of them. Scan number k of a set has the seed
``first_seed + k``: the set does not depend on how it was split into shards or how many workers wrote it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from afmend import __version__
from afmend.errors import AfmendError, BadRecipeError, CorruptFileError, WriteError
from afmend.formats import afmend_h5
from afmend.formats.register import replacing
from afmend.pipeline.workers import end_with_parent
from afmend.scan import Channel, Scan
from afmend.simulation.box import load_box
from afmend.simulation.drawing import draw
from afmend.simulation.twin import VERSION, simulate

LAYOUT = 1
Watch = Callable[[int, int], None]
"""Called with (scans done, scans in all)."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a set holds.

    Attributes
    ----------
    box : str
        Name of a built-in box, or the path of a YAML file.
    count : int
        Number of scans.
    first_seed : int
    shape : (rows, cols) or None
        None = as the box says.
    surface : str or None
        Only this kind of surface.
    artifacts : tuple of str or None
        Exactly these, instead of the box's chance.
    per_shard : int
    single_precision : bool
        Store float32: half the size, 7 digits.
    """

    box: str
    count: int
    first_seed: int = 0
    shape: tuple[int, int] | None = None
    surface: str | None = None
    artifacts: tuple[str, ...] | None = None
    per_shard: int = 50
    single_precision: bool = True

    def identity(self) -> dict[str, Any]:
        """Return what must agree for a resumed set to be the same set: the box by content, and the versions."""
        box = hashlib.sha256(repr(load_box(self.box)).encode()).hexdigest()
        parts = {key: value for key, value in asdict(self).items() if key not in ("box", "count")}
        return json.loads(json.dumps({**parts, "box_sha256": box, "twin_version": VERSION, "layout": LAYOUT}))  # type: ignore[no-any-return]

    def shards(self) -> list[tuple[int, range]]:
        """Return (index, seeds) of every shard."""
        starts = range(0, self.count, self.per_shard)
        return [
            (k, range(self.first_seed + start, self.first_seed + min(start + self.per_shard, self.count)))
            for k, start in enumerate(starts)
        ]


def write_set(order: Order, folder: Path, *, workers: int = 1, watch: Watch | None = None) -> dict[str, Any]:
    """Write a set, or finish one that was interrupted; complete shards are kept.

    Parameters
    ----------
    order : Order
    folder : Path
        Made if it does not exist.
    workers : int
        Processes; the set does not depend on it.
    watch : callable, optional

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    WriteError
        If the folder holds another set, or the disk refuses.
    BadRecipeError, BadParameterError
        If the box does not make sense.
    """
    if order.count < 1 or order.per_shard < 1:
        raise BadRecipeError(f"a set of {order.count} scans in shards of {order.per_shard}", now="Both are at least 1.")
    identity = order.identity()
    _claim(folder, identity, order.count)
    waiting, done = [], 0
    for index, seeds in order.shards():
        if _complete(folder, index, seeds):
            done += len(seeds)
        else:
            waiting.append((index, seeds))
    if watch is not None:
        watch(done, order.count)
    for written in _written(order, folder, waiting, workers):
        done += written
        if watch is not None:
            watch(done, order.count)
    shards = [json.loads(_facts_path(folder, index).read_text(encoding="utf-8")) for index, _ in order.shards()]
    manifest = {
        "format": "afmend-twin-set", "afmend": __version__, "order": {**asdict(order), "box": load_box(order.box).name},
        "identity": identity, "scans": sum(len(shard["scans"]) for shard in shards), "shards": shards,
    }  # fmt: skip
    _write_json(folder / "manifest.json", manifest)
    return manifest


def read_set(folder: Path, *, check: bool = True) -> Iterator[Scan]:
    """Read the scans of a set one by one, in the order of their seeds.

    Raises
    ------
    CorruptFileError
        If there is no manifest, or (with ``check``) a shard's hash differs from it.
    """
    path = folder / "manifest.json"
    manifest = _read_json(path)
    try:
        shards = [(folder / str(shard["file"]), str(shard["sha256"])) for shard in manifest["shards"]]
    except (KeyError, TypeError) as error:
        raise CorruptFileError(
            "is no manifest of a set", where=str(path), now="Finish the set with `afmend twin --set`."
        ) from error
    for file, sha256 in shards:
        if file.parent != folder or not file.is_file() or (check and _sha256(file) != sha256):
            raise CorruptFileError(
                "the shard is missing or differs from the manifest", where=str(file), now="Write the set again."
            )
        yield from afmend_h5.read(file)


def _claim(folder: Path, identity: dict[str, Any], count: int) -> None:
    """Refuse to mix two sets in one folder, or to shorten one."""
    path = folder / "set.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            json.dump(identity, file, indent=1)
    except FileExistsError:
        if not folder.is_dir() or _read_json(path) != identity:
            raise WriteError(
                "there is a file, another set, or one of another version", where=str(folder), now="Choose a new folder."
            ) from None
    except OSError as error:
        raise WriteError(
            f"cannot write there ({error.strerror})", where=str(folder), now="Choose another folder."
        ) from error
    held = sum(len((_read_json(path) or {}).get("scans", [])) for path in folder.glob("shard-*.json"))
    if held > count:
        raise WriteError(
            f"the set holds {held} scans already", where=str(folder), now="Ask for at least as many, or another folder."
        )


def _read_json(path: Path) -> Any:
    """Return what a JSON file holds, or None."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _written(order: Order, folder: Path, waiting: list[tuple[int, range]], workers: int) -> Iterator[int]:
    if workers == 1 or len(waiting) < 2:
        for index, seeds in waiting:
            yield _write_shard(order, folder, index, seeds)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    size = min(workers, len(waiting))
    with ProcessPoolExecutor(size, mp_context=get_context("spawn"), initializer=end_with_parent) as pool:
        jobs = [pool.submit(_write_shard, order, folder, index, seeds) for index, seeds in waiting]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _write_shard(order: Order, folder: Path, index: int, seeds: range) -> int:
    box = load_box(order.box)
    path = folder / f"shard-{index:05d}.h5"
    scans: list[dict[str, Any]] = []

    def made() -> Iterator[Scan]:
        for seed in seeds:
            twin = draw(box, seed, shape=order.shape, surface=order.surface, artifacts=order.artifacts)
            try:
                scan = simulate(twin)
            except AfmendError as error:
                raise error.at(f"{box.name}, seed {seed}") from error
            if order.single_precision:
                scan = in_single_precision(scan)
            digests = {str(key): channel.digest() for key, channel in scan.channels.items()}
            scans.append({"seed": seed, "surface": twin.surface.kind, **scan.history[0].facts, "digests": digests})
            yield scan

    with replacing(path) as temporary:
        try:
            afmend_h5.write_all(made(), temporary)
        except RuntimeError as error:  # h5py's word for a disk that is full when the file is closed
            raise WriteError(f"cannot be written ({error})", where=str(path), now="Is the disk full?") from error
    _write_json(
        _facts_path(folder, index),
        {"file": path.name, "first_seed": seeds.start, "sha256": _sha256(path), "scans": scans},
    )
    return len(seeds)


def in_single_precision(scan: Scan) -> Scan:
    """Return the scan with float32 channels."""
    return replace(scan, channels={key: _single(channel) for key, channel in scan.channels.items()})


def _single(channel: Channel) -> Channel:
    return channel.evolve(values=channel.values.astype(np.float32))  # type: ignore[arg-type]


def _complete(folder: Path, index: int, seeds: range) -> bool:
    facts = _read_json(_facts_path(folder, index))
    try:
        return [scan["seed"] for scan in facts["scans"]] == list(seeds) and _sha256(
            folder / f"shard-{index:05d}.h5"
        ) == facts["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _facts_path(folder: Path, index: int) -> Path:
    return folder / f"shard-{index:05d}.json"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, data: dict[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(data, indent=1), encoding="utf-8")
