"""The stage `eyas arena table`: boards of ratings out of a file of battles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from eyas.arena.agreement import Agreement, agreement
from eyas.arena.battles import Battles, Bools, Columns, read_battles
from eyas.arena.board import Board, Settings, make_board
from eyas.arena.outcomes import Codes
from eyas.config import StageConfig
from eyas.errors import EyasError

RULE, COMPARE = "rule", "compare"
"""Judges under these names are plain rules (`rule:shorter`), and those that `eyas compare` asked (`compare:world`)."""


class TableConfig(StageConfig):
    """`eyas arena table`: where the battles are, how to read them, how to rate."""

    battles: Path = Field(description="Battles: .csv, .tsv, .jsonl, .json or .parquet, also .gz or .zst; or a life.")
    model_a: str = Field("model_a", description="Column with the first model.")
    model_b: str = Field("model_b", description="Column with the second model.")
    opponent: str | None = Field(None, description="Name of the second model where no column tells it.")
    winner: str = Field("winner", description="Column of verdicts: a, b, tie, both_bad, a model, or a score 0 to 1.")
    win_a: list[str] = Field([], description="Verdict that means A wins; may be repeated.")
    win_b: list[str] = Field([], description="Verdict that means B wins; may be repeated.")
    tie: list[str] = Field([], description="Verdict that means a tie; may be repeated.")
    both_bad: list[str] = Field([], description="Verdict that means both are bad (rated as a tie); may be repeated.")
    skip: list[str] = Field([], description="Verdict of battles to leave out; may be repeated.")
    prompt: str | None = Field(None, description="Column that tells the prompt: intervals cluster by it.")
    length_a: str | None = Field(
        None, description="Column with the length of A's answer; with both there is length control."
    )
    length_b: str | None = Field(None, description="Column with the length of B's answer.")
    judge: str | None = Field(None, description="Column that tells who judged: boards of people, judges, and all.")
    human: list[str] = Field(["human"], description="Judge that is a person (also NAME:...); may be repeated.")
    by: list[str] = Field([], description="Count only what this judge decided (also NAME:...); may be repeated.")
    ties: Literal["half", "davidson"] = Field(
        "half", description="Ties are half a win, or have a probability of their own."
    )
    side: bool = Field(False, description="Estimate the advantage of standing first, and take it out.")
    prior_sd: float = Field(400, gt=0, description="Points of the prior (Gaussian) on ratings; inf for none.")
    anchor: str | None = Field(None, description="Model with a fixed rating, NAME or NAME=POINTS (default: mean 1000).")
    intervals: Literal["sandwich", "bootstrap"] = Field("sandwich", description="Where the 95 % intervals come from.")
    rounds: int = Field(500, ge=20, description="Rounds of the bootstrap.")
    elo_k: float = Field(4, gt=0, description="Points at stake in a battle of the online Elo ticker.")
    seed: int = Field(0, ge=0, description="Seed of the bootstrap.")
    skip_bad: bool = Field(False, description="Leave out and count what cannot be read instead of stopping.")


@dataclass(frozen=True)
class TableResult:
    """The boards (one, or with a judge column `all`, `human` and `judge` as far as there are any), what was left out,
    and how people and judges agree (None unless both judged the same battles)."""

    file: Path
    skipped: int
    boards: list[Board]
    agreement: Agreement | None


def run(config: TableConfig) -> TableResult:
    """Read the battles and rate. Raises EyasError for what cannot be read or rated."""
    of_life = config.battles.is_dir()
    columns = Columns(
        model_a=config.model_a,
        model_b=config.model_b,
        winner=config.winner,
        prompt=config.prompt or ("prompt" if of_life else None),
        length_a=config.length_a,
        length_b=config.length_b,
        judge=config.judge or ("judge" if of_life else None),
        opponent=config.opponent,
    )
    codes = Codes(
        tuple(config.win_a), tuple(config.win_b), tuple(config.tie), tuple(config.both_bad), tuple(config.skip)
    )
    battles = read_battles(config.battles, columns, codes, skip_bad=config.skip_bad)
    if config.by:
        battles = _judged_by(config.by, battles)
    elif of_life:
        battles = _rated(battles)
    anchor, points = (None, None) if config.anchor is None else parse_anchor(config.anchor, battles.models)
    settings = Settings(
        davidson=config.ties == "davidson",
        side=config.side,
        prior_sd=config.prior_sd,
        anchor=anchor,
        anchor_rating=points,
        bootstrap_rounds=config.rounds if config.intervals == "bootstrap" else 0,
        elo_k=config.elo_k,
        seed=config.seed,
    )
    boards = [make_board(battles, "all", settings)]
    agreed = None
    if battles.judge is not None:
        people = _are(config.human, battles.judges)[battles.judge]
        if people.any() and not people.all():
            for name, kept in (("human", people), ("judge", ~people)):
                boards.append(make_board(battles.select(kept), name, settings))
            agreed = agreement(battles, people, config.seed)
    return TableResult(config.battles, battles.skipped, boards, agreed)


def _are(names: Sequence[str], judges: Sequence[str]) -> Bools:
    """(judges,) whether each judge is one of `names`, or stands under it as in `human:anna`."""
    return np.array([any(judge == one or judge.startswith(f"{one}:") for one in names) for judge in judges])


def _rated(battles: Battles) -> Battles:
    """What says how good a life's models are, where there is any.

    A plain rule looks at one thing only, and `eyas compare` asks prompts that models are then trained on.
    """
    assert battles.judge is not None  # a life tells who judged
    kept = ~_are([RULE, COMPARE], battles.judges)[battles.judge]
    return battles.select(kept) if kept.any() else battles


def _judged_by(names: Sequence[str], battles: Battles) -> Battles:
    """The battles that these judges decided. Raises EyasError where there are none."""
    if battles.judge is None:
        raise EyasError("--by needs to know who judged; name the column that tells it with --judge")
    kept = _are(names, battles.judges)[battles.judge]
    if not kept.any():
        raise EyasError(f"--by {', '.join(names)} decided no battle; who did: {', '.join(battles.judges[:20])}")
    return battles.select(kept)


def parse_anchor(text: str, models: Sequence[str]) -> tuple[str, float | None]:
    """`NAME` or `NAME=POINTS`. Raises EyasError for a model without a battle and for points that are no number."""
    if text in models:
        return text, None
    name, sign, points = text.rpartition("=")
    if not sign or name not in models:
        raise EyasError(f"--anchor {text} fought no battle; choose one of {', '.join(models[:20])}")
    try:
        rating = float(points)
    except ValueError:
        rating = math.nan
    if not math.isfinite(rating):
        raise EyasError(f"--anchor {text}: `{points}` is no rating; write NAME or NAME=1000")
    return name, rating
