"""An assistant's tokens, as they come, into what a client may see: text, thoughts, tool calls."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eyas.runtime.request import Completion
from eyas.text.chat import parse_assistant
from eyas.text.stream import Utf8Stream
from eyas.text.tokenizer import Tokenizer


class Token(NamedTuple):
    """A token of the answer: its bytes, its log-probability in nats, and the likeliest tokens in its place."""

    data: bytes
    logprob: float
    alternatives: list[tuple[bytes, float]]


@dataclass(slots=True)
class Delta:
    """What came: text or thoughts, or calls (whole, at the end of the turn), or why it ended (`finish`)."""

    text: str = ""
    reasoning: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    """Of `text`, where log-probabilities were asked for."""
    finish: str = ""


class Splitter:
    """Splits one round of an answer. Only true special tokens open thoughts and calls; text that spells one is text."""

    def __init__(
        self, tokenizer: Tokenizer, stop: Sequence[str] = (), with_tokens: bool = False, raw: bool = False
    ) -> None:
        """`raw`: special tokens are text too, as in a completion that is no chat."""
        self.tokenizer, self.stop, self.with_tokens = tokenizer, stop, with_tokens
        self.stopped = ""
        """The stop string that came; nothing after it is told."""
        self.calls: list[dict[str, Any]] = []
        self.read = self.reasoning_tokens = 0
        """Tokens that belong to the answer, up to the one that completed a stop string; those of thoughts."""
        self._special = {} if raw else {token: name for name, token in tokenizer.special.items()}
        self._utf8 = Utf8Stream()
        self._inside = ""  # the tag that is open
        self._call: list[int] = []
        self._line_ends = 0  # how many more to drop: the template writes them around thoughts
        self._edge = ""  # a line end that is left out if the thought ends with it
        self._held, self._sent = "", 0  # text that may begin a stop string, and the length of all text before it
        self._waiting: list[tuple[int, Token]] = []  # tokens of held text, and where each begins in the answer's text
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._errors: list[str] = []
        self._out: list[Delta] = []

    def feed(self, done: Completion, start: int, end: int) -> list[Delta]:
        """What ids[start:end] of `done` bring."""
        plain = start
        for at in range(start, end):
            token = done.ids[at]
            if self._inside != "<tool_call>" and token not in self._special:
                continue
            self._take(done, plain, at)
            plain = at + 1
            if not self.stopped:
                self._take_special(token)
                self.read = plain  # should what was a call be text, and hold a stop string
            if self.stopped:
                break
        self._take(done, plain, end)
        self.read = self.read if self.stopped else end
        return self._give()

    def flush(self) -> list[Delta]:
        """What was held back, at the end of the round."""
        if not self.stopped:
            if self._inside == "<tool_call>":
                self._close_call()
            self._say(self._utf8.flush())
            self._release(len(self._held))
        return self._give()

    def message(self) -> dict[str, Any]:
        """The round as a message. `error` says what is wrong with calls that stayed text."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._text)}
        if reasoning := "".join(self._reasoning):
            message["reasoning_content"] = reasoning
        if self.calls:
            message["tool_calls"] = self.calls
        if self._errors:
            message["error"] = "; ".join(self._errors)
        return message

    def _take(self, done: Completion, start: int, end: int) -> None:
        """Ordinary tokens."""
        if start >= end or self.stopped:
            return
        if not (self.stop or self.with_tokens) or self._inside:
            if self._inside:
                self.reasoning_tokens += end - start
            self._say(self._utf8.feed(self.tokenizer.decode_bytes(done.ids[start:end])))
            return
        for at in range(start, end):
            data = self.tokenizer.decode_bytes((done.ids[at],))
            if self.with_tokens:
                self._waiting.append((self._sent + len(self._held), self._token(done, at, data)))
            self._say(self._utf8.feed(data))
            if self.stopped:
                self.read = at + 1
                return

    def _token(self, done: Completion, at: int, data: bytes) -> Token:
        others = done.alternatives[at] if at < len(done.alternatives) else []
        decode = self.tokenizer.decode_bytes
        return Token(data, done.logprobs[at], [(decode((other,)), logprob) for other, logprob in others])

    def _take_special(self, token: int) -> None:
        name = self._special.get(token, "")
        if self._inside == "<tool_call>":
            self._call.append(token)
            if name == "</tool_call>":
                self._close_call()
            return
        self._say(self._utf8.flush())
        if name == "<tool_call>":
            self._inside, self._call = name, [token]
        elif name == "<think>":
            self._inside, self._line_ends = name, 1
        elif name == "</think>" and self._inside:
            self._inside, self._line_ends, self._edge = "", 2, ""

    def _close_call(self) -> None:
        """The call, or the text of one that is no valid call."""
        message = parse_assistant(self._call, self.tokenizer)
        self._inside, self._call, self._line_ends = "", [], 0
        for call in message.get("tool_calls", ()):
            function = call["function"]
            arguments = json.dumps(function["arguments"], ensure_ascii=False)
            named = {"name": function["name"], "arguments": arguments}
            self.calls.append({"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": named})
        if "error" in message:
            self._errors.append(message["error"])
            self._say(message["content"])

    def _say(self, text: str) -> None:
        while self._line_ends and text.startswith("\n"):
            text, self._line_ends = text[1:], self._line_ends - 1
        if not text:
            return
        self._line_ends = 0
        if self._inside:
            text, self._edge = self._edge + text, ""
            if text.endswith("\n"):
                text, self._edge = text[:-1], "\n"
            self._reasoning.append(text)
            if text:
                self._out.append(Delta(reasoning=text))
            return
        self._held += text
        if not self.stop:
            self._release(len(self._held))
            return
        found = [(at, stop) for stop in self.stop if (at := self._held.find(stop)) >= 0]
        if found:
            at, self.stopped = min(found)
            self._release(at)
            self._held, self._waiting = "", []
        else:
            self._release(len(self._held) - _overlap(self._held, self.stop))

    def _release(self, count: int) -> None:
        """Tell the first `count` characters of what is held, and their tokens."""
        text, self._held = self._held[:count], self._held[count:]
        self._sent += count
        tokens = [token for at, token in self._waiting if at < self._sent]
        self._waiting = self._waiting[len(tokens) :]
        if text:
            self._text.append(text)
            self._out.append(Delta(text=text, tokens=tokens))

    def _give(self) -> list[Delta]:
        """The deltas since the last call, neighbours of one kind as one."""
        out, self._out = self._out, []
        if len(out) < 2:
            return out
        joined = out[:1]
        for delta in out[1:]:
            last = joined[-1]
            if bool(delta.text) == bool(last.text):
                last.text += delta.text
                last.reasoning += delta.reasoning
                last.tokens += delta.tokens
            else:
                joined.append(delta)
        return joined


def _overlap(text: str, stops: Sequence[str]) -> int:
    """The length of the longest end of `text` that begins one of `stops`."""
    longest = min(len(text), max(map(len, stops)) - 1)
    return next((n for n in range(longest, 0, -1) if any(stop.startswith(text[-n:]) for stop in stops)), 0)
