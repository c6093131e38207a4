"""Bits per byte on text the model was not trained on, beside the entropy floor and beside other compressors."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.compress.peers import peer_sizes
from eyas.data.build import cleaned_documents
from eyas.data.documents import Document
from eyas.data.sources import parse_source
from eyas.data.split import split
from eyas.errors import EyasError
from eyas.runtime.engine import Engine

_BOOTSTRAPS = 1000


@dataclass(frozen=True, slots=True)
class KindFigures:
    """The same figures for one kind of document."""

    bpb: float
    floor_bpb: float | None
    documents: int


@dataclass(frozen=True, slots=True)
class HeldoutResult:
    """`bpb` counts every target token, the end of each document included, over the documents' UTF-8 bytes.

    `low` and `high` bound it at 95 % (bootstrap over documents). `floor_bpb` is the entropy of the source
    where it is known; `gap` = bpb - floor_bpb; `over_floor` = bpb / floor_bpb - 1. `compressors`: bits per byte of
    others on the same text.
    """

    source: str
    bpb: float
    low: float
    high: float
    floor_bpb: float | None
    gap: float | None
    over_floor: float | None
    documents: int
    bytes: int
    tokens: int
    compressors: dict[str, float]
    by_kind: dict[str, KindFigures] | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def heldout_documents(
    sources: Sequence[str],
    *,
    val_fraction: float = 0.01,
    seed: int = 0,
    people: int | None = None,
    filters: Sequence[str] = (),
    max_bytes: int = 1_000_000,
    skip_bad: bool = False,
) -> list[Document]:
    """The documents that a training run on the same sources and seed holds out, up to `max_bytes`.

    A `val_fraction` of 0 takes all documents. Raises EyasError when there are none.
    """
    parsed = [parse_source(source) for source in sources]
    stream = cleaned_documents(parsed, seed=seed, people=people, filters=filters, skip_bad=skip_bad)
    kept: list[Document] = []
    size = 0
    pairs = split(stream, val_fraction) if val_fraction else ((s, d, True) for s, d, _ in stream)
    for _, document, held_out in pairs:
        if held_out:
            kept.append(document)
            size += len(document.text.encode())
            if size >= max_bytes:
                break
    if not size:
        raise EyasError(f"{', '.join(sources)} holds no text to measure on")
    return kept


def document_bits(engine: Engine, texts: Sequence[str]) -> tuple[NDArray[np.float64], int]:
    """Bits the model needs for each text, its end included, and the number of tokens predicted.

    A text longer than the context is read in windows that overlap by half: every token but the first few has a past.
    """
    end = engine.tokenizer.endoftext
    context = min(engine.context, 2048)
    stride = max(1, context // 2)
    windows: list[list[int]] = []
    owner: list[tuple[int, int]] = []
    for number, ids in enumerate(engine.tokenizer.encode_batch(list(texts))):
        whole = [engine.tokenizer.start, *(int(i) for i in ids), end]
        start, scored = 0, 1
        while scored < len(whole):
            stop = min(start + context, len(whole))
            windows.append(whole[start:stop])
            owner.append((number, scored - start))
            scored = stop
            start = max(0, stop - (context - stride))
    bits = np.zeros(len(texts))
    tokens = 0
    for (number, first), scores in zip(owner, engine.logprobs(windows), strict=True):
        bits[number] -= float(scores[first - 1 :].sum(dtype=np.float64)) / math.log(2)
        tokens += len(scores) - (first - 1)
    return bits, tokens


def measure(
    engine: Engine, documents: Sequence[Document], source: str, *, kinds: Sequence[str] | None = None
) -> HeldoutResult:
    """Bits per byte of `documents`; `kinds` names each document's kind where known."""
    bits, tokens = document_bits(engine, [document.text for document in documents])
    sizes = np.array([len(document.text.encode()) for document in documents], dtype=np.float64)
    known = all(document.floor_bits is not None for document in documents)
    floors = np.array([document.floor_bits or 0.0 for document in documents])
    bpb = float(bits.sum() / sizes.sum())
    floor = float(floors.sum() / sizes.sum()) if known else None
    low, high = _bootstrap(bits, sizes)
    by_kind = None
    if kinds is not None:
        by_kind = {}
        for kind in sorted(set(kinds)):
            at = np.array([k == kind for k in kinds])
            total = sizes[at].sum()
            by_kind[kind] = KindFigures(
                float(bits[at].sum() / total), float(floors[at].sum() / total) if known else None, int(at.sum())
            )
    return HeldoutResult(
        source=source,
        bpb=bpb,
        low=low,
        high=high,
        floor_bpb=floor,
        gap=bpb - floor if floor is not None else None,
        over_floor=bpb / floor - 1 if floor else None,
        documents=len(documents),
        bytes=int(sizes.sum()),
        tokens=tokens,
        compressors=compressors(document.text for document in documents),
        by_kind=by_kind,
    )


def _bootstrap(bits: NDArray[np.float64], sizes: NDArray[np.float64]) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(bits), (_BOOTSTRAPS, len(bits)))
    values = bits[picks].sum(1) / sizes[picks].sum(1)
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def compressors(texts: Iterable[str]) -> dict[str, float]:
    """Bits per byte of gzip -9, xz -9e and zstd -19 on the texts, one after another in one piece."""
    data = "\n".join(texts).encode()
    return {name.split()[0]: 8 * size / len(data) for name, size in peer_sizes(data).items()}
