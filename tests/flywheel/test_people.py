"""Tokens of people: told once, kept as hashes, void when the person is removed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from eyas.errors import EyasError
from eyas.flywheel.people import add_person, check_token, names, remove_person
from eyas.store.database import Store, open_store
from eyas.store.tables import Person


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def test_the_token_opens_for_its_person_alone(store: Store) -> None:
    with store.session() as session:
        ada, bob = add_person(session, " ada "), add_person(session, "bob")
    assert ada != bob and len(ada) >= 32
    with store.session() as session:
        assert names(session) == ["ada", "bob"]
        assert (found := check_token(session, "ada", f"{ada}\n")) is not None and found.name == "ada"
        for name, token in (("ada", bob), ("ada", ""), ("ada", ada[:-1]), ("nobody", ada), ("nobody", "")):
            assert check_token(session, name, token) is None


def test_the_store_does_not_know_the_token(store: Store) -> None:
    with store.session() as session:
        token = add_person(session, "ada")
    with store.session() as session:
        kept = session.get_one(Person, "ada").token_sha256
    assert token not in kept and len(kept) == 64


def test_a_removed_person_gets_in_no_more_and_may_come_back_with_another_token(store: Store) -> None:
    with store.session() as session:
        old = add_person(session, "ada")
        with pytest.raises(EyasError, match="ada is a person here already"):
            add_person(session, "ada")
        remove_person(session, "ada")
        assert check_token(session, "ada", old) is None
        new = add_person(session, "ada")
        assert new != old and check_token(session, "ada", old) is None and check_token(session, "ada", new)
        with pytest.raises(EyasError, match="no person 'bob' to remove; there is ada"):
            remove_person(session, "bob")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[31m", "x" * 61])
def test_a_name_that_no_page_could_show_is_refused(store: Store, name: str) -> None:
    with pytest.raises(EyasError, match="printable"), store.session() as session:
        add_person(session, name)
