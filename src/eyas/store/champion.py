"""The movable names of a life: champion (what is served), challenger (what is tried) and previous (the way back)."""

import time
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from eyas.errors import EyasError
from eyas.store.database import Store, has_store, open_store, write_lock
from eyas.store.names import ALIASES, models_of
from eyas.store.tables import Alias, Promotion

FIRST = "assistant"


def champion(life: Path, store: Store | None = None) -> str:
    """The name of the model that is served: the alias, else `assistant`, else the only model of the life.

    Raises EyasError when none of these is there.
    """
    return model_of(life, "champion", store)


def model_of(life: Path, alias: str, store: Store | None = None) -> str:
    """The name of the model that `alias` points at. Raises EyasError when it points at none that is there."""
    if alias not in ALIASES:
        raise EyasError(f"{life}@{alias}: a life has the names {', '.join(ALIASES)}, not {alias}")
    names = _read(life) if store is None else _aliases(store)
    name = names.get(alias) or (_default(life) if alias == "champion" else None)
    if name is None and alias == "champion":
        there = ", ".join(one.name for one in models_of(life))
        remedy = f"choose one with `eyas promote {life} NAME`: {there}" if there else f"`eyas raise {life}` makes one"
        raise EyasError(f"{life} has no champion; {remedy}")
    if name is None:
        raise EyasError(f"{life} has no {alias}; name a model as {life}/NAME")
    _check(life, name)
    return name


def _read(life: Path) -> dict[str, str]:
    if not has_store(life):
        return {}
    store = open_store(life)
    try:
        return _aliases(store)
    finally:
        store.close()


def _aliases(store: Store) -> dict[str, str]:
    with store.session() as session:
        return aliases(session)


def _default(life: Path) -> str | None:
    """The champion of a life in which nobody has promoted a model yet."""
    there = [model.name for model in models_of(life)]
    return FIRST if FIRST in there else there[0] if len(there) == 1 else None


def _check(life: Path, name: str) -> None:
    there = [model.name for model in models_of(life)]
    if name not in there:
        raise EyasError(f"there is no model {name} in {life}; it has {', '.join(there) or 'none'}")


def aliases(session: Session) -> dict[str, str]:
    """The names that are set and the models they point at."""
    return {alias.name: alias.model for alias in session.scalars(select(Alias))}


def promote(session: Session, model: str, person: str, reason: str) -> Promotion:
    """Make `model` the champion and keep the one before as `previous`. Raises EyasError when it is not in the life."""
    write_lock(session)
    before = _champion_now(session)
    if before == model and session.get(Alias, "champion") is not None:
        raise EyasError(f"{model} is the champion already")
    return _move(session, "promote", model, before, person, reason)


def rollback(session: Session, person: str, reason: str = "") -> Promotion:
    """Swap champion and previous. Raises EyasError when there is no previous or its folder is gone."""
    write_lock(session)
    if (previous := aliases(session).get("previous")) is None:
        raise EyasError("there is no previous champion to go back to; `eyas promote` names another model")
    return _move(session, "rollback", previous, _champion_now(session), person, reason)


def challenge(session: Session, model: str) -> None:
    """Make `model` the challenger. Raises EyasError when it is not in the life."""
    _check(session.info["life"], model)
    _point(session, "challenger", model)


def refuse(session: Session, model: str, reason: str) -> Promotion:
    """Keep the champion, and why `model` did not take its place."""
    write_lock(session)
    _drop_challenger(session, model)
    return _told(session, "refused", model, _champion_now(session), "", reason)


def _champion_now(session: Session) -> str | None:
    return aliases(session).get("champion") or _default(session.info["life"])


def _move(session: Session, action: str, model: str, before: str | None, person: str, reason: str) -> Promotion:
    _check(session.info["life"], model)
    _point(session, "champion", model)
    if before is not None and before != model:
        _point(session, "previous", before)
    _drop_challenger(session, model)
    return _told(session, action, model, before, person, reason)


def _point(session: Session, name: str, model: str) -> None:
    session.merge(Alias(name=name, model=model, updated=time.time()))
    session.flush()


def _drop_challenger(session: Session, model: str) -> None:
    challenger = session.get(Alias, "challenger")
    if challenger is not None and challenger.model == model:
        session.delete(challenger)


def _told(session: Session, action: str, model: str, before: str | None, person: str, reason: str) -> Promotion:
    promotion = Promotion(action=action, model=model, previous=before, person=person, reason=reason)
    session.add(promotion)
    session.flush()
    return promotion
