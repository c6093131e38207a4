from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyas.data.build import build_shards
from eyas.data.shards import Shards


class ByteTokenizer:
    """Ids are bytes plus one; 0 is <|endoftext|>."""

    vocab_size = 257
    endoftext = 0
    fingerprint = "bytes"

    def __init__(self) -> None:
        self.calls = 0

    def encode_batch(self, texts: Sequence[str], threads: int = 2) -> list[Any]:
        self.calls += 1
        return [np.frombuffer(text.encode(), dtype=np.uint8).astype(np.uint16) + 1 for text in texts]


def text_of(ids: Iterable[int]) -> str:
    return bytes(int(i) - 1 for i in ids if i).decode()


@pytest.fixture
def tokenizer() -> ByteTokenizer:
    return ByteTokenizer()


@pytest.fixture
def texts_in() -> Callable[[Shards, str], list[str]]:
    """The texts of a split of a shard folder, as they went in."""

    def read(shards: Shards, split: str = "train") -> list[str]:
        docs = getattr(shards, split)
        return [text_of(docs.document(i).ids) for i in range(len(docs))]

    return read


@pytest.fixture
def build(tmp_path: Path, tokenizer: ByteTokenizer) -> Callable[..., Shards]:
    """build(file content or source names...) -> Shards; other arguments go to build_shards."""

    def run(*contents: str, **options: Any) -> Shards:
        sources = []
        for number, content in enumerate(contents):
            path = tmp_path / f"source{number}.txt"
            path.write_text(content, encoding="utf-8")
            sources.append(str(path))
        options.setdefault("val_fraction", 0.0)
        return build_shards(sources, options.pop("tokenizer", tokenizer), tmp_path / "shards", **options)

    return run
