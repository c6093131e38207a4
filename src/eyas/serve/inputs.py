"""Texts that clients send where no chat is: as strings, or as token ids."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from eyas.runtime.engine import Engine
from eyas.serve.errors import ApiError

_MOST = 2048  # texts in a request, as at OpenAI

Ids = Annotated[list[Annotated[int, Field(ge=0, lt=1 << 31)]], Field(min_length=1)]
Texts = (
    str
    | Ids
    | Annotated[list[str], Field(min_length=1, max_length=_MOST)]
    | Annotated[list[Ids], Field(min_length=1, max_length=_MOST)]
)
"""One text or several, each a string or token ids."""


def ids_of(texts: str | Sequence[Any], engine: Engine, param: str, *, room: int = 0) -> list[list[int]]:
    """The ids of each text. A string is data, so it never holds special tokens, and it gets the start of a document;
    ids stay as they are. Raises ApiError 400 for unknown ids, and where `room` more tokens would not fit the context.
    """
    parts = [texts] if isinstance(texts, str) or isinstance(texts[0], int) else texts
    tokenizer = engine.tokenizer
    rows = [[tokenizer.start, *tokenizer.encode(part)] if isinstance(part, str) else list(part) for part in parts]
    longest = max(map(len, rows))
    if longest + room > engine.context:
        raise ApiError(
            400,
            f"`{param}` has {longest} tokens, and the model's context of {engine.context} must hold "
            f"{'them' if room == 0 else 'them and an answer'}; send less",
            code="context_length_exceeded",
            param=param,
        )
    if any(token >= engine.vocab_size for row in rows for token in row):
        raise ApiError(400, f"token ids must be below {engine.vocab_size}, the model's vocabulary", param=param)
    return rows
