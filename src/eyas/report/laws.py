"""A picture of fitted laws, as SVG or PNG, drawn with the report's own charts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from eyas.report.charts import Axis, Series, line_chart, short
from eyas.scaling.measure import Fit
from eyas.scaling.predict import Prediction

WIDTH, HEIGHT = 900, 300  # of a panel's drawing; letters stand around it
LEFT, TOP, RIGHT, BELOW = 70, 56, 150, 64
MOST_CURVES = 9
POINTS = 60  # of a curve
BEYOND = 10  # times the largest run of the table that the first panel reaches

# Dark to light along the size or the budget, then what has no order.
COLOURS = ("#30175c", "#47327e", "#3d5a8c", "#31798e", "#25968a", "#3bb273", "#7cc24f", "#c3b91f", "#e2972b")
STYLE = (
    # What makes PNG of it knows no `system-ui`, only fonts by their names.
    "text{font-family:system-ui,'Segoe UI','Helvetica Neue',Arial,'DejaVu Sans','Liberation Sans','Noto Sans';"
    "font-size:12px;fill:#333}.head{font-size:15px;font-weight:600}.grid{stroke:#ddd}"
    ".notch{stroke:#777}.curve{fill:none;stroke-width:2}.level{stroke:#333;"
    "stroke-dasharray:5 4}.curves{overflow:hidden}svg{overflow:visible}"
    ".mark.low,.predicted{fill:none;stroke:#b3541b;stroke-width:2}.reached{fill:#b3541b}.dot.all{fill:#3d5a8c}"
) + "".join(f".curve.c{i}{{stroke:{colour}}}.dot.c{i}{{fill:{colour}}}" for i, colour in enumerate(COLOURS))
STYLE += ".curve.points{stroke:none}"  # last, so that it wins over the colours


@dataclass(frozen=True)
class _Panel:
    title: str
    chart: Markup
    x_label: str
    y_label: str
    names: Sequence[tuple[str, str]]  # (style, name) of the curves


def law_picture(fits: Sequence[Fit], ahead: Sequence[tuple[Prediction, float | None]] = ()) -> str:
    """An SVG document: what a budget reaches by each law, then for each fit the loss by size or tokens, and residuals.

    Where N is counted in several ways the first panel keeps to the first. `ahead` are runs that were predicted, with
    the loss that they reached.
    """
    panels = [panel for one in fits for panel in _panels(one)]
    panels.insert(0, _budgets([one for one in fits if one.counting == fits[0].counting], ahead))
    high, wide = TOP + HEIGHT + BELOW, LEFT + WIDTH + RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high * len(panels)}" '
        f'viewBox="0 0 {wide} {high * len(panels)}"><style>{STYLE}</style>'
        '<rect width="100%" height="100%" fill="#fff"/>'
    ]
    for number, panel in enumerate(panels):
        parts.append(_placed(panel, number * high))
    return "".join(parts) + "</svg>\n"


def _placed(panel: _Panel, down: int) -> str:
    names = "".join(
        f'<circle class="dot {style}" cx="{LEFT + WIDTH + 18}" cy="{TOP + 8 + 18 * i}" r="4"/>'
        f'<text x="{LEFT + WIDTH + 28}" y="{TOP + 12 + 18 * i}">{escape(name)}</text>'
        for i, (style, name) in enumerate(panel.names)
    )
    return (
        f'<g transform="translate(0,{down})"><text class="head" x="{LEFT}" y="24">{escape(panel.title)}</text>'
        f'<text x="{LEFT}" y="{TOP - 12}">{escape(panel.y_label)}</text>'
        f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 42}" text-anchor="middle">{escape(panel.x_label)}</text>'
        # Charts fill the width of the drawing they stand in.
        f'<svg x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}">{panel.chart}</svg>{names}</g>'
    )


def _panels(fit: Fit) -> list[_Panel]:
    what = f"{fit.data_set or 'loss'} (N: {fit.counting})"
    valleys = _valleys(fit, what) if len(fit.isoflop.valleys) >= 2 else None
    return [valleys or _sizes(fit, what), _residuals(fit, what)]


def _budgets(fits: Sequence[Fit], ahead: Sequence[tuple[Prediction, float | None]]) -> _Panel:
    """Each law's best loss for a budget of FLOPs, its runs, and those ahead of them."""
    series, names, marks = [], [], []
    apart = max(1, (len(COLOURS) - 1) // max(1, len(fits) - 1))
    for number, fit in enumerate(fits):
        style = f"c{number * apart % len(COLOURS)}"
        flops = np.geomspace(fit.runs.flops.min(), BEYOND * fit.runs.flops.max(), POINTS)
        if fit.law.A > 0 and fit.law.B > 0:
            best = [float(fit.law.loss(*fit.law.best_run(one, fit.flops_factor))) for one in flops]
            series.append(Series(str(fit.data_set), list(zip(flops, best, strict=True)), style))
        series.append(Series("", list(zip(fit.runs.flops, fit.runs.loss, strict=True)), f"points {style}", dots=True))
        names.append((style, fit.data_set or "loss"))
    for prediction, reached in ahead:
        ends = [(prediction.flops, prediction.low), (prediction.flops, prediction.high)]
        series.append(Series("", ends, "predicted"))
        marks.append(("", prediction.flops, prediction.loss, "predicted"))
        if reached is not None:
            marks.append(("", prediction.flops, reached, "reached"))
    names += [(style, style) for style in ("predicted", "reached") if any(mark[3] == style for mark in marks)]
    title = "the best loss for a budget by the law (curve), and the runs (dots)"
    axes = Axis("FLOPs", log=True, show="{:.0e}".format), Axis("loss")
    chart = line_chart(series, *axes, title=title, height=HEIGHT, width=WIDTH, marks=marks)
    return _Panel(title, chart, "training FLOPs", "loss", names)


def _spread_out(count: int) -> list[int]:
    """Which of `count` curves to draw, at most MOST_CURVES, first and last among them."""
    return sorted({round(one) for one in np.linspace(0, count - 1, min(count, MOST_CURVES))})


def _valleys(fit: Fit, what: str) -> _Panel:
    series, names, marks = [], [], []
    for colour, number in enumerate(_spread_out(len(fit.isoflop.valleys))):
        valley, style = fit.isoflop.valleys[number], f"c{colour}"
        n, loss = fit.runs.n[valley.rows], fit.runs.loss[valley.rows]
        x = np.linspace(np.log(n.min()), np.log(n.max()), POINTS)
        curve = np.polyval(valley.curve[::-1], x - np.log(valley.middle))
        series.append(Series(f"{valley.flops:.1e} FLOPs", list(zip(np.exp(x), curve, strict=True)), style))
        series.append(Series("", list(zip(n, loss, strict=True)), f"points {style}", dots=True))
        names.append((style, f"{valley.flops:.1e} FLOPs"))
        if valley.n is not None and valley.loss is not None:
            marks.append(("", valley.n, valley.loss, "low"))
    title = f"{what}: at one budget the loss is a valley over N"
    axes = Axis("N", log=True, show=short), Axis("loss")
    return _Panel(
        title, line_chart(series, *axes, title=title, height=HEIGHT, width=WIDTH, marks=marks), "N", "loss", names
    )


def _sizes(fit: Fit, what: str) -> _Panel:
    series, names = [], []
    sizes = np.unique(fit.runs.n)
    for colour, number in enumerate(_spread_out(len(sizes))):
        n, style = float(sizes[number]), f"c{colour}"
        rows = fit.runs.n == n
        d = fit.runs.d[rows]
        x = np.geomspace(d.min(), max(d.max(), d.min() * 1.01), POINTS)
        series.append(Series(f"N {short(n)}", list(zip(x, fit.law.loss(n, x), strict=True)), style))
        series.append(Series("", list(zip(d, fit.runs.loss[rows], strict=True)), f"points {style}", dots=True))
        names.append((style, f"N {short(n)}"))
    title = f"{what}: the law (curves) and the runs (dots)"
    axes = Axis("tokens", log=True, show=short), Axis("loss")
    return _Panel(
        title, line_chart(series, *axes, title=title, height=HEIGHT, width=WIDTH), "training tokens D", "loss", names
    )


def _residuals(fit: Fit, what: str) -> _Panel:
    points = list(zip(fit.runs.flops, 100 * fit.residuals.each, strict=True))
    # Even around zero; rows that fit to the last digit are drawn as a flat line, not as noise.
    span = max(0.1, 1.05 * max(abs(y) for _, y in points))
    title = f"{what}: how far the runs lie from the law"
    axes = Axis("FLOPs", log=True, show="{:.0e}".format), Axis("residual", -span, span)
    chart = line_chart(
        [Series("runs", points, "points all", dots=True)],
        *axes,
        title=title,
        height=HEIGHT,
        width=WIDTH,
        reference=("", 0.0),
    )
    return _Panel(title, chart, "training FLOPs", "measured above the law, %", [])
