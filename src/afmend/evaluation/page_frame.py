"""What all pages of afmend share: one file without external resources, under a policy that lets nothing in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files

from afmend import __version__
from afmend.evaluation.report_facts import safe


@cache
def resource(name: str) -> str:
    """Read a style or a script that lies beside this module ("report.css", "bench/bench.css")."""
    return (files("afmend.evaluation") / name).read_text(encoding="utf-8")


def page_head(title: str, *, style: str, script: str = "", afmend: str = __version__) -> str:
    """Return everything up to ``<main>``.

    Parameters
    ----------
    title : str
        Not escaped yet.
    style, script : str
        The only ones that the page's policy allows. The script belongs at the end of the page, not here.
    afmend : str
        Version of the afmend that did the work.
    """
    scripts = f" script-src '{_digest(script)}';" if script else ""
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}';{scripts} base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="afmend {safe(afmend)}">\n'
        f"<title>{safe(title)}</title>\n"
        f"<style>{style}</style>\n</head>\n<body>\n<main>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """Lay out cells that are HTML already; the first cell of a row is its head."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table class="{kind}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
