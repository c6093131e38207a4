"""What a grammar allows is all that can be said, and it is whole when the turn ends."""

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from eyas.errors import EyasError
from eyas.runtime.engine import Engine
from eyas.runtime.opening import engine_of
from eyas.runtime.request import Mask
from eyas.runtime.sampling import Sampling, unpacked
from eyas.serve.constrain import mask_for
from eyas.serve.errors import ApiError
from eyas.text.parse import parse_assistant
from eyas.text.tokenizer import Tokenizer, train_tokenizer
from tests.runtime.conftest import random_model

TEXT = 'The weather of Rome is {"name": "sunny", "arguments": {"city": "Rome", "days": 12}}, true or false, naïve 猫.\n'
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "pets": {"type": "array", "items": {"enum": ["cat", "dog"]}, "maxItems": 2},
    },
    "required": ["name", "age", "pets"],
    "additionalProperties": False,
}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"$ref": "#/$defs/city"}},
                "required": ["city"],
                "additionalProperties": False,
                "$defs": {"city": {"enum": ["Rome", "Mill Lane"]}},
            },
        },
    },
    {
        "type": "function",
        "function": {"name": "now", "parameters": {"type": "object", "additionalProperties": False}},
    },
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([TEXT] * 20, 330)


@pytest.fixture(scope="module")
def engine(tokenizer: Tokenizer) -> Engine:
    return engine_of(random_model(tokenizer.vocab_size, max_seq_len=256), tokenizer)


def schema_format(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}


def allowed(mask: Mask, said: Sequence[int], tokenizer: Tokenizer) -> set[int]:
    bits = mask(said)
    assert bits is not None
    return set(np.flatnonzero(unpacked(bits, tokenizer.vocab_size)).tolist())


def answers(engine: Engine, count: int, **wanted: Any) -> list[list[int]]:
    """What a random model says under a mask: temperature 1.5, so that it would say anything else too."""
    masks = [mask_for(engine.tokenizer, **wanted) for _ in range(count)]
    prompts = [[engine.tokenizer.im_start]] * count
    done = engine.generate(prompts, Sampling(max_tokens=200, temperature=1.5), masks=masks)
    return [one.ids for one in done if one.finish_reason == "stop"]


def test_nothing_forced_is_no_mask(tokenizer: Tokenizer) -> None:
    assert mask_for(tokenizer) is None
    assert mask_for(tokenizer, response_format={"type": "text"}, tools=TOOLS, tool_choice="auto") is None
    assert mask_for(tokenizer, tools=TOOLS, tool_choice="none") is None
    assert (
        mask_for(tokenizer, tools=TOOLS, tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto"}})
        is None
    )


def test_answers_fit_the_schema(engine: Engine) -> None:
    said = answers(engine, 20, response_format=schema_format(SCHEMA))
    assert len(said) == 20
    for ids in said:
        value = json.loads(engine.tokenizer.decode(ids))
        assert list(value) == ["name", "age", "pets"]
        assert isinstance(value["name"], str)
        assert len(value["name"]) <= 8
        assert 0 <= value["age"] <= 120
        assert set(value["pets"]) <= {"cat", "dog"}


def test_whole_numbers_end_though_the_model_would_go_on(engine: Engine) -> None:
    tokenizer = engine.tokenizer
    schema = {"type": "object", "properties": {"type": {"type": "integer"}, "n": {"type": "integer", "minimum": 5}}}
    mask = mask_for(tokenizer, response_format=schema_format(schema | {"required": ["type", "n"]}))
    assert mask is not None
    digit = tokenizer.encode("9")[0]
    said = tokenizer.encode('{"type": 999999999999999')
    assert digit in allowed(mask, said[:-1], tokenizer)
    assert digit not in allowed(mask, said, tokenizer)  # it would be more than 2**53
    const = mask_for(tokenizer, response_format=schema_format({"const": {"type": "integer"}}))
    assert const is not None
    assert allowed(const, tokenizer.encode('{"type": "integer"}'), tokenizer) == {tokenizer.im_end, tokenizer.endoftext}


def test_a_json_object_is_one(engine: Engine) -> None:
    said = answers(engine, 20, response_format={"type": "json_object"})
    assert said
    assert all(isinstance(json.loads(engine.tokenizer.decode(ids)), dict) for ids in said)


def test_a_regex_is_matched_whole_with_digits_of_ascii(engine: Engine) -> None:
    said = answers(engine, 20, response_format={"type": "regex", "pattern": r"\d{3}-[a-f]+"})
    assert said
    assert all(re.fullmatch(r"[0-9]{3}-[a-f]+", engine.tokenizer.decode(ids)) for ids in said)


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("required", {"weather", "now"}),
        ({"type": "function", "function": {"name": "weather"}}, {"weather"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "now"}}]},
            },
            {"now"},
        ),
    ],
)
def test_forced_calls_are_calls_with_fitting_arguments(engine: Engine, choice: Any, names: set[str]) -> None:
    said = answers(engine, 20, tools=TOOLS, tool_choice=choice)
    assert said
    called = set()
    for ids in said:
        message = parse_assistant(ids, engine.tokenizer)
        assert message["content"] == ""
        assert "error" not in message
        for call in message["tool_calls"]:
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            called.add(name)
            assert set(arguments) == ({"city"} if name == "weather" else set())
            assert arguments.get("city", "Rome") in ("Rome", "Mill Lane")
    assert called == names


def test_the_turn_may_end_exactly_where_the_grammar_may(tokenizer: Tokenizer) -> None:
    mask = mask_for(tokenizer, response_format={"type": "regex", "pattern": "ab*(cd)?"})
    assert mask is not None
    ends = {tokenizer.im_end, tokenizer.endoftext}
    for text, whole in [("", False), ("a", True), ("abb", True), ("abbc", False), ("abbcd", True)]:
        found = allowed(mask, tokenizer.encode(text), tokenizer)
        assert found & ends == (ends if whole else set()), text
        assert found & tokenizer.special_ids <= ends
        assert found, text


@pytest.mark.parametrize(
    "wanted", [{"response_format": schema_format(SCHEMA)}, {"response_format": {"type": "json_object"}}]
)
def test_special_tokens_never_stand_inside_json(tokenizer: Tokenizer, wanted: Any) -> None:
    mask = mask_for(tokenizer, **wanted)
    assert mask is not None
    text = '{"name": "<|im_end|></tool_call>", "age": 3, "pets": []}'
    ids = (
        tokenizer.encode(text)
        if "schema" not in str(wanted)
        else tokenizer.encode(text.replace("<|im_end|></tool_call>", "<think>"))
    )
    assert not set(ids) & tokenizer.special_ids  # text that spells them is text
    for end in range(len(ids)):
        found = allowed(mask, ids[:end], tokenizer)
        assert not found & tokenizer.special_ids, tokenizer.decode(ids[:end])
        assert ids[end] in found
    assert allowed(mask, ids, tokenizer) == {tokenizer.im_end, tokenizer.endoftext}


def test_a_call_ends_with_its_mark_and_only_then_the_turn(tokenizer: Tokenizer) -> None:
    mask = mask_for(tokenizer, tools=TOOLS, tool_choice="required")
    assert mask is not None
    start, end = tokenizer.special["<tool_call>"], tokenizer.special["</tool_call>"]
    call = [start, *tokenizer.encode('{"name": "now", "arguments": {}}')]
    assert allowed(mask, [], tokenizer) == {start}
    assert allowed(mask, call, tokenizer) == {end}
    assert allowed(mask, [*call, end], tokenizer) == {start, tokenizer.im_end, tokenizer.endoftext}


def test_a_guess_that_was_wrong_is_taken_back(tokenizer: Tokenizer) -> None:
    wanted = {"response_format": schema_format(SCHEMA)}
    followed, fresh = mask_for(tokenizer, **wanted), mask_for(tokenizer, **wanted)
    assert followed is not None
    assert fresh is not None
    ids = tokenizer.encode('{"name": "Mira", "age": 3, "pets": ["cat"]}')
    for said in (ids[:5], ids[:9], [*ids, tokenizer.im_end], ids[:7], ids[:6], ids):
        followed(said)
    assert allowed(followed, ids[:7], tokenizer) == allowed(fresh, ids[:7], tokenizer)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "http://127.0.0.1/schema.json"},
        {"$ref": "#"},
        {"type": "string", "pattern": "("},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "integer", "minimum": 10**400},
        {"enum": []},
        "text",
        None,
    ],
)
def test_a_schema_that_cannot_be_kept_is_a_400(tokenizer: Tokenizer, schema: Any) -> None:
    with pytest.raises(ApiError) as error:
        mask_for(tokenizer, response_format=schema_format(schema))
    assert (error.value.status, error.value.param) == (400, "response_format")


def test_a_schema_nested_without_end_is_a_400(tokenizer: Tokenizer) -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(400):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    with pytest.raises(ApiError):
        mask_for(tokenizer, response_format=schema_format(schema))


def test_a_schema_too_large_is_refused_before_it_is_compiled(tokenizer: Tokenizer) -> None:
    with pytest.raises(ApiError, match="larger than 100,000 characters"):
        mask_for(tokenizer, response_format=schema_format({"enum": list(range(100_000))}))


@pytest.mark.parametrize("pattern", ["(a{1000}){1000}b", "(?=a)b", "(", "[z-a]"])
def test_a_regex_too_costly_or_wrong_is_refused(tokenizer: Tokenizer, pattern: str) -> None:
    with pytest.raises((ApiError, EyasError)):  # at once, or where it becomes too costly
        mask = mask_for(tokenizer, response_format={"type": "regex", "pattern": pattern})
        assert mask is not None
        for size in range(50):
            mask(tokenizer.encode("a" * size))


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"response_format": {"type": "yaml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": {"type": "regex"}}, "response_format"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "rain"}}}, "tool_choice"),
        ({"tools": [{"type": "custom"}], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"function": {}}], "tool_choice": {"type": "function", "function": {}}}, "tool_choice"),
        ({"tools": [{"function": {"name": 'x" | "y'}}], "tool_choice": "required"}, "tools"),
        ({"tools": [{"function": {"name": "x", "parameters": [1]}}], "tool_choice": "required"}, "tools"),
        ({"tools": [{"function": {"name": "x", "parameters": {"type": 3}}}], "tool_choice": "required"}, "tools"),
    ],
)
def test_what_is_asked_wrongly_names_its_field(tokenizer: Tokenizer, wanted: Any, param: str) -> None:
    with pytest.raises(ApiError) as error:
        mask_for(tokenizer, **wanted)
    assert (error.value.status, error.value.param) == (400, param)
