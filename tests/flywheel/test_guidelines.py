"""Labelling instructions: their points, whose they are, and the versions that labels keep."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from eyas.errors import EyasError
from eyas.flywheel.guidelines import MAX_CHARACTERS, change, current, page_of, points, versions
from eyas.store.database import Store, open_store

PAGE = """# A title, which is no point

Words before the first section are none either.

## 1. Answers
- Short ones: at most
  two sentences.
- Polite ones.

## 4. Sums (`arithmetic`)

A sum is worked out.

## What all have in common

First this.
* Then that.
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def test_every_item_of_a_list_is_a_point_and_so_is_a_paragraph() -> None:
    found = [(one.number, one.section, one.kind, one.text) for one in points(PAGE)]
    assert found == [
        ("1.1", "Answers", "", "Short ones: at most two sentences."),
        ("1.2", "Answers", "", "Polite ones."),
        ("4", "Sums", "arithmetic", "A sum is worked out."),
        ("5.1", "What all have in common", "", "First this."),
        ("5.2", "What all have in common", "", "Then that."),
    ]


def test_no_two_points_of_the_pages_that_come_with_eyas_share_a_number(tmp_path: Path) -> None:
    (tmp_path / "life.json").write_text(json.dumps({"data": ["world:2", "notes.txt"]}))
    for page in (page_of(tmp_path), page_of(tmp_path / "another")):
        numbers = [one.number for one in points(page.read_text(encoding="utf-8"))]
        assert len(numbers) == len(set(numbers)) >= 9


def test_a_life_of_the_world_starts_with_the_worlds_page_and_its_own_page_goes_before(tmp_path: Path) -> None:
    other = page_of(tmp_path)
    (tmp_path / "life.json").write_text(json.dumps({"data": ["world"]}))
    assert "Tarnby" in page_of(tmp_path).read_text(encoding="utf-8") and page_of(tmp_path) != other
    (tmp_path / "labelling.md").write_text(PAGE)
    assert page_of(tmp_path) == tmp_path / "labelling.md"


def test_a_changed_page_becomes_a_version_and_an_unchanged_one_does_not(tmp_path: Path, store: Store) -> None:
    with store.session() as session:
        assert current(session, tmp_path).version == current(session, tmp_path).version == 1
    (tmp_path / "labelling.md").write_text(PAGE)
    with store.session() as session:
        assert (made := current(session, tmp_path, "Ann")).version == 2 and made.author == "Ann"
        assert change(session, tmp_path, PAGE.replace("Polite", "Honest"), "Bob").version == 3
    assert "Honest ones." in (tmp_path / "labelling.md").read_text()
    with store.session() as session:
        assert [(one.version, one.author) for one in versions(session)] == [(3, "Bob"), (2, "Ann"), (1, "")]
        assert versions(session)[1].text == PAGE


@pytest.mark.parametrize(("text", "why"), [("no heading", "no point"), (PAGE + "x" * MAX_CHARACTERS, "characters")])
def test_a_page_without_points_or_end_is_refused_and_nothing_changes(
    tmp_path: Path, store: Store, text: str, why: str
) -> None:
    with pytest.raises(EyasError, match=why), store.session() as session:
        change(session, tmp_path, text, "Ann")
    assert not (tmp_path / "labelling.md").exists()


def test_a_page_that_cannot_be_read_is_named(tmp_path: Path, store: Store) -> None:
    (tmp_path / "labelling.md").write_bytes(b"\xff\xfe")
    with pytest.raises(EyasError, match=r"labelling\.md cannot be read"), store.session() as session:
        current(session, tmp_path)
