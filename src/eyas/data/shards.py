"""Token shards on disk: memory-mapped, indexed by document, checked by SHA-256.

A shard folder holds, for each split (`train`, `val`), numbered pairs of files and one `index.json`:

    train-00000.bin    token ids, uint16 or uint32 little-endian; each document begins with <|endoftext|>
    train-00000.docs   one DOC record a document: where it begins, its tokens, its bytes, floor bits, source
    index.json         format, dtype, config, and for each shard its tokens, documents, bytes and two SHA-256 sums
"""

import hashlib
import json
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eyas.data.documents import Ids
from eyas.errors import EyasError
from eyas.files import read_json, sha256_file

FORMAT = "eyas token shards 1"
SPLITS = ("train", "val")

DOC = np.dtype([("start", "<u8"), ("length", "<u4"), ("bytes", "<u4"), ("floor_bits", "<f8"), ("source", "<u2")])
"""A document in a shard: first token, tokens with the leading <|endoftext|>, UTF-8 bytes, NaN where unknown, source."""


Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class ShardRecord:
    """One finished shard: `name`.bin and `name`.docs."""

    name: Annotated[str, Field(pattern=r"^(train|val)-\d{5}$")]
    tokens: Count
    documents: Count
    bytes: Count
    sha256: str
    docs_sha256: str


class _Splits(BaseModel):
    train: list[ShardRecord]
    val: list[ShardRecord]


class _Index(BaseModel):
    """The part of index.json that opening a folder relies on."""

    model_config = ConfigDict(strict=True)

    dtype: Literal["uint16", "uint32"]
    vocab_size: Count
    endoftext: Count
    splits: _Splits


class ShardWriter:
    """Writes one shard: everything goes to `.part` files, `finish` flushes and renames them."""

    def __init__(self, folder: Path, name: str, dtype: str):
        self.folder, self.name, self.dtype = folder, name, np.dtype(dtype)
        self.tokens = self.bytes = 0
        self._docs: list[tuple[int, int, int, float, int]] = []
        self._hash = hashlib.sha256()
        self._file = open(folder / f"{name}.bin.part", "wb")  # noqa: SIM115 (closed in finish or abandon)

    def add(self, ids: Ids, n_bytes: int, floor_bits: float | None, source: int) -> None:
        """Append one document's ids (its <|endoftext|> first)."""
        data = np.ascontiguousarray(ids, dtype=self.dtype).tobytes()
        self._file.write(data)
        self._hash.update(data)
        floor = float("nan") if floor_bits is None else floor_bits
        self._docs.append((self.tokens, len(ids), n_bytes, floor, source))
        self.tokens += len(ids)
        self.bytes += n_bytes

    def finish(self) -> ShardRecord:
        """Make the shard durable under its final name."""
        docs = np.array(self._docs, dtype=DOC).tobytes()
        _sync_close(self._file)
        with open(self.folder / f"{self.name}.docs.part", "wb") as file:
            file.write(docs)
            _sync_close(file)
        for kind in ("bin", "docs"):
            os.replace(self.folder / f"{self.name}.{kind}.part", self.folder / f"{self.name}.{kind}")
        return ShardRecord(
            self.name,
            self.tokens,
            len(self._docs),
            self.bytes,
            self._hash.hexdigest(),
            hashlib.sha256(docs).hexdigest(),
        )

    def abandon(self) -> None:
        """Close without a result (the `.part` file is removed by the next build)."""
        self._file.close()


def _sync_close(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()


@dataclass(frozen=True)
class ValDocument:
    """A held-out document as evaluation needs it: ids with the leading <|endoftext|>, UTF-8 bytes, floor if known."""

    ids: Ids
    n_bytes: int
    floor_bits: float | None


class ShardDocuments:
    """The documents of one split as `packing.TokenDocuments`: lengths in memory (4 bytes each), tokens on disk."""

    def __init__(self, folder: Path, records: Sequence[ShardRecord], dtype: str, endoftext: int):
        self.endoftext = endoftext
        self._tokens = [_map(folder / f"{r.name}.bin", np.dtype(dtype), r.tokens) for r in records]
        self._docs = [_map(folder / f"{r.name}.docs", DOC, r.documents) for r in records]
        self._starts = [docs["start"] for docs in self._docs]
        self._first = [0, *accumulate(r.documents for r in records)]
        parts = [docs["length"] for docs in self._docs]
        self.lengths: Ids = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint32)

    def __len__(self) -> int:
        return len(self.lengths)

    def read(self, document: int, start: int, stop: int) -> Ids:
        """Ids [start, stop) of one document (a view of the mapped file)."""
        shard = bisect_right(self._first, document) - 1
        begin = int(self._starts[shard][document - self._first[shard]])
        ids: Ids = self._tokens[shard][begin + start : begin + min(stop, int(self.lengths[document]))]
        return ids

    def document(self, number: int) -> ValDocument:
        """One whole document with its byte count and floor."""
        shard = bisect_right(self._first, number) - 1
        entry = self._docs[shard][number - self._first[shard]]
        floor = float(entry["floor_bits"])
        ids = self.read(number, 0, int(entry["length"]))
        return ValDocument(ids, int(entry["bytes"]), None if np.isnan(floor) else floor)


def _map(path: Path, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise EyasError(f"shard file {path} is missing; remove {path.parent} and build it again") from error
    if size != count * dtype.itemsize:
        raise EyasError(
            f"shard file {path} is damaged: {size} bytes instead of {count * dtype.itemsize}; "
            f"remove {path.parent} and build it again"
        )
    if not count:
        return np.zeros(0, dtype=dtype)
    # As a plain array: the memmap class itself costs microseconds at every slice.
    return np.memmap(path, dtype=dtype, mode="r").view(np.ndarray)


class Shards:
    """A finished shard folder. `train` and `val` are ShardDocuments; `index` is the parsed index.json."""

    def __init__(self, folder: Path, index: dict[str, Any]):
        self.folder, self.index = folder, index
        parsed = _Index.model_validate(index)
        self.records = {"train": parsed.splits.train, "val": parsed.splits.val}
        self.train = ShardDocuments(folder, self.records["train"], parsed.dtype, parsed.endoftext)
        self.val = ShardDocuments(folder, self.records["val"], parsed.dtype, parsed.endoftext)

    @classmethod
    def load(cls, folder: Path, *, verify: bool = True) -> "Shards":
        """Open a shard folder; with `verify` every file's checksum is compared (about 1 GB/s). Raises EyasError."""
        index = read_json(folder / "index.json", "shard index")
        if not isinstance(index, dict) or index.get("format") != FORMAT:
            raise EyasError(f"{folder / 'index.json'} is not an index of `{FORMAT}`; build the shards again")
        try:
            shards = cls(folder, index)
        except ValidationError as error:
            first = error.errors()[0]
            fault = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
            raise EyasError(f"shard index {folder / 'index.json'} is damaged ({fault}); build it again") from error
        if verify:
            for records in shards.records.values():
                verify_records(folder, records)
        return shards

    @property
    def vocab_size(self) -> int:
        """Vocabulary the ids were made with; a model must have at least this many."""
        return int(self.index["vocab_size"])

    @property
    def sha256(self) -> str:
        """One sum over every shard's sums: names the data in a lineage, wherever the folder lies."""
        sums = [[r.sha256, r.docs_sha256] for split in SPLITS for r in self.records[split]]
        return hashlib.sha256(json.dumps(sums).encode()).hexdigest()

    def tokens(self, split: str = "train") -> int:
        """Tokens of a split, one <|endoftext|> a document included."""
        return sum(record.tokens for record in self.records[split])

    def bytes(self, split: str = "train") -> int:
        """UTF-8 bytes of a split's texts."""
        return sum(record.bytes for record in self.records[split])

    @property
    def bytes_per_token(self) -> float:
        """Mean UTF-8 bytes a training token stands for: turns loss per token into bits per byte."""
        return self.bytes() / max(1, self.tokens())

    def val_documents(self) -> Iterator[ValDocument]:
        """The held-out documents one by one."""
        return (self.val.document(number) for number in range(len(self.val)))


def verify_records(folder: Path, records: Sequence[ShardRecord]) -> None:
    """Compare each shard's two files with their checksums. Raises EyasError naming the damaged file."""
    for record in records:
        for path, wanted in (
            (folder / f"{record.name}.bin", record.sha256),
            (folder / f"{record.name}.docs", record.docs_sha256),
        ):
            if not path.exists():
                raise EyasError(f"shard file {path} is missing; remove {folder} and build it again")
            if sha256_file(path) != wanted:
                raise EyasError(f"shard file {path} is damaged (wrong checksum); remove {folder} and build it again")


def source_counts(folder: Path, records: Sequence[ShardRecord], n_sources: int) -> list[tuple[int, int, int]]:
    """(documents, bytes, tokens) of each source over some shards."""
    sums = np.zeros((3, n_sources), dtype=np.int64)
    for record in records:
        docs = _map(folder / f"{record.name}.docs", DOC, record.documents)
        np.add.at(sums[0], docs["source"], 1)
        np.add.at(sums[1], docs["source"], docs["bytes"])
        np.add.at(sums[2], docs["source"], docs["length"])
    return [(int(documents), int(n_bytes), int(tokens)) for documents, n_bytes, tokens in sums.T]
