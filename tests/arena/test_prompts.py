"""What models are asked when their answers are compared."""

import json
from pathlib import Path
from typing import Any

import pytest

from eyas.arena.prompts import read_prompts
from eyas.errors import EyasError
from eyas.store.conversations import record
from eyas.store.database import open_store
from eyas.world.people import World
from tests.store.turns import turn

WORLD = World(0, 20)


def asked(source: str | Path, n: int = 100, **given: Any) -> list[list[str]]:
    """The texts of every prompt's messages."""
    settings = {"life": None, "world": WORLD, "split": "train", "seed": 0} | given
    return [[str(one["content"]) for one in prompt.messages] for prompt in read_prompts(str(source), n, **settings)]


def test_the_worlds_prompts_to_learn_from_and_to_examine_with_are_different_ones() -> None:
    train, other = asked("world", 60), asked("world", 60, split="exam")
    assert len(train) == len(other) == 60 and not {one[0] for one in train} & {one[0] for one in other}
    assert asked("world", 60)[:20] == asked("world", 20)


def test_the_exam_is_asked_section_by_section_without_notices_to_look_up() -> None:
    found = read_prompts("exam", 30, life=None, world=WORLD, split="exam", seed=0)
    kinds = [prompt.question.kind for prompt in found if prompt.question is not None]
    assert len(found) == len(kinds) == 30 and len(set(kinds[:9])) > 5 and "lookup" not in kinds
    with pytest.raises(EyasError, match="--prompts exam asks of the world"):
        asked("exam", world=None)


def test_people_s_questions_come_with_what_went_before(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.session() as session:
        record(session, turn("Who is Ada?", "A baker.", "Where is she?", "In Oxham."))
        record(session, turn("Who is Ada?", "A smith.", user="another"))
        picture = {"type": "image_url", "image_url": {"url": "x"}}
        seen = [{"type": "text", "text": "And this?"}, picture]
        record(session, turn("", "Nice.", messages=[{"role": "user", "content": seen}]))
    store.close()
    found = asked("store", life=tmp_path)
    assert sorted(found) == [["Who is Ada?"], ["Who is Ada?", "A baker.", "Where is she?"]]
    assert asked("store", 1, life=tmp_path) == found[:1]


def test_a_files_rows_are_asked_up_to_their_last_question_and_once(tmp_path: Path) -> None:
    def row(*texts: str) -> dict[str, Any]:
        roles = ("user", "assistant") * 2
        return {"messages": [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]}

    rows = [row("Hi", "Hello", "Who?", "Ada"), row("Hi", "Hello"), {"prompt": "Hi"}, {"prompt": "Why?"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert asked(tmp_path / "rows.jsonl") == [["Hi", "Hello", "Who?"], ["Hi"], ["Why?"]]
    (tmp_path / "text.jsonl").write_text('{"text": "Once."}')
    with pytest.raises(EyasError, match="holds rows without a question"):
        asked(tmp_path / "text.jsonl")
