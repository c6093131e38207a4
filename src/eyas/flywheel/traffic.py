"""How much a served life is asked, how fast it answers, and what has changed since the week before."""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from eyas.evals.intervals import Share, wilson
from eyas.flywheel.flags import KINDS
from eyas.flywheel.similarity import content_words
from eyas.store.tables import Conversation, Feedback, Flag, Message

__all__ = ["DAY", "Drift", "Figures", "Mean", "Traffic", "WordShift", "compared", "day_of", "traffic"]

DAY = 86400.0
WEEK = 7 * DAY
_Z = 2.575829
"""99 %: a dozen figures are watched each week, and a false alarm a month is enough."""
_Z_WORD = 4.5
"""Hundreds of words are watched."""
_WORDS = 8
_MOST_QUESTIONS = 20_000


@dataclass(frozen=True)
class Figures:
    """Answers of one model, one day, or all. Times in seconds: to the first token (`first`) and to the end (`whole`),
    each at the percentiles 50, 95 and 99; `tokens_per_second` is the median of an answer's own speed."""

    answers: int
    conversations: int
    users: int
    prompt_tokens: int
    completion_tokens: int
    tokens_per_second: float | None
    first: tuple[float, float, float] | None
    whole: tuple[float, float, float] | None
    flagged: Share
    kinds: dict[str, int]
    thumbs_up: int
    thumbs_down: int


@dataclass(frozen=True)
class Mean:
    """A mean with its 99 % interval."""

    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Drift:
    """One figure in the last seven days and in the seven before; `low` to `high` is the 99 % interval of their
    difference, `changed` whether it leaves out zero. `unit`: share, tokens, nats or seconds."""

    name: str
    unit: str
    now: Share | Mean
    before: Share | Mean
    difference: float
    low: float
    high: float
    changed: bool


@dataclass(frozen=True)
class WordShift:
    """A word and in how many questions of the last seven days and of the seven before it stands."""

    word: str
    now: Share
    before: Share


@dataclass(frozen=True)
class Traffic:
    """`days` by date (UTC), newest last; `models` by name; `drift` empty while a week has no answers."""

    since: float
    total: Figures
    days: dict[str, Figures]
    models: dict[str, Figures]
    drift: list[Drift]
    words: list[WordShift]


@dataclass(frozen=True)
class _Answer:
    id: str
    conversation_id: str
    user: str | None
    model: str
    created: float
    prompt_tokens: int
    completion_tokens: int
    first_seconds: float | None
    seconds: float | None
    mean_logprob: float | None


def traffic(session: Session, *, days: int = 14, model: str | None = None, now: float | None = None) -> Traffic:
    """The figures of the last `days` days, of `model` where it is given. Shadow answers are left out."""
    now = time.time() if now is None else now
    since = (now // DAY - days + 1) * DAY
    earliest = min(since, now - 2 * WEEK)
    answers = _answers(session, earliest, now, model)
    recent = Message.created >= earliest
    flags: dict[str, set[str]] = defaultdict(set)
    for message_id, kind in session.execute(select(Flag.message_id, Flag.kind).join(Message).where(recent)):
        flags[message_id].add(kind)
    ratings: dict[str, list[int]] = defaultdict(list)
    for message_id, rating in session.execute(select(Feedback.message_id, Feedback.rating).join(Message).where(recent)):
        ratings[message_id].append(rating or 0)

    def figures(some: Sequence[_Answer]) -> Figures:
        return _figures(some, flags, ratings)

    shown = [one for one in answers if one.created >= since]
    by_day: dict[str, list[_Answer]] = {day_of(since + number * DAY): [] for number in range(days)}
    by_model: dict[str, list[_Answer]] = defaultdict(list)
    for one in shown:
        by_day.setdefault(day_of(one.created), []).append(one)
        by_model[one.model].append(one)
    this = [one for one in answers if one.created >= now - WEEK]
    last = [one for one in answers if now - 2 * WEEK <= one.created < now - WEEK]
    return Traffic(
        since=since,
        total=figures(shown),
        days={day: figures(some) for day, some in sorted(by_day.items())},
        models={name: figures(some) for name, some in sorted(by_model.items())},
        drift=_drift(this, last, flags) if this and last else [],
        words=_words(session, now, model) if this and last else [],
    )


def day_of(at: float) -> str:
    """The date in UTC of a time since 1970."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _answers(session: Session, since: float, until: float, model: str | None) -> list[_Answer]:
    columns = (Message.id, Message.conversation_id, Conversation.user, Message.model, Message.created)
    costs = (Message.prompt_tokens, Message.completion_tokens, Message.first_seconds, Message.seconds)
    wanted = select(*columns, *costs, Message.mean_logprob).join(Conversation)
    wanted = wanted.where(Message.model.is_not(None), Message.shadow.is_(False))
    wanted = wanted.where(Message.created >= since, Message.created <= until).order_by(Message.created)
    if model is not None:
        wanted = wanted.where(Message.model == model)
    found = []
    for id, conversation, user, by, created, prompt, completion, first, whole, logprob in session.execute(wanted):
        found.append(
            _Answer(id, conversation, user, by or "", created, prompt or 0, completion or 0, first, whole, logprob)
        )
    return found


def _figures(some: Sequence[_Answer], flags: dict[str, set[str]], ratings: dict[str, list[int]]) -> Figures:
    speeds = [one.completion_tokens / one.seconds for one in some if one.seconds and one.completion_tokens]
    kinds = Counter(kind for one in some for kind in flags.get(one.id, ()))
    given = [rating for one in some for rating in ratings.get(one.id, ())]
    return Figures(
        answers=len(some),
        conversations=len({one.conversation_id for one in some}),
        users=len({one.user for one in some if one.user is not None}),
        prompt_tokens=sum(one.prompt_tokens for one in some),
        completion_tokens=sum(one.completion_tokens for one in some),
        tokens_per_second=float(np.median(speeds)) if speeds else None,
        first=_percentiles([one.first_seconds for one in some if one.first_seconds is not None]),
        whole=_percentiles([one.seconds for one in some if one.seconds is not None]),
        flagged=wilson(sum(bool(flags.get(one.id)) for one in some), len(some)),
        kinds={kind: kinds[kind] for kind in KINDS if kinds[kind]},
        thumbs_up=given.count(1),
        thumbs_down=given.count(-1),
    )


def _percentiles(values: Sequence[float]) -> tuple[float, float, float] | None:
    if not values:
        return None
    p50, p95, p99 = np.percentile(values, [50, 95, 99])
    return float(p50), float(p95), float(p99)


def _drift(this: Sequence[_Answer], last: Sequence[_Answer], flags: dict[str, set[str]]) -> list[Drift]:
    """Shares of answers by kind of flag, then lengths, confidence and time, where both weeks have them."""
    found = [
        compared("flagged", "share", *(_share([bool(flags.get(one.id)) for one in week]) for week in (this, last)))
    ]
    for kind in KINDS:
        now, before = (_share([kind in flags.get(one.id, ()) for one in week]) for week in (this, last))
        if now.hits or before.hits:
            found.append(compared(kind, "share", now, before))
    for name, unit, field in (
        ("question length", "tokens", "prompt_tokens"), ("answer length", "tokens", "completion_tokens"),
        ("mean log-probability", "nats", "mean_logprob"), ("time to first token", "seconds", "first_seconds"),
    ):  # fmt: skip
        values = [[v for one in week if (v := getattr(one, field)) is not None] for week in (this, last)]
        if all(len(some) >= 2 for some in values):
            found.append(compared(name, unit, _mean(values[0]), _mean(values[1])))
    return found


def _share(hits: Sequence[bool]) -> Share:
    return wilson(sum(hits), len(hits), _Z)


def _mean(values: Sequence[float]) -> Mean:
    value, half = float(np.mean(values)), _Z * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Mean(len(values), value, value - half, value + half)


def compared(name: str, unit: str, now: Any, before: Any) -> Drift:
    """The difference with an interval from those of both sides, square and add (R. G. Newcombe, Statistics in
    Medicine 17, 1998, method 10; of means it is Welch's with the normal quantile)."""
    difference = now.value - before.value
    low = difference - math.hypot(now.value - now.low, before.high - before.value)
    high = difference + math.hypot(now.high - now.value, before.value - before.low)
    return Drift(name, unit, now, before, difference, low, high, not low <= 0 <= high)


def _words(session: Session, now: float, model: str | None) -> list[WordShift]:
    """Words that more, or fewer, questions hold than the week before: what people ask about has shifted."""
    asked = select(Message.created, Message.text).where(
        Message.role == "user", Message.created >= now - 2 * WEEK, Message.created <= now
    )
    if model is not None:
        answered = select(Message.parent_id).where(Message.model == model)
        asked = asked.where(Message.id.in_(answered))
    counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    totals = [0, 0]
    for created, text in session.execute(asked.order_by(Message.id.desc()).limit(_MOST_QUESTIONS)):
        week = int(created < now - WEEK)
        totals[week] += 1
        counts[week].update(content_words(text))
    found = []
    for word in counts[0] | counts[1]:
        hits = counts[0][word], counts[1][word]
        pooled = sum(hits) / sum(totals)
        spread = math.sqrt(pooled * (1 - pooled) * sum(1 / n for n in totals if n)) if 0 < pooled < 1 else math.inf
        z = (hits[0] / totals[0] - hits[1] / totals[1]) / spread if all(totals) else 0.0
        if abs(z) >= _Z_WORD:
            found.append((abs(z), WordShift(word, wilson(hits[0], totals[0]), wilson(hits[1], totals[1]))))
    return [shift for _, shift in sorted(found, key=lambda one: (-one[0], one[1].word))[:_WORDS]]
