"""What a client was told is stored is in the store, whatever happens to the server."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from eyas.errors import EyasError
from eyas.serve.recording import Recorder
from eyas.store.conversations import Turn
from eyas.store.database import Store, open_store
from eyas.store.tables import Conversation, Flag, Message


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def turn(text: str = "Four.", **more: Any) -> Turn:
    values: dict[str, Any] = {
        "messages": [{"role": "user", "content": "2 + 2?"}], "answers": [{"role": "assistant", "content": text}],
        "model": "assistant", "model_sha256": "aa", "sampling": {"temperature": 0.0}, "tools": None,
        "tokens": [("Four", -0.1), (".", -0.2)], "prompt_tokens": 9, "completion_tokens": 2, "first_seconds": 0.01,
        "seconds": 0.02, "finish_reason": "stop",
    }  # fmt: skip
    return Turn(**(values | more))


def recorded(store: Store, turns: list[Turn], content: bool = True) -> list[Any]:
    """Record them at once; gives what each was told. The recorder has ended after it."""
    recorder = Recorder(store, content)

    async def all_() -> list[Any]:
        return await asyncio.gather(*map(recorder.record, turns))

    try:
        return asyncio.run(all_())
    finally:
        recorder.close()


def test_answers_recorded_together_are_all_there(store: Store) -> None:
    places = recorded(store, [turn(f"Answer {i}.", user=f"user {i}") for i in range(100)])
    with store.session() as session:
        for i, place in enumerate(places):
            message = session.get_one(Message, place.message_id)
            assert (message.text, message.completion_tokens, message.tokens) == (
                f"Answer {i}.", 2, [["Four", -0.1], [".", -0.2]],
            )  # fmt: skip
            assert session.get_one(Conversation, place.conversation_id).user == f"user {i}"


def test_one_that_cannot_be_recorded_does_not_harm_the_others(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    places = recorded(store, [turn(user="a"), turn(answers=[]), turn(user="c")])
    assert [place is not None for place in places] == [True, False, True]
    assert "could not be recorded" in caplog.text
    with store.session() as session:
        assert session.query(Message).filter_by(role="assistant").count() == 2


def test_without_content_only_counts_and_times_are_kept(store: Store) -> None:
    (place,) = recorded(store, [turn("Secret.", messages=[{"role": "user", "content": "Private?"}])], content=False)
    with store.session() as session:
        said = session.query(Message).all()
        assert [one.text for one in said] == ["", ""] and not any("Secret" in str(one.content) for one in said)
        message = session.get_one(Message, place.message_id)
        assert (message.tokens, message.completion_tokens, message.seconds) == (None, 2, 0.02)


def test_answers_are_looked_at_for_flags_but_not_those_of_a_shadow(store: Store) -> None:
    loop = " ".join(["the cat sat on the mat"] * 30)
    seen, shadow = recorded(
        store, [turn(loop, finish_reason="length"), turn(loop, finish_reason="length", shadow=True)]
    )
    with store.session() as session:
        kinds = {flag.kind for flag in session.query(Flag).filter_by(message_id=seen.message_id)}
        assert "loop" in kinds
        assert session.query(Flag).filter_by(message_id=shadow.message_id).count() == 0


def test_known_facts_that_cannot_be_read_refuse_the_start(store: Store, tmp_path: Path) -> None:
    (tmp_path / "facts.jsonl").write_text("no row\n")
    with pytest.raises(EyasError, match="facts.jsonl"):
        Recorder(store, True)


def test_a_killed_server_has_lost_nothing_that_it_acknowledged(life: Path, tmp_path: Path) -> None:
    own = tmp_path / "life"
    shutil.copytree(life / "models", own / "models")
    command = [
        sys.executable,
        "-c",
        "from eyas.cli.main import main; main()",
        "serve",
        str(own),
        "--port",
        "0",
        "--json",
    ]
    environment = {key: value for key, value in os.environ.items() if key != "EYAS_API_KEY"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        acknowledged: list[str] = []
        enough = threading.Event()

        def talk(number: int) -> None:
            body = {"messages": [{"role": "user", "content": f"cat {number}"}], "max_tokens": 5, "stream": True}
            with httpx2.Client(timeout=30) as client:
                try:
                    while True:
                        told = client.post(f"{url}/v1/chat/completions", json=body).text.split("\n\n")
                        acknowledged.append(json.loads(told[-3].removeprefix("data: "))["eyas"]["message"])
                        if len(acknowledged) >= 60:
                            enough.set()
                except httpx2.TransportError:
                    pass  # the server is gone

        talkers = [threading.Thread(target=talk, args=(i,)) for i in range(8)]
        for talker in talkers:
            talker.start()
        assert enough.wait(60)
        server.send_signal(signal.SIGKILL)
        for talker in talkers:
            talker.join()
    store = open_store(own)
    with store.session() as session:
        stored = {one for (one,) in session.query(Message.id).filter_by(role="assistant")}
    store.close()
    assert len(acknowledged) >= 60 and set(acknowledged) <= stored
