"""The stage `eyas eval`: bits per byte on held-out text, what a model remembers of a text, and the world's exam."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from eyas.config import StageConfig
from eyas.errors import EyasError
from eyas.evals.exam import SECTIONS, ExamResult, take_exam
from eyas.evals.heldout import HeldoutResult, heldout_documents, measure
from eyas.evals.recall import RecallResult, measure_recall
from eyas.progress import Progress
from eyas.runtime.opening import GGUF, Kind, open_engine
from eyas.store.lineage import FILE_NAME, ancestry
from eyas.store.names import resolve_model
from eyas.world.people import World

Task = Literal["bpb", "exam", "recall"]
WORLD = "world"


class EvalConfig(StageConfig):
    """`eyas eval`: what is None is taken from the model's own lineage."""

    model: str = Field(description="Model folder, LIFE/NAME or GGUF file.")
    tasks: list[Task] = Field(
        [], description="bpb, exam or recall; may be repeated (default: bpb, and exam for the world's)."
    )
    data: list[str] = Field([], description="Text to measure, read whole (default: what its training held out).")
    megabytes: float = Field(0.5, gt=0, description="Measure on at most this much text.")
    n: int = Field(500, ge=1, description="Questions a section of the exam.")
    people: int | None = Field(None, ge=2, description="Population of the world (default: as in training).")
    seed: int | None = Field(None, ge=0, description="Seed of the world (default: as in training).")
    skip_bad: bool = Field(False, description="Count and report what cannot be read instead of stopping.")
    engine: Kind | None = Field(None, description="What computes, c or torch (default: torch on a GPU, else c).")
    threads: int = Field(0, ge=0, description="Threads of the CPU; 0 is what suits the model.")


@dataclass(frozen=True)
class EvalResult:
    """What was measured; None for a task that was not asked for."""

    model: Path
    bpb: HeldoutResult | None
    exam: ExamResult | None
    recall: RecallResult | None

    def as_json(self) -> dict[str, Any]:
        """Figures only, ready for JSON."""
        return {
            "model": str(self.model),
            "bpb": self.bpb.as_json() if self.bpb else None,
            "exam": self.exam.as_json() if self.exam else None,
            "recall": self.recall.as_json() if self.recall else None,
        }


@dataclass(frozen=True)
class _Upbringing:
    """What a model's lineage says of its pretraining, and whether it was finetuned on the world's rows."""

    data: list[str]
    val_fraction: float
    seed: int
    people: int | None
    filters: list[str]
    examined: bool


def run(config: EvalConfig, progress: Progress | None = None) -> EvalResult:
    """Measure a model. Raises EyasError when a task asks for what the model's lineage does not tell."""
    folder = Path(config.model) if config.model.endswith(GGUF) else resolve_model(config.model)
    raised = _upbringing(folder)
    tasks: list[Task] = config.tasks or (["bpb", "exam"] if raised.examined and not config.data else ["bpb"])
    seed = raised.seed if config.seed is None else config.seed
    people = raised.people if config.people is None else config.people
    sources = config.data or raised.data
    reads = "bpb" in tasks or "recall" in tasks
    if reads and not sources:
        raise EyasError(f"{config.model} does not tell what it was trained on; name text to measure with --data SRC")
    if reads and not config.data and raised.val_fraction == 0:
        raise EyasError(f"the training of {config.model} held nothing out; name text to measure with --data SRC")
    engine = open_engine(folder, kind=config.engine, threads=config.threads)
    heldout = exam = recall = None
    if reads:
        documents = heldout_documents(
            sources,
            # Text that the user names is measured whole; of its own training data only what was held out.
            val_fraction=0.0 if config.data else raised.val_fraction,
            seed=seed,
            people=people,
            filters=() if config.data else raised.filters,
            max_bytes=round(config.megabytes * 1e6),
            skip_bad=config.skip_bad,
        )
        if "bpb" in tasks:
            heldout = measure(engine, documents, ", ".join(sources))
        if "recall" in tasks:
            recall = measure_recall(engine, [document.text for document in documents])
    if "exam" in tasks:
        world = _world(seed, people)
        exam = take_exam(engine, world, n=config.n, progress=_teller(progress))
    return EvalResult(folder, heldout, exam, recall)


def world_of(folder: Path) -> World | None:
    """The world that a model folder was pretrained on, None where its lineage tells of none."""
    raised = _upbringing(folder)
    knows = any(source.partition(":")[0] == WORLD for source in raised.data)
    return _world(raised.seed, raised.people) if knows else None


def _world(seed: int, people: int | None) -> World:
    return World(seed) if people is None else World(seed, people)


def _teller(progress: Progress | None) -> Callable[[str], None]:
    """What `take_exam` calls as each part of it begins: the sections, stray prompts, risk and coverage."""
    if progress is not None:
        progress.expect(len(SECTIONS) + 2)

    def tell(section: str) -> None:
        if progress is not None:
            progress.advance(1, section=section)

    return tell


def _upbringing(folder: Path) -> _Upbringing:
    line = [lineage for _, lineage in ancestry(folder)] if (folder / FILE_NAME).is_file() else []
    first = next((one for one in line if one["stage"] == "pretrain"), None)
    settings: dict[str, Any] = (first or {}).get("config") or {}
    finetuned = [(one.get("config") or {}).get("data") or [] for one in line if one["stage"] == "finetune"]
    return _Upbringing(
        data=list(settings.get("data") or []),
        val_fraction=float(settings.get("val_fraction", 0.01)),
        seed=int(settings.get("seed") or 0),
        people=settings.get("people"),
        filters=list(settings.get("filter") or []),
        examined=any(str(source).partition(":")[0] == WORLD for data in finetuned for source in data),
    )
