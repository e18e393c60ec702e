"""Doing one job: read, mend, write, describe. Runs in a worker process."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from afmend.apps.batch.gated import judged_by, levels_only, row_of, with_verdict
from afmend.apps.batch.job import FRAME_SIGN, Job, JobResult, ScanResult
from afmend.apps.batch.journal import fingerprint
from afmend.catalogue import find_step
from afmend.errors import AfmendError, StepError
from afmend.pipeline import Recipe, StepUse, run_recipe
from afmend.recipes import align_frames, is_movie
from afmend.scan import ChannelKey, Scan

if TYPE_CHECKING:
    from afmend.evaluation.report import Card

UNEXPECTED_NOW = "This is a bug in afmend: please report it with this file."


def describe(error: BaseException) -> dict[str, str]:
    """Turn an error into JSON: kind, what, where, now."""
    if isinstance(error, AfmendError):
        return {"kind": error.kind, "what": error.what, "where": error.where, "now": error.now}
    text = " ".join(str(error).split()) or "no message"
    return {"kind": type(error).__name__, "what": text[:500], "where": "", "now": UNEXPECTED_NOW}


def do_job(job: Job) -> JobResult:
    """Do one job. Whatever happens becomes part of the result."""
    from afmend.formats import read_all

    started = time.perf_counter()
    mark = ""
    try:
        mark = fingerprint(job)  # before reading: whatever changes the file later must not pass for mended
        scans = read_all(job.path)
        leveled = _level_movie(job, scans)
    except Exception as error:  # noqa: BLE001 (a batch never loses: one file's bug must not take the others along)
        return JobResult(job.path, error=describe(error), seconds=time.perf_counter() - started, fingerprint=mark)
    unlike = _unlike(job, leveled)
    results = []
    for index, scan in enumerate(scans):
        suffix = f"{FRAME_SIGN}{index:04d}" if len(scans) > 1 else ""
        try:
            results.append(_do_scan(job, scan, suffix, leveled.pop(index, None), unlike.get(index, "")))
        except Exception as error:  # noqa: BLE001 (as above, for one image of a file)
            results.append(ScanResult(_identity(job, scan), error=describe(error)))
    return JobResult(job.path, tuple(results), seconds=time.perf_counter() - started, fingerprint=mark)


def _level_movie(job: Job, scans: Sequence[Scan]) -> dict[int, Scan]:
    """Level the frames of a movie, before anything else changes heights, and bring them to one level; no other files.

    A frame that cannot be leveled is missing, its neighbors are then compared with each other; doing it by itself will
    say why.
    """
    if job.mode == "convert" or not is_movie(scans):
        return {}
    uses, _, _ = _parts(job)
    if not any(use.step.startswith("level.") for use in uses.steps):
        return {}
    done: dict[int, Scan] = {}
    for index, scan in enumerate(scans):
        try:
            done[index] = run_recipe(scan, uses, find_step, channel=scan.find(job.channel))
        except Exception:  # noqa: BLE001, S112 (the same error comes again, and is reported, when the frame is done)
            continue
    keys = {scan.find(job.channel) for scan in done.values()}
    if len(keys) != 1 or len({scan.channels[key].unit for scan in done.values() for key in keys}) != 1:
        return done
    return dict(zip(done, align_frames(tuple(done.values()), *keys), strict=True))


def _unlike(job: Job, leveled: dict[int, Scan]) -> dict[int, str]:
    """Say which frames of a movie are unlike the others, and how; nothing if they do not show one quantity."""
    from afmend.evaluation.unlike_frames import unlike_frames

    channels = {index: scan.channels[scan.find(job.channel)] for index, scan in leveled.items()}
    if len({(channel.key, channel.unit) for channel in channels.values()}) != 1:
        return {}
    found = unlike_frames(list(channels.values()))
    return {index: text for index, text in zip(channels, found, strict=True) if text}


def _do_scan(job: Job, scan: Scan, suffix: str, ready: Scan | None, unlike: str) -> ScanResult:
    from afmend.evaluation.outputs import write
    from afmend.evaluation.report_warnings import doubts

    judged = None
    if job.mode == "convert":
        mended, leveled, key = scan, None, scan.main.key
        if job.channel is not None:
            key = scan.find(job.channel)
            history = tuple(record for record in scan.history if record.channel == key)
            mended = Scan(scan.grid, {key: scan.channels[key]}, history, scan.acquisition, scan.header, scan.source)
    else:
        key = scan.find(job.channel)
        judged = judged_by(job.gate, scan, key) if job.mode == "mend" else None
        leveled, mended = _mend(job, scan, key, ready, fill=judged is None or not levels_only(judged))
    outputs = [str(write(mended, Path(f"{job.stem}{suffix}.{ending}"))) for ending in job.write]
    row = {**_identity(job, scan), "channel": str(key)}
    also = [unlike] if unlike else []
    if leveled is not None:
        row |= {"warnings": " ".join([*also, *doubts(scan, mended, key)]), **_numbers(scan, mended, key)}
    row |= row_of(judged) if judged is not None else {}
    card = None
    if job.card is not None and leveled is not None:
        from afmend.evaluation.report import card as report_card

        made = report_card(scan, leveled, mended, key, also=also)
        card = _card(Path(job.card), suffix, with_verdict(made, judged))
    return ScanResult(row, tuple(outputs), card)


def _mend(job: Job, scan: Scan, key: ChannelKey, ready: Scan | None, *, fill: bool) -> tuple[Scan, Scan]:
    """Return the leveled scan (``ready``, if it is known), before heights change otherwise, and the mended one."""
    first, changing, rest = _parts(job)
    leveled = run_recipe(scan, first, find_step, channel=key) if ready is None else ready
    mended = run_recipe(leveled, changing, find_step, channel=key) if changing.steps else leveled
    if job.mode == "mark" or not fill:
        return leveled, mended
    return leveled, run_recipe(mended, rest, find_step, channel=key)


def _parts(job: Job) -> tuple[Recipe, Recipe, Recipe]:
    """Cut the recipe, the user's exclusions in front, before the first change after leveling, and the first fill."""
    from afmend.evaluation.report_changes import first_change

    recipe = Recipe.from_yaml(job.recipe)
    uses = [*(StepUse.model_validate(use) for use in job.before), *recipe.steps]
    cut = next((i for i, use in enumerate(uses) if find_step(use.step).kind == "repair"), len(uses))
    start = first_change([use.step for use in uses])
    parts = (uses[:start], uses[start:cut], uses[cut:])
    first, changing, rest = (recipe.model_copy(update={"steps": tuple(part)}) for part in parts)
    return first, changing, rest


def _identity(job: Job, scan: Scan) -> dict[str, Any]:
    return {
        "file": job.path,
        "image": scan.source.index,
        "format": scan.source.format,
        "rows": scan.grid.rows,
        "cols": scan.grid.cols,
        "calibrated": scan.calibrated,
    }


def _numbers(scan: Scan, mended: Scan, key: ChannelKey) -> dict[str, Any]:
    from afmend.evaluation.report_changes import guessed
    from afmend.evaluation.report_numbers import records_of
    from afmend.evaluation.statistics import statistics

    channel = mended.channels[key]
    invented = channel.invented | guessed(channel, records_of(mended, key))
    row: dict[str, Any] = {
        "unit": channel.unit,
        "invented_percent": 100.0 * float(invented.mean()),
        "open_percent": 100.0 * float(channel.left_open.mean()),
        "missing_percent": 100.0 * float(channel.missing.mean()),
        "artifact_percent": 100.0 * float(channel.artifact.mean()),
        "artifacts": " ".join(sorted(channel.masks.artifact)),
    }
    states: tuple[tuple[str, Scan, Literal["with", "without"]], ...] = (
        ("as_read", scan, "with"),
        ("mended", mended, "with"),
        ("measured", mended, "without"),
    )
    for name, of, repaired in states:
        try:
            numbers = statistics(of, key, repaired).to_json()
        except StepError:
            continue  # not one pixel to count: the cells stay empty
        row.update({f"{stat}_{name}": numbers[stat] for stat in ("Sa", "Sq", "Ssk", "Sku", "Sz")})
    return row


def _card(path: Path, suffix: str, card: Card) -> str:
    from afmend.formats.register import replacing

    target = path.with_name(f"{path.stem}{suffix}.json")
    with replacing(target) as temporary:
        temporary.write_text(json.dumps(card.to_json()), encoding="utf-8")
    return str(target)
