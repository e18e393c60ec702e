"""A complete picture of one channel: title, map, scale bar, color bar with unit, warning if uncalibrated."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from afmend.pictures.colormaps import colormap
from afmend.pictures.maps import INVENTED, Pixels, Size, fit, outlined, paint, robust_range
from afmend.pictures.numerals import bar_length, display, measure, ticks
from afmend.pictures.typeset import ALARM, INK, SOFT_INK, fitted, put, text_width
from afmend.scan import Channel, Grid

PAPER = "#ffffff"
_SMALLEST_BODY = 230


@dataclass(frozen=True, slots=True)
class Style:
    """How a picture looks: longest side of the map in px, font size in px, color map."""

    longest: int = 640
    font_px: float = 15.0
    cmap: str = "afm"


def channel_picture(
    channel: Channel,
    grid: Grid,
    *,
    title: str = "",
    limits: tuple[float, float] | None = None,
    style: Style = Style(),
) -> Image.Image:
    """Draw one channel as a complete picture; filled pixels are outlined, unfilled missing ones hatched.

    Parameters
    ----------
    channel : Channel
    grid : Grid
    title : str
        Shortened in its middle if it does not fit.
    limits : (low, high), optional
        Color range in the channel's unit; by default the 0.5 to 99.5 percentiles of what may be shown.
    style : Style

    Returns
    -------
    PIL.Image.Image
        RGB.
    """
    valid = ~channel.still_missing if channel.masks.missing is not None else None
    if limits is None:
        limits = robust_range(channel.values, valid)
    size = fit(channel.shape, grid.pixel_nm, style.longest)
    picture = paint(channel.values, size, limits, valid=valid, cmap=style.cmap)
    notes = []
    if channel.uncertainty is not None:
        picture = outlined(picture, channel.invented, INVENTED)
        share = 100 * np.count_nonzero(channel.invented) / channel.values.size
        notes.append((INVENTED, f"outlined: filled in, not measured ({share:.2g} %)"))
    if valid is not None and not valid.all():
        notes.append(("hatch", "hatched: never measured"))
    extremes = _extremes(channel, valid)
    return compose(picture, size, grid, limits, channel, title=title, notes=notes, extremes=extremes, style=style)


def _extremes(channel: Channel, valid: np.ndarray | None) -> tuple[float, float] | None:
    if valid is not None and not valid.any():
        return None
    where = True if valid is None else valid
    values = channel.values
    return (
        float(np.min(values, initial=np.inf, where=where)),
        float(np.max(values, initial=-np.inf, where=where)),
    )


def compose(
    picture: Pixels,
    size: Size,
    grid: Grid,
    limits: tuple[float, float],
    channel: Channel,
    *,
    title: str = "",
    notes: list[tuple[str, str]],
    extremes: tuple[float, float] | None,
    style: Style,
) -> Image.Image:
    """Lay out a painted map with title, scale bar, color bar and notes on white paper.

    ``info["origin"]`` of the returned image says where the map's upper left corner is.
    """
    f = style.font_px
    alarms = _alarms(grid, channel)
    bar = _Bar.of(limits, channel, extremes, max(size.height, 10 * f), f)
    body = max(size.width, int(_SMALLEST_BODY * f / 15))
    margin = round(1.2 * f)
    top = margin + (round(2.0 * f) if title else 0)
    below = [*([_stretch_note(size)] if size.stretch > 1 else []), *[text for _, text in notes], *alarms]
    width = margin + body + round(1.4 * f) + bar.width + margin
    height = (
        top
        + max(size.height, bar.height)
        + round((2.9 if below else 1.9) * f)
        + round(1.6 * f) * len(below)
        + round(0.6 * f)
    )
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    if title:
        put(draw, (margin, margin + 0.5 * f), fitted(title, 1.15 * f, width - 2 * margin), 1.15 * f)
    left = margin + (body - size.width) // 2
    image.paste(Image.fromarray(picture), (left, top))
    image.info["origin"] = (left, top)
    draw.rectangle((left - 1, top - 1, left + size.width, top + size.height), outline=INK)
    bar.draw(image, (left + size.width + round(1.4 * f), top), style.cmap, f)
    y = top + max(size.height, bar.height) + 1.1 * f
    _scale_bar(draw, (left, y), size, grid, f)
    y += 2.0 * f
    marks = {text: mark for mark, text in notes}
    for line in below:
        _note(draw, (margin, y), line, marks.get(line), f, line in alarms, width)
        y += 1.6 * f
    return image


def _alarms(grid: Grid, channel: Channel) -> list[str]:
    alarms = []
    if not grid.calibrated:
        alarms.append("UNCALIBRATED: scan size unknown")
    if not channel.calibrated:
        alarms.append("UNCALIBRATED: heights unknown" if channel.unit == "nm" else "UNCALIBRATED: values unknown")
    return alarms


def _stretch_note(size: Size) -> str:
    return f"{size.short_axis} axis drawn {size.stretch:.3g} × too long"


def _note(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, mark: str | None, f: float, alarm: bool, width: int
) -> None:
    x, y = at
    if mark is not None:
        box = (x, y - 0.4 * f, x + 0.8 * f, y + 0.4 * f)
        if mark == "hatch":
            draw.rectangle(box, fill="#cdcdcd", outline="#8c8c8c")
            draw.line((box[0], box[3], box[2], box[1]), fill="#8c8c8c", width=2)
        else:
            draw.rectangle(box, outline=mark, width=2)
        x += 1.2 * f
    text = fitted(text, 0.9 * f, width - x - f)
    if alarm:
        draw.rectangle((x, y - 0.7 * f, x + text_width(text, 0.9 * f) + 0.8 * f, y + 0.7 * f), fill=ALARM)
        x += 0.4 * f
    put(draw, (x, y), text, 0.9 * f, fill=PAPER if alarm else SOFT_INK)


def _scale_bar(draw: ImageDraw.ImageDraw, at: tuple[float, float], size: Size, grid: Grid, f: float) -> None:
    fast_nm = grid.size_nm[1] if grid.calibrated else float(grid.cols)
    length, label = bar_length(fast_nm, calibrated=grid.calibrated)
    pixels = max(2, round(length / fast_nm * size.width))
    x, y = at
    draw.rectangle((x, y - 0.2 * f, x + pixels - 1, y + 0.2 * f), fill=INK)
    put(draw, (x + pixels + 0.6 * f, y), label, f)


@dataclass(frozen=True, slots=True)
class _Bar:
    """A color bar: ticks with labels, unit above, arrow heads where values lie beyond."""

    marks: list[tuple[float, str]]
    label: str
    height: int
    width: int
    swatch: int
    beyond: tuple[bool, bool]

    @classmethod
    def of(
        cls,
        limits: tuple[float, float],
        channel: Channel,
        extremes: tuple[float, float] | None,
        height: float,
        f: float,
    ) -> _Bar:
        low, high = limits
        shown = display(max(abs(low), abs(high)), channel.unit if channel.calibrated or channel.unit else "")
        wanted = int(min(6, max(2, height / (3.2 * f))))
        found = ticks(low / shown.factor, high / shown.factor, wanted)
        marks = [((value - low / shown.factor) / ((high - low) / shown.factor), text) for value, text in found]
        swatch = round(1.1 * f)
        label = shown.label if channel.calibrated else f"{shown.label} ?"
        if extremes is None:
            marks, label = [], "no data"
        wide = max([text_width(text, f) for _, text in marks] + [text_width(label, f) - swatch])
        slack = 1e-6 * (high - low)
        beyond = (False, False) if extremes is None else (extremes[0] < low - slack, extremes[1] > high + slack)
        return cls(marks, label, round(height), swatch + round(0.7 * f) + wide, swatch, beyond)

    def draw(self, image: Image.Image, at: tuple[int, int], cmap: str, f: float) -> None:
        draw = ImageDraw.Draw(image)
        x, y = at
        put(draw, (x, y + 0.5 * f), self.label, f)
        head = round(0.6 * f)
        top, bottom = y + round(1.5 * f) + head, y + self.height - head - 1
        colors = colormap(cmap)
        rows = np.linspace(255, 0, bottom - top + 1).round().astype(int)
        image.paste(Image.fromarray(np.repeat(colors[rows][:, None], self.swatch, axis=1)), (x, top))
        draw.rectangle((x, top, x + self.swatch - 1, bottom), outline=INK)
        middle = x + (self.swatch - 1) / 2
        for beyond, base, tip, color in (
            (self.beyond[0], bottom, bottom + head, colors[0]),
            (self.beyond[1], top, top - head, colors[-1]),
        ):
            if beyond:
                corners = [(x, base), (x + self.swatch - 1, base), (middle, tip)]
                draw.polygon(corners, fill=tuple(int(c) for c in color), outline=INK)
        for share, text in self.marks:
            level = bottom - share * (bottom - top)
            draw.line((x + self.swatch, level, x + self.swatch + 0.3 * f, level), fill=INK)
            put(draw, (x + self.swatch + 0.6 * f, level), text, f)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """Return the bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def size_text(grid: Grid) -> str:
    """Say how large a scan is: "1 µm × 2.5 µm (512 × 256 px)", fast axis first."""
    pixels = f"{grid.cols} × {grid.rows} px"
    if not grid.calibrated:
        return pixels
    slow, fast = grid.size_nm
    return f"{measure(fast)} × {measure(slow)} ({pixels})"
