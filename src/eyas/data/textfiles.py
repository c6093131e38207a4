"""Plain text files: one document a file, or many between `<|endoftext|>` marks, whatever their length."""

from collections.abc import Iterator
from pathlib import Path

from eyas.data.documents import Document
from eyas.data.reading import BadInput, decode, open_bytes

MARK = b"<|endoftext|>"
MAX_DOCUMENT = 1 << 20
"""A longer text is cut (after a paragraph, a line, a word), so that memory stays bounded and all cores can encode."""

_BLOCK = 1 << 20


def text_documents(path: Path, bad: BadInput) -> Iterator[Document]:
    """The documents of a text file (maybe .gz or .zst), byte for byte as they are except the newlines around marks."""
    with open_bytes(path, bad) as file:
        line, rest, first = 1, b"", True
        after_mark = ended = False
        while not ended:
            block = file.read(_BLOCK)
            ended = not block
            if first:
                if ended:
                    bad.report(f"{path} is empty")
                    return
                block, first = block.removeprefix(b"\xef\xbb\xbf"), False
            # The mark may lie across two blocks, so the search starts a little before the new one.
            searched = max(0, len(rest) - len(MARK))
            rest += block
            begin = 0
            while (at := rest.find(MARK, max(begin, searched))) >= 0:
                yield from _document(rest[begin:at], path, line, bad, after_mark, True)
                line += rest.count(b"\n", begin, at)
                begin, after_mark = at + len(MARK), True
            rest = rest[begin:]
            while len(rest) > MAX_DOCUMENT + _BLOCK:
                at = _cut(rest)
                yield from _document(rest[:at], path, line, bad, after_mark, False)
                line += rest.count(b"\n", 0, at)
                rest, after_mark = rest[at:], False
        yield from _document(rest, path, line, bad, after_mark, after_mark)


def _document(
    data: bytes, path: Path, line: int, bad: BadInput, after_mark: bool, before_mark: bool
) -> Iterator[Document]:
    if not data.isascii():
        line += _lines_before_fault(data)
    if after_mark:
        data = data.lstrip(b"\r\n")
    if before_mark:
        data = data.rstrip(b"\r\n")
    if data.strip():
        text = decode(data, f"line {line} of {path}", bad)
        if text is not None:
            yield Document(text)


def _lines_before_fault(data: bytes) -> int:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start)
    return 0


def _cut(data: bytes) -> int:
    """Where to cut a long text, near MAX_DOCUMENT: after a paragraph, else a line, else a word, else a character."""
    for end in (b"\n\n", b"\n", b" "):
        at = data.rfind(end, MAX_DOCUMENT // 2, MAX_DOCUMENT)
        if at >= 0:
            return at + len(end)
    at = MAX_DOCUMENT
    while at > MAX_DOCUMENT - 4 and data[at] & 0xC0 == 0x80:  # never inside a character
        at -= 1
    return at


def cut_text(text: str) -> Iterator[str]:
    """A text from elsewhere (a row, a table cell) in parts of at most MAX_DOCUMENT characters, cut in the same way."""
    while len(text) > MAX_DOCUMENT:
        at = next(
            (
                at + len(end)
                for end in ("\n\n", "\n", " ")
                if (at := text.rfind(end, MAX_DOCUMENT // 2, MAX_DOCUMENT)) > 0
            ),
            MAX_DOCUMENT,
        )
        yield text[:at]
        text = text[at:]
    yield text
