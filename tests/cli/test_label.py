"""`eyas label`: what waits, people and their tokens, instructions, drafts ahead, and labelling in the terminal."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from eyas.cli.main import cli, run
from eyas.flywheel.labels import is_doubled
from eyas.flywheel.people import check_token
from eyas.store.conversations import feedback
from eyas.store.database import Store, open_store
from eyas.store.tables import Draft, Flag, Label
from tests.flywheel.labelled import answered, labelled
from tests.runtime.endpoint import endpoint

RIGHT = "Ada Potter lives in Mill Lane."


@pytest.fixture
def mine(life: Path, tmp_path: Path) -> Path:
    """A life of this test's own."""
    return Path(shutil.copytree(life, tmp_path / "life"))


@pytest.fixture
def store(mine: Path) -> Store:
    return open_store(mine)


def wrong(store: Store, asked: str = "Where does Ada Potter live?", said: str = "In \x1b[31mOak Row.") -> str:
    while is_doubled(message := answered(store, asked, said)):
        pass
    with store.session() as session:
        session.add(Flag(message_id=message, kind="thumbs_down"))
        feedback(session, message, rating=-1, better=RIGHT)
    return message


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run(["label", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def labels(store: Store) -> list[tuple[str, str, str]]:
    with store.session() as session:
        return [(one.person, one.verdict, one.answer) for one in session.scalars(select(Label).order_by(Label.created))]


def test_it_tells_what_waits_and_who_has_labelled(mine: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = wrong(store), wrong(store)
    for person, right in (("ada", RIGHT), ("bob", None)):
        labelled(store, first, right, person)
    said = told(capsys, mine)
    words = " ".join(said.split())
    assert "waiting for you 1 instructions version 1" in words
    assert "ada and bob kappa 0.00 [0.00, 0.00] on 1 items" in words
    assert "-> In \\x1b[31mOak Row. (thumbs down)" in words and "\x1b" not in said
    found = json.loads(told(capsys, mine, "--json"))
    assert [one["message"] for one in found["queue"]] == [second] and found["waiting"] == 1
    assert {one["person"]: one["accepted"] for one in found["labels"]} == {"ada": 1, "bob": 0}
    assert found["agreement"][0]["sorts"]["share"] == 0 and found["people"] == []


def test_a_person_gets_a_token_and_loses_it(mine: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    token = told(capsys, mine, "--add-person", "ada").split()[-1]
    with store.session() as session:
        assert check_token(session, "ada", token) is not None
    assert "may sign in ada" in " ".join(told(capsys, mine).split())
    assert run(["label", str(mine), "--add-person", "ada"]) == 1
    assert "ada is a person here already" in capsys.readouterr().err
    told(capsys, mine, "--remove-person", "ada")
    with store.session() as session:
        assert check_token(session, "ada", token) is None


def test_a_file_becomes_the_instructions(mine: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    assert run(["label", str(mine), "--guidelines", str(page)]) == 1 and "cannot be read" in capsys.readouterr().err
    page.write_text("## 1. All\n- Be kind.\n")
    assert "version 1 now" in told(capsys, mine, "--guidelines", page)
    assert (mine / "labelling.md").read_text() == page.read_text()


def test_drafts_are_made_ahead_by_the_model_that_is_named(
    mine: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = wrong(store), wrong(store, "Who is the mayor?", "Nobody.")
    with endpoint() as there:
        there.says = ["Mill Lane.", "[]", *["[]"] * 20]
        told(capsys, mine, "--draft", 1, "--draft-url", there.url, "--draft-model", "big")
    with store.session() as session:
        drafts = {(one.message_id, one.author): one.text for one in session.scalars(select(Draft))}
    assert drafts[first, "user"] == RIGHT and second not in {message for message, _ in drafts}
    assert run(["label", str(mine), "--draft", "1", "--draft-url", "http://127.0.0.1:1/v1"]) == 1
    assert "belong together" in capsys.readouterr().err
    assert run(["label", str(mine), "--draft-url", "http://127.0.0.1:1/v1", "--draft-model", "big"]) == 1
    assert "--draft N or --terminal" in capsys.readouterr().err


def test_in_the_terminal_a_number_accepts_and_words_do_the_rest(mine: Path, store: Store) -> None:
    asked = ["Who is one?", "Who is two?", "Who is three?", "Who is four?", "Who is five?"]
    for one in asked:
        wrong(store, one, "It is so.")

    def label(*answers: str) -> Any:
        arguments = ["label", str(mine), "--terminal", "--person", "ada"]
        return CliRunner().invoke(cli, arguments, input="\n".join(answers) + "\n", catch_exceptions=False)

    said = label("1", "s", "e", "Three.", "k", "q").output
    assert [said.count(one) >= 1 for one in asked] == [True] * 5 and "breaks" in said
    assert labels(store) == [
        ("ada", "accepted", RIGHT), ("ada", "accepted", "Three."), ("ada", "accepted", "It is so.")
    ]  # fmt: skip
    said = label("d", "s").output
    assert "Who is two?" in said and said.rstrip().endswith("nothing waits")
    assert labels(store)[-1] == ("ada", "discarded", "")
