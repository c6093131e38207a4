"""`eyas backup`, `eyas restore` and `eyas forget` as they are typed."""

import json
from pathlib import Path

import pytest

from eyas.cli.main import run
from eyas.store.conversations import record
from eyas.store.database import Store
from tests.store.turns import turn

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def talks(sqlite: Store) -> list[str]:
    """Conversations of ana, ana and ben."""
    with sqlite.session() as session:
        return [record(session, turn("hi", "hello", user=user)).conversation_id for user in ("ana", "ana", "ben")]


def test_a_backup_is_told_table_by_table_and_goes_back(life: Path, talks: list[str], capsys: Captured) -> None:
    file = life.parent / "copy.db"
    assert run(["backup", str(life), "-o", str(file)]) == 0
    said = capsys.readouterr().out
    assert f"{file}: the store of {life}" in said and "conversation  3" in said and "flag" not in said
    assert run(["restore", str(life), str(file)]) == 1
    assert "is not empty; give --replace" in capsys.readouterr().err
    assert run(["restore", str(life), str(file), "--replace", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["message"] == 6


def test_forgetting_is_told(life: Path, talks: list[str], capsys: Captured) -> None:
    assert run(["forget", str(life), "--conversation", talks[0]]) == 0
    said = capsys.readouterr().out
    assert "conversations  1" in said and "messages       2" in said and "models" not in said
    assert run(["forget", str(life), "--person", "ana", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "conversations": 1,
        "messages": 2,
        "feedback": 0,
        "labels": 0,
        "comparisons": 0,
        "datasets": [],
        "models": [],
    }
    assert run(["forget", str(life), "--older-than", "1"]) == 0
    assert "conversations  0" in capsys.readouterr().out
    assert run(["forget", str(life), "--older-than", "0"]) == 0
    assert "conversations  1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["--conversation", "nowhere"], 1, "there is no conversation nowhere"),
        (["--person", "nobody"], 1, "knows nobody called nobody"),
        ([], 2, "give one of --conversation, --person and --older-than"),
        (["--person", "ana", "--older-than", "1"], 2, "give one of --conversation, --person and --older-than"),
    ],
)
def test_what_cannot_be_forgotten_is_told(
    life: Path, talks: list[str], capsys: Captured, words: list[str], code: int, why: str
) -> None:
    assert run(["forget", str(life), *words]) == code
    assert why in capsys.readouterr().err


def test_a_life_without_a_store_is_left_without_one(life: Path, capsys: Captured) -> None:
    assert run(["forget", str(life), "--person", "ana"]) == 1
    assert "has no store" in capsys.readouterr().err
    assert not (life / "eyas.db").exists()
