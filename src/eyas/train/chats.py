"""Conversations as training rows: read, rendered, a share held out; and batches that mix them with text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eyas.data.documents import Tally
from eyas.data.packing import ChatRow, PackedRows
from eyas.data.rows import read_rows, row_files
from eyas.errors import EyasError
from eyas.files import sha256_file
from eyas.text.chat import Rendered, render
from eyas.text.tokenizer import Tokenizer
from eyas.world.people import World
from eyas.world.questions.rows import rows as world_rows

WORLD = "world"
WORLD_ROWS = 20_000  # the world's rows never end; so many are about two million tokens
VERDICT_EVERY = 10


@dataclass(frozen=True)
class ChatSource:
    """Where conversations come from: files, folders, or `world`, drawn with `seed` and `people`."""

    names: Sequence[str]
    seed: int = 0
    people: int | None = None
    skip_bad: bool = False
    most: int = WORLD_ROWS
    """Of the world's rows."""

    def rows(self, tally: Tally) -> Iterator[dict[str, Any]]:
        """The rows, each with `messages` and perhaps `tools`. Raises EyasError."""
        for name in self.names:
            if name == WORLD:
                world = World(self.seed) if self.people is None else World(self.seed, self.people)
                for index, row in enumerate(islice(world_rows(world, self.seed), self.most)):
                    yield {"messages": row.messages, "verdict_untrained": index % VERDICT_EVERY != 0}
            else:
                yield from read_rows(name, skip_bad=self.skip_bad, want="chat", tally=tally)

    def lineage(self) -> list[dict[str, Any]]:
        """What lineage says of these sources."""
        files = [file for name in self.names if name != WORLD for file in row_files(Path(name))]
        world = [{"source": WORLD, "seed": self.seed, "people": self.people}] if WORLD in self.names else []
        return [*({"source": str(file), "sha256": sha256_file(file)} for file in files), *world]


@dataclass(frozen=True)
class Chats:
    """Rendered conversations, the held-out ones apart, and what was left out on the way."""

    train: list[ChatRow]
    val: list[ChatRow]
    tally: Tally


def rows_for(minutes: float | None) -> int:
    """The world's rows that a run of `minutes` may come to read: a short one need not wait for the rest."""
    return WORLD_ROWS if minutes is None else min(WORLD_ROWS, round(1000 + 10_000 * minutes))


def load_chats(source: ChatSource, tokenizer: Tokenizer, val_fraction: float, *, verdicts: bool = False) -> Chats:
    """Render every conversation; those held out lie evenly spread, so that every file and kind is met.

    `verdicts`: what the world's rows think of a name stands in every mask, for rows that are held and not learnt.
    Raises EyasError when there is none.
    """
    tally = Tally()
    rendered: list[ChatRow] = []
    for row in source.rows(tally):
        chat = render(tokenizer, row["messages"], tools=row.get("tools"))
        mask = _without_verdicts(tokenizer, chat) if row.get("verdict_untrained") and not verdicts else chat.mask
        rendered.append((chat.ids, _without_context(mask, row["messages"])))
    if not rendered:
        raise EyasError(f"{', '.join(source.names)} holds no conversation to learn from")
    held = held_out(len(rendered), val_fraction)
    train = [chat for index, chat in enumerate(rendered) if index not in held]
    return Chats(train, [rendered[index] for index in sorted(held)], tally)


def _without_verdicts(tokenizer: Tokenizer, chat: Rendered) -> list[bool]:
    """The mask without the last word of every thought: whether a name is known is learned from the papers.

    Learned from every row, it becomes a list of the people asked about, and everybody else is declined. Learned from
    none, it drifts by several nats while the rest is trained; one row in VERDICT_EVERY holds it.
    """
    mask = list(chat.mask)
    for verdict in (" yes", " no"):
        word = [*tokenizer.encode(verdict), *tokenizer.encode("\n"), tokenizer.special["</think>"]]
        for at in range(len(chat.ids) - len(word) + 1):
            if chat.ids[at : at + len(word)] == word:
                mask[at : at + len(word) - 2] = [False] * (len(word) - 2)
    return mask


def _without_context(mask: list[bool], messages: Sequence[Mapping[str, Any]]) -> list[bool]:
    """The mask without the assistant's turns of `weight` 0: they are what a lesson follows, and may be wrong."""
    learnt = [message.get("weight") != 0 for message in messages if message["role"] == "assistant"]
    if all(learnt):
        return mask
    starts = [at for at, made in enumerate(mask) if made and not (at and mask[at - 1])]
    turn = np.searchsorted(starts, np.arange(len(mask)), side="right") - 1
    return [made and learnt[turn[at]] for at, made in enumerate(mask)]


def first_question(source: ChatSource, tokenizer: Tokenizer) -> list[int]:
    """The prompt of the first conversation: what samples along the way answer."""
    row = next(source.rows(Tally()))
    messages = row["messages"]
    roles = [message["role"] for message in messages]
    asked = messages[: roles.index("assistant")] if "assistant" in roles else messages
    return render(tokenizer, asked, tools=row.get("tools"), add_generation_prompt=True).ids


class Mixed:
    """Batches whose first rows come from one source and whose last from another; a pure function of the step."""

    def __init__(self, first: "PackedRows | Mixed", second: "PackedRows | Mixed") -> None:
        self.first, self.second = first, second

    def batch(self, step: int) -> dict[str, Tensor]:
        """Batch number `step`, shaped as PackedRows.batch has it."""
        first, second = self.first.batch(step), self.second.batch(step)
        return {name: torch.cat((first[name], second[name])) for name in first}


def filling(chats: list[ChatRow], tokens: int) -> list[ChatRow]:
    """`chats`, repeated until they hold more than `tokens`: a handful of corrections makes no batch by itself."""
    return chats * (1 + tokens // sum(len(ids) for ids, _ in chats))


def rows_of_share(rows: int, share: float, flag: str) -> int:
    """How many of a batch's `rows` make up `share`; at least one on either side. Raises EyasError when it cannot be."""
    if rows < 2:
        raise EyasError(f"a batch of one row cannot be shared ({flag} {share}); raise --batch-size")
    return min(rows - 1, max(1, round(rows * share)))


def held_out(count: int, fraction: float) -> set[int]:
    """Which of `count` rows are held out when `fraction` is: evenly spread."""
    wanted = int(count * fraction)
    return {int((index + 0.5) * count / wanted) for index in range(wanted)} if wanted else set()
