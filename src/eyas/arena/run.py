"""The stage `eyas arena run`: models answer the same prompts, a judge decides, and those meet who are hard to part."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

from pydantic import Field

from eyas.arena.asking import AskConfig, asked
from eyas.arena.book import Book, check_rows_file
from eyas.arena.judges import Pair
from eyas.arena.pairing import pairs_worth_a_battle
from eyas.arena.sampling import Answers, named_models
from eyas.arena.table import TableConfig, TableResult
from eyas.arena.table import run as rate
from eyas.errors import EyasError
from eyas.progress import Progress
from eyas.store.names import speakers_of

ROUND = 8
"""Battles of one pair before the next pair is looked for."""


class RunConfig(AskConfig):
    """`eyas arena run`."""

    life: Path | None = Field(None, description="A life: all its models fight, and its store keeps the battles.")
    models: list[str] = Field([], description="Model to fight; may be repeated (default: all of the life).")
    judge: str = Field(description="world, rule:NAME, reward:MODEL or URL#MODEL.")
    pairs: Literal["information", "all"] = Field(
        "information", description="Whose battle tells most about the order, or every two models equally often."
    )
    out: Path | None = Field(None, description="Keep the battles in this file (.jsonl) instead; it may have some.")


@dataclass(frozen=True)
class RunResult:
    """`battles` fought by `models`, of which `unreadable` had no verdict; the board of all that the judge decided."""

    models: list[str]
    battles: int
    unreadable: int
    table: TableResult


def run(config: RunConfig) -> RunResult:
    """Fight and rate. Raises EyasError; battles decided until then are kept, and the same command goes on from them."""
    place = config.out or config.life
    if place is None:
        raise EyasError("name a life, or a file for the battles with -o")
    if config.out is not None:
        check_rows_file(config.out)
    names = config.models or [path.name for path in (speakers_of(config.life) if config.life else [])]
    models = named_models(names, config.life)
    if len(models) < 2:
        raise EyasError(f"a battle needs two models, not {len(models)}; name more with --models")
    (judge,), prompts = asked(config, [config.judge], next(iter(models.values())), config.life, "exam")
    book, answers = Book(place), Answers(models, prompts, config.sampling)
    informed = config.pairs == "information"
    fought: list[tuple[str, str, str]] = []
    met: Counter[tuple[str, str]] = Counter()
    with Progress("arena", config.n, quiet=config.quiet) as progress:
        while met.total() < config.n:
            order = pairs_worth_a_battle(list(models), fought) if informed else _evenly(models, met)
            a, b = next((pair for pair in order if met[pair] < len(prompts)), ("", ""))
            if not a:
                break  # every two models met on every prompt
            numbers = range(met[a, b], min(met[a, b] + ROUND, len(prompts), met[a, b] + config.n - met.total()))
            said = answers.of(a, numbers), answers.of(b, numbers)
            pairs = [Pair(prompts[at], first, second, a, b) for at, first, second in zip(numbers, *said, strict=True)]
            fought += [(a, b, winner) for winner in book.decide(judge, pairs) if winner is not None]
            met[a, b] += len(numbers)
            progress.advance(len(numbers))
    if not fought:
        raise EyasError(f"--judge {judge.name} gave no verdict that can be read; name another judge")
    table = rate(TableConfig(battles=place, prompt="prompt", judge="judge", by=[judge.name]))
    return RunResult(list(models), met.total(), met.total() - len(fought), table)


def _evenly(models: Mapping[str, Path], met: Counter[tuple[str, str]]) -> list[tuple[str, str]]:
    """All pairs, those first that met least."""
    return sorted(combinations(models, 2), key=lambda pair: met[pair])
