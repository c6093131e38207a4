"""Rows: every known format becomes the same few shapes, and anything else is one sentence with file and line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyas.data.documents import Tally
from eyas.data.importers import kind_of
from eyas.data.rows import read_rows
from eyas.errors import EyasError

USER, HELLO = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
OTHER = {"role": "assistant", "content": "Go away"}
CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def rows_of(tmp_path: Path, *raw: Any, **options: Any) -> list[dict[str, Any]]:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in raw))
    return list(read_rows(path, **options))


def row_of(tmp_path: Path, raw: Any) -> dict[str, Any]:
    (row,) = rows_of(tmp_path, raw)
    return row


CHATS = {
    "messages": {"messages": [USER, HELLO]},
    "prompt and completion": {"prompt": "Hi", "completion": "Hello"},
    "prompt and completion as messages": {"prompt": [USER], "completion": [HELLO]},
    "question and answer": {"question": "Hi", "answer": "Hello"},
    "Alpaca": {"instruction": "Hi", "input": "", "output": "Hello"},
    "ShareGPT": {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
    "OpenAI parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, HELLO]},
    "messages in a cell": {"messages": json.dumps([USER, HELLO])},
    "a text beside": {"instruction": "Hi", "output": "Hello"},
}


@pytest.mark.parametrize("name", CHATS)
def test_formats_of_a_chat_become_messages(tmp_path, name):
    assert row_of(tmp_path, CHATS[name]) == {"messages": [USER, HELLO]}


PAIRS = {
    "texts": {"prompt": "Hi", "chosen": "Hello", "rejected": "Go away"},
    "messages": {"prompt": [USER], "chosen": [HELLO], "rejected": [OTHER]},
    "prompt repeated in the answers": {"prompt": "Hi", "chosen": [USER, HELLO], "rejected": [USER, OTHER]},
    "no prompt of its own": {"chosen": [USER, HELLO], "rejected": [USER, OTHER]},
    "HH": {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello", "rejected": "\n\nHuman: Hi\n\nAssistant: Go away"},
    "Alpaca": {"instruction": "Hi", "input": "", "output": "Hello", "chosen": "Hello", "rejected": "Go away"},
    "ShareGPT": {
        "conversations": [{"from": "human", "value": "Hi"}],
        "chosen": {"from": "gpt", "value": "Hello"},
        "rejected": {"from": "gpt", "value": "Go away"},
    },
    "OpenAI": {
        "input": {"messages": [USER], "tools": [], "parallel_tool_calls": True},
        "preferred_output": [HELLO],
        "non_preferred_output": [OTHER],
    },
}


@pytest.mark.parametrize("name", PAIRS)
def test_formats_of_a_preference_become_prompt_chosen_rejected(tmp_path, name):
    assert row_of(tmp_path, PAIRS[name]) == {"prompt": [USER], "chosen": [HELLO], "rejected": [OTHER]}


def test_an_hh_dialogue_keeps_its_earlier_turns_in_the_prompt(tmp_path):
    start = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: A joke?\n\nMore.\n\nAssistant:"
    row = row_of(tmp_path, {"chosen": start + " No.", "rejected": start})
    assert [message["role"] for message in row["prompt"]] == ["user", "assistant", "user"]
    assert row["prompt"][-1]["content"] == "A joke?\n\nMore."
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("No.", "")


def test_alpaca_input_follows_its_instruction_and_system_and_history_come_first(tmp_path):
    raw = {"instruction": "Add", "input": "1 2", "output": "3", "system": "Be brief", "history": [["Hi", "Hello"]]}
    assert row_of(tmp_path, raw)["messages"] == [
        {"role": "system", "content": "Be brief"},
        USER,
        HELLO,
        {"role": "user", "content": "Add\n\n1 2"},
        {"role": "assistant", "content": "3"},
    ]


def test_sharegpt_calls_and_observations_become_tool_messages(tmp_path):
    raw = {
        "system": "S",
        "tools": json.dumps([TOOL["function"]]),
        "conversations": [
            {"from": "human", "value": "Hi"},
            {"from": "function_call", "value": json.dumps({"name": "add", "arguments": {"a": 1}})},
            {"from": "observation", "value": "1"},
            {"from": "gpt", "value": "Hello"},
        ],
    }
    row = row_of(tmp_path, raw)
    assert row["tools"] == [TOOL]
    assert row["messages"] == [
        {"role": "system", "content": "S"},
        USER,
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "1"},
        HELLO,
    ]


def test_openai_fine_tuning_rows_keep_calls_weights_and_thoughts(tmp_path):
    raw = {
        "messages": [
            {"role": "developer", "content": "S"},
            {"role": "user", "content": "Hi", "name": "ann"},
            {
                "role": "assistant",
                "content": None,
                "weight": 0,
                "tool_calls": [{"id": "x", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
            },
            {"role": "tool", "tool_call_id": "x", "content": "1"},
            {"role": "assistant", "content": "Hello", "reasoning_content": "hm"},
        ],
        "tools": [TOOL],
        "parallel_tool_calls": False,
    }
    row = row_of(tmp_path, raw)
    assert row["messages"][0] == {"role": "system", "content": "S"}
    assert row["messages"][2] == {"role": "assistant", "content": "", "tool_calls": [CALL], "weight": 0}
    assert row["messages"][4] == {"role": "assistant", "content": "Hello", "reasoning_content": "hm"}
    assert row["tools"] == [TOOL]


@pytest.mark.parametrize("label", [True, "true", 1, "1", "True"])
def test_a_thumb_is_prompt_completion_and_a_boolean(tmp_path, label):
    wanted = {"prompt": [USER], "completion": [HELLO], "label": True}
    assert row_of(tmp_path, {"prompt": "Hi", "completion": "Hello", "label": label}) == wanted
    assert row_of(tmp_path, {"messages": [USER, HELLO], "label": label}) == wanted


ARENA = {"model_a": "x", "model_b": "y", "prompt": [USER], "answer_a": [OTHER], "answer_b": [HELLO]}


@pytest.mark.parametrize(
    "raw",
    [
        {
            "model_a": "x", "model_b": "y", "winner": "model_b",
            "conversation_a": [USER, OTHER], "conversation_b": [USER, HELLO],
        },
        {
            "model_a": "x", "model_b": "y", "winner_model_a": 0, "winner_model_b": 1, "winner_tie": 0,
            "prompt": '["Hi"]', "response_a": '["Go away"]', "response_b": '["Hello"]',
        },
        {
            "model_a": "x", "model_b": "y", "winner": "model_b",
            "prompt": [USER], "answer_a": [OTHER], "answer_b": [HELLO],
        },
        {"model_a": "x", "model_b": "y", "winner": "b", "prompt": "Hi", "answer_a": "Go away", "answer_b": "Hello"},
    ],
)  # fmt: skip
def test_arena_battles_become_battles_and_the_pairs_they_decide(tmp_path, raw):
    assert row_of(tmp_path, raw) == {**ARENA, "winner": "b"}
    (pair,) = rows_of(tmp_path, raw, want="pair")
    assert pair == {
        "prompt": [USER], "chosen": [HELLO], "rejected": [OTHER], "model_chosen": "y", "model_rejected": "x"
    }  # fmt: skip


@pytest.mark.parametrize("score, winner", [(1, "a"), (2, "b"), (3, "tie"), (-1, None)])
def test_a_table_of_scores_is_read_as_battles(tmp_path, score, winner):
    path = tmp_path / "battles.csv"
    path.write_text(f"question_id,model_1,model_2,score\n7,x,y,{score}\n")
    (row,) = read_rows(path)
    assert row == {"question_id": "7", "model_a": "x", "model_b": "y", "winner": winner}


def test_ties_give_no_pair_and_are_counted(tmp_path):
    tally = Tally()
    tie = {
        "model_a": "x",
        "model_b": "y",
        "winner": "tie",
        "conversation_a": [USER, HELLO],
        "conversation_b": [USER, OTHER],
    }
    assert rows_of(tmp_path, tie, {**tie, "winner": "tie (bothbad)"}, want="pair", tally=tally) == []
    assert tally.counts == {"undecided battle": 2}


def test_most_of_three_judges_decide_a_judged_pair(tmp_path):
    raw = {"instruction": "Hi", "input": "", "response1": "Go away", "response2": "Hello", "cmp_key": "x_y"}
    votes = {"annotator1": 1, "annotator2": 2, "annotator3": 2}
    assert row_of(tmp_path, raw | votes) == {**ARENA, **votes, "winner": "b"}


def test_a_self_instruct_seed_is_one_row_an_instance(tmp_path):
    raw = {"id": 1, "instruction": "Hi", "instances": [{"input": "", "output": "Hello"}, {"input": "x", "output": "y"}]}
    rows = rows_of(tmp_path, raw)
    assert rows[0] == {"id": 1, "messages": [USER, HELLO]}
    assert rows[1]["messages"][0]["content"] == "Hi\n\nx"


def test_other_keys_are_kept(tmp_path):
    assert row_of(tmp_path, {"prompt": "Hi", "kind": "fact", "truth": {"a": 1}}) == {
        "kind": "fact", "truth": {"a": 1}, "prompt": [USER]
    }  # fmt: skip


def test_kinds_are_told_apart(tmp_path):
    thumb, battle = {"prompt": "a", "completion": "b", "label": False}, {"model_1": "x", "model_2": "y", "score": 1}
    raws = [CHATS["Alpaca"], PAIRS["HH"], {"text": "a"}, {"prompt": "Hi"}, thumb, battle]
    assert [kind_of(row) for row in rows_of(tmp_path, *raws)] == ["chat", "pair", "text", "prompt", "label", "battle"]


# -- files


@pytest.mark.parametrize(
    "ending", ["jsonl", "json", "jsonl.gz", "json.gz", "jsonl.zst", "csv", "csv.gz", "tsv", "parquet", "parquet.gz"]
)
def test_each_kind_of_file_gives_the_same_rows(tmp_path, ending):
    from tests.data.files import write_table

    table = [{"instruction": f"Say {i}", "output": f'"{i},\n\th\u00e9ron"'} for i in range(3000)]
    path = write_table(tmp_path / f"rows.{ending}", table)
    rows = list(read_rows(path))
    assert [row["messages"][0]["content"] for row in rows] == [row["instruction"] for row in table]
    assert [row["messages"][1]["content"] for row in rows] == [row["output"] for row in table]


def test_a_pretty_printed_array_is_read_row_by_row(tmp_path):
    path = tmp_path / "rows.json"
    rows = [{"instruction": "x" * 5000, "output": f"[{i}]"} for i in range(2000)]  # ten times the read block
    path.write_text(json.dumps(rows, indent=4))
    assert [row["messages"][1]["content"] for row in read_rows(path)] == [row["output"] for row in rows]


def test_a_folder_is_read_in_order_of_its_files(tmp_path):
    for name in ("b.jsonl", "a.jsonl", "sub.jsonl"):
        (tmp_path / name).write_text(json.dumps({"text": name}))
    (tmp_path / "README").write_text("not rows")
    assert [row["text"] for row in read_rows(tmp_path)] == ["a.jsonl", "b.jsonl", "sub.jsonl"]


# -- what is wrong is said


GOOD = json.dumps({"text": "fine"}).encode()


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", r"rows\.jsonl is empty"),
        (GOOD + b"\n{", r"line 2 of .*rows\.jsonl is not a JSON row"),
        (GOOD + b"\n[1, 2]", r"line 2 of .*rows\.jsonl is not a JSON row: it is a list"),
        (GOOD + b"\n3", r"line 2 .* it is a int"),
        (b'{"text": "caf\xe9"}', r"line 1 of .*rows\.jsonl is not UTF-8 text \(byte 0xe9"),
        (b'{"text": "\\ud83d"}', r"line 1 .* half a surrogate pair"),
        (b'{"' + b"[" * 3 + b'": 1}', r"line 1 of .*no known columns .*found: \[\[\["),
        (b'{"a": ' + b"[" * 100_000, r"line 1 of .*nested too deeply"),
        (b'{"text": ' + b"9" * 5000 + b"}", r"line 1 of .*rows\.jsonl"),
        (b'{"messages": []}', r"line 1 of .*not a list with at least one message"),
        (b'{"messages": [{"role": "king", "content": "x"}]}', r"line 1 of .*role 'king'; known are system, user"),
        (b'{"messages": [{"role": "user", "content": 3}]}', r"line 1 of .*content is a int, not text"),
        (b'{"prompt": "x", "completion": "y", "label": "maybe"}', r"line 1 of .*label is 'maybe'"),
        (b'{"chosen": "x", "rejected": "y"}', r"line 1 of .*no prompt and no common beginning"),
        (b'[{"text": "a"}, {"text": ', r"row 2 of .*rows\.jsonl is not JSON"),
        (b'[{"text": "a"}, 5]', r"row 2 of .*rows\.jsonl is not a row"),
        (b'[{"text": "a"}', r"rows\.jsonl is cut off"),
        (b'[{"text": "a"}] [{"text": "b"}]', r"goes on after the end of its array"),
    ],
)
def test_bad_rows_are_one_sentence_with_their_place(tmp_path, content, sentence):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(EyasError, match=sentence) as caught:
        list(read_rows(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    tally = Tally()
    list(read_rows(path, skip_bad=True, tally=tally))
    assert tally.counts["bad"] == 1
    assert tally.examples


@pytest.mark.parametrize(
    "content, sentence",
    [
        ("a,b\n1,2,3\n", r"line 2 of .* has 3 fields where the heading has 2"),
        ("instruction,output\nx,y\n", None),
        ('instruction,output\nx,"y\n', r"line \d of .* unexpected end of data"),
        ("a,b\n1,2\n", r"line 2 of .*no known columns .*found: a, b"),
        ("a,b\n", r"is empty"),
    ],
)
def test_bad_tables_are_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "rows.csv"
    path.write_text(content)
    if sentence is None:
        assert len(list(read_rows(path))) == 1
        return
    with pytest.raises(EyasError, match=sentence):
        list(read_rows(path))


def test_skipped_rows_leave_the_good_ones(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join([GOOD, b"{", GOOD, b"\xff", GOOD]))
    tally = Tally()
    assert len(list(read_rows(path, skip_bad=True, tally=tally))) == 3
    assert str(tally) == "2 bad"
    assert "line 2 of" in tally.examples[0]


@pytest.mark.parametrize("keep", [30, -4])
@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_cut_off_file_is_never_taken_for_a_whole_one(tmp_path, ending, keep):
    from tests.data.files import compressed

    path = tmp_path / f"rows.jsonl.{ending}"
    lines = b"\n".join(json.dumps({"text": f"{i} {i * i}"}).encode() for i in range(20_000))
    path.write_bytes(compressed(lines, ending)[:keep])
    with pytest.raises(EyasError, match=r"rows\.jsonl\..* (is cut off or damaged|cannot be read to its end)"):
        list(read_rows(path))
    tally = Tally()
    assert len(list(read_rows(path, skip_bad=True, tally=tally))) < 20_000
    assert tally.counts["bad"] >= 1


def test_a_row_of_absurd_length_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr("eyas.data.reading.MAX_LINE", 1 << 20)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(GOOD + b'\n{"text": "' + b"x" * (5 << 20) + b'"}\n' + GOOD)
    with pytest.raises(EyasError, match=r"line 2 of .* is longer than 1 MB"):
        list(read_rows(path))
    assert len(list(read_rows(path, skip_bad=True))) == 2


def test_the_wrong_kind_of_row_is_refused(tmp_path):
    with pytest.raises(EyasError, match=r"line 1 of .* is a text row where a chat row is expected"):
        rows_of(tmp_path, {"text": "x"}, want="chat")


def test_missing_files_and_folders_without_rows_are_named(tmp_path):
    with pytest.raises(EyasError, match="nothing.jsonl does not exist"):
        list(read_rows(tmp_path / "nothing.jsonl"))
    with pytest.raises(EyasError, match="holds no rows"):
        list(read_rows(tmp_path))
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(EyasError, match="is no table of rows"):
        list(read_rows(tmp_path / "a.pdf"))


# -- any bytes at all


KEYS = """messages prompt completion chosen rejected label text instruction input instances output history system
conversations from value role content tools tool_calls function name arguments model_a model_b winner model_1 model_2
score conversation_a conversation_b response_a response_b preferred_output non_preferred_output output_1 output_2
response1 response2 annotator1 weight"""
OTHERS = [
    {"messages": [{**HELLO, "tool_calls": [CALL], "weight": 1, "thinking": "hm"}], "tools": [TOOL], "label": True},
    {"conversations": [{"from": "function_call", "value": '{"name": "f", "arguments": "{}"}'}], "system": "S"},
    {"instruction": "a", "input": "b", "output": "c", "history": [["d", "e"]], "system": "f"},
    {"model_a": "x", "model_b": "y", "winner": "tie", "conversation_a": [USER, HELLO], "conversation_b": [USER, OTHER]},
    {"model_a": "x", "model_b": "y", "winner_tie": 1, "prompt": ["a"], "response_a": ["b"], "response_b": '["c"]'},
    {"instruction": "a", "response1": "b", "response2": True, "annotator1": 1, "annotator3": 0, "cmp_key": "x_y"},
    {"input": "a", "output_1": "b", "output_2": "c", "label": 2},
    {"model_1": "x", "model_2": "y", "score": 3},
    {"instruction": "a", "instances": [{"input": "b", "output": "c"}]},
    {"prompt": "a", "completion": "b", "label": "false"},
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["user", "["])
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS.split()) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)


def assert_rows(path: Path) -> None:
    """Rows in a known shape, or EyasError; with skip_bad never anything but rows."""
    for skip_bad in (False, True):
        try:
            for row in read_rows(path, skip_bad=skip_bad):
                for key in ("messages", "prompt", "chosen", "rejected", "completion"):
                    for message in row.get(key, []):
                        assert message["role"] in ("system", "user", "assistant", "tool")
                        message["content"].encode()
        except EyasError:
            assert not skip_bad


@given(st.lists(JSON, max_size=4), st.booleans())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_gives_rows_or_one_error(tmp_path, values, as_array):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(values) if as_array else "\n".join(json.dumps(value) for value in values))
    assert_rows(path)


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_known_format_with_anything_in_one_place_gives_rows_or_one_error(tmp_path, data):
    known = [*CHATS.values(), *PAIRS.values(), *OTHERS]
    row = at = json.loads(json.dumps(data.draw(st.sampled_from(known))))
    while True:  # walk down to any place and put anything there
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], (dict, list)) or not at[key] or data.draw(st.booleans()):
            at[key] = data.draw(JSON)
            break
        at = at[key]
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    assert_rows(path)


@given(st.binary(max_size=200), st.sampled_from(["jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz", "csv.zst"]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_rows_or_one_error(tmp_path, content, ending):
    path = tmp_path / f"rows.{ending}"
    path.write_bytes(content)
    assert_rows(path)


@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["jsonl.gz", "json.zst", "csv", "parquet"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_gives_rows_or_one_error(tmp_path, place, byte, ending):
    from tests.data.files import write_table

    path = tmp_path / f"rows.{ending}"
    whole = tmp_path / "whole" / f"rows.{ending}"
    if not whole.exists():
        whole.parent.mkdir(exist_ok=True)
        write_table(whole, [{"instruction": f"Say {i}", "output": str(i)} for i in range(50)])
    data = bytearray(whole.read_bytes())
    data[place % len(data)] = byte
    path.write_bytes(data)
    assert_rows(path)


def test_gzip_members_in_one_file_are_all_read(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(GOOD + b"\n") + gzip.compress(GOOD + b"\n"))
    assert len(list(read_rows(path))) == 2
