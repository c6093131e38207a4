"""What the documents of a life say about a question: its own text, or the world's papers, searched by BM25 (FTS5)."""

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from eyas.data.sources import documents, parse_source
from eyas.errors import EyasError
from eyas.files import read_json
from eyas.flywheel.names import names_in
from eyas.flywheel.similarity import words
from eyas.world.people import World

MAX_CHARACTERS = 20_000_000
MAX_DOCUMENTS = 20_000
PAPERS_A_RESIDENT = 25
"""Enough for every fact about a resident to be told."""
PASSAGE = 1500
TOKENS = 48


@dataclass(frozen=True)
class Passage:
    """Some words of a document, cut out around what was looked for."""

    source: str
    text: str


class Passages:
    """The documents behind a life, read once; any thread may search. Sources on the hub are left out."""

    def __init__(self, life: Path) -> None:
        self._lock = threading.Lock()
        self._index = sqlite3.connect(":memory:", check_same_thread=False)
        self._index.execute("CREATE VIRTUAL TABLE passage USING fts5(text, source UNINDEXED, tokenize='porter')")
        self._index.executemany("INSERT INTO passage (text, source) VALUES (?, ?)", _passages(life))
        self.pieces = int(self._index.execute("SELECT count(*) FROM passage").fetchone()[0])
        """How many pieces of text were read; 0: this life has no documents here."""

    def near(self, question: str, most: int = 3) -> list[Passage]:
        """The places that have most of the question's words, the rare ones first; none when it has no words."""
        # a name counts as a whole besides its words; all is quoted, so that nothing in a question is search syntax
        asked = dict.fromkeys([*words(question), *(" ".join(words(name)) for name in names_in(question))])
        if not asked:
            return []
        query = " OR ".join(f'"{one}"' for one in asked)
        found = (
            f"SELECT source, snippet(passage, 0, '', '', '…', {TOKENS}) FROM passage WHERE passage MATCH ? "
            "ORDER BY rank LIMIT ?"
        )
        with self._lock:
            return [Passage(*row) for row in self._index.execute(found, (query, most))]

    def naming(self, name: str) -> int:
        """How many pieces of the documents have these words side by side."""
        phrase = " ".join(words(name))
        if not phrase:
            return 0
        with self._lock:
            found = self._index.execute("SELECT count(*) FROM passage WHERE passage MATCH ?", (f'"{phrase}"',))
            return int(found.fetchone()[0])


def _passages(life: Path) -> Iterator[tuple[str, str]]:
    """(text, source) of all documents, cut at line ends and sentences into pieces of about `PASSAGE` characters."""
    record = read_json(life / "life.json", "life") if (life / "life.json").is_file() else {}
    sources = [str(one) for one in record.get("data", [])]
    if (life / "corpus").is_dir():
        sources.append(str(life / "corpus"))
    left = MAX_CHARACTERS
    for name in sources:
        try:
            source = parse_source(name)
        except EyasError:
            continue  # the files that the life was raised on may have gone since
        if not (source.is_path or source.name == "world"):
            continue
        shown = Path(source.name).name if source.is_path else "the town's papers"
        people = record.get("residents") or record.get("people")
        texts = documents(source, seed=record.get("seed", 0), people=people, skip_bad=True)
        most = PAPERS_A_RESIDENT * (people or World().n_people) if source.endless else MAX_DOCUMENTS
        for document in islice(texts, most):
            for piece in _pieces(document.text):
                left -= len(piece)
                if left < 0:
                    return
                yield piece, shown


def _pieces(text: str) -> Iterator[str]:
    while len(text) > PASSAGE:
        cut = max(text.rfind(end, 0, PASSAGE) for end in ("\n", ". ", " ")) + 1 or PASSAGE
        yield text[:cut]
        text = text[cut:]
    yield text
