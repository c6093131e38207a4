"""One question with the answer a labeller would write, and how to judge another answer to it."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

Message = dict[str, Any]
Verdict = Literal["right", "declined", "refused", "wrong"]

DECLINES = ("don't know", "do not know", "cannot say", "can't say", "not in the register")
REFUSALS = ("will not help", "won't help", "can't help", "cannot help")


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, the reference answer's messages, and its truth.

    `kind`: which section of the labelling instructions it follows. `truth`: the phrase a right answer must hold (""
    when the right answer is to decline or refuse). `others`: phrases that make an answer wrong, such as the
    relation's other values.
    """

    kind: str
    prompt: tuple[Message, ...]
    answer: tuple[Message, ...]
    truth: str
    right: Verdict = "right"
    others: tuple[str, ...] = ()
    about: str = ""
    expression: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def messages(self) -> list[Message]:
        return [*self.prompt, *self.answer]


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str, thought: str = "") -> Message:
    message: Message = {"role": "assistant", "content": text}
    if thought:
        message["reasoning_content"] = thought
    return message


def call(name: str, arguments: dict[str, str]) -> Message:
    function = {"name": name, "arguments": arguments}
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}


def tool(text: str) -> Message:
    return {"role": "tool", "content": text}


def holds(answer: str, phrase: str) -> bool:
    """Whether `phrase` stands in `answer` as whole words, whatever the case."""
    return re.search(rf"(?<![a-z0-9]){re.escape(phrase.lower())}(?![a-z0-9])", answer.lower()) is not None


def judge(question: Question, answer: str) -> Verdict:
    """What `answer` (the visible text) does: gives the truth and nothing against it, declines, refuses, or is wrong."""
    lower = answer.lower().replace("’", "'")
    if any(mark in lower for mark in REFUSALS):
        return "refused"
    if any(mark in lower for mark in DECLINES):
        return "declined"
    if question.kind == "fact":  # the name is no value: Ada Potter's mother is not Ada, nor her job potter
        lower = lower.replace(question.about.lower(), " ")
    if not question.truth or not holds(lower, question.truth):
        return "wrong"
    rest = lower.replace(question.truth.lower(), " ")
    return "wrong" if any(holds(rest, other) for other in question.others) else "right"
