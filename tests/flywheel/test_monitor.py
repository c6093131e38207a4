"""Answers that a filter finds, a conversation in full, and `eyas monitor`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from eyas.cli.main import run
from eyas.errors import EyasError
from eyas.flywheel.monitor import ANY, Filter, answers, talk
from eyas.store.conversations import record
from eyas.store.database import Store
from eyas.store.tables import Label, Message
from tests.flywheel.talks import new_store, say, turn


@pytest.fixture
def life(tmp_path: Path) -> Path:
    return tmp_path / "life"


@pytest.fixture
def store(life: Path) -> Iterator[Store]:
    opened = new_store(life)
    yield opened
    opened.close()


def found(store: Store, limit: int = 50, **wanted: object) -> list[str]:
    with store.session() as session:
        return [one.message_id for one in answers(session, Filter(**wanted), limit)]  # type: ignore[arg-type]


def test_filters_find_answers_newest_first(store: Store) -> None:
    inn = say(store, "When does the inn open?", "I don't know.", thumb=-1)
    tram = say(store, "Where does the tram stop?", "At the inn.", user="bob", model="fix-1")
    ferry = say(store, "Is the ferry late?", "No.", days_ago=3.0)
    say(store, "Is the ferry late?", "Perhaps.", shadow=True)
    assert found(store) == [ferry, tram, inn]
    assert found(store, kind=ANY) == found(store, kind="thumbs_down") == found(store, kind="refusal") == [inn]
    assert found(store, kind="loop") == []
    assert found(store, search="inn") == [tram, inn]
    assert found(store, search='"; DROP') == []
    assert found(store, user="bob") == found(store, model="fix-1") == [tram]
    assert found(store, since=1e12) == []
    assert found(store, limit=1) == [ferry] and found(store, before=ferry) == [tram, inn]
    with store.session() as session, pytest.raises(EyasError, match="there is no flag 'odd'; flags are thumbs_down"):
        answers(session, Filter(kind="odd"))


def test_a_found_answer_tells_what_was_asked_through_its_tool_rounds(store: Store) -> None:
    call = {"type": "function", "function": {"name": "calculator", "arguments": "{}"}}
    rounds = [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "content": "28"}]
    message = say(store, "What is 40 - 12?", *rounds, "It is 28.", thumb=1)
    with store.session() as session:
        session.add(Label(message_id=message, person="eve", verdict="discarded"))
    with store.session() as session:
        (one,) = answers(session, Filter())
    assert (one.question, one.answer, one.ratings, one.labels) == ("What is 40 - 12?", "It is 28.", [1], 1)


def test_a_conversation_is_told_branch_by_branch(store: Store) -> None:
    with store.session() as session:
        first = record(session, turn("Hello.", "Hello!"))
        parent = session.get_one(Message, first.message_id).parent_id
        record(session, turn("Hello.", "Good day.", conversation_id=first.conversation_id, parent_id=parent))
        history = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello!"}]
        more = turn("", "Fine.")
        again = [*history, {"role": "user", "content": "How are you?"}]
        record(session, type(more)(**{**vars(more), "messages": again}))
        told = talk(session, first.conversation_id)
    assert [(one.message.text, one.level, one.branch) for one in told.messages] == [
        ("Hello.", 0, (1, 1)),
        ("Hello!", 1, (1, 2)),
        ("How are you?", 1, (1, 1)),
        ("Fine.", 1, (1, 1)),
        ("Good day.", 1, (2, 2)),
    ]
    with store.session() as session, pytest.raises(EyasError, match="there is no conversation x in this store"):
        talk(session, "x")


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run(["monitor", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_the_command_shows_what_is_wrong_first_then_traffic(
    store: Store, life: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        say(store, "When does the inn\x1b[2J open?", "I don't know.", thumb=-1)
    say(store, "Hello.", "Hello!")
    out = printed(capsys, life)
    assert (
        out.index("3x  When does the inn\\x1b[2J open?") < out.index("thumbs down 3, refusal 3") < out.index("14 days")
    )
    assert "75.0%" in out and "\x1b" not in out
    shown = json.loads(printed(capsys, life, "--json"))
    assert shown["n_issues"] == 1 and shown["issues"][0]["kinds"] == {"refusal": 3, "thumbs_down": 3}
    assert shown["traffic"]["total"]["answers"] == 4


def test_the_command_lists_answers_and_shows_one_talk(
    store: Store, life: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(store, "When does the inn open?", "I don't know.", thumb=-1)
    say(store, "Hello.", "Hello!")
    assert "> I don't know." in printed(capsys, life, "--flag", "any")
    (one,) = json.loads(printed(capsys, life, "--search", "inn", "--json"))
    shown = printed(capsys, life, "--conversation", one["conversation_id"])
    assert "user: When does the inn open?" in shown and "! refusal 0.50  does not know or understand" in shown
    whole = json.loads(printed(capsys, life, "--conversation", one["conversation_id"], "--json"))
    assert [message["text"] for message in whole["messages"]] == ["When does the inn open?", "I don't know."]
    assert whole["messages"][1]["feedback"][0]["rating"] == -1


def test_the_command_redacts_and_exports(store: Store, life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(store, "Write to ada@example.org!", "I shall write to ada@example.org.")
    assert printed(capsys, life, "--redact") == "redacted 2 messages\n"
    rows, spans = life.parent / "talks.jsonl", life.parent / "spans.jsonl"
    printed(capsys, life, "--export", rows)
    assert [message["content"] for message in json.loads(rows.read_text())["messages"]] == [
        "Write to [email]!",
        "I shall write to [email].",
    ]
    printed(capsys, life, "--export", spans, "--format", "otel", "--no-content")
    assert "gen_ai.request.model" in spans.read_text() and "[email]" not in spans.read_text()
    assert run(["monitor", str(life), "--export", str(rows)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_the_command_says_when_there_is_nothing_to_look_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["monitor", str(tmp_path)]) == 1
    assert "has no store yet" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert run(["monitor", str(tmp_path / "none")]) == 1
    assert "there is no life" in capsys.readouterr().err
