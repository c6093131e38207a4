"""The thought that leads to a correction: a person writes the answer, the rows show how the model comes to say such.

A model that thinks before it speaks must think the right thing first, and no labeller writes that down. The life's own
rows hold answers of the same form with the thought before them; that thought, with its words changed as the answer's
words are, leads to the correction: *register Ada Potter: yes* / *Ada Potter lives in Mill Lane* gives
*register Bess Drake: yes* for *Bess Drake lives in Candle Street*.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from eyas.data.importers import Row
from eyas.data.messages import Message

COMMON = 0.01
"""Share of the answers that hold a word from which it belongs to the form, not to the matter."""
ALIKE = 0.6
"""Overlap of two answers' forms (Jaccard) from which one may be understood by the other."""
MODELS = 5
"""Answers of the likeliest form that are asked; the thought that most of them lead to is taken."""
_WORD = re.compile(r"\w+|[^\w\s]")


def with_thoughts(rows: Sequence[Row], examples: Sequence[Row]) -> list[Row]:
    """`rows` with a thought before each last answer that has none, where `examples` show how such answers come about.

    An answer like none of the examples, or like those that need no thought, stays without.
    """
    known = [_Example(message) for row in examples for message in row["messages"] if _speaks(message)]
    counts = Counter(word for one in known for word in set(one.words))
    common = {word for word, count in counts.items() if count >= max(2, COMMON * len(known))}
    by_form: dict[frozenset[str], list[_Example]] = {}
    for one in known:
        by_form.setdefault(frozenset(one.words) & common, []).append(one)
    done = []
    for row in rows:
        *before, answer = row["messages"]
        thought = _thought(_WORD.findall(str(answer["content"])), by_form, common) if _is_bare(answer) else ""
        done.append(row | {"messages": [*before, answer | {"reasoning_content": thought}]} if thought else row)
    return done


class _Example:
    """An answer as words, and the thought before it."""

    def __init__(self, message: Message) -> None:
        self.words = _WORD.findall(str(message["content"]))
        self.thought = str(message.get("reasoning_content") or "")


def _thought(words: list[str], by_form: Mapping[frozenset[str], list[_Example]], common: set[str]) -> str:
    form = frozenset(words) & common
    best = max(by_form, key=lambda other: _overlap(form, other), default=frozenset())
    if not form or _overlap(form, best) < ALIKE:
        return ""
    thoughts = Counter(_translated(one, words) for one in by_form[best][:MODELS])
    return thoughts.most_common(1)[0][0]


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


def _translated(example: _Example, words: list[str]) -> str:
    """The example's thought with every word changed that stands in its answer and is another one in `words`."""
    changed: dict[str, str] = {}
    for kind, a, b, c, d in SequenceMatcher(None, example.words, words, autojunk=False).get_opcodes():
        if kind == "replace" and b - a == d - c:
            changed |= dict(zip(example.words[a:b], words[c:d], strict=True))
    return _WORD.sub(lambda match: changed.get(match[0], match[0]), example.thought)


def _speaks(message: Mapping[str, Any]) -> bool:
    return message["role"] == "assistant" and bool(message["content"]) and not message.get("tool_calls")


def _is_bare(message: Mapping[str, Any]) -> bool:
    return _speaks(message) and not message.get("reasoning_content")
