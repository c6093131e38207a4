"""Champion, challenger and previous: names that move between models that do not."""

from pathlib import Path

import pytest
from sqlalchemy import select

from eyas.errors import EyasError
from eyas.store.champion import aliases, challenge, champion, model_of, promote, refuse, rollback
from eyas.store.database import Store, has_store
from eyas.store.names import resolve_model
from eyas.store.tables import Promotion


def told(store: Store) -> list[tuple[str, str, str | None, str, str]]:
    with store.session() as session:
        rows = session.scalars(select(Promotion).order_by(Promotion.id))
        return [(row.action, row.model, row.previous, row.person, row.reason) for row in rows]


def add_model(life: Path, name: str) -> None:
    (life / "models" / name).mkdir()
    (life / "models" / name / "config.json").write_text("{}")


def test_without_a_promotion_the_assistant_is_the_champion_and_no_store_is_made(life: Path) -> None:
    assert champion(life) == "assistant"
    assert resolve_model(f"{life}@champion") == life / "models" / "assistant"
    assert not has_store(life)


def test_the_only_model_is_the_champion(life: Path) -> None:
    (life / "models" / "assistant").rename(life / "models" / "mine")
    with pytest.raises(EyasError, match="has no champion; choose one with `eyas promote .*: base, mine"):
        champion(life)
    (life / "models" / "base").rename(life / "base")
    assert champion(life) == "mine"


def test_a_life_without_models_has_no_champion(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="has no champion; `eyas raise .*` makes one"):
        champion(tmp_path)


def test_a_promotion_moves_the_champion_and_keeps_the_previous(store: Store, life: Path) -> None:
    with store.session() as session:
        promote(session, "base", "ana", "it is better")
        assert aliases(session) == {"champion": "base", "previous": "assistant"}
    assert champion(life, store) == "base" and model_of(life, "previous", store) == "assistant"
    add_model(life, "fix-1")
    with store.session() as session:
        promote(session, "fix-1", "ben", "")
        assert aliases(session) == {"champion": "fix-1", "previous": "base"}
    assert told(store) == [
        ("promote", "base", "assistant", "ana", "it is better"),
        ("promote", "fix-1", "base", "ben", ""),
    ]


def test_a_rollback_swaps_and_swaps_back(store: Store) -> None:
    with store.session() as session:
        promote(session, "base", "ana", "")
        assert rollback(session, "ben", "it was not").model == "assistant"
        assert aliases(session) == {"champion": "assistant", "previous": "base"}
        assert rollback(session, "ben").model == "base"
    assert told(store)[1] == ("rollback", "assistant", "base", "ben", "it was not")


def test_a_refused_model_is_remembered_and_challenges_no_more(store: Store, life: Path) -> None:
    with store.session() as session:
        challenge(session, "base")
        assert aliases(session) == {"challenger": "base"}
    assert model_of(life, "challenger", store) == "base"
    with store.session() as session:
        refuse(session, "base", "the exam fell by 3 points")
        assert aliases(session) == {}
    assert champion(life, store) == "assistant"
    assert told(store) == [("refused", "base", "assistant", "", "the exam fell by 3 points")]


def test_a_promoted_challenger_is_the_champion_only(store: Store) -> None:
    with store.session() as session:
        challenge(session, "base")
        promote(session, "base", "ana", "")
        assert aliases(session) == {"champion": "base", "previous": "assistant"}


def test_the_default_champion_can_be_made_the_champion_by_name(store: Store) -> None:
    with store.session() as session:
        promote(session, "assistant", "ana", "")
        assert aliases(session) == {"champion": "assistant"}
        with pytest.raises(EyasError, match="assistant is the champion already"):
            promote(session, "assistant", "ana", "")


def test_what_cannot_be_is_refused(store: Store, life: Path) -> None:
    with store.session() as session:
        for move in (lambda: promote(session, "none", "ana", ""), lambda: challenge(session, "../models/base")):
            with pytest.raises(EyasError, match="there is no model .* it has assistant, base"):
                move()
        with pytest.raises(EyasError, match="there is no previous champion to go back to"):
            rollback(session, "ana")
    with pytest.raises(EyasError, match="has no challenger; name a model as"):
        model_of(life, "challenger", store)
    with pytest.raises(EyasError, match="a life has the names champion, challenger, previous, not best"):
        resolve_model(f"{life}@best")


def test_a_champion_whose_folder_is_gone_is_told(sqlite: Store, life: Path) -> None:
    with sqlite.session() as session:
        promote(session, "base", "ana", "")
    assert resolve_model(f"{life}@champion") == life / "models" / "base"
    (life / "models" / "base").rename(life / "elsewhere")
    with pytest.raises(EyasError, match="there is no model base in .*; it has assistant"):
        resolve_model(f"{life}@champion")


def test_a_folder_with_an_at_in_its_name_is_a_folder(life: Path) -> None:
    folder = life.parent / "me@home"
    life.rename(folder)
    assert resolve_model(f"{folder}/base") == folder / "models" / "base"
    assert resolve_model(f"{folder}@champion") == folder / "models" / "assistant"
