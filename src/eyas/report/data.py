"""What a report is made of: the files of a life, read and checked. Every file may be missing."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from eyas.errors import EyasError
from eyas.files import read_json
from eyas.report.scale import Scale, load_scale
from eyas.store.lineage import FILE_NAME as LINEAGE
from eyas.store.lineage import read_lineage
from eyas.store.names import models_of
from eyas.train.metrics import FILE_NAME as METRICS
from eyas.train.metrics import read_metrics

if TYPE_CHECKING:
    from eyas.arena.board import Board

T = TypeVar("T")
_SHOWN = 6  # further models; a life that is fixed for years has many


class _Shape(BaseModel):
    """Unknown keys are let through: a newer program may write more than this one shows."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class KindBpb(_Shape):
    """Bits a byte of one kind of document."""

    bpb: float
    floor_bpb: float | None = None
    documents: int = 0


class BaseEval(_Shape):
    """`evals/base.json`: how well the base model predicts held-out text, in bits a byte.

    `gap` is bpb - floor_bpb, `over_floor` bpb / floor_bpb - 1; both None where the truth is not known.
    """

    source: str
    bpb: float
    floor_bpb: float | None = None
    gap: float | None = None
    over_floor: float | None = None
    documents: int = 0
    bytes: int = 0
    compressors: dict[str, float] = {}
    by_kind: dict[str, KindBpb] | None = None


class ShareRow(_Shape):
    """`hits` of `n` with a 95 % interval, as `eyas.evals.intervals.Share` writes it."""

    hits: int
    n: int
    value: float
    low: float
    high: float


class CoveragePoint(_Shape):
    """One threshold of the model's own doubt; shares between 0 and 1."""

    threshold: float
    coverage: float
    exact_known: float
    risk: float
    declined_unknown: float


class Example(_Shape):
    """One exam question with the model's answer and the verdict on it."""

    question: str
    answer: str
    verdict: str
    thought: str | None = None
    expected: str | None = None


class ExamEval(_Shape):
    """`evals/exam.json`: `eyas.evals.exam.ExamResult.as_json()` and a few examples a section."""

    right: dict[str, ShareRow]
    verdicts: dict[str, dict[str, int]] = {}
    over_refusal: ShareRow | None = None
    endless: ShareRow | None = None
    risk_coverage: list[CoveragePoint] = []
    examples: dict[str, list[Example]] = {}


class Dreams(_Shape):
    """`evals/dreams.json`: documents written from nothing, before and after finetuning."""

    base: list[str] = []
    assistant: list[str] = []


class Turn(_Shape):
    """One message of `evals/chat.json`. `tool_calls` are kept as they are: a model wrote them."""

    role: str
    content: str | None = ""
    reasoning_content: str | None = None
    tool_calls: list[Any] | None = None


@dataclass(frozen=True)
class ModelRecord:
    """One model of the life: its lineage and its metrics, a row a step."""

    name: str
    lineage: dict[str, Any]
    metrics: list[dict[str, Any]] = field(default_factory=list)

    @property
    def style(self) -> str:
        """The class of its colour on the page."""
        return style_of(self.name)


def style_of(model: str) -> str:
    """The class of a model's colour: base and assistant have their own."""
    return model if model in ("base", "assistant") else "other"


@dataclass(frozen=True)
class ReportData:
    """Everything the page shows; what is None or empty is left out with one sentence.

    `life` is the folder as the reader types it, `hardware` one line about the machine, `others` the life's newest
    further models, the oldest first (`older` ones are only counted), `board` the ratings by all of its battles, `scale`
    the laws that were measured in it.
    """

    name: str
    life: str
    hardware: str = ""
    base: ModelRecord | None = None
    assistant: ModelRecord | None = None
    base_eval: BaseEval | None = None
    exam: ExamEval | None = None
    dreams: Dreams | None = None
    chat: list[Turn] | None = None
    others: list[ModelRecord] = field(default_factory=list)
    older: int = 0
    board: "Board | None" = None
    scale: Scale | None = None


def load_report(life: Path) -> ReportData:
    """Read what there is in `life`. Raises EyasError when it is no folder, or when a file is damaged."""
    if not life.is_dir():
        raise EyasError(f"there is no life at {life}; name the folder that `eyas raise` wrote")
    evals = life / "evals"
    base, others = _model(life, "base"), _others(life)
    return ReportData(
        name=life.resolve().name,
        life=str(life),
        hardware=_hardware(base),
        base=base,
        assistant=_model(life, "assistant"),
        base_eval=_checked(evals / "base.json", BaseEval.model_validate),
        exam=_checked(evals / "exam.json", ExamEval.model_validate),
        dreams=_checked(evals / "dreams.json", Dreams.model_validate),
        chat=_checked(evals / "chat.json", TypeAdapter(list[Turn]).validate_python),
        others=others[-_SHOWN:],
        older=len(others[:-_SHOWN]),
        board=_board(life),
        scale=load_scale(life),
    )


def _checked(path: Path, validate: Callable[[Any], T]) -> T | None:
    """The file in its shape, None when there is none. Raises EyasError naming the first field that is wrong."""
    if not path.exists():
        return None
    try:
        return validate(read_json(path, "evaluation"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise EyasError(
            f"evaluation {path} has another shape than the report reads: {where}: {first['msg']}; run the stage again"
        ) from error


def _model(life: Path, name: str) -> ModelRecord | None:
    folder = life / "models" / name
    if not (folder / LINEAGE).exists():
        return None
    rows = [row for row in read_metrics(folder / METRICS) if isinstance(row, dict)]
    return ModelRecord(name, read_lineage(folder), rows)


def _others(life: Path) -> list[ModelRecord]:
    found = [_model(life, folder.name) for folder in models_of(life) if folder.name not in ("base", "assistant")]
    return sorted((one for one in found if one), key=lambda one: str(one.lineage.get("created")))


def _board(life: Path) -> "Board | None":
    # The database takes long to load, and few lives have battles.
    from eyas.arena.stored import stored_battles
    from eyas.arena.table import TableConfig, run
    from eyas.store.database import has_store

    if not has_store(life) or not any(True for _ in stored_battles(life)):
        return None
    return run(TableConfig(battles=life)).boards[0]


def _hardware(base: ModelRecord | None) -> str:
    """The machine noted with the model; this one, on which the report is written, where none was noted."""
    figures = (base.lineage.get("figures") or {}) if base else {}
    noted = figures.get("hardware") if isinstance(figures, dict) else None
    return str(noted) if noted else this_machine()


def this_machine() -> str:
    """This machine in one line, such as `2 cores of AMD EPYC 9R14, Linux`."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # only Linux keeps this file
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{cores} core{'s' if cores != 1 else ''} of {name}, {platform.system()}"
