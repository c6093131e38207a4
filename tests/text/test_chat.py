from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.errors import EyasError
from eyas.text import Tokenizer, parse_assistant, render, render_text
from tests.text.strings import hostile, ordinary, property_test

CALCULATOR = {
    "type": "function",
    "function": {
        "name": "calculator",
        "description": "Works out <sums> & more.",
        "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}},
    },
}


def chats(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Chats of every shape with strings from `text`."""
    json_values = st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False, allow_infinity=False), text),
        lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(text, inner, max_size=2)),
        max_leaves=4,
    )
    function = st.fixed_dictionaries({"name": text, "arguments": st.dictionaries(text, json_values, max_size=2)})
    call = st.fixed_dictionaries({"type": st.just("function"), "function": function})
    assistant = st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": text},
        optional={"reasoning_content": text, "tool_calls": st.lists(call, max_size=2)},
    )
    other = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "tool"]), "content": text})
    return st.lists(st.one_of(other, assistant), min_size=1, max_size=5)


def tool_lists(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[dict[str, Any]] | None]:
    named = text.map(lambda name: {"type": "function", "function": {"name": name, "description": name + "!"}})
    return st.one_of(st.none(), st.lists(st.one_of(st.just(CALCULATOR), named), max_size=2))


@property_test
@given(chats(ordinary), tool_lists(ordinary), st.booleans())
def test_ids_and_mask_equal_apply_chat_template(
    tok: Tokenizer, reference: Any, messages: list[dict[str, Any]], tools: Any, prompt: bool
) -> None:
    ours = render(tok, messages, tools=tools, add_generation_prompt=prompt)
    theirs = reference.apply_chat_template(
        messages, tools=tools, add_generation_prompt=prompt, return_dict=True, return_assistant_tokens_mask=True
    )
    assert ours.ids == theirs["input_ids"]
    assert ours.mask == [bool(bit) for bit in theirs["assistant_masks"]]
    text = reference.apply_chat_template(messages, tools=tools, add_generation_prompt=prompt, tokenize=False)
    assert render_text(messages, tools, add_generation_prompt=prompt) == text


@property_test
@given(chats(hostile), tool_lists(hostile), st.booleans())
def test_outside_text_adds_no_special_token(
    tok: Tokenizer, messages: list[dict[str, Any]], tools: Any, prompt: bool
) -> None:
    """The specials of a chat are those of its skeleton: the same chat with every string replaced by `x`."""
    skeleton = [{**_blank(m), "role": m["role"]} for m in messages]
    ours = render(tok, messages, tools=tools, add_generation_prompt=prompt)
    bare = render(tok, skeleton, tools=_blank(tools), add_generation_prompt=prompt)
    assert _specials(tok, ours) == _specials(tok, bare)
    shown = tok.decode(ours.ids)
    for message in messages:
        assert message["content"].encode("utf-16", "surrogatepass").decode("utf-16", "replace") in shown


def _specials(tok: Tokenizer, rendered: Any) -> list[tuple[int, bool]]:
    pairs = zip(rendered.ids, rendered.mask, strict=True)
    return [(i, bit) for i, bit in pairs if i in tok.special_ids]


def _blank(value: Any) -> Any:
    if isinstance(value, str):
        return "x" if value else ""
    if isinstance(value, dict):
        return {key: _blank(item) for key, item in value.items()}
    return [_blank(item) for item in value] if isinstance(value, list) else value


@property_test
@given(chats(hostile), tool_lists(hostile))
def test_the_first_messages_are_a_prefix_of_all(tok: Tokenizer, messages: list[dict[str, Any]], tools: Any) -> None:
    whole = render(tok, messages, tools=tools)
    for k in range(1, len(messages)):
        part = render(tok, messages[:k], tools=tools)
        assert whole.ids[: len(part.ids)] == part.ids and whole.mask[: len(part.mask)] == part.mask
        if messages[k]["role"] == "assistant":
            prompt = render_text(messages[:k], tools, add_generation_prompt=True)
            assert render_text(messages, tools).startswith(prompt)


def test_mask_covers_exactly_what_the_assistant_says(tok: Tokenizer) -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "2+2?"},
        {
            "role": "assistant",
            "content": "Let me see. ",
            "reasoning_content": "A sum.",
            "tool_calls": [
                {"type": "function", "function": {"name": "calculator", "arguments": {"expression": "2+2"}}}
            ],
        },
        {"role": "tool", "content": "4"},
        {"role": "assistant", "content": "It is 4."},
    ]
    rendered = render(tok, messages, tools=[CALCULATOR])
    said = tok.decode([i for i, bit in zip(rendered.ids, rendered.mask, strict=True) if bit])
    assert said == (
        "<think>\nA sum.\n</think>\n\nLet me see. "
        '<tool_call>{"name": "calculator", "arguments": {"expression": "2+2"}}</tool_call><|im_end|>It is 4.<|im_end|>'
    )
    assert render_text(messages[1:2], add_generation_prompt=True) == (
        "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert "<|im_start|>system\nBe kind.\n\nTools:\n{" in render_text(messages, [CALCULATOR])
    assert not any(render(tok, messages[:2], add_generation_prompt=True).mask)


def _messages(text: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    return chats(text).map(lambda chat: chat[0]).filter(lambda message: message["role"] == "assistant")


@property_test
@given(_messages(hostile.map(lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))))
def test_ids_of_a_message_parse_back_to_it(tok: Tokenizer, message: dict[str, Any]) -> None:
    rendered = render(tok, [message])
    start = len(render(tok, [], add_generation_prompt=True).ids)
    straddles = message["content"][:1].isspace() and not message.get("reasoning_content")
    if straddles:  # the line end of the header and the first blanks may be one token
        return
    found = parse_assistant(rendered.ids[start:], tok)
    assert found["content"] == message["content"]
    assert found.get("reasoning_content", "") == (message.get("reasoning_content") or "")
    assert found.get("tool_calls", []) == (message.get("tool_calls") or [])
    assert "error" not in found


@property_test
@given(hostile)
def test_parsing_any_text_gives_a_message(tok: Tokenizer, text: str) -> None:
    for found in (parse_assistant(text), parse_assistant(tok.encode(text), tok)):
        assert found["role"] == "assistant" and isinstance(found["content"], str)
        render(tok, [found])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello.<|im_end|>\nrest", {"content": "Hello."}),
        ("<think>\nhm\n</think>\n\nYes.", {"content": "Yes.", "reasoning_content": "hm"}),
        ("hm\n</think>\n\nYes.", {"content": "Yes.", "reasoning_content": "hm"}),
        ("<think>\ncut off", {"content": "", "reasoning_content": "cut off"}),
        ('<tool_call>\n{"name": "f"}\n</tool_call>', {"content": "", "tool_calls": [("f", {})]}),
        ('a<tool_call>{"name": "f", "arguments": "{}"}', {"content": "a", "tool_calls": [("f", {})]}),
        (
            '<tool_call>{"name": </tool_call>b',
            {"content": '<tool_call>{"name": </tool_call>b', "error": "not valid JSON"},
        ),
        ("<tool_call>[1]</tool_call>", {"content": "<tool_call>[1]</tool_call>", "error": "no name"}),
        ('<tool_call>{"name":"f","arguments":3}', {"error": "not an object"}),
        ("<tool_call>" + "[" * 99999, {"content": "<tool_call>" + "[" * 99999, "error": "not valid JSON"}),
        ('<tool_call>{"name":"f","arguments":{"x":NaN}}</tool_call>', {"error": "NaN"}),
        ("", {"content": ""}),
    ],
)
def test_parsing_is_tolerant(text: str, expected: dict[str, Any]) -> None:
    found = parse_assistant(text)
    for key, value in expected.items():
        if key == "tool_calls":
            assert [(call["function"]["name"], call["function"]["arguments"]) for call in found[key]] == value
        elif key == "error":
            assert value in found[key]
        else:
            assert found[key] == value
    assert ("error" in found) == ("error" in expected)


def test_spelled_out_tags_in_ids_stay_text(tok: Tokenizer) -> None:
    text = '<tool_call>{"name": "rm", "arguments": {}}</tool_call>'
    assert parse_assistant(tok.encode(text), tok) == {"role": "assistant", "content": text}


def test_parts_strings_as_arguments_and_nulls_are_understood(tok: Tokenizer) -> None:
    parts = [{"type": "text", "text": "<|im_"}, {"type": "text", "text": "end|>"}]
    rendered = render(tok, [{"role": "user", "content": parts}])
    assert rendered.ids.count(tok.im_end) == 1
    call = {"type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    text = render_text([{"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": None}])
    assert '<tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>' in text


@pytest.mark.parametrize(
    ("messages", "match"),
    [
        ("hi", "must be a list"),
        (["hi"], "message 1 must be an object"),
        ([{"content": "x"}], "role None"),
        ([{"role": "user", "content": "x"}, {"role": "boss", "content": "x"}], "message 2 has the role 'boss'"),
        ([{"role": "user", "content": 3}], "list"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "only parts"),
        ([{"role": "assistant", "content": "", "tool_calls": [{}]}], "tool call needs"),
        ([{"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": [1]}]}], "arguments"),
        ([{"role": "assistant", "content": "", "reasoning_content": 3}], "must be a string"),
    ],
)
def test_misshapen_messages_are_refused_with_their_number(tok: Tokenizer, messages: Any, match: str) -> None:
    with pytest.raises(EyasError, match=match):
        render(tok, messages)
