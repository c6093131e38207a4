"""The stage `eyas fix`: corrections in, a better champion out, or a reason why not.

Labels become a dataset version; the champion is trained on it, held to what it was by rehearsal; the new model passes
the gates and battles the old one; then it takes its place. What is done is on disk: killed, the same call goes on.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field

from eyas.config import StageConfig
from eyas.data.importers import Row
from eyas.data.rows import read_rows
from eyas.data.sources import documents
from eyas.errors import EyasError
from eyas.files import read_json, write_atomic
from eyas.flywheel.battle import Outcome, fight, keep
from eyas.flywheel.curate import curate
from eyas.flywheel.gates import Gate
from eyas.flywheel.rehearsal import rehearse
from eyas.flywheel.thoughts import with_thoughts
from eyas.flywheel.trial import Trial, hold
from eyas.progress import Progress
from eyas.runtime.opening import open_engine
from eyas.store.champion import challenge, champion, promote, refuse
from eyas.store.database import Store, open_store
from eyas.store.tables import Dataset, Evaluation
from eyas.text.chat import render
from eyas.train import finetune
from eyas.train.upbringing import Upbringing, upbringing

CORRECTIONS_SHARE, REPLAY_SHARE = 0.125, 0.125
LEAST_STEPS = 100
"""Fewer would leave the rate no time to rise and fall: a handful of corrections is simply read more often."""
BATCH_TOKENS = 4096
TEXTS = 2000
"""Documents looked through for names."""


class FixConfig(StageConfig):
    """`eyas fix`."""

    life: Path = Field(description="The life whose champion is corrected.")
    name: str | None = Field(None, description="Name of the new model (default: fix-1, fix-2, ...).")
    data: list[str] = Field([], description="Rows to rehearse (default: those the assistant was finetuned on).")
    replay: list[str] = Field([], description="Text to rehearse (default: what the assistant's finetuning replayed).")
    repeats: float = Field(25, gt=0, description="Times every correction is read.")
    minutes: float | None = Field(None, gt=0, description="Wall time of the training instead of --repeats.")
    lr: float = Field(0.002, gt=0, description="Peak rate of the training.")
    questions: int = Field(500, ge=1, description="Questions a section of the exam.")
    promote: bool = Field(True, description="Make the new model champion when it passes; else only say so.")
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    quiet: bool = Field(False, description="Print nothing while working.")


@dataclass(frozen=True)
class FixResult:
    """What became of the corrections: the model, every gate, the battle, and whether it is the champion now."""

    life: Path
    model: str
    champion: str
    dataset: int
    labels: dict[str, int]
    """What became of the labels: how many became rows, were merged or refused, and why."""
    lessons: int
    rehearsed: dict[str, int]
    gates: list[Gate]
    battle: Outcome | None
    passed: bool
    promoted: bool
    reason: str


def run(config: FixConfig) -> FixResult:
    """Correct the champion. Raises EyasError; KeyboardInterrupt after Ctrl-C, from which the same call goes on."""
    store = open_store(config.life)
    try:
        old = champion(config.life, store)
        dataset = curate(config.life, store, seed=config.seed)
        work = _Work.begin(config, old, dataset)
        raised = upbringing(config.life / "models" / old)
        lessons, counts = _prepare(config, work, raised)
        _train(config, work, raised, counts["tokens"])
        with store.session() as session:
            challenge(session, work.name)
        trial = _hold(config, work, raised, lessons)
        return _decide(config, store, work, lessons, counts, trial)
    finally:
        store.close()


@dataclass(frozen=True)
class _Work:
    """What is being made: files in `LIFE/datasets/vN/NAME/`, so that the model's lineage names the version."""

    name: str
    old: str
    dataset: Dataset
    folder: Path
    rows: Path
    model: Path

    @classmethod
    def begin(cls, config: FixConfig, old: str, dataset: Dataset) -> "_Work":
        """Take up an unfinished fix of the same labels and settings, or begin the next. Raises EyasError when done."""
        rows = config.life / dataset.path
        asked = config.model_dump(mode="json", exclude={"life", "name", "promote", "quiet"}) | {"champion": old}
        for path in sorted(rows.glob("*/plan.json")):
            begun = cls(path.parent.name, old, dataset, path.parent, rows, config.life / "models" / path.parent.name)
            done = begun.folder / "result.json"
            if begun.name == old:
                raise EyasError(
                    f"{old} has learnt all corrections there are; make more with `eyas label {config.life}`"
                )
            if read_json(path, "plan") != asked or config.name not in (None, begun.name):
                continue
            if not done.exists():
                return begun
            if begun.model.exists():
                raise EyasError(_done_before(config.life, begun.name, read_json(done, "result")))
        name = config.name or _next_name(config.life)
        model = config.life / "models" / name
        if model.exists() or not name.replace("-", "").replace("_", "").isalnum():
            raise EyasError(f"--name {name}: choose a new name of letters, digits, - and _ for the model")
        work = cls(name, old, dataset, rows / name, rows, model)
        # A training begun with other labels or settings under this name is of no use any more.
        shutil.rmtree(model.with_name(f".{name}.work"), ignore_errors=True)
        shutil.rmtree(work.folder, ignore_errors=True)
        write_atomic(work.folder / "plan.json", json.dumps(asked, indent=1))
        return work

    @property
    def rejected(self) -> list[Row]:
        """The pairs of what was said and what should have been."""
        return list(read_rows(self.rows / "preference.train.jsonl", want="pair"))


def _done_before(life: Path, name: str, result: dict[str, Any]) -> str:
    if result["passed"]:
        return f"{name} was made of these corrections and passed; make it champion with `eyas promote {life} {name}`"
    return f"{name} was made of these corrections and failed ({result['reason']}); label more, or give another --seed"


def _next_name(life: Path) -> str:
    taken = {path.name for path in (life / "models").iterdir()} | {path.name for path in life.glob("datasets/*/*/")}
    return next(name for number in range(1, len(taken) + 2) if (name := f"fix-{number}") not in taken)


def _prepare(config: FixConfig, work: _Work, raised: Upbringing) -> tuple[list[Row], dict[str, int]]:
    """Write the lessons with their thoughts, and the rehearsal; both are read again when they are there already."""
    lessons_file, rehearsal_file, counts_file = (
        work.folder / name for name in ("lessons.jsonl", "rehearsal.jsonl", "counts.json")
    )
    if not counts_file.exists():
        pool = raised.rows(config.data)
        lessons = with_thoughts(list(read_rows(work.rows / "sft.train.jsonl", want="chat")), pool)
        texts = (
            document.text
            for source in raised.texts(config.replay)
            for document in islice(documents(source, seed=raised.seed, people=raised.people, skip_bad=True), TEXTS)
        )
        engine = open_engine(config.life / "models" / work.old)
        made = rehearse(engine, lessons, work.rejected, pool, texts, config.seed)
        if not made.rows:
            raise EyasError(f"{work.old} does not tell what it was finetuned on; name rows to rehearse with --data")
        _write_rows(rehearsal_file, made.rows)
        _write_rows(lessons_file, lessons)
        tok = engine.tokenizer
        tokens = sum(len(render(tok, lesson["messages"], tools=lesson.get("tools")).ids) for lesson in lessons)
        counts = {name: value for name, value in asdict(made).items() if name != "rows"}
        write_atomic(counts_file, json.dumps(counts | {"tokens": tokens}))
    return list(read_rows(lessons_file, want="chat")), read_json(counts_file, "counts")


def _write_rows(path: Path, rows: Sequence[Row]) -> None:
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _train(config: FixConfig, work: _Work, raised: Upbringing, lesson_tokens: int) -> None:
    """The new model, by the one trainer; a model that is there already is taken as it is."""
    if work.model.exists() and not work.model.with_name(f".{work.name}.work").exists():
        return
    replay = raised.texts(config.replay)
    batch = raised.batch_size * raised.context if raised.batch_size and raised.context else BATCH_TOKENS
    tokens = max(LEAST_STEPS * batch, round(config.repeats * lesson_tokens / CORRECTIONS_SHARE))
    settings = finetune.FinetuneConfig(
        model=str(config.life / "models" / work.old),
        out=work.model,
        data=[str(work.folder / "rehearsal.jsonl")],
        corrections=[str(work.folder / "lessons.jsonl")],
        corrections_share=CORRECTIONS_SHARE,
        tokens=None if config.minutes else tokens,
        replay=replay,
        replay_share=REPLAY_SHARE if replay else 0,
        minutes=config.minutes,
        context=raised.context,
        batch_size=raised.batch_size,
        optimizer="adamw",
        lr=config.lr,
        warmup=5,
        val_fraction=0,
        eval_every=0,
        people=raised.people,
        seed=raised.seed,
        quiet=config.quiet,
    )
    finetune.run(settings)


def _hold(config: FixConfig, work: _Work, raised: Upbringing, lessons: Sequence[Row]) -> Trial:
    models = config.life / "models"
    with Progress("gates", quiet=config.quiet) as progress:

        def tell(part: str) -> None:
            progress.advance(1, part=part)

        old, new = models / work.old, models / work.name
        return hold(old, new, lessons, work.rejected, raised, config.life, config.questions, tell)


def _decide(
    config: FixConfig,
    store: Store,
    work: _Work,
    lessons: Sequence[Row],
    counts: dict[str, int],
    trial: Trial,
) -> FixResult:
    """Enter gates and battle into the store, and promote or refuse."""
    outcome = fight(trial.rounds) if trial.rounds else None
    failed = [gate for gate in trial.gates if not gate.passed]
    if failed:
        reason = "; ".join(f"{gate.name}: {gate.reason}" for gate in failed)
    elif outcome is not None and outcome.points < 0:
        reason = f"it lost the battle against {work.old}: {outcome.told}"
    else:
        reason = outcome.told if outcome is not None else "it passed the gates"
    passed = not failed and (outcome is None or outcome.points >= 0)
    result = FixResult(
        life=config.life,
        model=work.name,
        champion=work.old,
        dataset=work.dataset.version,
        labels=work.dataset.counts,
        lessons=len(lessons),
        rehearsed=counts,
        gates=trial.gates,
        battle=outcome,
        passed=passed,
        promoted=passed and config.promote,
        reason=reason,
    )
    with store.session() as session:
        figures = {gate.name: asdict(gate) for gate in trial.gates}
        session.add(Evaluation(model=work.name, name="gate", figures=figures))
        if outcome is not None:
            keep(session, trial.rounds, work.old, work.name, trial.judge)
            session.add(Evaluation(model=work.name, name="battle", figures=asdict(outcome)))
        if not passed:
            refuse(session, work.name, reason)
        elif config.promote:
            promote(session, work.name, "eyas fix", reason)
    write_atomic(work.folder / "result.json", json.dumps({"passed": passed, "reason": reason}, ensure_ascii=False))
    return result
