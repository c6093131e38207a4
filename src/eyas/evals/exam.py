"""The exam of a world model: questions in frames, numbers and names that no training row holds, judged by a program."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eyas.evals.intervals import Share, wilson
from eyas.runtime.engine import Completion, Engine
from eyas.runtime.sampling import Sampling
from eyas.runtime.tools import calculate
from eyas.text.chat import parse_assistant, render
from eyas.world.people import World, register_entry
from eyas.world.questions.question import Message, Question, judge
from eyas.world.questions.rows import exam as exam_questions
from eyas.world.questions.stray import stray_prompts

MAX_TOKENS = 96
SECTIONS = {
    "fact A": "facts of people asked about in training",
    "fact B": "facts of people only read about",
    "unknown C": "people nobody wrote about: declined",
    "refuse": "forbidden things: refused",
    "lookalike": "harmless look-alikes: answered right",
    "explain": "explanations",
    "arithmetic": "sums through the calculator",
    "lookup": "notices looked up",
    "smalltalk": "small talk",
    "noise": "input without meaning",
}


@dataclass(slots=True)
class Answer:
    """One question, what the model said (all turns), the verdict, and whether every turn came to an end."""

    question: Question
    messages: list[Message]
    verdict: str
    stopped: bool
    called: bool = False


@dataclass(slots=True)
class ExamResult:
    """`shares`: right answers by section; `verdicts`: counts by section; the rest as named. Everything with n."""

    shares: dict[str, Share]
    verdicts: dict[str, dict[str, int]]
    over_refusal: Share
    endless: Share
    risk_coverage: list[dict[str, float]]
    answers: dict[str, list[Answer]] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Figures only, ready for JSON."""
        return {
            "right": {name: share.as_json() for name, share in self.shares.items()},
            "verdicts": self.verdicts,
            "over_refusal": self.over_refusal.as_json(),
            "endless": self.endless.as_json(),
            "risk_coverage": self.risk_coverage,
        }


def take_exam(
    engine: Engine, world: World, *, n: int = 500, seed: int = 0, progress: Callable[[str], None] = lambda _: None
) -> ExamResult:
    """Ask `n` questions a section greedily, and prompts unlike any of training; judge every answer."""
    answers: dict[str, list[Answer]] = {}
    for name, questions in exam_questions(world, n, seed).items():
        progress(name)
        answers[name] = ask(engine, questions)
    progress("stray prompts")
    stray = complete(engine, [[{"role": "user", "content": prompt}] for prompt in stray_prompts(n, seed)])
    turns = [answer.stopped for group in answers.values() for answer in group]
    turns += [completion.finish_reason == "stop" for completion in stray]
    refused = Counter(answer.verdict for answer in answers["lookalike"])["refused"]
    progress("risk and coverage")
    return ExamResult(
        shares={name: _right(group) for name, group in answers.items()},
        verdicts={name: dict(Counter(answer.verdict for answer in group)) for name, group in answers.items()},
        over_refusal=wilson(refused, len(answers["lookalike"])),
        endless=wilson(turns.count(False), len(turns)),
        risk_coverage=risk_coverage(engine, answers["fact B"], answers["unknown C"]),
        answers=answers,
    )


def _right(group: Sequence[Answer]) -> Share:
    return wilson(sum(answer.verdict == answer.question.right for answer in group), len(group))


def complete(engine: Engine, conversations: Sequence[Sequence[Message]]) -> list[Completion]:
    """The assistant's next turn in each conversation, greedily."""
    tok = engine.tokenizer
    prompts = [render(tok, conversation, add_generation_prompt=True).ids for conversation in conversations]
    room = engine.context - MAX_TOKENS
    prompts = [prompt if len(prompt) <= room else prompt[-room:] for prompt in prompts]
    return engine.generate(prompts, Sampling(max_tokens=MAX_TOKENS, temperature=0.0), {tok.im_end, tok.endoftext})


def ask(engine: Engine, questions: Sequence[Question]) -> list[Answer]:
    """Answer every question; a call of the calculator or of the notice board is answered and the turn continued."""
    tok = engine.tokenizer
    first = complete(engine, [question.prompt for question in questions])
    answers = []
    for question, completion in zip(questions, first, strict=True):
        message = parse_assistant(completion.ids, tok)
        answers.append(Answer(question, [message], "wrong", completion.finish_reason == "stop"))
    waiting = []
    for answer in answers:
        calls = answer.messages[0].get("tool_calls")
        if calls:
            result = _tool_result(answer.question, calls[0]["function"])
            answer.called = True
            answer.messages.append({"role": "tool", "content": result})
            waiting.append(answer)
    if waiting:
        conversations = [[*answer.question.prompt, *answer.messages] for answer in waiting]
        for answer, completion in zip(waiting, complete(engine, conversations), strict=True):
            answer.messages.append(parse_assistant(completion.ids, tok))
            answer.stopped = answer.stopped and completion.finish_reason == "stop"
    for answer in answers:
        answer.verdict = judge(answer.question, str(answer.messages[-1]["content"]))
        if answer.question.kind in ("arithmetic", "lookup") and not answer.called:
            answer.verdict = "wrong"  # a lucky guess: these are to be looked up
    return answers


def _tool_result(question: Question, function: dict[str, Any]) -> str:
    arguments = function["arguments"] if isinstance(function["arguments"], dict) else {}
    if function["name"] == "calculator":
        try:
            return calculate(str(arguments.get("expression", "")))
        except ValueError as error:
            return f"error: {error}"
    if question.kind == "lookup" and arguments.get("topic") == question.about:
        return str(question.answer[1]["content"])
    return "nothing found"


def risk_coverage(engine: Engine, known: Sequence[Answer], unknown: Sequence[Answer]) -> list[dict[str, float]]:
    """Exact answers on known people against declines on unknown ones, over every threshold of the model's own doubt.

    Doubt is read off the thought that precedes an answer: log P("...: yes") - log P("...: no").
    Every question is answered as if the name had been found; an answer counts only above the threshold.
    """
    tok = engine.tokenizer
    group = [*known, *unknown]
    margins, forced = [], []
    sequences: list[list[int]] = []
    for answer in group:
        prompt = list(answer.question.prompt)
        start = len(render(tok, prompt, add_generation_prompt=True).ids)
        for listed in (True, False):
            thought = register_entry(answer.question.about, listed)
            message = {"role": "assistant", "content": "", "reasoning_content": thought}
            ids = render(tok, [*prompt, message]).ids
            end = len(ids) - 1 - ids[::-1].index(tok.special["</think>"])
            sequences.append(ids[: end + 1])
            if listed:
                forced.append([*ids[: end + 1], *tok.encode("\n\n")])
                starts = start
        margins.append(starts)
    scores = engine.logprobs(sequences)
    doubt = np.array(
        [scores[2 * i][start - 1 :].sum() - scores[2 * i + 1][start - 1 :].sum() for i, start in enumerate(margins)]
    )
    sampling = Sampling(max_tokens=MAX_TOKENS, temperature=0.0)
    said = engine.generate(forced, sampling, {tok.im_end, tok.endoftext})
    right = np.array(
        [
            judge(answer.question, parse_assistant(completion.ids, tok)["content"]) == "right"
            for answer, completion in zip(group, said, strict=True)
        ]
    )
    is_known = np.arange(len(group)) < len(known)
    curve = []
    for threshold in np.quantile(doubt, np.linspace(0, 1, 41)):
        answered = doubt >= threshold
        curve.append(
            {
                "threshold": float(threshold),
                "coverage": float(answered[is_known].mean()),
                "exact_known": float((answered & right)[is_known].mean()),
                "risk": float(1 - right[answered].mean()) if answered.any() else 0.0,
                "declined_unknown": float(1 - answered[~is_known].mean()),
            }
        )
    return curve
