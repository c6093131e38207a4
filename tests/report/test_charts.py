"""Charts: round ticks, true places, and no markup from names."""

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from eyas.report.charts import Axis, Series, interval_bar, line_chart, log_ticks, nice_ticks, strip, thin, value_bar


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.5, 1.0]), (0.43, 2.6, [0, 1, 2, 3]), (0, 40_000, [0, 10_000, 20_000, 30_000, 40_000]), (7, 7, None)],
)
def test_ticks_are_round_and_cover_the_range(low: float, high: float, ticks: list[float] | None) -> None:
    found = nice_ticks(low, high)
    assert found[0] <= low and found[-1] >= high and 2 <= len(found) <= 8
    steps = {round(b - a, 9) for a, b in pairwise(found)}
    assert len(steps) == 1 and re.fullmatch("[125]0*", f"{steps.pop():.9f}".replace(".", "").strip("0") or "1")
    if ticks:
        assert set(ticks) <= set(found)


def test_ticks_of_a_logarithmic_axis_lie_within_it() -> None:
    assert log_ticks(80_000, 16e6) == [100_000, 300_000, 1e6, 3e6, 10e6]
    assert all(20 <= tick <= 900 for tick in log_ticks(20, 900))


def test_thinning_keeps_the_ends_the_mean_and_drops_what_is_no_number() -> None:
    points = [(float(x), 2.0 * x) for x in range(1, 10_001)] + [(10_001.0, math.nan)]
    thinned = thin(points, 100)
    assert len(thinned) <= 100 and thinned[0][0] < 101 and thinned[-1][0] > 9_900
    assert all(y == pytest.approx(2 * x) for x, y in thinned)
    assert thin([(1.0, math.inf), (2.0, 3.0)]) == [(2.0, 3.0)]


def _chart() -> ET.Element:
    chart = line_chart(
        [Series("a <b> & \"c\"", [(0, 0), (5, 10), (10, 5)], "base", dots=True)],
        Axis("x", 0, 10), Axis("y", 0, 10), title='<script>alert("x")</script>', height=100, reference=("floor", 5.0),
    )  # fmt: skip
    return ET.fromstring(chart)


def test_points_and_the_reference_lie_where_the_axes_say() -> None:
    chart = _chart()
    line = chart.find(".//polyline")
    assert line is not None and line.get("points") == "0.0,1000.0 500.0,0.0 1000.0,500.0"
    assert [(c.get("cx"), c.get("cy")) for c in chart.iter("circle")] == [
        ("0.00%", "100.0"), ("50.00%", "0.0"), ("100.00%", "50.0")
    ]  # fmt: skip
    level = next(one for one in chart.iter("line") if one.get("class") == "level")
    assert level.get("y1") == "50.0"


def test_a_chart_is_well_formed_and_says_in_words_what_it_shows() -> None:
    chart = _chart()
    assert chart.get("role") == "img" and chart.get("aria-label") == '<script>alert("x")</script>'
    line = chart.find(".//polyline")
    assert line is not None and line.get("data-name") == 'a <b> & "c"'


def test_equal_places_across_a_logarithmic_axis_are_equal_ratios() -> None:
    chart = ET.fromstring(
        line_chart([Series("s", [(1, 0), (10, 1), (100, 2)], "base")], Axis("x", log=True), Axis("y", 0, 2), title="t")
    )
    line = chart.find(".//polyline")
    assert line is not None and [pair.split(",")[0] for pair in (line.get("points") or "").split()] == [
        "0.0", "500.0", "1000.0"
    ]  # fmt: skip


@pytest.mark.parametrize("points", [[], [(1.0, 1.0)], [(1.0, 2.0), (1.0, 2.0)]])
def test_a_chart_of_little_or_nothing_is_no_error(points: list[tuple[float, float]]) -> None:
    drawn = line_chart([Series("s", points, "base")], Axis("x", log=True), Axis("y"), title="t")
    assert (drawn == "") if not points else ET.fromstring(drawn) is not None


def test_a_bar_shows_its_share_and_the_interval() -> None:
    bar = ET.fromstring(interval_bar(0.5, 0.4, 0.65, title="half"))
    fill, whisker = (
        next(r for r in bar.iter("rect") if name in (r.get("class") or "")) for name in ("fill", "whisker")
    )
    assert fill.get("width") == "50.00%"
    assert (whisker.get("x"), whisker.get("width")) == ("40.00%", "25.00%")


def test_a_value_bar_is_cut_at_the_scale_and_marks_the_floor() -> None:
    bar = ET.fromstring(value_bar(3, 2, title="t", mark=1))
    assert next(r for r in bar.iter("rect") if "fill" in (r.get("class") or "")).get("width") == "100.00%"
    assert next(bar.iter("line")).get("x1") == "50.00%"
    assert ET.fromstring(value_bar(0, 0, title="t")) is not None


def test_a_strip_divides_the_width_by_the_amounts() -> None:
    drawn = ET.fromstring(strip([("a", 1, "base"), ("b", 3, "assistant")], title="t"))
    assert [(r.get("x"), r.get("width")) for r in drawn.iter("rect")] == [("0.00%", "25.00%"), ("25.00%", "75.00%")]
    assert strip([], title="t") == ""
