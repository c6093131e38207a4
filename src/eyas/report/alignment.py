"""What was learned from preferences and rewards: reward models, DPO and KTO, GRPO with its over-optimisation curve."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from eyas.evals.intervals import wilson
from eyas.report import charts
from eyas.report.charts import Axis, Point, Series
from eyas.report.data import ModelRecord, ReportData, style_of
from eyas.report.numbers import bits, count, data, figure, number, percent

if TYPE_CHECKING:
    from eyas.arena.board import Board

_SHARE = "{:g} %".format


@dataclass(frozen=True)
class Drawing:
    """A chart with the words around it; `legend` holds (style, name)."""

    y: str
    x: str
    chart: Markup
    legend: list[tuple[str, str]]
    words: str = ""


@dataclass(frozen=True)
class Part:
    """What one model's training showed: sentences, drawings, and example answers as (question, answer)."""

    name: str
    stage: str
    lead: list[Markup]
    drawings: list[Drawing]
    examples: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """One model on the arena's board."""

    rank: int
    model: str
    rating: Markup
    interval: str
    bar: Markup
    battles: Markup
    won: Markup


def parts(report: ReportData) -> list[Part]:
    """A part for every further model that learned from preferences or rewards, the oldest first."""
    makers = {"reward": _reward, "dpo": _preferences, "kto": _preferences, "grpo": _grpo}
    return [makers[stage](one) for one in report.others if (stage := str(one.lineage["stage"])) in makers]


def _figures(model: ModelRecord) -> dict[str, Any]:
    found = model.lineage.get("figures")
    return found if isinstance(found, dict) else {}


def _points(rows: Any, x: str, y: str) -> list[Point]:
    """The rows of a list that have both numbers."""
    pairs = [(number(row.get(x)), number(row.get(y))) for row in rows or [] if isinstance(row, dict)]
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def _reward(model: ModelRecord) -> Part:
    """A reward model: how it ranks held-out pairs, and whether it is as sure as it is right."""
    figures = _figures(model)
    right, pairs = number(figures.get("val_right")), number(figures.get("val_pairs"))
    lead = []
    if right is not None and pairs and right <= pairs:
        share = wilson(int(right), int(pairs))
        said = "It ranks {} of {} held-out pairs right ({} to {})."
        lead.append(Markup(said).format(percent(share.value), count(pairs), percent(share.low), percent(share.high)))
    bias = figures.get("length_bias")
    if isinstance(bias, dict) and (mine := number(bias.get("longer_wins_by_model"))) is not None:
        theirs = number(bias.get("longer_wins_by_people")) or 0.0
        said = "The longer answer wins {} of them by its scores, {} by those who chose."
        lead.append(Markup(said).format(percent(mine), percent(theirs)))
    perfect = Series("as sure as right", [(50.0, 50.0), (100.0, 100.0)], "plain")
    sure = [(100 * x, 100 * y) for x, y in _points(figures.get("calibration"), "claimed", "right")]
    chart = charts.line_chart(
        [perfect, Series("right", sure, "other", dots=True)],
        Axis("claimed", 50.0, 100.0, show=_SHARE), Axis("right", show=_SHARE), height=200,
        title="Share of pairs ranked right over the probability that the reward model claimed",
    )  # fmt: skip
    legend = [("other", "the reward model"), ("plain", "as sure as right")]
    drawn = [Drawing("ranked right", "claimed probability", chart, legend)] if sure else []
    return Part(model.name, "reward model", lead, drawn)


def _preferences(model: ModelRecord) -> Part:
    """DPO or KTO: how likely both kinds of answers became, and how many pairs it ranks right."""
    figures = _figures(model)
    lead = []
    held_out_figures = figures.get("val")
    right = number(held_out_figures.get("val_rewards/accuracies")) if isinstance(held_out_figures, dict) else None
    if right is not None:
        lead.append(Markup("It ranks {} of the held-out pairs right.").format(percent(right)))
    if figures.get("falling") is True:
        lead.append(Markup("Chosen answers became less likely too: something that nobody compared is gaining."))
    sides = (("chosen", "good"), ("rejected", "bad"))
    lines = [Series(name, charts.thin(_points(model.metrics, "step", f"logps/{name}")), style) for name, style in sides]
    drawings = [_over_steps("log-probability of an answer, nats", lines, f"{model.name}: log-probabilities")]
    share = [(x, 100 * y) for x, y in charts.thin(_points(model.metrics, "step", "rewards/accuracies"), 100)]
    held_out = [(x, 100 * y) for x, y in _points(model.metrics, "step", "val_rewards/accuracies")]
    accuracy = [Series("training pairs", share, "other faint"), Series("held out", held_out, "other", dots=True)]
    drawings.append(_over_steps("ranked right, %", accuracy, f"{model.name}: share of pairs ranked right"))
    return Part(model.name, str(model.lineage["stage"]).upper(), lead, [one for one in drawings if one.chart])


def _over_steps(y: str, lines: Sequence[Series], title: str) -> Drawing:
    there = [one for one in lines if one.points]
    words = "; ".join(f"{one.name} from {figure(one.points[0][1])} to {figure(one.points[-1][1])}" for one in there)
    chart = charts.line_chart(
        there, Axis("steps", 0.0, show=charts.short), Axis(y, show=charts.short), title=f"{title} over steps: {words}",
        height=200,
    )  # fmt: skip
    return Drawing(y, "steps", chart, [(one.style, one.name) for one in there])


def _grpo(model: ModelRecord) -> Part:
    """GRPO: rewards over steps; where reward and truth are two things, both over the divergence."""
    figures = _figures(model)
    curve, best = figures.get("curve"), figures.get("best")
    lead = []
    for name in ("pass@1", "pass@k"):
        shares = [y for _, y in _points(curve, "step", name)]
        if shares:
            said = "On problems kept apart {} went from {} to {}."
            lead.append(Markup(said).format(name, percent(shares[0]), percent(shares[-1])))
    train = Series("training", charts.thin(_points(model.metrics, "step", "reward"), 150), "other faint")
    held_out = Series("held out", _points(curve, "step", "reward"), "other", dots=True)
    drawings = []
    proxy, truth = _over_divergence(curve, "reward"), _over_divergence(curve, "true_reward")
    if truth and [y for _, y in proxy] != [y for _, y in truth]:
        drawings = _over_optimisation(proxy, truth, best, figures.get("best_of"))
        if isinstance(best, dict) and (at := number(best.get("kl"))) is not None:
            said = "The true reward was highest, {}, at step {}, {} nats from the start; it ended at {}."
            step, most = number(best.get("step")) or 0.0, number(best.get("true_reward")) or 0.0
            away = data(at, f"{max(at, 0.0):.2f}")
            lead.append(Markup(said).format(bits(most), count(step), away, bits(truth[-1][1])))
    drawings.append(_over_steps("reward", [train, held_out], f"{model.name}: reward"))
    asked = [one for one in figures.get("examples") or [] if isinstance(one, dict)]
    examples = [(str(one.get("question", "")), str(one.get("answer", ""))) for one in asked]
    return Part(model.name, "GRPO", lead, [one for one in drawings if one.chart], examples)


def _over_divergence(rows: Any, name: str) -> list[Point]:
    """Points over the root of the divergence, as Gao et al. 2022 (arXiv 2210.10760) draw them, in the run's order."""
    return [(math.sqrt(max(0.0, kl)), value) for kl, value in _points(rows, "kl", name)]


def _over_optimisation(proxy: list[Point], truth: list[Point], best: Any, best_of: Any) -> list[Drawing]:
    """What was optimised and what was wanted, each over the root of the divergence, the best place to stop marked."""
    x = "root of the divergence from the start, in nats"
    far = max(at for at, _ in [*proxy, *truth, *_over_divergence(best_of, "reward")])
    marks = [("stop here", at, value, "assistant") for at, value in _over_divergence([best], "true_reward")]
    drawings = []
    for name, y, style, line in (("reward", "learned reward (proxy)", "other", proxy),
                                 ("true_reward", "true reward", "assistant", truth)):  # fmt: skip
        choosing = _over_divergence(best_of, name)
        series = [Series("best of n", choosing, "plain", dots=True), Series("GRPO", line, style, dots=True)]
        chart = charts.line_chart(
            series, Axis(x, 0.0, far), Axis(y, show=charts.short), height=230,
            title=f"{y} over the {x}: from {figure(line[0][1])} to {figure(line[-1][1])}",
            marks=marks if name == "true_reward" else [],
        )  # fmt: skip
        drawings.append(Drawing(y, x, chart, [(one.style, one.name) for one in series if one.points]))
    return drawings


def lines(board: "Board | None") -> list[Line]:
    """The board's lines, best first; bars reach from the lowest to the highest end of an interval."""
    standings = board.standings if board else []
    ends = [end for one in standings for end in (one.low, one.high, one.rating) if end is not None]
    if not ends:
        return []
    low, span = min(ends), (max(ends) - min(ends)) or 1.0
    found = []
    for one in standings:
        a, b = (low if one.low is None else one.low), (low + span if one.high is None else one.high)
        shown = " to ".join("open" if end is None else f"{end:.0f}" for end in (one.low, one.high))
        bar = charts.interval_bar(
            *((end - low) / span for end in (one.rating, a, b)), title=f"{one.model}: {one.rating:.0f}, {shown}",
            style=style_of(one.model),
        )  # fmt: skip
        rating = data(one.rating, f"{one.rating:.0f}")
        found.append(Line(one.rank, one.model, rating, shown, bar, count(one.battles), percent(one.win_rate)))
    return found
