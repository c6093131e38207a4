"""Text becomes token shards: read, clean, drop copies, hold out, encode on every core, write; bounded memory.

A build that was killed goes on: finished shards are kept, and since every step before the encoder is deterministic,
the documents that they hold are simply counted off again. The result is the same as that of an unbroken build.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from eyas.data.dedup import Seen, document_hash
from eyas.data.documents import Document, Ids, Tally
from eyas.data.filters import make_filters, through
from eyas.data.mix import interleave
from eyas.data.shards import (
    FORMAT,
    SPLITS,
    ShardDocuments,
    ShardRecord,
    Shards,
    ShardWriter,
    source_counts,
    verify_records,
)
from eyas.data.sources import Source, documents, parse_source
from eyas.data.split import Hashed, split
from eyas.errors import EyasError
from eyas.files import read_json, write_atomic
from eyas.progress import Progress

SHARD_TOKENS = 1 << 25
BATCH_BYTES = 4 << 20


class Encoder(Protocol):
    """The part of a tokenizer that a build needs (`eyas.text.tokenizer.Tokenizer` has it)."""

    vocab_size: int

    @property
    def endoftext(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    def encode_batch(self, texts: Sequence[str], threads: int = 2) -> list[Any]: ...


@dataclass
class BuildReport:
    """What a build did (this run of it): `tally` counts what was left out, rates are of UTF-8 text."""

    tally: Tally = field(default_factory=Tally)
    text_bytes: int = 0
    seconds: float = 0.0
    encoded_bytes: int = 0
    encode_seconds: float = 0.0
    resumed: bool = False

    @property
    def mb_per_second(self) -> float:
        """Text through the whole build, reading and writing included."""
        return self.text_bytes / 1e6 / max(self.seconds, 1e-9)

    @property
    def encode_mb_per_second(self) -> float:
        """Text through the tokenizer alone."""
        return self.encoded_bytes / 1e6 / max(self.encode_seconds, 1e-9)


def build_shards(
    sources: Sequence[str | Source],
    tokenizer: Encoder,
    out: Path,
    *,
    n_tokens: int | None = None,
    val_fraction: float = 0.01,
    seed: int = 0,
    people: int | None = None,
    filters: Sequence[str] = (),
    skip_bad: bool = False,
    workers: int = 2,
    shard_tokens: int = SHARD_TOKENS,
    progress: Progress | None = None,
    report: BuildReport | None = None,
) -> Shards:
    """Encode `sources` into the shard folder `out` (about `n_tokens` training tokens, whole documents; None: all).

    `filters` are names of `eyas.data.filters`, applied in order before exact duplicates are dropped. A finished folder
    made from the same input and configuration is returned as it is; an unfinished one is continued. Raises EyasError.
    """
    report = report if report is not None else BuildReport()
    parsed = [parse_source(source) if isinstance(source, str) else source for source in sources]
    if not parsed:
        raise EyasError("no source of text was given: add --data SRC")
    if not 0 <= val_fraction < 1:
        raise EyasError(f"--val-fraction must lie between 0 and 1, not {val_fraction}")
    if n_tokens is None and all(source.endless for source in parsed):
        raise EyasError(f"source `{parsed[0].name}` never ends: say how much of it with --tokens")
    config = {
        "sources": [[source.name, source.weight, source.fingerprint()] for source in parsed],
        "tokenizer": tokenizer.fingerprint,
        "n_tokens": n_tokens,
        "val_fraction": val_fraction,
        "seed": seed,
        "people": people,
        "filters": list(filters),
        "skip_bad": skip_bad,
        "shard_tokens": shard_tokens,
    }
    index_path = out / "index.json"
    if index_path.exists():
        index = read_json(index_path, "shard index")
        if isinstance(index, dict) and index.get("config") == config:
            return Shards.load(out)
        raise EyasError(f"{out} holds shards of other data or settings: choose another folder or remove it first")
    try:
        out.mkdir(parents=True, exist_ok=True)
        build = _Build(tokenizer, out, config, n_tokens, shard_tokens, workers, report, progress)
        cleaned = cleaned_documents(
            parsed, seed=seed, people=people, filters=filters, skip_bad=skip_bad, tally=report.tally
        )
        build.run(split(cleaned, val_fraction))
        index = build.index([source.name for source in parsed])
        write_atomic(index_path, json.dumps(index, indent=1))
        (out / "build.json").unlink(missing_ok=True)
    except OSError as error:
        raise EyasError(f"cannot write shards to {out}: {error.strerror}; free space, then run it again") from error
    return Shards.load(out, verify=False)


def cleaned_documents(
    sources: Sequence[Source],
    *,
    seed: int = 0,
    people: int | None = None,
    filters: Sequence[str] = (),
    skip_bad: bool = False,
    tally: Tally | None = None,
) -> Iterator[Hashed]:
    """The mixed sources as a build sees them before the split: filtered, each text once, with its hash."""
    tally = tally if tally is not None else Tally()
    steps = make_filters(filters)
    streams = [documents(s, seed=seed, people=people, skip_bad=skip_bad, tally=tally) for s in sources]
    seen = Seen()
    for source, document in interleave(streams, [s.weight for s in sources], [s.endless for s in sources]):
        kept = through(steps, document, tally)
        if kept is None:
            continue
        digest = document_hash(kept.text.encode())
        if seen.add(digest):
            yield source, kept, digest
        else:
            tally.add("duplicate")


@dataclass
class _Split:
    """One split: its finished shards, the lengths of their documents not yet counted off, the shard being written."""

    records: list[ShardRecord]
    known: Iterator[int]
    writer: ShardWriter | None = None


Item = tuple[int, Document, bool, int]
"""(source number, document, held out, its number of tokens if a finished shard holds it already, else 0)"""


class _Build:
    def __init__(
        self,
        tokenizer: Encoder,
        out: Path,
        config: dict[str, Any],
        n_tokens: int | None,
        shard_tokens: int,
        workers: int,
        report: BuildReport,
        progress: Progress | None,
    ):
        self.tokenizer, self.out, self.config, self.n_tokens = tokenizer, out, config, n_tokens
        self.shard_tokens, self.workers, self.report, self.progress = shard_tokens, workers, report, progress
        self.dtype = "uint16" if tokenizer.vocab_size <= 1 << 16 else "uint32"
        self.fingerprint = hashlib.sha256(json.dumps(config).encode()).hexdigest()
        self.splits = {name: self._kept(name) for name in SPLITS}
        self.train_tokens = 0
        report.resumed = any(state.records for state in self.splits.values())

    def _kept(self, name: str) -> _Split:
        """Finished shards of an earlier run of the same build; everything else in the folder is its litter."""
        records: list[ShardRecord] = []
        state_path = self.out / "build.json"
        if state_path.exists():
            state = read_json(state_path, "shard build state")
            if isinstance(state, dict) and state.get("fingerprint") == self.fingerprint:
                records = [ShardRecord(**record) for record in state["splits"][name]]
        verify_records(self.out, records)
        kept = {record.name for record in records}
        for path in self.out.glob(f"{name}-*"):
            if path.suffix == ".part" or path.stem not in kept:
                path.unlink()
        lengths = ShardDocuments(self.out, records, self.dtype, self.tokenizer.endoftext).lengths
        return _Split(records, iter(lengths.tolist()))

    def run(self, documents: Iterator[tuple[int, Document, bool]]) -> None:
        """Encode and write until the documents or the wanted tokens end; a batch is encoded while the next is read."""
        started = time.perf_counter()
        try:
            with ThreadPoolExecutor(1) as pool:
                pending: tuple[list[Item], Future[list[Any]]] | None = None
                for batch in self._batches(documents):
                    following = batch, pool.submit(self._encode, [item[1].text for item in batch if not item[3]])
                    if pending is not None and not self._write(*pending):
                        pending = None
                        break
                    pending = following
                if pending is not None:
                    self._write(*pending)
            for name in SPLITS:
                self._finish(name)
        finally:
            for state in self.splits.values():
                if state.writer is not None:
                    state.writer.abandon()
            self.report.seconds += time.perf_counter() - started
        if not self.train_tokens:
            raise EyasError(f"the sources hold no text to train on ({self.report.tally})")

    def _batches(self, documents: Iterator[tuple[int, Document, bool]]) -> Iterator[list[Item]]:
        # Documents of finished shards stay in their batches, so that batches, and with them how far the sources are
        # read ahead and what the tally counts, are those of an unbroken build.
        batch: list[Item] = []
        size = 0
        for source, document, held_out in documents:
            known = next(self.splits["val" if held_out else "train"].known, 0)
            batch.append((source, document, held_out, known))
            size += len(document.text)
            if size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _encode(self, texts: list[str]) -> list[Any]:
        started = time.perf_counter()
        out = self.tokenizer.encode_batch(texts, threads=self.workers) if texts else []
        self.report.encode_seconds += time.perf_counter() - started
        return out

    def _write(self, batch: list[Item], encoded: Future[list[Any]]) -> bool:
        """Append a batch to the shards; False once there are enough training tokens."""
        start = np.array([self.tokenizer.endoftext], dtype=self.dtype)
        ids_of = iter(encoded.result())
        for source, document, held_out, known in batch:
            if self._enough():
                return False
            n_bytes = len(document.text.encode())
            self.report.text_bytes += n_bytes
            if known:
                self.train_tokens += 0 if held_out else known
                continue
            whole: Ids = np.concatenate([start, np.asarray(next(ids_of), dtype=self.dtype)])
            self.report.encoded_bytes += n_bytes
            self.train_tokens += 0 if held_out else len(whole)
            name = "val" if held_out else "train"
            state = self.splits[name]
            if state.writer is None:
                state.writer = ShardWriter(self.out, f"{name}-{len(state.records):05d}", self.dtype)
            state.writer.add(whole, n_bytes, document.floor_bits, source)
            if state.writer.tokens >= self.shard_tokens:
                self._finish(name)
        if self.progress is not None:
            self.progress.update(self.train_tokens, encode_MB_per_s=self.report.encode_mb_per_second)
        return not self._enough()

    def _enough(self) -> bool:
        return self.n_tokens is not None and self.train_tokens >= self.n_tokens

    def _finish(self, name: str) -> None:
        state = self.splits[name]
        if state.writer is None:
            return
        state.records.append(state.writer.finish())
        state.writer = None
        splits = {key: [asdict(record) for record in value.records] for key, value in self.splits.items()}
        write_atomic(self.out / "build.json", json.dumps({"fingerprint": self.fingerprint, "splits": splits}))

    def index(self, sources: list[str]) -> dict[str, Any]:
        """The content of index.json: only what follows from input and configuration."""
        return {
            "format": FORMAT,
            "dtype": self.dtype,
            "vocab_size": self.tokenizer.vocab_size,
            "endoftext": self.tokenizer.endoftext,
            "config": self.config,
            "splits": {name: [asdict(record) for record in state.records] for name, state in self.splits.items()},
            "sources": [
                {"name": name} | counts for name, counts in zip(sources, self._counts(len(sources)), strict=True)
            ],
            "left_out": self.report.tally.counts,
        }

    def _counts(self, n_sources: int) -> list[dict[str, int]]:
        """Documents, bytes and tokens of each source in each split, summed over the shards' document tables."""
        counts: list[dict[str, int]] = [{} for _ in range(n_sources)]
        for name, state in self.splits.items():
            sums = source_counts(self.out, state.records, n_sources)
            for of_source, (n_documents, n_bytes, n_tokens) in zip(counts, sums, strict=True):
                of_source |= {
                    f"{name}_documents": n_documents,
                    f"{name}_bytes": n_bytes,
                    f"{name}_tokens": n_tokens,
                }
        return counts
