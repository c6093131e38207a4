"""The stage `eyas compare`: models answer in pairs, judges say which answer is better, and how far they agree."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from eyas.arena.agreement import Agreement, measured
from eyas.arena.asking import AskConfig, asked
from eyas.arena.battles import Floats
from eyas.arena.book import Book, check_rows_file
from eyas.arena.judges import BOTH_BAD, TIE, Judge, Pair
from eyas.arena.prompts import EXAM, Prompt
from eyas.arena.sampling import Answers, named_models
from eyas.arena.table import COMPARE
from eyas.data.documents import Tally
from eyas.data.stored_pairs import votes
from eyas.errors import EyasError
from eyas.evals.intervals import Share, wilson
from eyas.files import write_atomic
from eyas.progress import Progress
from eyas.store.champion import champion
from eyas.store.database import has_store, open_store

PEOPLE = "people"
ROUND = 32
"""Pairs that are answered, judged and kept together."""


class CompareConfig(AskConfig):
    """`eyas compare`."""

    life: Path = Field(description="The life whose models answer, and whose store keeps the verdicts.")
    models: list[str] = Field(
        [], description="Model to answer; may be repeated. One model answers twice (default: the champion)."
    )
    judge: list[str] = Field(min_length=1, description="world, rule:NAME, reward:MODEL or URL#MODEL; may be repeated.")
    out: Path | None = Field(None, description="Write what most judges decide as preference rows (.jsonl).")
    temperature: float = Field(1.0, ge=0, description="Of the answers; above 0 a model may differ from itself.")


@dataclass(frozen=True)
class Tallied:
    """One judge's verdicts on the pairs of this run: `wins` by model, ties with those that are not bad alike."""

    judge: str
    wins: dict[str, int]
    ties: int
    both_bad: int
    unreadable: int


@dataclass(frozen=True)
class Agreed:
    """How far two judges, or a judge and people, agree on the same pairs of answers; `decided`: where neither ties."""

    one: str
    other: str
    agreement: Agreement
    decided: Share


@dataclass(frozen=True)
class CompareResult:
    """`same` of `pairs` were answers that look alike: ties that nobody was asked about, and that no agreement counts.

    `votes` are people's, which the judges were asked about too; `rows` were written to `out`.
    """

    life: Path
    models: list[str]
    pairs: int
    same: int
    votes: int
    judges: list[Tallied]
    agreements: list[Agreed]
    out: Path | None
    rows: int


@dataclass(frozen=True)
class _Item:
    """A pair and the verdict of each reader: judges, perhaps a person. None: it cannot be read."""

    pair: Pair
    verdicts: Mapping[str, str | None]


def run(config: CompareConfig) -> CompareResult:
    """Sample, judge, keep and count. Raises EyasError; what was judged until then is in the store."""
    if config.out is not None:
        check_rows_file(config.out)
        if config.out.exists():
            raise EyasError(f"{config.out} exists already; choose another name or remove it first")
    models = named_models(config.models or [champion(config.life)], config.life)
    if config.prompts == EXAM:
        raise EyasError("--prompts exam would make the exam's questions rows to learn from; use world")
    judges, prompts = asked(config, config.judge, next(iter(models.values())), config.life, "train")
    book = Book(config.life, COMPARE)
    items: list[_Item] = []
    with Progress("compare", len(prompts), quiet=config.quiet) as progress:
        for pairs in _rounds(config, models, prompts):
            items += _read(book, judges, pairs)
            progress.advance(len(pairs))
        voted = _voted(book, judges, config.life)
    rows = [row for item in items if (row := _preference(item, judges)) is not None]
    if config.out is not None:
        write_atomic(config.out, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
    differing = [item for item in items if not item.pair.same]
    return CompareResult(
        life=config.life,
        models=list(models),
        pairs=len(items),
        same=len(items) - len(differing),
        votes=len(voted),
        judges=[_tallied(judge.name, items) for judge in judges],
        agreements=list(_agreements([judge.name for judge in judges], [*differing, *voted])),
        out=config.out,
        rows=len(rows),
    )


def _rounds(config: CompareConfig, models: Mapping[str, Path], prompts: Sequence[Prompt]) -> Iterator[list[Pair]]:
    """The pairs, some at a time; with more than two models every two of them meet in turn."""
    answers = Answers(models, prompts, config.sampling)
    couples = list(combinations(models, 2)) or [(one, one) for one in models]
    for turn, (a, b) in enumerate(couples):
        numbers = range(turn, len(prompts), len(couples))
        for start in range(0, len(numbers), ROUND):
            here = numbers[start : start + ROUND]
            said = answers.of(a, here), answers.of(b, here, draw=int(a == b))
            yield [Pair(prompts[at], first, second, a, b) for at, first, second in zip(here, *said, strict=True)]


def _read(book: Book, judges: Sequence[Judge], pairs: Sequence[Pair]) -> list[_Item]:
    """The pairs with every judge's verdict."""
    said = {judge.name: book.decide(judge, pairs) for judge in judges}
    return [_Item(pair, {name: winners[at] for name, winners in said.items()}) for at, pair in enumerate(pairs)]


def _voted(book: Book, judges: Sequence[Judge], life: Path) -> list[_Item]:
    """What people have voted on, with the verdicts of the judges that can tell."""
    if not has_store(life):
        return []
    store = open_store(life)
    try:
        with store.session() as session:
            found = [vote for vote in votes(session, Tally()) if vote.model_a and vote.model_b]
    finally:
        store.close()
    pairs = [Pair(Prompt(one.prompt), one.a, one.b, one.model_a, one.model_b) for one in found]
    able = [judge for judge in judges if all(judge.knows(pair.prompt) for pair in pairs)]
    items = zip(_read(book, able, pairs), found, strict=True)
    told = [_Item(item.pair, {**item.verdicts, PEOPLE: vote.winner}) for item, vote in items]
    return [item for item in told if able and not item.pair.same]


def _preference(item: _Item, judges: Sequence[Judge]) -> dict[str, Any] | None:
    """The row to learn from, where more than half of the judges choose the same answer."""
    pair, said = item.pair, Counter(item.verdicts.values())
    sides = {"model_a": (pair.a, pair.b), "model_b": (pair.b, pair.a)}
    winner = next((one for one in sides if 2 * said[one] > len(judges)), None)
    if winner is None:
        return None
    chosen, rejected = sides[winner]
    by = [name for name, verdict in item.verdicts.items() if verdict == winner]
    return {"prompt": pair.prompt.messages, "chosen": chosen, "rejected": rejected, "judges": by}


def _tallied(name: str, items: Sequence[_Item]) -> Tallied:
    said = [(item.pair, item.verdicts[name]) for item in items]
    wins: Counter[str] = Counter()
    for pair, winner in said:
        wins.update({"model_a": [pair.model_a], "model_b": [pair.model_b]}.get(winner or "", []))
    counts = Counter(winner for _, winner in said)
    return Tallied(name, dict(wins), counts[TIE], counts[BOTH_BAD], counts[None])


def _agreements(names: Sequence[str], items: Sequence[_Item]) -> Iterator[Agreed]:
    """Of every two readers with verdicts on the same pairs, people last."""
    for one, other in combinations([*names, PEOPLE], 2):
        tables: dict[str, Floats] = defaultdict(lambda: np.zeros((3, 3)))
        for item in items:
            first, second = item.verdicts.get(one), item.verdicts.get(other)
            if first is not None and second is not None:
                tables[item.pair.prompt.key][_column(first), _column(second)] += 1
        if tables:
            counts = np.stack(list(tables.values()))
            both = counts.sum(0)[:2, :2]
            yield Agreed(one, other, measured(counts), wilson(int(np.trace(both)), int(both.sum())))


def _column(winner: str) -> int:
    return {"model_a": 0, "model_b": 1}.get(winner, 2)
