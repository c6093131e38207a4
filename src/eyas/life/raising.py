"""`eyas raise`: the whole life in order: text, tokenizer, base model, assistant, exam, report.

Every stage writes a model folder or a file of `LIFE/evals/`; last, the assistant as two files. What is there already is
not made again, so that the same command goes on where it was stopped or killed. With `--full` the stages of
`eyas.life.full` follow.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyas.errors import EyasError
from eyas.evals.evaluate import EvalConfig
from eyas.evals.evaluate import run as evaluate
from eyas.evals.exam import Answer, ExamResult
from eyas.files import read_json, write_atomic
from eyas.life import full
from eyas.life.settings import WORLD, RaiseConfig, remember, write_json
from eyas.progress import Progress
from eyas.report.page import write_report
from eyas.runtime.chat import ChatSession
from eyas.runtime.export import ExportConfig
from eyas.runtime.export import run as export
from eyas.runtime.library import SOURCE as RUN_C
from eyas.runtime.opening import open_engine
from eyas.runtime.sampling import Sampling
from eyas.scaling.dial_law import law_for
from eyas.train import finetune, pretrain
from eyas.world.people import World
from eyas.world.questions.rows import exam as exam_questions

_DREAMS = 4
_EXAMPLES = 4


@dataclass(frozen=True)
class RaiseResult:
    """What was raised, and its main figures."""

    life: Path
    report: Path
    seconds: float
    bpb: float
    floor_bpb: float | None
    exam: dict[str, float] | None


def run(config: RaiseConfig, *, quiet: bool = False) -> RaiseResult:
    """Raise a life. Raises EyasError; KeyboardInterrupt after Ctrl-C, from which the same call goes on."""
    started = time.monotonic()
    rows = config.rows
    pretraining, finetuning = config.training
    if config.full and WORLD not in rows:
        raise EyasError("--full compares answers by the world's truth; leave it out for rows of your own")
    config = remember(config)
    base, assistant = config.life / "models" / "base", config.life / "models" / "assistant"
    say = _Teller(quiet)
    if not base.exists():
        say(f"1/4 base model: learning to continue {', '.join(config.data)}")
        wanted = config.pretraining(base, pretraining, quiet=quiet)
        pretrain.run(wanted, law_for(wanted))
    if not assistant.exists():
        say(f"2/4 assistant: learning to answer from {', '.join(rows)}")
        finetune.run(config.finetuning(base, assistant, finetuning, quiet=quiet))
    evals = config.life / "evals"
    say("3/4 looking: bits per byte, exam, dreams, a chat")
    if not (evals / "base.json").exists():
        megabytes = min(0.5, 0.02 + 0.05 * config.minutes)  # held-out text is a hundredth of what has to be read for it
        found = evaluate(EvalConfig(model=str(base), tasks=["bpb"], megabytes=megabytes)).bpb
        assert found is not None
        write_json(evals / "base.json", found.as_json())
    if WORLD in rows and not (evals / "exam.json").exists():
        with Progress("exam", quiet=quiet) as progress:
            exam = evaluate(EvalConfig(model=str(assistant), tasks=["exam"], n=config.questions), progress).exam
        assert exam is not None
        write_json(evals / "exam.json", exam.as_json() | {"examples": _examples(exam)})
    if not (evals / "dreams.json").exists():
        write_json(evals / "dreams.json", {"base": _dreams(base), "assistant": _dreams(assistant)})
    if not (evals / "chat.json").exists():
        write_json(evals / "chat.json", _chat(config, assistant, rows))
    _two_files(config.life, assistant, say)
    clock = config.life / "clock.json"
    seconds = time.monotonic() - started
    if not clock.exists():
        write_json(clock, {"seconds": seconds})
    if config.full:
        full.add(config, say, quiet=quiet)
    say("4/4 report")
    report = write_report(config.life)
    bpb = read_json(evals / "base.json", "evaluation")
    right = read_json(evals / "exam.json", "exam")["right"] if (evals / "exam.json").exists() else None
    shares = {name: share["value"] for name, share in right.items()} if right else None
    return RaiseResult(config.life, report, seconds, bpb["bpb"], bpb["floor_bpb"], shares)


class _Teller:
    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet

    def __call__(self, text: str) -> None:
        if not self.quiet:
            with Progress(text, quiet=False) as progress:
                progress.say(text)


def _two_files(life: Path, assistant: Path, say: _Teller) -> None:
    """The assistant as parameters and a program to run them: `assistant.gguf` and `run.c` in the life's folder."""
    file = life / "assistant.gguf"
    try:
        if not file.exists():
            export(ExportConfig(model=str(assistant), out=file, type="q8_0"))
        write_atomic(life / RUN_C.name, RUN_C.read_text(encoding="utf-8"))
    except EyasError as error:  # a tokenizer of elsewhere may not fit the format: the life goes on without
        say(f"the assistant has no two files: {error}")


def _dreams(model: Path) -> list[str]:
    engine = open_engine(model)
    start = [engine.tokenizer.endoftext]
    sampling = Sampling(max_tokens=min(256, engine.context - 1), temperature=0.8, seed=0)
    return [engine.tokenizer.decode(done.ids) for done in engine.generate([start] * _DREAMS, sampling)]


def _chat(config: RaiseConfig, assistant: Path, rows: list[str]) -> list[dict[str, Any]]:
    """A short conversation: with a world model one question of several kinds, else the first questions of the rows."""
    session = ChatSession(open_engine(assistant))
    for question in _questions(config, rows):
        for _ in session.send(question):
            pass
    return session.messages


def _questions(config: RaiseConfig, rows: list[str]) -> list[str]:
    if WORLD in rows:
        world = World(config.seed) if config.people is None else World(config.seed, config.people)
        asked = exam_questions(world, 1, seed=config.seed + 1)
        order = ("smalltalk", "fact B", "unknown C", "arithmetic", "refuse", "lookalike")
        return [str(asked[kind][0].prompt[0]["content"]) for kind in order]
    from itertools import islice

    from eyas.data.rows import read_rows

    chats = (row["messages"] for row in islice(read_rows(rows[0], skip_bad=True, want="chat"), 3))
    return [str(next(m["content"] for m in messages if m["role"] == "user")) for messages in chats]


def _examples(exam: ExamResult) -> dict[str, list[dict[str, str]]]:
    """A few right and a few wrong answers of every section, as the report shows them."""
    found = {}
    for name, answers in exam.answers.items():
        right = [answer for answer in answers if answer.verdict == answer.question.right]
        wrong = [answer for answer in answers if answer.verdict != answer.question.right]
        found[name] = [_example(answer) for answer in right[: _EXAMPLES // 2] + wrong[: _EXAMPLES // 2]]
    return found


def _example(answer: Answer) -> dict[str, str]:
    last = answer.messages[-1]
    return {
        "question": str(answer.question.prompt[0]["content"]),
        "answer": str(last["content"]),
        "thought": str(answer.messages[0].get("reasoning_content", "")),
        "expected": str(answer.question.answer[-1]["content"]),
        "verdict": "right" if answer.verdict == answer.question.right else answer.verdict,
    }
