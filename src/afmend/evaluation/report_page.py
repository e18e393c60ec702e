"""The page: header with the recipe, summary table, failures, cards. One file without external resources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from afmend.errors import AfmendError
from afmend.evaluation.page_frame import page_head, resource, table
from afmend.evaluation.report_card import parameters
from afmend.evaluation.report_facts import Card, Failure, RunFacts, safe
from afmend.formats.register import replacing
from afmend.pictures.numerals import plain, quantity
from afmend.pipeline.recipe import StepUse

COLUMNS = (
    "file", "channel", "verdict", "status", "invented", "Sq before", "Sq after", "artifacts marked (px)", "warnings",
)  # fmt: skip
LONG_MOVIE, FIRST_FRAMES = 8, 4
"""Of a file with more than so many frames only the first ones' cards stand open."""
_NUMERIC = ("invented", "Sq before", "Sq after")


def write_report(path: str | Path, cards: Sequence[Card], failures: Sequence[Failure], facts: RunFacts) -> None:
    """Write the report of a run as one self-contained HTML file, all or nothing.

    Parameters
    ----------
    path : str or Path
        Usually "report.html".
    cards : sequence of Card
        In the order in which they shall stand.
    failures : sequence of Failure
    facts : RunFacts

    Raises
    ------
    WriteError
        If the disk refuses; the old file then stays.
    """
    path = Path(path)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(_head(facts))
        file.write(_header(cards, failures, facts))
        file.write(_summary(cards, failures))
        file.write(_failures(failures))
        if cards:
            file.write("<h2>Scans</h2>\n")
        for movie in _movies(cards):
            file.writelines(_articles(cards, movie))
        file.write(_foot(facts))


def _head(facts: RunFacts) -> str:
    return page_head(
        f"afmend report – {facts.recipe.name}", style=resource("report.css"), script=resource("report.js"),
        afmend=facts.afmend,
    )  # fmt: skip


def _header(cards: Sequence[Card], failures: Sequence[Failure], facts: RunFacts) -> str:
    counts = Counter(card.status for card in cards)
    boxes = [(len(cards), "scans done"), (len(failures), "files failed"), *((n, s) for s, n in sorted(counts.items())),
             (sum(bool(card.warnings) for card in cards), "with warnings")]  # fmt: skip
    shown = "".join(
        f"<div{' class=failed' if s == 'files failed' and n else ''}><b>{n}</b>{safe(s)}</div>" for n, s in boxes
    )
    took = f" · {plain(facts.seconds, 3)} s" if facts.seconds is not None else ""
    notes = "".join(f'<p class="note">{safe(note)}</p>' for note in facts.notes)
    recipe = facts.recipe
    rows = [(f"{number}. {safe(use.step)}", *_step_cells(use)) for number, use in enumerate(recipe.steps, start=1)]
    steps = table(("step", "version", "every parameter"), rows, "history")
    chain = " → ".join(safe(use.step) for use in recipe.steps)
    about = f'<p class="note">{safe(recipe.description, 2000)}</p>' if recipe.description else ""
    return (
        f'<header><h1>afmend report</h1><p class="facts">afmend {safe(facts.afmend)} · recipe “{safe(recipe.name)}” · '
        f"{safe(facts.date)}{safe(took)}</p>{notes}</header>\n"
        f'<div class="counts">{shown}</div>\n'
        f'<section><p class="chain">{chain}</p>'
        f"<details><summary>Recipe “{safe(recipe.name)}”: {len(rows)} steps with every parameter</summary>"
        f"{about}{steps}</details></section>\n"
    )


def _step_cells(use: StepUse) -> tuple[str, str]:
    from afmend.catalogue import find_step

    try:
        found = find_step(use.step)
        return safe(found.version), parameters(found.params.parse(use.params, use.step).to_json())
    except AfmendError as error:
        return "–", f"{parameters(use.params)}<br>{safe(error.what)}"


def _summary(cards: Sequence[Card], failures: Sequence[Failure]) -> str:
    if not cards and not failures:
        return "<p>No file was worked on.</p>\n"
    head = "".join(
        f'<th scope="col"{" class=n" if name in _NUMERIC else ""}><button type="button">{name}</button></th>'
        for name in COLUMNS
    )
    statuses = sorted({card.status for card in cards} | ({"failed"} if failures else set()))
    options = "".join(f"<option>{safe(status)}</option>" for status in statuses)
    rows = "".join(_summary_row(n, card) for n, card in enumerate(cards)) + "".join(
        _failure_row(n, failure) for n, failure in enumerate(failures)
    )
    return (
        "<h2>Summary</h2>\n<section>"
        '<div class="filters">'
        '<label>Find <input id="words" type="search" placeholder="file, artifact, warning"></label>'
        f'<label>Status <select id="status"><option value="">all</option>{options}</select></label>'
        '<label><input id="warned" type="checkbox"> only with warnings</label><span id="shown"></span></div>'
        f'<div class="wide"><table id="summary"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        "</section>\n"
    )


def _summary_row(number: int, card: Card) -> str:
    artifacts = ", ".join(f"{kind} {count}" for kind, count in card.artifacts.items()) or "none"
    doubt = "" if not any("heights mean" in warning for warning in card.warnings) else " ?"
    like = max(card.sq_before or 0.0, card.sq_after or 0.0)
    short = "; ".join(dict.fromkeys(warning.split(":")[0].rstrip(".") for warning in card.warnings))
    cells = [
        f'<th scope="row"><a href="#scan-{number}"><bdi>{safe(card.title)}</bdi></a></th>',
        f"<td>{safe(card.channel)}</td>",
        f"<td>{safe(f'{card.verdict}: {card.action}' if card.verdict else '–')}</td>",
        f"<td>{safe(card.status)}</td>",
        f'<td class="n" data-sort="{card.invented:.9g}">{100 * card.invented:.2f} %</td>',
        *(_sq_cell(value, card.unit, like, doubt) for value in (card.sq_before, card.sq_after)),
        f"<td>{safe(artifacts)}</td>",
        f'<td class="warn">{safe(short)}</td>',
    ]
    return f'<tr data-status="{safe(card.status)}" data-warned="{int(bool(card.warnings))}">{"".join(cells)}</tr>'


def _sq_cell(value: float | None, unit: str, like: float, doubt: str) -> str:
    if value is None:
        return '<td class="n" data-sort="">–</td>'
    return f'<td class="n" data-sort="{value:.9g}">{safe(quantity(value, unit, like=like))}{doubt}</td>'


def _failure_row(number: int, failure: Failure) -> str:
    return (
        f'<tr data-status="failed" data-warned="1"><th scope="row"><a href="#failure-{number}"><bdi>'
        f'{safe(failure.file)}</bdi></a></th><td></td><td>–</td><td class="bad">failed</td>'
        f'<td class="n" data-sort="">–</td><td class="n" data-sort="">–</td><td class="n" data-sort="">–</td><td></td>'
        f'<td class="bad">{safe(failure.kind)}</td></tr>'
    )


def _failures(failures: Sequence[Failure]) -> str:
    if not failures:
        return ""
    rows = "".join(_failure_cells(number, failure) for number, failure in enumerate(failures))
    return (
        '<h2>Files that failed</h2>\n<section><div class="wide"><table><thead><tr><th scope="col">file</th>'
        '<th scope="col">error</th><th scope="col">what is wrong</th><th scope="col">what to do now</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>\n"
    )


def _failure_cells(number: int, failure: Failure) -> str:
    place = f" ({safe(failure.where)})" if failure.where not in ("", failure.file) else ""
    return (
        f'<tr id="failure-{number}"><th scope="row"><bdi>{safe(failure.file)}</bdi></th>'
        f'<td class="bad">{safe(failure.kind)}</td><td>{safe(failure.what, 2000)}{place}</td>'
        f"<td>{safe(failure.now, 2000)}</td></tr>"
    )


def _movies(cards: Sequence[Card]) -> Iterator[range]:
    """Group neighboring cards of one file."""
    start = 0
    for number in range(1, len(cards) + 1):
        if number == len(cards) or cards[number].file != cards[start].file:
            yield range(start, number)
            start = number


def _articles(cards: Sequence[Card], movie: range) -> Iterator[str]:
    """Write the cards of one file; of a long movie all but the first frames are folded away."""
    shown = movie if len(movie) <= LONG_MOVIE else movie[:FIRST_FRAMES]
    yield from (_article(number, cards[number]) for number in shown)
    if len(shown) < len(movie):
        title = f"{len(movie) - len(shown)} more frames of {cards[movie[0]].file}"
        yield f'<details class="frames"><summary><bdi>{safe(title)}</bdi></summary>\n'
        yield from (_article(number, cards[number]) for number in movie[len(shown) :])
        yield "</details>\n"


def _article(number: int, card: Card) -> str:
    return f'<article id="scan-{number}"><h3><bdi>{safe(card.title)}</bdi></h3>{card.html}</article>\n'


def _foot(facts: RunFacts) -> str:
    return (
        f"<footer>Written by afmend {safe(facts.afmend)}. Outlined or blue pixels were filled in or guessed, not "
        "measured; hatched or gray ones were never measured. Pictures are for looking; measure on the scan "
        "files.</footer>\n"
        f"</main>\n<script>{resource('report.js')}</script>\n</body>\n</html>\n"
    )
