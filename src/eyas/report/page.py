"""The page itself: one HTML file that needs no network and no script, and lets nothing in it run but its own."""

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eyas.files import write_atomic
from eyas.report import alignment, numbers, results, telling, training
from eyas.report.data import ReportData, load_report

FILE_NAME = "report.html"
_TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    """Jinja with autoescape: what models and documents wrote is text, never markup."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    for filter_ in ("bits", "percent", "count", "byte_count", "duration", "plain"):
        environment.filters[filter_] = getattr(numbers, filter_)
    environment.filters["data"] = numbers.data
    environment.filters["calls"] = results.calls
    return environment


def _hash(text: str) -> str:
    """The source expression that lets exactly this style or script through the page's policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def render(data: ReportData) -> str:
    """The page as HTML. Pure: the same data give the same page."""
    style = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    evaluation, exam = data.base_eval, data.exam
    floor = evaluation.floor_bpb if evaluation else None
    page = _environment().get_template("page.html.j2").render(
        data=data,
        style=Markup(style), script=Markup(script), style_hash=_hash(style), script_hash=_hash(script),
        summary=telling.summary(data), tiles=telling.tiles(data),
        strip=telling.time_strip(data), stretches=telling.stretches(data), seconds=telling.training_seconds(data),
        models=training.models(data), table=training.table(data), raised=training.raised(data),
        curves=[made for model in training.raised(data) if (made := training.curves(model, floor))],
        evaluation=evaluation,
        compressors=results.compression(evaluation) if evaluation else [],
        compressor=results.best_compressor(evaluation) if evaluation else None,
        kinds=results.by_kind(evaluation) if evaluation else [],
        exam=exam, sections=results.sections(exam) if exam else [],
        verdicts=results.verdict_names(exam) if exam else [],
        trade_off=results.trade_off(exam) if exam else "", risk=results.risk(exam) if exam else "",
        learned=alignment.parts(data), board=alignment.lines(data.board),
        chain=training.chain(data), commands=training.commands(data),
    )  # fmt: skip
    return numbers.showable(page)


def write_report(life: Path) -> Path:
    """Write `report.html` of the life, whole or not at all; returns its path. Raises EyasError."""
    path = life / FILE_NAME
    write_atomic(path, render(load_report(life)))
    return path
