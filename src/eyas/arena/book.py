"""Where judged battles are kept: the store of a life, or a file that `eyas arena table` and `eyas align` read."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from eyas.arena.judges import Judge, Pair, verdicts
from eyas.arena.sampling import Said, shown
from eyas.data.messages import BadRow, Message, chat_messages, turns
from eyas.data.reading import BadInput
from eyas.data.tables import raw_rows
from eyas.errors import EyasError
from eyas.files import write_atomic
from eyas.store.clean import clean_json
from eyas.store.database import has_store, open_store
from eyas.store.tables import Comparison

_NAMES = ("model_a", "model_b", "winner", "judge")


@dataclass(frozen=True)
class Battle:
    """Two answers to one prompt, and who judged how: `winner` is model_a, model_b, tie or both_bad."""

    prompt: list[Message]
    answer_a: Said
    answer_b: Said
    model_a: str
    model_b: str
    winner: str
    judge: str

    @property
    def asked(self) -> str:
        """What was judged, as a user sees it and a store can hold it, and by whom."""
        seen = self.prompt, shown(self.answer_a), shown(self.answer_b), self.model_a, self.model_b, self.judge
        return json.dumps(clean_json(seen), sort_keys=True)


def check_rows_file(path: Path) -> None:
    """Raise EyasError for a name that would be read as another format than the one written."""
    if path.suffix != ".jsonl":
        raise EyasError(f"--out {path} must end in .jsonl")


class Book:
    """The battles that judges decided in a life (a folder) or a file, those of before included.

    Judges are entered under `purpose`, as in `compare:world`, where there is one.
    """

    def __init__(self, place: Path, purpose: str = "") -> None:
        self.place, self.purpose = place, purpose
        read = _of_life if place.is_dir() else _of_file
        self._known = {one.asked: one for one in read(place)}

    @property
    def battles(self) -> list[Battle]:
        return list(self._known.values())

    def decide(self, judge: Judge, pairs: Sequence[Pair]) -> list[str | None]:
        """`judge`'s verdicts (see `Judge.winners`). What is known already is not asked again, and the rest is kept.

        Raises EyasError; all new verdicts are on disk then, or none.
        """
        name = f"{self.purpose}:{judge.name}" if self.purpose else judge.name
        battles = [Battle(one.prompt.messages, one.a, one.b, one.model_a, one.model_b, "", name) for one in pairs]
        known = [self._known.get(one.asked) for one in battles]
        told = iter(verdicts(judge, [pair for pair, old in zip(pairs, known, strict=True) if old is None]))
        winners = [old.winner if old is not None else next(told) for old in known]
        self._add([replace(one, winner=winner) for one, winner in zip(battles, winners, strict=True) if winner])
        return winners

    def _add(self, battles: Sequence[Battle]) -> None:
        new = {one.asked: one for one in battles if one.asked not in self._known}
        if not new:
            return
        self._known |= new
        if self.place.is_dir():
            _store(self.place, list(new.values()))
        else:
            write_atomic(self.place, "".join(f"{json.dumps(vars(one))}\n" for one in self.battles))


def _store(life: Path, battles: Sequence[Battle]) -> None:
    store = open_store(life)
    try:
        with store.session() as session:
            for one in battles:
                seen = {"answer_a": shown(one.answer_a), "answer_b": shown(one.answer_b)}
                session.add(Comparison(**vars(one) | seen))
    finally:
        store.close()


def _of_life(life: Path) -> Iterator[Battle]:
    if not has_store(life):
        return
    store = open_store(life)
    try:
        with store.session() as session:
            by_judges = select(Comparison).where(Comparison.message_a.is_(None)).order_by(Comparison.id)
            for one in session.scalars(by_judges):
                said = turns(one.answer_a, "assistant"), turns(one.answer_b, "assistant")
                yield Battle(one.prompt, *said, one.model_a, one.model_b, one.winner, one.judge)
    finally:
        store.close()


def _of_file(path: Path) -> Iterator[Battle]:
    if not path.exists():
        return
    for where, row in raw_rows(path, BadInput()):
        try:
            yield _battle(row)
        except (KeyError, BadRow) as error:
            raise EyasError(f"{where} is no battle of `eyas arena run`; choose another -o") from error


def _battle(row: Mapping[str, Any]) -> Battle:
    said = turns(row["answer_a"], "assistant"), turns(row["answer_b"], "assistant")
    return Battle(chat_messages(row["prompt"]), *said, *(str(row[name]) for name in _NAMES))
