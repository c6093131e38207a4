"""`eyas chat`: the real session and renderer, with an engine that says what the test tells it to."""

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from eyas.cli import chat
from eyas.cli.main import run
from eyas.runtime.chat import ChatSession
from eyas.runtime.sampling import Sampling
from eyas.text.tokenizer import Tokenizer

STOP = object()


class Script:
    """An engine whose answers are given; a `STOP` among the pieces of one is the user's Ctrl-C."""

    def __init__(self, tokenizer: Tokenizer, answers: Sequence[Any], context: int = 4096) -> None:
        self.tokenizer, self.answers, self.context = tokenizer, list(answers), context
        self.prompts: list[str] = []

    def stream(self, prompt: Sequence[int], sampling: Sampling, stops: Any, *, overflow: str) -> Iterator[int]:
        self.prompts.append(self.tokenizer.decode(prompt))
        pieces = self.answers.pop(0)
        for piece in [pieces] if isinstance(pieces, str) else pieces:
            if piece is STOP:
                raise KeyboardInterrupt
            if piece in self.tokenizer.special:
                yield self.tokenizer.special[piece]
            else:
                yield from self.tokenizer.encode(piece)


@pytest.fixture
def talk(life: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Type `lines` at an assistant that says `answers`; gives the session, the engine and what was printed."""
    tokenizer = Tokenizer.load(life / "models" / "assistant")

    def converse(lines: Sequence[Any], answers: Sequence[Any] = (), *, interactive: bool = False, **given: Any) -> Any:
        engine: Any = Script(tokenizer, answers)
        session = ChatSession(engine, on_tool=chat._print_call, **given)
        queue = list(lines)

        def read(prompt: str = "") -> str:
            if not queue:
                raise EOFError
            line = queue.pop(0)
            if line is STOP:
                raise KeyboardInterrupt
            return str(line)

        monkeypatch.setattr("builtins.input", read)
        chat.converse(session, interactive=interactive, name="assistant")
        return session, engine, capsys.readouterr()

    return converse


def said(session: ChatSession) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in session.messages]


def test_a_conversation_goes_back_and_forth(talk: Any) -> None:
    session, engine, printed = talk(["Hello", "", "  ", "And you?"], ["Good day.", "Fine."])
    assert printed.out == "Good day.\nFine.\n"
    assert said(session) == [
        ("user", "Hello"),
        ("assistant", "Good day."),
        ("user", "And you?"),
        ("assistant", "Fine."),
    ]
    assert "Hello" in engine.prompts[1] and "Good day." in engine.prompts[1]


def test_a_backslash_continues_a_turn_on_the_next_line(talk: Any) -> None:
    session, _, _ = talk(["one\\", "two"], ["ok"])
    assert said(session)[0] == ("user", "one\ntwo")


def test_a_turn_cut_off_by_the_end_of_input_is_still_sent(talk: Any) -> None:
    session, _, _ = talk(["one\\"], ["ok"])
    assert said(session) == [("user", "one"), ("assistant", "ok")]


def test_ctrl_c_stops_the_answer_and_keeps_the_conversation(talk: Any) -> None:
    session, engine, printed = talk(["Tell me a story", "Go on"], [["Once upon ", STOP], "a time."], interactive=True)
    assert "Once upon [stopped]" in " ".join(printed.out.split())
    assert said(session)[:2] == [("user", "Tell me a story"), ("assistant", "Once upon ")]
    assert "Once upon" in engine.prompts[1] and said(session)[-1] == ("assistant", "a time.")


def test_ctrl_c_before_the_first_word_keeps_the_question(talk: Any) -> None:
    session, _, printed = talk(["Hello"], [[STOP]])
    assert said(session) == [("user", "Hello")] and "[stopped]" in printed.out


def test_ctrl_c_at_the_prompt_does_not_end_the_conversation(talk: Any) -> None:
    session, _, printed = talk(["half\\", STOP, "Hello"], ["Good day."], interactive=True)
    assert said(session)[0] == ("user", "Hello") and "Ctrl-D" in printed.out


def test_ctrl_c_on_a_pipe_ends_the_program(talk: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        talk([STOP])


def test_the_calculators_call_is_shown_and_answered(talk: Any) -> None:
    call = json.dumps({"name": "calculator", "arguments": {"expression": "12 * 34"}})
    session, engine, printed = talk(["12 * 34?"], [["<tool_call>", call, "</tool_call>"], "It is 408."])
    assert printed.out == "[calculator(12 * 34) = 408]\nIt is 408.\n"
    assert ("tool", "408") in said(session) and "408" in engine.prompts[1]


def test_thoughts_are_not_shown_until_asked_for(talk: Any) -> None:
    _, _, printed = talk(["Hello", "/thought"], [["<think>", "a stranger", "</think>", "Good day."]])
    assert printed.out.splitlines() == ["Good day.", "a stranger"]


def test_an_answer_cannot_steer_the_terminal(talk: Any) -> None:
    _, _, printed = talk(["Hello"], ["\x1b[2Jhidden"])
    assert printed.out == "\\x1b[2Jhidden\n"


def test_the_system_prompt_can_be_shown_changed_and_removed(talk: Any) -> None:
    session, engine, printed = talk(
        ["/system", "Hello", "/system Be brief.", "/system", "Again", "/system -", "Once more"], ["a", "b", "c"]
    )
    assert printed.out.splitlines() == ["There is no system prompt.", "a", "Be brief.", "b", "c"]
    assert "Be brief." not in engine.prompts[0] and "Be brief." not in engine.prompts[2]
    assert engine.prompts[1].startswith("<|im_start|>system\nBe brief.") and "Hello" in engine.prompts[1]
    assert session.system is None and said(session)[0] == ("user", "Hello")


def test_reset_forgets_all_but_the_system_prompt(talk: Any) -> None:
    session, _, _ = talk(["Hello", "/reset"], ["a"], system="Be kind.")
    assert said(session) == [("system", "Be kind.")]


def test_retry_asks_again_and_undo_takes_back(talk: Any) -> None:
    session, _, printed = talk(["Hello", "/temperature 0.8", "/retry"], ["a", "b"])
    assert said(session) == [("user", "Hello"), ("assistant", "b")] and session.sampling.temperature == 0.8
    assert "same answer" not in printed.out
    session, _, printed = talk(["Hello", "/retry", "/undo"], ["a", "a"])
    assert said(session) == [] and "same answer" in printed.out and "[taken back: Hello]" in printed.out


def test_a_conversation_is_saved_as_a_training_row_and_loaded_again(talk: Any, tmp_path: Path) -> None:
    file = tmp_path / "talk.jsonl"
    file.write_text('{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}')
    saved, _, _ = talk(["Hello", f"/save {file}"], [["<think>", "hm", "</think>", "Good day."]], system="Be kind.")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(rows) == 2 and rows[1] == {"messages": saved.messages}
    loaded, engine, _ = talk([f"/load {file}", "Again"], ["ok"])
    assert loaded.messages[: len(saved.messages)] == saved.messages and loaded.system == "Be kind."
    assert "Good day." in engine.prompts[0]


def test_raw_shows_what_the_model_reads(talk: Any) -> None:
    _, _, printed = talk(["Hello", "/raw"], ["ok"])
    assert "<|im_start|>user\nHello<|im_end|>" in printed.out


def test_help_tells_every_command(talk: Any) -> None:
    from eyas.cli.slash import COMMANDS

    _, _, printed = talk(["/help"])
    lines = printed.out.splitlines()
    assert len(lines) == len(COMMANDS)
    for line, name in zip(lines, COMMANDS, strict=True):
        assert line.startswith(f"  /{name}") and line.endswith((".", ")."))


def test_quit_ends_before_the_rest_is_read(talk: Any) -> None:
    session, _, _ = talk(["/quit", "Hello"])
    assert said(session) == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/helo", "there is no /helo"),
        ("/temperature warm", "takes a number"),
        ("/temperature -1", "temperature must be 0"),
        ("/save", "needs a file name"),
        ("/save x.jsonl", "nothing has been said yet"),
        ("/load nowhere.jsonl", "nowhere.jsonl does not exist"),
        ("/retry", "nothing has been said yet"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_the_conversation_goes_on(talk: Any, line: str, why: str) -> None:
    session, _, printed = talk([line, "Hello"], ["ok"], interactive=True)
    assert printed.err.startswith("eyas: ") and why in printed.err and printed.err.count("\n") == 1
    assert said(session)[-1] == ("assistant", "ok")


def test_a_turn_that_begins_with_a_slash_is_sent_after_a_space(talk: Any) -> None:
    session, _, _ = talk([" /etc is a folder"], ["ok"])
    assert said(session)[0] == ("user", "/etc is a folder")


def test_the_program_answers_a_pipe(
    life: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Hello\n/raw\n"))
    assert run(["chat", f"{life}/assistant", "--max-tokens", "5", "--system", "Be kind."]) == 0
    printed = capsys.readouterr().out
    assert "you>" not in printed and "<|im_start|>system\nBe kind.<|im_end|>" in printed


def test_a_wrong_command_on_a_pipe_fails(
    life: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("/nothing\n"))
    assert run(["chat", f"{life}/assistant"]) == 1
    assert "there is no /nothing" in capsys.readouterr().err


def test_a_chat_without_input_ends_well(life: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(["chat", f"{life}/assistant"]) == 0
