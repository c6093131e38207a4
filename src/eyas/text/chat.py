"""The one renderer of chats: messages to ids and the mask of what the assistant wrote.

Training, evaluation, serving and export all call `render`. The Jinja template is the one `transformers` gets, so
`apply_chat_template` gives the same ids and mask, except that here text from outside cannot become a special token:
every string of a message passes through the template between two marks, and what stands between them is encoded as
data. The marks are lone surrogates, which valid text cannot contain and `mend` removes from the invalid: there is
nothing to guess or forge.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jinja2
import numpy as np
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from eyas.errors import EyasError
from eyas.text.parse import parse_assistant
from eyas.text.tokenizer import CHAT_TEMPLATE, Tokenizer, mend

__all__ = ["ROLES", "Rendered", "parse_assistant", "render", "render_text"]

ROLES = ("system", "user", "assistant", "tool")
_REASONING = ("reasoning_content", "reasoning", "thinking")  # the names that clients use for one thing

_DATA, _DATA_END, _MADE, _MADE_END = "\ud800", "\ud801", "\ud802", "\ud803"
_MARK = re.compile("([\ud800-\ud803])")

Message = Mapping[str, Any]


@dataclass(frozen=True)
class Rendered:
    """A chat as ids; `mask` is True on the tokens the assistant produces, `<|im_end|>` included."""

    ids: list[int]
    mask: list[bool]


def render(
    tok: Tokenizer,
    messages: Sequence[Message],
    *,
    tools: Sequence[Any] | None = None,
    add_generation_prompt: bool = False,
) -> Rendered:
    """Render a chat for `tok`. Raises EyasError on a message or tool that is not in the shape of the docs."""
    if tok.im_start == tok.im_end:
        raise EyasError("this tokenizer has one id for <|im_start|> and <|im_end|>, so chats cannot be rendered")
    out = _Writer(tok)
    data = made = False
    for piece in _MARK.split(_marked(messages, tools, add_generation_prompt)):
        if piece in (_DATA, _DATA_END):
            data = piece == _DATA
        elif piece in (_MADE, _MADE_END):
            made = piece == _MADE
        else:
            out.write(piece, data, made)
    out.flush()
    return Rendered(out.ids, out.mask)


def render_text(
    messages: Sequence[Message], tools: Sequence[Any] | None = None, *, add_generation_prompt: bool = False
) -> str:
    """The chat as text, for display only: never encode it, for it no longer knows what came from outside."""
    return _MARK.sub("", _marked(messages, tools, add_generation_prompt))


@dataclass
class _Writer:
    """Collects text up to the next true special token, so that the pre-tokenizer sees it in one piece."""

    tok: Tokenizer
    ids: list[int] = field(default_factory=list)
    mask: list[bool] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    made: list[bool] = field(default_factory=list)

    def write(self, text: str, data: bool, made: bool) -> None:
        done = 0
        if data:
            return self._plain(text, made)
        for match in self.tok.special_pattern.finditer(text):
            self._plain(text[done : match.start()], made)
            self.flush()
            self.ids.append(self.tok.special[match[0]])
            self.mask.append(made)
            done = match.end()
        self._plain(text[done:], made)

    def _plain(self, text: str, made: bool) -> None:
        if text:
            self.pieces.append(text)
            self.made.append(made)

    def flush(self) -> None:
        """Encode the collected text; a token belongs to the assistant when any of its bytes does."""
        if not self.pieces:
            return
        ids = self.tok.encode("".join(self.pieces))
        self.ids += ids
        if len(set(self.made)) == 1:
            self.mask += [self.made[0]] * len(ids)
        else:
            of_byte = np.repeat(self.made, [len(piece.encode()) for piece in self.pieces])
            count = np.concatenate([[0], np.cumsum(of_byte)])
            ends = np.maximum(np.cumsum(self.tok.token_bytes[ids]) - self.tok.prefix_bytes, 0)
            starts = np.concatenate([[0], ends[:-1]])
            self.mask += (count[ends] > count[starts]).tolist()
        self.pieces, self.made = [], []


# -- messages into the template


def _marked(messages: Sequence[Message], tools: Sequence[Any] | None, add_generation_prompt: bool) -> str:
    """The rendered chat with every string from outside and every assistant's turn between marks."""
    values = {
        "messages": [_message(message, i) for i, message in enumerate(_list(messages, "messages"))],
        "tools": [_protect(tool, "tools") for tool in _list(tools, "tools")] if tools else None,
        "add_generation_prompt": add_generation_prompt,
    }
    try:
        return _template().render(values)
    except (jinja2.TemplateError, RecursionError) as error:
        raise EyasError(f"the chat cannot be rendered: {error}") from error


def _list(value: Any, what: str) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise EyasError(f"`{what}` must be a list, not {type(value).__name__}")
    return value


def _message(message: Any, i: int) -> dict[str, Any]:
    where = f"message {i + 1}"
    if not isinstance(message, Mapping):
        raise EyasError(f"{where} must be an object with `role` and `content`, not {type(message).__name__}")
    role = message.get("role")
    if role not in ROLES:
        raise EyasError(f"{where} has the role {role!r}; roles are {', '.join(ROLES)}")
    ready: dict[str, Any] = {"role": role, "content": _content(message.get("content"), where)}
    if role == "assistant":
        for name in _REASONING:
            if (reasoning := message.get(name)) is not None:
                ready["reasoning_content"] = _protect(_string(reasoning, f"{where}: `{name}`"), where)
                break
        ready["tool_calls"] = [_call(call, where) for call in _list(message.get("tool_calls") or [], "tool_calls")]
    return ready


def _content(content: Any, where: str) -> Any:
    if content is None:
        return ""
    if isinstance(content, str):
        return _protect(content, where)
    parts = []
    for part in _list(content, f"{where}: content"):
        if not isinstance(part, Mapping) or part.get("type") != "text":
            raise EyasError(f"{where}: only parts of the shape {{'type': 'text', 'text': ...}} can be rendered")
        parts.append({"type": "text", "text": _protect(_string(part.get("text"), f"{where}: text"), where)})
    return parts


def _call(call: Any, where: str) -> dict[str, Any]:
    function = call.get("function") or call if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise EyasError(f"{where}: a tool call needs {{'function': {{'name': ..., 'arguments': {{...}}}}}}")
    arguments = function.get("arguments") or {}
    if not isinstance(arguments, str | Mapping):
        raise EyasError(f"{where}: the arguments of a tool call must be an object")
    return {"function": {"name": _protect(function["name"], where), "arguments": _protect(arguments, where)}}


def _string(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise EyasError(f"{what} must be a string, not {type(value).__name__}")
    return value


def _protect(value: Any, where: str) -> Any:
    """`value` (as JSON knows them) with marks around every string in it, keys included."""
    if isinstance(value, str):
        return f"{_DATA}{mend(value)}{_DATA_END}" if value else value
    if value is None or isinstance(value, bool | int | float):
        return value
    try:
        if isinstance(value, Mapping):
            return {_protect(_string(key, "a key"), where): _protect(item, where) for key, item in value.items()}
        if isinstance(value, Iterable) and not isinstance(value, bytes):
            return [_protect(item, where) for item in value]
    except RecursionError as error:
        raise EyasError(f"{where} is nested too deeply") from error
    raise EyasError(f"{where} holds a {type(value).__name__}, which JSON has no form for")


# -- the template's environment, as `transformers` sets it up


class _Generation(Extension):
    """`{% generation %}...{% endgeneration %}`: marks what the assistant writes."""

    tags = {"generation"}  # noqa: RUF012  (so Jinja declares it)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller: Callable[[], str]) -> str:
        return f"{_MADE}{caller()}{_MADE_END}"


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    # Jinja's own filter would escape < and > for HTML.
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


@cache
def _template() -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    return environment.from_string(CHAT_TEMPLATE)
