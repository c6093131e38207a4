"""What is forgotten is gone with all that was made of it, and the models that learnt from it are named."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select

from eyas.errors import EyasError
from eyas.store.conversations import Recorded, feedback, record
from eyas.store.database import Store
from eyas.store.forget import Forgotten, forget_conversation, forget_old, forget_person
from eyas.store.lineage import new_lineage, write_lineage
from eyas.store.retention import older_than
from eyas.store.tables import (
    Base,
    Comparison,
    Conversation,
    Dataset,
    DatasetRow,
    Draft,
    Feedback,
    Flag,
    Group,
    Guideline,
    Label,
    Message,
    Person,
    Promotion,
)
from tests.store.turns import turn


def numbers(store: Store) -> dict[str, int]:
    with store.session() as session:
        tables = Base.metadata.tables.items()
        counts = {name: session.scalar(select(func.count()).select_from(table)) or 0 for name, table in tables}
    return {name: count for name, count in counts.items() if count}


def labelled_talk(store: Store, user: str = "ana", question: str = "Where is the secret?") -> Recorded:
    """A conversation with a thumb, a flag, a label and a comparison."""
    with store.session() as session:
        done = record(session, turn(question, "In the cellar.", user=user))
        feedback(session, done.message_id, rating=-1, user=user)
        session.add(Flag(message_id=done.message_id, kind="refusal"))
        session.add(Label(id=f"label of {user}", message_id=done.message_id, person="ben", verdict="accepted"))
        answers = {"answer_a": "a", "answer_b": "b", "model_a": "a", "model_b": "b", "winner": "tie", "judge": "ben"}
        session.add(Comparison(prompt=[], **answers, message_b=done.message_id))
    return done


def dataset(store: Store, life: Path, version: int, *labels: str) -> None:
    """A dataset version made of `labels`, in the store and as files."""
    folder = life / "datasets" / f"v{version}"
    folder.mkdir(parents=True)
    (folder / "sft.train.jsonl").write_text("{}\n")
    with store.session() as session:
        session.add(Dataset(version=version, path=f"datasets/v{version}", sha256="", counts={}, config={}))
        session.flush()
        for number, label in enumerate(labels):
            row = {"version": version, "kind": "sft", "split": "train", "number": number}
            session.add(DatasetRow(**row, label_id=label, sha256=""))


def model(life: Path, name: str, parent: str, *sources: str, stored: Sequence[str] = ()) -> None:
    """A model of the life whose lineage names a parent and what it learnt from, in files and in the store."""
    folder = life / "models" / name
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    data = [{"source": source} for source in sources] + [{"source": str(life), "stored": list(stored)}]
    lineage = new_lineage("finetune", {}, out=folder, parent=life / "models" / parent, data=data)
    write_lineage(folder, json.loads(json.dumps(lineage)))


def test_a_conversation_goes_with_all_that_was_made_of_it(store: Store, life: Path) -> None:
    kept = labelled_talk(store, "ben")
    before = numbers(store)
    gone = labelled_talk(store, "ana")
    done = forget_conversation(life, store, gone.conversation_id)
    assert done == Forgotten(1, 2, 1, 1, 1, [], [])
    assert numbers(store) == before
    with store.session() as session:
        assert session.scalars(select(Conversation.id)).all() == [kept.conversation_id]


def test_a_correction_goes_from_the_answers_that_it_was_proposed_for(store: Store, life: Path) -> None:
    gone, kept = labelled_talk(store, "ana"), labelled_talk(store, "ben")
    with store.session() as session:
        for author in ("label label of ana", "label label of ben", "assistant"):
            session.add(Draft(message_id=kept.message_id, author=author, text=author, critique=[]))
    forget_conversation(life, store, gone.conversation_id)
    with store.session() as session:
        assert set(session.scalars(select(Draft.author))) == {"label label of ben", "assistant"}


def test_battles_that_asked_its_question_go(store: Store, life: Path) -> None:
    gone = labelled_talk(store, "ana", "Where is the secret?")
    answers = {"answer_a": "a", "answer_b": "b", "model_a": "a", "model_b": "b", "winner": "tie", "judge": "labels"}
    with store.session() as session:
        for question in ("Where is the secret?", "Where is the bakery?"):
            session.add(Comparison(prompt=[{"role": "user", "content": question}], **answers))
    assert forget_conversation(life, store, gone.conversation_id).comparisons == 2
    with store.session() as session:
        assert session.scalars(select(Comparison)).one().prompt[0]["content"] == "Where is the bakery?"


def test_a_conversation_that_is_not_there_is_told(store: Store, life: Path) -> None:
    with pytest.raises(EyasError, match="there is no conversation nowhere"):
        forget_conversation(life, store, "nowhere")


def test_the_models_that_learnt_from_it_are_named_and_the_files_go(store: Store, life: Path) -> None:
    gone = labelled_talk(store, "ana")
    labelled_talk(store, "ben")
    dataset(store, life, 1, "label of ana", "label of ben")
    dataset(store, life, 2, "label of ben")
    dataset(store, life, 12, "label of ben")
    model(life, "fix-1", "assistant", f"{life}/datasets/v1/sft.train.jsonl", "world")
    model(life, "fix-2", "base", f"{life}/datasets/v2/sft.train.jsonl")
    model(life, "fix-3", "fix-1", "world")
    model(life, "fix-4", "base", f"{life}/datasets/v12/sft.train.jsonl")
    done = forget_conversation(life, store, gone.conversation_id)
    assert (done.datasets, done.models) == ([1], ["fix-1", "fix-3"])
    assert sorted(folder.name for folder in (life / "datasets").iterdir()) == ["v12", "v2"]
    with store.session() as session:
        assert session.scalars(select(Dataset.version).order_by(Dataset.version)).all() == [1, 2, 12]
        assert session.scalar(select(DatasetRow.label_id).where(DatasetRow.number == 0)) == "label of ana"


def test_the_models_that_learnt_from_the_store_itself_are_named(store: Store, life: Path) -> None:
    labelled_talk(store, "ana")
    other = labelled_talk(store, "ben")
    with store.session() as session:
        feedback(session, other.message_id, rating=1, user="ana")
        thumbs = {one.user: one.id for one in session.scalars(select(Feedback).where(Feedback.rating == 1))}
        votes = {one.message_b: one.id for one in session.scalars(select(Comparison))}
    model(life, "judge", "assistant", stored=["label of ana", votes[other.message_id]])
    model(life, "dpo", "assistant", stored=[votes[other.message_id]])
    model(life, "kto", "assistant", stored=[thumbs["ana"]])
    model(life, "later", "kto", "world")
    assert forget_person(life, store, "ana").models == ["judge", "kto", "later"]
    assert forget_conversation(life, store, other.conversation_id).models == ["dpo", "judge"]


def test_a_dataset_path_outside_the_life_is_left_alone(store: Store, life: Path) -> None:
    gone = labelled_talk(store)
    dataset(store, life, 1, "label of ana")
    (life.parent / "outside").mkdir()
    for path in ("../outside", "."):
        with store.session() as session:
            session.get_one(Dataset, 1).path = path
        forget_conversation(life, store, gone.conversation_id)
        assert life.is_dir() and (life.parent / "outside").is_dir()
        gone = labelled_talk(store)


def test_a_person_goes_with_their_talks_and_words_but_not_those_of_others(store: Store, life: Path) -> None:
    labelled_talk(store, "ana")
    other = labelled_talk(store, "ben")
    with store.session() as session:
        feedback(session, other.message_id, rating=1, user="ana")
        answers = {"answer_a": "a", "answer_b": "b", "model_a": "a", "model_b": "b", "winner": "tie", "judge": "ana"}
        session.add(Comparison(prompt=[], **answers))
    done = forget_person(life, store, "ana")
    assert done == Forgotten(1, 2, 2, 1, 2, [], [])
    with store.session() as session:
        assert session.scalars(select(Conversation.user)).all() == ["ben"]
        assert session.scalars(select(Feedback.user)).all() == ["ben"]


def test_a_labeller_loses_the_name_and_the_labels_stay(store: Store, life: Path) -> None:
    labelled_talk(store, "ana")
    with store.session() as session:
        session.add(Person(name="ben", token_sha256=""))
        session.add(Guideline(version=1, text="Be kind.", author="ben"))
        session.add(Promotion(action="promote", model="base", person="ben"))
    forget_person(life, store, "ben")
    with store.session() as session:
        names = [session.scalar(select(column)) for column in (Label.person, Guideline.author, Promotion.person)]
        assert len(set(names)) == 1 and str(names[0]).startswith("forgotten-")
        assert session.scalars(select(Person)).all() == []
        assert session.scalars(select(Comparison)).all() == []  # ben judged it
    with pytest.raises(EyasError, match="knows nobody called ben"):
        forget_person(life, store, "ben")


def test_a_group_gets_the_name_of_a_question_that_is_left_or_goes(store: Store, life: Path) -> None:
    talks = [labelled_talk(store, user, f"Question of {user}") for user in ("ana", "ben")]
    with store.session() as session:
        session.add(Group(id="g", title="Question of ana"))
        for flag in session.scalars(select(Flag)).all():
            flag.group_id = "g"
    forget_conversation(life, store, talks[0].conversation_id)
    with store.session() as session:
        assert session.get_one(Group, "g").title == "Question of ben"
    forget_conversation(life, store, talks[1].conversation_id)
    assert numbers(store) == {}


def test_old_talks_go(store: Store, life: Path) -> None:
    old = labelled_talk(store, "ana")
    labelled_talk(store, "ben")
    with store.session() as session:
        session.get_one(Conversation, old.conversation_id).updated -= 10 * 86400
    assert forget_old(life, store, older_than(9)).conversations == 1
    assert forget_old(life, store, older_than(9)).conversations == 0
    with store.session() as session:
        assert session.scalars(select(Message.text).where(Message.role == "user")).all() == ["Where is the secret?"]


def test_the_files_of_sqlite_hold_no_trace_of_what_was_forgotten(sqlite: Store, life: Path) -> None:
    with sqlite.session() as session:
        for number in range(50):
            record(session, turn(f"a harmless question {number}", "yes", user="ben"))
    gone = labelled_talk(sqlite, "ana")
    forget_conversation(life, sqlite, gone.conversation_id)
    kept = b"".join(file.read_bytes() for file in life.glob("eyas.db*"))
    assert b"harmless" in kept
    for word in (b"secret", b"cellar", gone.message_id.encode()):
        assert word not in kept.lower()
