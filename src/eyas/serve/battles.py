"""Blind battles: two models answer a person's questions, and nothing tells who they are before the vote.

Until then a battle stands in memory alone. The vote brings both talks and the verdict into the store together.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eyas.runtime.sampling import Sampling
from eyas.serve.chat_completions import DONE
from eyas.serve.errors import ApiError
from eyas.serve.json_text import dumps
from eyas.serve.state import State
from eyas.serve.stream import together
from eyas.serve.turns import Answer, Message, TurnRequest, begin
from eyas.store.conversations import Turn, record
from eyas.store.database import Store, write_lock
from eyas.store.tables import Comparison, Conversation

Winner = Literal["model_a", "model_b", "tie", "both_bad"]
SAMPLING = Sampling(temperature=0.0)
"""The likeliest words, as on the chat page; an answer has 256 tokens, so that a talk of several questions fits."""
DAY = 86_400.0


@dataclass
class Side:
    """One of the two models, and its talk with the person so far."""

    model: str
    messages: list[Message] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)

    @property
    def answers(self) -> list[str]:
        return [str(one["content"]).strip() for one in self.messages if one["role"] == "assistant"]


@dataclass
class Battle:
    """`sides`: A and B. Whoever asks or votes holds the `lock`; `over` once the vote is in the store."""

    person: str
    sides: tuple[Side, Side]
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    over: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def names(self) -> dict[str, str]:
        """Who they were: told after the vote."""
        return {"model_a": self.sides[0].model, "model_b": self.sides[1].model}


async def answers_to(state: State, battle: Battle, question: str) -> AsyncGenerator[bytes, None]:
    """Ask both; events with {"side", "text"} as it comes and {"side", "finish"} at an answer's end, then [DONE].

    Where both say the same to the first question, nobody need be asked: that is a tie, and the last event tells it,
    {"winner", "model_a", "model_b"}. A question whose answers were not waited for was not asked. Raises ApiError.
    """
    asked = {"role": "user", "content": question}
    async with battle.lock:
        _check_open(battle)
        answers: list[Answer] = []
        try:
            for side in battle.sides:
                answers.append(await _begin(state, battle.person, side, asked))
        except ApiError:
            for answer in answers:
                answer.cancel()
            raise
        async for number, delta in together([answer.deltas() for answer in answers]):
            if delta.text:
                yield _event(side="ab"[number], text=delta.text)
            elif delta.finish:
                yield _event(side="ab"[number], finish=delta.finish)
        for side, answer in zip(battle.sides, answers, strict=True):
            side.messages += [asked, {"role": "assistant", "content": answer.message["content"] or ""}]
            side.turns.append(answer.turn())
        a, b = battle.sides
        if len(a.turns) == 1 and a.answers == b.answers:
            await _keep(state, battle, "tie")
            yield _event(winner="tie", **battle.names)
    yield DONE


async def vote(state: State, battle: Battle, winner: Winner) -> dict[str, str]:
    """Store the verdict, and tell the names. Raises ApiError: 409 before the answers are there, 429 over the limit."""
    if battle.lock.locked() or not battle.sides[0].turns:
        raise ApiError(409, "there is nothing to vote on before both models have answered")
    async with battle.lock:
        _check_open(battle)
        await _keep(state, battle, winner)
    return battle.names


def check_votes(session: Session, person: str, limit: int) -> None:
    """Raises ApiError 429 when `person` has voted `limit` times in the last 24 hours."""
    recent = (Comparison.judge == person, Comparison.message_a.is_not(None), Comparison.created > time.time() - DAY)
    if (session.scalar(select(func.count()).where(*recent)) or 0) >= limit:
        raise ApiError(
            429, f"you have voted {limit:,} times in 24 hours, which is the most; come back later", code="votes_per_day"
        )


async def _begin(state: State, person: str, side: Side, asked: Message) -> Answer:
    """Let one model answer. Raises ApiError in words that do not tell who it is."""
    try:
        model = await state.served.get(side.model)
    except ApiError as error:
        raise ApiError(503, "one of the two models is gone; start another battle", code="model_unavailable") from error
    turn = TurnRequest([*side.messages, asked], SAMPLING, user=person, source="arena", record=False)
    try:
        (answer,) = await begin(state, model, turn)
    except ApiError as error:
        if error.code != "context_length_exceeded":
            raise
        raise ApiError(
            400, "the talk is longer than both models can read; vote, or ask less", code=error.code
        ) from error
    return answer


def _event(**fields: str) -> bytes:
    return f"data: {dumps(fields)}\n\n".encode()


def _check_open(battle: Battle) -> None:
    if battle.over:
        raise ApiError(404, "this battle is over; start another", code="not_found")


async def _keep(state: State, battle: Battle, winner: Winner) -> None:
    assert state.store is not None
    battle.over = True  # first: who leaves now has voted all the same
    try:
        await asyncio.to_thread(_store, state.store, battle, winner, state.config.votes_per_day)
    except Exception:
        battle.over = False
        raise


def _store(store: Store, battle: Battle, winner: Winner, limit: int) -> None:
    """Both talks as branches of one conversation, and the comparison of their last answers."""
    a, b = battle.sides
    with store.session() as session:
        write_lock(session)
        check_votes(session, battle.person, limit)
        talk = Conversation(user=battle.person, source="arena")
        session.add(talk)
        session.flush()
        last_a, last_b = (
            [record(session, replace(turn, conversation_id=talk.id)).message_id for turn in side.turns][-1]
            for side in (a, b)
        )
        session.add(
            Comparison(
                # of several questions the histories differ, and both are asked of the questions alone
                prompt=[one for one in a.messages if one["role"] == "user"],
                answer_a="\n\n".join(a.answers), answer_b="\n\n".join(b.answers), model_a=a.model, model_b=b.model,
                winner=winner, judge=battle.person, message_a=last_a, message_b=last_b,
            )
        )  # fmt: skip
