"""The training loop of every task: seeded, resumable, with a time budget and a log.

A run lives in a folder: ``checkpoint.pt`` (everything needed to go on), ``log.jsonl`` (one line per look). Every item
is drawn from the seed and the number of its batch, so an interrupted and resumed run sees the same items.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from afmend.errors import BadParameterError, CorruptFileError
from afmend.training.config import Training

Batch = tuple[Tensor, ...]
"""The first tensor is what the network sees, or the first ``network.SEES``."""
Watch = Callable[[int, int, Mapping[str, float]], None]
"""Called after each batch with (batches done, batches in all, latest numbers)."""
CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"
WARM_UP = 0.05


class Task(Protocol):
    """What is trained."""

    name: str

    def network(self) -> nn.Module:
        """Make the network, with first weights drawn from torch's seed."""
        ...

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Draw a batch; the same arguments give the same items."""
        ...

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Return the number that training makes small."""
        ...

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Score a network on held-out items."""
        ...


@dataclass(slots=True, eq=False)
class Run:
    """A training run as it stands.

    Attributes
    ----------
    network, average : torch.nn.Module
        As it is being trained, and the running mean of its weights: what is exported.
    done : int
        Batches seen.
    minutes : float
        Time spent so far, all sittings together.
    scores : mapping of str to float
        The latest look at held-out items.
    begun_with : mapping of str to object
        The run whose weights this one began with, if any: batches seen, identity.
    """

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    done: int = 0
    minutes: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)
    begun_with: dict[str, Any] = field(default_factory=dict)


def train(
    task: Task,
    config: Training,
    folder: Path,
    *,
    minutes: float | None = None,
    resume: bool = False,
    start: Path | None = None,
    pace: bool = False,
    watch: Watch | None = None,
) -> Run:
    """Train until all batches are seen or the time is up; either way the run can be exported, and resumed.

    Parameters
    ----------
    task : Task
    config : Training
    folder : Path
        Of checkpoint and log.
    minutes : float, optional
        Time for this sitting.
    resume : bool
        Go on from the checkpoint in ``folder``; without one, start.
    start : Path, optional
        Folder of another run of this task, whose weights a new run begins with; else they are drawn.
    pace : bool
        Let the learning rate fall with the time, if that is up before all batches are seen: the run is then complete.
    watch : callable, optional

    Raises
    ------
    BadParameterError
        If the folder holds a run and ``resume`` was not said, or a run of another task or configuration.
    CorruptFileError
        If the checkpoint cannot be read.
    """
    device = device_of(config)
    torch.set_num_threads(config.threads)
    torch.backends.cudnn.benchmark = device.type == "cuda"
    folder.mkdir(parents=True, exist_ok=True)
    run = _begin(task, config, device)
    path = folder / CHECKPOINT
    if path.exists():
        if not resume:
            raise BadParameterError(
                "the folder holds a training run already", where=str(folder), now="Say --resume, or name another."
            )
        _load(run, path, _identity(task, config))
    else:
        (folder / LOG).unlink(missing_ok=True)
        if start is not None:
            _begin_with(run, start / CHECKPOINT, task)
    _work(task, config, run, folder, _Clock(run.minutes, minutes, pace=pace), watch)
    return run


@dataclass(slots=True)
class _Clock:
    """Minutes of earlier sittings and of this one."""

    before: float
    limit: float | None
    pace: bool = False
    start: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        return self.before + (time.monotonic() - self.start) / 60

    def share(self) -> float:
        """Return which share of the time is over, if that sets the pace."""
        return (self.now() - self.before) / self.limit if self.pace and self.limit else 0.0

    def is_up(self) -> bool:
        return self.limit is not None and self.now() - self.before >= self.limit


def _work(task: Task, config: Training, run: Run, folder: Path, clock: _Clock, watch: Watch | None) -> None:
    device = next(run.network.parameters()).device
    losses: list[Tensor] = []
    ready = getattr(task, "ready", None)
    for drawn in _batches(task, config, run.done):
        if clock.is_up():
            break
        batch = tuple(part.to(device, non_blocking=True) for part in drawn)
        share = min(max(run.done / config.steps, clock.share()), 1.0)
        losses.append(_learn(task, config, run, batch if ready is None else ready(batch), share))
        run.done += 1
        run.minutes = clock.now()
        last = run.done == config.steps
        look, keep = (run.done % every == 0 or last for every in (config.judge_every, config.save_every))
        if look:
            run.scores = dict(task.judge(run.average))
        if look or keep:
            entry = {"batches": run.done, "minutes": round(run.minutes, 3), "loss": float(torch.stack(losses).mean())}
            _log(folder, {**entry, "rate": run.optimizer.param_groups[0]["lr"], **(run.scores if look else {})})
            losses.clear()
        if keep:
            _save(run, folder / CHECKPOINT, _identity(task, config))
        if watch is not None:
            watch(run.done, config.steps, run.scores)
    _save(run, folder / CHECKPOINT, _identity(task, config))


def _learn(task: Task, config: Training, run: Run, batch: Batch, share: float) -> Tensor:
    run.network.train()
    for group in run.optimizer.param_groups:
        group["lr"] = config.rate * _share_of_rate(share)
    seen = batch[0].contiguous(memory_format=torch.channels_last) if batch[0].ndim == 4 else batch[0]
    with torch.autocast(seen.device.type, dtype=torch.bfloat16, enabled=_bf16(config, seen.device)):
        outputs = run.network(seen, *batch[1 : getattr(run.network, "SEES", 1)])
    loss = task.loss(outputs, batch)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch
    nn.utils.clip_grad_norm_(run.network.parameters(), 5.0)
    run.optimizer.step()
    _follow(run.average, run.network, min(config.average, (1 + run.done) / (10 + run.done)))
    return loss.detach()


def _share_of_rate(done: float) -> float:
    if done < WARM_UP:
        return (done + 1e-3) / (WARM_UP + 1e-3)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, memory: float) -> None:
    pairs = list(zip(average.state_dict().values(), network.state_dict().values(), strict=True))
    numbers = [pair for pair in pairs if pair[0].is_floating_point()]
    torch._foreach_lerp_([mine for mine, _ in numbers], [its for _, its in numbers], 1 - memory)
    for mine, its in pairs:
        if not mine.is_floating_point():
            mine.copy_(its)


class _Numbered(Dataset[Batch]):
    """Batches by number."""

    def __init__(self, task: Task, config: Training) -> None:
        self.task, self.seed, self.size = task, config.seed, config.batch

    def __getitem__(self, number: int) -> Batch:
        return self.task.batch(self.seed, number, self.size)


def _batches(task: Task, config: Training, done: int) -> Iterator[Batch]:
    order: Iterable[int] = range(done, config.steps)
    spawn = "forkserver" if config.workers else None
    loader = DataLoader(
        _Numbered(task, config), batch_size=None, sampler=order, num_workers=config.workers,  # type: ignore[arg-type]
        multiprocessing_context=spawn, prefetch_factor=4 if config.workers else None,
    )  # fmt: skip
    yield from loader


def _begin(task: Task, config: Training, device: torch.device) -> Run:
    torch.manual_seed(config.seed)
    network = task.network().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network).eval()
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.rate, weight_decay=config.decay)
    return Run(network, average, optimizer)


def device_of(config: Training) -> torch.device:
    """Return where a configuration trains.

    Raises
    ------
    BadParameterError
        If that is a GPU and there is none.
    """
    there = torch.cuda.is_available()
    if config.device == "cuda" and not there:
        raise BadParameterError("no GPU that torch can use", where="device", now="Leave device at auto.")
    return torch.device("cuda" if there and config.device != "cpu" else "cpu")


def _bf16(config: Training, device: torch.device) -> bool:
    return has_bf16(device) if config.precision == "auto" else config.precision == "bf16"


def has_bf16(device: torch.device) -> bool:
    """Return whether the hardware is made for bf16."""
    cpu = torch.cpu
    return device.type == "cuda" or cpu._is_amx_tile_supported() or cpu._is_avx512_bf16_supported()  # noqa: SLF001 (there are no public ones)


def _identity(task: Task, config: Training) -> dict[str, Any]:
    """Return what must agree for a resumed run to be the same run; a task may add what it learns from."""
    free = {"workers", "threads", "device", "save_every", "judge_every", "precision"}
    more = getattr(task, "identity", {})
    return {"task": task.name, **more, **{key: value for key, value in config.to_json().items() if key not in free}}


def _save(run: Run, path: Path, identity: Mapping[str, Any]) -> None:
    state = {
        "identity": dict(identity), "network": run.network.state_dict(), "average": run.average.state_dict(),
        "optimizer": run.optimizer.state_dict(), "done": run.done, "minutes": run.minutes, "scores": run.scores,
        "begun_with": run.begun_with,
    }  # fmt: skip
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def network_of(task: Task, folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network of an earlier run of a task, to be asked and not to be trained, and what run that was.

    Raises
    ------
    BadParameterError
        If there is no run in the folder, or one of another task or with a network of another size.
    CorruptFileError
        If the checkpoint cannot be read.
    """
    path = folder / CHECKPOINT
    state, network = _read(path, "Name another folder, or none."), task.network()
    _take(state, path, task, (network,))
    network.eval().requires_grad_(requires_grad=False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, {"batches": state["done"], "identity": state["identity"], "weights": _digest(network)}


def _digest(network: nn.Module) -> str:
    parts = (f"{name} {tuple(part.shape)} ".encode() + part.float().numpy().tobytes()
             for name, part in network.state_dict().items())  # fmt: skip
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _take(state: Mapping[str, Any], path: Path, task: Task, networks: Iterable[nn.Module]) -> None:
    if state["identity"].get("task") != task.name:
        raise BadParameterError("the checkpoint is of another task", where=str(path), now="Name another folder.")
    try:
        for network in networks:
            network.load_state_dict(state["average"])
    except RuntimeError as error:
        raise BadParameterError(
            "the checkpoint is of a network of another size", where=str(path), now="Name another folder, or none."
        ) from error


def _begin_with(run: Run, path: Path, task: Task) -> None:
    state = _read(path, "Name another folder, or none.")
    _take(state, path, task, (run.network, run.average))
    earlier = state.get("begun_with") or {}
    run.begun_with = {
        "batches": state["done"],
        "identity": state["identity"],
        **({"begun_with": earlier} if earlier else {}),
    }


def _read(path: Path, now: str) -> dict[str, Any]:
    if not path.is_file():
        raise BadParameterError("no training run there", where=str(path), now=now)
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        state["identity"]
    except Exception as error:
        raise CorruptFileError(
            f"cannot be read as a checkpoint ({type(error).__name__})", where=str(path), now=now
        ) from error
    return state


def _load(run: Run, path: Path, identity: Mapping[str, Any]) -> None:
    state = _read(path, "Remove it and start anew.")
    kept = state["identity"]
    if kept != identity:
        different = ", ".join(sorted(key for key in {*kept, *identity} if kept.get(key) != identity.get(key)))
        raise BadParameterError(
            f"the checkpoint is of another run (other {different})", where=str(path), now="Name another folder."
        )
    run.network.load_state_dict(state["network"])
    run.average.load_state_dict(state["average"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.done, run.minutes, run.scores = state["done"], state["minutes"], state["scores"]
    run.begun_with = state.get("begun_with", {})


def _log(folder: Path, entry: Mapping[str, float]) -> None:
    with (folder / LOG).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")


def read_log(folder: Path) -> list[dict[str, float]]:
    """Return the lines of a run's log, for plots."""
    path = folder / LOG
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
