"""Where pretraining text comes from: the world, Python's own sources, files, folders and the hub, by one spelling."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from eyas.data.documents import Document, Tally
from eyas.data.mix import interleave
from eyas.data.reading import BadInput, kind_of_file
from eyas.data.tables import TABLE_KINDS, raw_rows
from eyas.data.textfiles import cut_text, text_documents
from eyas.errors import EyasError

TEXT_KINDS = (".txt", ".md")
TEXT_COLUMNS = ("text", "content")


@dataclass(frozen=True)
class Source:
    """`name` is `world`, `python-docs`, `hf:OWNER/NAME[:split]` or a path; `weight` its share of the mixed bytes."""

    name: str
    weight: float = 1.0

    @property
    def endless(self) -> bool:
        """Whether reading it never ends."""
        return self.name == "world"

    @property
    def is_path(self) -> bool:
        """Whether it is a file or folder."""
        return self.name not in ("world", "python-docs") and not self.name.startswith("hf:")

    def fingerprint(self) -> list[list[Any]]:
        """What shows that the input is the same as before: names, sizes and times of its files."""
        if not self.is_path:
            return []
        stats = [(str(file), file.stat()) for file in source_files(Path(self.name))]
        return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]


def parse_source(text: str) -> Source:
    """`SRC[:weight]`; raises EyasError for an unknown source, a missing file or a weight that is not positive."""
    name, weight = split_weight(text)
    if not name:
        raise EyasError("--data is empty: name a file, a folder, `world`, `python-docs` or `hf:OWNER/NAME`")
    if weight <= 0:
        raise EyasError(f"--data {text}: the weight must be greater than 0")
    source = Source(name, weight)
    if name.startswith("hf:") and not re.fullmatch(r"hf:[\w.-]+(?:/[\w.-]+)?(?::[\w.\[\]:%-]+)?", name):
        raise EyasError(f"--data {text}: write a hub data set as hf:OWNER/NAME or hf:OWNER/NAME:split")
    if source.is_path and not Path(name).exists():
        raise EyasError(f"--data {text}: no such file or folder (and not `world`, `python-docs` or `hf:...`)")
    return source


def split_weight(text: str) -> tuple[str, float]:
    """`NAME[:weight]` as its two parts, the weight 1 where there is none; a path that exists is a name as it stands."""
    name = text.strip()
    match = re.fullmatch(r"(.+):(\d+(?:\.\d*)?|\.\d+)", name)
    return (match[1], float(match[2])) if match and not Path(name).exists() else (name, 1.0)


def documents(
    source: Source | str,
    *,
    seed: int = 0,
    people: int | None = None,
    skip_bad: bool = False,
    tally: Tally | None = None,
) -> Iterator[Document]:
    """The documents of one source in their order. `seed` and `people` shape the world only.

    With `skip_bad` input that cannot be used is counted in `tally` instead of raising EyasError.
    """
    source = parse_source(source) if isinstance(source, str) else source
    bad = BadInput(skip_bad, tally if tally is not None else Tally())
    if source.name == "world":
        yield from _world(seed, people)
    elif source.name == "python-docs":
        from eyas.data.pythondocs import python_documents

        yield from python_documents()
    elif source.name.startswith("hf:"):
        yield from _hub(source.name, bad)
    else:
        for file in source_files(Path(source.name)):
            if kind_of_file(file) in TABLE_KINDS:
                yield from _texts(raw_rows(file, bad), bad)
            else:
                yield from text_documents(file, bad)


def texts(
    sources: Sequence[Source | str],
    *,
    max_bytes: int | None = None,
    seed: int = 0,
    people: int | None = None,
    skip_bad: bool = False,
    tally: Tally | None = None,
) -> Iterator[str]:
    """The mixed texts of several sources (what a tokenizer is trained on), up to about `max_bytes` of UTF-8."""
    parsed = [parse_source(source) if isinstance(source, str) else source for source in sources]
    if max_bytes is None and parsed and all(source.endless for source in parsed):
        raise EyasError(f"source `{parsed[0].name}` never ends: say how many bytes of it to read")
    streams = [documents(s, seed=seed, people=people, skip_bad=skip_bad, tally=tally) for s in parsed]
    read = 0
    for _, document in interleave(streams, [s.weight for s in parsed], [s.endless for s in parsed]):
        yield document.text
        read += len(document.text.encode())
        if max_bytes is not None and read >= max_bytes:
            return


def source_files(path: Path) -> list[Path]:
    """The file itself, or every readable file of a folder and below it, in order. Raises EyasError when none is."""
    if not path.is_dir():
        return [path]
    known = (*TEXT_KINDS, *TABLE_KINDS)
    files = sorted(file for file in path.rglob("*") if file.is_file() and kind_of_file(file) in known)
    if not files:
        raise EyasError(f"folder {path} holds no text: eyas reads {', '.join(known)}, also .gz or .zst")
    return files


def _world(seed: int, people: int | None) -> Iterator[Document]:
    from eyas.world.people import World
    from eyas.world.stream import documents as papers

    for paper in papers(World(seed) if people is None else World(seed, people)):
        yield Document(paper.text, paper.floor_bits)


def _texts(rows: Iterator[tuple[str, dict[str, Any]]], bad: BadInput) -> Iterator[Document]:
    """The text column of raw rows."""
    for where, row in rows:
        text = next((row[column] for column in TEXT_COLUMNS if isinstance(row.get(column), str)), None)
        if text is None:
            columns = ", ".join(str(key) for key in list(row)[:12])
            bad.report(
                f"{where} has no text column (found: {columns}); a pretraining source needs `text`, "
                "chats and preferences belong to finetune and align"
            )
        elif text.strip():
            yield from (Document(part) for part in cut_text(text))


def _hub(name: str, bad: BadInput) -> Iterator[Document]:
    """A hub data set, streamed; this is the only source that uses the network."""
    try:
        import datasets
    except ImportError as error:
        raise EyasError(f"--data {name} needs the datasets library: pip install 'eyas[data]'") from error
    repository, _, split = name.removeprefix("hf:").partition(":")
    try:
        stream = iter(datasets.load_dataset(repository, split=split or "train", streaming=True))
        rows = (next(stream, None) for _ in count())
        for number, row in enumerate(rows, start=1):
            if row is None:
                return
            yield from _texts(iter([(f"row {number} of {name}", dict(row))]), bad)
    except EyasError:
        raise
    except Exception as error:  # the library raises its own, its network's and its formats' errors
        reason = str(error).strip().splitlines()[:1]
        raise EyasError(f"--data {name} cannot be read: {reason[0] if reason else type(error).__name__}") from error
