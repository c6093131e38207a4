"""The chat loop: a history, an assistant that streams, and tools answered on the way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from eyas.errors import EyasError
from eyas.runtime.engine import Engine
from eyas.runtime.sampling import Sampling
from eyas.runtime.tools import Tool, calculate, run_tool
from eyas.text.chat import parse_assistant, render
from eyas.text.stream import Utf8Stream
from eyas.text.tokenizer import Tokenizer

ToolReport = Callable[[str, Mapping[str, Any], str], None]


@dataclass
class ChatSession:
    """A conversation with `engine`; `messages` is its history in the standard shape, the system prompt first.

    `tools` are callables by name, beside the calculator that is always there. `tool_specs` are their descriptions as
    the model reads them; leave them out for a model trained without. `on_tool(name, arguments, answer)` hears of calls.
    """

    engine: Engine
    system: str | None = None
    tools: Mapping[str, Tool] = field(default_factory=dict)
    tool_specs: Sequence[Mapping[str, Any]] | None = None
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.0))
    max_tool_rounds: int = 4
    on_tool: ToolReport | None = None

    messages: list[dict[str, Any]] = field(init=False, default_factory=list)
    forgotten: int = field(init=False, default=0)
    """Messages that the last turn left out because the history outgrew the context; `messages` still holds them."""
    ended: Literal["stop", "length", "tools", "interrupted", ""] = field(init=False, default="")
    """Why the last turn ended; "tools": the model kept calling."""
    _spoken: int = field(init=False, default=0)
    _limit: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything but the system prompt."""
        self.messages = [{"role": "system", "content": self.system}] if self.system else []
        self.forgotten, self.ended = 0, ""

    def send(self, text: str) -> Iterator[str]:
        """Say `text` as the user and yield the answer as it comes, in whole characters, thoughts and calls left out.

        When the iteration is broken off (Ctrl-C, or the caller stops), what was said so far stands in the history.
        Raises EyasError when `text` alone outgrows the context; the history is then as before.
        """
        self.messages.append({"role": "user", "content": text})
        try:
            prompt = self._prompt()
        except EyasError:
            self.messages.pop()
            raise
        known = {"calculator": calculate, **self.tools}
        for _ in range(self.max_tool_rounds + 1):
            yield from self._speak(prompt)
            calls = self.messages[-1].get("tool_calls")
            if not calls:
                return
            for call in calls:
                name, arguments = call["function"]["name"], call["function"]["arguments"]
                answer = run_tool(known, name, arguments)
                self.messages.append({"role": "tool", "content": answer})
                if self.on_tool is not None:
                    self.on_tool(name, arguments, answer)
            prompt = self._prompt()
        self.ended = "tools"

    def _speak(self, prompt: list[int]) -> Iterator[str]:
        """One turn of the assistant: yields what the user sees, then appends the message."""
        tokenizer = self.engine.tokenizer
        stops = {tokenizer.im_end, tokenizer.endoftext}
        said: list[int] = []
        visible = _Visible(tokenizer)
        sampling = replace(self.sampling, seed=self.sampling.seed + self._spoken)  # turns of one chat draw afresh
        self._spoken += 1
        whole = False
        try:
            for token in self.engine.stream(prompt, sampling, stops, overflow="left"):
                said.append(token)
                if piece := visible.feed(token):
                    yield piece
            if piece := visible.flush():
                yield piece
            whole = True
        finally:
            self.ended = "interrupted" if not whole else "length" if len(said) >= self._limit else "stop"
            if not whole:
                said = _without_open_call(said, tokenizer)
            if whole or said:
                self.messages.append(parse_assistant(said, tokenizer))

    def _prompt(self) -> list[int]:
        """The history as ids; when it is too long, whole exchanges are left out, the oldest first."""
        start = 1 if self.system else 0
        # what was forgotten stays forgotten, so a long chat does not try its whole history anew every turn
        first_kept = start + self.forgotten
        turns = [i for i, message in enumerate(self.messages) if message["role"] == "user" and i >= first_kept]
        room = self.engine.context - min(self.sampling.max_tokens, self.engine.context // 4)
        for first in turns:
            kept = self.messages[:start] + self.messages[first:]
            ids = render(self.engine.tokenizer, kept, tools=self.tool_specs, add_generation_prompt=True).ids
            if len(ids) <= room:
                self.forgotten = first - start
                self._limit = min(self.sampling.max_tokens, self.engine.context - len(ids))
                return ids
        raise EyasError(
            f"this message does not fit the model's context of {self.engine.context} tokens; send a shorter one"
        )


class _Visible:
    """Turns the assistant's tokens into what the user reads: whole characters, no thoughts, calls or special tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.stream = tokenizer, Utf8Stream()
        names = {token: name for name, token in tokenizer.special.items()}
        self.names, self.inside, self.line_ends = names, "", 0

    def feed(self, token: int) -> str:
        name = self.names.get(token)
        if name in ("<think>", "<tool_call>"):
            self.inside = name
        elif name in ("</think>", "</tool_call>"):
            self.inside = ""
            self.line_ends = 2 if name == "</think>" else 0  # the template's own two line ends after a thought
        elif name is None and not self.inside:
            piece = self.stream.feed(self.tokenizer.decode_bytes([token]))
            while self.line_ends and piece.startswith("\n"):
                piece, self.line_ends = piece[1:], self.line_ends - 1
            if piece:
                self.line_ends = 0
            return piece
        return ""

    def flush(self) -> str:
        return self.stream.flush()


def _without_open_call(ids: list[int], tokenizer: Tokenizer) -> list[int]:
    """What an interrupted assistant had said, less a tool call that it had not finished."""
    start, end = tokenizer.special.get("<tool_call>"), tokenizer.special.get("</tool_call>")
    opened = max((i for i, token in enumerate(ids) if token == start), default=-1)
    return ids if opened < 0 or end in ids[opened:] else ids[:opened]
