"""Which documents are held out for validation: by the hash of their text, so that a copy is held out everywhere."""

from collections.abc import Iterable, Iterator

from eyas.data.documents import Document

FEW = 10
"""With fewer documents than this none is spared whole: the end of each is held out."""

BUFFER_BYTES = 128 << 20

Hashed = tuple[int, Document, bytes]
"""(source number, document, 16-byte hash of its text)"""


def split(documents: Iterable[Hashed], fraction: float) -> Iterator[tuple[int, Document, bool]]:
    """Yield (source, document, held out) in the order of `documents`.

    A large corpus holds out every document whose hash falls below `fraction`. A small one (20 held-out documents are
    not to be expected) holds out the documents with the smallest hashes, at least one; a corpus of fewer than ten
    documents holds out the last `fraction` of each, cut at a line's end.
    """
    stream = iter(documents)
    if fraction <= 0:
        yield from ((source, document, False) for source, document, _ in stream)
        return
    first: list[Hashed] = []
    size, enough = 0, 20 / fraction
    for item in stream:
        first.append(item)
        size += len(item[1].text)
        if len(first) >= enough or size >= BUFFER_BYTES:
            break
    if len(first) < FEW:
        for source, document, _ in first:
            yield from ((source, part, held) for part, held in cut_tail(document, fraction))
    elif len(first) < enough:
        ranked = sorted(range(len(first)), key=lambda i: first[i][2])
        held_out = set(ranked[: max(1, round(fraction * len(first)))])
        yield from ((source, document, i in held_out) for i, (source, document, _) in enumerate(first))
    else:
        yield from ((source, document, _share(digest) < fraction) for source, document, digest in first)
    first.clear()
    yield from ((source, document, _share(digest) < fraction) for source, document, digest in stream)


def _share(digest: bytes) -> float:
    return int.from_bytes(digest[:8], "big") / 2**64


def cut_tail(document: Document, fraction: float) -> Iterator[tuple[Document, bool]]:
    """The document's last `fraction` (True), then what stands before it (False); cut after a line if there is one.

    The held-out end comes first: whoever stops after enough training text has it all the same.
    """
    text = document.text
    wish = round(len(text) * (1 - fraction))
    at = text.rfind("\n", wish // 2, wish) + 1 or wish
    if 0 < at < len(text):
        yield Document(text[at:]), True
        yield Document(text[:at]), False
    else:
        yield document, False
