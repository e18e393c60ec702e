"""Text in pictures with Pillow's built-in font, which lacks the lab's letters: µ, − and × are drawn here."""

from __future__ import annotations

import unicodedata
from functools import cache

from PIL import ImageDraw, ImageFont

INK = "#1b1b1b"
SOFT_INK = "#5c5c5c"
ALARM = "#c3180f"
_OWN = "µ−×"
_SPELLED = {
    "μ": "µ",
    "–": "-",
    "—": "-",
    "Ω": "Ohm",
    "σ": "sigma",
    "Å": "Ang",
    "ß": "ss",
    "≤": "<=",
    "≥": ">=",
    "\u212b": "Ang",
}
_KEPT = "°±…·²"


@cache
def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the built-in font at ``size`` px."""
    return ImageFont.load_default(size)


def writable(text: str) -> str:
    """Return the text in letters that the font (or this module) can draw; foreign ones become their base or "?"."""
    out = []
    for letter in text:
        if letter in _OWN or letter in _KEPT or " " <= letter <= "~":
            out.append(letter)
        elif letter in _SPELLED:
            out.append(_SPELLED[letter])
        else:
            base = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
            out.append("".join(c for c in base if c.isprintable()) or ("" if unicodedata.combining(letter) else "?"))
    return "".join(out)


def text_width(text: str, size: float) -> int:
    """Width of a text in px, rounded up."""
    return int(-(-sum(_advance(part, size) for part in _parts(writable(text))) // 1))


def fitted(text: str, size: float, width: float) -> str:
    """Shorten a text in its middle until it is at most ``width`` px wide."""
    text = writable(text)
    if text_width(text, size) <= width:
        return text
    keep = len(text)
    while keep > 2 and text_width(f"{text[: keep - keep // 2]}…{text[-(keep // 2) :]}", size) > width:
        keep -= 1
    return f"{text[: keep - keep // 2]}…{text[-(keep // 2) :]}"


def put(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: float,
    *,
    fill: str = INK,
    anchor: str = "l",
) -> None:
    """Write one line of text.

    Parameters
    ----------
    draw : ImageDraw
    at : (x, y)
        ``y`` is the middle of a capital letter; ``x`` is the left end, middle or right end.
    text : str
    size : float
        Font size in px.
    fill : str
    anchor : "l", "m" or "r"
        What ``x`` is.
    """
    text = writable(text)
    x = at[0] - text_width(text, size) * {"l": 0.0, "m": 0.5, "r": 1.0}[anchor]
    baseline = at[1] + 0.355 * size
    for part in _parts(text):
        if part in _OWN:
            _glyph(draw, part, x, baseline, size, fill)
        else:
            draw.text((x, baseline), part, fill=fill, font=font(size), anchor="ls")
        x += _advance(part, size)


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    for letter in text:
        if letter in _OWN or not parts or parts[-1] in _OWN:
            parts.append(letter)
        else:
            parts[-1] += letter
    return parts


def _advance(part: str, size: float) -> float:
    model = {"µ": "u", "−": "+", "×": "+"}.get(part, part)
    return float(font(size).getlength(model))


def _glyph(
    draw: ImageDraw.ImageDraw, letter: str, x: float, baseline: float, size: float, fill: str
) -> None:
    pen = max(1, round(size * 0.075))
    if letter == "µ":
        draw.text((x, baseline), "u", fill=fill, font=font(size), anchor="ls")
        left = round(x + 0.075 * size)
        draw.rectangle((left, baseline - 0.3 * size, left + pen - 1, baseline + 0.2 * size), fill=fill)
        return
    wide = _advance(letter, size)
    middle = baseline - 0.33 * size
    if letter == "−":
        draw.rectangle((x + 0.12 * wide, middle, x + 0.88 * wide, middle + pen - 1), fill=fill)
        return
    arm = 0.3 * wide
    center = x + wide / 2
    draw.line((center - arm, middle - arm, center + arm, middle + arm), fill=fill, width=pen)
    draw.line((center - arm, middle + arm, center + arm, middle - arm), fill=fill, width=pen)
