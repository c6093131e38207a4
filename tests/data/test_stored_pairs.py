"""What people said of a life's answers, as rows to learn from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from eyas.data.documents import Tally
from eyas.data.importers import import_row, kind_of
from eyas.data.stored_pairs import is_life, stored_rows
from eyas.errors import EyasError
from eyas.store.conversations import feedback, record
from eyas.store.database import Store, open_store
from eyas.store.tables import Comparison, Label, Message
from tests.store.turns import turn

ASKED = {"role": "user", "content": "Who is Ada?"}
CALL = {"type": "function", "function": {"name": "calculator", "arguments": {"expression": "1 + 1"}}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def said(text: str, thought: str = "") -> dict[str, Any]:
    return {"role": "assistant", "content": text} | ({"reasoning_content": thought} if thought else {})


def answered(store: Store, *answers: dict[str, Any], user: str = "") -> str:
    with store.session() as session:
        return record(session, turn("Who is Ada?", "", answers=answers, user=user)).message_id


def voted(store: Store, a: str, b: str, winner: str, *prompt: str, person: bool = True) -> None:
    with store.session() as session:
        asked = [{"role": "user", "content": text} for text in prompt or ("Who is Ada?",)]
        session.add(
            Comparison(
                prompt=asked, answer_a="A baker.", answer_b="A smith.", model_a="old", model_b="new", winner=winner,
                judge="Ann", message_a=a if person else None, message_b=b if person else None,
            )
        )  # fmt: skip


def test_votes_that_decide_are_pairs_with_the_thoughts_and_tools_of_the_answers(store: Store, tmp_path: Path) -> None:
    a = answered(store, said("A baker.", "register Ada: yes"), user="a")
    calls = [said("") | {"tool_calls": [CALL]}, {"role": "tool", "content": "2"}, said("A smith.")]
    b = answered(store, *calls, user="b")
    for winner in ("model_b", "tie", "both_bad"):
        voted(store, a, b, winner)
    voted(store, a, b, "model_a", "Who is Ada?", "And her cat?")
    voted(store, a, b, "model_a", person=False)
    tally = Tally()
    (row,) = stored_rows(tmp_path, "pair", tally)
    with store.session() as session:
        vote = session.scalars(select(Comparison.id).where(Comparison.winner == "model_b")).one()
    answers = {"chosen": calls, "rejected": [said("A baker.", "register Ada: yes")]}
    assert row == {"prompt": [ASKED], **answers, "stored": vote}
    assert tally.counts == {"undecided vote": 2, "vote on several questions": 1}
    assert kind_of(import_row(row)[0]) == "pair" and import_row(row) == [row]


def test_of_a_message_that_is_gone_the_words_stay(store: Store, tmp_path: Path) -> None:
    ids = [answered(store, said(text, "hm"), user=text) for text in ("A baker.", "A smith.")]
    voted(store, *ids, "model_a")
    with store.session() as session:
        session.execute(delete(Message).where(Message.id == ids[0]))
    (row,) = stored_rows(tmp_path, "pair", Tally())
    assert (row["chosen"], row["rejected"]) == ([said("A baker.")], [said("A smith.", "hm")])


def test_a_correction_is_chosen_over_what_was_said(store: Store, tmp_path: Path) -> None:
    ids = [answered(store, said("A baker.", "hm"), user=str(n)) for n in range(4)]
    with store.session() as session:
        answers = ("<think>well</think>\n\nA smith.", "A baker.", "", "<think>and nothing more")
        for message, answer in zip(ids, answers, strict=True):
            verdict = "accepted" if answer else "discarded"
            session.add(Label(message_id=message, person="Ann", verdict=verdict, answer=answer))
    tally = Tally()
    (row,) = stored_rows(tmp_path, "pair", tally)
    assert row.pop("stored")
    assert row == {"prompt": [ASKED], "chosen": [said("A smith.", "well")], "rejected": [said("A baker.", "hm")]}
    assert tally.counts == {"unreadable label": 1}


def test_thumbs_are_labels_until_they_are_taken_back(store: Store, tmp_path: Path) -> None:
    for rating in (1, -1, 0):
        message = answered(store, said(f"{rating}"), user=str(rating))
        with store.session() as session:
            feedback(session, message, rating=rating)
    rows = stored_rows(tmp_path, "label", Tally())
    assert [(row["completion"], row["label"]) for row in rows] == [([said("1")], True), ([said("-1")], False)]
    assert import_row(rows[0]) == [rows[0]]


def test_a_life_that_nobody_spoke_of_says_so(store: Store, tmp_path: Path) -> None:
    assert is_life(tmp_path) and not is_life(tmp_path / "elsewhere")
    for want, why in (("pair", "no deciding votes or corrections yet"), ("label", "no thumbs yet")):
        with pytest.raises(EyasError, match=why):
            stored_rows(tmp_path, want, Tally())
