"""What models are asked when their answers are compared: the world's prompts, people's questions, or a file's."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal

from sqlalchemy import select

from eyas.data.messages import BadRow, Message, chat_message
from eyas.data.rows import read_rows
from eyas.errors import EyasError
from eyas.store.conversations import history
from eyas.store.database import open_existing
from eyas.store.tables import Message as Said
from eyas.world.open_ended import OpenQuestion, open_questions
from eyas.world.people import World
from eyas.world.questions.question import Question
from eyas.world.questions.rows import exam

WORLD, EXAM, STORE = "world", "exam", "store"
Split = Literal["train", "exam"]


@dataclass(frozen=True)
class Prompt:
    """A conversation that waits for an answer, and the world's own question where it is one."""

    messages: list[Message]
    question: Question | OpenQuestion | None = None

    @cached_property
    def key(self) -> str:
        """What tells prompts apart."""
        return json.dumps(self.messages, sort_keys=True, ensure_ascii=False)


def read_prompts(
    source: str, n: int, *, life: Path | None, world: World | None, split: Split, seed: int
) -> list[Prompt]:
    """Up to `n` different prompts of `world` (open-ended ones), `exam`, `store` or a file of rows.

    `split` says whether the world's are those to learn from or those to examine with. Raises EyasError when there are
    none.
    """
    if source in (WORLD, EXAM):
        if world is None:
            raise EyasError(f"--prompts {source} asks of the world, which these models never read of; name a file")
        if source == WORLD:
            return [Prompt(list(one.prompt), one) for one in open_questions(world, n, split=split, seed=seed)]
        return _short(world, n, seed)
    if source == STORE:
        if life is None:
            raise EyasError("--prompts store reads what a life was asked; name the life")
        found = _stored(life, seed)
    else:
        found = _of_file(Path(source))
    distinct = {prompt.key: prompt for prompt in found}
    if not distinct:
        raise EyasError(f"--prompts {source} holds nothing to ask")
    return list(islice(distinct.values(), n))


def _short(world: World, n: int, seed: int) -> list[Prompt]:
    """The exam's questions, of each section in turn; notices to look up are left out, for there is no board here."""
    sections = [group for name, group in exam(world, n, seed).items() if name != "lookup"]
    turns = [group[place] for place in range(n) for group in sections if place < len(group)]
    return [Prompt(list(one.prompt), one) for one in turns[:n]]


def _stored(life: Path, seed: int) -> Iterator[Prompt]:
    """What people asked, with what went before, in an order by chance."""
    store = open_existing(life)
    try:
        with store.session() as session:
            asked = select(Said.id).where(Said.role == "user", Said.shadow.is_(False), Said.text != "")
            ids = list(session.scalars(asked.order_by(Said.id)))
            random.Random(seed).shuffle(ids)
            for one in ids:
                try:
                    yield Prompt([chat_message(message.content) for message in history(session, one)])
                except BadRow:  # pictures and the like
                    continue
    finally:
        store.close()


def _of_file(path: Path) -> Iterator[Prompt]:
    for row in read_rows(path):
        messages = row.get("prompt") or row.get("messages") or []
        while messages and messages[-1]["role"] != "user":
            messages = messages[:-1]
        if not messages:
            raise EyasError(f"--prompts {path} holds rows without a question; give chats, prompts or preferences")
        yield Prompt(messages)
