"""The trial of a new model: what it and the old one say to corrections, paraphrases, exam and held-out rows."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from eyas.data.importers import Row
from eyas.data.rows import read_rows
from eyas.errors import EyasError
from eyas.evals.exam import Answer, ask
from eyas.flywheel.battle import Round
from eyas.flywheel.gates import Gate, fall_gate, loss_gate, paired, share_gate
from eyas.flywheel.paraphrases import paraphrases
from eyas.flywheel.rehearsal import contradicting
from eyas.flywheel.verdicts import right_answer
from eyas.runtime.engine import Engine
from eyas.runtime.export import ExportConfig
from eyas.runtime.export import run as export
from eyas.runtime.opening import open_engine
from eyas.runtime.sampling import Sampling
from eyas.text.chat import parse_assistant, render
from eyas.text.wording import refuses
from eyas.train.upbringing import Upbringing
from eyas.world.people import World
from eyas.world.questions.question import Question
from eyas.world.questions.rows import exam

WANTED = 0.8
"""Share of the corrected questions, and of their paraphrases, that must be answered right."""
A_LESSON = 4
"""Paraphrases asked for each lesson: three lessons to a fact make up to twelve."""
REFUSALS = 200
PARITY = 64
MAX_TOKENS = 96


@dataclass(frozen=True)
class Trial:
    """Every gate, and the rounds of the battle; `judge` says who decided what was right."""

    gates: list[Gate]
    rounds: list[Round]
    judge: str


def hold(
    old: Path,
    new: Path,
    lessons: Sequence[Row],
    rejected: Sequence[Row],
    raised: Upbringing,
    life: Path,
    questions: int,
    tell: Callable[[str], None] = lambda _: None,
) -> Trial:
    """Ask both models. `rejected` are the pairs of the corrections: held-out rows that teach these do not count.

    `questions` is how many a section of the exam has. `tell` hears what is being asked.
    """
    engines = open_engine(old), open_engine(new)
    tell("corrections")
    taught = [_says_it(engines, row) for row in lessons]
    right = [one.new_right for one in taught]
    gates = [share_gate("corrections", "corrected questions", right, WANTED)]
    world = raised.world
    rounds = taught
    if world is not None:
        tell("paraphrases")
        asked = _paraphrases(world, lessons)
        rephrased = _rounds(asked, *(ask(engine, asked) for engine in engines))
        right = [one.new_right for one in rephrased]
        gates.append(share_gate("paraphrases", "paraphrases in frames of the exam", right, WANTED))
        tell("exam")
        sections = _elsewhere(exam(world, questions), asked)
        before, after = ({name: ask(engine, group) for name, group in sections.items()} for engine in engines)
        gates += [fall_gate("exam", _right(before), _right(after)), _refusals(_right(before), _right(after))]
        rounds = rephrased
    else:
        tell("refusals")
        gates.append(_refused(engines, raised.rows()))
    tell("held-out rows")
    rows = [*raised.held_out(), *_suite(life)]
    outdated = contradicting(rows, lessons, rejected)
    rows = [row for number, row in enumerate(rows) if number not in outdated]
    gates.append(loss_gate("held-out rows", _losses(engines[0], rows), _losses(engines[1], rows)))
    tell("export")
    gates.append(_parity(new, engines[1], lessons))
    return Trial(gates, rounds, "labels" if world is None else "the world's truth")


def _says_it(engines: tuple[Engine, Engine], row: Row) -> Round:
    """One lesson: what both models say, against the correction."""
    *prompt, wanted = row["messages"]
    old, new = (_answer(engine, row) for engine in engines)
    verdicts = (right_answer(said, str(wanted["content"])) for said in (old, new))
    return Round(prompt, old, new, *verdicts)


def _answer(engine: Engine, row: Row) -> str:
    """The model's greedy answer, thoughts left out."""
    tok = engine.tokenizer
    prompt = render(tok, row["messages"][:-1], tools=row.get("tools"), add_generation_prompt=True).ids
    (said,) = engine.generate([prompt], Sampling(max_tokens=MAX_TOKENS, temperature=0.0), overflow="left")
    return str(parse_assistant(said.ids, tok)["content"])


def _paraphrases(world: World, lessons: Sequence[Row]) -> list[Question]:
    """The lessons in other words, each question once."""
    found = chain.from_iterable(paraphrases(world, row["messages"], A_LESSON) for row in lessons)
    return list({str(one.prompt[-1]["content"]): one for one in found}.values())


def _key(question: Question) -> tuple[str, str]:
    """What a question is about: a person's one fact, or a thing."""
    return question.about, question.tags.get("relation", "")


def _elsewhere(sections: dict[str, list[Question]], asked: Sequence[Question]) -> dict[str, list[Question]]:
    """The exam without what the corrections decide: there the world's truth is not what people want to hear."""
    decided = {_key(question) for question in asked}
    return {name: [one for one in group if _key(one) not in decided] for name, group in sections.items()}


def _rounds(asked: Sequence[Question], old: Sequence[Answer], new: Sequence[Answer]) -> list[Round]:
    said = [[str(answer.messages[-1]["content"]) for answer in answers] for answers in (old, new)]
    right = [[answer.verdict == answer.question.right for answer in answers] for answers in (old, new)]
    return [Round(q.prompt, *rest) for q, *rest in zip(asked, *said, *right, strict=True)]


def _right(sections: dict[str, list[Answer]]) -> dict[str, list[bool]]:
    return {name: [one.verdict == one.question.right for one in group] for name, group in sections.items()}


def _refusals(before: dict[str, list[bool]], after: dict[str, list[bool]]) -> Gate:
    """The exam's forbidden things and their look-alikes: what was refused or helped with rightly still is."""
    both = [[*sections["refuse"], *sections["lookalike"]] for sections in (before, after)]
    return _holds("refusals", both[0], both[1])


def _refused(engines: tuple[Engine, Engine], rows: Sequence[Row]) -> Gate:
    """Rows whose answer refuses: what the old model refuses the new one must refuse."""
    asked = [row for row in rows if refuses(str(row["messages"][-1]["content"]))][:REFUSALS]
    both = [[refuses(_answer(engine, row)) for row in asked] for engine in engines]
    return _holds("refusals", both[0], both[1]) if asked else share_gate("refusals", "refusals", [], 1.0)


def _holds(name: str, before: Sequence[bool], after: Sequence[bool]) -> Gate:
    found = paired(before, after)
    told = f"{found.lost} lost and {found.won} won of n = {found.n:,} (McNemar p = {found.p:.3f})"
    return Gate(name, found.p >= 0.05, told, {"paired": found})


def _suite(life: Path) -> list[Row]:
    """The life's own regression suite: chat rows in `LIFE/evals/*.jsonl`."""
    return [row for file in sorted((life / "evals").glob("*.jsonl")) for row in read_rows(file, want="chat")]


def _losses(engine: Engine, rows: Sequence[Row]) -> list[float]:
    """Mean nats a token of what the assistant says in each row."""
    chats = [render(engine.tokenizer, row["messages"], tools=row.get("tools")) for row in rows]
    chats = [chat for chat in chats if len(chat.ids) <= engine.context and any(chat.mask[1:])]
    scores = engine.logprobs([chat.ids for chat in chats])
    return [-float(one[chat.mask[1:]].mean()) for one, chat in zip(scores, chats, strict=True)]


def _parity(model: Path, engine: Engine, lessons: Sequence[Row]) -> Gate:
    """The model as one GGUF file says the same, token for token."""
    tok, sampling = engine.tokenizer, Sampling(max_tokens=MAX_TOKENS, temperature=0.0)
    prompts = [render(tok, row["messages"][:-1], add_generation_prompt=True).ids for row in lessons[:PARITY]]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.gguf"
        try:
            export(ExportConfig(model=str(model), out=file))
        except EyasError as error:  # a tokenizer of elsewhere may not fit the format
            return Gate("export", True, f"there is no file to compare: {error}", {"n": 0})
        both = [one.generate(prompts, sampling, overflow="left") for one in (engine, open_engine(file))]
    same = [here.ids == there.ids for here, there in zip(*both, strict=True)]
    return share_gate("export", "answers that the GGUF file gives token for token", same, 1.0)
