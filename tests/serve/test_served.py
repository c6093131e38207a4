"""Which model answers: names, the champion wherever the store moves it, shares for canary and shadow."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eyas.errors import EyasError
from eyas.runtime.sampling import Sampling
from eyas.serve.config import ServeConfig, share_of
from eyas.serve.errors import ApiError
from eyas.serve.served import falls_in
from eyas.serve.state import State, open_state
from eyas.serve.turns import TurnRequest, begin
from eyas.store.champion import promote, rollback
from eyas.store.tables import Message

HELLO = [{"role": "user", "content": "The cat sat."}]


@pytest.fixture
def own(life: Path, tmp_path: Path) -> Path:
    """A life of the test's own, with one more model."""
    shutil.copytree(life / "models", tmp_path / "life" / "models")
    shutil.copytree(tmp_path / "life/models/base", tmp_path / "life/models/fix-1")
    return tmp_path / "life"


Opened = Callable[..., State]


@pytest.fixture
def opened(own: Path) -> Iterator[Opened]:
    states: list[State] = []

    def open_(**settings: Any) -> State:
        states.append(open_state(ServeConfig(**({"model": str(own)} | settings))))
        return states[-1]

    yield open_
    for state in states:
        asyncio.run(state.close())


def until(true: Callable[[], bool]) -> bool:
    """Wait for something that happens soon."""
    deadline = time.monotonic() + 20
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def test_names_are_the_models_the_aliases_and_eyas(opened: Opened) -> None:
    served = opened().served
    assert served.names() == ["assistant", "base", "fix-1"] and served.aliases == {"champion": "assistant"}
    for name in (None, "", "eyas", "champion", "assistant"):
        assert served.resolve(name) == "assistant"
    assert served.resolve("fix-1") == "fix-1"
    for name in ("gpt-4o", "../life", "challenger"):
        with pytest.raises(ApiError, match="there is no model") as refused:
            served.resolve(name)
        assert (refused.value.status, refused.value.code) == (404, "model_not_found")


def test_a_single_model_is_served_without_a_store(own: Path, opened: Opened) -> None:
    state = opened(model=str(own / "base"))
    assert (state.store, state.recorder, state.served.names()) == (None, None, ["base"])
    assert state.served.resolve("eyas") == "base"


def test_models_are_loaded_when_asked_for_and_only_once(opened: Opened) -> None:
    served = opened().served
    assert [one.name for one in served.loaded()] == ["assistant"]

    async def ask() -> list[Any]:
        return await asyncio.gather(*(served.get("base") for _ in range(5)))

    assert len(set(map(id, asyncio.run(ask())))) == 1
    assert [one.name for one in served.loaded()] == ["assistant", "base"]


def test_a_promotion_is_followed_and_running_answers_end_on_the_old_model(opened: Opened) -> None:
    state = opened()
    served, store = state.served, state.store
    assert store is not None
    request = TurnRequest(HELLO, Sampling(max_tokens=700, temperature=0, logit_bias=((40, 100.0),)))

    async def swap() -> None:
        old = await served.get("eyas")
        (answer,) = await begin(state, old, request)
        with store.session() as session:
            promote(session, "fix-1", "tester", "better")
        told = 0
        async for delta in answer.deltas():
            told += len(delta.text)
            if told and served.resolve("eyas") == "assistant":
                await asyncio.sleep(0.02)
        assert (answer.finish_reason, answer.completion_tokens) == ("length", 700)
        assert await asyncio.to_thread(until, lambda: served.resolve("eyas") == "fix-1")
        assert served.aliases == {"champion": "fix-1", "previous": "assistant"}
        new = await served.get("eyas")
        assert new.name == "fix-1" and new is not old
        (after,) = await begin(state, new, TurnRequest(HELLO, Sampling(max_tokens=3, temperature=0)))
        async for _ in after.deltas():
            pass
        assert answer.recorded is not None and after.recorded is not None
        with store.session() as session:
            assert session.get_one(Message, answer.recorded.message_id).model == "assistant"
            assert session.get_one(Message, after.recorded.message_id).model == "fix-1"
            rollback(session, "tester")
        assert await asyncio.to_thread(until, lambda: served.resolve("eyas") == "assistant")

    asyncio.run(swap())


def test_a_champion_that_cannot_be_loaded_changes_nothing(own: Path, opened: Opened) -> None:
    state = opened()
    assert state.store is not None
    (own / "models/fix-1/model.safetensors").write_bytes(b"damaged")
    with state.store.session() as session:
        promote(session, "fix-1", "tester", "")
    time.sleep(0.5)
    assert state.served.resolve("eyas") == "assistant"
    with pytest.raises(ApiError) as refused:
        asyncio.run(state.served.get("fix-1"))
    assert (refused.value.status, refused.value.code) == (503, "model_unavailable")


def test_models_beyond_the_limit_are_let_go_but_never_those_with_a_name(
    own: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eyas.serve.served._LOADED", 2)
    served = opened().served
    served.load("base")
    served.load("fix-1")
    assert [one.name for one in served.loaded()] == ["assistant", "fix-1"]
    assert served.load("base").name == "base"


def test_a_canary_takes_its_share_of_conversations(opened: Opened) -> None:
    served = opened(canary="fix-1:0.25").served
    answers = [served.resolve("eyas", f"user {i}") for i in range(2000)]
    assert 0.2 < answers.count("fix-1") / 2000 < 0.3 and set(answers) == {"assistant", "fix-1"}
    assert [served.resolve("eyas", f"user {i}") for i in range(2000)] == answers
    assert {served.resolve("champion", f"user {i}") for i in range(50)} == {"assistant"}


def test_a_shadow_answers_too_and_nobody_sees_it(opened: Opened) -> None:
    state = opened(shadow="fix-1:1")
    assert state.store is not None

    async def ask() -> tuple[str, str]:
        (answer,) = await begin(
            state, await state.served.get("eyas"), TurnRequest(HELLO, Sampling(max_tokens=4, temperature=0))
        )
        async for _ in answer.deltas():
            pass
        assert answer.recorded is not None
        while state.served.load("fix-1").worker.load or state._tasks:
            await asyncio.sleep(0.01)
        return answer.recorded.conversation_id, answer.recorded.message_id

    conversation, message = asyncio.run(ask())
    with state.store.session() as session:
        said = session.query(Message).filter_by(conversation_id=conversation, role="assistant").all()
        (unseen,) = [one for one in said if one.id != message]
        assert (unseen.model, unseen.shadow) == ("fix-1", True)
        assert unseen.parent_id == session.get_one(Message, message).parent_id


@pytest.mark.parametrize("wrong", ["fix-1", "fix-1:0", "fix-1:2", ":0.5", "fix-1:x"])
def test_shares_are_checked(wrong: str) -> None:
    with pytest.raises(ValueError, match="NAME:SHARE"):
        share_of(wrong)
    with pytest.raises(EyasError, match="--canary.*NAME:SHARE"):
        ServeConfig.resolve(model="x", canary=wrong)


def test_a_share_for_no_model_is_refused_at_the_start(opened: Opened) -> None:
    with pytest.raises(EyasError, match="there is no model fix-9"):
        opened(canary="fix-9:0.1")


def test_keys_fall_evenly() -> None:
    assert 0.28 < sum(falls_in(0.3, str(i)) for i in range(3000)) / 3000 < 0.32
    assert all(falls_in(1.0, str(i)) for i in range(100))
