"""The head of the page: the life in one sentence, in a few large figures, and as a strip of time."""

from dataclasses import dataclass

from markupsafe import Markup

from eyas.report import charts
from eyas.report.data import ModelRecord, ReportData
from eyas.report.numbers import about, bits, count, data, duration, number, percent


@dataclass(frozen=True)
class Tile:
    """A large figure with what it counts and what to hold it against."""

    value: str | Markup
    label: str
    note: str | Markup = ""


def figure_of(model: ModelRecord | None, *names: str) -> float | None:
    """The first of these figures that the model's lineage holds."""
    figures = model.lineage.get("figures") if model else None
    if not isinstance(figures, dict):
        return None
    return next((found for name in names if (found := number(figures.get(name))) is not None), None)


def sources_of(model: ModelRecord | None) -> list[str]:
    """The sources a model was trained on, as they were named."""
    rows = (model.lineage.get("data") or []) if model else []
    return [str(row.get("source", "?")) if isinstance(row, dict) else str(row) for row in rows]


def training_seconds(report: ReportData) -> float:
    """Seconds of training, both stages together."""
    return sum(figure_of(model, "seconds") or 0.0 for model in (report.base, report.assistant))


def summary(report: ReportData) -> Markup:
    """The life in one sentence of plain words."""
    parts: list[Markup] = []
    params, tokens = figure_of(report.base, "n_params"), figure_of(report.base, "tokens")
    if report.base:
        who = Markup("a model of {} parameters").format(data(params, about(params))) if params else Markup("a model")
        read = Markup(" read {} tokens").format(data(tokens, about(tokens))) if tokens else Markup(" read")
        named = ", ".join(sources_of(report.base))
        parts.append(Markup("{}{} from {}").format(who, read, named or "text"))
    if evaluation := report.base_eval:
        text = Markup("learned to predict its text at {} bits per byte").format(bits(evaluation.bpb))
        if evaluation.over_floor is not None:
            side = "above" if evaluation.over_floor >= 0 else "below"
            text += Markup(" ({} {} the least that is possible)").format(percent(abs(evaluation.over_floor)), side)
        parts.append(text)
    if report.exam:
        known, unknown = report.exam.right.get("fact A"), report.exam.right.get("unknown C")
        said = []
        if known:
            said.append(Markup("answers {} of the questions about people it knows").format(percent(known.value)))
        if unknown:
            of = Markup("says it does not know in {} of those about people nobody wrote of")
            said.append(of.format(percent(unknown.value)))
        if said:
            parts.append(Markup("as an assistant ") + Markup(" and ").join(said))
    elif report.assistant:
        parts.append(Markup("was taught to answer as an assistant"))
    if not parts:
        return Markup("This life has no model yet.")
    seconds = training_seconds(report)
    start = Markup("In {} of training ").format(data(seconds, duration(seconds))) if seconds else Markup("")
    sentence = start + Markup(", ").join(parts[:-1]) + (Markup(", and ") if parts[1:] else Markup("")) + parts[-1] + "."
    return Markup(sentence[:1].upper()) + sentence[1:]


def tiles(report: ReportData) -> list[Tile]:
    """Up to five large figures."""
    made: list[Tile] = []
    params, tokens = figure_of(report.base, "n_params"), figure_of(report.base, "tokens")
    if params:
        note = Markup("{} tokens read").format(data(tokens, about(tokens))) if tokens else ""
        made.append(Tile(data(params, about(params)), "parameters", note))
    if evaluation := report.base_eval:
        floor = evaluation.floor_bpb
        note = Markup("entropy floor {}").format(bits(floor)) if floor is not None else "on text held out"
        made.append(Tile(bits(evaluation.bpb), "bits per byte", note))
    shown = {"fact A": "facts it was asked about", "fact B": "facts it only read", "unknown C": "unknowns it declined"}
    for section, label in shown.items():
        if report.exam and (share := report.exam.right.get(section)):
            made.append(Tile(percent(share.value), label, Markup("{} of {}").format(count(share.hits), count(share.n))))
    return made


def stretches(report: ReportData) -> list[tuple[str, float, str]]:
    """(what was done, seconds, style) in order of time."""
    parts = []
    for model, verb in ((report.base, "pretraining"), (report.assistant, "finetuning")):
        seconds, compiling = figure_of(model, "seconds"), figure_of(model, "compile_seconds") or 0.0
        if model is None or not seconds:
            continue
        if compiling >= 0.5:
            parts.append((f"compiling for {verb}", compiling, f"{model.name} pale"))
        parts.append((verb, max(0.0, seconds - compiling), model.name))
    return parts


def time_strip(report: ReportData) -> Markup:
    """The stretches as one bar."""
    parts = stretches(report)
    words = ", ".join(f"{name} {duration(seconds)}" for name, seconds, _ in parts)
    return charts.strip([(f"{n}: {duration(s)}", s, style) for n, s, style in parts], title=f"Time spent: {words}")
