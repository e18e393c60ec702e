"""The pictures of a card as data URIs: original, leveled, masks, repaired, change, 3-D views, line profile."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afmend.evaluation.report_changes import Change
from afmend.pictures.annotate import Style, compose, encoded
from afmend.pictures.colormaps import rgb
from afmend.pictures.maps import (
    INVENTED,
    KIND_COLORS,
    Pixels,
    Size,
    fit,
    kind_colors,
    outline,
    paint,
    robust_range,
    tint,
)
from afmend.pictures.numerals import quantity
from afmend.pictures.profile import Profile, profile_svg
from afmend.pictures.surface3d import View, surface
from afmend.scan import Channel, Grid
from afmend.scan.arrays import Heights, Mask

_STYLE = Style(longest=300, font_px=12)
_VIEW = View(width=380)
_PAPER_WIDTH = 390
LEFT_OPEN = "#ff2a2a"


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture with its caption."""

    title: str
    caption: str
    uri: str
    width: int
    height: int
    overlay: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What captions say: the steps that changed measured heights on purpose, what changed, filled and guessed pixels.

    ``fine`` outlines invented pixels thinner and half transparent: where there are many patches.
    """

    by: str = ""
    change: Change | None = None
    filled: bool = True
    guessed: bool = False
    fine: bool = False

    @property
    def title(self) -> str:
        """Of the result."""
        return "Repaired" if self.filled or not self.by else "Corrected"

    @property
    def invented(self) -> str:
        """What outlined pixels are."""
        return {(True, False): "filled", (False, True): "guessed"}.get((self.filled, self.guessed), "invented")


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """What all pictures of a card share."""

    grid: Grid
    size: Size
    mended: Channel
    missing: Mask
    invented: Mask
    limits: tuple[float, float]


def panels(original: Channel, leveled: Channel, mended: Channel, grid: Grid, told: Told) -> list[Panel]:
    """Draw six pictures; leveled, repaired and both 3-D views share one color range and one z scale.

    A seventh shows what changed outside the filled pixels, if anything did.
    """
    missing, invented = original.missing | mended.missing, mended.invented
    before = f"before {told.by or 'repair'}"
    known = ~missing | invented
    size = fit(grid.shape, grid.pixel_nm, _STYLE.longest)
    stage = _Stage(grid, size, mended, missing, invented, robust_range(mended.values, known))
    measured = ~missing
    raw_limits = robust_range(original.values, measured)
    maps = _on_one_width([
        _map(stage, original, raw_limits, measured),
        _map(stage, leveled, stage.limits, measured),
        _masks(stage, leveled),
        _clean(stage, known),
        *([_changed(stage, told.change)] if told.change is not None else []),
    ])  # fmt: skip
    return [
        _panel("Original", "as read; its own color range", maps[0]),
        _panel(
            "Leveled",
            f"{before}; same color range as {told.title.lower()}",
            maps[1],
        ),
        _panel("Masks", "what was marked, over the leveled heights", maps[2]),
        _repaired(stage, maps[3], told),
        *([_panel("Change", _change_text(told.change, mended, told), maps[4])] if told.change is not None else []),
        *_reliefs(stage, leveled, known, told),
    ]


def _on_one_width(images: list[Image.Image]) -> list[Image.Image]:
    """Put all maps of a card on paper of one width, however wide their labels: the page scales them alike."""
    width = max(_PAPER_WIDTH, *(image.width for image in images))
    papers = []
    for image in images:
        paper = Image.new("RGB", (width, image.height), "#ffffff")
        paper.paste(image, (0, 0))
        paper.info = image.info
        papers.append(paper)
    return papers


def _reliefs(stage: _Stage, leveled: Channel, known: Mask, told: Told) -> list[Panel]:
    """Draw both 3-D views, or one if nothing was filled nor changed."""
    mended, measured = stage.mended, ~stage.missing
    invented = stage.invented if stage.invented.any() else None
    said = f"leveled, before {told.by or 'repair'}"
    before = partial(
        surface, grid=stage.grid, limits=stage.limits, calibrated=mended.calibrated, unit=mended.unit, view=_VIEW
    )
    if not stage.invented.any() and told.change is None:
        picture = before(mended.values, valid=_unless_all(measured))
        return [_panel("3-D", "leveled; nothing was filled", picture)]
    return [
        _panel("3-D before", said, before(leveled.values, valid=_unless_all(measured))),
        _panel("3-D after", _after_text(stage, told),
               before(mended.values, valid=_unless_all(known), invented=invented)),
    ]  # fmt: skip


def _after_text(stage: _Stage, told: Told) -> str:
    what = "repaired" if told.filled or not told.by else f"after {told.by}"
    return f"{what}, same scales" + (f"; {told.invented} pixels blue" if stage.invented.any() else "")


def _change_text(change: Change, channel: Channel, told: Told) -> str:
    low, high = (quantity(value, channel.unit) + ("" if channel.calibrated else " ?") for value in change[2:])
    filled = "; filled pixels left out" if told.filled else ""
    return f"what {told.by or 'repair'} changed: {low} to {high}, {change.pixels} pixels{filled}"


def _changed(stage: _Stage, change: Change) -> Image.Image:
    """Draw what changed, centered on zero."""
    valid = ~stage.missing
    low, high = robust_range(change.values, valid)
    reach = max(-low, high)
    if not (low < 0.0 or high > 0.0) or np.count_nonzero(change.values) < 0.01 * change.values.size:
        reach = max(-change.low, change.high)
    limits = (-reach, reach)
    picture = paint(change.values, stage.size, limits, valid=_unless_all(valid), cmap="difference")
    return _framed(picture, stage, limits, stage.mended.evolve(values=change.values), valid, "difference")


def _unless_all(valid: Mask) -> Mask | None:
    return None if valid.all() else valid


def _map(stage: _Stage, channel: Channel, limits: tuple[float, float], valid: Mask) -> Image.Image:
    picture = paint(channel.values, stage.size, limits, valid=_unless_all(valid), cmap=_STYLE.cmap)
    return _framed(picture, stage, limits, channel, valid)


def _framed(
    picture: Pixels, stage: _Stage, limits: tuple[float, float], channel: Channel, valid: Mask, cmap: str = _STYLE.cmap
) -> Image.Image:
    style = Style(_STYLE.longest, _STYLE.font_px, cmap)
    reach = _reach(channel.values, valid)
    return compose(picture, stage.size, stage.grid, limits, channel, notes=[], extremes=reach, style=style)


def _reach(values: Heights, valid: Mask) -> tuple[float, float] | None:
    if not valid.any():
        return None
    low, high = np.min(values, initial=np.inf, where=valid), np.max(values, initial=-np.inf, where=valid)
    return float(low), float(high)


def _masks(stage: _Stage, leveled: Channel) -> Image.Image:
    valid = ~stage.missing
    picture = paint(leveled.values, stage.size, stage.limits, valid=_unless_all(valid), cmap="gray")
    for mask in stage.mended.masks.foreground.values():
        picture = tint(picture, mask, KIND_COLORS["foreground"], strength=0.25)
    for kind, color in kind_colors(list(stage.mended.masks.artifact)).items():
        picture = tint(picture, stage.mended.masks.artifact[kind], color, strength=0.75)
    return _framed(picture, stage, stage.limits, leveled, valid, "gray")


def _clean(stage: _Stage, known: Mask) -> Image.Image:
    """Draw the result without outlines."""
    mended = stage.mended
    picture = paint(mended.values, stage.size, stage.limits, valid=_unless_all(known), cmap=_STYLE.cmap)
    picture = tint(picture, mended.artifact & mended.left_open, LEFT_OPEN, strength=0.35)
    return _framed(picture, stage, stage.limits, mended, known)


def _repaired(stage: _Stage, image: Image.Image, told: Told) -> Panel:
    """Add the outlines to the clean picture, as a layer of their own that the page can hide."""
    title = told.title
    after = f"after {told.by}; " if told.by else ""
    if not stage.invented.any():
        return _panel(title, f"{after}nothing was filled", image)
    marks = Image.new("P", image.size, 0)
    marks.putpalette([0, 0, 0, *rgb(INVENTED)])
    line = outline(stage.invented, stage.size, inside=told.fine)
    marks.paste(Image.fromarray(line.astype(np.uint8)), image.info["origin"])
    opacity = bytes([0, 128 if told.fine else 255])
    overlay = data_uri(encoded(marks, "PNG", transparency=opacity, optimize=True), "png")
    return replace(_panel(title, f"{after}{told.invented} pixels outlined; point here to hide", image), overlay=overlay)


def data_uri(data: bytes, form: str) -> str:
    """Return a picture as a data URI."""
    return f"data:image/{form};base64,{base64.b64encode(data).decode()}"


def _panel(title: str, caption: str, image: Image.Image) -> Panel:
    uri = data_uri(encoded(image, "WEBP", quality=80, method=2), "webp")
    return Panel(title, caption, uri, image.width, image.height)


def line_profile(original: Channel, leveled: Channel, mended: Channel, grid: Grid) -> str:
    """Draw the line with the most invented pixels as SVG; empty if nothing was invented.

    Lines that were invented nearly whole say nothing along themselves: if there are only such, the column
    with the most invented pixels is drawn across them.
    """
    invented = mended.invented
    if not invented.any():
        return ""
    per_line = np.count_nonzero(invented, axis=1)
    useful = np.where(per_line < 0.9 * grid.cols, per_line, 0)
    along_fast = bool(useful.any())
    index = _middlemost(useful) if along_fast else _middlemost(np.count_nonzero(invented, axis=0))
    cut: tuple[int | slice, int | slice] = (index, slice(None)) if along_fast else (slice(None), index)
    missing = (original.missing | mended.missing)[cut]
    sigma = mended.uncertainty[cut] if mended.uncertainty is not None else np.zeros(missing.shape)
    step = grid.pixel_nm[1 if along_fast else 0]
    where = (
        f"line (row) {index} of {grid.rows}, fast axis" if along_fast else f"column {index} of {grid.cols}, slow axis"
    )
    return profile_svg(
        Profile(
            leveled.values[cut].astype(np.float64),
            mended.values[cut].astype(np.float64),
            invented[cut],
            sigma,
            ~missing,
            ~missing | invented[cut],
            step,
            mended.unit,
            (grid.calibrated, mended.calibrated),
            where,
        )
    )


def _middlemost(counts: NDArray[np.intp]) -> int:
    """Return the index of the largest count; of several, the one nearest to the middle."""
    best = np.flatnonzero(counts == counts.max())
    return int(best[np.abs(best - counts.size // 2).argmin()])
