"""What was trained on what, how the training went, and where the models come from."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from eyas.report import charts
from eyas.report.charts import Axis, Series
from eyas.report.data import ModelRecord, ReportData
from eyas.report.numbers import bits, count, data, duration, figure, number, percent, plain
from eyas.report.telling import figure_of, sources_of

_SHOWN_BY_NAME = {
    "n_params", "steps", "tokens", "loss", "bpb", "seconds", "compile_seconds", "tokens_per_second", "mfu", "hardware",
}  # fmt: skip

_OTHER_LOSSES = ("reward", "dpo", "kto", "grpo")  # of answers or pairs, in units of their own


@dataclass(frozen=True)
class Row:
    """One line of the table of models: a cell for each, None where it has nothing to say."""

    label: str
    cells: list[str | Markup | None]


@dataclass(frozen=True)
class Curves:
    """One model's training as drawings, with the numbers behind them."""

    model: str
    unit: str
    main: Markup
    small: list[tuple[str, Markup]]
    has_val: bool
    floor: float | None
    cut: bool
    validation: list[dict[str, Any]] = field(default_factory=list)
    samples: list[tuple[int, str]] = field(default_factory=list)


def raised(report: ReportData) -> list[ModelRecord]:
    """Base model and assistant, as far as they are there."""
    return [model for model in (report.base, report.assistant) if model]


def models(report: ReportData) -> list[ModelRecord]:
    """All models of the life: base, assistant, and what was made of them later, the oldest first."""
    return [*raised(report), *report.others]


def table(report: ReportData) -> list[Row]:
    """The table of what was trained on what; lines that no model fills are left out."""
    there = models(report)

    def row(label: str, cell: Any) -> Row:
        return Row(label, [cell(model) for model in there])

    def shown(name: str, how: Any) -> Any:
        return lambda m: None if (value := figure_of(m, name)) is None else how(value)

    def setting(name: str) -> Any:
        def cell(model: ModelRecord) -> Any:
            config = model.lineage.get("config")
            value = config.get(name) if isinstance(config, dict) else None
            return None if value is None else plain(value)

        return cell

    loss = shown("loss", lambda v: data(v, f"{v:.3f}"))
    rows = [
        row("Trained on", lambda m: ", ".join(sources_of(m)) or None),
        row("Size of the data", _data_size),
        row("Parameters", shown("n_params", count)),
        row("Tokens seen", shown("tokens", count)),
        row("Steps", shown("steps", count)),
        row("Context, tokens", setting("context")),
        row("Vocabulary", setting("vocab_size")),
        row("Optimizer", setting("optimizer")),
        row("Seed", lambda m: None if m.lineage.get("seed") is None else plain(m.lineage["seed"])),
        row("Loss, nats a token", lambda m: None if m.lineage["stage"] in _OTHER_LOSSES else loss(m)),
        row("Validation bits per byte", shown("bpb", bits)),
        row("Time", shown("seconds", lambda v: data(v, duration(v)))),
        row("of which compiling", shown("compile_seconds", lambda v: data(v, duration(v)) if v else None)),
        row("Tokens a second", shown("tokens_per_second", count)),
        row("Processor used (MFU)", shown("mfu", percent)),
    ]
    others = dict.fromkeys(
        name for m in there for name in (m.lineage.get("figures") or {}) if name not in _SHOWN_BY_NAME
    )
    rows += [row(name.replace("_", " ").capitalize(), shown(name, lambda v: data(v, figure(v)))) for name in others]
    return [row for row in rows if any(cell is not None for cell in row.cells)]


def _data_size(model: ModelRecord) -> Markup | None:
    """Every count that the data rows of a lineage hold: tokens, rows, bytes."""
    sums: dict[str, float] = {}
    for row in model.lineage.get("data") or []:
        for name, value in row.items() if isinstance(row, dict) else ():
            if (amount := number(value)) is not None and name not in ("weight", "seed"):
                sums[str(name)] = sums.get(str(name), 0.0) + amount
    cells = [Markup("{} {}").format(count(value), name.replace("_", " ")) for name, value in sums.items()]
    return Markup(", ").join(cells) if cells else None


def curves(model: ModelRecord, floor: float | None) -> Curves | None:
    """The model's curves; `floor` is drawn where the axis is bits a byte. None without a usable row."""
    rows = [row for row in model.metrics if (number(row.get("tokens")) or 0) > 0]
    unit, key = ("bits per byte", "bpb") if any("bpb" in row for row in rows) else ("nats per token", "loss")
    # The first moments are a cliff that would flatten everything after it.
    cut = len(rows) > 50
    kept = [row for row in rows if row["tokens"] * 200 >= rows[-1]["tokens"]] if cut else rows

    def points(name: str, among: Sequence[dict[str, Any]]) -> list[charts.Point]:
        found = ((float(row["tokens"]), number(row.get(name))) for row in among)
        return [(x, y) for x, y in found if y is not None]

    train, val = charts.thin(points(key, kept), log=True), points(f"val_{key}", kept)
    if not train and not val:
        return None
    floor = floor if key == "bpb" else None
    title = _words(model.name, unit, train, val, floor)
    main = charts.line_chart(
        [Series("training", train, f"{model.name} faint"), Series("held out", val, model.name, dots=len(val) <= 40)],
        Axis("tokens", log=True, show=charts.short), Axis(unit), title=title,
        reference=None if floor is None else (f"entropy floor {floor:.3f}", floor), height=300,
    )  # fmt: skip
    small = []
    for name, label in (("lr", "learning rate"), ("grad_norm", "gradient norm"), ("tok_per_s", "tokens a second")):
        line = charts.thin(points(name, rows), 150)
        if line:
            said = f"{label} from {figure(line[0][1])} to {figure(line[-1][1])} over {figure(line[-1][0])} tokens"
            x, y = Axis("tokens", 0.0, line[-1][0], show=charts.short), Axis(label, 0.0, show=charts.short)
            small.append((label, charts.line_chart([Series(label, line, model.name)], x, y, title=said, height=84)))
    samples = [(int(row["step"]), str(row["sample"])) for row in rows if row.get("sample") and number(row.get("step"))]
    validation = [row for row in rows if number(row.get(f"val_{key}")) is not None]
    return Curves(model.name, unit, main, small, bool(val), floor, cut, validation, samples)


def _words(
    name: str, unit: str, train: Sequence[charts.Point], val: Sequence[charts.Point], floor: float | None
) -> str:
    said = [f"{what} from {line[0][1]:.3f} to {line[-1][1]:.3f}"
            for what, line in (("training", train), ("held-out", val)) if line]  # fmt: skip
    text = f"{name}: {unit} over tokens, logarithmic; {'; '.join(said)}"
    return text if floor is None else f"{text}; entropy floor {floor:.3f}"


@dataclass(frozen=True)
class Ancestor:
    """One model of the chain: facts as (name, value, is it a hash)."""

    name: str
    style: str
    stage: str
    facts: list[tuple[str, str | Markup, bool]]
    settings: list[tuple[str, str | Markup]]


def chain(report: ReportData) -> list[Ancestor]:
    """Every model's data hashes, seed, code version and weights."""
    return [_ancestor(model) for model in models(report)]


def _ancestor(model: ModelRecord) -> Ancestor:
    lineage = model.lineage
    code = str(lineage.get("version", "unknown"))
    if lineage.get("commit"):
        code += f", commit {lineage['commit']}"
    facts: list[tuple[str, str | Markup, bool]] = [
        ("made", str(lineage.get("created", "unknown")), False),
        ("code", f"eyas {code}", False),
        ("seed", plain(lineage.get("seed")), False),
    ]
    parent = lineage.get("parent")
    if isinstance(parent, dict):
        facts.append(("parent", str(parent.get("path", "?")), False))
        if parent.get("sha256"):
            facts.append(("parent's weights", str(parent["sha256"]), True))
    for row in lineage.get("data") or []:
        if isinstance(row, dict):
            facts.append(("data", str(row.get("source", "?")), False))
            if row.get("sha256"):
                facts.append(("data hash", str(row["sha256"]), True))
    weights = lineage.get("weights")
    if isinstance(weights, dict):
        facts += [(f"weights {name}" if len(weights) > 1 else "weights", str(one), True)
                  for name, one in weights.items()]  # fmt: skip
    config = lineage.get("config")
    settings = [(str(name), plain(value)) for name, value in config.items()] if isinstance(config, dict) else []
    return Ancestor(model.name, model.style, str(lineage["stage"]), facts, settings)


def commands(report: ReportData) -> list[tuple[str, str]]:
    """(what it does, command): the two ways to meet the model."""
    model = shlex.quote(f"{report.life}/{'assistant' if report.assistant else 'base'}")
    return [
        ("Talk to it", f"eyas chat {model}"),
        ("See what it would write next", f'eyas next {model} "Once upon a"'),
    ]
