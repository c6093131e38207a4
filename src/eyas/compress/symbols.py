"""Any bytes as token ids: text through the tokenizer, what it would not give back exactly byte by byte.

A file that spells `<|endoftext|>` between its documents, as corpora do, gets the special id there: it stands for just
these characters, and the model knows what follows it. Nobody acts on these ids; they are only predicted.
"""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from eyas.text.tokenizer import Tokenizer

_ESCAPED = "[\udc80-\udcff]+"  # what `surrogateescape` makes of bytes that are no UTF-8


class Symbols:
    """The token ids that data is made of: all that stand for some bytes, a special token for its name."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        single = [i for i in range(tokenizer.vocab_size) if tokenizer.token_bytes[i] == 1]
        self._odd = re.compile(f"{_ESCAPED}|{tokenizer.special_pattern.pattern}")
        self._of_byte = {tokenizer.decode_bytes([i])[0]: i for i in reversed(single)}

    def excluded(self, vocab_size: int) -> NDArray[np.intp]:
        """The ids below `vocab_size`, the model's, that no data is made of."""
        known = min(vocab_size, self.tokenizer.vocab_size)
        return np.array([i for i in range(vocab_size) if i >= known or not self.data([i])], dtype=np.intp)

    def ids(self, data: bytes) -> list[int] | None:
        """Ids that stand for exactly `data`; None when it holds a byte for which this tokenizer has no token."""
        found: list[int] = []
        text = data.decode("utf-8", "surrogateescape")
        at = 0
        for odd in self._odd.finditer(text):
            found += self._text(text[at : odd.start()])
            special = self.tokenizer.special.get(odd.group())
            found += self._bytes(odd.group().encode("utf-8", "surrogateescape")) if special is None else [special]
            at = odd.end()
        found += self._text(text[at:])
        return None if -1 in found else found

    def data(self, ids: Iterable[int]) -> bytes:
        """The bytes that `ids` stand for."""
        return self.tokenizer.decode_bytes(ids)

    def _bytes(self, data: bytes) -> list[int]:
        """One id a byte, -1 for those without."""
        return [self._of_byte.get(byte, -1) for byte in data]

    def _text(self, text: str) -> list[int]:
        """Ids of valid text. Where the tokenizer changes it (to NFC, say), the lines at fault go byte by byte."""
        if not text:
            return []
        if (ids := self._exact(text)) is not None:
            return ids
        found: list[int] = []
        for line in text.splitlines(keepends=True):
            ids = self._exact(line)
            found += self._bytes(line.encode()) if ids is None else ids
        return found

    def _exact(self, text: str) -> list[int] | None:
        """Ids of `text`, None unless they stand for it to the byte."""
        head = b""
        if self.tokenizer.prefix_bytes:  # SentencePiece puts a space before every text: let it be the first there is
            before, space, text = text.partition(" ")
            head, text = before.encode(), text
            if not space:
                return self._bytes(head)
        ids = [*self._bytes(head), *self.tokenizer.encode(text)]
        whole = head + b" " * self.tokenizer.prefix_bytes + text.encode()
        return ids if -1 in ids or self.data(ids) == whole else None
