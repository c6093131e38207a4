"""`eyas next` and `eyas dream` on an untrained model: the figures add up, the same seed gives the same dreams."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyas.cli.main import run
from eyas.cli.models import token_text
from eyas.cli.show import harmless, plain


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_next_gives_a_distribution_and_the_surprise_of_every_token(
    life: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(capsys, "next", f"{life}/base", "Mira lives", "--top", "1000")
    total = sum(one["probability"] for one in found["candidates"])
    assert total == pytest.approx(1, abs=1e-6)
    ranked = [one["probability"] for one in found["candidates"]]
    assert ranked == sorted(ranked, reverse=True)
    expected = -sum(one * math.log2(one) for one in ranked)
    assert found["entropy"] == pytest.approx(expected, rel=1e-4)
    assert "".join(one["text"] for one in found["prompt"]) == "Mira lives"
    bits = sum(one["bits"] for one in found["prompt"])
    assert found["bits_per_byte"] == pytest.approx(bits / len("Mira lives"))


def test_the_surprise_of_a_token_is_its_probability_before(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    longer = answer(capsys, "next", f"{life}/base", "Mira lives")["prompt"]
    shorter = answer(capsys, "next", f"{life}/base", "Mira", "--top", "1000")
    assert [one["id"] for one in longer[: len(shorter["prompt"])]] == [one["id"] for one in shorter["prompt"]]
    after = longer[len(shorter["prompt"])]
    probability = next(one["probability"] for one in shorter["candidates"] if one["id"] == after["id"])
    assert after["bits"] == pytest.approx(-math.log2(probability), rel=1e-4)


def test_temperature_bends_the_distribution_and_nothing_else(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cold, warm = (answer(capsys, "next", f"{life}/base", "Mira", "--temperature", one) for one in ("0.1", "1"))
    assert cold["entropy"] < warm["entropy"] and cold["bits_per_byte"] == warm["bits_per_byte"]
    assert [one["id"] for one in cold["candidates"]] == [one["id"] for one in warm["candidates"]]


def test_next_of_nothing_is_the_beginning_of_a_document(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "next", f"{life}/base", "")
    assert found["prompt"] == [] and found["bits_per_byte"] is None and found["candidates"]


def test_next_in_a_chat_reads_the_text_as_a_users_turn(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "next", f"{life}/assistant", "Mira?", "--chat")
    text = "".join(one["text"] for one in found["prompt"])
    assert "user" in text and "Mira?" in text and text.endswith("assistant\\n")


def test_next_draws_a_table_of_bars(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["next", f"{life}/base", "Mira lives", "--top", "4"]) == 0
    text = capsys.readouterr().out
    assert text.count("█") >= 4 and " %" in text and "entropy" in text and "bits per byte" in text


def test_dreams_are_the_same_for_the_same_seed_and_differ_within_it(
    life: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["dream", f"{life}/base", "-n", "3", "--max-tokens", "20", "--prompt", "Mira", "--seed"]
    first, again, other = (answer(capsys, *arguments, seed) for seed in ("1", "1", "2"))
    assert first == again != other
    assert len({dream["text"] for dream in first}) == 3
    assert all(dream["text"].startswith("Mira") and dream["tokens"] <= 20 for dream in first)


def test_dreams_are_printed_under_titles(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dream", f"{life}/base", "-n", "2", "--max-tokens", "8"]) == 0
    text = capsys.readouterr().out
    assert "── dream 1 " in text and "── dream 2 " in text


@pytest.mark.parametrize("verb", [["next", "MODEL", "x"], ["dream", "MODEL"], ["chat", "MODEL"], ["lineage", "MODEL"]])
def test_a_model_that_is_not_there_is_one_sentence(
    verb: list[str], life: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([f"{life}/nobody" if word == "MODEL" else word for word in verb]) == 1
    error = capsys.readouterr().err
    assert error.startswith("eyas: there is no model") and "assistant" in error and error.count("\n") == 1


def test_a_text_longer_than_the_context_is_one_sentence(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["next", f"{life}/base", "no " * 1000]) == 1
    error = capsys.readouterr().err
    assert error.startswith("eyas: ") and "context of 256" in error and error.count("\n") == 1


def test_what_a_model_writes_cannot_steer_the_terminal() -> None:
    assert harmless("a\tb\n\x1b[2J\x07\x9b1m\x7fé") == "a\tb\n\\x1b[2J\\x07\\x9b1m\\x7fé"


class Bytes:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def decode_bytes(self, ids: list[int]) -> bytes:
        return self.data


@pytest.mark.parametrize(
    ("data", "text"),
    [(b" Mira", " Mira"), (b"\n\n", "\\n\\n"), (b"\xc3", "\\xc3"), (b"\x1b", "\\x1b"), ("é🦅".encode(), "é🦅")],
)
def test_a_token_is_shown_so_that_it_can_be_seen(data: bytes, text: str) -> None:
    stand_in: Any = Bytes(data)
    assert token_text(stand_in, 0) == text


def test_figures_that_json_cannot_hold_become_null() -> None:
    assert plain({"a": float("nan"), "b": [np.float32(0.5)], "c": Path("x"), "d": np.arange(2)}) == {
        "a": None,
        "b": [0.5],
        "c": "x",
        "d": [0, 1],
    }
