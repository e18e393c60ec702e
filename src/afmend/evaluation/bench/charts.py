"""Plots of the benchmark as SVG text, without external references or styles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from afmend.evaluation.metrics.compare import FEWEST
from afmend.evaluation.report_facts import safe
from afmend.pictures.numerals import plain, ticks

WIDTH = 980
AUTO_COLOR, OTHER_COLOR, WORSE_COLOR = "#0b4f8a", "#8a9099", "#c3180f"
COLORS = ("#0b4f8a", "#c2571a", "#3a8a3a", "#7a3fa0", "#a8860b", "#c23b77", "#2aa0a0")
_GRID, _INK, _SOFT = "#e3e6ea", "#1b1b1b", "#5c5c5c"
_LOOK = 'font-family="system-ui, sans-serif" font-size="13" fill="#1b1b1b"'


@dataclass(frozen=True, slots=True)
class Axis:
    """From values to pixels, linear or logarithmic; what lies outside is drawn at the end."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the coordinate of a value."""
        low, high, x = self.low, self.high, value
        if self.log:
            low, high, x = math.log(low), math.log(high), math.log(max(value, self.low * 1e-9))
        share = min(max((x - low) / (high - low), 0.0), 1.0)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        """Return round positions with their labels."""
        if not self.log:
            return ticks(self.low, self.high)
        decades = math.log10(self.high / self.low)
        steps = (1, 2, 5) if decades < 2.5 else (1, 3) if decades < 4 else (1,)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        found = [m * 10.0**k for k in range(first, last + 1) for m in steps]
        return [(x, f"{x:g}") for x in found if self.low * 0.999 <= x <= self.high * 1.001]


def log_axis(values: Sequence[float], start: float, stop: float, *, floor: float = 1e-3) -> Axis:
    """Make a logarithmic axis around positive values, with some room."""
    kept = [max(value, floor) for value in values if math.isfinite(value) and value > 0] or [1.0]
    low, high = min(kept), max(kept)
    room = max((high / low) ** 0.04, 1.1)
    return Axis(low / room, high * room, start, stop, log=True)


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" {_LOOK} '
        f'aria-label="{safe(label)}"><rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>'
        + "".join(parts)
        + "</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", color: str = _INK, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}"{weight}>{safe(text)}</text>'


def _dot(x: float, y: float, radius: float, color: str, title: str = "", *, hollow: bool = False) -> str:
    paint = f'fill="#ffffff" stroke="{color}" stroke-width="1.5"' if hollow else f'fill="{color}"'
    inside = f"<title>{safe(title)}</title>" if title else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" {paint}>{inside}</circle>'


def _line(x1: float, y1: float, x2: float, y2: float, color: str, width: float = 1, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" '
        f'stroke-width="{width:g}"{dashed}/>'
    )


def _vertical_grid(axis: Axis, top: float, bottom: float) -> list[str]:
    out = []
    for value, label in axis.ticks():
        x = axis.at(value)
        out += [_line(x, top, x, bottom, _GRID), _text(x, bottom + 17, label, "middle", _SOFT)]
    return out


@dataclass(frozen=True, slots=True)
class Interval:
    """One row of a forest plot: ``low`` and ``high`` None = no interval."""

    label: str
    value: float
    low: float | None
    high: float | None


def forest(rows: Sequence[Interval], *, still: float, log: bool, title: str, left: str, right: str) -> str:
    """Draw numbers with their intervals around a line of no difference.

    Parameters
    ----------
    rows : sequence of Interval
    still : float
        Where nothing differs: 1 for ratios, 0 for differences.
    log : bool
    title : str
        Under the axis.
    left, right : str
        What lies on either side of the line.
    """
    step, top = 24.0, 34.0
    bottom = top + step * len(rows)
    ends = [x for row in rows for x in (row.value, row.low, row.high) if x is not None] + [still]
    if log:
        axis = log_axis(ends, 210, WIDTH - 170, floor=0.01)
    else:
        room = 0.06 * (max(ends) - min(ends)) or 1.0
        axis = Axis(min(ends) - room, max(ends) + room, 210, WIDTH - 170)
    x0 = axis.at(still)
    parts = _vertical_grid(axis, top, bottom)
    parts += [_line(x0, top - 8, x0, bottom, _INK, 1.2), _text(x0 - 8, top - 14, f"← {left}", "end", _SOFT),
              _text(x0 + 8, top - 14, f"{right} →", "start", _SOFT)]  # fmt: skip
    for k, row in enumerate(rows):
        y = top + step * (k + 0.5)
        parts.append(_text(200, y + 4, row.label, "end"))
        known = row.low is not None and row.high is not None
        if known:
            parts.append(_line(axis.at(row.low or 0.0), y, axis.at(row.high or 0.0), y, AUTO_COLOR, 2))
        parts.append(_dot(axis.at(row.value), y, 4.5, AUTO_COLOR))
        span = f" [{plain(row.low or 0.0)}, {plain(row.high or 0.0)}]" if known else ""
        parts.append(_text(WIDTH - 160, y + 4, f"{plain(row.value)}{span}"))
    parts.append(_text((axis.start + axis.stop) / 2, bottom + 38, title, "middle"))
    return _svg(bottom + 48, title, parts)


def strips(
    groups: Mapping[str, Mapping[str, float]],
    *,
    highlight: str,
    title: str,
    log: bool = True,
    high: bool = False,
    counts: Mapping[str, int] | None = None,
) -> str:
    """Draw one dot per group and method: the highlighted method full, the best other named.

    Parameters
    ----------
    groups : mapping of group to mapping of method to value
    highlight : str
    title : str
        Under the axis.
    log : bool
        Logarithmic axis; else from 0 on.
    high : bool
        Whether large values are good.
    counts : mapping of group to int, optional
        Scans of each group: shown, and with fewer than `FEWEST` a lost group is not painted as one.
    """
    counts = counts or {}
    step, top = 28.0, 30.0
    bottom = top + step * len(groups)
    start, stop = 170.0, WIDTH - 310.0
    every = [value for group in groups.values() for value in group.values()]
    axis = log_axis(every, start, stop) if log else Axis(min(0.0, *every), max(*every, 1.0), start, stop)
    parts = _vertical_grid(axis, top, bottom)
    parts += [_dot(158, 13, 5, AUTO_COLOR), _text(170, 17, highlight), _dot(230, 13, 4, OTHER_COLOR, hollow=True),
              _text(242, 17, "another method (hover for its name)")]  # fmt: skip
    for k, (name, group) in enumerate(groups.items()):
        many = counts.get(name, FEWEST) >= FEWEST
        label = f"{name} (n={counts[name]})" if name in counts else name
        parts += _strip(label, group, highlight, axis, top + step * (k + 0.5), high=high, many=many)
    parts.append(_text((axis.start + axis.stop) / 2, bottom + 38, title, "middle"))
    return _svg(bottom + 48, title, parts)


def _strip(
    name: str, group: Mapping[str, float], highlight: str, axis: Axis, y: float, *, high: bool, many: bool
) -> list[str]:
    parts = [_line(axis.start, y, axis.stop, y, _GRID), _text(axis.start - 10, y + 4, name, "end")]
    others = {method: value for method, value in group.items() if method != highlight}
    parts += [_dot(axis.at(value), y, 4, OTHER_COLOR, f"{method}: {plain(value)}", hollow=True)
              for method, value in others.items()]  # fmt: skip
    if highlight not in group:
        return parts
    mine = group[highlight]
    parts.append(_dot(axis.at(mine), y, 5.5, AUTO_COLOR, f"{highlight}: {plain(mine)}"))
    if others:
        best = (max if high else min)(others, key=others.__getitem__)
        loses = others[best] > 1.01 * mine if high else others[best] < 0.99 * mine
        words = f"{plain(mine)}; best other: {plain(others[best])} ({best})"
        parts.append(_text(axis.stop + 12, y + 4, words, "start", WORSE_COLOR if loses and many else _SOFT))
    return parts


@dataclass(frozen=True, slots=True)
class Cloud:
    """Points of one color with a name in the legend."""

    name: str
    color: str
    points: Sequence[tuple[float, float]]


def scatter(clouds: Sequence[Cloud], *, x_title: str, y_title: str) -> str:
    """Draw points on two logarithmic axes, later clouds on top."""
    height, left, right, top, bottom = 560.0, 80.0, WIDTH - 230.0, 20.0, 500.0
    x = log_axis([p[0] for cloud in clouds for p in cloud.points], left, right, floor=1e-4)
    y = log_axis([p[1] for cloud in clouds for p in cloud.points], bottom, top, floor=1e-4)
    parts = _vertical_grid(x, top, bottom) + _horizontal_grid(y, left, right)
    for k, cloud in enumerate(clouds):
        dots = "".join(f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="3"/>' for a, b in cloud.points)
        parts.append(f'<g fill="{cloud.color}" fill-opacity="0.55">{dots}</g>')
        parts += [_dot(right + 24, top + 14 + 22 * k, 5, cloud.color), _text(right + 36, top + 18 + 22 * k, cloud.name)]
    parts += _titles(x_title, y_title, (left + right) / 2, (top + bottom) / 2, bottom)
    return _svg(height, f"{y_title} against {x_title}", parts)


def curves(lines: Mapping[str, Sequence[tuple[float, float]]], *, x_title: str, y_title: str) -> str:
    """Draw curves of percent against percent, with the diagonal on which they should lie."""
    height, left, right, top, bottom = 470.0, 80.0, 540.0, 20.0, 410.0
    lows = [v for points in lines.values() for point in points for v in point]
    low = max(0.0, 10 * math.floor(min(lows, default=0.0) / 10))
    x, y = Axis(low, 100, left, right), Axis(low, 100, bottom, top)
    parts = _vertical_grid(x, top, bottom) + _horizontal_grid(y, left, right)
    parts.append(_line(x.at(low), y.at(low), x.at(100), y.at(100), _SOFT, 1.2, "5 4"))
    parts.append(_text(right + 36, top + 18 + 22 * len(lines), "as promised", color=_SOFT))
    parts.append(
        _line(right + 14, top + 14 + 22 * len(lines), right + 31, top + 14 + 22 * len(lines), _SOFT, 1.2, "5 4")
    )
    for k, (name, points) in enumerate(lines.items()):
        color = COLORS[k % len(COLORS)]
        places = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in points)
        parts.append(f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [_dot(x.at(a), y.at(b), 4, color, f"{name}: {plain(a)} % promised, {plain(b)} % covered")
                  for a, b in points]  # fmt: skip
        parts += [_dot(right + 24, top + 14 + 22 * k, 5, color), _text(right + 36, top + 18 + 22 * k, name)]
    parts += _titles(x_title, y_title, (left + right) / 2, (top + bottom) / 2, bottom)
    return _svg(height, f"{y_title} against {x_title}", parts)


def _horizontal_grid(axis: Axis, left: float, right: float) -> list[str]:
    out = []
    for value, label in axis.ticks():
        y = axis.at(value)
        out += [_line(left, y, right, y, _GRID), _text(left - 8, y + 4, label, "end", _SOFT)]
    return out


def _titles(x_title: str, y_title: str, middle_x: float, middle_y: float, bottom: float) -> list[str]:
    return [
        _text(middle_x, bottom + 42, x_title, "middle"),
        f'<text transform="translate(22 {middle_y:.0f}) rotate(-90)" text-anchor="middle">{safe(y_title)}</text>',
    ]
