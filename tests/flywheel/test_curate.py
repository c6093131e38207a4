"""From labels to a dataset version: whose word counts, what is merged, refused and held out, and that nothing moves."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eyas.data.rows import read_rows
from eyas.errors import EyasError
from eyas.flywheel.curate import FILES, Dataset, curate
from eyas.store.database import Store, open_store
from eyas.store.tables import DatasetRow
from tests.flywheel.labelled import answered, corrected, grouped, labelled, lines

QUESTION = "Where does Ada Potter live?"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def rows(life: Path, dataset: Dataset, name: str = "sft.train") -> list[Any]:
    return lines(life / dataset.path / f"{name}.jsonl")


def answers(life: Path, dataset: Dataset, name: str = "sft.train") -> list[str]:
    return [row["messages"][-1]["content"] for row in rows(life, dataset, name)]


def test_a_correction_becomes_a_row_and_a_preference_that_the_importers_read(tmp_path: Path, store: Store) -> None:
    corrected(store, QUESTION, "Ada Potter lives in Oak Street.", "Ada Potter lives in Mill Lane.")
    made = curate(tmp_path, store)
    assert (made.version, made.path, made.parent) == (1, "datasets/v1", None)
    (chat,) = read_rows(tmp_path / made.path / "sft.train.jsonl", want="chat")
    question = {"role": "user", "content": QUESTION}
    right = {"role": "assistant", "content": "Ada Potter lives in Mill Lane."}
    assert chat == {"messages": [question, right]}
    (pair,) = read_rows(tmp_path / made.path / "preference.train.jsonl", want="pair")
    wrong = {"role": "assistant", "content": "Ada Potter lives in Oak Street."}
    assert pair == {"prompt": [question], "chosen": [right], "rejected": [wrong]}
    assert made.counts == {
        "labels": 1, "clusters": 1, "sft.train": 1, "sft.val": 0, "preference.train": 1, "preference.val": 0
    }  # fmt: skip


def test_earlier_answers_are_context_and_tools_stay(tmp_path: Path, store: Store) -> None:
    tools = [{"type": "function", "function": {"name": "clock", "parameters": {}}}]
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Good day."},
        {"role": "user", "content": [{"type": "text", "text": "What time is it?"}]},
    ]
    corrected(store, history, "Nine.", '<tool_call>{"name": "clock", "arguments": {}}</tool_call>', tools=tools)
    (row,) = rows(tmp_path, curate(tmp_path, store))
    assert [message.get("weight") for message in row["messages"]] == [None, None, 0, None, None]
    assert row["messages"][3]["content"] == "What time is it?"
    assert row["messages"][4]["tool_calls"][0]["function"] == {"name": "clock", "arguments": {}}
    assert row["tools"] == tools


def test_a_thought_is_learnt_when_it_is_written_or_led_to_the_right_answer(tmp_path: Path, store: Store) -> None:
    said = {"role": "assistant", "content": "I do not know.", "reasoning_content": "not in the papers"}
    corrected(store, "Who is Ada Potter?", said, "<think>in the papers</think>Ada Potter is a baker.")
    corrected(store, "Who is Ida Stone?", said, "I do not know.")
    corrected(store, "Who is Tom Reed?", said, "Tom Reed is a miller.")
    made = curate(tmp_path, store)
    thoughts = [row["messages"][-1].get("reasoning_content") for row in rows(tmp_path, made)]
    assert thoughts == ["in the papers", "not in the papers", None]
    assert len(rows(tmp_path, made, "preference.train")) == 2  # what was right has nothing to be preferred to


def test_where_people_disagree_the_majority_counts_or_nothing_does(tmp_path: Path, store: Store) -> None:
    first, second, third = (answered(store, f"Question {i}, about what?", "No idea.") for i in range(3))
    for person, right in (("Ann", "Red."), ("Bob", "Red."), ("Cem", "  blue. "), ("Ann", "Blue.")):
        labelled(store, first, right, person)
    for person, right in (("Ann", "Blue."), ("Bob", "Red.")):
        labelled(store, second, right, person)
    for person, word in (("Ann", "Blue."), ("Bob", None), ("Cem", None)):
        labelled(store, third, word, person)
    made = curate(tmp_path, store)
    assert answers(tmp_path, made) == ["Blue."]
    assert made.counts["disagreed"] == 1 and made.counts["discarded"] == 1


def test_a_person_s_last_word_on_a_question_counts_wherever_it_was_asked(tmp_path: Path, store: Store) -> None:
    corrected(store, QUESTION, "No idea.", "In Oak Street.")
    corrected(store, "where does  Ada Potter live?", "No idea!", "In Mill Lane.")
    made = curate(tmp_path, store)
    assert answers(tmp_path, made) == ["In Mill Lane."]
    assert [row["rejected"][0]["content"] for row in rows(tmp_path, made, "preference.train")] == [
        "No idea.",
        "No idea!",
    ]


def test_near_duplicates_with_one_answer_are_merged_and_every_label_is_kept_in_mind(
    tmp_path: Path, store: Store
) -> None:
    asked = "On which days of the week does the ferry go to the island in winter"
    first = corrected(store, f"{asked}?", "Never.", "On Mondays.")
    second = corrected(store, f"Please, {asked}?", "Daily.", "On Mondays.", "Bob")
    other = corrected(store, f"Now, {asked}?", "Daily.", "On Fridays.", "Bob")
    made = curate(tmp_path, store)
    assert answers(tmp_path, made) == ["On Mondays.", "On Fridays."]
    assert made.counts["merged"] == 1 and made.counts["clusters"] == 1
    with store.session() as session:
        found = session.scalars(select(DatasetRow).filter_by(version=1, kind="sft"))
        assert {(one.number, one.label_id) for one in found} == {(0, first), (0, second), (1, other)}


def test_what_an_examination_asks_is_refused_and_counted(tmp_path: Path, store: Store) -> None:
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals/streets.jsonl").write_text(json.dumps({"prompt": QUESTION, "completion": "Mill Lane."}) + "\n")
    refused = corrected(store, f"Good day! {QUESTION}", "No idea.", "In Mill Lane.")
    with pytest.raises(EyasError, match=r"1 labels, 1 in evals/streets.jsonl"):
        curate(tmp_path, store)
    corrected(store, "Where does Ida Stone live?", "No idea.", "In Oak Street.")
    made = curate(tmp_path, store)
    assert answers(tmp_path, made) == ["In Oak Street."]
    assert made.counts["in evals/streets.jsonl"] == 1
    manifest = json.loads((tmp_path / made.path / "manifest.json").read_text())
    assert manifest["refused"] == [{"label": refused, "reason": "its question stands in evals/streets.jsonl"}]


def test_without_labels_there_is_nothing_to_curate(tmp_path: Path, store: Store) -> None:
    labelled(store, answered(store, QUESTION, "No idea."), None)
    with pytest.raises(EyasError, match="eyas label"):
        curate(tmp_path, store)
    assert not (tmp_path / "datasets").exists()


def test_a_thought_alone_and_a_broken_call_are_no_answers(tmp_path: Path, store: Store) -> None:
    corrected(store, QUESTION, "No idea.", "<think>in the papers</think>")
    corrected(store, "What time is it?", "No idea.", '<tool_call>{"name": </tool_call>')
    with pytest.raises(EyasError, match="2 unreadable"):
        curate(tmp_path, store)


def test_an_answer_whose_question_was_not_kept_teaches_nothing(tmp_path: Path, store: Store) -> None:
    corrected(store, "", "No idea.", "In Mill Lane.")
    with pytest.raises(EyasError, match="1 question not kept"):
        curate(tmp_path, store)


def test_the_same_labels_give_the_same_version_and_new_ones_the_next(tmp_path: Path, store: Store) -> None:
    corrected(store, QUESTION, "No idea.", "In Mill Lane.")
    first = curate(tmp_path, store)
    before = {path.name: path.read_bytes() for path in (tmp_path / first.path).iterdir()}
    assert sorted(before) == sorted([*(f"{name}.jsonl" for name in FILES), "manifest.json"])
    assert curate(tmp_path, store).version == 1
    last = corrected(store, "Where does Ida Stone live?", "No idea.", "In Oak Street.")
    second = curate(tmp_path, store)
    assert (second.version, second.parent) == (2, 1) and second.sha256 != first.sha256
    assert {path.name: path.read_bytes() for path in (tmp_path / first.path).iterdir()} == before
    assert json.loads((tmp_path / second.path / "manifest.json").read_text())["labels"]["sft.train"][1] == [last]


def test_a_version_that_was_changed_is_refused_and_one_that_was_removed_is_written_again(
    tmp_path: Path, store: Store
) -> None:
    corrected(store, QUESTION, "No idea.", "In Mill Lane.")
    made = curate(tmp_path, store)
    file = tmp_path / made.path / "sft.train.jsonl"
    text = file.read_text()
    for damage in (lambda: file.write_text(text.replace("Mill", "Oak")), file.unlink):
        damage()
        with pytest.raises(EyasError, match="was changed after it was written"):
            curate(tmp_path, store)
    shutil.rmtree(tmp_path / made.path)
    assert curate(tmp_path, store).version == 1 and file.read_text() == text


def test_a_folder_of_a_run_that_was_killed_before_it_was_entered_is_passed_by(tmp_path: Path, store: Store) -> None:
    (tmp_path / "datasets/v1").mkdir(parents=True)
    corrected(store, QUESTION, "No idea.", "In Mill Lane.")
    assert curate(tmp_path, store).version == 2
    assert list((tmp_path / "datasets/v1").iterdir()) == []


def test_duplicates_are_split_together_and_what_was_learnt_stays_learnt(tmp_path: Path, store: Store) -> None:
    def ask(start: int, count: int) -> None:
        for i in range(start, start + count):
            said = [answered(store, text, "No idea.") for text in (f"What is number {i}?", f"Number {i}: what is it?")]
            grouped(store, said)
            for number, message in enumerate(said):
                labelled(store, message, f"Number {i} in {number + 1} words.")

    def numbers(dataset: Dataset, split: str) -> set[str]:
        return {text.split()[1] for text in answers(tmp_path, dataset, f"sft.{split}")}

    ask(0, 40)
    few = curate(tmp_path, store)
    assert few.counts["clusters"] == 40 and few.counts["sft.val"] == 0  # four held out would measure nothing
    ask(40, 75)
    many = curate(tmp_path, store)
    assert many.counts["clusters"] == 115
    held = numbers(many, "val")
    assert held and not held & numbers(many, "train") and not held & numbers(few, "train")
    assert 2 <= len(held) <= 18
    assert many.counts["sft.val"] == 2 * len(held) == many.counts["preference.val"]
    ask(115, 1)
    assert numbers(curate(tmp_path, store), "val") == held
    assert numbers(curate(tmp_path, store, seed=1), "val") != held
