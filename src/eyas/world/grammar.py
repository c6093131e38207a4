"""Sentence frames whose every choice is counted, so that a text's exact log-probability is known.

A frame is a line of text with slots:

    ``{x}`` ``{p.job}``      the value given to the frame; costs nothing (it is a fact, or was chosen before)
    ``<tree>``               one word of the lexicon's list `tree`, all equally likely
    ``<x=tree>``             the same, and remembered as ``{x}`` for the rest of the document
    ``[early|late|]``        one of the alternatives, all equally likely; alternatives may hold slots
    ``^`` and ``a``          inside a slot: capital first letter, indefinite article (``<a tree>``, ``{^a x}``)

The log-probability is exact only while the grammar is unambiguous: one text, one sequence of choices. Two rules keep
it so: choose late (a choice shows in the text at once), and let no alternative begin with the whole of another that
could continue alike. `count_derivations` checks both by trying every choice.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log2
from typing import Any, TypeVar

T = TypeVar("T")
_TOKEN = re.compile(r"\{([^{}]*)\}|<([^<>]*)>|\[|\]|\|")


@dataclass(frozen=True, slots=True)
class Slot:
    """A value from outside the frame: ``{root.attribute}``."""

    root: str
    attribute: str
    capital: bool
    article: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """Equally likely options: strings, or sequences of parts."""

    options: tuple[Any, ...]
    bits: float
    proper: bool
    bind: str
    capital: bool
    article: bool


Part = str | Slot | Choice


@dataclass(frozen=True, slots=True)
class Frame:
    """One sentence frame: its identity (for counting) and its parts."""

    name: str
    parts: tuple[Part, ...]


Frames = tuple[Frame, ...]


class Lexicon:
    """Named word lists. Lists in `proper` hold proper names, whose bits are counted apart."""

    def __init__(self, lists: Mapping[str, Sequence[str]], proper: frozenset[str]) -> None:
        for name, words in lists.items():
            if len(set(words)) != len(words):
                raise ValueError(f"word list {name} repeats a word")
        self.lists = {name: tuple(words) for name, words in lists.items()}
        self.proper = proper

    def frames(self, name: str, text: str) -> Frames:
        """Compile the lines of `text` into frames; empty lines and lines that begin with # are skipped.

        ``\\n`` in a line is a line break. Raises ValueError on a malformed frame.
        """
        lines = [line.strip() for line in text.strip().splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        return tuple(
            Frame(f"{name}/{i}", self._compile(line.replace("\\n", "\n").replace("\\s", " ")))
            for i, line in enumerate(lines)
        )

    def _compile(self, text: str) -> tuple[Part, ...]:
        parts, position = self._sequence(text, 0, nested=False)
        if position != len(text):
            raise ValueError(f"unbalanced brackets in frame: {text}")
        return parts

    def _sequence(self, text: str, position: int, *, nested: bool) -> tuple[tuple[Part, ...], int]:
        parts: list[Part] = []
        while position < len(text):
            match = _TOKEN.search(text, position)
            if match is None:
                parts.append(text[position:])
                return tuple(parts), len(text)
            if match.start() > position:
                parts.append(text[position : match.start()])
            position = match.end()
            mark = match.group()
            if mark in "|]":
                if not nested:
                    raise ValueError(f"stray {mark} in frame: {text}")
                return tuple(parts), match.start()
            if mark == "[":
                options = []
                while True:
                    option, position = self._sequence(text, position, nested=True)
                    options.append(_plain(option))
                    if position >= len(text):
                        raise ValueError(f"missing ] in frame: {text}")
                    position += 1
                    if text[position - 1] == "]":
                        break
                parts.append(Choice(tuple(options), log2(len(options)), False, "", False, False))
            elif match.group(1) is not None:
                capital, article, body = _flags(match.group(1))
                root, _, attribute = body.partition(".")
                parts.append(Slot(root, attribute, capital, article))
            else:
                capital, article, body = _flags(match.group(2))
                bind, _, name = body.rpartition("=")
                if name not in self.lists:
                    raise ValueError(f"no word list {name!r} for frame: {text}")
                words = self.lists[name]
                parts.append(Choice(words, log2(len(words)), name in self.proper, bind, capital, article))
        if nested:
            raise ValueError(f"missing ] in frame: {text}")
        return tuple(parts), position


def _flags(body: str) -> tuple[bool, bool, str]:
    capital = body.startswith("^")
    body = body.removeprefix("^")
    article = body.startswith("a ")
    return capital, article, body.removeprefix("a ").strip()


def _plain(parts: tuple[Part, ...]) -> Any:
    """Options that are plain text stay strings: they are the common case and the fast one."""
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return parts


def with_article(word: str) -> str:
    """``an apple``, ``a pear``. The lexicon avoids words whose sound and letter disagree."""
    return ("an " if word[0] in "aeiou" else "a ") + word


@dataclass(slots=True)
class Draw:
    """The making of one document: random choices, their cost in bits, and the text so far."""

    random: Callable[[], float]
    bits: float = 0.0
    proper_bits: float = 0.0
    parts: list[str] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)
    used: list[tuple[Any, str]] = field(default_factory=list)
    trace: list[str] | None = None

    def index(self, n: int) -> int:
        """A number in 0..n-1, all equally likely."""
        self.bits += log2(n)
        return int(self.random() * n)

    def one(self, options: Sequence[T], *, proper: bool = False) -> T:
        """One of `options`, all equally likely; `proper` counts the bits as those of a name or number."""
        if proper:
            self.proper_bits += log2(len(options))
        return options[self.index(len(options))]

    def chance(self, p: float) -> bool:
        """True with probability `p`."""
        yes = self.random() < p
        self.bits -= log2(p if yes else 1 - p)
        return yes

    def number(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        self.proper_bits += log2(high - low + 1)
        return low + self.index(high - low + 1)

    def order(self, items: Sequence[T], count: int) -> Iterator[T]:
        """`count` different items in random order, drawn one by one (so that each choice shows before the next)."""
        left = list(items)
        for _ in range(count):
            yield left.pop(self.index(len(left)))

    def say(self, frames: Frames, **values: Any) -> None:
        """Write one of `frames`, with `values` added to the names the document knows.

        A value that is a function is called when its slot is reached, and its result remembered: a late choice.
        """
        self.names.update(values)
        frame = frames[self.index(len(frames))]
        if self.trace is not None:
            self.trace.append(frame.name)
        self._expand(frame.parts)

    def phrase(self, frames: Frames, **values: Any) -> None:
        """Write one of `frames` as a part of a sentence: the same, but not counted among the sentences."""
        self.names.update(values)
        self._expand(frames[self.index(len(frames))].parts)

    def write(self, text: str) -> None:
        """Write `text` as it is: layout and facts, which cost nothing."""
        self.parts.append(text)

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def _expand(self, parts: tuple[Part, ...]) -> None:
        out = self.parts
        for part in parts:
            if isinstance(part, str):
                out.append(part)
                continue
            if isinstance(part, Slot):
                value = self.names[part.root]
                if callable(value):  # a choice that waits until its text is due
                    value = self.names[part.root] = value()
                if part.attribute:
                    self.used.append((value, part.attribute))
                    value = getattr(value, part.attribute)
            else:
                if part.proper:
                    self.proper_bits += part.bits
                value = part.options[self.index(len(part.options))]
                if part.bind:
                    self.names[part.bind] = value
                if isinstance(value, tuple):
                    self._expand(value)
                    continue
            if part.article:
                value = with_article(value)
            if part.capital:
                value = value[0].upper() + value[1:]
            out.append(value)


def draw(seed: str) -> Draw:
    """A Draw whose choices depend on nothing but `seed`."""
    return Draw(random.Random(seed).random)


class _Branch(Exception):
    def __init__(self, n: int) -> None:
        self.n = n


class _DeadEnd(Exception):
    pass


@dataclass(slots=True)
class _Replay(Draw):
    """Follows given choices and stops where the text leaves the target or a new choice is due."""

    path: tuple[int, ...] = ()
    target: str = ""
    step: int = 0

    def index(self, n: int) -> int:
        self.bits += log2(n)
        return self._follow(n)

    def chance(self, p: float) -> bool:
        yes = bool(self._follow(2))
        self.bits -= log2(p if yes else 1 - p)
        return yes

    def _follow(self, n: int) -> int:
        if self.step < len(self.path):
            self.step += 1
            return self.path[self.step - 1]
        if not self.target.startswith(self.text):
            raise _DeadEnd
        raise _Branch(n)


def count_derivations(make: Callable[[Draw], None], text: str, limit: int = 2_000_000) -> tuple[int, float]:
    """How many sequences of choices let `make` write exactly `text`, and -log2 of their summed probability (bits).

    One derivation means that the bits a Draw counted are exact. Raises RuntimeError after `limit` tries.
    """
    found, probability = 0, 0.0
    stack: list[tuple[int, ...]] = [()]
    tries = 0
    while stack:
        path = stack.pop()
        tries += 1
        if tries > limit:
            raise RuntimeError("too many choices to follow; choose later in the text")
        replay = _Replay(random=lambda: 0.0, path=path, target=text)
        try:
            make(replay)
        except _DeadEnd:
            continue
        except _Branch as branch:
            stack.extend((*path, i) for i in range(branch.n))
            continue
        if replay.text == text:
            found += 1
            probability += 2.0**-replay.bits
    return found, (-log2(probability) if probability > 0 else float("inf"))
