"""Battles that were decided once are known again, whatever the models said."""

import random
from pathlib import Path

import pytest

from eyas.arena.book import Battle, Book

ODD = ["a\0b", "\0", " \0 ", "\ufeffhi", "a\r\nb", "\x85q\x85", "a\u2028b", "", "e\u0301"]


def battle(prompt: str, answer: str) -> Battle:
    said = [[{"role": "assistant", "content": text}] for text in (answer, "yes")]
    return Battle([{"role": "user", "content": prompt}], said[0], said[1], "one", "other", "tie", "world")


@pytest.mark.parametrize("place", ["life", "battles.jsonl"])
def test_what_a_young_model_says_in_bytes_is_known_again(place: str, tmp_path: Path) -> None:
    rng = random.Random(0)
    texts = ODD + ["".join(chr(rng.randrange(0, rng.choice([32, 256, 0xD800]))) for _ in range(8)) for _ in range(200)]
    path = tmp_path / place
    battles = [battle(f"question {number}", text) for number, text in enumerate(texts)]
    if place == "life":
        path.mkdir()
    Book(path)._add(battles)
    again = Book(path)
    assert len(again.battles) == len(battles)
    assert {one.asked for one in again.battles} == {one.asked for one in battles}
