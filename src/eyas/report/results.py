"""What the models can do: bits a byte beside compressors and floor, and the exam."""

import json
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from eyas.report import charts
from eyas.report.charts import Axis, Series
from eyas.report.data import BaseEval, ExamEval, Example, ShareRow, Turn

# The verdict that counts as right where a right answer is not an answer.
_WANTED = {"unknown C": "declined", "refuse": "refused"}
_VERDICTS = ("right", "declined", "refused", "wrong")
_EXAMPLES = 3  # of each sort in a section


@dataclass(frozen=True)
class Bar:
    """One line of a table of bars."""

    name: str
    value: float
    bar: Markup
    style: str = ""
    floor: float | None = None
    documents: int = 0


def compression(evaluation: BaseEval) -> list[Bar]:
    """Bits a byte of the compressors, the model and the floor, most first."""
    rows = [(name, value, "plain") for name, value in evaluation.compressors.items()]
    rows.append(("this model", evaluation.bpb, "base"))
    if evaluation.floor_bpb is not None:
        rows.append(("entropy floor", evaluation.floor_bpb, "ink"))
    most = max(value for _, value, _ in rows)
    return [
        Bar(name, value, charts.value_bar(value, most, title=f"{name}: {value:.3f} bits per byte", style=style), style)
        for name, value, style in sorted(rows, key=lambda row: -row[1])
    ]


def by_kind(evaluation: BaseEval) -> list[Bar]:
    """Bits a byte of each kind of document, most first, with the floor of each."""
    kinds = evaluation.by_kind or {}
    most = max((max(kind.bpb, kind.floor_bpb or 0.0) for kind in kinds.values()), default=0.0)
    made = []
    for name, kind in sorted(kinds.items(), key=lambda pair: -pair[1].bpb):
        title = f"{name}: {kind.bpb:.3f} bits per byte"
        if kind.floor_bpb is not None:
            title += f", floor {kind.floor_bpb:.3f}"
        bar = charts.value_bar(kind.bpb, most, title=title, mark=kind.floor_bpb)
        made.append(Bar(name, kind.bpb, bar, floor=kind.floor_bpb, documents=kind.documents))
    return made


def best_compressor(evaluation: BaseEval) -> tuple[str, float] | None:
    """xz where it was tried, else the strongest."""
    tried = evaluation.compressors
    if "xz" in tried:
        return "xz", tried["xz"]
    return min(tried.items(), key=lambda pair: pair[1]) if tried else None


@dataclass(frozen=True)
class Section:
    """One section of the exam."""

    name: str
    description: str
    share: ShareRow
    bar: Markup
    wanted: str
    verdicts: dict[str, int]
    good: list[Example]
    bad: list[Example]


def sections(exam: ExamEval) -> list[Section]:
    """The sections in the order of the exam, then any that this version does not know."""
    from eyas.evals.exam import SECTIONS  # brings torch, which a page without an exam does without

    order = [name for name in SECTIONS if name in exam.right] + [name for name in exam.right if name not in SECTIONS]
    made = []
    for name in order:
        share, wanted = exam.right[name], _WANTED.get(name, "right")
        examples = exam.examples.get(name, [])
        title = f"{name}: {share.value:.1%} right, 95 % interval {share.low:.1%} to {share.high:.1%}"
        bar = charts.interval_bar(share.value, share.low, share.high, title=title, style="assistant")
        good = [one for one in examples if one.verdict == wanted][:_EXAMPLES]
        bad = [one for one in examples if one.verdict != wanted][:_EXAMPLES]
        made.append(Section(name, SECTIONS.get(name, ""), share, bar, wanted, exam.verdicts.get(name, {}), good, bad))
    return made


def verdict_names(exam: ExamEval) -> list[str]:
    """The columns of the table of verdicts: the usual ones, then others that occur."""
    found = dict.fromkeys(verdict for counts in exam.verdicts.values() for verdict in counts)
    return [*_VERDICTS, *(verdict for verdict in found if verdict not in _VERDICTS)]


def trade_off(exam: ExamEval) -> Markup:
    """Exact answers on known people over declines on unknown ones, with the place where the model stands."""
    points = [(100 * point.declined_unknown, 100 * point.exact_known) for point in exam.risk_coverage]
    known, unknown = exam.right.get("fact B"), exam.right.get("unknown C")
    marks = []
    if known and unknown:
        marks.append(("as it answers", 100 * unknown.value, 100 * known.value, "assistant"))
    share = "{:g} %".format
    return charts.line_chart(
        [Series("by its doubt", sorted(points), "assistant")],
        Axis("declined, unknown", 0.0, 100.0, show=share), Axis("exact, known", 0.0, 100.0, show=share),
        title="Exact answers on known people against declines on unknown people, over all thresholds", marks=marks,
        height=230,
    )  # fmt: skip


def risk(exam: ExamEval) -> Markup:
    """Wrong among the answered over the share of known people answered."""
    points = [(100 * point.coverage, 100 * point.risk) for point in exam.risk_coverage]
    share = "{:g} %".format
    return charts.line_chart(
        [Series("risk", sorted(points), "assistant")], Axis("coverage", 0.0, 100.0, show=share),
        Axis("risk", 0.0, show=share), height=230,
        title="Risk (share of given answers that are wrong) over coverage (share of known people answered)",
    )  # fmt: skip


def calls(turn: Turn) -> list[tuple[str, str]]:
    """(tool, arguments) of each call, whatever shape the model gave it."""
    made = []
    for call in turn.tool_calls or []:
        function: Any = call.get("function", call) if isinstance(call, dict) else call
        if not isinstance(function, dict):
            made.append(("call", str(function)))
            continue
        arguments = function.get("arguments", "")
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        made.append((str(function.get("name", "call")), text))
    return made
