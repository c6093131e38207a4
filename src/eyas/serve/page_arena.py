"""/arena, where two of the life's models answer unnamed and a person votes; /arena/board, what the votes say so far."""

import asyncio
import random
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import exists, select

from eyas.arena.board import Board, Standing
from eyas.arena.pairing import pairs_worth_a_battle
from eyas.arena.table import TableConfig, run
from eyas.serve import pages
from eyas.serve.battles import Battle, Side, Winner, answers_to, check_votes, vote
from eyas.serve.errors import STREAMED, ApiError
from eyas.serve.served import ServedModel
from eyas.serve.sign_in import person_of
from eyas.serve.state import State
from eyas.serve.stream import EventStream
from eyas.store.database import Store
from eyas.store.tables import Comparison

router = APIRouter()
OPEN = 200
"""Battles remembered; of more the oldest ends without a vote."""
RANDOM_SHARE = 0.2
"""Of all pairs: what is believed of the ratings may be wrong, and these do not rest on it."""
_DRAWN = random.SystemRandom()


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class QuestionBody(_Body):
    """What both models are asked."""

    content: Annotated[str, Field(min_length=1, max_length=20_000)]


class VoteBody(_Body):
    """Which of the two is better."""

    winner: Winner


@router.get("/arena", response_class=HTMLResponse, include_in_schema=False)
def arena(request: Request) -> HTMLResponse:
    """The page of battles."""
    state, _ = _opened(request)
    return pages.render(
        request, "arena.html.j2", models=len(state.served.names()), content=state.config.content,
        person_known=person_of(request) is not None,
    )  # fmt: skip


@router.get("/arena/board", response_class=HTMLResponse, include_in_schema=False)
def board(request: Request) -> HTMLResponse:
    """The page of ratings, by all votes and verdicts, by people's, by judges'."""
    state, store = _opened(request)
    with store.session() as session:
        fought = session.scalar(select(exists().where(Comparison.model_a != Comparison.model_b)))
    found = run(TableConfig(battles=state.life)) if fought else None
    return pages.render(request, "arena_board.html.j2", found=found, spans=_spans)


@router.post("/api/battles", status_code=201)
async def new_battle(request: Request) -> dict[str, str]:
    """Choose two models and who of them is A. Raises ApiError 403, 404, 429, and 400 where there are no two."""
    state, store = _opened(request)
    if not state.config.content:
        raise ApiError(403, "this server records no content, so votes would be on nothing")
    person = person_of(request)
    if person is None:
        raise ApiError(403, "sign in to vote: people vote under their names, /sign-in takes yours")
    left = state.served.names()
    while len(left) > 1:
        pair = await asyncio.to_thread(_pair, store, left, person, state.config.votes_per_day)
        # both are loaded before either speaks, so that nobody is known by coming late
        models = [await _fit(state, name) for name in pair]
        unfit = [name for name, model in zip(pair, models, strict=True) if model is None]
        if not unfit:
            battle = Battle(person, (Side(pair[0]), Side(pair[1])))
            battles = _battles(request)
            battles[battle.id] = battle
            while len(battles) > OPEN:
                del battles[next(iter(battles))]
            return {"id": battle.id}
        left = [name for name in left if name not in unfit]
    raise ApiError(400, "a battle needs two models that chat, and this life has fewer", code="too_few_models")


@router.post("/api/battles/{battle_id}/questions", responses=STREAMED)
async def ask(request: Request, battle_id: str, body: QuestionBody) -> EventStream:
    """Ask both models; their answers as events. Raises ApiError 404."""
    return EventStream(answers_to(request.app.state.eyas, _battle(request, battle_id), body.content))


@router.post("/api/battles/{battle_id}/vote", status_code=201)
async def cast_vote(request: Request, battle_id: str, body: VoteBody) -> dict[str, str]:
    """Keep the vote, and tell who the two were. Raises ApiError 404, 409 and 429."""
    return await vote(request.app.state.eyas, _battle(request, battle_id), body.winner)


def _opened(request: Request) -> tuple[State, Store]:
    state: State = request.app.state.eyas
    if state.store is None:
        raise ApiError(404, "this server has a single model and no life: start it on a life, `eyas serve LIFE`")
    return state, state.store


def _battles(request: Request) -> dict[str, Battle]:
    """The battles of this server by their ids, the oldest first."""
    state = request.app.state
    if not hasattr(state, "battles"):
        state.battles = {}
    battles: dict[str, Battle] = state.battles
    return battles


def _battle(request: Request, battle_id: str) -> Battle:
    """A battle of the person who asks; to others it does not exist."""
    found = _battles(request).get(battle_id)
    if found is None or found.over or found.person != person_of(request):
        raise ApiError(404, "you have no such battle; start another", code="not_found")
    return found


def _pair(store: Store, models: Sequence[str], person: str, limit: int) -> tuple[str, str]:
    """Who is A and who B: the pair of which people's votes have told least, or a drawn one. Raises ApiError 429."""
    with store.session() as session:
        check_votes(session, person, limit)
        votes = select(Comparison.model_a, Comparison.model_b, Comparison.winner)
        rows = session.execute(votes.where(Comparison.message_a.is_not(None)))
        fought = [(one.model_a, one.model_b, one.winner) for one in rows]
    order = _DRAWN.sample(models, len(models))  # so that either may be A, and of pairs that tell the same any is first
    worth = [] if _DRAWN.random() < RANDOM_SHARE else pairs_worth_a_battle(order, fought)
    return worth[0] if worth else (order[0], order[1])


async def _fit(state: State, name: str) -> ServedModel | None:
    """The model when it can be loaded and chats; a life has reward models too."""
    try:
        model = await state.served.get(name)
    except ApiError:
        return None
    return model if model.chats else None


def _spans(board: Board) -> list[tuple[Standing, float, float, float]]:
    """Each line of a board with its interval's start, its rating and its interval's end in percent of the board's."""
    ends = [end for one in board.standings for end in (one.low, one.rating, one.high) if end is not None]
    least, width = min(ends), max(ends) - min(ends) or 1.0

    def place(value: float | None, end: float) -> float:
        return end if value is None else round(100 * (value - least) / width, 2)

    return [(one, place(one.low, 0.0), place(one.rating, 0.0), place(one.high, 100.0)) for one in board.standings]
