"""The queue, labels, what two people agree on, and a correction proposed for its whole group."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eyas.errors import EyasError
from eyas.flywheel.agreement import agreements, counts
from eyas.flywheel.drafts import Desk
from eyas.flywheel.labels import DOUBLED, is_doubled, item, label, label_of, queue, spoken, take_back
from eyas.flywheel.proposals import propose
from eyas.store.conversations import feedback
from eyas.store.database import Store, open_store
from eyas.store.tables import Draft, Flag, Group
from tests.flywheel.labelled import answered, grouped, labelled


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def for_one(store: Store, asked: str = "Where?", said: str = "There.") -> str:
    """An answer that only one person needs to label: ids are drawn by chance, and one in five is for two."""
    while is_doubled(message := answered(store, asked, said)):
        pass
    return message


def flagged(store: Store, kind: str = "thumbs_down", score: float = 1.0, asked: str = "Who?", said: str = "Me.") -> str:
    message = for_one(store, asked, said)
    with store.session() as session:
        session.add(Flag(message_id=message, kind=kind, score=score))
    return message


def waiting(store: Store, person: str = "Ann", group_id: str | None = None) -> list[str]:
    with store.session() as session:
        return [one.message_id for one in queue(session, person, group_id)]


def test_the_surest_flag_and_the_largest_group_come_first(store: Store) -> None:
    unsure, loop, alone = flagged(store, "low_confidence"), flagged(store, "loop"), flagged(store)
    half = flagged(store, "contradiction", 0.5)
    alike = [flagged(store, "tool_error") for _ in range(16)]
    answered(store, "Not flagged?", "No.")
    with store.session() as session:
        group = Group(title="sixteen")
        session.add(group)
        session.flush()
        for flag in session.query(Flag).where(Flag.message_id.in_(alike)):
            flag.group_id = group.id
        found = group.id
    assert waiting(store) == [*alike, alone, loop, half, unsure]
    assert waiting(store, group_id=found) == alike


def test_corrections_of_a_group_make_room_for_what_nobody_has_corrected(store: Store) -> None:
    alike, alone = [for_one(store) for _ in range(4)], flagged(store)
    grouped(store, alike)
    assert waiting(store)[0] != alone
    labelled(store, alike[0], "Here.")
    assert waiting(store, "Bob")[0] != alone  # worth 3 * 2 / (1 + 1) = 3, and older
    labelled(store, alike[1], "Here.")
    assert waiting(store, "Bob")[0] == alone


def test_a_closed_group_waits_no_more(store: Store) -> None:
    message = answered(store, "Where?", "There.")
    grouped(store, [message])
    with store.session() as session:
        session.query(Group).one().status = "closed"
    assert waiting(store) == []


def test_what_one_has_labelled_is_offered_to_another_last_and_to_a_third_never(store: Store) -> None:
    first, other = flagged(store), flagged(store, "low_confidence")
    labelled(store, first, "Right.", "Ann")
    assert waiting(store, "Ann") == [other]
    assert waiting(store, "Bob") == [other, first]
    with store.session() as session:
        assert [one.second for one in queue(session, "Bob")] == [False, True]
    labelled(store, first, None, "Bob")
    assert waiting(store, "Cid") == [other]


def test_one_in_some_keeps_its_place_until_two_have_labelled_it(store: Store) -> None:
    assert sum(is_doubled(f"{i:032x}") for i in range(1000)) == 1000 / DOUBLED
    while not is_doubled(doubled := answered(store, "Who?", "Me.")):
        pass
    with store.session() as session:
        session.add(Flag(message_id=doubled, kind="thumbs_down"))
    unsure = flagged(store, "low_confidence")
    labelled(store, doubled, "Right.", "Ann")
    assert waiting(store, "Bob") == [doubled, unsure]


def test_a_label_keeps_who_when_which_version_and_what_it_started_from(store: Store) -> None:
    message, elsewhere = flagged(store, "loop"), flagged(store)
    grouped(store, [message])
    before = time.time()
    with store.session() as session:
        draft = Draft(message_id=message, author="assistant", text="Ada.")
        session.add(draft)
        session.flush()
        made = label(session, message, "Ann", "accepted", " Ada.\r\nYes. ", draft_id=draft.id, guideline_version=3)
        assert (made.answer, made.draft_id, made.guideline_version) == ("Ada.\nYes.", draft.id, 3)
        assert made.created >= before and made.group_id == session.query(Group).one().id
        other = label(session, elsewhere, "Ann", "accepted", "No.", draft_id=draft.id)
        assert other.draft_id is None  # a draft of another answer is none of this one
    with store.session() as session:
        found = item(session, message, "Ann")
        assert found.own is not None and found.question == "Who?" and found.message.text == "Me."
        assert item(session, message, "Bob").own is None


def test_the_last_word_of_a_person_counts_and_can_be_taken_back(store: Store) -> None:
    message = flagged(store)
    first = labelled(store, message, "Ada.")
    assert labelled(store, message, None) == first
    with store.session() as session:
        found = label_of(session, message, "Ann")
        assert found is not None and (found.verdict, found.answer) == ("discarded", "")
        take_back(session, message, "Ann")
    assert waiting(store) == [message]
    with pytest.raises(EyasError, match="Ann has no label"), store.session() as session:
        take_back(session, message, "Ann")


@pytest.mark.parametrize(
    ("verdict", "answer", "why"),
    [
        ("maybe", "x", "not 'maybe'"),
        ("accepted", " \n", "needs the right answer"),
        ("accepted", "x" * 20_001, "20,001"),
    ],
)
def test_a_label_that_says_nothing_is_refused(store: Store, verdict: str, answer: str, why: str) -> None:
    message = flagged(store)
    with pytest.raises(EyasError, match=why), store.session() as session:
        label(session, message, "Ann", verdict, answer)
    with pytest.raises(EyasError, match="no answer nowhere"), store.session() as session:
        label(session, "nowhere", "Ann", "discarded")
    assert waiting(store) == [message]


def test_a_question_is_nothing_to_label(store: Store) -> None:
    with store.session() as session:
        question = item(session, flagged(store), "Ann").history[0].id
    with pytest.raises(EyasError, match="is no answer"), store.session() as session:
        item(session, question, "Ann")


def test_a_thought_written_in_front_is_no_part_of_what_the_user_sees() -> None:
    assert spoken("<think>register Ada: yes</think>\n\nAda.") == "Ada."
    assert spoken("A <think>b</think>") == "A"


def test_agreement_is_about_what_is_to_be_done_and_about_the_words(store: Store) -> None:
    said = {
        "Ada lives in Mill Lane.": ("ada lives in mill lane", "Ada lives in Oak Row.", "I don't know Ada."),
        "I don't know Ada.": ("I do not know anyone called Ada.", "I don't know Ada."),
        "I will not help with that.": ("I can't help with moon salt.",),
        None: (None, "Ada."),
    }  # fmt: skip
    for ann, bobs in said.items():
        for bob in bobs:
            message = answered(store, "Ada?", "No.")
            labelled(store, message, ann, "Ann")
            labelled(store, message, bob, "Bob")
    labelled(store, answered(store, "Ida?", "No."), "Alone.", "Ann")
    with store.session() as session:
        (pair,) = agreements(session)
        assert [(one.person, one.labels, one.accepted) for one in counts(session)] == [("Ann", 9, 7), ("Bob", 8, 7)]
    assert (pair.one, pair.other, pair.items) == ("Ann", "Bob", 8)
    assert pair.sorts.share == 6 / 8 and pair.sorts.low <= pair.sorts.kappa <= pair.sorts.high
    # Of chance: both 3/8 * 3/8 answers, 2/8 * 3/8 declines, 1/8 * 1/8 refuses, 2/8 * 1/8 discards
    chance = (3 * 3 + 2 * 3 + 1 * 1 + 2 * 1) / 64
    assert pair.sorts.kappa == pytest.approx((6 / 8 - chance) / (1 - chance))
    assert (pair.same.hits, pair.same.n) == (2, 6)


def test_a_correction_is_proposed_for_its_group_and_accepted_by_nobody(tmp_path: Path, store: Store) -> None:
    where = [
        "Where does Ada Potter live?",
        "Hello! In which street is Ada Potter's house?",
        "Where does Ida Stone live?",
    ]
    messages = [answered(store, one, "Ada Potter lives in Oak Row.") for one in where]
    grouped(store, messages)
    with store.session() as session:
        made = label(session, messages[0], "Ann", "accepted", "Ada Potter lives in Mill Lane.")
        drafts = propose(session, Desk(tmp_path, store), made)
        assert [(one.message_id, one.text) for one in drafts] == [(messages[1], "Ada Potter lives in Mill Lane.")]
        assert drafts[0].author == f"label {made.id}" and drafts[0].critique
        assert propose(session, Desk(tmp_path, store), made) == drafts  # those are there already
        assert session.query(Draft).count() == 1
        assert label_of(session, messages[1], "Ann") is None
    assert set(waiting(store)) == set(messages[1:])


def test_declining_is_proposed_under_the_other_name_and_other_numbers_get_nothing(tmp_path: Path, store: Store) -> None:
    asked = ["Who is Ada Potter?", "Who is Ida Stone?", "Who are Ida Stone and Bob Reed?", "Who is Ada Potter, 7?"]
    messages = [answered(store, one, "The mayor.") for one in asked]
    grouped(store, messages)
    with store.session() as session:
        made = label(session, messages[0], "Ann", "accepted", "I don't know anyone called Ada Potter.")
        drafts = {one.message_id: one.text for one in propose(session, Desk(tmp_path, store), made)}
    assert drafts == {messages[1]: "I don't know anyone called Ida Stone."}


def test_only_a_correction_in_a_group_can_be_proposed(tmp_path: Path, store: Store) -> None:
    alone, discarded = flagged(store), flagged(store, "loop")
    grouped(store, [discarded])
    for message, right in ((alone, "Ada."), (discarded, None)):
        labelled(store, message, right)
        with pytest.raises(EyasError, match="only an accepted correction"), store.session() as session:
            found = label_of(session, message, "Ann")
            assert found is not None
            propose(session, Desk(tmp_path, store), found)


def test_what_a_user_wrote_and_thought_stands_beside_the_item(store: Store) -> None:
    message = flagged(store)
    with store.session() as session:
        feedback(session, message, rating=-1, comment="not she", better="Ida.", user="u1")
        assert [(one.comment, one.better) for one in item(session, message, "Ann").feedback] == [("not she", "Ida.")]
