"""The new model against the old one: the same questions, two answers, a verdict that truth decides, a rating."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from eyas.arena.battles import Battles
from eyas.arena.board import make_board
from eyas.data.messages import Message
from eyas.store.tables import Comparison

BOTH_BAD = "both_bad"


@dataclass(frozen=True)
class Round:
    """A prompt, what the old and the new model said to it, and whether each is right."""

    prompt: Sequence[Message]
    old: str
    new: str
    old_right: bool
    new_right: bool

    @property
    def winner(self) -> str:
        """`model_a` is the old model, `model_b` the new one."""
        if self.old_right == self.new_right:
            return "tie" if self.old_right else BOTH_BAD
        return "model_a" if self.old_right else "model_b"


@dataclass(frozen=True)
class Outcome:
    """`points` of rating by which the new model leads, with a 95 % interval."""

    battles: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    points: float
    low: float
    high: float

    @property
    def told(self) -> str:
        """The outcome in a sentence."""
        return (
            f"{self.wins} won, {self.losses} lost, {self.ties} equally right, {self.both_bad} equally wrong "
            f"of {self.battles}: {self.points:+.0f} points [{self.low:+.0f}, {self.high:+.0f}]"
        )


def fight(rounds: Sequence[Round]) -> Outcome:
    """Rate the two models on `rounds`, of which there must be some (Bradley and Terry; ties are half wins)."""
    winners = [one.winner for one in rounds]
    score = np.array([{"model_a": 0.0, "model_b": 1.0}.get(winner, 0.5) for winner in winners])
    n = len(rounds)
    battles = Battles(
        models=("new", "old"),
        a=np.zeros(n, dtype=np.int64),
        b=np.ones(n, dtype=np.int64),
        score=score,
        both_bad=np.array([winner == BOTH_BAD for winner in winners]),
        prompt=np.arange(n, dtype=np.int64),
    )
    board = make_board(battles)
    first = board.standings[0]
    assert first.next_below is not None  # they met, so they are rated together
    sign, gap = 1.0 if first.model == "new" else -1.0, first.next_below
    low, high = sorted((sign * gap.low, sign * gap.high))
    return Outcome(
        battles=n,
        wins=winners.count("model_b"),
        losses=winners.count("model_a"),
        ties=winners.count("tie"),
        both_bad=winners.count(BOTH_BAD),
        points=sign * gap.points,
        low=low,
        high=high,
    )


def keep(session: Session, rounds: Sequence[Round], old: str, new: str, judge: str) -> None:
    """Enter the rounds into the store, so that `eyas arena` can rate all models of the life together."""
    for one in rounds:
        values: dict[str, Any] = {"answer_a": one.old, "answer_b": one.new, "winner": one.winner}
        session.add(Comparison(prompt=list(one.prompt), model_a=old, model_b=new, judge=judge, **values))
