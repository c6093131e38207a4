"""Charts as inline SVG that fits any width: positions across are per cent, heights and letters are pixels.

Curves lie in an inner `<svg>` that stretches while lines and letters keep their size, so that one drawing reads well
on a phone and on a desk. Colours are classes of the page's style sheet; there are no inline styles.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Point = tuple[float, float]
_UNITS = 1000  # of the stretched inner drawing, both ways


@dataclass(frozen=True)
class Series:
    """A named curve. `style` is a class of the style sheet; `dots` marks each point."""

    name: str
    points: Sequence[Point]
    style: str
    dots: bool = False


@dataclass(frozen=True)
class Axis:
    """What runs along one side: its label, its ends (None: those of the data), its scale and its number format."""

    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    show: Callable[[float], str] = "{:g}".format


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """About `wanted` round numbers (1, 2 or 5 times a power of ten) from at most `low` to at least `high`."""
    if not high > low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / max(wanted - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.99)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers within `low`..`high` for a logarithmic axis: 1, 2, 5 in each power of ten, or only the powers."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) <= 3 else (1, 3) if len(powers) <= 5 else (1,)
    return [factor * 10.0**power for power in powers for factor in factors if low <= factor * 10.0**power <= high]


def short(value: float) -> str:
    """A tick's number: `250k`, `3M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def thin(points: Sequence[Point], most: int = 300, log: bool = False) -> list[Point]:
    """At most `most` points, each the mean of its neighbours, even along the (logarithmic) axis; finite ones only."""
    points = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y) and (x > 0 or not log)]
    if len(points) <= most:
        return points
    at = [math.log(x) if log else x for x, _ in points]
    span = (at[-1] - at[0]) or 1.0
    cells: dict[int, list[Point]] = {}
    for where, point in zip(at, points, strict=True):
        cells.setdefault(min(most - 1, int((where - at[0]) / span * most)), []).append(point)
    return [
        (sum(x for x, _ in cell) / len(cell), sum(y for _, y in cell) / len(cell)) for _, cell in sorted(cells.items())
    ]


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    log: bool

    def part(self, value: float) -> float:
        """Where `value` lies between the ends, 0 to 1; values beyond are cut."""
        if self.log:
            at = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            at = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, at))


def _scale(axis: Axis, values: Sequence[float], ticks: int) -> tuple[_Scale, list[float]]:
    low = min(values) if axis.low is None else axis.low
    high = max(values) if axis.high is None else axis.high
    if axis.log:
        high = high if high > low else low * 10
        return _Scale(low, high, True), log_ticks(low, high)
    if not high > low:
        high = low + (abs(low) or 1.0)
    marks = nice_ticks(low, high, ticks)
    room = 0.05 * (high - low)  # ends near the data, not at the next round number, leave the curve more of the height
    if axis.low is None:
        low = max(marks[0], low - room)
    if axis.high is None:
        high = min(marks[-1], high + room)
    return _Scale(low, high, False), [mark for mark in marks if low - 1e-12 <= mark <= high + 1e-12]


def line_chart(
    series: Sequence[Series], x: Axis, y: Axis, *, title: str, height: int = 260, width: int | None = None,
    reference: tuple[str, float] | None = None, marks: Sequence[tuple[str, float, float, str]] = (),
) -> Markup:  # fmt: skip
    """Curves over one axis. `reference` is a named level (the entropy floor); `marks` are (name, x, y, style) dots.

    `title` says in words what is to be seen; it is all that some readers get. With a `width` in pixels curves are not
    stretched: programs that make pictures of SVG stretch their lines with them. Empty series give an empty string.
    """
    series = [one for one in series if one.points]
    if not series:
        return Markup("")
    xs = [px for one in series for px, _ in one.points] + [px for _, px, _, _ in marks]
    ys = [py for one in series for _, py in one.points] + [py for _, _, py, _ in marks]
    ys += [reference[1]] if reference else []
    across, x_marks = _scale(x, xs, 5)
    up, y_marks = _scale(y, ys, 5 if height > 150 else 3)

    def top(value: float) -> float:
        return round(height * (1 - up.part(value)), 1)

    def left(value: float) -> str:
        return f"{100 * across.part(value):.2f}%"

    parts = [
        f'<svg class="chart" width="100%" height="{height}" role="img" aria-label="{escape(title)}" '
        f'data-x="{across.low:.9g} {across.high:.9g} {int(across.log)}" data-y="{up.low:.9g} {up.high:.9g}" '
        f'data-x-label="{escape(x.label)}" data-y-label="{escape(y.label)}">'
    ]
    for value in y_marks:
        at = top(value)
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick" x="-8" y="{at + 4}" text-anchor="end">{escape(y.show(value))}</text>')
    for value in x_marks:
        parts.append(f'<line class="notch" x1="{left(value)}" x2="{left(value)}" y1="{height}" y2="{height + 5}"/>')
        at, shown = height + 19, escape(x.show(value))
        parts.append(f'<text class="tick" x="{left(value)}" y="{at}" text-anchor="middle">{shown}</text>')
    wide, high = (width, height) if width else (_UNITS, _UNITS)
    box = f'viewBox="0 0 {wide} {high}" preserveAspectRatio="none"'
    parts.append(f'<svg class="curves" width="100%" height="{height}" {box}>')
    for one in series:
        places = " ".join(f"{wide * across.part(px):.1f},{high * (1 - up.part(py)):.1f}" for px, py in one.points)
        parts.append(f'<polyline class="curve {one.style}" data-name="{escape(one.name)}" points="{places}"/>')
    parts.append("</svg>")
    if reference:
        name, level = reference
        parts.append(f'<line class="level" x1="0" x2="100%" y1="{top(level)}" y2="{top(level)}"/>')
        # At the left curves are still high above the level.
        parts.append(f'<text class="note" x="6" y="{round(top(level) - 7, 1)}">{escape(name)}</text>')
    for one in series:
        if one.dots:
            parts.extend(
                f'<circle class="dot {one.style}" cx="{left(px)}" cy="{top(py)}" r="3"/>' for px, py in one.points
            )
    for name, px, py, style in marks:
        near_end = across.part(px) > 0.6
        shift, anchor = (-10, "end") if near_end else (10, "start")
        parts.append(f'<circle class="mark {style}" cx="{left(px)}" cy="{top(py)}" r="6"/>')
        parts.append(
            f'<svg x="{left(px)}" y="{top(py)}" class="loose"><text class="note" x="{shift}" y="18" '
            f'text-anchor="{anchor}">{escape(name)}</text></svg>'
        )
    parts.append("</svg>")
    return Markup("".join(parts))


def interval_bar(value: float, low: float, high: float, *, title: str, style: str = "base") -> Markup:
    """A bar for a share between 0 and 1 with a whisker from `low` to `high`."""
    v, a, b = (f"{100 * min(1.0, max(0.0, one)):.2f}%" for one in (value, low, high))
    wide = f"{100 * (min(1.0, high) - max(0.0, low)):.2f}%"
    return Markup(
        f'<svg class="bar" width="100%" height="20" role="img" aria-label="{escape(title)}">'
        f'<rect class="track" width="100%" height="12" y="4" rx="2"/>'
        f'<rect class="fill {style}" width="{v}" height="12" y="4" rx="2"/>'
        f'<rect class="whisker" x="{a}" y="9" width="{wide}" height="2"/>'
        f'<line class="end" x1="{a}" x2="{a}" y1="5" y2="15"/><line class="end" x1="{b}" x2="{b}" y1="5" y2="15"/>'
        "</svg>"
    )


def value_bar(value: float, most: float, *, title: str, style: str = "base", mark: float | None = None) -> Markup:
    """A bar for `value` on a scale from 0 to `most`; `mark` draws a line at a level to compare with."""
    width = f"{100 * min(1.0, max(0.0, value / most)) if most > 0 else 0:.2f}%"
    line = ""
    if mark is not None and most > 0:
        at = f"{100 * min(1.0, max(0.0, mark / most)):.2f}%"
        line = f'<line class="floor" x1="{at}" x2="{at}" y1="1" y2="19"/>'
    return Markup(
        f'<svg class="bar" width="100%" height="20" role="img" aria-label="{escape(title)}">'
        f'<rect class="track" width="100%" height="12" y="4" rx="2"/>'
        f'<rect class="fill {style}" width="{width}" height="12" y="4" rx="2"/>{line}</svg>'
    )


def strip(parts: Sequence[tuple[str, float, str]], *, title: str) -> Markup:
    """Stretches of time in their order, as one bar: (name, amount, style)."""
    total = sum(amount for _, amount, _ in parts)
    if total <= 0:
        return Markup("")
    drawn, at = [], 0.0
    for name, amount, style in parts:
        drawn.append(
            f'<rect class="fill {style}" x="{100 * at / total:.2f}%" width="{100 * amount / total:.2f}%" height="14">'
            f"<title>{escape(name)}</title></rect>"
        )
        at += amount
    return Markup(f'<svg class="strip" width="100%" height="14" role="img" aria-label="{escape(title)}">'
                  + "".join(drawn) + "</svg>")  # fmt: skip
