"""Tokens become text, thoughts and calls, whatever the pieces they come in."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.runtime.request import Completion
from eyas.serve.splitter import Splitter
from eyas.text.tokenizer import Tokenizer, train_tokenizer
from tests.serve.small import TEXT


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([TEXT] * 20, 330)


def ids_of(tokenizer: Tokenizer, *parts: str) -> list[int]:
    """Special tokens where a part is the name of one, else its text."""
    found: list[int] = []
    for part in parts:
        found += [tokenizer.special[part]] if part in tokenizer.special else tokenizer.encode(part)
    return found


def split(tokenizer: Tokenizer, ids: Sequence[int], sizes: Sequence[int], **options: Any) -> tuple[Splitter, list[Any]]:
    """Feed `ids` in pieces of these sizes, then the rest."""
    done = Completion(list(ids), [-0.5] * len(ids), [[(ids[0], -0.1)]] * len(ids))
    splitter, deltas, at = Splitter(tokenizer, **options), [], 0
    for size in [*sizes, len(ids)]:
        upto = min(at + size, len(ids))
        deltas += splitter.feed(done, at, upto)
        at = upto
    return splitter, deltas + splitter.flush()


def text_of(deltas: Sequence[Any]) -> str:
    return "".join(delta.text for delta in deltas)


CALL = '{"name": "calculator", "arguments": {"expression": "2 * 3"}}'


def test_thoughts_text_and_calls_are_told_apart(tokenizer: Tokenizer) -> None:
    parts = ("<think>", "\nsix?\n", "</think>", "\n\nIt is", "<tool_call>", CALL, "</tool_call>")
    splitter, deltas = split(tokenizer, ids_of(tokenizer, *parts), [1] * 200)
    assert text_of(deltas) == "It is" and "".join(delta.reasoning for delta in deltas) == "six?"
    message = splitter.message()
    assert (message["content"], message["reasoning_content"]) == ("It is", "six?")
    (call,) = message["tool_calls"]
    assert call["function"]["name"] == "calculator" and call["id"].startswith("call_")
    assert json.loads(call["function"]["arguments"]) == {"expression": "2 * 3"}


@pytest.mark.parametrize("call", ['{"name": 3}', "{", '{"name": "x", "arguments": []}'])
def test_a_call_that_is_none_stays_text(tokenizer: Tokenizer, call: str) -> None:
    ids = ids_of(tokenizer, "So: ", "<tool_call>", call, "</tool_call>")
    splitter, deltas = split(tokenizer, ids, [1] * 99)
    assert text_of(deltas) == f"So: <tool_call>{call}</tool_call>" == splitter.message()["content"]
    assert "tool_calls" not in splitter.message() and "call" in splitter.message()["error"]


def test_a_call_that_is_cut_off_stays_text(tokenizer: Tokenizer) -> None:
    splitter, deltas = split(tokenizer, ids_of(tokenizer, "<tool_call>", '{"name": "calc'), [])
    assert text_of(deltas) == '<tool_call>{"name": "calc' and "error" in splitter.message()


def test_text_that_spells_a_special_token_is_text(tokenizer: Tokenizer) -> None:
    _, deltas = split(tokenizer, tokenizer.encode("<think>no</think><tool_call>"), [1] * 99)
    assert text_of(deltas) == "<think>no</think><tool_call>"


def test_raw_shows_every_token(tokenizer: Tokenizer) -> None:
    _, deltas = split(tokenizer, ids_of(tokenizer, "a", "<think>", "b"), [1] * 9, raw=True)
    assert text_of(deltas) == "a<think>b"


def test_a_stop_string_is_held_back_over_borders_and_never_told(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("The cat sat on a mat, END of it")
    for stops in (("END",), ("D of", "END"), (" END",), ("END of it", "mat!")):
        splitter, deltas = split(tokenizer, ids, [1] * 99, stop=stops, with_tokens=True)
        first = min(
            (text.find(stop), stop) for text in ["The cat sat on a mat, END of it"] for stop in stops if stop in text
        )
        assert splitter.stopped == first[1]
        assert text_of(deltas) == "The cat sat on a mat, END of it"[: first[0]]
        told = b"".join(token.data for delta in deltas for token in delta.tokens).decode()
        assert told.startswith(text_of(deltas)) and len(told) - len(text_of(deltas)) < 8  # a token may overlap
        assert splitter.read < len(ids) or stops[0].endswith("it")


def test_what_only_began_a_stop_string_comes_in_the_end(tokenizer: Tokenizer) -> None:
    splitter, deltas = split(tokenizer, tokenizer.encode("The goat E"), [1] * 99, stop=("END",))
    assert text_of(deltas) == "The goat E" and not splitter.stopped


def test_half_characters_wait_for_their_other_half(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("na\u00efve \U0001f408 \u732b")
    _, deltas = split(tokenizer, ids, [1] * 99)
    assert text_of(deltas) == "na\u00efve \U0001f408 \u732b" and "\ufffd" not in text_of(deltas)


PIECES = [
    "<think>",
    "</think>",
    "<tool_call>",
    CALL,
    "</tool_call>",
    "\n",
    "\n\n",
    "The cat",
    " sat.",
    "na\u00efve \U0001f408",
    "STOP",
    "ST",
]


@settings(max_examples=150, deadline=None)
@given(
    parts=st.lists(st.sampled_from(PIECES), min_size=1, max_size=12),
    sizes=st.lists(st.integers(1, 9), max_size=30),
    stop=st.sampled_from([(), ("STOP",), (" sat", "OP")]),
    with_tokens=st.booleans(),
)
def test_the_pieces_do_not_matter(
    tokenizer: Tokenizer, parts: list[str], sizes: list[int], stop: tuple[str, ...], with_tokens: bool
) -> None:
    ids = ids_of(tokenizer, *parts)
    whole, at_once = split(tokenizer, ids, [], stop=stop, with_tokens=with_tokens)
    pieced, in_pieces = split(tokenizer, ids, sizes, stop=stop, with_tokens=with_tokens)
    assert text_of(at_once) == text_of(in_pieces) == whole.message()["content"]
    assert plain(whole.message()) == plain(pieced.message())
    assert (whole.stopped, whole.read, whole.reasoning_tokens) == (pieced.stopped, pieced.read, pieced.reasoning_tokens)
    told = [[token for delta in deltas for token in delta.tokens] for deltas in (at_once, in_pieces)]
    assert told[0] == told[1]
    assert not any(one in text_of(in_pieces) for one in stop)


def plain(message: dict[str, Any]) -> dict[str, Any]:
    """Without the ids of calls, which are drawn."""
    calls = [call["function"] for call in message.get("tool_calls", [])]
    return {key: value for key, value in message.items() if key != "tool_calls"} | {"calls": calls}
